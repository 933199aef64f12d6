"""Every host in few calls, full and empty ones, and what is no host."""

from __future__ import annotations

import pytest

from sev_scheduling.exceptions import PlacementDenied
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement import PlacementClient
from tests.unit.placement.fake_transport import (
    SEV,
    SLOT,
    FakeTransport,
    candidates_answer,
    fault,
    providers_answer,
    uuid_of,
)

CANDIDATES = 'GET /allocation_candidates'
PROVIDERS = 'GET /resource_providers'
ROOT, POOL = uuid_of(1), uuid_of(1001)


def of(provider, what):
    return f'GET /resource_providers/{provider}/{what}'


def inventory(total, reserved=0, ratio=1.0):
    return {'total': total, 'reserved': reserved, 'allocation_ratio': ratio}


#: A host that has nothing left: no candidate shows it.
FULL = {
    PROVIDERS: providers_answer(1),
    CANDIDATES: candidates_answer(),
    of(ROOT, 'inventories'): {
        'inventories': {
            'VCPU': inventory(8, ratio=4.0),
            'MEMORY_MB': inventory(4096, ratio=1.5),
        }
    },
    of(ROOT, 'usages'): {'usages': {'VCPU': 32, 'MEMORY_MB': 6144}},
    of(ROOT, 'traits'): {'traits': ['CUSTOM_HW_MACHINE_TYPE_Q35']},
    of(POOL, 'inventories'): {'inventories': {SLOT: inventory(15, 2)}},
    of(POOL, 'usages'): {'usages': {SLOT: 13}},
    of(POOL, 'traits'): {'traits': [SEV]},
}


def hosts(routes, **kwargs):
    transport = FakeTransport(routes)
    return PlacementClient(transport.adapter()).hosts(**kwargs), transport


def test_hosts_with_anything_left_are_one_question():
    found, transport = hosts(
        {
            PROVIDERS: providers_answer(2, 1),
            CANDIDATES: candidates_answer(1, 2, free=0),
        },
        details=False,
    )
    assert [host.name for host in found] == ['host-1', 'host-2']
    assert found[0].pools == {
        'amd-sev': SlotPool(15, used=15, provider_uuid=POOL)
    }
    assert found[0].machine_types == {'x86_64': 'q35'}
    assert found[0].ram_allocation_ratio is None
    assert sorted(transport.calls) == ['GET /', CANDIDATES, PROVIDERS]


def test_a_host_that_has_nothing_left_is_asked_by_itself():
    (host,), _ = hosts(FULL, details=True)
    assert host.name == 'host-1'
    assert host.pools == {
        'amd-sev': SlotPool(15, reserved=2, used=13, provider_uuid=POOL)
    }
    assert host.machine_types == {'x86_64': 'q35'}
    assert host.ram_allocation_ratio == 1.5


def test_without_details_reserved_slots_are_taken_off():
    (host,), _ = hosts(FULL, details=False)
    assert host.pools == {'amd-sev': SlotPool(13, used=13, provider_uuid=POOL)}


def test_details_are_a_call_a_host_with_a_pool_and_a_nested_pool():
    _, transport = hosts(
        {
            PROVIDERS: providers_answer(1, 2),
            CANDIDATES: candidates_answer(1, 2),
            **{
                of(uuid_of(n), 'inventories'): {'inventories': {}}
                for n in (1, 2, 1001, 1002)
            },
        },
        details=True,
    )
    assert len(transport.calls) == 3 + 2 * 2


def test_a_bare_metal_node_is_no_host_and_not_asked():
    """Nova names it by its uuid; thousands of them were a call each."""
    node = {
        'uuid': uuid_of(9),
        'name': uuid_of(9),
        'root_provider_uuid': uuid_of(9),
    }
    providers = providers_answer(1)['resource_providers']
    found, transport = hosts(
        {
            PROVIDERS: {'resource_providers': [node, *providers]},
            CANDIDATES: candidates_answer(1),
        }
    )
    assert [host.name for host in found] == ['host-1']
    assert len(transport.calls) == 3


def test_what_is_no_host_is_asked_once_each():
    """Thousands of such providers cost three calls each."""
    _, transport = hosts(
        {
            PROVIDERS: {
                'resource_providers': [
                    {
                        'uuid': uuid_of(n),
                        'name': f'node-{n}',
                        'root_provider_uuid': uuid_of(n),
                    }
                    for n in range(1, 6)
                ]
            },
            CANDIDATES: candidates_answer(),
            **{
                of(uuid_of(n), 'inventories'): {
                    'inventories': {'CUSTOM_BAREMETAL': inventory(1)}
                }
                for n in range(1, 6)
            },
        },
        details=False,
    )
    assert len(transport.calls) == 2 + 5 + 5


@pytest.mark.parametrize('what', ['inventories', 'usages', 'traits'])
@pytest.mark.parametrize('provider', [ROOT, POOL])
def test_a_provider_that_goes_away_meanwhile_does_not_matter(provider, what):
    """A host that was just deleted failed the whole listing."""
    found, _ = hosts({**FULL, of(provider, what): fault(404)})
    assert len(found) == (0 if provider == ROOT else 1)


def test_a_pool_that_goes_away_meanwhile_keeps_what_is_known():
    (host,), _ = hosts(
        {
            PROVIDERS: providers_answer(1),
            CANDIDATES: candidates_answer(1),
            of(ROOT, 'inventories'): fault(404),
            of(POOL, 'inventories'): fault(404),
        },
        details=True,
    )
    assert host.pools['amd-sev'].total == 15
    assert host.ram_allocation_ratio is None


def test_other_refusals_are_told():
    with pytest.raises(PlacementDenied):
        hosts({**FULL, of(ROOT, 'inventories'): fault(403)})
