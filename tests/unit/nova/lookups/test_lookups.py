"""What is asked of Placement: how often, by whom, and for how long."""

from __future__ import annotations

import pytest

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementRefused,
)
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.nova.lookups.lookups import Lookups, shared_lookups
from sev_scheduling.nova.options import Options
from sev_scheduling.placement import PlacementClient
from tests.unit.nova.factories import (
    ES,
    ES_TRAIT,
    PC_TRAIT,
    Q35_TRAIT,
    SERVER,
    SEV,
    SEV_TRAIT,
    SNP,
    World,
)
from tests.unit.placement.fake_transport import FakeTransport, fault

VERSIONS = {'versions': [{'max_version': '1.39'}]}


class Asked:
    """Look-ups in a Placement, each for a request of its own."""

    def __init__(self, client, **options):
        class Connection:
            def client(self, deadline):
                return client

        self.lookups = Lookups(Options(**options), Connection())

    def __getattr__(self, name):
        look_up = getattr(self.lookups, name)
        return lambda *args: look_up(self.lookups.deadline(), *args)


def lookups(client, *, cache=60.0, **options):
    return Asked(client, cache_seconds=cache, **options)


def test_it_knows_which_provider_offers_what():
    world = World()
    nested = world.host('nested', pools={SEV: 5, ES: 5})
    flat = world.host('flat', nested=False)
    stale = world.host('stale', pools={SNP: 5})
    world.set_traits(stale, SEV_TRAIT)
    pool = world.pool(nested)

    found = lookups(world.placement.client()).providers()

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

    found = lookups(world.placement.client()).providers()

    assert found.machine_types == {
        q35: {'x86_64': 'q35'},
        pc: {'x86_64': 'pc'},
        both: {},
    }
    assert found.published == {Q35_TRAIT, PC_TRAIT}


def test_a_machine_type_that_only_pools_have_is_not_published():
    world = World()
    root = world.host()
    world.set_traits(world.pool(root), SEV_TRAIT, Q35_TRAIT)
    found = lookups(world.placement.client()).providers()
    assert found.published == frozenset()


def test_machine_types_without_end_are_not_all_looked_at():
    world = World()
    names = [f'CUSTOM_HW_MACHINE_TYPE_Q35_{n:02}' for n in range(25)]
    world.set_traits(world.host(), *names)
    found = lookups(world.placement.client()).providers()
    assert found.published == frozenset(names[:20])


def test_a_placement_that_has_never_heard_of_a_model_has_no_host_of_it():
    def answer(request):
        if 'required=HW_CPU_X86_INTEL_TDX' in request.url:
            return fault(400, 'No such trait(s): HW_CPU_X86_INTEL_TDX.')
        return {'resource_providers': []}

    script = FakeTransport(
        {'GET /resource_providers': answer, 'GET /traits': {'traits': []}}
    )
    found = lookups(PlacementClient(script.adapter())).providers()
    assert found.offering['intel-tdx'] == frozenset()


def test_any_other_refusal_is_a_failure():
    script = FakeTransport(
        {
            'GET /resource_providers': fault(400, 'Invalid query.'),
            'GET /traits': {'traits': []},
        }
    )
    with pytest.raises(PlacementRefused, match='Invalid query'):
        lookups(PlacementClient(script.adapter())).providers()


@pytest.mark.parametrize('hosts', [0, 1, 40])
def test_the_number_of_calls_does_not_grow_with_the_cloud(hosts):
    world = World()
    for number in range(hosts):
        world.host(f'host-{number}', machine_type='q35')
    client = world.placement.client()
    client.supports('1.33')
    world.placement.calls.clear()
    asked = lookups(client)

    asked.providers()
    # One a model, one for the names of machine types, one for each of those.
    assert len(world.calls) == 5 + bool(hosts)
    world.placement.calls.clear()
    asked.slots()
    asked.held_models(SERVER)
    assert len(world.calls) == 2


def test_it_is_cached_for_the_configured_time(clock):
    world = World()
    asked = lookups(world.placement.client(), cache=60.0)
    first = asked.providers()
    world.placement.calls.clear()

    clock.now += 59.9
    assert asked.providers() is first
    assert world.calls == []
    clock.now += 0.1
    assert asked.providers() is not first
    assert world.calls


def test_nothing_is_remembered_for_no_time():
    world = World()
    asked = lookups(world.placement.client(), cache=0.0)
    assert asked.providers() is not asked.providers()


def test_filter_and_weigher_share_the_look_ups_of_equal_options():
    options = Options(max_guests_per_model={SEV: 1})
    assert shared_lookups(options) is shared_lookups(
        Options(max_guests_per_model={SEV: 1})
    )


def test_free_slots_are_those_of_hosts_with_any():
    world = World()
    some = world.host('a', pools={SEV: SlotPool(5, used=2), ES: 1})
    world.host('b', pools={SEV: SlotPool(1, used=1)})
    full = world.host('c', pools={SEV: SlotPool(1, used=1), ES: 1})
    flat = world.host('d', nested=False, pools={SEV: 3})

    found = lookups(world.placement.client()).slots().hosts

    assert set(found) == {some, full, flat}
    assert found[some].pools[SEV].free == 3
    assert found[full].pools[SEV].free == 0
    assert found[flat].pools[SEV].free == 3


def test_slots_to_weigh_by_are_cached_for_their_own_time(clock):
    world = World()
    root = world.host(pools={SEV: 5})
    asked = lookups(
        world.placement.client(), cache=0.0, slots_cache_seconds=30.0
    )
    first = asked.recent_slots()
    assert first.hosts[root].pools[SEV].free == 5
    world.claim(world.pool(root))
    clock.now += 29.9
    assert asked.recent_slots() is first
    clock.now += 0.1
    assert asked.recent_slots().hosts[root].pools[SEV].free == 4


def test_slots_that_decide_are_asked_for_afresh_and_serve_to_weigh():
    world = World()
    root = world.host(pools={SEV: 5})
    asked = lookups(
        world.placement.client(), cache=0.0, slots_cache_seconds=30.0
    )
    assert asked.slots().hosts[root].pools[SEV].free == 5
    world.claim(world.pool(root))
    assert asked.slots().hosts[root].pools[SEV].free == 4
    world.placement.calls.clear()
    assert asked.recent_slots().hosts[root].pools[SEV].free == 4
    assert world.calls == []


def test_the_models_of_a_servers_slot():
    world = World()
    pool = world.pool(world.host())
    asked = lookups(world.placement.client())
    assert asked.held_models(SERVER) == ()
    world.claim(pool)
    assert [model.name for model in asked.held_models(SERVER)] == [SEV]


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
        lookups(PlacementClient(transport.adapter())).providers()


def test_es_alone_is_no_sev():
    world = World()
    world.host(pools={ES: 1})
    found = lookups(world.placement.client()).providers()
    assert found.offering[SEV] == frozenset()
    assert len(found.offering[ES]) == 1, ES_TRAIT
