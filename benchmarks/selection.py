"""Whole selections of a real nova-scheduler, with the plug-in and without."""

from __future__ import annotations

import contextlib
import json
import pathlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.nova_objects import MODEL, entry
from benchmarks.rows import Row
from tests.servers import databases, rabbitmq
from tests.servers.nova import Conductor, Nova
from tests.servers.nova import nova as nova_databases
from tests.servers.nova_cloud import filter_settings, guests
from tests.servers.placement import PlacementServer, placement_server

PROGRAM = pathlib.Path(__file__).with_name('watched_scheduler.py')

#: How many ask at once.
CALLERS = 8

#: Guests that are placed before anything is measured.
WARMING = 2

#: Hosts with a slot each, and the guests that ask for one.
LAST = {**entry(10), 'name': 'last', 'pools': {MODEL: {'total': 1}}}
WANTED = 24
#: How often they do.
LAST_ROUNDS = 2

#: What keeps the plug-in from a small share.
FIRST = (
    'The first requests of a scheduler wait for what nothing is known of yet, '
    'eight at a time.'
)

#: What keeps all guests from being placed as soon as by nova alone.
CORES = (
    "Placement and nova-scheduler share two cores with the plug-in's "
    'look-ups, of which a scheduler that has just started makes the most; '
    'and chance: see how far nova alone is from itself.'
)

ALONE, PLUGIN, EXPLAINING = 'nova alone', 'plug-in', 'plug-in, explaining'
#: Options of ``[sev_scheduling]``; none where it is not there.
VARIANTS: Mapping[str, Mapping[str, str] | None] = {
    ALONE: None,
    PLUGIN: {'explain_no_candidates': 'false'},
    EXPLAINING: {'explain_no_candidates': 'true'},
}


#: What a time of a burst is called, and its attribute.
_TIMES = (('seconds', 'seconds'), ('CPU seconds', 'cpu'))


@dataclass(frozen=True, slots=True)
class Burst:
    """What a scheduler did with guests of whom eight asked at once.

    :ivar seconds: until the last one had an answer
    :ivar cpu: seconds of CPU until then, of all servers and of who asks
    :ivar refused: how many were
    :ivar selections: what ``benchmarks.watched_scheduler`` writes
    """

    seconds: float
    cpu: float
    refused: int
    selections: Sequence[Mapping[str, Any]]

    def shares(self, model: str | None) -> list[tuple[float, float]]:
        """Return seconds in the plug-in and in all else, a selection."""
        return [
            (one['plugin'], one['whole'] - one['plugin'])
            for one in self.selections
            if one['model'] == model
        ]

    @property
    def claims(self) -> int:
        return sum(one['claims'] for one in self.selections)


class Cloud:
    """Equal hosts in nova and Placement, and who asks for them."""

    def __init__(
        self,
        hosts: int,
        placement: PlacementServer,
        nova: Nova,
        conductor: Conductor,
    ) -> None:
        self._hosts = hosts
        self._placement = placement
        self._nova = nova
        self._conductor = conductor
        self._log = nova.directory / 'selections'

    def bursts(self, variant: str, guests: int, last: bool) -> list[Burst]:
        """Start a scheduler; let it place guests, then the last slots.

        The first is about what was never asked.

        :param last: also let guests compete for the last slots
        """
        options = VARIANTS[variant]
        self._nova.configure(
            {
                'filter_scheduler': filter_settings(options is not None),
                'sev_scheduling': options or {},
            }
        )
        self._placement.load([entry(self._hosts)])
        program = (str(PROGRAM), str(self._log))
        with self._nova.scheduler(program=program):
            mixed = [MODEL, None] * (guests // 2)
            found = [self._burst(mixed)]
            if last:
                self._placement.load([LAST])
                found.append(self._burst([MODEL] * WANTED))
        return found

    def _burst(self, models: Sequence[str | None]) -> Burst:
        self._log.unlink(missing_ok=True)
        asked = [guests(1, model) for model in models]
        started, cpu = time.perf_counter(), _cpu()
        answers = self._conductor.select_all(asked)
        return Burst(
            time.perf_counter() - started,
            _cpu() - cpu,
            sum('error' in answer for answer in answers),
            [json.loads(line) for line in self._log.read_text().splitlines()],
        )


def _cpu() -> float:
    """Return the seconds of CPU of this process and its servers so far."""
    this = psutil.Process()
    return sum(
        sum(one.cpu_times()[:2])
        for one in (this, *this.children(recursive=True))
    )


@contextlib.contextmanager
def clouds(sizes: Collection[int]) -> Iterator[Iterator[Cloud]]:
    """Set up the servers; give a cloud of each size, one after the other."""
    with (
        databases.mariadb() as database,
        rabbitmq.rabbitmq() as broker,
        placement_server(
            database.create('placement'),
            workers=2,
            # Else it accepts more claims than there are slots.
            allocation_conflict_retry_count=1,
        ) as placement,
        nova_databases(database, broker, placement) as nova,
    ):
        # The hosts of a smaller cloud are among those of a larger one.
        for one in (entry(max(sizes)), LAST):
            nova.add_hosts(placement.load([one]).hosts)
        with Conductor(nova, CALLERS) as conductor:
            yield (Cloud(n, placement, nova, conductor) for n in sizes)


def rows(quick: bool) -> Iterator[Row]:
    #: Hosts -> guests of a burst, and how often.
    sizes = {2: (8, 1)} if quick else {100: (16, 3), 1000: (8, 2)}
    with clouds(sizes) as made:
        for (hosts, (guests, rounds)), cloud in zip(
            sizes.items(), made, strict=True
        ):
            # The last slots are worth a fight where many see them at once.
            first = hosts == min(sizes)
            variants = (ALONE, PLUGIN)
            if first and not quick:
                variants = tuple(VARIANTS)
            found: dict[str, list[list[Burst]]] = {v: [] for v in variants}
            # Placement's first answers take longer: before anybody's turn.
            cloud.bursts(ALONE, WARMING, False)
            for number in range(rounds):
                # In turns, and in changing order.
                for variant in variants[:: -1 if number % 2 else 1]:
                    if variant == EXPLAINING and number:
                        continue  # It has no goal.
                    last = first and number < LAST_ROUNDS
                    found[variant].append(cloud.bursts(variant, guests, last))
            yield from _rows(hosts, found)


def _rows(
    hosts: int, found: Mapping[str, Sequence[Sequence[Burst]]]
) -> Iterator[Row]:
    alone = [bursts[0] for bursts in found[ALONE]]
    again = list(zip(alone[1:], alone, strict=False))
    for what, field in _TIMES if again else ():
        # So much do bursts differ that nothing but chance makes differ.
        yield _row(
            f'{ALONE}, {hosts} hosts: {what} of all guests, another time',
            'the time before',
            [_both(field, *pair) for pair in again],
            None,
        )
    for variant, sessions in found.items():
        if variant == ALONE:
            continue
        where, firsts = f'{hosts} hosts', [bursts[0] for bursts in sessions]
        # What explaining adds is a question of the size of nova's own.
        goals = variant == PLUGIN
        for model in (MODEL, None):
            shares = [burst.shares(model) for burst in firsts]
            name = f'{variant}, {model or "plain"}, {where}'
            yield _row(
                name,
                'the rest of select_destinations',
                [
                    tuple(map(sum, zip(*one, strict=True)))  # type: ignore[misc]
                    for one in shares
                ],
                0.02 if goals else None,
                limit=FIRST,
            )
            yield _row(
                f'{name}: largest share',
                'the rest of select_destinations',
                [
                    max(one, key=lambda pair: pair[0] / pair[1])
                    for one in shares
                ],
                0.02 if goals else None,
                limit=FIRST,
            )
        for what, field in _TIMES:
            yield _row(
                f'{variant}, {where}: {what} of all guests',
                ALONE,
                [
                    _both(field, *pair)
                    for pair in zip(firsts, alone, strict=False)
                ],
                1 / 0.98 if goals else None,
                limit=CORES,
            )
        if len(sessions[0]) < 2:
            continue
        for what in ('claims', 'refused'):
            yield _row(
                f'{variant}, last slots: {what}',
                ALONE,
                [
                    _both(what, ours[1], theirs[1])
                    for ours, theirs in zip(
                        sessions, found[ALONE], strict=False
                    )
                    if len(ours) > 1
                ],
                1.0,
                unit='integer',
                limit='How often callers collide differs, run by run.',
            )


def _both(field: str, ours: Burst, theirs: Burst) -> tuple[float, float]:
    return getattr(ours, field), getattr(theirs, field)


def _row(
    name: str,
    beside: str,
    values: Sequence[tuple[float, float]],
    goal: float | None,
    **more: str,
) -> Row:
    taken = iter(values)
    return Row(
        name=name,
        beside=beside,
        measure=lambda: next(taken),
        goal=goal,
        rounds=len(values),
        **more,
    )
