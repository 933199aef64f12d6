"""The tables of the documentation, from a run that is kept with them.

``python -m benchmarks --docs`` writes all of ``doc/source/operator/measured``:
``run.json`` has the rows, and each table is a file that a page includes. A
test holds the tables and the run together.
"""

from __future__ import annotations

import csv
import io
import json
import pathlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: Of the documentation.
DIRECTORY = pathlib.Path(__file__).parents[1] / 'doc/source/operator/measured'
RUN = 'run.json'
GROWTH = 'growth.csv'

HEAD = ('What', 'Ours', 'Compared with', 'Other', 'Ratio', 'Goal', 'Met')
MISSED = 'missed.csv'
MISSED_HEAD = ('What', 'Ratio', 'Goal', 'What limits it')
GROWTH_HEAD = ('What', 'From', 'To', 'Times as many', 'Times as long')

#: Subjects whose rows differ in more than the number that they name.
NOT_GROWN = frozenset({'selection'})

#: Of what a row has how many.
_SIZE = re.compile(r'\b(\d+) (host|pool|aggregate|guest)s?\b')

_SCALES = {
    'second': ((1.0, 's'), (1e-3, 'ms'), (1e-6, 'µs')),
    'byte': ((1e9, 'GB'), (1e6, 'MB'), (1e3, 'kB'), (1.0, 'B')),
    'integer': ((1.0, ''),),
}


def amount(value: float, unit: str) -> str:
    """Return a number of three digits, with its unit.

    >>> amount(0.00123, 'second'), amount(1000.0, 'integer')
    ('1.23 ms', '1000')
    """
    scale, name = next(
        (one for one in _SCALES[unit] if value >= one[0]), _SCALES[unit][-1]
    )
    shown = value / scale
    digits = f'{shown:.0f}' if shown >= 100 else f'{shown:.3g}'
    return f'{digits} {name}'.strip()


def some(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> some(1, 'host'), some(2, 'host')
    ('1 host', '2 hosts')
    """
    return f'{number} {noun}' + 's' * (number != 1)


def lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield a line of a table for each row."""
    for row in rows:
        goal = row['goal']
        yield (
            row['name'].partition(': ')[2],
            amount(row['ours'], row['unit']),
            row['beside'],
            amount(row['other'], row['unit']),
            f'{row["ratio"]:.3g} ± {row["spread"]:.2g}',
            '' if goal is None else f'{goal:.3g}',
            '' if goal is None else 'yes' if row['ratio'] <= goal else 'no',
        )


def growth(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield how rows that differ in one number alone grow with it."""
    sizes: defaultdict[tuple[str, str], dict[int, Mapping[str, Any]]]
    sizes = defaultdict(dict)
    for row in rows:
        name = row['name']
        if name.partition(':')[0] in NOT_GROWN:
            continue
        for found in _SIZE.finditer(name):
            rest = name[: found.start()].rstrip(', ') + name[found.end() :]
            sizes[rest, found[2]][int(found[1])] = row
    for (rest, what), by_size in sizes.items():
        few, many = min(by_size), max(by_size)
        if few == many or by_size[many]['unit'] == 'byte':
            continue
        times = by_size[many]['ours'] / by_size[few]['ours']
        yield (
            rest,
            some(few, what),
            some(many, what),
            f'{many / few:.3g}',
            f'{times:.3g}',
        )


def missed(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the rows whose goal was missed, each with what limits it."""
    found = [
        (
            row['name'],
            f'{row["ratio"]:.3g}',
            f'{row["goal"]:.3g}',
            row['limit'],
        )
        for row in rows
        if row['goal'] is not None and row['ratio'] > row['goal']
    ]
    # A table has a line at least.
    yield from found or [('none', '', '', '')]


def tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of a run: file name -> text."""
    subjects: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in document['rows']:
        subjects[row['name'].partition(':')[0]].append(row)
    found = {
        f'{subject}.csv': _text(HEAD, lines(rows))
        for subject, rows in subjects.items()
    }
    return {
        **found,
        GROWTH: _text(GROWTH_HEAD, growth(document['rows'])),
        MISSED: _text(MISSED_HEAD, missed(document['rows'])),
    }


def _text(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows([head, *rows])
    return text.getvalue()


def write(document: Mapping[str, Any], directory: pathlib.Path) -> None:
    """Write a run and its tables in place of those before."""
    texts = {RUN: json.dumps(document, indent=1) + '\n', **tables(document)}
    for old in directory.glob('*.csv'):
        old.unlink()
    for name, text in texts.items():
        (directory / name).write_text(text)
