"""The benchmarks beside nova run, on a cloud of a few hosts."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def table(*arguments: str) -> list[list[str]]:
    """Run a benchmark in a process of its own; return what it printed.

    Nova's configuration is global to a process.
    """
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks.nova', *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 2 and 'not installed' in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_the_filter_is_measured_for_each_number_of_hosts():
    _, *rows = table('filter', '--rounds', '2', '--hosts', '2', '30')
    assert [hosts for hosts, *_ in rows] == ['2', '30']
    for _, nothing, encrypted, ratio, plain in rows:
        assert float(ratio) == pytest.approx(
            float(encrypted) / float(nothing), abs=0.02
        )
        assert float(plain) > 0


def test_the_request_filter_is_measured_beside_novas_check():
    _, *rows = table('request-filter', '--rounds', '2', '--number', '5')
    assert [row[:-2] for row in rows] == [
        ['nova'],
        ['seen', 'before'],
        ['new'],
        ['plain'],
    ]
    assert rows[0][-1] == '1.00'


def test_the_shares_of_a_whole_selection_are_measured():
    _, *rows = table('select', '--rounds', '2', '--hosts', '2')
    assert [row[:2] for row in rows] == [['amd-sev', '2'], ['plain', '2']]
    for _, _, whole, *parts, share, most in rows:
        assert float(whole) > 0
        shares = [float(part.rstrip('%')) for part in parts]
        assert sum(shares) == pytest.approx(float(share.rstrip('%')), abs=0.1)
        assert most.endswith('%')


def test_no_hosts_are_bad_usage():
    with pytest.raises(AssertionError, match='0 is not 1 or more'):
        table('filter', '--hosts', '0')
