"""Nova's objects as nova-scheduler gets them, and hosts as it holds them."""

from __future__ import annotations

import uuid
from typing import Any

import nova.conf
from nova import context, objects
from nova.scheduler import host_manager

from sev_scheduling import opts
from sev_scheduling.placement.embedded import Cloud, parse_cloud
from tests.servers.nova_agent import request_spec
from tests.servers.nova_cloud import guests

CONF = nova.conf.CONF
MODEL = 'amd-sev'

objects.register_all()
opts.register_opts(CONF)


def spec(model: str | None = MODEL, **more: Any) -> objects.RequestSpec:
    """Return a request of one guest, its objects as new as over RPC."""
    asked = guests(1, model, **more)
    return request_spec(context.get_admin_context(), asked)


def entry(hosts: int) -> dict[str, Any]:
    """Return hosts with nested pools, far from full."""
    return {
        'name': 'epyc',
        'count': hosts,
        'vcpus': 128,
        'memory_mb': 512 * 1024,
        'disk_gb': 4000,
        'machine_types': {'x86_64': 'q35'},
        'traits': ['OWNER_NOVA'],
        'pools': {MODEL: {'total': 500}},
    }


def cloud_of(hosts: int) -> Cloud:
    return parse_cloud({'hosts': [entry(hosts)]}, 'Cloud of the benchmark')


def aggregates_of(hosts: int, **metadata: str) -> list[objects.Aggregate]:
    """Return an aggregate for forty hosts each, as of a rack or a zone."""
    return [
        objects.Aggregate(
            name=f'rack-{number}',
            uuid=str(uuid.uuid4()),
            metadata={'availability_zone': f'zone-{number % 3}', **metadata},
        )
        for number in range(-(-hosts // 40))
    ]


def states_of(
    cloud: Cloud, *, candidates: int = 1, **metadata: str
) -> list[host_manager.HostState]:
    """Return the hosts of a cloud as nova holds them, with candidates.

    :param candidates: of each host, for the guest of a request
    :param metadata: of every aggregate
    """
    racks = aggregates_of(len(cloud.hosts), **metadata)
    return [
        _state(host, racks[number % len(racks)], candidates)
        for number, host in enumerate(cloud.hosts)
    ]


def _state(
    host: Any, aggregate: objects.Aggregate, candidates: int
) -> host_manager.HostState:
    state = host_manager.HostState(host.name, host.name, str(uuid.uuid4()))
    state.uuid = host.uuid
    state.ram_allocation_ratio = host.ram_allocation_ratio
    state.free_ram_mb = 256 * 1024
    # Nova reads a text of its own for each host.
    state.hypervisor_type = b'QEMU'.decode()
    state.aggregates = [aggregate]
    pool = host.provider_uuid('amd_sev')
    amounts = {'VCPU': 1, 'MEMORY_MB': 1024, 'DISK_GB': 1}
    state.allocation_candidates = [
        {
            'allocations': {
                host.uuid: {'resources': amounts},
                pool: {'resources': {'MEM_ENCRYPTION_CONTEXT': 1}},
            },
            'mappings': {'': [host.uuid, pool]},
        }
        for _ in range(candidates)
    ]
    return state
