"""What commands do with rows, words and a no; ``check`` stands for them."""

import csv
import io
import json
import os
import pty
import types

import pytest
import yaml

from sev_scheduling.cli.output import Cell, Fields, Rows

COLUMNS = [
    *('Code', 'Severity', 'Where', 'Message', 'Fix', 'Caveats', 'Advice'),
]


@pytest.fixture
def refused(run, flavor, image):
    """Check a request that has four errors."""

    def refused(*options):
        return run(
            *('check', *options, '--flavor', flavor('m1.sev')),
            *('--image', image('legacy-appliance')),
        )

    return refused


def rows_of_table(text):
    lines = [line[1:-1] for line in text.splitlines() if line[0] == '|']
    head, *rows = [[c.strip() for c in line.split('|')] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ('formatter', 'read'),
    [
        pytest.param('yaml', yaml.safe_load, id='yaml'),
        pytest.param(
            'csv',
            lambda text: list(csv.DictReader(io.StringIO(text))),
            id='csv',
        ),
        pytest.param('table', rows_of_table, id='table'),
    ],
)
def test_other_formats_say_the_same_as_json(refused, formatter, read):
    rows = read(refused('-f', formatter).out)

    assert [sorted(row) for row in rows] == [sorted(COLUMNS)] * 4
    expected = refused('-f', 'json').json()
    if formatter != 'yaml':
        # These have neither lists nor nothing.
        for row in expected:
            row['Advice'] = row['Advice'] or ''
        for row in rows:
            row['Caveats'] = (
                json.loads(row['Caveats'])
                if formatter == 'csv'
                else row['Caveats'].splitlines()
            )
    assert rows == expected


def test_columns_are_picked_in_any_case_and_sorted(refused):
    ran = refused('-f', 'value', '-c', 'code', '--sort-column', 'Code')

    rows = ran.out.splitlines()
    assert rows == sorted(rows)
    assert 'machine-type-not-q35' in rows


def test_a_table_of_some_columns_does_not_explain(refused):
    """Words are the default; the explanation goes to standard error then."""
    ran = refused('-c', 'Code')

    assert len(rows_of_table(ran.out)) == 4
    assert len(ran.err.splitlines()) > 4


def test_words_on_standard_output_are_not_all_repeated(refused):
    ran = refused()

    assert ran.status == 1
    headline, *reasons = ran.out.splitlines()
    assert headline.endswith(':')
    assert len(reasons) >= 4
    assert ran.err == f'{headline[:-1]}.\n'


def test_somebody_who_reads_the_words_reads_no_headline_again(
    refused, terminal
):
    stdout = terminal('stdout')
    ran = refused()

    assert (ran.status, ran.err) == (1, '')
    assert stdout.getvalue()


def test_the_headline_is_there_once_where_both_streams_are_one(
    refused, monkeypatch, tmp_path
):
    """As with ``2>&1``."""
    with open(tmp_path / 'both', 'a+') as stream:
        for name in ('stdout', 'stderr'):
            monkeypatch.setattr(f'sys.{name}', stream)
        status = refused().status
        stream.seek(0)
        lines = stream.read().splitlines()

    assert status == 1
    assert len(lines) > 4
    assert len([line for line in lines if 'is not ready' in line]) == 1


def test_a_pipe_at_a_terminal_shows_the_headline_once(refused, monkeypatch):
    """As with ``| less``; what goes into a file is told at the terminal."""
    reader, writer = os.pipe()
    main_side, terminal_side = pty.openpty()
    try:
        with (
            open(writer, 'w') as stdout,
            open(terminal_side, 'w') as stderr,
        ):
            monkeypatch.setattr('sys.stdout', stdout)
            monkeypatch.setattr('sys.stderr', stderr)
            status = refused().status
            stderr.flush()
            os.write(terminal_side, b'.')
        assert status == 1
        assert os.read(main_side, 1000) == b'.'
        assert b'is not ready' in os.read(reader, 10000)
    finally:
        os.close(reader)
        os.close(main_side)


@pytest.mark.parametrize('options', [[], ['-f', 'json'], ['-c', 'Code']])
def test_quiet_leaves_standard_error_empty_where_words_or_rows_say_no(
    run, flavor, image, options
):
    request = ['--flavor', flavor('m1.sev')]
    request += ['--image', image('legacy-appliance')]
    ran = run('-q', 'check', *options, *request)

    assert (ran.status, ran.err) == (1, '')
    assert ran.out == run('check', *options, *request).out


@pytest.mark.parametrize(
    ('stream', 'options'),
    [
        pytest.param('stdout', [], id='an explanation'),
        pytest.param('stderr', ['-f', 'json'], id='beside rows'),
    ],
)
def test_words_are_folded_for_the_terminal_that_shows_them(
    refused, terminal, stream, options
):
    shown = terminal(stream)
    ran = refused(*options)

    assert ran.status == 1
    lines = shown.getvalue().splitlines()
    # A command is whole, to be copied.
    words = [line for line in lines if '--property' not in line]
    assert max(map(len, words)) <= 100
    assert len(words) == len(lines) - 1
    assert lines[1].startswith('  error    ')


def test_a_table_without_rows_is_nothing_at_all(run, flavor, image):
    args = (
        *('check', '-f', 'table', '--flavor', flavor('m1.sev')),
        *('--image', image('ubuntu-24.04-sev')),
    )

    assert run(*args).out == ''
    assert 'Severity' in run(*args, '--print-empty').out


@pytest.mark.parametrize('column', [[None, 3, 1.5], [{'b': 1}, {'a': 2}, None],
                                    [['b'], ['a'], []]])  # fmt: skip
def test_cells_are_sorted_by_their_values_beside_bare_ones(column):
    known = [value for value in column if value is not None]
    cells = [Cell(value, 'words') for value in column]
    if known != column:
        cells += [value for value in known if isinstance(value, float)]

    for reverse in (False, True):
        ordered = sorted(cells, reverse=reverse)
        values = [getattr(cell, '_value', cell) for cell in ordered]
        if reverse:
            values = values[::-1]
        assert values[: len(values) - column.count(None)] == sorted(
            (v for v in values if v is not None),
            key=lambda v: sorted(v.items()) if isinstance(v, dict) else v,
        )


def test_a_cell_has_words_for_people_and_data_for_programs():
    cell = Cell(['a', 'b'], 'a, b')

    assert cell.human_readable() == 'a, b'
    assert cell.machine_readable() == ['a', 'b']


class OneRow(Rows):
    columns = ('Cell',)

    def rows(self, parsed_args):
        return [[self.cell]]


class OneField(Fields):
    columns = ('Cell',)

    def fields(self, parsed_args):
        return [self.cell]


#: Cell -> what csv, value and shell have in its place.
CELLS = [
    ('text', '"text"', 'text', '"text"'),
    (7, '7', '7', '"7"'),
    # As every command of OpenStack has it.
    (True, 'True', 'True', '"True"'),
    (None, '""', 'None', '"None"'),
    (Cell(None, '-'), '""', 'None', '"None"'),
    (Cell(7, 'seven'), '7', '7', '"7"'),
    (Cell([], ''), '"[]"', '[]', '"[]"'),
    (
        Cell(['a', "b's"], 'a'),
        '"[""a"", ""b\'s""]"',
        '["a", "b\'s"]',
        '"[\\"a\\", \\"b\'s\\"]"',
    ),
    (
        Cell({'a': {'free': None, 'more': True}}, ''),
        '"{""a"": {""free"": null, ""more"": true}}"',
        '{"a": {"free": null, "more": true}}',
        r'"{\"a\": {\"free\": null, \"more\": true}}"',
    ),
    ('a\n$(b)`\\', r'"a\\n$(b)`\\"', r'a\n$(b)`\\'[:-1], r'"a\\n\$(b)\`\\"'),
]


@pytest.mark.parametrize(('cell', 'csv', 'value', 'shell'), CELLS)
def test_no_cell_is_written_as_python_does(cell, csv, value, shell):
    for form, shown in (('csv', csv), ('value', value), ('shell', shell)):
        stdout = io.StringIO()
        kind = OneField if form == 'shell' else OneRow
        command = kind(types.SimpleNamespace(stdout=stdout), None)
        command.cell = cell
        parser = command.get_parser('example')
        assert command.run(parser.parse_args(['-f', form])) == 0
        lines = {'csv': ['"Cell"', shown], 'shell': [f'cell={shown}']}
        assert stdout.getvalue().splitlines() == lines.get(form, [shown])
