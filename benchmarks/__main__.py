"""Measure everything, beside nova's own parts or Placement's.

Run it from the top of the repository::

    python -m benchmarks
    python -m benchmarks --only request start --compare HEAD~1

Each subject runs in processes of its own, one after the other: what nova
configures is global to a process, and a process that happens to be slow is
seen as one of several.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyperf
from nova import monkey_patch

from benchmarks import pages
from benchmarks.rows import Result, measure, results
from tests.servers.process import ServerMissing

ROOT = pathlib.Path(__file__).parents[1]

#: In the order of the table.
SUBJECTS = (
    'start',
    'request',
    'audit',
    'hosts',
    'client',
    'growth',
    'scale',
    'selection',
)
#: Needs servers, which take longer to start than all else.
SERVERS = frozenset({'selection'})
#: Measured in one process.
LONG = frozenset({'client', 'growth', 'hosts', 'scale', 'selection'})
PROCESSES = 2
ROUNDS = 15
QUICK = ('--quick', '--rounds', '1')
#: The status of a worker that did not measure what needs a server.
MISSING = 3

Suites = Mapping[str, pyperf.BenchmarkSuite]


class NotMeasured(Exception):
    """There is no result; the message says why."""


def work(
    subjects: Iterable[str], rounds: int, quick: bool, file: pathlib.Path
) -> int:
    """Measure subjects in this process; write what pyperf keeps of them.

    :return: the status of the process
    """
    # Before anything of nova, as its own programs have it.
    monkey_patch.patch(backend='threading')
    found: list[pyperf.Benchmark] = []
    status = 0
    for subject in subjects:
        module = importlib.import_module(f'benchmarks.{subject}')
        try:
            for row in module.rows(quick):
                result = measure(subject, row, rounds)
                found += (result.ours, result.theirs)
        except ServerMissing as missing:
            print(f'{subject}: {missing}', file=sys.stderr)
            status = MISSING
    if found:
        pyperf.BenchmarkSuite(found).dump(str(file), replace=True)
    return status


def in_process(
    checkout: pathlib.Path, arguments: Sequence[str], whole: bool = False
) -> list[Result]:
    """Measure in a process of its own, with the package of a checkout.

    :param whole: have all rows or none, where a server is missing
    :raises NotMeasured: where the process failed
    """
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, 'rows.json')
        worker = subprocess.run(
            [
                *(sys.executable, '-m', 'benchmarks', *arguments),
                *('--worker', str(file)),
            ],
            cwd=checkout,
            check=False,
        )
        if worker.returncode == MISSING and whole:
            raise NotMeasured('all rows are needed, and a server is missing')
        if worker.returncode not in (0, MISSING):
            raise NotMeasured(
                f'{" ".join(arguments)}: status {worker.returncode}'
            )
        if not file.exists():
            return []
        return list(results(pyperf.BenchmarkSuite.load(str(file))))


def commit_of(revision: str) -> str:
    """Return the commit that a revision names.

    :raises NotMeasured: where there is none
    """
    git = ('git', '-C', str(ROOT), 'rev-parse', '--verify', '--quiet')
    try:
        return subprocess.run(
            [*git, '--end-of-options', f'{revision}^{{commit}}'],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotMeasured(f'no such revision: {revision}') from error


@contextlib.contextmanager
def checkout_of(revision: str) -> Iterator[pathlib.Path]:
    """Check out a revision, with the benchmarks of this checkout.

    A row must mean the same on both sides.

    :raises NotMeasured: where there is no such revision
    """
    commit = commit_of(revision)
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory, 'tree')
        git = ('git', '-C', str(ROOT), 'worktree')
        subprocess.run(
            [*git, 'add', '-q', '--detach', str(tree), commit], check=True
        )
        try:
            for ours in ('benchmarks', 'tests'):
                shutil.rmtree(tree / ours, ignore_errors=True)
                shutil.copytree(ROOT / ours, tree / ours)
            yield tree
        finally:
            subprocess.run([*git, 'remove', '--force', str(tree)], check=True)


def run(
    subjects: Iterable[str],
    checkouts: Sequence[pathlib.Path],
    rounds: int,
    whole: bool = False,
) -> list[dict[str, Result]]:
    """Return the rows of each checkout, which take turns, by their names.

    :param whole: as of :func:`in_process`
    """
    found: list[dict[str, Result]] = [{} for _ in checkouts]
    for subject in subjects:
        started = time.monotonic()
        for _ in range(1 if subject in LONG else PROCESSES):
            for checkout, rows in zip(checkouts, found, strict=True):
                arguments = ('--only', subject, '--rounds', str(rounds))
                for result in in_process(checkout, arguments, whole):
                    if result.name in rows:
                        rows[result.name].add(result)
                    else:
                        rows[result.name] = result
        seconds = time.monotonic() - started
        print(f'{subject}: {seconds:.0f} s', file=sys.stderr)
    return found


def spread(values: Sequence[float]) -> float:
    """Return the median distance from the median."""
    median = statistics.median(values)
    return statistics.median(abs(value - median) for value in values)


def cells(result: Result, other: Result | None) -> Iterator[str]:
    """Yield a line of the table."""
    metadata = result.ours.get_metadata()
    ratios = result.ratios
    ratio, goal = statistics.median(ratios), metadata.get('goal')
    yield result.name
    for one in (result.ours, result.theirs):
        # pyperf's own format of a median and its spread.
        yield one.format_value(one.median())
    yield metadata['beside']
    yield f'{ratio:.3g} ± {spread(ratios):.2g}'
    yield '' if goal is None else f'{goal:.3g}'
    yield '' if goal is None else 'yes' if ratio <= goal else 'no'
    if other is not None:
        yield f'{statistics.median(other.ratios):.3g}'


def table(
    rows: Mapping[str, Result],
    revision: str | None = None,
    others: Mapping[str, Result] | None = None,
) -> str:
    """Return the rows as a simple table of reStructuredText."""
    head = ['Row', 'Ours', 'Other', 'Compared with', 'Ratio', 'Goal', 'Met']
    lines = [head if revision is None else [*head, f'Ratio of {revision}']]
    for name, result in rows.items():
        line = list(cells(result, (others or {}).get(name)))
        line += [''] * (len(lines[0]) - len(line))
        # An empty cell would join a line to the one above.
        lines.append([cell or '\\' for cell in line])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        '  '.join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    rule = '  '.join('=' * width for width in widths)
    return '\n'.join([rule, texts[0], rule, *texts[1:], rule])


def versions() -> str:
    """Return what was measured with, for the page that has the table."""
    found = [f'Python {platform.python_version()}']
    for name in ('nova', 'openstack-placement'):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f'{name} {importlib.metadata.version(name)}')
    return ', '.join(found)


def document(rows: Mapping[str, Result]) -> dict[str, object]:
    """Return what the documentation keeps of a run."""
    return {
        'with': versions(),
        'rows': [
            {
                'name': name,
                'beside': result.ours.get_metadata()['beside'],
                'unit': result.ours.get_metadata()['unit'],
                'ours': result.ours.median(),
                'other': result.theirs.median(),
                'ratio': statistics.median(result.ratios),
                'spread': spread(result.ratios),
                'goal': result.ours.get_metadata().get('goal'),
                'limit': result.ours.get_metadata().get('limit', ''),
            }
            for name, result in rows.items()
        ],
    }


def write(rows: Mapping[str, Result], file: pathlib.Path) -> None:
    """Write what pyperf reads: ``python -m pyperf compare_to A B``."""
    suite = pyperf.BenchmarkSuite(
        [one for r in rows.values() for one in (r.ours, r.theirs)]
    )
    suite.dump(str(file), replace=True)


def check_writable(file: pathlib.Path) -> None:
    """Raise NotMeasured where a file cannot be written; leave it as it is."""
    there = file.exists()
    try:
        file.open('ab').close()
    except OSError as error:
        raise NotMeasured(f'{file}: {error.strerror}') from error
    if not there:
        file.unlink()


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks',
        description=__doc__.splitlines()[0],
    )
    parser.add_argument('--only', nargs='+', choices=SUBJECTS, metavar='NAME')
    parser.add_argument(
        '--rounds',
        type=positive,
        help=f'of each row, a process; default: {ROUNDS}',
    )
    parser.add_argument(
        '--json',
        type=pathlib.Path,
        default=pathlib.Path('benchmarks.json'),
        help='what is written for pyperf; default: %(default)s',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='each row once, on small clouds: only to see that it runs',
    )
    parser.add_argument(
        '--compare', metavar='REV', help='measure this revision, too'
    )
    parser.add_argument(
        '--docs',
        action='store_true',
        help='write the tables of the documentation anew',
    )
    parser.add_argument('--worker', type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    subjects = args.only or SUBJECTS
    if args.worker:
        return work(subjects, args.rounds, args.quick, args.worker)
    if args.docs and (args.only or args.quick or args.compare):
        parser.error('the documentation has all rows of one run, in full')
    if args.quick and (args.compare or args.rounds):
        parser.error('--quick is one round, of this checkout')
    try:
        rows = _measured(args, subjects)
        if not rows:
            raise NotMeasured('nothing could be measured')
    except NotMeasured as reason:
        parser.exit(1, f'{parser.prog}: {reason}\n')
    write(rows, args.json)
    if args.docs:
        pages.write(document(rows), pages.DIRECTORY)
    return 0


def _measured(
    args: argparse.Namespace, subjects: Sequence[str]
) -> Mapping[str, Result]:
    """Measure and print what is asked for; return it by its names."""
    check_writable(args.json)
    if args.docs:
        check_writable(pages.DIRECTORY / pages.RUN)
    rounds = args.rounds or ROUNDS
    if args.quick:
        short = [one for one in subjects if args.only or one not in SERVERS]
        found = in_process(ROOT, [*QUICK, '--only', *short])
        rows = {result.name: result for result in found}
        print(table(rows))
    elif args.compare:
        with checkout_of(args.compare) as tree:
            rows, others = run(subjects, (ROOT, tree), rounds)
        print(table(rows, args.compare, others), versions(), sep='\n\n')
    else:
        (rows,) = run(subjects, (ROOT,), rounds, whole=args.docs)
        print(table(rows), versions(), sep='\n\n')
    return rows


if __name__ == '__main__':
    sys.exit(main())
