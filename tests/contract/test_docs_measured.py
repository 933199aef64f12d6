"""The tables of measurements are those of the run that is kept with them."""

import json
import re

import pytest

from benchmarks import pages

RUN = json.loads((pages.DIRECTORY / pages.RUN).read_text())
PAGES = {
    page.name: set(re.findall(r':file: measured/(\S+)', page.read_text()))
    for page in pages.DIRECTORY.parent.glob('*.rst')
}


def test_every_table_is_made_of_the_run():
    kept = {
        file.name: file.read_text() for file in pages.DIRECTORY.glob('*.csv')
    }
    assert kept == pages.tables(RUN)


def test_every_table_is_on_a_page():
    assert set().union(*PAGES.values()) == pages.tables(RUN).keys()


@pytest.mark.parametrize(
    ('value', 'unit', 'shown'),
    [
        (12.34, 'second', '12.3 s'),
        (0.00999, 'second', '9.99 ms'),
        (2e-9, 'second', '0.002 µs'),
        (999.0, 'byte', '999 B'),
        (1000.0, 'byte', '1 kB'),
        (1502.0, 'integer', '1502'),
        (0.5, 'integer', '0.5'),
    ],
)
def test_an_amount_has_three_digits_and_its_unit(value, unit, shown):
    assert pages.amount(value, unit) == shown


def row(name, ours, **more):
    return {
        'name': name,
        'ours': ours,
        'unit': 'second',
        'beside': 'nova',
        'other': 4.0,
        'ratio': ours / 4.0,
        'spread': 0.0,
        'goal': 0.5,
        'limit': 'Of nova.',
        **more,
    }


@pytest.mark.parametrize(
    ('ours', 'goal', 'end'),
    [
        (2.0, 0.5, ('0.5 ± 0', '0.5', 'yes')),
        (2.1, 0.5, ('0.525 ± 0', '0.5', 'no')),
        (2.0, None, ('0.5 ± 0', '', '')),
    ],
)
def test_a_line_says_whether_the_goal_is_met(ours, goal, end):
    (line,) = pages.lines([row('hosts: filter', ours, goal=goal)])
    assert line == ('filter', f'{ours:.3g} s', 'nova', '4 s', *end)


def test_growth_is_that_of_rows_that_differ_in_one_number():
    rows = [
        row('a: x, 10 hosts', 1.0),
        row('a: x, 100 hosts', 5.0),
        row('a: x, 1000 hosts', 30.0),
        # By itself, and in bytes, which are of a host.
        row('a: y, 10 hosts', 1.0),
        row('a: z, 10 hosts', 1.0, unit='byte'),
        row('a: z, 20 hosts', 1.0, unit='byte'),
        # Of guests as well, which their names do not say.
        row('selection: x, 100 hosts', 1.0),
        row('selection: x, 1000 hosts', 1.0),
    ]
    assert [*pages.growth(rows)] == [
        ('a: x', '10 hosts', '1000 hosts', '100', '30')
    ]


@pytest.mark.parametrize(
    ('name', 'shown'),
    [
        ('a: x, {} hosts', 'a: x'),
        ('a: x, y, {} hosts: calls', 'a: x, y: calls'),
        ('a: x, {} hosts, beside y', 'a: x, beside y'),
    ],
)
def test_what_grows_is_named_without_its_number(name, shown):
    rows = [row(name.format(number), 1.0) for number in (10, 100)]
    ((found, *_),) = pages.growth(rows)
    assert found == shown


def test_no_name_of_what_grows_is_broken():
    names = [line[0] for line in pages.growth(RUN['rows'])]
    assert names
    assert not [n for n in names if re.search(r', ?[,:]|,$|: ?:|  ', n)]


@pytest.mark.parametrize(
    ('ours', 'goal', 'told'),
    [
        (2.1, 0.5, [('a: x', '0.525', '0.5', 'Of nova.')]),
        (2.0, 0.5, [('none', '', '', '')]),
        (2.1, None, [('none', '', '', '')]),
    ],
)
def test_a_goal_that_was_missed_has_what_limits_it(ours, goal, told):
    assert [*pages.missed([row('a: x', ours, goal=goal)])] == told


def test_a_run_replaces_the_one_before(tmp_path):
    run = {'with': 'Python', 'rows': [row('hosts: filter', 1.0)]}
    (tmp_path / 'gone.csv').touch()
    pages.write(run, tmp_path)
    assert json.loads((tmp_path / 'run.json').read_text()) == run
    assert {file.name for file in tmp_path.iterdir()} == {
        'run.json',
        'hosts.csv',
        'growth.csv',
        'missed.csv',
    }
