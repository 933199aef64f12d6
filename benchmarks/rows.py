"""What a benchmark is: rows, each measured in rounds.

A module of this directory that has ``rows(quick)`` is a subject. What a row
needs, a server or a cloud of many hosts, is made when the row before it is
done, and ended when the next one is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyperf

#: Ours, and what it is compared with, in one round.
Round = tuple[float, float]

#: What keeps a row from a goal that is a number of seconds or bytes.
FIXED = 'It is beside a fixed number, which a slow or busy machine misses.'

#: Seconds that one turn should take, so that the clock's own part is small.
TURN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    :ivar name: what is measured
    :ivar beside: what it is compared with
    :ivar measure: makes one round; each is a number above 0
    :ivar goal: the ratio of ours to the comparison that is wanted at most;
        None where the row is there to be read
    :ivar unit: pyperf's: ``second``, ``byte`` or ``integer``
    :ivar rounds: at most so many, where one takes long
    :ivar limit: what keeps the ratio from the goal, where it may be missed
    """

    name: str
    beside: str
    measure: Callable[[], Round]
    goal: float | None = None
    unit: str = 'second'
    rounds: int = 1000
    limit: str = ''


def turns(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    before: Callable[[], object] = lambda: None,
    limit: int = 10**6,
) -> Callable[[], Round]:
    """Return what makes one round of two calls that take turns.

    Each turn is as many calls as take :data:`TURN` seconds; the order
    changes with each round, so that what else the machine does falls on
    both.

    :param before: done before each turn, and not measured
    :param limit: calls in a turn at most, where each needs something new
    """
    counts: dict[Callable[[], object], int] = {}
    order = itertools.cycle(((ours, theirs), (theirs, ours)))

    def turn(call: Callable[[], object]) -> float:
        before()
        if call not in counts:
            # What the first call sets up is paid once; the second tells.
            once(call)
            before()
            counts[call] = min(limit, max(1, round(TURN / once(call))))
            before()
        calls = range(counts[call])
        started = pyperf.perf_counter()
        for _ in calls:
            call()
        return (pyperf.perf_counter() - started) / len(calls)

    def measure() -> Round:
        took = {call: turn(call) for call in next(order)}
        return took[ours], took[theirs]

    return measure


def once(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    started = pyperf.perf_counter()
    call()
    return max(pyperf.perf_counter() - started, 1e-9)


@dataclass(frozen=True, slots=True)
class Result:
    """A row that has been measured.

    :ivar ours: pyperf's values of each round; as ``theirs``
    """

    ours: pyperf.Benchmark
    theirs: pyperf.Benchmark

    @property
    def name(self) -> str:
        return str(self.ours.get_name())

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, in each round."""
        pairs = zip(
            self.ours.get_values(), self.theirs.get_values(), strict=True
        )
        return [ours / theirs for ours, theirs in pairs]

    def add(self, other: Result) -> None:
        """Take over the rounds of another process."""
        self.ours.add_runs(other.ours)
        self.theirs.add_runs(other.theirs)


def measure(subject: str, row: Row, rounds: int) -> Result:
    """Measure one row."""
    values = [row.measure() for _ in range(min(rounds, row.rounds))]
    name = f'{subject}: {row.name}'
    metadata: dict[str, object] = {'unit': row.unit, 'beside': row.beside}
    if row.goal is not None:
        metadata['goal'] = row.goal
    if row.limit:
        metadata['limit'] = row.limit
    ours, theirs = (
        pyperf.Benchmark(
            [
                pyperf.Run(
                    column,
                    metadata={'name': whose, **metadata},
                    collect_metadata=False,
                )
            ]
        )
        for column, whose in zip(
            zip(*values, strict=True),
            (name, f'{name} / {row.beside}'),
            strict=True,
        )
    )
    return Result(ours, theirs)


def results(suite: pyperf.BenchmarkSuite) -> Iterator[Result]:
    """Yield the rows of a file, which has each as a pair of benchmarks."""
    one_by_one = iter(suite)
    for ours in one_by_one:
        yield Result(ours, next(one_by_one))
