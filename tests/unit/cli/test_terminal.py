import io
import threading

import pytest

from sev_scheduling.cli import terminal


class Stream(io.StringIO):
    def __init__(self, *, tty=True, encoding='utf-8'):
        super().__init__()
        self._tty = tty
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return self._tty


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    monkeypatch.delenv('NO_COLOR', raising=False)
    monkeypatch.setenv('TERM', 'xterm')


@pytest.mark.parametrize(
    ('used', 'usable', 'shown'),
    [
        pytest.param(0, 15, '            0%', id='empty'),
        pytest.param(1, 80, '▏           1%', id='hardly used'),
        pytest.param(8, 15, '█████▎     53%', id='half full'),
        pytest.param(15, 15, '██████████ 100%', id='full'),
        pytest.param(999, 1000, '█████████▉  99%', id='all but full'),
        pytest.param(16, 15, '██████████ 100%', id='more than there is'),
        pytest.param(0, 0, '██████████ 100%', id='all reserved'),
    ],
)
def test_a_bar_has_the_share_in_blocks_and_percent(used, usable, shown):
    stream = Stream(tty=False)

    assert terminal.bar(used, usable, stream, cells=10).split() == (
        shown.split()
    )
    assert len(terminal.bar(used, usable, stream, cells=10)) == 15


@pytest.mark.parametrize(
    ('used', 'colour'),
    [
        pytest.param(79, terminal.GREEN, id='room left'),
        pytest.param(80, terminal.YELLOW, id='just nearly full'),
        pytest.param(99, terminal.YELLOW, id='one left'),
        pytest.param(100, terminal.RED, id='full'),
    ],
)
def test_full_and_nearly_full_bars_stand_out(used, colour):
    shown = terminal.bar(used, 100, Stream())

    assert shown.startswith(f'\033[{colour}m')
    assert shown.endswith('\033[0m')


def test_a_bar_is_plain_where_the_encoding_has_no_blocks():
    stream = Stream(tty=False, encoding='ascii')

    assert terminal.bar(1, 2, stream, cells=4) == '##..  50%'


@pytest.mark.parametrize(
    ('tty', 'variable', 'value'),
    [
        pytest.param(False, 'TERM', 'xterm', id='no terminal'),
        pytest.param(True, 'TERM', 'dumb', id='a dumb terminal'),
        pytest.param(True, 'NO_COLOR', '1', id='NO_COLOR'),
    ],
)
def test_colours_are_left_out(monkeypatch, tty, variable, value):
    monkeypatch.setenv(variable, value)

    assert terminal.paint('text', terminal.RED, Stream(tty=tty)) == 'text'


@pytest.mark.parametrize(
    ('columns', 'width'),
    [
        pytest.param('60', 60, id='a narrow terminal'),
        pytest.param('100', 100, id='a hundred'),
        pytest.param('101', 100, id='a wide terminal'),
    ],
)
def test_text_is_no_wider_than_the_terminal_or_a_hundred_columns(
    monkeypatch, columns, width
):
    monkeypatch.setenv('COLUMNS', columns)

    assert terminal.width(Stream()) == width
    assert terminal.width(Stream(tty=False)) is None


@pytest.mark.parametrize(
    ('line', 'folded'),
    [
        pytest.param('twenty characters ok', ['twenty characters ok'],
                     id='a line that just fits'),
        pytest.param('twenty-one characters', ['twenty-one', 'characters'],
                     id='a line just too long'),
        pytest.param('  12  offer no slots at all',
                     ['  12  offer no slots', '      at all'],
                     id='a count'),
        pytest.param('- Ask the operator of it',
                     ['- Ask the operator', '  of it'],
                     id='a point of a list'),
        pytest.param('12 of 30 hosts can run it',
                     ['12 of 30 hosts can', 'run it'],
                     id='a headline that begins with a number'),
        pytest.param('  -> set it there: copy all of this',
                     ['  -> set it there:', '     copy all of this'],
                     id='a part that stays whole'),
        pytest.param('  -> this; copy all of this',
                     ['  -> this;', '     copy all of this'],
                     id='a part that would nearly fit'),
        pytest.param('copy all of this, or else do it',
                     ['copy all of this, or', 'else do it'],
                     id='words after a part that stays whole'),
        pytest.param('a\n\nb', ['a', '', 'b'], id='an empty line'),
        pytest.param('a-word-that-is-much-too-long for it',
                     ['a-word-that-is-much-too-long', 'for it'],
                     id='a long word'),
    ],
)  # fmt: skip
def test_lines_are_folded_below_where_their_words_begin(line, folded):
    assert terminal.fold(line, 20, ['copy all of this']).split('\n') == folded


def test_text_for_no_terminal_is_left_alone():
    assert terminal.fold('a ' * 200, None) == 'a ' * 200


@pytest.mark.parametrize(
    ('tty', 'shown'),
    [
        pytest.param(True, '\r\033[KPlacing: 0 s\r\033[K', id='a terminal'),
        pytest.param(False, '', id='a file'),
    ],
)
def test_a_clock_is_seen_at_a_terminal_and_erased_at_the_end(tty, shown):
    stream = Stream(tty=tty)
    with terminal.clock('Placing', stream):
        pass

    assert stream.getvalue() == shown


def test_a_clock_goes_on(monkeypatch):
    stream, ticked = Stream(), threading.Event()
    monkeypatch.setattr(terminal, 'TICK', 0.001)
    monkeypatch.setattr(
        stream,
        'flush',
        lambda: stream.getvalue().count('0 s') > 1 and ticked.set(),
    )
    with terminal.clock('Placing', stream):
        assert ticked.wait(30)


@pytest.mark.parametrize(
    ('used', 'usable', 'percent'),
    [
        pytest.param(0, 15, 0, id='none'),
        pytest.param(999, 1000, 99, id='nearly all'),
        pytest.param(15, 15, 100, id='all'),
        pytest.param(16, 15, 100, id='more than all'),
        pytest.param(0, 0, 100, id='none of none'),
    ],
)
def test_only_a_pool_with_nothing_left_is_at_100_percent(
    used, usable, percent
):
    assert terminal.percent(used, usable) == percent
