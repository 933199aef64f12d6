"""The fake refuses what the real Placement refuses, by the same class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import os_resource_classes as orc
import pytest

from sev_scheduling import exceptions
from sev_scheduling.placement.answers import Allocations, Inventory
from sev_scheduling.placement.diagnosis.matching import Provider
from sev_scheduling.placement.wire.faults import UnknownName
from sev_scheduling.prefilter import SLOT_SUFFIX, PlacementRequest
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.testing import FakePlacement
from tests.contract.fake_placement.strategies import (
    AGGREGATES,
    GOLD,
    OLD,
    SEV,
    SLOT,
    fake_of,
    guest_of,
    same,
    uuid_of,
    write,
)

pytestmark = pytest.mark.long

HOST = uuid_of('host')
POOL = uuid_of('host_amd_sev')
GUEST = uuid_of('a new guest')
NOBODY = uuid_of('nobody')
UNKNOWN = 'CUSTOM_UNKNOWN'


def cloud() -> list[Provider]:
    host = Provider(HOST, HOST, None, 'host', 2)
    host.inventories = {
        orc.VCPU: Inventory(8, max_unit=4),
        orc.MEMORY_MB: Inventory(4096, step_size=64, min_unit=64),
    }
    host.aggregates = {AGGREGATES[0]}
    pool = Provider(POOL, HOST, HOST, 'host_amd_sev', 3)
    pool.inventories = {SLOT: Inventory(3, max_unit=1)}
    pool.used = {SLOT: 1}
    pool.traits = {SEV}
    return [host, pool]


HOLDER = guest_of(cloud()[1])


@pytest.fixture
def fake(real: Any) -> FakePlacement:
    write(real, cloud())
    return fake_of(cloud())


def claim(
    amounts: dict[str, int], provider: str = HOST, **more: Any
) -> Allocations:
    facts = {
        'by_provider': {provider: amounts},
        'project_id': 'project',
        'user_id': 'user',
        **more,
    }
    return Allocations(**facts)


CLAIMS = {
    'a plain claim': claim({orc.VCPU: 1}),
    'amounts of no class': claim({}),
    'no provider': claim({}, by_provider={}),
    'an amount of 0': claim({orc.VCPU: 0}),
    'an amount of -1': claim({orc.VCPU: -1}),
    'more than max_unit': claim({orc.VCPU: 5}),
    'less than min_unit': claim({orc.MEMORY_MB: 32}),
    'beside the step size': claim({orc.MEMORY_MB: 65}),
    'more than the capacity': claim({SLOT: 3}, POOL),
    'a class without inventory': claim({orc.DISK_GB: 1}),
    'a class that is not known': claim({UNKNOWN: 1}),
    'a provider that is not known': claim({orc.VCPU: 1}, NOBODY),
    'a provider that is no uuid': claim({orc.VCPU: 1}, 'host'),
    'a generation of a consumer that is none': claim(
        {orc.VCPU: 1}, consumer_generation=1
    ),
    'an empty project': claim({orc.VCPU: 1}, project_id=''),
    'a long project': claim({orc.VCPU: 1}, project_id='p' * 256),
    'an empty user': claim({orc.VCPU: 1}, user_id=''),
}


@pytest.mark.parametrize('asked', CLAIMS.values(), ids=CLAIMS)
def test_a_claim_is_refused_alike(
    real: Any, fake: FakePlacement, asked: Allocations
) -> None:
    for consumer in (GUEST, HOLDER, 'guest'):
        same(real, fake, 'post_allocations', {consumer: asked})
    for uuid in (HOST, POOL):
        same(real, fake, 'consumers', uuid)
        same(real, fake, 'usages', uuid)
    for consumer in (GUEST, HOLDER):
        same(real, fake, 'allocations', consumer)


@pytest.mark.parametrize(
    'claims',
    [
        {},
        {GUEST: claim({orc.VCPU: 1}), uuid_of('2'): claim({orc.VCPU: 5})},
        {uuid_of(str(n)): claim({SLOT: 1}, POOL) for n in range(3)},
    ],
    ids=['none', 'one of them too large', 'each fits by itself'],
)
def test_claims_are_made_together_or_not_at_all(
    real: Any, fake: FakePlacement, claims: dict[str, Allocations]
) -> None:
    refused = same(real, fake, 'post_allocations', claims)
    assert issubclass(refused, exceptions.PlacementError)
    for uuid in (HOST, POOL):
        same(real, fake, 'consumers', uuid)


@pytest.mark.parametrize(
    'first', [claim({orc.VCPU: 1}, NOBODY), claim({}, by_provider={})]
)
@pytest.mark.parametrize('generation', [None, 0])
def test_a_consumer_that_got_nothing_is_kept(
    real: Any, fake: FakePlacement, first: Allocations, generation: int | None
) -> None:
    again = claim({orc.VCPU: 1}, consumer_generation=generation)
    same(real, fake, 'post_allocations', {GUEST: first})
    assert same(real, fake, 'allocations', GUEST) == Allocations()
    answer = same(real, fake, 'post_allocations', {GUEST: again})
    assert answer == (
        exceptions.PlacementConflict if generation is None else None
    )


def test_an_inventory_that_shrank_below_its_use_takes_less(
    real: Any, fake: FakePlacement
) -> None:
    small = cloud()
    small[1].inventories[SLOT] = Inventory(1, reserved=1, max_unit=2)
    small[1].used = {SLOT: 3}
    write(real, small)
    fake = fake_of(small)
    for amount, generation in ((3, 1), (2, 1), (1, 2)):
        same(
            real,
            fake,
            'post_allocations',
            {HOLDER: claim({SLOT: amount}, POOL,
                           consumer_generation=generation)},
        )  # fmt: skip
        same(real, fake, 'usages', POOL)


VCPU = RequestGroup('', {orc.VCPU: 1})
POOLED = RequestGroup('_A', {SLOT: 1})
PLAIN = PlacementRequest((VCPU,))
RELAXED = PlacementRequest(
    (VCPU, RequestGroup(SLOT_SUFFIX, required=(frozenset({SEV}),))),
    slot_suffix=SLOT_SUFFIX,
    slot_relaxed=True,
)


def having(*required: str, forbidden: str = '') -> PlacementRequest:
    return PlacementRequest(
        (
            replace(
                VCPU,
                required=tuple(frozenset(r.split('|')) for r in required),
                forbidden=frozenset(filter(None, [forbidden])),
            ),
        )
    )


QUERIES = {
    'no group': PlacementRequest(()),
    'one class': PLAIN,
    'an amount of 0': PlacementRequest((RequestGroup('', {orc.VCPU: 0}),)),
    'an amount of -1': PlacementRequest((RequestGroup('', {orc.VCPU: -1}),)),
    'a class that is not known': PlacementRequest(
        (RequestGroup('', {UNKNOWN: 1}),)
    ),
    'a class that is not known after one that is short': PlacementRequest(
        (RequestGroup('', {orc.VCPU: 9}), RequestGroup('_A', {UNKNOWN: 1}))
    ),
    'a trait': having(GOLD),
    'a trait that is not known': having(UNKNOWN),
    'any of two traits': having(f'{GOLD}|{OLD}'),
    'any of two traits, one of them not known': having(f'{UNKNOWN}|{OLD}'),
    'a forbidden trait': having(forbidden=GOLD),
    'a forbidden trait that is not known': having(forbidden=UNKNOWN),
    'a trait required and forbidden': having(GOLD, forbidden=GOLD),
    'an aggregate': replace(PLAIN, member_of=(frozenset(AGGREGATES[:1]),)),
    'any of two aggregates': replace(
        PLAIN, member_of=(frozenset(AGGREGATES),)
    ),
    'two aggregates': replace(
        PLAIN, member_of=tuple(frozenset({uuid}) for uuid in AGGREGATES)
    ),
    'none of two aggregates': replace(
        PLAIN, forbidden_aggregates=frozenset(AGGREGATES)
    ),
    'an aggregate that is no uuid': replace(
        PLAIN, member_of=(frozenset({'one'}),)
    ),
    'a tree': replace(PLAIN, in_tree=POOL),
    'a tree that is no uuid': replace(PLAIN, in_tree='host'),
    'a tree that is not there': replace(PLAIN, in_tree=NOBODY),
    'two groups without a policy': PlacementRequest(
        (replace(VCPU, suffix='_B'), POOLED)
    ),
    'two groups with a policy': PlacementRequest(
        (replace(VCPU, suffix='_B'), POOLED), 'none'
    ),
    'two groups that isolate': PlacementRequest(
        (replace(VCPU, suffix='_B'), replace(VCPU, suffix='_A')), 'isolate'
    ),
    'a root': replace(PLAIN, root_required=frozenset({GOLD})),
    'a root without': replace(PLAIN, root_forbidden=frozenset({GOLD})),
    'a root with and without': replace(
        PLAIN,
        root_required=frozenset({GOLD}),
        root_forbidden=frozenset({GOLD}),
    ),
    'a root with a trait that is not known': replace(
        PLAIN, root_required=frozenset({UNKNOWN})
    ),
    'a slot relaxed': RELAXED,
    'a slot relaxed and nothing else': replace(
        RELAXED, groups=RELAXED.groups[1:]
    ),
    'a slot relaxed, of any trait': replace(
        RELAXED, groups=(VCPU, RequestGroup(SLOT_SUFFIX))
    ),
    'a slot relaxed, of any trait but one': replace(
        RELAXED,
        groups=(VCPU, RequestGroup(SLOT_SUFFIX, forbidden=frozenset({GOLD}))),
    ),
    'a slot relaxed, in a tree': replace(
        RELAXED, groups=(VCPU, RequestGroup(SLOT_SUFFIX)), in_tree=POOL
    ),
    'a group without resources': PlacementRequest(
        (VCPU, RequestGroup('_B', required=(frozenset({GOLD}),)))
    ),
}


@pytest.mark.parametrize('query', QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize('newest', ['1.33', '1.35', '1.36', '1.39'])
def test_a_query_is_answered_alike(
    real: Any, fake: FakePlacement, query: PlacementRequest, newest: str
) -> None:
    same(
        real,
        fake_of(cloud(), max_microversion=newest),
        'allocation_candidates',
        query,
        max_microversion=newest,
    )


def test_names_that_are_not_known_are_told_apart(
    real: Any, fake: FakePlacement
) -> None:
    query = QUERIES['a trait that is not known']
    assert same(real, fake, 'allocation_candidates', query) is UnknownName
    query = QUERIES['a class that is not known']
    assert same(real, fake, 'allocation_candidates', query) is UnknownName


def ors(*traits: str) -> tuple[frozenset[str], ...]:
    return (frozenset(traits),)


LISTED: dict[str, dict[str, Any]] = {
    'all': {},
    'a name': {'name': 'host'},
    'a name that is none': {'name': 'nobody'},
    'a uuid': {'uuid': POOL},
    'a uuid that is none': {'uuid': 'host'},
    'a tree': {'in_tree': POOL},
    'a tree that is no uuid': {'in_tree': 'host'},
    'a tree that is not there': {'in_tree': NOBODY},
    'a trait': {'required': ors(SEV)},
    'a trait that is not known': {'required': ors(UNKNOWN)},
    'any of two traits': {'required': ors(SEV, GOLD)},
    'two traits': {'required': ors(SEV) + ors(GOLD)},
    'an aggregate': {'member_of': ors(AGGREGATES[0])},
    'two aggregates': {'member_of': ors(AGGREGATES[0]) + ors(AGGREGATES[1])},
    'an aggregate that is no uuid': {'member_of': ors('one')},
}


@pytest.mark.parametrize('filters', LISTED.values(), ids=LISTED)
@pytest.mark.parametrize('newest', ['1.33', '1.39'])
def test_providers_are_listed_alike(
    real: Any, fake: FakePlacement, filters: dict[str, Any], newest: str
) -> None:
    same(
        real,
        fake_of(cloud(), max_microversion=newest),
        'resource_providers',
        max_microversion=newest,
        **filters,
    )


@pytest.mark.parametrize('uuid', [HOST, POOL, NOBODY])
@pytest.mark.parametrize(
    'method',
    [
        *('inventories', 'usages', 'traits', 'aggregates'),
        *('consumers', 'allocations'),
    ],
)
def test_what_is_asked_of_one_is_answered_alike(
    real: Any, fake: FakePlacement, method: str, uuid: str
) -> None:
    same(real, fake, method, uuid)


@pytest.mark.parametrize('prefix', ['HW_', 'CUSTOM_', ''])
def test_traits_of_providers_are_listed_alike(
    real: Any, fake: FakePlacement, prefix: str
) -> None:
    same(real, fake, 'associated_traits', prefix)
