"""Arguments of callers: each is checked before a function begins.

:func:`checked` stands in front of every public function. It gives each
parameter a kind, which takes a value or refuses it in one line: the
parameter, the value, what to give instead.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from sev_scheduling.exceptions import InputError
from sev_scheduling.text import MAX_AMOUNT, as_text, printable, quoted

_P = ParamSpec('_P')
_T = TypeVar('_T')

_NAME = re.compile(r'[A-Z0-9_]{1,255}')
_UUID = re.compile(r'[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}')

#: Seconds that anything may wait: what sockets take, and more than sensible.
MOST_SECONDS = 86400.0


class Kind(Protocol):
    """What values a parameter takes."""

    def __call__(self, name: str, value: Any) -> Any:
        """Return the value as the function is to have it.

        :raises InputError: where it is no such value
        """


def checked(**kinds: Kind) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Decorate a function whose arguments are to be of these kinds.

    :param kinds: one for each parameter; ``self`` and ``cls`` apart
    :raises TypeError: where a parameter has none, or there is one too many
    """

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        parameters = inspect.signature(function).parameters.values()
        named = [p.name for p in parameters if p.name not in ('self', 'cls')]
        if kinds.keys() != set(named):
            raise TypeError(
                f'{function.__qualname__}() has {named}, and kinds of '
                f'{[*kinds]}.'
            )
        positional = [
            (p.name, kinds.get(p.name, anything))
            for p in parameters
            if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        # Of ``**kwargs``, the kind is that of each.
        others = next(
            (kinds[p.name] for p in parameters if p.kind is p.VAR_KEYWORD),
            anything,
        )

        @functools.wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            given = [
                kind(name, value)
                for (name, kind), value in zip(positional, args, strict=False)
            ]
            # Python itself refuses too many, too few and unknown ones.
            given += args[len(given) :]
            for name, value in kwargs.items():
                kwargs[name] = kinds.get(name, others)(name, value)
            return function(*given, **kwargs)

        wrapper.kinds = kinds  # type: ignore[attr-defined]
        return wrapper

    return decorate


def kinds_of(function: Callable[..., Any]) -> Mapping[str, Kind]:
    """Return the kinds of a function's parameters, for one that stands in."""
    found: Mapping[str, Kind] = function.kinds  # type: ignore[attr-defined]
    return found


def refusal(name: str, value: object, wanted: str) -> InputError:
    """Return the error for a value that a parameter does not take."""
    shown = quoted(value) if isinstance(value, str) else _shown(value)
    return InputError(f'{name} is {shown}; give {wanted}.')


def _shown(value: object) -> str:
    # Numbers of thousands of digits have no repr().
    text = printable(as_text(value) if isinstance(value, int) else repr(value))
    return text if len(text) <= 60 else f'{text[:57]}...'


def anything(name: str, value: Any) -> Any:
    """Take any value: the function reads it, and says what is wrong."""
    return value


@dataclass(frozen=True, slots=True)
class Of:
    """An object of some type."""

    types: type | tuple[type, ...]
    wanted: str

    def __call__(self, name: str, value: Any) -> Any:
        if isinstance(value, self.types):
            return value
        raise refusal(name, value, self.wanted)


@dataclass(frozen=True, slots=True)
class That:
    """A value that passes a test."""

    test: Callable[[Any], bool]
    wanted: str

    def __call__(self, name: str, value: Any) -> Any:
        if self.test(value):
            return value
        raise refusal(name, value, self.wanted)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; a boolean is none."""

    least: int = 0
    most: int | None = MAX_AMOUNT

    def __call__(self, name: str, value: Any) -> int:
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.least <= value
            and (self.most is None or value <= self.most)
        ):
            return value
        wanted = f'a whole number from {self.least}'
        if self.most is not None:
            wanted += f' to {self.most}'
        raise refusal(name, value, wanted)


@dataclass(frozen=True, slots=True)
class Number:
    """A number, neither infinite nor NaN."""

    least: float = 0.0
    most: float = math.inf
    above: bool = False

    def __call__(self, name: str, value: Any) -> float:
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and self.least <= value <= self.most
            and value < math.inf
            and not (self.above and value == self.least)
        ):
            return value
        wanted = f'a number {"above" if self.above else "from"} {self.least:g}'
        if self.most < math.inf:
            wanted += f' to {self.most:g}'
        raise refusal(name, value, wanted)


@dataclass(frozen=True, slots=True)
class Text:
    """A text; an empty one where that is said."""

    least: int = 1
    most: int = 65535

    def __call__(self, name: str, value: Any) -> str:
        if (
            isinstance(value, str)
            and self.least <= len(value) <= self.most
            and '\0' not in value
        ):
            return value
        wanted = f'a text of {self.least} to {self.most} characters'
        raise refusal(name, value, wanted)


@dataclass(frozen=True, slots=True)
class Items:
    """Several of one kind; a text or a mapping is none.

    :ivar collect: what makes the value of them
    """

    kind: Kind
    least: int = 0
    collect: Callable[[Iterable[Any]], Any] = tuple

    def __call__(self, name: str, value: Any) -> Any:
        if not isinstance(value, Iterable) or isinstance(
            value, str | bytes | Mapping
        ):
            raise refusal(name, value, 'a list')
        items = []
        for item in value:
            try:
                items.append(self.kind(name, item))
            except InputError:
                # Only here, as there may be many.
                self.kind(f'{name}[{len(items)}]', item)
                raise
        if len(items) < self.least:
            raise refusal(name, value, f'at least {self.least}')
        return self.collect(items)


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping of one kind to another."""

    keys: Kind
    values: Kind

    def __call__(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise refusal(name, value, 'a mapping')
        for key, one in value.items():
            self.keys(f'a key of {name}', key)
            self.values(f'{name}[{_shown(key)}]', one)
        return value


@dataclass(frozen=True, slots=True)
class Maybe:
    """None, or a value of some kind."""

    kind: Kind

    def __call__(self, name: str, value: Any) -> Any:
        return None if value is None else self.kind(name, value)


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def any_uuid(name: str, value: Any) -> str:
    """Take a uuid in any of its forms; return it as Placement writes it."""
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise refusal(name, value, UUID.wanted) from None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


FLAG = Of(bool, 'True or False')
FUNCTION = That(callable, 'a function')
TEXT = Text()
#: Written with hyphens; Placement compares them letter by letter.
UUID = That(_is_uuid, 'a uuid such as 5e1f5a3c-2f0e-4c1d-9a44-0d8a1c9f7b21')
#: Of a trait or a resource class.
NAME = That(
    _is_name,
    'a name of upper-case letters, digits and underscores',
)
COUNT = Whole(1, None)
AMOUNT = Whole(0)
SECONDS = Number(0, MOST_SECONDS, above=True)
#: Of waiting, not at all included.
PATIENCE = Number(0, MOST_SECONDS)
AGE = Number(0)
RATIO = Number(0, above=True)
PATH = That(
    lambda value: (
        (isinstance(value, str) and value != '' and '\0' not in value)
        or hasattr(value, '__fspath__')
    ),
    'a path',
)
