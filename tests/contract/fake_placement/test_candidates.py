"""The fake answers every query for candidates as the real Placement does."""

from __future__ import annotations

from typing import Any

import os_resource_classes as orc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.fake_placement.worlds import (
    AGGREGATES,
    FAST,
    GOLD,
    NIC,
    OLD,
    SEV,
    SEV_ES,
    SLOT,
    fake_of,
    uuid_of,
    worlds,
    write,
)

SUFFIXES = ('', '_MEM_ENCRYPTION', '1')
CLASSES = (orc.VCPU, orc.MEMORY_MB, orc.DISK_GB, SLOT, NIC)
TRAITS = (GOLD, OLD, FAST, SEV, SEV_ES)

UUIDS = st.sampled_from([uuid_of('host0'), uuid_of('host1_0'), uuid_of('no')])


def joined(items: st.SearchStrategy[Any], most: int) -> Any:
    return st.lists(items, min_size=1, max_size=most, unique=True).map(
        ','.join
    )


AMOUNTS = st.dictionaries(
    st.sampled_from(CLASSES), st.integers(1, 3), min_size=1, max_size=3
).map(lambda amounts: ','.join(f'{c}:{n}' for c, n in amounts.items()))
TRAIT = st.sampled_from([*TRAITS, *(f'!{t}' for t in TRAITS)])
REQUIRED = st.one_of(
    joined(TRAIT, 2),
    joined(TRAIT, 2),
    joined(st.sampled_from(TRAITS), 2).map('in:{}'.format),
    st.just('CUSTOM_UNHEARD_OF'),
)
MEMBER_OF = st.one_of(
    st.sampled_from(AGGREGATES),
    st.just(f'in:{",".join(AGGREGATES)}'),
    st.just(f'!{AGGREGATES[0]}'),
    st.just(uuid_of('no aggregate')),
)


@st.composite
def queries(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    """Draw a microversion and the parameters of a query."""
    microversion = draw(st.sampled_from(['1.33', '1.36', '1.39']))
    params: list[tuple[str, str]] = []
    chosen = draw(st.lists(st.sampled_from(SUFFIXES), min_size=1, unique=True))
    asked: list[str] = []
    for suffix in chosen:
        resourceless = suffix and draw(st.integers(0, 9)) == 0
        if not resourceless:
            amounts = draw(AMOUNTS)
            asked += (part.split(':')[0] for part in amounts.split(','))
            params.append((f'resources{suffix}', amounts))
        for _ in range(draw(st.integers(0, 2))):
            params.append((f'required{suffix}', draw(REQUIRED)))
        if draw(st.integers(0, 4)) == 0:
            params.append((f'member_of{suffix}', draw(MEMBER_OF)))
        if draw(st.integers(0, 9)) == 0:
            params.append((f'in_tree{suffix}', draw(UUIDS)))
    policy = draw(st.sampled_from(['none', 'none', 'isolate', None]))
    if len(asked) > len(set(asked)):
        # Placement itself adds up amounts wrongly here without it.
        policy = 'none'
    if policy:
        params.append(('group_policy', policy))
    if draw(st.integers(0, 5)) == 0:
        params.append(('root_required', draw(joined(TRAIT, 2))))
    if draw(st.integers(0, 3)) == 0:
        params.append(
            ('same_subtree', draw(joined(st.sampled_from(SUFFIXES[1:]), 2)))
        )
    return microversion, params


def ask(adapter: Any, microversion: str, params: Any) -> Any:
    """Return the status and what the answer says, in a comparable shape."""
    query = '&'.join(f'{key}={value}' for key, value in params)
    response = adapter.get(
        f'/allocation_candidates?{query}', microversion=microversion
    )
    if response.status_code != 200:
        return response.status_code
    body = response.json()
    candidates = sorted(
        repr(
            (
                sorted(
                    (uuid, sorted(a['resources'].items()))
                    for uuid, a in request['allocations'].items()
                ),
                sorted(
                    (suffix, sorted(uuids))
                    for suffix, uuids in request.get('mappings', {}).items()
                ),
            )
        )
        for request in body['allocation_requests']
    )
    summaries = {
        uuid: summary | {'traits': sorted(summary['traits'])}
        for uuid, summary in body['provider_summaries'].items()
    }
    return candidates, summaries


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds(), asked=st.lists(queries(), min_size=8, max_size=8))
def test_the_same_candidates_and_refusals(
    real: Any, world: Any, asked: Any
) -> None:
    write(real, world)
    fake = fake_of(world)
    for microversion, params in asked:
        expected = ask(real, microversion, params)
        assert ask(fake, microversion, params) == expected
