"""Hosts that join while it is still remembered what the others offer."""

from __future__ import annotations

import pytest
from nova import exception

from sev_scheduling.nova.lookups import Lookups
from sev_scheduling.nova.options import Options
from tests.unit.nova.factories import (
    ES,
    ES_TRAIT,
    ON_ES,
    SERVER,
    SEV,
    SEV_TRAIT,
    SNP,
    load_filter,
    passing,
    spec,
)


def placed(host_filter, world, request):
    """The hosts that nova is left with, of those that Placement offers."""
    return passing(host_filter, world.hosts_for(request), request)


def looks(world):
    """How often it was asked which providers offer SEV."""
    required = (frozenset({SEV_TRAIT}),)
    return sum(
        method == 'resource_providers' and what['required'] == required
        for method, what in world.placement.calls
    )


@pytest.mark.parametrize('nested', [True, False], ids=['nested', 'flat'])
def test_a_guest_is_placed_on_a_host_that_is_new(world, nested):
    world.host('alpha')
    host_filter = load_filter()
    assert placed(host_filter, world, spec()) == ['alpha']

    world.host('beta', nested=nested)

    assert placed(host_filter, world, spec()) == ['alpha', 'beta']
    assert looks(world) == 2
    placed(host_filter, world, spec())
    assert looks(world) == 2


def test_what_excludes_a_model_holds_on_a_host_that_is_new(world):
    world.host('alpha', pools={ES: 5})
    host_filter = load_filter()
    placed(host_filter, world, spec(ON_ES))

    world.host('beta', pools={ES: 5, SNP: 5})

    assert placed(host_filter, world, spec(ON_ES)) == ['alpha']


def test_a_provider_without_a_model_is_asked_for_once_a_while(world):
    # Its slots are a candidate where a stale trait is on the root.
    host_filter = load_filter()
    lookups = host_filter._lookups
    lookups.providers(lookups.deadline())
    roots = [
        world.host(name, pools={SEV: 5, ES: 5}) for name in ('alpha', 'beta')
    ]
    for root in roots:
        world.set_traits(root, SEV_TRAIT, ES_TRAIT)
        world.set_traits(world.pool(root, 'amd_sev_es'), 'OWNER_NOVA')

    for _ in range(3):
        # One look for both of them.
        assert placed(host_filter, world, spec()) == ['alpha', 'beta']
        assert looks(world) == 2
    for root in roots:
        (candidate,) = world.states[root].allocation_candidates
        assert world.pool(root) in candidate['allocations']


def test_what_another_request_asked_before_a_host_came_does_not_hide_it(
    world, monkeypatch
):
    """Nor where that answer comes while this request is judged."""
    alpha = world.host('alpha')
    # Slots without a model's trait, and a stale one on the root.
    world.set_traits(world.pool(alpha), 'OWNER_NOVA')
    world.set_traits(alpha, SEV_TRAIT)
    host_filter = load_filter()
    lookups = host_filter._lookups
    with pytest.raises(exception.NoValidHost):
        placed(host_filter, world, spec())

    older = Lookups(Options())._providers.ask(lookups.deadline())
    world.host('beta')
    before = lookups.providers

    def providers(deadline):
        found = before(deadline)
        lookups._providers.last = older
        return found

    monkeypatch.setattr(lookups, 'providers', providers)
    assert placed(host_filter, world, spec()) == ['beta']


def test_a_server_on_a_host_that_is_new_can_be_rebuilt(world):
    world.host('alpha')
    lookups = Lookups(Options())
    lookups.providers(lookups.deadline())

    world.claim(world.pool(world.host('beta')))

    held = lookups.held_models(lookups.deadline(), SERVER)
    assert [model.name for model in held] == [SEV]
