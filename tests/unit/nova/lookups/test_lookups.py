"""What is asked of Placement: how often, by whom, and for how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.nova.lookups.cache import STALE
from sev_scheduling.nova.lookups.lookups import Lookups, shared_lookups
from sev_scheduling.nova.options import Options
from sev_scheduling.testing import make_flavor, make_image
from tests.unit.nova.factories import (
    ES,
    SERVER,
    SEV,
    World,
)
from tests.unit.nova.lookups.test_refresher import finish

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
    assert asked.recent_slots() is first
    finish(asked.lookups._refresher)
    assert asked.recent_slots().hosts[root].pools[SEV].free == 4


def test_no_thread_renews_providers_before_an_encrypted_guest_came(clock):
    world = World()
    world.host(pools={SEV: 5})
    asked = lookups(world.placement.client())
    first = asked.recent_providers()
    clock.now += 60.0 * STALE - 0.1
    world.placement.calls.clear()
    assert asked.recent_providers() is first
    finish(asked.lookups._refresher)
    assert world.calls == []
    clock.now += 0.1
    # As it was a request that asked, there is a new one.
    second = asked.recent_providers()
    assert second is not first
    asked.recent_slots()
    clock.now += 60.0
    assert asked.recent_providers() is second
    finish(asked.lookups._refresher)
    assert asked.recent_providers() is not second


@pytest.mark.parametrize(
    ('weighs', 'options', 'asked'),
    [
        (True, {}, (6, 1)),
        # Nothing but the filter needs anything.
        (False, {}, (6, 0)),
        # Nobody shares these, so each request asks.
        (True, {'cache': 0.0}, (0, 1)),
        (True, {'slots_cache_seconds': 0.0}, (6, 0)),
    ],
)
def test_what_a_guest_will_need_is_asked_ahead(
    clock, configured, weighs, options, asked
):
    configured.ask_ahead()
    world = World()
    world.host(pools={SEV: 5}, machine_type='q35')
    client = world.placement.client()
    client.supports('1.33')
    look = lookups(client, **options)
    look.lookups.weighs = weighs

    def counted():
        world.placement.calls.clear()
        look.lookups.ask_ahead()
        finish(look.lookups._refresher)
        slots = sum('candidates' in call for call in world.calls)
        return len(world.calls) - slots, slots

    assert counted() == asked
    # It is there, until it is old.
    assert counted() == (0, 0)
    clock.now += 60.0
    assert counted() == asked


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


def test_hosts_that_are_likely_to_serve_a_query(clock):
    world = World()
    asked = lookups(world.placement.client())
    small = world.host('small', pools={SEV: 2})
    large = world.host('large', pools={SEV: 9, ES: SlotPool(9, used=9)})
    query = translate(parse(make_flavor(), make_image()))
    found = asked.lookups.likely_hosts
    # Of a Placement that was not asked for its slots nothing is known.
    assert found(query) == []
    asked.recent_slots()
    assert found(query) == [large]
    asked.lookups.note_served(query, small)
    assert found(query) == [small, large]
    assert found(replace(query, in_tree=small)) == []
    other = replace(query, root_required=frozenset({'CUSTOM_A'}))
    assert found(other) == [large]
    full = parse(make_flavor(), make_image(), models=(ES,))
    assert found(translate(full)) == []


def test_few_queries_are_noted(monkeypatch):
    monkeypatch.setattr('sev_scheduling.nova.lookups.lookups.MAX_SERVED', 1)
    asked = lookups(World().placement.client())
    one = translate(parse(make_flavor(), make_image()))
    other = replace(one, root_required=frozenset({'CUSTOM_A'}))
    for query in (one, other):
        asked.lookups.note_served(query, SERVER)
    assert asked.lookups.likely_hosts(one) == []
    assert asked.lookups.likely_hosts(other) == [SERVER]
