"""The fake refuses what the real Placement refuses, with the same status."""

from __future__ import annotations

from typing import Any

import os_resource_classes as orc
import pytest

from sev_scheduling.placement.world import Inventory, Provider
from sev_scheduling.testing import FakePlacement
from tests.contract.fake_placement.worlds import (
    AGGREGATES,
    GOLD,
    SEV,
    SLOT,
    fake_of,
    guest_of,
    same,
    uuid_of,
    write,
)

HOST = uuid_of('host')
POOL = uuid_of('host_amd_sev')
GUEST = uuid_of('a new guest')
NOBODY = uuid_of('nobody')


def world() -> list[Provider]:
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


HOLDER = guest_of(world()[1])


@pytest.fixture
def fake(real: Any) -> FakePlacement:
    write(real, world())
    return fake_of(world())


def claim(resources: Any, provider: str = HOST, **more: Any) -> dict[str, Any]:
    """Return a body of PUT /allocations as of 1.33 to 1.37."""
    return {
        'allocations': {provider: {'resources': resources}},
        'project_id': 'project',
        'user_id': 'user',
        'consumer_generation': None,
        **more,
    }


CLAIMS = {
    'a plain claim': claim({orc.VCPU: 1}),
    'amounts of no class': claim({}),
    'no provider': claim({}, allocations={}),
    'an amount of 0': claim({orc.VCPU: 0}),
    'an amount of -1': claim({orc.VCPU: -1}),
    'an amount of True': claim({orc.VCPU: True}),
    'an amount of 1.5': claim({orc.VCPU: 1.5}),
    'an amount as text': claim({orc.VCPU: '1'}),
    'more than max_unit': claim({orc.VCPU: 5}),
    'less than min_unit': claim({orc.MEMORY_MB: 32}),
    'beside the step size': claim({orc.MEMORY_MB: 65}),
    'more than the capacity': claim({SLOT: 3}, POOL),
    'a class without inventory': claim({orc.DISK_GB: 1}),
    'a class that is not known': claim({'CUSTOM_UNHEARD_OF': 1}),
    'a class in small letters': claim({'vcpu': 1}),
    'a provider that is not known': claim({orc.VCPU: 1}, NOBODY),
    'a provider that is no uuid': claim({orc.VCPU: 1}, 'host'),
    'a generation of a consumer that is none': claim(
        {orc.VCPU: 1}, consumer_generation=1
    ),
    'a generation as text': claim({orc.VCPU: 1}, consumer_generation='1'),
    'a generation of True': claim({orc.VCPU: 1}, consumer_generation=True),
    'an empty project': claim({orc.VCPU: 1}, project_id=''),
    'a project that is a number': claim({orc.VCPU: 1}, project_id=1),
    'a long project': claim({orc.VCPU: 1}, project_id='p' * 256),
    'a key too many': claim({orc.VCPU: 1}, colour='red'),
    'a consumer type': claim({orc.VCPU: 1}, consumer_type='INSTANCE'),
    'a consumer type in small letters': claim(
        {orc.VCPU: 1}, consumer_type='instance'
    ),
    'an empty consumer type': claim({orc.VCPU: 1}, consumer_type=''),
    'mappings': claim({orc.VCPU: 1}, mappings={'': [HOST]}),
    'mappings that are none': claim({orc.VCPU: 1}, mappings={}),
    'mappings to no uuid': claim({orc.VCPU: 1}, mappings={'': ['host']}),
    'mappings to nothing': claim({orc.VCPU: 1}, mappings={'': []}),
    'mappings that are a list': claim({orc.VCPU: 1}, mappings=[]),
    'a list': [],
    'nothing': {},
    'text': 'claim',
    'allocations that are a list': claim({}, allocations=[]),
    'an allocation that is a list': claim({}, allocations={HOST: []}),
    'an allocation with a generation': claim(
        {}, allocations={HOST: {'resources': {orc.VCPU: 1}, 'generation': 1}}
    ),
    'an allocation with a generation as text': claim(
        {}, allocations={HOST: {'resources': {orc.VCPU: 1}, 'generation': ''}}
    ),
    'an allocation with a key too many': claim(
        {}, allocations={HOST: {'resources': {orc.VCPU: 1}, 'colour': 1}}
    ),
}


@pytest.mark.parametrize('microversion', ['1.33', '1.38'])
@pytest.mark.parametrize('body', CLAIMS.values(), ids=CLAIMS)
def test_a_claim_is_refused_alike(
    real: Any, fake: FakePlacement, body: Any, microversion: str
) -> None:
    if microversion == '1.38' and isinstance(body, dict) and body:
        body = {'consumer_type': 'INSTANCE', **body}
    for method, url, sent in (
        ('PUT', f'/allocations/{GUEST}', body),
        ('PUT', f'/allocations/{HOLDER}', body),
        ('POST', '/allocations', {uuid_of('another guest'): body}),
    ):
        same(real, fake, method, url, sent, microversion)
    for uuid in (HOST, POOL):
        same(real, fake, 'GET', f'/resource_providers/{uuid}/allocations')


@pytest.mark.parametrize(
    'first', [claim({orc.VCPU: 1}, NOBODY), claim({}, allocations={})]
)
@pytest.mark.parametrize('generation', [None, 0])
def test_a_consumer_that_got_nothing_is_remembered(
    real: Any, fake: FakePlacement, first: Any, generation: int | None
) -> None:
    url = f'/allocations/{GUEST}'
    again = claim({orc.VCPU: 1}, consumer_generation=generation)
    same(real, fake, 'PUT', url, first, '1.36')
    assert same(real, fake, 'GET', url)[1] == {'allocations': {}}
    status, _ = same(real, fake, 'PUT', url, again, '1.36')
    assert status == (409 if generation is None else 204)


def inventories(facts: Any, **more: Any) -> dict[str, Any]:
    return {
        'inventories': {orc.VCPU: facts},
        'resource_provider_generation': 2,
        **more,
    }


ONE = f'/resource_providers/{HOST}'
KEPT = {orc.VCPU: {'total': 8}}
CALLS: dict[str, tuple[str, str, Any]] = {
    'a provider with its uuid': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'uuid': NOBODY},
    ),
    'a child': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'uuid': NOBODY, 'parent_provider_uuid': POOL},
    ),
    'a parent of null': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'uuid': NOBODY, 'parent_provider_uuid': None},
    ),
    'a name that is taken': ('POST', '/resource_providers', {'name': 'host'}),
    'a uuid that is taken': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'uuid': HOST},
    ),
    'a parent that is not known': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'parent_provider_uuid': NOBODY},
    ),
    'a parent that is no uuid': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'parent_provider_uuid': 'host'},
    ),
    'no name': ('POST', '/resource_providers', {}),
    'an empty name': ('POST', '/resource_providers', {'name': ''}),
    'a long name': ('POST', '/resource_providers', {'name': 'n' * 201}),
    'a name that is a number': ('POST', '/resource_providers', {'name': 1}),
    'a uuid that is none': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'uuid': 'n'},
    ),
    'a uuid of null': (
        'POST',
        '/resource_providers',
        {'name': 'n', 'uuid': None},
    ),
    'a provider that is not there': (
        'GET',
        f'/resource_providers/{NOBODY}',
        None,
    ),
    'a provider with children is deleted': ('DELETE', ONE, None),
    'a provider in use is deleted': (
        'DELETE',
        f'/resource_providers/{POOL}',
        None,
    ),
    'a provider that is not there is deleted': (
        'DELETE',
        f'/resource_providers/{NOBODY}',
        None,
    ),
    'inventories': ('PUT', f'{ONE}/inventories', inventories({'total': 2})),
    'inventories of nobody': (
        'PUT',
        f'/resource_providers/{NOBODY}/inventories',
        inventories({'total': 2}),
    ),
    'an old generation': (
        'PUT',
        f'{ONE}/inventories',
        inventories({'total': 2}, resource_provider_generation=1),
    ),
    'no generation': ('PUT', f'{ONE}/inventories', {'inventories': KEPT}),
    'a generation as text': (
        'PUT',
        f'{ONE}/inventories',
        inventories({'total': 2}, resource_provider_generation='2'),
    ),
    'inventories that are a list': (
        'PUT',
        f'{ONE}/inventories',
        inventories({}, inventories=[]),
    ),
    'an inventory that is a list': (
        'PUT',
        f'{ONE}/inventories',
        inventories([]),
    ),
    'an inventory in use goes': (
        'PUT',
        f'/resource_providers/{POOL}/inventories',
        inventories({'total': 2}, resource_provider_generation=3),
    ),
    'an inventory shrinks below its use': (
        'PUT',
        f'/resource_providers/{POOL}/inventories',
        {
            'inventories': {SLOT: {'total': 1, 'reserved': 1}},
            'resource_provider_generation': 3,
        },
    ),
    'an inventory of a class that is not known': (
        'PUT',
        f'{ONE}/inventories',
        inventories({}, inventories={'CUSTOM_UNHEARD_OF': {'total': 1}}),
    ),
    'an inventory of a class in small letters': (
        'PUT',
        f'{ONE}/inventories',
        inventories({}, inventories={'vcpu': {'total': 1}}),
    ),
    'traits': (
        'PUT',
        f'{ONE}/traits',
        {'traits': [GOLD, SEV], 'resource_provider_generation': 2},
    ),
    'a trait twice': (
        'PUT',
        f'{ONE}/traits',
        {'traits': [GOLD, GOLD], 'resource_provider_generation': 2},
    ),
    'the traits that are there': (
        'PUT',
        f'{ONE}/traits',
        {'traits': [], 'resource_provider_generation': 2},
    ),
    'a trait that is not known': (
        'PUT',
        f'{ONE}/traits',
        {'traits': ['CUSTOM_NO'], 'resource_provider_generation': 2},
    ),
    'an empty trait': (
        'PUT',
        f'{ONE}/traits',
        {'traits': [''], 'resource_provider_generation': 2},
    ),
    'traits that are text': (
        'PUT',
        f'{ONE}/traits',
        {'traits': GOLD, 'resource_provider_generation': 2},
    ),
    'traits with an old generation': (
        'PUT',
        f'{ONE}/traits',
        {'traits': [GOLD], 'resource_provider_generation': 0},
    ),
    'traits of nobody': (
        'PUT',
        f'/resource_providers/{NOBODY}/traits',
        {'traits': [GOLD], 'resource_provider_generation': 0},
    ),
    'aggregates': (
        'PUT',
        f'{ONE}/aggregates',
        {'aggregates': [*AGGREGATES], 'resource_provider_generation': 2},
    ),
    'an aggregate twice': (
        'PUT',
        f'{ONE}/aggregates',
        {
            'aggregates': [AGGREGATES[0]] * 2,
            'resource_provider_generation': 2,
        },
    ),
    'an aggregate that is no uuid': (
        'PUT',
        f'{ONE}/aggregates',
        {'aggregates': ['one'], 'resource_provider_generation': 2},
    ),
    'aggregates with an old generation': (
        'PUT',
        f'{ONE}/aggregates',
        {'aggregates': [], 'resource_provider_generation': 1},
    ),
    'a custom trait': ('PUT', '/traits/CUSTOM_GOLD', None),
    'a trait without CUSTOM': ('PUT', '/traits/GOLD', None),
    'a custom trait in small letters': ('PUT', '/traits/CUSTOM_gold', None),
    'a custom trait that is too long': (
        'PUT',
        f'/traits/CUSTOM_{"A" * 249}',
        None,
    ),
    'a trait that is there': ('GET', f'/traits/{GOLD}', None),
    'a trait that is not there': ('GET', '/traits/CUSTOM_NO', None),
    'some traits': ('GET', f'/traits?name=in:{GOLD},{SEV},NO', None),
    'traits by their beginning': ('GET', '/traits?name=startswith:HW_', None),
    'traits that providers have': ('GET', '/traits?associated=true', None),
    'traits that no provider has': (
        'GET',
        '/traits?associated=false&name=startswith:CUSTOM_',
        None,
    ),
    'traits by another word': ('GET', '/traits?name=GOLD', None),
    'traits by another key': ('GET', '/traits?colour=red', None),
    'associated traits, perhaps': ('GET', '/traits?associated=maybe', None),
    'a class that is there': ('PUT', '/resource_classes/CUSTOM_NIC', None),
    'a class without CUSTOM': ('PUT', '/resource_classes/NIC', None),
    'a consumer that is no uuid': (
        'PUT',
        '/allocations/guest',
        claim({orc.VCPU: 1}),
    ),
    'a consumer in large letters': (
        'PUT',
        f'/allocations/{GUEST.upper()}',
        claim({orc.VCPU: 1}),
    ),
    'a consumer that holds nothing is deleted': (
        'DELETE',
        f'/allocations/{GUEST}',
        None,
    ),
    'a consumer is deleted': ('DELETE', f'/allocations/{HOLDER}', None),
    'claims for nobody': ('POST', '/allocations', {}),
    'claims as a list': ('POST', '/allocations', []),
    'claims for no uuid': (
        'POST',
        '/allocations',
        {'guest': claim({orc.VCPU: 1})},
    ),
    'two claims of which one is too large': (
        'POST',
        '/allocations',
        {
            GUEST: claim({orc.VCPU: 1}),
            uuid_of('2'): claim({orc.VCPU: 5}),
        },
    ),
    'two claims that fit one by one': (
        'POST',
        '/allocations',
        {
            GUEST: claim({SLOT: 1}, POOL),
            uuid_of('2'): claim({SLOT: 1}, POOL),
            uuid_of('3'): claim({SLOT: 1}, POOL),
        },
    ),
    'a path that is none': ('GET', '/colours', None),
    'a method that is none': ('PATCH', ONE, {}),
    'a deletion of all providers': ('DELETE', '/resource_providers', None),
}
NUMBERS = ('total', 'reserved', 'min_unit', 'max_unit', 'step_size')
for key in NUMBERS:
    for value in (-1, 0, 1, True, 1.5, '1', None, 2**31 - 1, 2**31):
        CALLS[f'an inventory whose {key} is {value!r}'] = (
            'PUT',
            f'{ONE}/inventories',
            inventories({'total': 1, key: value}),
        )
for ratio in (-1, 0, 0.5, 16, '1', None, True, 1e39):
    CALLS[f'an allocation_ratio of {ratio!r}'] = (
        'PUT',
        f'{ONE}/inventories',
        inventories({'total': 1, 'allocation_ratio': ratio}),
    )
CALLS['an inventory without a total'] = (
    'PUT',
    f'{ONE}/inventories',
    inventories({'reserved': 1}),
)
CALLS['an inventory with a key too many'] = (
    'PUT',
    f'{ONE}/inventories',
    inventories({'total': 1, 'colour': 1}),
)


@pytest.mark.parametrize('call', CALLS.values(), ids=CALLS)
def test_a_call_is_answered_alike(
    real: Any, fake: FakePlacement, call: tuple[str, str, Any]
) -> None:
    method, url, body = call
    same(real, fake, method, url, body, '1.37')
    for part in ('inventories', 'traits', 'aggregates'):
        if method != 'GET' and part in url:
            same(real, fake, 'GET', f'{ONE}/{part}')
    if 'allocations' in url:
        path = f'/resource_providers/{POOL}'
        same(real, fake, 'GET', f'{path}/usages')
        same(real, fake, 'GET', f'{path}/allocations')


ASKED = {
    'nothing': '',
    'one class': 'resources=VCPU:1',
    'an empty list of amounts': 'resources=',
    'a class without an amount': 'resources=VCPU',
    'an amount of 0': 'resources=VCPU:0',
    'an amount of -1': 'resources=VCPU:-1',
    'an amount of 1.5': 'resources=VCPU:1.5',
    'an amount with blanks': 'resources=VCPU:%201',
    'an amount with an underscore': 'resources=VCPU:1_0',
    'two amounts': 'resources=VCPU:1:1',
    'a class twice': 'resources=VCPU:1,VCPU:2',
    'amounts twice': 'resources=VCPU:5&resources=VCPU:1',
    'a class that is not known': 'resources=CUSTOM_UNHEARD_OF:1',
    'a key that is not known': 'resources=VCPU:1&colour=red',
    'a group that is not known': 'resources=VCPU:1&required_A=CUSTOM_GOLD',
    'a suffix with a dot': 'resources.=VCPU:1',
    'a suffix of 64': f'resources{"a" * 64}=VCPU:1',
    'a suffix of 65': f'resources{"a" * 65}=VCPU:1',
    'a trait that is not known': 'resources=VCPU:1&required=CUSTOM_NO',
    'a forbidden trait that is not known': (
        'resources=VCPU:1&required=!CUSTOM_NO'
    ),
    'an empty trait': 'resources=VCPU:1&required=',
    'an empty trait among others': 'resources=VCPU:1&required=CUSTOM_GOLD,',
    'only an exclamation mark': 'resources=VCPU:1&required=!',
    'two exclamation marks': 'resources=VCPU:1&required=!!CUSTOM_GOLD',
    'any of none': 'resources=VCPU:1&required=in:',
    'any of two': 'resources=VCPU:1&required=in:CUSTOM_GOLD,CUSTOM_OLD',
    'any of, with a forbidden one': (
        'resources=VCPU:1&required=in:CUSTOM_GOLD,!CUSTOM_OLD'
    ),
    'a trait required and forbidden': (
        'resources=VCPU:1&required=CUSTOM_GOLD,!CUSTOM_GOLD'
    ),
    'traits with blanks': (
        'resources=VCPU:1&required=CUSTOM_GOLD,%20CUSTOM_OLD'
    ),
    'an aggregate': f'resources=VCPU:1&member_of={AGGREGATES[0]}',
    'aggregates without in': (
        f'resources=VCPU:1&member_of={",".join(AGGREGATES)}'
    ),
    'any of two aggregates': (
        f'resources=VCPU:1&member_of=in:{",".join(AGGREGATES)}'
    ),
    'none of two aggregates': (
        f'resources=VCPU:1&member_of=!in:{",".join(AGGREGATES)}'
    ),
    'an aggregate that is no uuid': 'resources=VCPU:1&member_of=one',
    'an aggregate inside of a list forbidden': (
        f'resources=VCPU:1&member_of=in:!{AGGREGATES[0]}'
    ),
    'an empty aggregate': 'resources=VCPU:1&member_of=',
    'a tree': f'resources=VCPU:1&in_tree={POOL}',
    'a tree that is no uuid': 'resources=VCPU:1&in_tree=host',
    'a tree that is not there': f'resources=VCPU:1&in_tree={NOBODY}',
    'a limit': 'resources=VCPU:1&limit=1',
    'a limit of 0': 'resources=VCPU:1&limit=0',
    'a limit of -1': 'resources=VCPU:1&limit=-1',
    'a limit that is text': 'resources=VCPU:1&limit=one',
    'an empty limit': 'resources=VCPU:1&limit=',
    'two groups without a policy': (
        'resources_A=VCPU:1&resources_B=MEM_ENCRYPTION_CONTEXT:1'
    ),
    'two groups with a policy': (
        'resources_A=VCPU:1&resources_B=MEM_ENCRYPTION_CONTEXT:1'
        '&group_policy=none'
    ),
    'two groups that isolate': (
        'resources_A=VCPU:1&resources_B=VCPU:1&group_policy=isolate'
    ),
    'a policy that is not known': (
        'resources_A=VCPU:1&resources_B=VCPU:1&group_policy=all'
    ),
    'a root': 'resources=VCPU:1&root_required=CUSTOM_GOLD',
    'a root without': 'resources=VCPU:1&root_required=!CUSTOM_GOLD',
    'a root with any of': 'resources=VCPU:1&root_required=in:CUSTOM_GOLD',
    'two roots': (
        'resources=VCPU:1&root_required=CUSTOM_GOLD&root_required=CUSTOM_OLD'
    ),
    'a root with and without': (
        'resources=VCPU:1&root_required=CUSTOM_GOLD,!CUSTOM_GOLD'
    ),
    'an empty root': 'resources=VCPU:1&root_required=',
    'a subtree': (
        'resources_A=VCPU:1&resources_B=MEM_ENCRYPTION_CONTEXT:1'
        '&group_policy=none&same_subtree=_A,_B'
    ),
    'a subtree of a group that is none': (
        'resources_A=VCPU:1&same_subtree=_A,_B'
    ),
    'a subtree of no group': 'resources_A=VCPU:1&same_subtree=',
    'a group without resources': (
        'resources_A=VCPU:1&required_B=CUSTOM_GOLD&group_policy=none'
    ),
    'a group without resources in a subtree': (
        'resources_A=MEM_ENCRYPTION_CONTEXT:1&required_B=!CUSTOM_GOLD'
        '&group_policy=none&same_subtree=_A,_B'
    ),
    'only groups without resources': (
        'required_B=CUSTOM_GOLD&same_subtree=_B'
    ),
    'aggregates of a group without resources': (
        f'resources=VCPU:1&member_of_B={AGGREGATES[0]}'
    ),
}


@pytest.mark.parametrize('query', ASKED.values(), ids=ASKED)
def test_a_query_is_answered_alike(
    real: Any, fake: FakePlacement, query: str
) -> None:
    url = f'/allocation_candidates?{query}'
    for microversion in ('1.33', '1.35', '1.36', '1.39'):
        statuses = [
            adapter.get(url, microversion=microversion).status_code
            for adapter in (real, fake)
        ]
        assert statuses[1] == statuses[0], microversion


LISTED = {
    'all': '',
    'a name': 'name=host',
    'a name that is none': 'name=nobody',
    'a uuid': f'uuid={POOL}',
    'a uuid that is none': 'uuid=host',
    'a tree': f'in_tree={POOL}',
    'a tree that is not there': f'in_tree={NOBODY}',
    'a trait': f'required={SEV}',
    'a forbidden trait': f'required=!{SEV}',
    'a trait that is not known': 'required=CUSTOM_NO',
    'any of': f'required=in:{SEV},{GOLD}',
    'an aggregate': f'member_of={AGGREGATES[0]}',
    'a forbidden aggregate': f'member_of=!{AGGREGATES[0]}',
    'resources': 'resources=VCPU:4',
    'resources in an aggregate without any': (
        f'resources=VCPU:4&member_of={AGGREGATES[1]}'
    ),
    'too many resources': 'resources=MEM_ENCRYPTION_CONTEXT:3',
    'a class that is not known': 'resources=CUSTOM_UNHEARD_OF:1',
    'another key': 'colour=red',
}


@pytest.mark.parametrize('query', LISTED.values(), ids=LISTED)
def test_providers_are_listed_alike(
    real: Any, fake: FakePlacement, query: str
) -> None:
    for microversion in ('1.33', '1.39'):
        url = f'/resource_providers?{query}'
        same(real, fake, 'GET', url, None, microversion)


@pytest.mark.parametrize(
    'microversion', ['1.33', '1.40', '2.0', 'latest', '1', '1.x', 'newest']
)
def test_microversions_are_taken_alike(
    real: Any, fake: FakePlacement, microversion: str
) -> None:
    statuses = [
        adapter.request(
            '/resource_providers',
            'GET',
            headers={'OpenStack-API-Version': f'placement {microversion}'},
        ).status_code
        for adapter in (real, fake)
    ]
    assert statuses[0] == statuses[1]
