"""Text for people at a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from sev_scheduling.text import printable_lines

#: Columns: longer lines are no easier to read on a wider terminal.
MAX_WIDTH = 100

GREEN, YELLOW, RED = 32, 33, 31
BOLD, DIM = 1, 2

#: From this share of slots in use on, a pool is nearly full.
NEARLY_FULL = 0.8

#: Seconds between two looks at the clock.
TICK = 1.0

_EIGHTHS = ' ▏▎▍▌▋▊▉'
_ERASE = '\r\033[K'

# A character that no text has, and where no line is folded.
_GLUE = '\0'

# A count, the point of a list, an arrow or a severity before the words.
_BEGIN = re.compile(r'^ *(?:[0-9]+  |-  ?|-> |(?:error|warning)  +)?')


def width(stream: TextIO) -> int | None:
    """Return the columns to use; None if the stream is not a terminal."""
    if not stream.isatty():
        return None
    return min(MAX_WIDTH, shutil.get_terminal_size().columns)


class Painted(str):
    """Text with escape sequences of our own."""

    __slots__ = ()


def paint(text: str, style: int, stream: TextIO) -> str:
    """Return text in a colour or weight, if the stream shows them."""
    if (
        not stream.isatty()
        or os.environ.get('NO_COLOR')
        or os.environ.get('TERM') == 'dumb'
    ):
        return text
    return Painted(f'\033[{style}m{text}\033[0m')


def fold(text: str, columns: int | None, whole: Iterable[str] = ()) -> str:
    """Fold long lines, and go on below where their words begin.

    What no terminal should see is escaped.

    :param columns: None folds nothing
    :param whole: parts of the text that stay on one line, to be copied
    """
    text = printable_lines(text)
    if columns is None:
        return text
    for part in map(printable_lines, whole):
        text = text.replace(part, part.replace(' ', _GLUE))
    lines = []
    for line in text.splitlines():
        lines += textwrap.wrap(
            line,
            columns,
            subsequent_indent=' ' * (len(line) - len(_BEGIN.sub('', line))),
            break_long_words=False,
            break_on_hyphens=False,
        ) or ['']
    return '\n'.join(lines).replace(_GLUE, ' ')


@contextlib.contextmanager
def clock(what: str, stream: TextIO) -> Iterator[None]:
    """Show for how long something goes on, on a line that is erased after.

    Nothing is shown if the stream is not a terminal.
    """
    if not stream.isatty():
        yield
        return
    done = threading.Event()

    def show() -> None:
        began = time.monotonic()
        going_on = True
        while going_on:
            stream.write(f'{_ERASE}{what}: {time.monotonic() - began:.0f} s')
            stream.flush()
            going_on = not done.wait(TICK)
        stream.write(_ERASE)
        stream.flush()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def progress(stream: TextIO) -> Iterator[Callable[[str], None]]:
    """Give what shows how far something is.

    On a terminal each text takes the place of the one before, and the last is
    erased; elsewhere each is a line.
    """
    columns = width(stream)

    def show(text: str) -> None:
        text = printable_lines(text)
        stream.write(
            f'{text}\n'
            if columns is None
            else f'{_ERASE}{text[: columns - 1]}'
        )
        stream.flush()

    try:
        yield show
    finally:
        if columns is not None:
            stream.write(_ERASE)
            stream.flush()


def bar(used: int, usable: int, stream: TextIO, cells: int = 20) -> str:
    """Return a bar and a percentage; full and nearly full ones stand out."""
    share = _share(used, usable)
    text = f'{_blocks(share, stream, cells)} {percent(used, usable):3}%'
    if share == 1.0:
        return paint(text, RED, stream)
    return paint(text, YELLOW if share >= NEARLY_FULL else GREEN, stream)


def percent(used: int, usable: int) -> int:
    """Return how much is in use: 100 where nothing is left, and only there."""
    share = _share(used, usable)
    return 100 if share == 1.0 else min(99, round(share * 100))


def _share(used: int, usable: int) -> float:
    return min(1.0, used / usable) if usable > 0 else 1.0


def _blocks(share: float, stream: TextIO, cells: int) -> str:
    try:
        f'█{_EIGHTHS}'.encode(stream.encoding or 'ascii')
    except UnicodeEncodeError:
        return ('#' * int(share * cells)).ljust(cells, '.')
    full, part = divmod(int(share * cells * 8), 8)
    return ('█' * full + _EIGHTHS[part] * bool(part)).ljust(cells)
