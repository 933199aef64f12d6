"""How operations grow with what a cloud has, one kind of it at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.client import TIMEOUT, Stopwatch, request
from benchmarks.pages import some
from benchmarks.rows import Row
from sev_scheduling import registered_models, translate
from sev_scheduling.placement import (
    PlacementClient,
    embedded_placement,
    load_cloud,
)
from sev_scheduling.placement.embedded import parse_cloud
from sev_scheduling.prefilter import PlacementRequest, Scope

ROUNDS = 3


def rows(quick: bool) -> Iterator[Row]:
    hosts = 4 if quick else 500
    models = [*registered_models()]
    for pools in (1, len(models)):
        yield from _cloud(
            {'pools': {model: {'total': 15} for model in models[:pools]}},
            hosts,
            {
                f'hosts(), {some(pools, "pool")}': lambda client: (
                    client.hosts()
                ),
                f'candidates, {some(pools, "pool")}': lambda client: (
                    client.candidates(translate(request()))
                ),
            },
        )
    for number in (1, 4) if quick else (1, 100):
        aggregates = [str(uuid.UUID(int=n)) for n in range(1, number + 1)]
        query = translate(request(), scope=Scope(member_of=[aggregates]))

        def candidates(
            client: PlacementClient, query: PlacementRequest = query
        ) -> object:
            return client.candidates(query)

        yield from _cloud(
            {'pools': {'amd-sev': {'total': 15}}},
            hosts // 4,
            {f'candidates, {some(number, "aggregate")}': candidates},
            aggregates,
        )
    for guests in (1, 4) if quick else (1, 10, 100):

        def schedule(client: PlacementClient, guests: int = guests) -> object:
            return client.schedule(request(), guests)

        yield from _cloud(
            {'pools': {'amd-sev': {'total': 500}}},
            hosts,
            {f'schedule(), {some(guests, "guest")}': schedule},
        )


def _cloud(
    entry: dict[str, object],
    hosts: int,
    operations: Mapping[str, Callable[..., object]],
    aggregates: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield a row for each operation on a cloud of equal hosts.

    :param aggregates: each host is in one of them
    """
    whole = {
        'name': 'epyc',
        'count': hosts,
        'vcpus': 1024,
        'memory_mb': 4 * 2**20,
        'disk_gb': 40_000,
        'machine_types': {'x86_64': 'q35'},
        **entry,
    }
    with embedded_placement() as adapter:
        load_cloud(adapter, parse_cloud({'hosts': [whole]}, 'Benchmark'))
        watch = Stopwatch(adapter)
        client = PlacementClient(adapter, timeout=TIMEOUT)
        client.supports('1.39')  # The version document is not part of any.
        roots = client.resource_providers() if aggregates else ()
        for number, root in enumerate(roots):
            adapter.put(
                f'/resource_providers/{root.uuid}/aggregates',
                json={
                    'aggregates': [aggregates[number % len(aggregates)]],
                    'resource_provider_generation': root.generation,
                },
                microversion='1.19',
                raise_exc=True,
            )
        for name, run in operations.items():
            run(client)  # What a first call sets up is paid once.
            yield Row(
                name=name,
                beside='Placement in the same calls',
                measure=lambda run=run: watch.share(  # type: ignore[misc]
                    lambda: run(client)
                ),
                rounds=ROUNDS,
            )
