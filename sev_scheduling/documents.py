"""Read files that anybody may have written: bounded, strict, one-line errors.

A document is JSON or YAML as far as it is plain data: what JSON can say, and
no more. PyYAML's own constructors take seconds for some documents of a few
bytes more than usual (``1:1:1:…`` is a number to them), so that only its
parser is used here.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sev_scheduling.exceptions import InputError
from sev_scheduling.text import one_line, printable, quoted

#: Larger than any real flavor, image or cloud file; in bytes.
MAX_BYTES = 4 * 1024 * 1024

#: Levels of lists and mappings.
MAX_DEPTH = 50

#: Scalars, lists and mappings of a YAML document; about a second's work.
MAX_VALUES = 200_000

# The parser in C is far quicker, and not everywhere.
_Parser: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)

_WORDS = {
    '': None,
    '~': None,
    **dict.fromkeys(('null', 'Null', 'NULL')),
    **dict.fromkeys(('true', 'True', 'TRUE'), True),
    **dict.fromkeys(('false', 'False', 'FALSE'), False),
}
# Less than YAML 1.1 takes for numbers (012, 1_000, 1:30), so that text
# which a YAML library leaves without quotes is never a number here.
_INTEGER = re.compile(r'[-+]?(0|[1-9][0-9]{0,19})')
_FRACTION = re.compile(r'[-+]?[0-9]{1,20}\.[0-9]{0,20}([eE][-+][0-9]{1,3})?')


def named(path: str | os.PathLike[str]) -> str:
    """Return a path for a message: all of it, quoted, on one line."""
    return f"'{printable(str(path))}'"


def read_bounded(
    path: str | os.PathLike[str],
    limit: int = MAX_BYTES,
    *,
    label: str = '',
    pipe: bool = False,
) -> bytes:
    """Return the bytes of a regular file.

    :param limit: bytes that the file may have
    :param label: begins every error; by default the path
    :param pipe: take a pipe that the shell opened too:
        ``<(openstack flavor show …)``
    :raises InputError: if the file is missing, cannot be read, is larger, or
        is something that may never end: a named pipe, a device
    """
    label = label or f'File {named(path)}'
    try:
        with open(path, 'rb', opener=_open_at_once) as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if pipe and stat.S_ISFIFO(mode) and _is_anonymous(path):
                os.set_blocking(stream.fileno(), True)
            elif not stat.S_ISREG(mode):
                raise InputError(f'{label} is no regular file; give one.')
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, 'strerror', None) or str(error)
        raise InputError(
            f'{label} cannot be read: {printable(why)}; give the path of a '
            'readable file.'
        ) from None
    _check_size(data, label, limit)
    return data


def decode(data: bytes, label: str, limit: int = MAX_BYTES) -> str:
    """Return bytes as text, without a byte order mark.

    :param label: begins every error
    :raises InputError: if there are more than ``limit``, or they are no UTF-8
    """
    _check_size(data, label, limit)
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{label} is not UTF-8 text (byte {error.start}); give a text '
            'file.'
        ) from None


def read_text(
    source: str | os.PathLike[str],
    limit: int = MAX_BYTES,
    *,
    pipe: bool = False,
) -> str:
    """Return a text file, whole.

    :param source: a path, or ``-`` for standard input
    :param limit: bytes that it may have
    :param pipe: take a pipe that the shell opened too
    :raises InputError: if it cannot be read, is larger, or is not UTF-8
    """
    label = _label(source)
    if str(source) != '-':
        data = read_bounded(source, limit, label=label, pipe=pipe)
    # Python has none if the shell closed it: <&-
    elif sys.stdin is None:
        raise InputError(f'{label} is closed; give a file.')
    else:
        data = sys.stdin.buffer.read(limit + 1)
    return decode(data, label, limit)


def read_document(source: str | Path, limit: int = MAX_BYTES) -> Any:
    """Return what a JSON or YAML document holds.

    :param source: a path, or ``-`` for standard input
    :param limit: how many bytes it may have
    :raises InputError: if it cannot be read, is larger, or is no plain data
        (:func:`parse_document`)
    """
    text = read_text(source, limit=limit, pipe=True)
    return parse_document(text, _label(source))


def _label(source: str | os.PathLike[str]) -> str:
    return 'Standard input' if str(source) == '-' else f'File {named(source)}'


def parse_document(text: str, label: str) -> Any:
    """Return what a text holds that is JSON or YAML.

    Numbers of YAML are decimal; what looks like a date, or like no number of
    JSON's, is text, and so are ``yes``, ``no``, ``on`` and ``off``. Keys are
    text.

    :param label: begins every error
    :raises InputError: if the text is empty, is neither, has several
        documents, aliases, tags or a key twice, or goes beyond
        :data:`MAX_DEPTH` or :data:`MAX_VALUES`
    """
    if not text.strip():
        raise InputError(f'{label} is empty; give a JSON or YAML document.')
    try:
        # JSON is a subset of YAML, and much quicker to read.
        if text.lstrip()[0] in '{[':
            try:
                document = json.loads(text, object_pairs_hook=_unique)
            except json.JSONDecodeError:
                pass
            else:
                _check_depth(document)
                return document
        return _parse_yaml(text)
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
            f'{label} is nested more than {MAX_DEPTH} deep; give a flat one.'
        ) from None
    except ValueError as error:
        # A number of thousands of digits, of which Python says after a
        # semicolon how programs change that.
        why = one_line(str(error).partition(';')[0])
        raise InputError(
            f'{label} has a value that cannot be read: {why}; correct it.'
        ) from None


def _open_at_once(path: str, flags: int) -> int:
    # The mere opening of a named pipe would wait for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def _is_anonymous(path: str | os.PathLike[str]) -> bool:
    return '/fd/pipe:' in os.path.realpath(path)


def _check_size(data: bytes, label: str, limit: int) -> None:
    if len(data) > limit:
        raise InputError(
            f'{label} has more than {limit} bytes; give the right file.'
        )


class _RepeatedKey(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKey(key)
        found[key] = value
    return found


def _check_depth(document: Any) -> None:
    """:raises RecursionError: if later steps could overflow the stack"""
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


def _parse_yaml(text: str) -> Any:
    """:raises yaml.YAMLError: if it is no YAML, or more than plain data"""
    events = _events(text)
    event = next(events, None)
    value = None if event is None else _value(event, events, 0)
    event = next(events, None)
    if event is not None:
        raise _refused(event, 'there is more than one document')
    return value


def _events(text: str) -> Iterator[Any]:
    """Yield the events that make values."""
    values = itertools.count(1)
    for event in yaml.parse(text, _Parser):
        if isinstance(event, (yaml.NodeEvent, yaml.CollectionEndEvent)):
            if isinstance(event, yaml.NodeEvent) and next(values) > MAX_VALUES:
                raise _refused(
                    event, 'there are too many values; use JSON, or fewer'
                )
            yield event


def _refused(event: Any, problem: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, 'aliases are not allowed')
    if event.tag is not None:
        raise _refused(event, 'tags are not allowed')
    if isinstance(event, yaml.ScalarEvent):
        # The first of the two: it stands there without quotes.
        return _plain(event.value) if event.implicit[0] else event.value
    if depth >= MAX_DEPTH:
        raise _refused(event, f'it is nested more than {MAX_DEPTH} deep')
    if isinstance(event, yaml.SequenceStartEvent):
        return [_value(item, events, depth + 1) for item in _until_end(events)]
    mapping: dict[str, Any] = {}
    for key_event in _until_end(events):
        if not isinstance(key_event, yaml.ScalarEvent):
            raise _refused(key_event, 'a key must be text')
        if key_event.tag is not None:
            raise _refused(key_event, 'tags are not allowed')
        # As in JSON, where a key is text whatever it looks like.
        key = key_event.value
        if key in mapping:
            raise _refused(key_event, f'the key {key[:60]!r} stands twice')
        mapping[key] = _value(next(events), events, depth + 1)
    return mapping


def _until_end(events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    return text
