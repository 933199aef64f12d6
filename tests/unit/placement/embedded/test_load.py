"""The resource providers of a host, in the terms of Placement's API."""

from __future__ import annotations

from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement.embedded import (
    CloudHost,
    guests_of,
    providers_of,
)

FACTS = {
    'name': 'epyc',
    'vcpus': 8,
    'memory_mb': 4096,
    'disk_gb': 10,
    'ram_allocation_ratio': 1.5,
    'machine_types': {'x86_64': 'q35'},
    'traits': ('CUSTOM_GOLD',),
    'pools': {'amd-sev': SlotPool(15, 1, 3)},
}
ROOT_TRAITS = ['CUSTOM_GOLD', 'CUSTOM_HW_MACHINE_TYPE_Q35', 'HW_ARCH_X86_64']
SLOTS = {
    'MEM_ENCRYPTION_CONTEXT': {
        'total': 15,
        'reserved': 1,
        'max_unit': 1,
        'allocation_ratio': 1.0,
    }
}


def test_a_nested_pool_is_a_child_of_the_root():
    host = CloudHost(**FACTS)
    root, pool = providers_of(host)

    assert root == {
        'name': 'epyc',
        'uuid': host.uuid,
        'traits': ROOT_TRAITS,
        'inventories': {
            'VCPU': {'total': 8, 'max_unit': 8, 'allocation_ratio': 4.0},
            'MEMORY_MB': {
                'total': 4096,
                'max_unit': 4096,
                'allocation_ratio': 1.5,
            },
            'DISK_GB': {'total': 10, 'max_unit': 10, 'allocation_ratio': 1.0},
        },
        'used': {},
    }
    assert pool == {
        'name': 'epyc_amd_sev',
        'uuid': pool['uuid'],
        'parent_provider_uuid': host.uuid,
        'traits': ['HW_CPU_X86_AMD_SEV'],
        'inventories': SLOTS,
        'used': {'MEM_ENCRYPTION_CONTEXT': 3},
    }
    assert pool['uuid'] != host.uuid


def test_a_flat_pool_is_on_the_root():
    (root,) = providers_of(CloudHost(**FACTS, nested=False))

    assert root['traits'] == [*ROOT_TRAITS, 'HW_CPU_X86_AMD_SEV']
    assert root['inventories'].items() >= SLOTS.items()
    assert root['used'] == {'MEM_ENCRYPTION_CONTEXT': 3}


def test_what_a_host_has_none_of_has_no_inventory():
    """As nova-compute reports it: Placement takes no total of 0."""
    facts = {**FACTS, 'disk_gb': 0, 'pools': {'amd-sev': SlotPool(0)}}
    root, pool = providers_of(CloudHost(**facts))

    assert sorted(root['inventories']) == ['MEMORY_MB', 'VCPU']
    assert pool['inventories'] == {}


def test_each_slot_has_a_guest_and_all_else_one_more():
    uuid = '11111111-0000-4000-8000-000000000001'
    used = {'MEM_ENCRYPTION_CONTEXT': 2, 'VCPU': 7, 'DISK_GB': 1}
    found = [*guests_of({'uuid': uuid, 'used': used})]

    assert [held for _, held in found] == [
        {'MEM_ENCRYPTION_CONTEXT': 1},
        {'MEM_ENCRYPTION_CONTEXT': 1},
        {'VCPU': 7, 'DISK_GB': 1},
    ]
    assert len({guest for guest, _ in found}) == 3
    assert [*guests_of({'uuid': uuid, 'used': {}})] == []
