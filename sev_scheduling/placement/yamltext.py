"""YAML as far as it is plain data: what JSON can say, and no more.

PyYAML's own constructors take seconds for some documents of a few bytes
more than usual (``1:1:1:…`` is a number to them), so that only its parser
is used here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import yaml

#: Levels of lists and mappings.
MAX_DEPTH = 50

#: Scalars, lists and mappings in all; about a second's work.
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


def parse_yaml(text: str) -> Any:
    """Return the one document of a text.

    Numbers are decimal; what looks like a date, or like no number of JSON's,
    is text, and so are ``yes``, ``no``, ``on`` and ``off``. Keys are text.

    :raises yaml.YAMLError: where it is no YAML, has several documents,
        aliases, tags or a key twice, or goes beyond :data:`MAX_DEPTH` or
        :data:`MAX_VALUES`
    """
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
