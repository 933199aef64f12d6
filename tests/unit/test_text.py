import pytest

from sev_scheduling.text import (
    CUSTOM_NAME,
    as_text,
    counted,
    one_line,
    printable,
    printable_lines,
    quoted,
    whole_number,
)


@pytest.mark.parametrize(
    ('number', 'shown'), [(0, '0 slots'), (1, '1 slot'), (2, '2 slots')]
)
def test_a_noun_agrees_with_its_number(number, shown):
    assert counted(number, 'slot') == shown


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('plain', 'plain'),
        ('ünïcode', 'ünïcode'),
        ('two\nlines', r'two\nlines'),
        ('\x1b[31mred', r'\u001b[31mred'),
        ('right\u202eto left', r'right\u202eto left'),
        ('tags\U000e0041', r'tags\udb40\udc41'),
        ('as it is: \\ "', 'as it is: \\ "'),
    ],
)
def test_printable_text_stays_on_one_line(text, shown):
    assert printable(text) == shown


def test_of_several_lines_each_is_printable():
    assert printable_lines('a\n\n b\r\nc\x85') == '\n'.join(
        ['a', '', r' b\r', r'c\u0085']
    )


@pytest.mark.parametrize(
    ('value', 'shown'),
    [
        ('pc', "'pc'"),
        ('', "''"),
        (7, "'7'"),
        (None, "'None'"),
        ('a\nb\x1b[2J', r"'a\nb\u001b[2J'"),
        ('\ud800', r"'\ud800'"),
        ('x' * 60, f"'{'x' * 60}'"),
        ('x' * 61, f"'{'x' * 57}...'"),
    ],
)
def test_a_quoted_value_is_short_and_on_one_line(value, shown):
    assert quoted(value) == shown


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('  a\n  b\t c ', 'a b c'),
        (ValueError('wrong\nvalue'), 'wrong value'),
        ('x' * 300, 'x' * 300),
        ('x' * 301, 'x' * 297 + '...'),
    ],
)
def test_one_line_folds_spaces_and_ends_after_300_characters(text, line):
    assert one_line(text) == line


@pytest.mark.parametrize(
    ('value', 'number'),
    [
        (0, 0),
        (7, 7),
        ('0', 0),
        ('7', 7),
        (' 7 ', 7),
        ('007', 7),
        ('9' * 20, int('9' * 20)),
        ('9' * 21, None),
        (-1, None),
        ('-1', None),
        ('+1', None),
        ('1.0', None),
        (1.0, None),
        ('', None),
        ('x', None),
        ('²', None),
        ('٣', None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_whole_numbers_are_read_strictly(value, number):
    assert whole_number(value) == number


def test_a_number_too_long_to_write_in_digits_is_written_in_hexadecimal():
    assert as_text(10**5000).startswith('0x')
    assert len(quoted(1 << 99999)) == 62


@pytest.mark.parametrize(
    ('name', 'valid'),
    [
        ('CUSTOM_A', True),
        ('CUSTOM_' + 'A' * 248, True),
        ('CUSTOM_' + 'A' * 249, False),
        ('CUSTOM_', False),
        ('CUSTOM_a', False),
        ('A', False),
    ],
)
def test_custom_names_are_those_that_placement_takes(name, valid):
    assert bool(CUSTOM_NAME.fullmatch(name)) is valid
