"""Fixes in words: the exact command where one does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values import fix_values, sentence
from sev_scheduling.problems import Fix, Target, merge, message


def phrase(fix: Fix) -> str:
    """Return a fix as it follows "or": a command, a change or advice."""
    command = fix.command()
    if command:
        return command
    if fix.target is None:
        return _advice(fix)
    return brief(fix)


def condition(fix: Fix) -> str:
    """Return such as ``if the image boots with UEFI and runs on q35``."""
    by_subject: dict[str, list[str]] = {}
    for caveat in fix.caveats:
        subject, text = (
            template.format_map(fix_values(fix))
            for template in catalogue.fixes.CAVEATS[caveat]
        )
        by_subject.setdefault(subject, []).append(text)
    clauses = ' and '.join(
        f'{subject} {_listed(texts)}' for subject, texts in by_subject.items()
    )
    return catalogue.fixes.IF.format(clauses=clauses) if clauses else ''


def _listed(texts: Sequence[str]) -> str:
    *most, last = texts
    return f'{", ".join(most)} and {last}' if most else last


def brief(fix: Fix) -> str:
    """Return such as ``set hw_disk_bus=virtio on image u``."""
    if fix.target is None:
        return _advice(fix)
    template = catalogue.fixes.CHANGES[fix.target, bool(fix.set)]
    return template.format_map(fix_values(fix))


def _advice(fix: Fix) -> str:
    if fix.advice is None:
        return ''
    return catalogue.fixes.ADVICE[fix.advice].format_map(fix_values(fix))


@message.register
def fix_text(fix: Fix) -> str:
    """Return a command alone as it is, everything else as a sentence."""
    text = phrase(fix)
    if fix.alternatives:
        others = ' or '.join(map(_conditional, fix.alternatives))
        return f'{text} (or {others})'
    if text and fix.target in (None, Target.HOST):
        return f'{sentence(text)}.'
    return text


def how_to(fixes: Iterable[Fix]) -> str:
    """Return what to change; it ends with the commands."""
    changes = merge(fixes, alternatives=True)
    notes = dict.fromkeys(
        catalogue.fixes.PUBLIC[fix.target].format(name=fix.name)
        for fix in changes
        if fix.public and fix.target is not None
    )
    ways = [
        ' or '.join(map(_conditional, (fix, *fix.alternatives)))
        for fix in changes
    ]
    text = '; '.join(ways)
    return ' '.join((*notes, sentence(text) if notes else text))


def _conditional(fix: Fix) -> str:
    only_if = condition(fix)
    return f'{only_if}: {phrase(fix)}' if only_if else phrase(fix)
