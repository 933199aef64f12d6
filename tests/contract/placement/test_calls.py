"""How many calls each operation takes, whatever the size of the cloud.

The real Placement counts them.
"""

from __future__ import annotations

import os_traits
import pytest

from sev_scheduling import translate
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.placement.claims import offers
from tests.contract.placement.requests import host, request

pytestmark = pytest.mark.long

SIZES = (1, 4, 16)
#: More memory than any host has.
HUGE = request(ram=10**7)


def of_some(size, **facts):
    """Hosts with nested pools, flat ones and none."""
    return [
        host('nested', count=size, **facts),
        host('flat', count=size, layout='flat', **facts),
        host('plain', count=size, pools={}),
    ]


FULL = {'amd-sev': {'total': 2, 'used': 2}}

CLOUDS = {
    'slots are free': lambda size: of_some(size),
    'no slot is free': lambda size: of_some(size, pools=FULL),
    'some hosts default to pc': lambda size: [
        *of_some(size),
        host('pc', count=size, machine_types={'x86_64': 'pc'}),
    ],
}


def no_capacity(client):
    with pytest.raises(NoCapacity):
        client.schedule(HUGE)


#: Operation -> what it does, and how many calls that is at most.
OPERATIONS = {
    'candidates': (lambda c: c.candidates(translate(request())), 1),
    'hosts': (lambda c: c.hosts(), 6),
    'capacity': (lambda c: c.capacity(request()), 6),
    'diagnose': (lambda c: c.diagnose(HUGE), 12),
    'schedule without room': (no_capacity, 20),
}


def fill(world, names):
    """Leave nothing of any resource of some hosts but their slots."""
    for name in names:
        for resource in ('VCPU', 'MEMORY_MB', 'DISK_GB'):
            world.inventory(name, resource, total=1, reserved=1)


@pytest.mark.parametrize('operation', OPERATIONS)
@pytest.mark.parametrize('cloud', CLOUDS)
def test_calls_do_not_grow_with_the_cloud(world, cloud, operation):
    act, most = OPERATIONS[operation]
    counts = set()
    for size in SIZES:
        client = world.load(*CLOUDS[cloud](size))
        act(client)
        counts.add(len(world.calls))
    assert len(counts) == 1
    assert max(counts) <= most


@pytest.mark.parametrize('pools', [{}, FULL, {'amd-sev': {'total': 2}}])
def test_hosts_of_any_kind_are_six_calls(world, pools):
    """Of some nothing is left but memory, of some nothing but slots."""
    for size in (1, 6):
        client = world.load(
            host('a', count=size), host('b', count=size, pools=pools)
        )
        fill(world, [f'a-{n}' for n in range(1, size + 1)])
        world.calls.clear()
        assert len(client.hosts()) == 2 * size
        assert len(world.calls) <= 6


def test_a_host_that_has_nothing_left_is_exact_and_three_calls_a_provider(
    world,
):
    """No query lists it; it is neither left out nor guessed."""
    client = world.load(
        host('other'),
        host(
            pools={'amd-sev': {'total': 4, 'used': 4}},
            traits=['COMPUTE_NODE'],
        ),
    )
    fill(world, ['epyc'])
    world.calls.clear()
    found = {h.name: h for h in client.hosts()}
    assert found.keys() == {'epyc', 'other'}
    assert found['epyc'].pools['amd-sev'].total == 4
    assert found['epyc'].pools['amd-sev'].free == 0
    assert found['epyc'].traits == {'COMPUTE_NODE'}
    assert len(world.calls) == 6 + 2 * 3


def test_bare_metal_nodes_are_no_calls(world):
    """Nova names them by their uuids; one call each was made."""
    client = world.load(host())
    world.ask('PUT', '/resource_classes/CUSTOM_BAREMETAL')
    for number in range(20):
        uuid = f'00000000-0000-0000-0000-{number:012}'
        world.ask('POST', '/resource_providers', {'name': uuid, 'uuid': uuid})
        world.inventory(uuid, 'CUSTOM_BAREMETAL', total=1, reserved=number % 2)
    world.calls.clear()
    assert [h.name for h in client.hosts()] == ['epyc']
    assert len(world.calls) == 2


@pytest.mark.parametrize('layout', ['nested', 'flat'])
def test_guests_one_by_one_are_four_calls_each_at_most(
    world, layout, monkeypatch
):
    # However slow the machine is.
    monkeypatch.setattr(offers, 'MAX_AGE', 3600.0)
    client = world.load(host(count=15, layout=layout))
    for _ in range(20):
        client.schedule(request())
    assert world.usages() == 20
    assert len(world.calls) <= 4 * 20
    asked = [url for _, url in world.calls
             if url.startswith('/allocation_candidates')
             and 'in_tree' not in url]  # fmt: skip
    assert len(asked) == 1


def test_one_guest_is_four_calls_and_the_names(world):
    for size in SIZES:
        client = world.load(host(count=size))
        client.schedule(request())
        assert len(world.calls) == 5
        world.calls.clear()
        client.schedule(request())
        # On one host its memory is known, too.
        assert len(world.calls) == (2 if size == 1 else 3)


def test_claims_are_a_call_for_each_pool_in_use_and_each_guest(world):
    for size in SIZES:
        client = world.load(host(count=size), host('idle', count=size))
        client.schedule(request(), 3)
        used = {claim.provider for claim in client.claims()}
        world.calls.clear()
        assert len(client.claims()) == 3
        assert len(world.calls) == 2 + len(used) + 3


def test_details_are_two_calls_a_host_more(world):
    for size in SIZES:
        client = world.load(host(count=size), host('plain', pools={}))
        client.hosts(details=True)
        assert len(world.calls) == 2 + 2 * size


def test_explaining_asks_for_memory_where_that_counts(world):
    """Only of hosts with a pool, as all their faults are told."""
    for size in SIZES:
        client = world.load(
            host(count=size),
            host('pc', count=size, machine_types={'x86_64': 'pc'}),
            host('over', count=size, ram_allocation_ratio=1.5),
            host('plain', count=size, pools={}, ram_allocation_ratio=1.5),
        )
        image = {'hw_firmware_type': 'uefi'}
        found = client.feasibility(request(image=image))
        codes = {
            verdict.host.name.partition('-')[0]: verdict.code
            for verdict in found.result.verdicts
        }
        assert codes['over'] == 'memory-overcommitted'
        assert len(found.fit) == size
        inventories = [u for _, u in world.calls if u.endswith('inventories')]
        assert len(inventories) == 3 * size


def test_a_full_host_that_overcommits_memory_is_refused_for_good(world):
    client = world.load(host(ram_allocation_ratio=1.5, pools=FULL))
    (verdict,) = client.feasibility(request()).result.verdicts
    assert verdict.code == 'memory-overcommitted'
    assert os_traits.HW_CPU_X86_AMD_SEV not in verdict.host.traits
