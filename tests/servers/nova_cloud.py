"""A cloud that nova and Placement hold alike, and what is asked of it."""

from __future__ import annotations

import collections
import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import os_traits

from sev_scheduling.placement import PlacementClient
from tests.servers.databases import Database
from tests.servers.nova import Nova, Scheduler, nova
from tests.servers.placement import PlacementServer
from tests.servers.process import wait_until
from tests.servers.rabbitmq import RabbitMQ

#: Seconds that an impatient nova waits for Placement, and the plug-in does.
NOVA_TIMEOUT = 3
PLUGIN_TIMEOUT = 2

# A busy machine must not be taken for a Placement that does not answer.
_PATIENCE = '60'

#: nova's own, less those that ask services which do not run here.
FILTERS = (
    'ComputeFilter',
    'ComputeCapabilitiesFilter',
    'ImagePropertiesFilter',
    'ServerGroupAntiAffinityFilter',
    'ServerGroupAffinityFilter',
)


def _host(name: str, pools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        'name': name,
        'vcpus': 64,
        'memory_mb': 256 * 1024,
        'disk_gb': 2000,
        'machine_types': {'x86_64': 'q35'},
        **more,
        'traits': [os_traits.OWNER_NOVA, *more.get('traits', ())],
        'pools': pools,
    }


#: In the middle of an upgrade: nested and flat, all kinds of hosts.
CLOUD = (
    _host('naples', {'amd-sev': {'total': 3}}, count=2),
    _host('rome-flat', {'amd-sev': {'total': 2}}, layout='flat'),
    _host(
        'rome-pc', {'amd-sev': {'total': 2}}, machine_types={'x86_64': 'pc'}
    ),
    # An upgrade from a flat tree left the trait where it does not belong.
    _host(
        'milan-stale',
        {'amd-sev': {'total': 1, 'used': 1}, 'amd-sev-es': {'total': 3}},
        traits=[os_traits.HW_CPU_X86_AMD_SEV],
    ),
    _host('milan', {'amd-sev-es': {'total': 2}}),
    _host(
        'genoa',
        {'amd-sev-snp': {'total': 2}},
        traits=[os_traits.COMPUTE_SECURITY_STATELESS_FIRMWARE],
    ),
    _host('plain', {}, count=2),
)

#: Free slots by model, for images that name a machine type.
FREE = {'amd-sev': 10, 'amd-sev-es': 5, 'amd-sev-snp': 2}


def filter_settings(plugin: bool) -> dict[str, str | tuple[str, ...]]:
    """Return the options of ``[filter_scheduler]``, with the plug-in's."""
    if not plugin:
        return {'enabled_filters': ','.join(FILTERS)}
    return {
        'available_filters': (
            'nova.scheduler.filters.all_filters',
            'sev_scheduling.nova.MemoryEncryptionFilter',
        ),
        'enabled_filters': ','.join((*FILTERS, 'MemoryEncryptionFilter')),
        'weight_classes': (
            'nova.scheduler.weights.all_weighers,'
            'sev_scheduling.nova.MemoryEncryptionWeigher'
        ),
    }


def guests(
    count: int = 1,
    model: str | None = None,
    *,
    image: Mapping[str, Any] | None = None,
    extra_specs: Mapping[str, str] | None = None,
    **flavor: Any,
) -> dict[str, Any]:
    """Return a request of one or more guests for a conductor.

    :param model: the encryption model; None for guests without
    :param image: properties over those that the model needs; None as a
        value takes one away
    """
    specs = dict(extra_specs or {})
    properties: dict[str, Any] = {}
    if model is not None:
        specs |= {
            'hw:mem_encryption': 'true',
            'hw:mem_encryption_model': model,
        }
        properties = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}
        if model in ('amd-sev-snp', 'intel-tdx'):
            properties['hw_firmware_stateless'] = 'true'
        if model == 'intel-tdx':
            properties['hw_video_model'] = 'none'
    properties |= image or {}
    return {
        'instances': [str(uuid.uuid4()) for _ in range(count)],
        'flavor': {
            'vcpus': 1,
            'memory_mb': 1024,
            'root_gb': 1,
            'extra_specs': specs,
            **flavor,
        },
        'image': {
            key: value
            for key, value in properties.items()
            if value is not None
        },
    }


class NovaCloud:
    """:data:`CLOUD` in a nova and in a Placement.

    :ivar hosts: names of its hosts
    :ivar reader: a client of its Placement
    """

    def __init__(
        self, nova: Nova, placement: PlacementServer, hosts: Sequence[str]
    ) -> None:
        self.nova = nova
        self.placement = placement
        self.hosts = hosts
        self.reader = PlacementClient(placement.adapter())

    @contextlib.contextmanager
    def scheduler(
        self,
        *,
        plugin: bool = True,
        impatient: bool = False,
        **options: str,
    ) -> Iterator[Scheduler]:
        """Start a scheduler; end it with the block.

        :param plugin: with the filter and the weigher
        :param impatient: wait but for :data:`NOVA_TIMEOUT` and
            :data:`PLUGIN_TIMEOUT`
        :param options: of ``[sev_scheduling]``
        """
        self.nova.configure(
            {
                'filter_scheduler': filter_settings(plugin),
                'placement': {
                    'timeout': str(NOVA_TIMEOUT) if impatient else _PATIENCE
                },
                'sev_scheduling': {
                    'placement_timeout': (
                        str(PLUGIN_TIMEOUT) if impatient else _PATIENCE
                    ),
                    **options,
                },
            }
        )
        with self.nova.scheduler() as scheduler:
            yield scheduler

    def clear(self) -> None:
        """Let Placement forget all guests."""
        self.placement.load(CLOUD)

    def held(self) -> dict[str, dict[str, str]]:
        """Return instance -> host -> model of its slot there, '' for none.

        Of all that Placement has allocations of, but the guests that
        :data:`CLOUD` begins with.
        """
        found: collections.defaultdict[str, dict[str, str]] = (
            collections.defaultdict(dict)
        )
        pools = {
            pool.provider_uuid: (host.name, model)
            for host in self.reader.hosts(details=False)
            for model, pool in host.pools.items()
        }
        listed = self.reader.call('GET', '/resource_providers')
        names = {
            provider['uuid']: provider['name']
            for provider in listed['resource_providers']
        }
        for provider in listed['resource_providers']:
            held = self.reader.call(
                'GET', f'/resource_providers/{provider["uuid"]}/allocations'
            )['allocations']
            for instance, allocation in held.items():
                if _begins_with(instance):
                    continue
                host = names[provider['root_provider_uuid']]
                found[instance].setdefault(host, '')
                if 'MEM_ENCRYPTION_CONTEXT' in allocation['resources']:
                    found[instance][host] = pools[provider['uuid']][1]
        return dict(found)

    def release(self, instances: Iterable[str]) -> None:
        """Free what guests hold, as nova does when a server is deleted."""
        for instance in instances:
            assert self.reader.release(instance, force=True)


def _begins_with(instance: str) -> bool:
    """Report whether a guest is of the cloud file (uuid5), not of nova."""
    return uuid.UUID(instance).version == 5


def selected(answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return instance -> host, as the scheduler answered."""
    return {
        instance: host
        for answer in answers
        for instance, host in zip(
            answer['instances'], answer.get('hosts', ()), strict=False
        )
    }


def settled(cloud: NovaCloud) -> dict[str, dict[str, str]]:
    """Return what is held once Placement has nothing left to do.

    It also does what its callers have given up.
    """
    seen: collections.deque[dict[str, dict[str, str]]] = collections.deque(
        maxlen=5
    )

    def unchanged() -> bool:
        seen.append(cloud.held())
        return len(seen) == seen.maxlen and all(s == seen[0] for s in seen)

    wait_until(unchanged, timeout=30, what='allocations that stay as they are')
    return seen[0]


@contextlib.contextmanager
def nova_cloud(
    database: Database, broker: RabbitMQ, placement: PlacementServer
) -> Iterator[NovaCloud]:
    """Make :data:`CLOUD`; schedulers are started one by one."""
    hosts = placement.load(CLOUD).hosts
    with nova(database, broker, placement) as made:
        made.add_hosts(hosts)
        yield NovaCloud(made, placement, [host.name for host in hosts])
