"""The benchmarks run; how long anything takes is not looked at."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pyperf
import pytest

from benchmarks import rows
from benchmarks.__main__ import ROOT, checkout_of, table


def run(
    *arguments: str, directory: pathlib.Path
) -> tuple[str, dict[str, rows.Result]]:
    """Run benchmarks in a process; return the table, and what pyperf reads."""
    file = directory / 'rows.json'
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks', *arguments, '--json', str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode and 'not installed' in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    suite = pyperf.BenchmarkSuite.load(str(file))
    return done.stdout, {one.name: one for one in rows.results(suite)}


def test_every_row_runs_once(tmp_path):
    printed, found = run('--quick', directory=tmp_path)
    subjects = {name.partition(':')[0] for name in found}
    assert subjects == {
        'start',
        'request',
        'audit',
        'hosts',
        'client',
        'growth',
        'scale',
    }
    for name, row in found.items():
        assert name in printed
        assert len(row.ratios) == 1
        about = row.ours.get_metadata()
        # The pages tell what limits a goal that was missed.
        if 'goal' in about and about['unit'] != 'integer':
            assert about.get('limit'), name


def test_whole_selections_are_measured(tmp_path):
    _, found = run('--quick', '--only', 'selection', directory=tmp_path)
    assert {
        'selection: plug-in, amd-sev, 2 hosts',
        'selection: plug-in, plain, 2 hosts: largest share',
        'selection: plug-in, 2 hosts: seconds of all guests',
        'selection: plug-in, last slots: claims',
        'selection: plug-in, last slots: refused',
    } <= found.keys()


@pytest.mark.skipif(not (ROOT / '.git').exists(), reason='no git checkout')
def test_another_revision_is_checked_out_with_these_benchmarks():
    with checkout_of('HEAD') as tree:
        ours = (ROOT / 'benchmarks' / 'rows.py').read_text()
        assert (tree / 'benchmarks' / 'rows.py').read_text() == ours
        assert (tree / 'sev_scheduling' / '__init__.py').exists()
    assert not tree.exists()


def test_two_calls_take_turns_in_both_orders():
    calls: list[str] = []
    measure = rows.turns(
        lambda: calls.append('ours'),
        lambda: calls.append('theirs'),
        before=lambda: calls.append('before'),
        limit=1,
    )
    measure()
    calls.clear()
    measure()
    measure()
    assert calls == [
        *('before', 'theirs', 'before', 'ours'),
        *('before', 'ours', 'before', 'theirs'),
    ]


def row(ours: list[float], goal: float | None) -> rows.Result:
    values = iter(ours)
    return rows.measure(
        'subject',
        rows.Row(
            name='row',
            beside='nova',
            measure=lambda: (next(values), 2.0),
            goal=goal,
            rounds=len(ours),
        ),
        rounds=100,
    )


@pytest.mark.parametrize(
    ('ours', 'goal', 'cells'),
    [
        ([1.0, 1.2, 0.8], 0.5, ['0.5 ± 0.1', '0.5', 'yes']),
        ([1.0, 1.2, 0.8], 0.49, ['0.5 ± 0.1', '0.49', 'no']),
        ([1.0], None, ['0.5 ± 0', '\\', '\\']),
    ],
)
def test_a_line_has_the_median_ratio_its_spread_and_the_goal(
    ours, goal, cells
):
    line = table({'row': row(ours, goal)}).splitlines()[3]
    # Cells stand two spaces apart.
    found = [cell.strip() for cell in line.split('  ') if cell.strip()]
    assert found[4:] == cells


def test_rounds_of_several_processes_are_put_together():
    one = row([1.0, 3.0], None)
    one.add(row([2.0], None))
    assert one.ratios == [0.5, 1.5, 1.0]


def test_another_revision_has_a_column():
    ours, theirs = row([1.0], None), row([4.0], None)
    lines = table({'a': ours}, 'HEAD~1', {'a': theirs}).splitlines()
    assert lines[1].endswith('Ratio of HEAD~1')
    assert lines[3].endswith('  2')
