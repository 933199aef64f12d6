"""The notes about compute hosts and nova-scheduler, in words."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.naming import Count
from sev_scheduling.hosts.check import Check, Note, NoteCode
from sev_scheduling.problems import advice, message
from sev_scheduling.text import printable


@message.register
def _note_message(note: Note) -> str:
    return catalogue.NOTES[note.code].text.format_map(_shown(note.values))


@advice.register
def _note_advice(note: Note) -> str:
    return catalogue.NOTES[note.code].advice.format_map(_shown(note.values))


@message.register
def _check_name(check: Check) -> str:
    values = check.note.values
    return catalogue.compute.CHECKS[check.kind].format_map(
        {
            **values,
            'model_name': _short(values.get('model')),
            'other_name': _short(values.get('other')),
        }
    )


def _short(model: object) -> str:
    """Return ``SEV-ES`` for ``amd-sev-es``, as people name it."""
    vendor, _, name = str(model).partition('-')
    return (name or vendor).upper()


def _shown(values: Mapping[str, object]) -> Mapping[str, object]:
    shown = {name: _text(value) for name, value in values.items()}
    if 'close' in values:
        close = shown['close']
        shown['close'] = f' (is it {close}?)' if close else ''
    if 'source' in values:
        shown['source'] = f' ({shown["source"]})' if values['source'] else ''
    return shown


def _text(value: object) -> object:
    """Return a value as it stands in a sentence; a number stays one."""
    if value is None:
        return 'unknown'
    if isinstance(value, Note):
        about = f'{value.values["model"]}: ' if 'model' in value.values else ''
        return about + value.message
    if isinstance(value, Mapping):
        return ', '.join(
            f'{_text(key)} {_text(one)}' for key, one in value.items()
        )
    if isinstance(value, tuple):
        if all(isinstance(item, int) for item in value):
            return '.'.join(map(str, value))
        return _separator(value).join(str(_text(v)) for v in value)
    if type(value) is int:
        return Count(value)
    return printable(value) if isinstance(value, str) else value


def _separator(items: tuple[object, ...]) -> str:
    """Return what stands between sentences, parts of one, or words."""
    codes = [item.code for item in items if isinstance(item, Note)]
    if NoteCode.FIRMWARE_ANSWER in codes:
        return ' '
    return '; ' if codes else ', '
