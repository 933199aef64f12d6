"""Which providers have what, in as many calls as there are models."""

from __future__ import annotations

import pytest

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementRefused,
)
from sev_scheduling.hosts.host import machine_type_trait
from sev_scheduling.models import registered_models
from sev_scheduling.nova.lookups.providers import ask_providers
from sev_scheduling.placement import PlacementClient
from tests.unit.nova.factories import (
    ES,
    ES_TRAIT,
    PC_TRAIT,
    Q35_TRAIT,
    SEV,
    SEV_TRAIT,
    SNP,
    World,
)
from tests.unit.placement.fake_transport import FakeTransport, fault

VERSIONS = {'versions': [{'max_version': '1.39'}]}


def test_it_knows_which_provider_offers_what():
    world = World()
    nested = world.host('nested', pools={SEV: 5, ES: 5})
    flat = world.host('flat', nested=False)
    stale = world.host('stale', pools={SNP: 5})
    world.set_traits(stale, SEV_TRAIT)
    pool = world.pool(nested)

    found = ask_providers(world.placement.client())

    assert found.offering[SEV] == {pool, flat, stale}
    assert found.pools[SEV] == {pool}
    assert found.hosts[SEV] == {nested, flat, stale}
    assert found.pool_hosts[SEV] == {nested}
    assert found.offering[ES] == {world.pool(nested, 'amd_sev_es')}
    assert found.hosts['intel-tdx'] == frozenset()
    assert found.with_slots() == {nested, flat, stale}
    assert found.pool_hosts[SNP] == {stale}
    # A trait on the root alone may be a stale one.
    assert not found.has_pool(stale, SEV, None)
    assert found.has_pool(stale, SEV, stale)


def test_it_knows_published_machine_types():
    world = World()
    q35 = world.host('a', machine_type='q35')
    pc = world.host('b', machine_type='pc')
    both = world.host('c')
    world.set_traits(both, Q35_TRAIT, PC_TRAIT)
    world.host('d')
    # Of a pool, it says nothing about the host.
    world.set_traits(world.pool(q35), SEV_TRAIT, PC_TRAIT)

    found = ask_providers(world.placement.client())

    assert found.machine_types == {
        q35: {'x86_64': 'q35'},
        pc: {'x86_64': 'pc'},
        both: {},
    }
    assert found.published == {Q35_TRAIT: {q35, both}, PC_TRAIT: {pc, both}}


@pytest.mark.parametrize(
    ('published', 'unfit'),
    [
        pytest.param([['q35'], []], [], id='one is right, one unknown'),
        pytest.param([['pc'], []], ['pc'], id='one is wrong, one unknown'),
        pytest.param([['pc-q35-2.11'], ['q35']], [], id='versions of q35'),
        pytest.param(
            [['pc-q35-rhel9.4.0'], ['pc-i440fx-rhel7.6.0']],
            ['pc-i440fx-rhel7.6.0'],
            id='versions of a distribution',
        ),
        pytest.param([['virt'], ['pc']], ['pc', 'virt'], id='two are wrong'),
        pytest.param(
            [['pc', 'q35'], ['pc']],
            [],
            id='pc is what one has left behind, maybe',
        ),
        pytest.param(
            [['pc', 'pc-i440fx-8.2'], ['q35']],
            ['pc', 'pc-i440fx-8.2'],
            id='whichever it has left behind is wrong',
        ),
    ],
)
def test_machine_types_that_no_host_can_use(published, unfit):
    world = World()
    for number, names in enumerate(published):
        traits = map(machine_type_trait, names)
        world.set_traits(world.host(f'host-{number}'), *traits)

    found = ask_providers(world.placement.client())

    model = registered_models()[SEV]
    traits = set(map(machine_type_trait, unfit))
    assert found.unfit_machine_types(model, 'x86_64') == traits
    # Of another architecture nothing is published.
    assert found.unfit_machine_types(model, 'aarch64') == set()


def test_a_machine_type_that_only_pools_have_is_not_published():
    world = World()
    root = world.host()
    world.set_traits(world.pool(root), SEV_TRAIT, Q35_TRAIT)
    found = ask_providers(world.placement.client())
    assert found.published == {}


def test_machine_types_without_end_are_not_all_looked_at():
    world = World()
    names = [f'CUSTOM_HW_MACHINE_TYPE_Q35_{n:02}' for n in range(45)]
    world.set_traits(world.host(), *names)
    client = world.placement.client()

    ask_providers(client)

    asked = str(client.calls)
    assert names[39] in asked
    assert names[40] not in asked


def test_a_model_that_placement_does_not_know_is_offered_by_no_host():
    def answer(request):
        if 'required=HW_CPU_X86_INTEL_TDX' in request.url:
            return fault(400, 'No such trait(s): HW_CPU_X86_INTEL_TDX.')
        return {'resource_providers': []}

    script = FakeTransport(
        {'GET /resource_providers': answer, 'GET /traits': {'traits': []}}
    )
    found = ask_providers(PlacementClient(script.adapter()))
    assert found.offering['intel-tdx'] == frozenset()


def test_any_other_refusal_is_a_failure():
    script = FakeTransport(
        {
            'GET /resource_providers': fault(400, 'Invalid query.'),
            'GET /traits': {'traits': []},
        }
    )
    with pytest.raises(PlacementRefused, match='Invalid query'):
        ask_providers(PlacementClient(script.adapter()))


@pytest.mark.parametrize(
    ('url', 'answer'),
    [
        ('/resource_providers', {'resource_providers': 'x'}),
        ('/resource_providers', {'resource_providers': [{'uuid': 'x'}]}),
        ('/traits', {'traits': 'Q35'}),
    ],
)
def test_answers_of_another_shape_are_a_failure(url, answer):
    fine = {
        'GET /resource_providers': {'resource_providers': []},
        'GET /traits': {'traits': []},
    }
    transport = FakeTransport({**fine, f'GET {url}': answer})
    with pytest.raises(PlacementAnswerError, match='check the endpoint'):
        ask_providers(PlacementClient(transport.adapter()))


def test_es_alone_is_no_sev():
    world = World()
    world.host(pools={ES: 1})
    found = ask_providers(world.placement.client())
    assert found.offering[SEV] == frozenset()
    assert len(found.offering[ES]) == 1, ES_TRAIT
