"""Every host of the real Placement: nested, flat, both, full."""

from __future__ import annotations

import os_traits
import pytest

from sev_scheduling import translate
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement import load_cloud, read_cloud_file
from sev_scheduling.placement.wire.transport import MAX_ANSWER
from tests.contract.placement.requests import host, request
from tests.unit.placement.embedded.test_cloud_file import EXAMPLE


def pools_of(hosts):
    return {
        h.name: {
            model: (pool.total, pool.reserved, pool.used)
            for model, pool in h.pools.items()
        }
        for h in hosts
    }


class TestTheExample:
    @pytest.fixture
    def cloud(self):
        return read_cloud_file(EXAMPLE)

    @pytest.fixture
    def client(self, world, cloud):
        world.empty()
        load_cloud(world.adapter, cloud)
        return world.client()

    def test_hosts_are_what_the_file_says(self, client, cloud):
        found = client.hosts(details=True)
        assert [h.name for h in found] == sorted(h.name for h in cloud.hosts)
        by_name = {h.name: h for h in cloud.hosts}
        for h in found:
            entry = by_name[h.name]
            assert h.uuid == entry.uuid
            assert h.machine_types == entry.machine_types
            assert h.traits >= set(entry.traits)
            if entry.pools:
                assert h.ram_allocation_ratio == entry.ram_allocation_ratio
        assert pools_of(found) == {
            h.name: {
                model: (pool.total, pool.reserved, pool.used)
                for model, pool in h.pools.items()
            }
            for h in cloud.hosts
        }

    def test_without_details_it_is_two_calls(self, world, client):
        found = client.hosts()
        assert len(world.calls) == 2
        detailed = client.hosts(details=True)
        assert [h.name for h in found] == [h.name for h in detailed]
        for brief, full in zip(found, detailed, strict=True):
            assert brief.pools.keys() == full.pools.keys()
            for model, pool in full.pools.items():
                assert brief.pools[model] == SlotPool(
                    pool.total - pool.reserved,
                    0,
                    pool.used,
                    pool.provider_uuid,
                )

    def test_it_is_loaded_once(self, world, client, cloud):
        before = world.usages()
        load_cloud(world.adapter, cloud)
        assert world.usages() == before
        assert before == sum(
            pool.used for h in cloud.hosts for pool in h.pools.values()
        )


class TestTrees:
    @pytest.mark.parametrize('details', [True, False])
    def test_a_host_that_has_nothing_left_at_all(self, world, details):
        client = world.load(
            host(
                vcpus=1,
                memory_mb=1,
                disk_gb=0,
                pools={'amd-sev': {'total': 4, 'used': 4}},
            ),
            host('other'),
        )
        world.use('epyc', VCPU=1, MEMORY_MB=1)
        for _ in range(3):
            world.use('epyc', VCPU=1)
        assert pools_of(client.hosts(details=details)) == {
            'epyc': {'amd-sev': (4, 0, 4)},
            'other': {'amd-sev': (4, 0, 0)},
        }

    def test_a_host_amid_an_upgrade_counts_once(self, world):
        """Its slots are on the root, and on a nested provider too."""
        client = world.load(
            host(layout='flat', pools={'amd-sev': {'total': 4, 'used': 3}})
        )
        world.ask(
            'POST',
            '/resource_providers',
            {
                'name': 'epyc_amd_sev',
                'parent_provider_uuid': world.uuid('epyc'),
            },
        )
        world.change('epyc_amd_sev', 'traits', ['HW_CPU_X86_AMD_SEV'])
        world.inventory('epyc_amd_sev', 'MEM_ENCRYPTION_CONTEXT', total=4)
        (found,) = client.hosts()
        assert found.pools['amd-sev'].free == 4

    def test_a_stale_trait_makes_no_pool(self, world):
        client = world.load(
            host(
                traits=['HW_CPU_X86_AMD_SEV'],
                pools={'amd-sev-es': {'total': 4}},
            )
        )
        assert list(client.hosts()[0].pools) == ['amd-sev-es']

    def test_storage_and_bare_metal_are_no_hosts(self, world):
        client = world.load(host())
        for name, resource_class in (
            ('storage', 'DISK_GB'),
            ('node', 'CUSTOM_BAREMETAL'),
        ):
            world.ask('PUT', '/resource_classes/CUSTOM_BAREMETAL')
            world.ask('POST', '/resource_providers', {'name': name})
            world.inventory(name, resource_class, total=1)
        assert [h.name for h in client.hosts()] == ['epyc']

    def test_no_hosts_at_all(self, world):
        world.empty()
        client = world.client()
        assert client.hosts() == []


def test_calls_do_not_grow_with_hosts_where_placement_allows_it(world):
    client = world.load(host(count=3), host('plain', pools={}, count=50))
    few = len(client.hosts()), len(world.calls)
    client = world.load(host(count=60), host('plain', pools={}, count=50))
    many = len(client.hosts()), len(world.calls)
    assert few == (53, 2)
    assert many == (110, 2)
    world.calls.clear()
    client.hosts(details=True)
    # One for each host with a pool, and one for each nested pool.
    assert len(world.calls) == 2 + 2 * 60


def test_an_answer_about_20_000_hosts_is_well_within_the_limit(world):
    """With more traits than any compute node has, and two pools."""
    traits = [
        trait
        for trait in os_traits.get_traits()
        if trait.startswith(('COMPUTE_', 'HW_CPU_X86_'))
        and trait != os_traits.COMPUTE_STATUS_DISABLED
    ]
    pools = {'amd-sev': {'total': 200}, 'amd-sev-es': {'total': 200}}
    world.load(host(count=5, traits=traits, pools=pools))
    query = translate(request())
    answer = world.adapter.request(
        f'/allocation_candidates?{query.querystring(None)}',
        'GET',
        microversion=query.microversion,
    )
    assert len(answer.json()['allocation_requests']) == 5
    of_a_host = len(answer.content) / 5
    # Measured: 5,548.
    assert of_a_host > 4_000
    assert 2 * 20_000 * of_a_host < MAX_ANSWER
