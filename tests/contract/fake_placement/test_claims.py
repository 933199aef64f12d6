"""Claims, releases and changes leave both Placements with the same usages."""

from __future__ import annotations

from typing import Any

import os_resource_classes as orc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sev_scheduling.placement.world import Provider
from sev_scheduling.testing import FakePlacement
from tests.contract.fake_placement.worlds import (
    GOLD,
    NIC,
    SLOT,
    fake_of,
    guest_of,
    same,
    uuid_of,
    worlds,
    write,
)

NEW = [uuid_of(f'guest {number}') for number in range(3)]
#: The generation that Placement has, or none of its own.
GENERATIONS = st.sampled_from(['right'] * 8 + [None, 0, 5])
AMOUNTS = st.dictionaries(
    st.sampled_from([SLOT, SLOT, orc.VCPU, orc.MEMORY_MB, NIC]),
    st.integers(1, 3),
    min_size=1,
    max_size=2,
)


@st.composite
def steps(draw: st.DrawFn, world: list[Provider]) -> tuple[Any, ...]:
    uuids = [provider.uuid for provider in world]
    provider = st.sampled_from(uuids)
    guests = [*NEW, *(guest_of(p) for p in world if p.used)]
    consumer = st.sampled_from(guests)
    # Most of the time what the provider has some of, so that claims succeed.
    offered = {
        p.uuid: st.just({name: 1 for name in list(p.inventories)[:1]})
        for p in world
        if p.inventories
    }

    @st.composite
    def allocations(draw: st.DrawFn) -> dict[str, Any]:
        if draw(st.integers(0, 4)) == 0:
            return {}
        chosen = draw(st.lists(provider, min_size=1, max_size=2, unique=True))
        return {
            uuid: {
                'resources': draw(
                    st.one_of(offered[uuid], offered[uuid], AMOUNTS)
                )
            }
            for uuid in chosen
        }

    what = draw(
        st.sampled_from(
            ['put'] * 4 + ['post'] * 3 + ['delete', 'shrink', 'remove']
        )
    )
    if what in ('put', 'post'):
        chosen = draw(
            st.lists(
                consumer,
                min_size=1,
                max_size=1 if what == 'put' else 3,
                unique=True,
            )
        )
        return what, {
            uuid: (draw(allocations()), draw(GENERATIONS)) for uuid in chosen
        }
    if what == 'delete':
        return what, draw(consumer)
    return what, draw(provider), draw(GENERATIONS)


def body(held: Any, allocations: Any, generation: Any) -> dict[str, Any]:
    if generation == 'right':
        generation = held.get('consumer_generation')
    return {
        'allocations': allocations,
        'project_id': 'project',
        'user_id': 'user',
        'consumer_generation': generation,
        'consumer_type': 'INSTANCE',
    }


def take(real: Any, fake: FakePlacement, step: tuple[Any, ...]) -> None:
    """Ask both for one step, which both must take or refuse alike."""
    what = step[0]
    if what in ('put', 'post'):
        bodies = {
            uuid: body(
                same(real, fake, 'GET', f'/allocations/{uuid}')[1],
                allocations,
                generation,
            )
            for uuid, (allocations, generation) in step[1].items()
        }
        if what == 'post':
            same(real, fake, 'POST', '/allocations', bodies)
        else:
            [(uuid, only)] = bodies.items()
            same(real, fake, 'PUT', f'/allocations/{uuid}', only)
    elif what == 'delete':
        same(real, fake, 'DELETE', f'/allocations/{step[1]}')
    elif what == 'remove':
        same(real, fake, 'DELETE', f'/resource_providers/{step[1]}')
    else:
        url = f'/resource_providers/{step[1]}'
        status, answer = same(real, fake, 'GET', f'{url}/inventories')
        if status != 200:
            return
        generation = answer['resource_provider_generation']
        for key, value in (
            ('inventories', dict(list(answer['inventories'].items())[1:])),
            ('traits', [GOLD]),
        ):
            facts = {
                key: value,
                'resource_provider_generation': generation
                if step[2] == 'right'
                else step[2] or 0,
            }
            same(real, fake, 'PUT', f'{url}/{key}', facts)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), world=worlds(most=2))
def test_the_same_usages_whatever_is_claimed_and_released(
    real: Any, data: st.DataObject, world: list[Provider]
) -> None:
    write(real, world)
    fake = fake_of(world)
    for step in data.draw(st.lists(steps(world), min_size=4, max_size=12)):
        take(real, fake, step)
    same(real, fake, 'GET', '/resource_providers')
    for provider in world:
        url = f'/resource_providers/{provider.uuid}'
        same(real, fake, 'GET', f'{url}/usages')
        same(real, fake, 'GET', f'{url}/allocations')
    for uuid in NEW:
        same(real, fake, 'GET', f'/allocations/{uuid}')
        same(real, fake, 'GET', f'/allocations/{uuid}', microversion='1.33')
