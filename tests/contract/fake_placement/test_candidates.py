"""The fake answers every query for candidates as the real Placement does."""

from __future__ import annotations

from typing import Any

import os_resource_classes as orc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sev_scheduling.prefilter import SLOT_SUFFIX, PlacementRequest
from sev_scheduling.request.groups import RequestGroup
from tests.contract.fake_placement.strategies import (
    AGGREGATES,
    FAST,
    GOLD,
    NIC,
    OLD,
    SEV,
    SEV_ES,
    SLOT,
    clouds,
    fake_of,
    same,
    uuid_of,
    write,
)

pytestmark = pytest.mark.long

CLASSES = (orc.VCPU, orc.MEMORY_MB, orc.DISK_GB, SLOT, NIC)
TRAITS = (GOLD, OLD, FAST, SEV, SEV_ES)

AMOUNTS = st.dictionaries(
    st.sampled_from(CLASSES), st.integers(1, 3), min_size=1, max_size=3
)
REQUIRED = st.lists(
    st.one_of(
        st.sampled_from(TRAITS).map(lambda trait: frozenset({trait})),
        st.frozensets(st.sampled_from(TRAITS), min_size=2, max_size=2),
        st.just(frozenset({'CUSTOM_UNKNOWN'})),
    ),
    max_size=2,
    unique=True,
).map(tuple)
FORBIDDEN = st.sampled_from(
    [frozenset()] * 4 + [frozenset({trait}) for trait in TRAITS]
)
MEMBER_OF = st.one_of(
    st.sampled_from(AGGREGATES).map(lambda uuid: frozenset({uuid})),
    st.just(frozenset(AGGREGATES)),
    st.just(frozenset({uuid_of('no aggregate')})),
)
TREES = ('host0', 'host1_0', 'nobody')


def one_in(number: int) -> st.SearchStrategy[bool]:
    return st.integers(1, number).map(lambda n: n == 1)


@st.composite
def queries(draw: st.DrawFn) -> PlacementRequest:
    suffixes = draw(
        st.lists(
            st.sampled_from(['', SLOT_SUFFIX, '1']), min_size=1, unique=True
        )
    )
    relaxed = SLOT_SUFFIX in suffixes and draw(one_in(5))
    groups = tuple(
        RequestGroup(
            suffix,
            {} if relaxed and suffix == SLOT_SUFFIX else draw(AMOUNTS),
            draw(REQUIRED),
            draw(FORBIDDEN),
        )
        for suffix in suffixes
    )
    asked = [name for group in groups for name in group.resources]
    policy = draw(st.sampled_from(['none', 'none', 'isolate', None]))
    if len(asked) > len(set(asked)):
        # Placement itself adds up amounts wrongly here without it.
        policy = 'none'
    return PlacementRequest(
        groups,
        policy,
        slot_suffix=SLOT_SUFFIX if SLOT_SUFFIX in suffixes else '',
        slot_relaxed=relaxed,
        member_of=(draw(MEMBER_OF),) if draw(one_in(4)) else (),
        forbidden_aggregates=frozenset(AGGREGATES[:1])
        if draw(one_in(6))
        else frozenset(),
        in_tree=uuid_of(draw(st.sampled_from(TREES)))
        if draw(one_in(6))
        else None,
        root_required=draw(FORBIDDEN),
        root_forbidden=draw(FORBIDDEN),
    )


@settings(
    max_examples=25,
    deadline=None,
    # To shrink a failure takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    cloud=clouds(),
    asked=st.lists(
        st.tuples(
            st.sampled_from(['1.33', '1.36', '1.39', '1.39']), queries()
        ),
        min_size=8,
        max_size=8,
    ),
)
def test_the_same_candidates_and_refusals(
    real: Any, cloud: Any, asked: Any
) -> None:
    write(real, cloud)
    for newest, query in asked:
        for method in ('allocation_candidates', 'trees'):
            same(
                real,
                fake_of(cloud, max_microversion=newest),
                method,
                query,
                max_microversion=newest,
            )
