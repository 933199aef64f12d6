"""One day of a cloud on the real Placement, in this process."""

from __future__ import annotations

import dataclasses
from collections import Counter

import os_traits
import pytest
from nova import context as nova_context
from nova import exception
from nova.scheduler import request_filter

from sev_scheduling.nova.options import Options
from sev_scheduling.nova.request_spec import SpecReading
from sev_scheduling.placement import PlacementClient
from sev_scheduling.placement.embedded import embedded_placement
from sev_scheduling.rules import validation
from tests.unit.nova.factories import (
    ES,
    ON,
    Q35,
    Q35_TRAIT,
    SEV,
    SEV_TRAIT,
    UEFI,
    World,
    flavor,
    load_filter,
    load_weigher,
    passing,
    rebuild_spec,
    spec,
    weighed,
)


class RealWorld(World):
    """A cloud whose Placement is the real one, asked in nova's own words."""

    def set_traits(self, provider, *traits):
        for trait in filter(os_traits.is_custom, traits):
            self.api.call('PUT', f'/traits/{trait}')
        url = f'/resource_providers/{provider}'
        facts = {
            'traits': list(traits),
            'resource_provider_generation': self.api.call('GET', url)[
                'generation'
            ],
        }
        self.api.call('PUT', f'{url}/traits', json=facts)

    def candidates(self, asked):
        url = f'/allocation_candidates?{asked.to_querystring()}'
        answer = self.api.call('GET', url, microversion='1.36')
        return answer['allocation_requests']


@pytest.fixture
def world(no_servers, connect):
    with embedded_placement() as placement:
        connect(lambda deadline: PlacementClient(placement))
        yield RealWorld(placement)


def test_a_day_of_a_cloud(world, configured):
    configured(cache_seconds=0.0)
    nested = world.host('nested', pools={SEV: 1, ES: 5})
    world.host('flat', pools={SEV: 3}, nested=False, machine_type='pc')
    world.host('plain', pools={})
    plugin, weigher = load_filter(), load_weigher()

    def ask(request):
        context = nova_context.get_admin_context()
        return request_filter.ALL_REQUEST_FILTERS[-1](context, request)

    # Nobody publishes q35: nova's own choice stands, less the host with pc.
    request = spec(ON, UEFI)
    assert ask(request)
    states = world.hosts_for(request)
    assert [state.host for state in states] == ['nested']
    assert passing(plugin, states, request) == ['nested']
    # An image that names q35 is for all of them.
    states = world.hosts_for(spec())
    assert weighed(weigher, states, spec()) == {
        'flat': 1.0,
        'nested': pytest.approx(1 / 3),
    }
    assert weighed(weigher, world.states.values(), spec({}, {})) == {
        'plain': 0.0,
        'nested': -100.0,
        'flat': -100.0,
    }

    # One does, with a stale trait, and its last slot goes to a server.
    world.set_traits(nested, Q35_TRAIT, SEV_TRAIT)
    pool = world.pool(nested)
    world.claim(pool)
    assert passing(plugin, states[:1], rebuild_spec(ON, UEFI)) == ['nested']
    with pytest.raises(exception.NoValidHost, match='not of amd-sev-es'):
        passing(
            plugin,
            states[:1],
            rebuild_spec(
                {},
                {
                    **Q35,
                    'hw_mem_encryption': 'true',
                    'hw_mem_encryption_model': ES,
                },
            ),
        )
    with pytest.raises(
        exception.RequestFilterFailed, match='names no machine'
    ):
        ask(spec(ON, UEFI))

    # Nova's question is answered with a slot of amd-sev-es.
    (state, _) = world.hosts_for(spec())
    assert state.host == 'nested'
    with pytest.raises(exception.NoValidHost, match='are taken now'):
        passing(plugin, [state], spec())

    # With a limit, the flat host has had enough too.
    configured(max_guests=0)
    plugin = load_filter()
    states = world.hosts_for(spec())
    with pytest.raises(exception.NoValidHost):
        passing(plugin, states, spec())


def test_an_empty_placement_has_never_heard_of_anything(world):
    load_filter()
    context = nova_context.get_admin_context()
    with pytest.raises(exception.RequestFilterFailed, match='No host offers'):
        request_filter.ALL_REQUEST_FILTERS[-1](context, spec())


def test_each_rule_is_checked_once_on_the_way_of_a_request(world, monkeypatch):
    """By request filter, filter and weigher, for all guests together.

    Once for what is said, whatever names say it, and once with the names; of
    another request that says the same, not at all.
    """
    calls = Counter()
    rules = []

    def counting(rule):
        def check(*args):
            calls[rule] += 1
            return rule.check(*args)

        return dataclasses.replace(rule, check=check)

    for name in ('REQUEST_RULES', 'MODEL_RULES'):
        counted = tuple(map(counting, getattr(validation, name)))
        rules += getattr(validation, name)
        monkeypatch.setattr(validation, name, counted)
    for name in ('alpha', 'beta'):
        # Each is evaluated in full.
        world.host(name, pools={SEV: 5, ES: 5}, machine_type='q35')
    plugin, weigher = load_filter(), load_weigher()
    # No other test has a flavor of this size.
    request = spec(ON, UEFI, flavor=flavor(memory_mb=1234))
    context = nova_context.get_admin_context()
    assert request_filter.ALL_REQUEST_FILTERS[-1](context, request)
    for index in range(3):
        states = world.hosts_for(request)
        assert len(passing(plugin, states, request, index)) == 2
        weighed(weigher, states, request)
    request = SpecReading.of(request).validation(request, Options()).request
    assert calls.keys() == {
        rule for rule in rules if getattr(request, rule.reads)
    }
    assert set(calls.values()) == {2}
    again = spec(ON, UEFI, flavor=flavor(memory_mb=1234))
    assert request_filter.ALL_REQUEST_FILTERS[-1](context, again)
    assert set(calls.values()) == {2}
