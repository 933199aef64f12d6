"""What every part needs of text and numbers that somebody else wrote."""

from __future__ import annotations

import json
import re

#: Placement and nova keep amounts in signed 32-bit columns.
MAX_AMOUNT = 2**31 - 1

#: A resource class or trait of a cloud's own, as Placement takes it.
CUSTOM_NAME = re.compile(r'CUSTOM_[A-Z0-9_]{1,248}')


def as_text(value: object) -> str:
    try:
        return str(value)
    except ValueError:
        # Python writes no number of thousands of decimal digits.
        return hex(value) if isinstance(value, int) else type(value).__name__


def printable(text: str) -> str:
    """Return text that stays on one line, whatever its owner put in it.

    What no terminal should see, such as line breaks, escape sequences and
    marks that turn the direction, is written as JSON writes it.
    """
    if text.isprintable():
        return text
    return ''.join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """Return text of several lines, each of them printable."""
    return '\n'.join(map(printable, text.split('\n')))


def quoted(value: object) -> str:
    """Return a value for a message: quoted, on one line, not too long."""
    text = as_text(value)
    if len(text) > 60:
        text = text[:57] + '...'
    return f"'{printable(text)}'"


def one_line(text: object) -> str:
    """Return text on one line of at most 300 characters.

    For the words of an exception or of another program.
    """
    line = printable(' '.join(str(text).split()))
    return line if len(line) <= 300 else line[:297] + '...'


def counted(number: int, noun: str) -> str:
    """Return such as ``1 host`` and ``2 hosts``."""
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def whole_number(value: object) -> int | None:
    """Return a whole number of 0 or more, also from text; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 20 or not (text.isascii() and text.isdigit()):
            return None
        return int(text)
    if isinstance(value, int) and value >= 0:
        return value
    return None
