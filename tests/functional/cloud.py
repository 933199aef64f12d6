"""A cloud for the functional tests: nova's own services on fake libvirt.

API, conductor, scheduler, compute managers and Placement are nova's and
Placement's own code, in one process.
"""

from __future__ import annotations

import copy
import functools
import os
import re
import sys
import uuid
import warnings
from collections.abc import Mapping
from typing import Any

import fixtures
import nova.conf
from nova import context as nova_context
from nova import objects, utils
from nova.scheduler import request_filter
from nova.tests.functional.api import client as api_client
from nova.tests.functional.libvirt import base
from nova.virt.libvirt import driver as libvirt_driver
from oslo_utils import versionutils

from sev_scheduling import opts
from sev_scheduling.nova.lookups import shared_lookups
from tests.functional.hosts import SLOT, HostFacts, HostsFixture

FILTER = 'MemoryEncryptionFilter'
PLUGIN = 'sev_scheduling.nova'

#: What an image needs that is to run encrypted, and where.
UEFI = {'hw_firmware_type': 'uefi'}
Q35 = {**UEFI, 'hw_machine_type': 'q35'}
ENCRYPTED = {'hw:mem_encryption': 'true'}

ApiError = api_client.OpenStackApiException

_VERSION = versionutils.convert_version_to_int


class Cloud(base.ServersTestBase):
    """Nova without compute hosts; tests add them with :meth:`add_host`.

    The scheduler runs as nova ships it until :meth:`enable_plugin`.
    """

    microversion = 'latest'
    # As in a real cloud: what the conductor finds is in the server's fault,
    # not in the answer of the API.
    CAST_AS_CALL = False

    def setUp(self) -> None:
        # Nova's fixture looks for it in a source tree.
        self.flags(
            api_paste_config=os.path.join(
                sys.prefix, 'etc', 'nova', 'api-paste.ini'
            ),
            group='wsgi',
        )
        super().setUp()
        # Nova has these of SQLAlchemy's raised in its own code.
        warnings.simplefilter('ignore', DeprecationWarning)
        # TDX needs it; the rest works with it.
        self.flags(cpu_mode='host-passthrough', group='libvirt')
        self.flags(instances=-1, cores=-1, ram=-1, group='quota')
        opts.register_opts(nova.conf.CONF)
        self.useFixture(HostsFixture())
        self._request_filters = list(request_filter.ALL_REQUEST_FILTERS)
        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.scheduler.request_filter.ALL_REQUEST_FILTERS',
                list(self._request_filters),
            )
        )
        scheduling = nova.conf.CONF.filter_scheduler
        self._available = list(scheduling.available_filters)
        self._enabled = list(scheduling.enabled_filters)
        self.addCleanup(self._scan_faults)

    def _clear_attrs(self) -> None:
        # Nova clears all; pytest clears the test method that it has put here.
        method = getattr(self, self._testMethodName)
        super()._clear_attrs()
        setattr(self, self._testMethodName, method)

    # The operator

    def add_host(
        self,
        name: str,
        slots: Mapping[str, int | None] | None = None,
        *,
        machine_type: str = 'pc',
        flat: bool = False,
        **libvirt: Any,
    ) -> str:
        """Start nova-compute on a host; return its root provider's uuid.

        :param slots: model -> slots, as libvirt reports them
        :param libvirt: further arguments of nova's fake connection
        """
        connection = self._get_connection(
            hostname=name,
            **libvirt,
            libvirt_version=_VERSION(
                libvirt_driver.MIN_LIBVIRT_STATELESS_FIRMWARE
            ),
            qemu_version=_VERSION((8, 0, 0)),
        )
        connection.facts = HostFacts(
            slots=slots or {}, machine_type=machine_type, flat=flat
        )
        connection._domain_capability_features = connection.facts.features
        self.start_compute(name, connection=connection)
        return self.compute_rp_uuids[name]

    def add_pool(
        self, root: str, name: str, *traits: str, total: int = 5
    ) -> str:
        """Report a pool to Placement that is not nova's; return its uuid."""
        pool: str = self.placement.post(
            '/resource_providers',
            {'name': name, 'parent_provider_uuid': root},
            version='1.20',
        ).body['uuid']
        self._set_inventory(
            pool, {'resource_class': SLOT, 'total': total, 'max_unit': 1}
        )
        self.add_traits(pool, *traits)
        return pool

    def add_traits(self, provider: str, *traits: str) -> None:
        found = self._get_provider_traits(provider)
        self._set_provider_traits(provider, sorted({*found, *traits}))

    def enable_plugin(self, *, weigher: bool = False, **options: Any) -> None:
        """Configure the plug-in and restart nova-scheduler."""
        weighers = ['nova.scheduler.weights.all_weighers']
        if weigher:
            weighers.append(f'{PLUGIN}.MemoryEncryptionWeigher')
        self._configure_scheduler(
            available_filters=[*self._available, f'{PLUGIN}.{FILTER}'],
            # As the page has it: before all that look at rebuilds.
            enabled_filters=[FILTER, *self._enabled],
            weight_classes=weighers,
        )
        # A busy machine is no failure of Placement.
        options.setdefault('placement_timeout', 120.0)
        self.restart_scheduler(**options)

    def disable_plugin(self) -> None:
        """Let nova-scheduler run as nova ships it."""
        self._configure_scheduler(
            available_filters=self._available,
            enabled_filters=self._enabled,
            weight_classes=['nova.scheduler.weights.all_weighers'],
        )
        self.restart_scheduler()

    def _configure_scheduler(self, **options: Any) -> None:
        self.flags(group='filter_scheduler', **options)

    def restart_scheduler(self, **options: Any) -> None:
        """Restart nova-scheduler with these of our options."""
        if options:
            self.flags(group='sev_scheduling', **options)
        self.scheduler.stop()
        # As in a process that has just started.
        shared_lookups.cache_clear()
        request_filter.ALL_REQUEST_FILTERS[:] = self._request_filters
        self.scheduler = self.start_service('scheduler')

    def aggregate(self, *hosts: str, **metadata: str) -> int:
        """Create an aggregate; in keys of its metadata ``__`` is a colon."""
        number = self._create_aggregate(f'aggregate-{uuid.uuid4().hex[:8]}')
        for name in hosts:
            self.admin_api.add_host_to_aggregate(number, name)
        metadata = {k.replace('__', ':'): v for k, v in metadata.items()}
        self.admin_api.post_aggregate_action(
            number, {'set_metadata': {'metadata': metadata}}
        )
        return number

    def force_down(self, host: str) -> None:
        """Tell nova that a host is dead."""
        (service,) = self.admin_api.get_services(
            binary='nova-compute', host=host
        )
        self.admin_api.put_service_force_down(service['id'], True)

    # The user

    def flavor(
        self, extra_specs: Mapping[str, str] | None = None, **sizes: int
    ) -> str:
        """Create a small flavor; return its id."""
        sizes = {
            'memory_mb': 512,
            'vcpu': 1,
            'disk': 1,
            'ephemeral': 0,
            **sizes,
        }
        # Microversion 2.86 and later check the values of extra specs.
        with utils.temporary_mutation(self.admin_api, microversion='2.85'):
            return self._create_flavor(
                extra_spec=dict(extra_specs) if extra_specs else None, **sizes
            )

    def image(
        self, properties: Mapping[str, str] | None = None, **more: str
    ) -> str:
        """Upload an image with these properties; return its id."""
        image = copy.deepcopy(self.glance.image1)
        image['id'] = str(uuid.uuid4())
        image['properties'] = {
            'kernel_id': 'nokernel',
            'ramdisk_id': 'nokernel',
            **(properties or {}),
            **more,
        }
        self.glance.create(None, image)
        return image['id']

    def boot(
        self,
        extra_specs: Mapping[str, str] | None = None,
        image: Mapping[str, str] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Boot one server with a flavor and an image of its own."""
        (server,) = self.boot_many(1, extra_specs, image, **more)
        return server

    def boot_many(
        self,
        count: int,
        extra_specs: Mapping[str, str] | None = None,
        image: Mapping[str, str] | None = None,
        *,
        flavor_id: str | None = None,
        image_id: str | None = None,
        sizes: Mapping[str, int] | None = None,
        **more: Any,
    ) -> list[dict[str, Any]]:
        """Boot servers in one request; wait until each is up or failed."""
        body = self._build_server(
            image_uuid=image_id or self.image(Q35 if image is None else image),
            flavor_id=flavor_id or self.flavor(extra_specs, **(sizes or {})),
            networks='none',
        )
        body |= {'min_count': count, 'max_count': count, **more}
        if count == 1:
            del body['min_count'], body['max_count']
        created = self.api.post_server({'server': body})
        wanted = body['name']
        servers = [created]
        if count > 1:
            servers = [
                server
                for server in self.api.get_servers()
                if server['name'].startswith(wanted)
            ]
        return [self.settled(server) for server in servers]

    def settled(self, server: Mapping[str, Any]) -> dict[str, Any]:
        """Wait until a server is up or failed; return what the user sees."""

        def settle() -> dict[str, Any]:
            found = self.api.get_server(server['id'])
            assert found['status'] in ('ACTIVE', 'ERROR')
            if found['status'] == 'ERROR':
                assert 'fault' in found
            assert found['OS-EXT-STS:task_state'] is None
            return found

        return self._wait_for_assert(settle, max_retries=100, sleep=0.1)

    @property
    def spawns(self) -> int:
        """How many guests hosts were told to spawn so far."""
        return sum(
            compute.driver._host.get_connection().facts.spawns
            for compute in self.computes.values()
        )

    def is_encrypted(self, server: Mapping[str, Any]) -> bool:
        """Whether libvirt was told to encrypt the guest's memory."""
        host = self.computes[self.host_of(server)].driver._host
        return bool(host.get_connection().facts.encrypted[server['id']])

    def system_metadata_of(self, server: Mapping[str, Any]) -> dict[str, str]:
        """What nova keeps of a server, its image's properties among it."""
        context = nova_context.get_admin_context()
        mapping = objects.InstanceMapping.get_by_instance_uuid(
            context, server['id']
        )
        with nova_context.target_cell(context, mapping.cell_mapping) as cell:
            instance = objects.Instance.get_by_uuid(
                cell, server['id'], expected_attrs=['system_metadata']
            )
        return dict(instance.system_metadata)

    def host_of(self, server: Mapping[str, Any]) -> str | None:
        """The host of a server, as its administrator sees it."""
        found = self.admin_api.get_server(server['id'])
        return found['OS-EXT-SRV-ATTR:host']

    def assert_active(self, server: Mapping[str, Any], host: str = '') -> None:
        assert server['status'] == 'ACTIVE', server.get('fault')
        if host:
            assert self.host_of(server) == host

    def fault_of(self, server: Mapping[str, Any]) -> str:
        """The reason that the user of a failed server reads."""
        assert server['status'] == 'ERROR'
        return str(server['fault']['message'])

    def rebuild(
        self, server: Mapping[str, Any], image_id: str
    ) -> dict[str, Any]:
        self.api.post_server_action(
            server['id'], {'rebuild': {'imageRef': image_id}}
        )
        return self.settled(server)

    def reboot(self, server: Mapping[str, Any]) -> dict[str, Any]:
        """Have a guest made anew from what nova keeps of its server."""
        found: dict[str, Any] = self._reboot_server(server, hard=True)
        return found

    def migrate(self, server: Mapping[str, Any]) -> None:
        """Have its administrator move a server; it is then to confirm."""
        self.admin_api.post_server_action(server['id'], {'migrate': None})
        self._wait_for_state_change(server, 'VERIFY_RESIZE')

    def delete(self, *servers: Mapping[str, Any]) -> None:
        # One by one: nova's databases in memory do not take it at once.
        for server in servers:
            self.api.delete_server(server['id'])
            self._wait_for_assert(
                functools.partial(self._check_gone, server),
                max_retries=100,
                sleep=0.1,
            )

    def _check_gone(self, server: Mapping[str, Any]) -> None:
        left = [found['id'] for found in self.api.get_servers()]
        assert server['id'] not in left

    # Placement

    def slots_used(self, host: str) -> dict[str, int]:
        """Used slots by provider name, of the providers that have any."""
        used = {}
        for provider in self._get_all_rps_in_a_tree(
            self.compute_rp_uuids[host]
        ):
            usages = self._get_provider_usages(provider['uuid'])
            if SLOT in usages:
                used[provider['name']] = usages[SLOT]
        return used

    def assert_slots(self, host: str, used: int) -> None:
        assert sum(self.slots_used(host).values()) == used

    def all_slots(self) -> int:
        """Used slots of the whole cloud."""
        return sum(
            sum(self.slots_used(host).values()) for host in self.computes
        )

    def wait_for_slots(self, used: int) -> None:
        """Wait until so many are used; nova gives them back last."""

        def check() -> None:
            assert self.all_slots() == used

        self._wait_for_assert(check, max_retries=50, sleep=0.1)

    def slots_of(self, server: Mapping[str, Any]) -> int:
        """Slots that a server holds."""
        allocations = self._get_allocations_by_server_uuid(server['id'])
        return sum(
            allocation['resources'].get(SLOT, 0)
            for allocation in allocations.values()
        )

    def assert_nothing_allocated(self) -> None:
        """No resource of any provider is held by anybody."""

        def check() -> None:
            for provider in self._get_all_providers():
                usages = self._get_provider_usages(provider['uuid'])
                assert not any(usages.values()), (provider, usages)

        self._wait_for_assert(check, max_retries=50, sleep=0.1)

    # What tenants must not read

    def _scan_faults(self) -> None:
        for server in self.api.get_servers():
            if 'fault' in server:
                self.assert_no_secrets(server['fault']['message'])

    def assert_no_secrets(self, text: str) -> None:
        """No host name, provider uuid or count is in a tenant's text."""
        for name in self.computes:
            assert name not in text
        for provider in self._get_all_providers():
            assert provider['uuid'] not in text
            assert provider['name'] not in text
        # Of how many that a user asks for at once, some fit.
        text = re.sub(r'\d+ of \d+ fit', '', text)
        assert re.search(r'\b\d+ (of|hosts?|slots?)\b', text) is None, text
