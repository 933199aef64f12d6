from __future__ import annotations

import threading

import pytest

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups.shared import renewed_lookups, shared_lookups
from tests.unit.nova.factories import load_filter, load_weigher, spec, weighed


def test_filter_request_filter_and_weigher_share_one_memory(world):
    world.host('alpha')
    world.host('beta', pools={})
    plugin = load_filter()
    assert shared_lookups() is plugin._lookups
    plugin._lookups.providers()
    world.placement.calls.clear()
    weighed(load_weigher(), world.states.values(), spec({}, {}))
    assert world.calls == []


def test_a_weigher_without_the_filter_has_its_own():
    assert shared_lookups() is shared_lookups()


def test_a_new_filter_remembers_nothing(world):
    before = shared_lookups()
    load_filter()
    assert shared_lookups() is not before


def test_the_options_are_read_as_they_are_now(world, configured):
    """Nova reads some of nova.conf again on SIGHUP."""
    lookups = renewed_lookups()
    first = lookups.providers()
    assert lookups.providers() is first
    configured(cache_seconds=0.0, placement_timeout=0.1)
    assert lookups.providers() is not first
    assert lookups._providers._lock.acquire()
    waited = []

    def wait():
        with pytest.raises(PlacementUnavailable):
            lookups.providers()
        waited.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(10)
    assert waited == [True]
