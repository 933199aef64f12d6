"""What is asked of Placement: how often, by whom, and for how long."""

from __future__ import annotations

import threading

import pytest

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementRefused,
    PlacementUnavailable,
)
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.nova.lookups.lookups import Lookups
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


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def lookups(client, *, cache=60.0, timeout=10.0, clock=None):
    return Lookups(
        lambda: cache,
        lambda: timeout,
        client=client,
        clock=clock or Clock(),
    )


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
    assert found.hosts_with_pools([SEV, ES]) == {nested}
    assert found.hosts_with_pools([SNP]) == {stale}
    assert found.hosts_with_pools(['unheard-of']) == frozenset()


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
    asked.slot_provider(SERVER)
    assert len(world.calls) == 2


def test_it_is_remembered_for_the_configured_time():
    world = World()
    clock = Clock()
    asked = lookups(world.placement.client(), cache=60.0, clock=clock)
    first = asked.providers()
    world.placement.calls.clear()

    clock.now = 59.9
    assert asked.providers() is first
    assert world.calls == []
    clock.now = 60.0
    assert asked.providers() is not first
    assert world.calls


def test_nothing_is_remembered_for_no_time():
    world = World()
    asked = lookups(world.placement.client(), cache=0.0)
    assert asked.providers() is not asked.providers()


def test_a_failure_is_not_remembered():
    world = World()
    asked = lookups(PlacementClient(FakeTransport({}).adapter()))
    with pytest.raises(PlacementRefused):
        asked.providers()
    asked._client = world.placement.client()
    assert asked.providers().published == frozenset()


def test_one_thread_asks_while_the_others_wait():
    world = World()
    world.host()
    asking, go_on = threading.Event(), threading.Event()

    class Slow(PlacementClient):
        def call(self, *args, **kwargs):
            asking.set()
            assert go_on.wait(10)
            return super().call(*args, **kwargs)

    asked = lookups(Slow(world.placement))
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(asked.providers()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert asking.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert len(answers) == 8
    assert len(set(map(id, answers))) == 1
    assert world.calls.count('GET /traits?associated=true'
                             '&name=startswith:CUSTOM_HW_MACHINE_TYPE_'
                             ) == 1  # fmt: skip


def test_who_waits_for_another_thread_waits_no_longer_than_the_time_out():
    asked = lookups(World().placement.client(), timeout=0.05)
    asked._providers._lock.acquire()
    with pytest.raises(PlacementUnavailable, match='placement_timeout'):
        asked.providers()
    asked._providers._lock.release()
    assert asked.providers()


def test_the_look_ups_of_a_step_have_one_time_out_together():
    clock = Clock()
    asked = lookups(World().placement.client(), timeout=10.0, clock=clock)
    with asked.step():
        asked.providers()
        clock.now += 60.0
        with pytest.raises(PlacementUnavailable, match='placement_timeout'):
            asked.providers()
    # The next step has its own.
    assert asked.providers()


def test_free_slots_are_those_of_hosts_with_any():
    world = World()
    some = world.host('a', pools={SEV: SlotPool(5, used=2), ES: 1})
    world.host('b', pools={SEV: SlotPool(1, used=1)})
    full = world.host('c', pools={SEV: SlotPool(1, used=1), ES: 1})
    flat = world.host('d', nested=False, pools={SEV: 3})

    found = lookups(world.placement.client()).slots()

    assert set(found) == {some, full, flat}
    assert found[some].pools[SEV].free == 3
    assert found[full].pools[SEV].free == 0
    assert found[flat].pools[SEV].free == 3


def test_slots_to_weigh_by_are_remembered_for_their_own_time():
    world = World()
    root = world.host(pools={SEV: 5})
    clock = Clock()
    asked = Lookups(
        lambda: 0.0,
        lambda: 10.0,
        lambda: 30.0,
        client=world.placement.client(),
        clock=clock,
    )
    first = asked.recent_slots()
    assert first.hosts[root].pools[SEV].free == 5
    world.claim(world.pool(root))
    clock.now = 29.9
    assert asked.recent_slots() is first
    clock.now = 30.0
    assert asked.recent_slots().hosts[root].pools[SEV].free == 4


def test_slots_that_decide_are_asked_for_afresh_and_serve_to_weigh():
    world = World()
    root = world.host(pools={SEV: 5})
    clock = Clock()
    asked = Lookups(
        lambda: 0.0,
        lambda: 10.0,
        lambda: 30.0,
        client=world.placement.client(),
        clock=clock,
    )
    assert asked.slots()[root].pools[SEV].free == 5
    world.claim(world.pool(root))
    assert asked.slots()[root].pools[SEV].free == 4
    world.placement.calls.clear()
    assert asked.recent_slots().hosts[root].pools[SEV].free == 4
    assert world.calls == []


def test_the_provider_of_a_servers_slot():
    world = World()
    pool = world.pool(world.host())
    asked = lookups(world.placement.client())
    assert asked.slot_provider(SERVER) is None
    world.claim(pool)
    assert asked.slot_provider(SERVER) == pool


@pytest.mark.parametrize(
    'answer',
    [
        {},
        {'allocations': None},
        {'allocations': []},
        {'allocations': {'a': None}},
        {'allocations': {'a': {}}},
        {'allocations': {'a': {'resources': None}}},
        {'allocations': {'a': {'resources': 1}}},
    ],
)
def test_strange_allocations_are_a_failure(answer):
    script = FakeTransport({f'GET /allocations/{SERVER}': answer})
    with pytest.raises(PlacementAnswerError, match='check the endpoint'):
        lookups(PlacementClient(script.adapter())).slot_provider(SERVER)


@pytest.mark.parametrize(
    'answer',
    [
        {},
        {'resource_providers': None},
        {'resource_providers': 'x'},
        {'resource_providers': {}},
        {'resource_providers': [None]},
        {'resource_providers': ['x']},
        {'resource_providers': [{'uuid': 'x'}]},
        {'resource_providers': [{'root_provider_uuid': 'x'}]},
    ],
)
def test_strange_providers_are_a_failure(answer):
    script = FakeTransport({'GET /resource_providers': answer})
    with pytest.raises(PlacementAnswerError, match='lists no resource prov'):
        lookups(PlacementClient(script.adapter())).providers()


@pytest.mark.parametrize('answer', [{}, {'traits': None}, {'traits': 'Q35'}])
def test_strange_traits_are_a_failure(answer):
    providers = {'resource_providers': []}
    script = FakeTransport(
        {'GET /resource_providers': providers, 'GET /traits': answer}
    )
    with pytest.raises(PlacementAnswerError, match='lists no traits'):
        lookups(PlacementClient(script.adapter())).providers()


def test_es_alone_is_no_sev():
    world = World()
    world.host(pools={ES: 1})
    found = lookups(world.placement.client()).providers()
    assert found.offering[SEV] == frozenset()
    assert len(found.offering[ES]) == 1, ES_TRAIT
