"""What the filter and the weigher take, beside those of nova."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from nova.scheduler import filters, weights
from nova.scheduler.weights.ram import RAMWeigher

from benchmarks.nova_objects import CONF, cloud_of, spec, states_of
from benchmarks.rows import Row, turns
from sev_scheduling.nova import (
    MemoryEncryptionFilter,
    MemoryEncryptionWeigher,
)
from sev_scheduling.nova.lookups import Deadline, Lookups, Slots
from sev_scheduling.nova.options import Options
from sev_scheduling.placement import (
    PlacementClient,
    embedded_placement,
    load_cloud,
)

EMPTY = 'a filter whose host_passes does nothing'

#: What keeps the filter from its goal, by the number of hosts.
FEW = 'Some microseconds come with each request, however few hosts there are.'
MANY = 'Of many hosts, fields are read from memory, not a cache.'


class DoesNothing(filters.BaseHostFilter):  # type: ignore[misc]
    """The cheapest filter that nova's base class makes possible."""

    def host_passes(self, host_state: Any, filter_properties: Any) -> bool:
        return True


class Fixed:
    """A connection with one client for all requests."""

    def __init__(self, client: PlacementClient) -> None:
        self._client = client

    def client(self, deadline: object) -> PlacementClient:
        return self._client


class Counted(Lookups):
    """Look-ups whose free slots are an answer of its own each time.

    What decides is asked for anew each time; here it is about what hosts
    take, not Placement.
    """

    def slots(self, deadline: Deadline) -> Slots:
        return Slots(self.recent_slots(deadline).hosts)


def rows(quick: bool) -> Iterator[Row]:
    for hosts in (3,) if quick else (100, 1000, 10_000):
        cloud = cloud_of(hosts)
        with embedded_placement() as adapter:
            load_cloud(adapter, cloud)
            lookups = Counted(
                Options(
                    cache_seconds=3600.0,
                    slots_cache_seconds=3600.0,
                    placement_timeout=600.0,
                ),
                Fixed(PlacementClient(adapter)),  # type: ignore[arg-type]
            )
            yield from _filter(cloud, lookups)
            yield from _weigher(cloud, lookups)


def _filter(cloud: Any, lookups: Lookups) -> Iterator[Row]:
    hosts, nothing = len(cloud.hosts), DoesNothing()
    encrypted, plain = spec(), spec(None)
    states = states_of(cloud)

    def filtering(
        states: list[Any], asked: Any, **options: Any
    ) -> Callable[[], list[Any]]:
        for name, value in options.items():
            CONF.set_override(name, value, 'sev_scheduling')
        ours = MemoryEncryptionFilter()
        for name in options:
            CONF.clear_override(name, 'sev_scheduling')
        ours._lookups = lookups
        # From here on the look-ups are cached, as for every request of
        # a minute but the first.
        assert list(ours.filter_all(states, asked)) == states
        return lambda: list(ours.filter_all(states, asked))

    def empty() -> list[Any]:
        return list(nothing.filter_all(states, encrypted))

    yield Row(
        name=f'filter, encrypted, {hosts} hosts',
        beside=EMPTY,
        measure=turns(filtering(states, encrypted), empty),
        goal=0.20,
        limit=FEW if hosts <= 100 else MANY,
    )
    ours = MemoryEncryptionFilter()
    yield Row(
        name=f'filter, not encrypted, {hosts} hosts',
        beside=EMPTY,
        # Not made a list: nova makes one after the last filter.
        measure=turns(lambda: ours.filter_all(states, plain), empty),
    )
    overcommitted = states_of(cloud)
    for state in overcommitted:
        state.ram_allocation_ratio = 1.5
    pages = spec(extra_specs={'hw:mem_page_size': 'large'})
    singly = {
        'several candidates': filtering(
            states_of(cloud, candidates=3), encrypted
        ),
        'aggregate metadata': filtering(
            states_of(cloud, **{'sev_scheduling:hw_machine_type': 'q35'}),
            encrypted,
        ),
        'overcommit, huge pages': filtering(overcommitted, pages),
        'max_guests': filtering(states, encrypted, max_guests=400),
    }
    for what, judge in singly.items():
        yield Row(
            name=f'filter, {what}, {hosts} hosts',
            beside=EMPTY,
            measure=turns(judge, empty),
            goal=3.0,
            limit='Each host is judged by itself, by all that it says.',
        )


def _weigher(cloud: Any, lookups: Lookups) -> Iterator[Row]:
    hosts, handler = len(cloud.hosts), weights.HostWeightHandler()
    states = states_of(cloud)
    ram, ours = RAMWeigher(), MemoryEncryptionWeigher()
    ours._lookups = lookups
    for what, asked in (('encrypted', spec()), ('not encrypted', spec(None))):

        def weighing(
            weigher: Any, asked: Any = asked
        ) -> Callable[[], list[Any]]:
            # As nova does, multipliers and normalization included.
            return lambda: handler.get_weighed_objects(
                [weigher], states, asked
            )

        yield Row(
            name=f'weigher, {what}, {hosts} hosts',
            beside="nova's RAMWeigher",
            measure=turns(weighing(ours), weighing(ram)),
            goal=1.0,
            limit='It looks up the pools of each host.',
        )
