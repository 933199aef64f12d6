"""Pools without a free slot are found, within a number of calls."""

from __future__ import annotations

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement.diagnosis.probe import MAX_CALLS, Probe
from sev_scheduling.placement.diagnosis.slots import Slots, find_slots
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

FULL = {'amd-sev': SlotPool(4, reserved=1, used=3)}


def query(*models):
    return translate(parse(make_flavor(), make_image(), models=models))


def fill(placement, root):
    """Use all that a host's root has left."""
    provider = placement.providers[root]
    provider.used = {n: provider.left(n) for n in provider.inventories}


@pytest.mark.parametrize('newest', ['1.33', '1.36', '1.39'])
@pytest.mark.parametrize('models', [(), ('amd-sev-es', 'amd-sev')])
def test_full_pools_are_counted(newest, models):
    placement = FakePlacement(newest)
    roots = [
        add_host(placement, 'nested', pools=FULL),
        add_host(placement, 'flat', pools=FULL, nested=False),
    ]
    add_host(placement, 'stale', pools={}, traits=['HW_CPU_X86_AMD_SEV'])
    found = find_slots(Probe(placement), query(*models))
    assert (found.hosts, found.total, found.used) == (2, 6, 6)
    assert found.none is found.free is False
    assert {s.root_provider_uuid for s in found.summaries.values()} == {*roots}


@pytest.mark.parametrize(
    'host', [None, {'pools': {}}, {'pools': {'amd-sev-es': 4}}]
)
def test_no_provider_has_slots_of_the_model(host):
    placement = FakePlacement()
    if host:
        add_host(placement, 'epyc', **host)
    assert find_slots(Probe(placement), query()) == Slots(none=True)


def test_a_slot_is_free_after_all():
    placement = FakePlacement()
    add_host(placement, 'epyc')
    assert find_slots(Probe(placement), query()).free


def test_a_host_with_nothing_left_is_asked_for_by_itself():
    placement = FakePlacement()
    fill(placement, add_host(placement, 'epyc', pools=FULL))
    found = find_slots(Probe(placement), query())
    assert (found.hosts, found.total, found.used) == (1, 3, 3)
    assert found.summaries == {}


def test_there_are_too_many_of_these():
    placement = FakePlacement()
    for n in range(9):
        fill(placement, add_host(placement, f'host-{n}', pools=FULL))
    probe = Probe(placement)
    found = find_slots(probe, query())
    assert (found.hosts, found.total, found.used) == (None, None, None)
    assert found.known is found.complete is False
    assert len(found.roots) == 9
    assert probe.left >= 2


def test_without_calls_nothing_is_known():
    placement = FakePlacement()
    probe = Probe(placement)
    probe.calls = MAX_CALLS
    assert find_slots(probe, query()) == Slots()
