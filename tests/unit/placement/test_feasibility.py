"""Which hosts would take a guest, and which of them Placement offers."""

from __future__ import annotations

import pytest

from sev_scheduling.diagnosis import Cause
from sev_scheduling.exceptions import InvalidRequest
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.placement import PlacementClient
from sev_scheduling.testing import FakePlacement, add_host
from tests.unit.placement.fake_transport import (
    candidates_answer,
    cloud,
    sev_request,
    uuid_of,
)

CANDIDATES = 'GET /allocation_candidates'
PROVIDERS = 'resource_providers'


def feasibility(transport, *free):
    """Return it for hosts 1, 2, … with so many free slots."""
    hosts = [
        Host(name=f'host-{n}', uuid=uuid_of(n),
             pools={'amd-sev': SlotPool(slots)})
        for n, slots in enumerate(free, 1)
    ]  # fmt: skip
    client = PlacementClient(transport.adapter())
    return client.feasibility(sev_request(), hosts)


def names(verdicts):
    return [verdict.host.name for verdict in verdicts]


def test_a_host_fits_where_it_agrees_and_placement_offers_it():
    transport = cloud(1, 3)
    found = feasibility(transport, 1, 1, 0)
    assert names(found.fit) == ['host-1']
    assert names(found.unavailable) == ['host-2']
    assert names(found.result.rejected) == ['host-3']
    assert found.diagnosis is None
    assert transport.calls.count(CANDIDATES) == 1


def test_where_no_host_agrees_placement_is_not_asked():
    transport = cloud(1)
    found = feasibility(transport, 0)
    assert (found.fit, found.unavailable) == ((), ())
    assert transport.calls == []


def test_where_placement_offers_none_it_is_diagnosed():
    transport = cloud(1, **{CANDIDATES: candidates_answer()})
    found = feasibility(transport, 1)
    assert names(found.unavailable) == ['host-1']
    assert found.diagnosis.cause is not Cause.NONE


def test_hosts_are_listed_where_none_are_given():
    client = PlacementClient(cloud(1).adapter())
    request = sev_request(**{'hw:mem_page_size': 'large'})
    found = client.feasibility(request, client.hosts(details=False))
    assert names(found.fit) == ['host-1']
    assert client.feasibility(request).fit


def test_an_invalid_request_is_refused():
    client = PlacementClient(cloud(1).adapter())
    with pytest.raises(InvalidRequest):
        client.feasibility(
            sev_request(**{'pci_passthrough:alias': 'gpu:1'}),
            [Host(name='a', pools={'amd-sev': SlotPool(1)})],
        )


def test_who_shares_with_hosts_is_asked_once():
    """The diagnosis asks, and so did what hosts lack beside it."""
    placement = FakePlacement()
    add_host(placement, 'small', memory_mb=511)
    found = placement.feasibility(sev_request())
    assert found.diagnosis.cause is Cause.RESOURCES_SHORT
    assert found.unmet
    asked = [what for name, what in placement.calls if name == PROVIDERS]
    assert sum(bool(filters['required']) for filters in asked) == 1


def test_the_name_of_a_host_that_is_known_is_not_asked():
    placement = FakePlacement()
    add_host(placement, 'small', memory_mb=511)
    found = placement.feasibility(sev_request())
    (short,) = found.diagnosis.shortfalls
    assert short.best_host == 'small'
    asked = [what for name, what in placement.calls if name == PROVIDERS]
    assert [filters['uuid'] for filters in asked] == [None] * len(asked)
