"""Claims leave both Placements with the same usages."""

from __future__ import annotations

from typing import Any

import os_resource_classes as orc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sev_scheduling.placement.answers import Allocations
from sev_scheduling.placement.diagnosis.matching import Provider
from tests.contract.fake_placement.strategies import (
    NIC,
    SLOT,
    clouds,
    fake_of,
    guest_of,
    same,
    uuid_of,
    write,
)

pytestmark = pytest.mark.long

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
def steps(draw: st.DrawFn, cloud: list[Provider]) -> dict[str, Any]:
    """Draw consumer -> provider -> class -> amount, and a generation."""
    guests = [*NEW, *(guest_of(p) for p in cloud if p.used)]
    # Most of the time what the provider has some of, so that claims succeed.
    offered = {
        p.uuid: st.just({name: 1 for name in list(p.inventories)[:1]})
        for p in cloud
        if p.inventories
    }
    held = st.one_of(
        st.just({}),
        *[
            st.lists(
                st.sampled_from(sorted(offered)),
                min_size=1,
                max_size=2,
                unique=True,
            ).flatmap(
                lambda uuids: st.fixed_dictionaries(
                    {
                        uuid: st.one_of(offered[uuid], offered[uuid], AMOUNTS)
                        for uuid in uuids
                    }
                )
            )
        ]
        * 4,
    )
    return draw(
        st.dictionaries(
            st.sampled_from(guests),
            st.tuples(held, GENERATIONS),
            min_size=1,
            max_size=3,
        )
    )


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data(), cloud=clouds(most=2))
def test_the_same_usages_whatever_is_claimed_and_freed(
    real: Any, data: st.DataObject, cloud: list[Provider]
) -> None:
    write(real, cloud)
    fake = fake_of(cloud)
    for step in data.draw(st.lists(steps(cloud), min_size=4, max_size=12)):
        claims = {}
        for consumer, (by_provider, generation) in step.items():
            if generation == 'right':
                held = same(real, fake, 'allocations', consumer)
                generation = held.consumer_generation
            claims[consumer] = Allocations(
                by_provider, 'project', 'user', generation
            )
        same(real, fake, 'post_allocations', claims)
    same(real, fake, 'resource_providers')
    for provider in cloud:
        same(real, fake, 'usages', provider.uuid)
        same(real, fake, 'consumers', provider.uuid)
    for consumer in NEW:
        same(real, fake, 'allocations', consumer)
