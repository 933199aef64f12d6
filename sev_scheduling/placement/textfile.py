"""Read a JSON or YAML document that anybody may have written."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

import yaml

from sev_scheduling.exceptions import InputError
from sev_scheduling.placement.yamltext import MAX_DEPTH, parse_yaml
from sev_scheduling.text import printable, quoted

#: Larger than any real flavor, image or cloud file; in bytes.
MAX_BYTES = 4 * 1024 * 1024


def read_document(source: str | Path) -> Any:
    """Return what a JSON or YAML document holds.

    :param source: a path, or ``-`` for standard input
    :raises InputError: where it cannot be read, is larger than
        :data:`MAX_BYTES`, or holds more than plain data
    """
    label = 'Standard input' if str(source) == '-' else f'File {named(source)}'
    text = _read(source, label)
    if not text.strip():
        raise InputError(f'{label} is empty; give a JSON or YAML document.')
    try:
        return _parse(text)
    except _RepeatedKey as error:
        raise InputError(
            f'{label} has the key {quoted(error)} twice in one object; remove '
            'one.'
        ) from None
    except yaml.YAMLError as error:
        raise InputError(
            f'{label} is no JSON or YAML: {_why(error)}'
        ) from None
    except RecursionError:
        raise InputError(
            f'{label} is nested without end; give one flavor, image or cloud.'
        ) from None
    except ValueError as error:
        # A number of thousands of digits.
        why = printable(str(error))[:120]
        raise InputError(f'{label} cannot be read: {why}.') from None


def named(path: str | Path) -> str:
    """Return a path for a message: all of it, quoted, on one line."""
    return f"'{printable(str(path))}'"


class _RepeatedKey(Exception):
    pass


def _parse(text: str) -> Any:
    # JSON is a subset of YAML, and much quicker to read.
    if text.lstrip()[0] in '{[':
        try:
            document = json.loads(text, object_pairs_hook=_unique)
        except json.JSONDecodeError:
            pass
        else:
            _check_depth(document)
            return document
    return parse_yaml(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKey(key)
        found[key] = value
    return found


def _check_depth(document: Any) -> None:
    """:raises RecursionError: where later steps could overflow the stack"""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            for item in (
                container.values()
                if isinstance(container, dict)
                else container
            )
            if isinstance(item, (dict, list))
        ]
        if not level:
            return
    raise RecursionError


def _why(error: yaml.YAMLError) -> str:
    mark = getattr(error, 'problem_mark', None)
    what = printable(getattr(error, 'problem', None) or str(error))[:120]
    place = (
        f' (line {mark.line + 1}, column {mark.column + 1})' if mark else ''
    )
    return f'{what}{place}.'


def _read(source: str | Path, label: str) -> str:
    try:
        if str(source) == '-':
            data = _bounded(_standard_input(label))
        else:
            path = Path(source)
            if not _ends(path):
                raise InputError(f'{label} is no regular file; give one.')
            with path.open('rb') as stream:
                data = _bounded(stream)
    except (OSError, ValueError) as error:
        why = getattr(error, 'strerror', None) or str(error)
        raise InputError(
            f'{label} cannot be read: {printable(why)}; give the path of a '
            'JSON or YAML file, or - for standard input.'
        ) from None
    if len(data) > MAX_BYTES:
        raise InputError(
            f'{label} has more than {MAX_BYTES} bytes; give one flavor, '
            'image or cloud.'
        )
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{label} is not UTF-8 text (byte {error.start}); give a JSON or '
            'YAML document.'
        ) from None


def _ends(path: Path) -> bool:
    """Return False for what would wait or never end: a FIFO, a device.

    A pipe that the shell opened is fine: ``<(openstack flavor show …)``.
    """
    if not path.exists() or path.is_file() or path.is_dir():
        return True
    return path.is_fifo() and '/fd/pipe:' in os.path.realpath(path)


def _standard_input(label: str) -> IO[bytes]:
    # Python has none where the shell closed it: <&-
    if sys.stdin is None:
        raise InputError(f'{label} is closed; give a file.')
    return sys.stdin.buffer


def _bounded(stream: IO[bytes]) -> bytes:
    return stream.read(MAX_BYTES + 1)
