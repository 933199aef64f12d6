"""Rebuilds: the server keeps its host, and the slot that it has, or none."""

from __future__ import annotations

import pytest
from nova import exception

from tests.unit.nova.factories import (
    ES,
    ON,
    ON_ES,
    Q35,
    SERVER,
    SEV,
    SEV_TRAIT,
    UEFI,
    load_filter,
    passing,
    rebuild_spec,
    spec,
)

ENCRYPTED = {**Q35, 'hw_mem_encryption': 'true'}
ENCRYPTED_ES = {**ENCRYPTED, 'hw_mem_encryption_model': ES}


def rebuild(world, request, *, index=0):
    """Return the hosts that are left for a rebuild: nova gives one."""
    for state in world.states.values():
        state.allocation_candidates = []
    states = list(world.states.values())
    return passing(load_filter(), states, request, index)


def refused(world, request):
    with pytest.raises(exception.NoValidHost) as raised:
        rebuild(world, request)
    assert rebuild(world, request, index=1) == []
    return str(raised.value)


@pytest.mark.parametrize('nested', [True, False], ids=['nested', 'flat'])
def test_a_server_that_holds_its_slot_may(world, nested):
    root = world.host(nested=nested)
    world.claim(world.pool(root) if nested else root)
    assert rebuild(world, rebuild_spec(ON, Q35)) == ['alpha']
    assert rebuild(world, rebuild_spec({}, ENCRYPTED)) == ['alpha']
    # As in nova; a plain one keeps the slot until it is deleted.
    assert rebuild(world, rebuild_spec({}, Q35)) == ['alpha']


def test_a_plain_server_stays_plain(world):
    world.host(pools={})
    assert rebuild(world, rebuild_spec({}, {})) == ['alpha']
    assert rebuild(world, rebuild_spec({}, Q35)) == ['alpha']
    assert world.calls == []


def test_a_server_without_a_slot_cannot_become_encrypted(world):
    root = world.host()
    told = refused(world, rebuild_spec({}, ENCRYPTED))
    assert 'holds no slot, and a rebuild takes none' in told
    assert 'Create a new server from the image.' in told
    assert 'alpha' not in told

    # Nor one whose slot is of no known model.
    world.set_traits(world.pool(root), 'CUSTOM_OTHER')
    world.claim(world.pool(root))
    assert 'holds no slot' in refused(world, rebuild_spec({}, ENCRYPTED))


def test_the_model_cannot_change(world):
    root = world.host(pools={SEV: 5, ES: 5})
    world.claim(world.pool(root), root=root)
    told = refused(world, rebuild_spec({}, ENCRYPTED_ES))
    assert 'holds a slot of amd-sev, not of amd-sev-es' in told
    # The flavor is what it was when the server was built.
    assert rebuild(world, rebuild_spec(ON_ES, Q35)) == ['alpha']


def test_a_stale_trait_on_the_root_does_not_hide_the_model(world):
    root = world.host(pools={SEV: 5, ES: 5})
    world.set_traits(root, SEV_TRAIT)
    world.claim(world.pool(root, 'amd_sev_es'), root=root)
    told = refused(world, rebuild_spec({}, ENCRYPTED))
    assert 'holds a slot of amd-sev-es, not of amd-sev' in told
    assert rebuild(world, rebuild_spec(ON_ES, Q35)) == ['alpha']


def test_a_flat_provider_of_both_models_gives_a_slot_of_either(world):
    root = world.host(pools={SEV: 5}, nested=False)
    world.set_traits(root, SEV_TRAIT, 'HW_CPU_X86_AMD_SEV_ES')
    world.claim(root)
    for specs in (ON, ON_ES):
        assert rebuild(world, rebuild_spec(specs, Q35)) == ['alpha']


@pytest.mark.parametrize('ratio', [1.0, 2.0])
def test_what_a_new_image_cannot_change_does_not_matter(world, ratio):
    """That the host is full, and may be overcommitted."""
    root = world.host(pools={SEV: 1}, ram_allocation_ratio=ratio)
    world.claim(world.pool(root))
    assert rebuild(world, rebuild_spec(ON, Q35)) == ['alpha']


@pytest.mark.parametrize(
    ('host', 'options', 'properties', 'told'),
    [
        ({'machine_type': 'pc'}, {}, UEFI, 'hosts give it pc'),
        ({'machine_type': 'pc'}, {}, Q35, None),
        ({'machine_type': 'q35'}, {}, UEFI, None),
        ({}, {}, UEFI, None),
        ({}, {'default_machine_type': ['pc']}, UEFI, 'hosts give it pc'),
        (
            {},
            {'require_known_machine_type': True},
            UEFI,
            'names no machine type',
        ),
        ({}, {}, {**Q35, 'hw_disk_bus': 'ide'}, 'hw_disk_bus'),
        ({}, {}, {**Q35, 'hw_machine_type': 'pc'}, 'hw_machine_type=q35'),
    ],
)
def test_the_new_image_must_run_on_this_host(
    world, configured, host, options, properties, told
):
    configured(**options)
    world.claim(world.pool(world.host(**host)))
    request = rebuild_spec(ON, properties)
    if told is None:
        assert rebuild(world, request) == ['alpha']
    else:
        assert told in refused(world, request)


def test_the_rules_of_requests_can_be_left_to_others(world, configured):
    configured(request_filter=False)
    world.claim(world.pool(world.host()))
    request = rebuild_spec(ON, {**Q35, 'hw_disk_bus': 'ide'})
    assert rebuild(world, request) == ['alpha']


def test_what_a_rebuild_does_not_change_is_not_judged_anew(world):
    world.claim(world.pool(world.host()))
    request = rebuild_spec({**ON, 'pci_passthrough:alias': 'gpu:1'}, Q35)
    assert rebuild(world, request) == ['alpha']


def test_an_evacuation_is_no_rebuild_to_the_scheduler(world):
    """It claims a slot on another host."""
    world.host()
    request = spec(scheduler_hints={})
    states = world.hosts_for(request)
    assert passing(load_filter(), states, request) == ['alpha']
    assert f'allocations {SERVER}' not in world.calls
