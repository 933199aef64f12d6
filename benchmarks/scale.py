"""What no machine of a test can hold: many schedulers of a large cloud.

Answers are synthetic, the look-ups are those of the plug-in, and the clock is
moved by hand: ten schedulers place guests for a minute, of which an hour is
reckoned.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

from oslo_utils import timeutils

from benchmarks.hosts import Fixed
from benchmarks.nova_objects import MODEL, cloud_of, states_of
from benchmarks.rows import Row
from benchmarks.synthetic import SyntheticPlacement
from sev_scheduling.nova.lookups import Lookups
from sev_scheduling.nova.options import Options
from sev_scheduling.placement import PlacementClient

#: What nova itself asks Placement for each guest: candidates, what the guest
#: holds, and the claim.
NOVAS_CALLS = 3

#: What nova asks for at most (``[scheduler] max_placement_results``).
NOVAS_CANDIDATES = 1000


@dataclass(frozen=True, slots=True)
class Hour:
    """What schedulers did for guests, reckoned for an hour.

    :ivar seconds: of this processor, in look-ups of one scheduler
    """

    guests: float
    calls: float
    bytes: float
    seconds: float


def _client(placement: SyntheticPlacement) -> PlacementClient:
    return PlacementClient(placement, timeout=600.0)  # type: ignore[arg-type]


def simulate(
    hosts: int, schedulers: int, seconds: int, guest_every: int = 1
) -> Hour:
    """Place encrypted guests, each by the next scheduler in turn."""
    placement = SyntheticPlacement(hosts)
    connection = Fixed(_client(placement))
    lookups = [
        Lookups(Options(), connection)  # type: ignore[arg-type]
        for _ in range(schedulers)
    ]
    states = states_of(cloud_of(min(hosts, NOVAS_CANDIDATES)))
    spent = 0.0
    with mock.patch.object(timeutils, 'now') as clock:
        clock.return_value = 0.0
        for each in lookups:
            each.weighs = True
        for number in range(seconds // guest_every):
            clock.return_value = float(number * guest_every)
            one = lookups[number % schedulers]
            began = time.process_time()
            one.ask_ahead()
            # Its thread may not have started yet.
            one._refresher._idle.wait()
            deadline = one.deadline()
            one.providers(deadline)
            slots = one.recent_slots(deadline)
            for state in states:
                slots.free(state, MODEL)
            spent += time.process_time() - began
    hours = seconds / 3600
    return Hour(
        guests=seconds // guest_every / hours,
        calls=placement.calls / hours,
        bytes=placement.bytes / hours,
        seconds=spent / hours / schedulers,
    )


def remembered(ask: Callable[[PlacementClient], object], hosts: int) -> float:
    """Return the bytes a host of what an operation returns."""
    client = _client(SyntheticPlacement(hosts))
    ask(client)  # The answers, which are synthetic, are made.
    gc.collect()
    tracemalloc.start()
    try:
        kept = ask(client)
        gc.collect()
        found = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    del kept
    return found / hosts


def _cached(client: PlacementClient) -> object:
    """Return what one scheduler remembers."""
    lookups = Lookups(Options(), Fixed(client))  # type: ignore[arg-type]
    deadline = lookups.deadline()
    lookups.providers(deadline)
    lookups.slots(deadline)
    return lookups


def rows(quick: bool) -> Iterator[Row]:
    # Tables of Python grow by doubling.
    few, many = (10, 40) if quick else (1250, 20_000)
    kinds: dict[str, Callable[[PlacementClient], object]] = {
        'hosts()': lambda client: client.hosts(),
        'cached by a scheduler': _cached,
    }
    for name, ask in kinds.items():
        yield Row(
            name=f'{name}, {many} hosts: bytes a host',
            beside=f'the same of {few} hosts',
            measure=lambda ask=ask: (  # type: ignore[misc]
                remembered(ask, many),
                remembered(ask, few),
            ),
            goal=1.1,
            unit='byte',
            rounds=1,
            limit='It is kept of each host.',
        )
    schedulers, seconds = 2 if quick else 10, 60
    hour = simulate(many, schedulers, seconds)
    where = f'{schedulers} schedulers, {many} hosts'
    yield Row(
        name=f'{where}: calls an hour',
        beside=f"nova's own for {hour.guests:.0f} guests",
        measure=lambda: (hour.calls, NOVAS_CALLS * hour.guests),
        unit='integer',
        rounds=1,
    )
    one = SyntheticPlacement(many)
    one.request(f'/allocation_candidates?limit={NOVAS_CANDIDATES}', 'GET')
    yield Row(
        name=f'{where}: bytes an hour',
        beside=f"nova's own for {hour.guests:.0f} guests",
        measure=lambda: (hour.bytes, one.bytes * hour.guests),
        unit='byte',
        rounds=1,
    )
    yield Row(
        name=f'{where}: processor time of one in an hour',
        beside='an hour',
        measure=lambda: (hour.seconds, 3600.0),
        goal=0.05,
        rounds=1,
        limit='The answer about free slots has each host that has one.',
    )
