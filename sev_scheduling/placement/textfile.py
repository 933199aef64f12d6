"""Read a JSON or YAML document that anybody may have written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any

import yaml

from sev_scheduling.exceptions import InputError
from sev_scheduling.specs import printable, shown

#: Larger than any real flavor, image or cloud file; in bytes.
MAX_BYTES = 4 * 1024 * 1024

#: Levels of lists and mappings in YAML.
MAX_DEPTH = 50


# The loader in C is far quicker, and not everywhere.
_SafeLoader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """Plain data only: no tags, no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key.value, str) else None
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'key {name!r} stands twice', key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


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
        if text.lstrip()[0] in '{[':
            # JSON is a subset of YAML, and much quicker to read.
            try:
                return json.loads(text, object_pairs_hook=_unique)
            except json.JSONDecodeError:
                pass
        _check_shape(text)
        return yaml.load(text, _Loader)
    except _RepeatedKey as error:
        raise InputError(
            f'{label} has the key {shown(error)} twice in one object; remove '
            'one.'
        ) from None
    except yaml.YAMLError as error:
        raise InputError(
            f'{label} is no JSON or YAML: {_why(error)}'
        ) from None
    except (ValueError, RecursionError) as error:
        # Numbers or dates out of range, or nesting without end.
        why = printable(str(error))[:120]
        raise InputError(f'{label} cannot be read: {why}.') from None


def _check_shape(text: str) -> None:
    """Refuse aliases, and nesting that would overflow the loader's stack.

    The loader in C has no hook for the one and no limit for the other.
    """
    depth = 0
    for event in yaml.parse(text, _SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            what = 'aliases are not allowed'
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth <= MAX_DEPTH:
                continue
            what = f'nested more than {MAX_DEPTH} deep'
        else:
            depth -= isinstance(event, yaml.CollectionEndEvent)
            continue
        raise yaml.constructor.ConstructorError(
            None, None, what, event.start_mark
        )


def named(path: str | Path) -> str:
    """Return a path for a message: all of it, quoted, on one line."""
    return f"'{printable(str(path))}'"


class _RepeatedKey(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKey(next(n for n in names if names.count(n) > 1))
    return found


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
            data = _bounded(sys.stdin.buffer)
        else:
            # A FIFO or a device would wait or never end.
            path = Path(source)
            if path.exists() and not (path.is_file() or path.is_dir()):
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


def _bounded(stream: IO[bytes]) -> bytes:
    return stream.read(MAX_BYTES + 1)
