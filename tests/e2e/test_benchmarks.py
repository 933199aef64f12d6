"""The benchmarks run; how long anything takes is not looked at."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pyperf
import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import pages, rows
from benchmarks.__main__ import ROOT, SUBJECTS, checkout_of, table


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


#: A subject that is measured at once, and one whose server is missing.
AT_ONCE = """
from benchmarks.rows import Row

def rows(quick):
    yield Row(name='row', beside='nova', measure=lambda: (1.0, 2.0))
"""
MISSING = f"""{AT_ONCE}
    from tests.servers.process import ServerMissing
    raise ServerMissing('mariadbd is not installed')
"""


@pytest.fixture
def tree(tmp_path):
    """Copy the benchmarks, with subjects that are measured at once."""
    for part in ('benchmarks', 'tests/servers', 'doc/source/operator'):
        shutil.copytree(ROOT / part, tmp_path / part)
    for subject in SUBJECTS:
        (tmp_path / 'benchmarks' / f'{subject}.py').write_text(AT_ONCE)
    return tmp_path


def documented(tree: pathlib.Path) -> dict[str, str]:
    directory = tree / pages.DIRECTORY.relative_to(ROOT)
    return {file.name: file.read_text() for file in directory.iterdir()}


def documenting(tree: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'benchmarks', '--docs', '--rounds', '1'],
        cwd=tree,
        env={**os.environ, 'PYTHONPATH': str(tree)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_without_a_server_the_tables_stay_as_they_are(tree):
    before = documented(tree)
    (tree / 'benchmarks' / 'start.py').write_text(MISSING)
    done = documenting(tree)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        'start: mariadbd is not installed',
        'python -m benchmarks: all rows are needed, and a server is missing',
    ]
    assert documented(tree) == before


def test_all_rows_of_a_run_replace_the_tables(tree):
    done = documenting(tree)
    assert done.returncode == 0, done.stderr
    run = json.loads(documented(tree)[pages.RUN])
    assert [one['name'] for one in run['rows']] == [
        f'{subject}: row' for subject in SUBJECTS
    ]
    assert documented(tree) == {
        pages.RUN: documented(tree)[pages.RUN],
        **pages.tables(run),
    }


@pytest.fixture
def nothing_measured(monkeypatch):
    def in_process(*args: object, **kwargs: object) -> None:
        raise AssertionError('It was measured.')

    monkeypatch.setattr(benchmarks, 'in_process', in_process)


@pytest.mark.usefixtures('nothing_measured')
@pytest.mark.parametrize(
    ('arguments', 'status', 'said'),
    [
        (['--quick', '--compare', 'HEAD'], 2, '--quick is one round, of'),
        (['--quick', '--rounds', '7'], 2, '--quick is one round, of'),
        (['--rounds', '0'], 2, "invalid positive value: '0'"),
        (['--rounds', '-1'], 2, "invalid positive value: '-1'"),
        (['--docs', '--only', 'start'], 2, 'all rows of one run'),
        (['--compare', 'nosuchrev'], 1, 'no such revision: nosuchrev'),
        (['--json', 'nosuchdirectory/rows.json'], 1, 'No such file'),
        (['--json', 'directory'], 1, 'Is a directory'),
        (['--docs', '--json', 'directory'], 1, 'Is a directory'),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_measured(
    tmp_path, monkeypatch, capsys, arguments, status, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'directory').mkdir()
    with pytest.raises(SystemExit) as refused:
        benchmarks.main(arguments)
    assert refused.value.code == status
    *usage, line = capsys.readouterr().err.splitlines()
    assert said in line
    assert bool(usage) == (status == 2)
    assert [*tmp_path.iterdir()] == [tmp_path / 'directory']


def test_a_process_that_fails_is_told_in_one_line():
    with pytest.raises(benchmarks.NotMeasured, match=r'^--only a: status 2$'):
        benchmarks.in_process(ROOT, ['--only', 'a'])


#: Two schedulers of a variant that place first guests, then the last slots.
LAST_SLOTS = """
import json
from nova import monkey_patch
monkey_patch.patch(backend='threading')
from benchmarks.selection import ALONE, EXPLAINING, MODEL, PLUGIN, Burst, _rows

def session(claims):
    return [
        Burst(1.0, 1.0, refused, [
            {'model': model, 'whole': 2.0, 'plugin': 1.0, 'claims': number}
            for model, number in ((MODEL, number), (None, 0))
        ])
        for refused, number in ((0, 1), (14, claims))
    ]

found = {
    ALONE: [session(70), session(80)],
    PLUGIN: [session(77), session(84)],
    EXPLAINING: [session(69)],
}
print(json.dumps({
    row.name: [row.measure() for _ in range(row.rounds)]
    for row in _rows(100, found) if 'last slots' in row.name
}))
"""


def test_the_last_slots_are_compared_scheduler_by_scheduler():
    done = subprocess.run(
        [sys.executable, '-c', LAST_SLOTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        'plug-in, last slots: claims': [[77, 70], [84, 80]],
        'plug-in, last slots: refused': [[14, 14], [14, 14]],
        'plug-in, explaining, last slots: claims': [[69, 70]],
        'plug-in, explaining, last slots: refused': [[14, 14]],
    }


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
