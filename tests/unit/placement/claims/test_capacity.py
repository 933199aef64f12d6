"""How many guests fit, and why a host takes none."""

from __future__ import annotations

import pytest
from msgspec import structs

from sev_scheduling import parse
from sev_scheduling.exceptions import InvalidRequest, NoCapacity
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.claims import capacity as module
from sev_scheduling.testing import FakePlacement, add_host

IMAGE = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}
SLOT = 'MEM_ENCRYPTION_CONTEXT'
AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
SHARES = 'MISC_SHARES_VIA_AGGREGATE'


def guest(specs=None, models=(), image=IMAGE, encrypted=True, **flavor):
    on = {'hw:mem_encryption': 'true'} if encrypted else {}
    fields = {'vcpus': 2, 'ram': 4096, 'disk': 20, **flavor}
    return parse(
        {**fields, 'extra_specs': {**on, **(specs or {})}},
        image,
        models=models,
    )


def placement(**hosts):
    """Return one with these hosts: 64 VCPUs, 4 slots unless said."""
    fake = FakePlacement()
    for name, facts in hosts.items():
        add_host(
            fake,
            name,
            **{'vcpus': 16, 'pools': {'amd-sev': 4}, 'disk_gb': 1000, **facts},
        )
    return fake


def use(fake, name, **amounts):
    (provider,) = (p for p in fake.providers.values() if p.name == name)
    provider.used.update(amounts)


def answer(host):
    return host.name, host.guests, host.binding, host.code


def test_each_host_has_its_own_limit():
    fake = placement(
        slots={},
        cpus={'vcpus': 3},
        memory={'memory_mb': 4096 * 3 + 4095},
        disk={'disk_gb': 39},
        both={'memory_mb': 4096 * 4},
    )
    use(fake, 'cpus', VCPU=8)
    found = fake.capacity(guest())

    assert [answer(host) for host in found.hosts] == [
        ('both', 4, ('MEMORY_MB', SLOT), None),
        ('cpus', 2, ('VCPU',), None),
        ('disk', 1, ('DISK_GB',), None),
        ('memory', 3, ('MEMORY_MB',), None),
        ('slots', 4, (SLOT,), None),
    ]
    assert (found.guests, found.exact, found.without_pool) == (14, True, 0)
    assert found.hosts[0].limits == {
        SLOT: 4, 'MEMORY_MB': 4, 'VCPU': 32, 'DISK_GB': 50,
    }  # fmt: skip


def test_a_host_that_takes_none_says_why():
    fake = placement(
        full={},
        small={'memory_mb': 4095},
        twice={'disk_gb': 19},
        off={'traits': ['COMPUTE_STATUS_DISABLED']},
        pc={'machine_type': 'pc'},
        unit={},
        plain={'pools': {}},
        other={'pools': {'amd-sev-es': 4}},
    )
    use(fake, 'full_amd_sev', **{SLOT: 4})
    use(fake, 'twice_amd_sev', **{SLOT: 5})
    (unit,) = (p for p in fake.providers.values() if p.name == 'unit')
    unit.inventories['VCPU'] = structs.replace(
        unit.inventories['VCPU'], max_unit=1
    )
    found = fake.capacity(guest(image={**IMAGE, 'hw_machine_type': None}))

    assert [answer(host) for host in found.hosts] == [
        ('full', 0, (SLOT,), None),
        ('off', 0, (), 'host-disabled'),
        ('pc', 0, (), 'machine-type-not-q35'),
        ('small', 0, ('MEMORY_MB',), None),
        ('twice', 0, ('DISK_GB', SLOT), None),
        ('unit', 0, (), 'no-candidate'),
    ]
    assert (found.guests, found.without_pool) == (0, 2)


def test_hosts_that_share_storage_get_no_more_than_it_has():
    fake = placement(
        a={'disk_gb': 0, 'aggregates': [AGGREGATE]},
        b={'disk_gb': 0, 'aggregates': [AGGREGATE]},
        own={},
        none={'disk_gb': 0},
    )
    storage = fake.add_provider(
        'storage',
        inventories={'DISK_GB': Inventory(119)},
        traits=[SHARES],
        aggregates=[AGGREGATE],
    )
    found = fake.capacity(guest())

    assert (found.guests, found.binding) == (9, (SLOT, 'DISK_GB'))
    assert [answer(host) for host in found.hosts] == [
        ('a', 4, (SLOT,), None),
        ('b', 4, (SLOT,), None),
        # Whether it is served by the storage is not known.
        ('none', 0, (), 'no-candidate'),
        ('own', 4, (SLOT,), None),
    ]
    assert len(fake.schedule(guest(), 9)) == 9
    assert fake.providers[storage].used == {'DISK_GB': 100}
    after = fake.capacity(guest())
    # The storage has nothing left, so none is served by it.
    assert [h.binding for h in after.hosts if h.name == 'none'] == [
        ('DISK_GB',)
    ]


def test_a_guest_leaves_shared_storage_to_those_who_need_it():
    fake = placement(
        a={'disk_gb': 40, 'aggregates': [AGGREGATE]},
        b={'disk_gb': 0, 'aggregates': [AGGREGATE]},
    )
    fake.add_provider(
        'storage',
        inventories={'DISK_GB': Inventory(80)},
        traits=[SHARES],
        aggregates=[AGGREGATE],
    )
    assert fake.capacity(guest()).guests == 6
    assert len(fake.schedule(guest(), 6)) == 6

    with pytest.raises(NoCapacity):
        fake.schedule(guest())


def test_two_pools_of_a_host_share_what_is_on_its_root():
    fake = placement(
        a={'pools': {'amd-sev': 4, 'amd-sev-es': 4}, 'memory_mb': 4096 * 6}
    )
    either = guest(models=('amd-sev-es', 'amd-sev'))

    assert fake.capacity(guest()).guests == 4
    found = fake.capacity(either)
    assert (found.guests, found.binding) == (6, ('MEMORY_MB',))
    assert len(fake.schedule(either, 6)) == 6


def test_a_model_that_pins_memory_needs_hosts_that_do_not_overcommit():
    snp = {'amd-sev-snp': 4}
    stateless = ['COMPUTE_SECURITY_STATELESS_FIRMWARE']
    fake = placement(
        plain={'pools': snp, 'traits': stateless},
        over={'pools': snp, 'ram_allocation_ratio': 1.5, 'traits': stateless},
        # A full one is no candidate.
        full={
            'pools': {'amd-sev-snp': SlotPool(2, used=2)},
            'ram_allocation_ratio': 1.5,
            'traits': stateless,
        },
        # One of another model is not asked about.
        other={},
    )
    snp_guest = guest(
        {'hw:mem_encryption_model': 'amd-sev-snp'},
        image={**IMAGE, 'hw_firmware_stateless': 'true'},
    )
    fake.calls.clear()
    found = fake.capacity(snp_guest, details=True)
    assert [name for name, _ in fake.calls].count('inventories') == 3
    assert found.overcommit_known
    assert [answer(host) for host in found.hosts] == [
        ('full', 0, (), 'memory-overcommitted'),
        ('over', 0, (), 'memory-overcommitted'),
        ('plain', 4, (SLOT,), None),
    ]
    # Which do is a call each, which is made where it is asked for.
    fake.calls.clear()
    found = fake.capacity(snp_guest)
    assert [host.guests for host in found.hosts] == [0, 4, 4]
    assert not found.overcommit_known
    assert {method for method, _ in fake.calls} == {
        *('allocation_candidates', 'resource_providers')
    }
    pages = guest(
        {'hw:mem_encryption_model': 'amd-sev-snp', 'hw:mem_page_size': '4'},
        image={**IMAGE, 'hw_firmware_stateless': 'true'},
    )
    assert fake.capacity(pages).overcommit_known


def test_a_guest_without_encryption_may_go_anywhere():
    fake = placement(a={}, b={'pools': {}, 'vcpus': 2})
    found = fake.capacity(guest(encrypted=False))

    assert [answer(host) for host in found.hosts] == [
        ('a', 32, ('VCPU',), None),
        ('b', 4, ('VCPU',), None),
    ]


def test_an_invalid_request_is_refused():
    with pytest.raises(InvalidRequest):
        placement(a={}).capacity(guest(image=None))


def test_more_candidates_than_are_asked_for_leave_the_number_open(monkeypatch):
    fake = placement(a={})
    assert fake.capacity(guest()).exact
    monkeypatch.setattr(module, 'MAX_CANDIDATES', 1)

    assert not fake.capacity(guest()).exact


@pytest.mark.parametrize('hosts', [1, 50])
@pytest.mark.parametrize('specs', [{}, {'hw:mem_page_size': 'large'}])
def test_beside_memory_that_is_pinned_the_calls_do_not_grow(hosts, specs):
    """Which hosts overcommit it is a call each, for those that ask."""
    fake = placement(**{f'h{n}': {} for n in range(hosts)})
    fake.calls.clear()
    fake.capacity(guest(specs))
    assert len(fake.calls) <= 6
    fake.calls.clear()
    fake.capacity(guest(specs), details=True)
    calls = [name for name, _ in fake.calls]
    asked = 0 if specs else hosts
    assert calls.count('inventories') == asked
    assert len(calls) - asked <= 6
