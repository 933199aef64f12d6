"""A Placement in memory, and nova's real objects around it."""

from __future__ import annotations

import uuid as uuidlib
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

pytest.importorskip('nova', reason='nova is not installed')

import msgspec
import nova.conf
from nova import context as nova_context
from nova import exception, objects
from nova.scheduler import (
    filters,
    host_manager,
    request_filter,
    utils,
    weights,
)

from sev_scheduling import opts
from sev_scheduling.nova.lookups import StoredServer, shared_lookups
from sev_scheduling.placement import PlacementClient
from sev_scheduling.placement.answers import Allocations
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.testing import FakePlacement, add_host

objects.register_all()
CONF = nova.conf.CONF
opts.register_opts(CONF)

#: As nova has it; most tests have it know no server.
FIND_MAPPING = vars(objects.InstanceMapping)['get_by_instance_uuid']

SLOT = 'MEM_ENCRYPTION_CONTEXT'
SEV, ES, SNP, TDX = 'amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx'
SEV_TRAIT = 'HW_CPU_X86_AMD_SEV'
ES_TRAIT = 'HW_CPU_X86_AMD_SEV_ES'
SNP_TRAIT = 'HW_CPU_X86_AMD_SEV_SNP'
Q35_TRAIT = 'CUSTOM_HW_MACHINE_TYPE_Q35'
PC_TRAIT = 'CUSTOM_HW_MACHINE_TYPE_PC'

ON = {'hw:mem_encryption': 'true'}
ON_ES = {**ON, 'hw:mem_encryption_model': ES}
ON_SNP = {**ON, 'hw:mem_encryption_model': SNP}
UEFI = {'hw_firmware_type': 'uefi'}
Q35 = {**UEFI, 'hw_machine_type': 'q35'}
READY = {**Q35, 'hw_firmware_stateless': True}

SERVER = '11111111-2222-3333-4444-555555555555'


def flavor(
    extra_specs: Mapping[str, str] | None = None, **fields: Any
) -> objects.Flavor:
    """Return a flavor; it asks for encryption where nothing is said."""
    return objects.Flavor(
        **{
            'name': 'm1.sev',
            'flavorid': '1',
            'vcpus': 2,
            'memory_mb': 4096,
            'root_gb': 20,
            'ephemeral_gb': 0,
            'swap': 0,
            'extra_specs': dict(ON if extra_specs is None else extra_specs),
            **fields,
        }
    )


def image(
    properties: Mapping[str, Any] | None = None, **fields: Any
) -> objects.ImageMeta:
    """Return an image, its properties read as nova reads Glance's."""
    return objects.ImageMeta.from_dict(
        {
            'id': '99999999-2222-3333-4444-555555555555',
            'name': 'ubuntu',
            'properties': dict(Q35 if properties is None else properties),
            **fields,
        }
    )


def spec(
    extra_specs: Mapping[str, str] | None = None,
    properties: Mapping[str, Any] | None = None,
    **fields: Any,
) -> objects.RequestSpec:
    """Return what nova's scheduler gets for one server."""
    return objects.RequestSpec(
        nova_context.get_admin_context(),
        **{
            'flavor': flavor(extra_specs),
            'image': image(properties),
            'instance_uuid': SERVER,
            'num_instances': 1,
            'ignore_hosts': None,
            'force_hosts': None,
            'force_nodes': None,
            'is_bfv': False,
            'numa_topology': None,
            'pci_requests': objects.InstancePCIRequests(requests=[]),
            'requested_destination': None,
            'requested_resources': [],
            'scheduler_hints': {},
            **fields,
        },
    )


def rebuild_spec(*args: Any, **fields: Any) -> objects.RequestSpec:
    """Return what it gets for a rebuild."""
    return spec(
        *args, scheduler_hints={'_nova_check_type': ['rebuild']}, **fields
    )


def move_spec(*args: Any, **fields: Any) -> objects.RequestSpec:
    """Return what it gets for a server that is moved."""
    cell = objects.CellMapping(uuid=SERVER, name='cell1')
    return spec(
        *args,
        **{'requested_destination': objects.Destination(cell=cell), **fields},
    )


def aggregate(name: str = 'gold', **metadata: str) -> objects.Aggregate:
    """Return an aggregate; ``__`` in a key stands for a colon."""
    return objects.Aggregate(
        name=name,
        uuid=str(uuidlib.uuid5(uuidlib.NAMESPACE_DNS, name)),
        metadata={k.replace('__', ':'): v for k, v in metadata.items()},
    )


def nova_query(asked: utils.ResourceRequest) -> PlacementRequest:
    """Return nova's own query for candidates as this library's."""
    first = asked.get_request_group(None)
    return PlacementRequest(
        tuple(
            RequestGroup(
                suffix or '',
                dict(group.resources),
                tuple(frozenset({t}) for t in group.required_traits),
                frozenset(group.forbidden_traits),
            )
            for suffix, group in asked._rg_by_id.items()
        ),
        asked._group_policy,
        member_of=tuple(frozenset(uuids) for uuids in first.aggregates),
        in_tree=first.in_tree,
        root_required=frozenset(asked._root_required),
        root_forbidden=frozenset(asked._root_forbidden),
        forbidden_aggregates=frozenset(first.forbidden_aggregates),
    )


class World:
    """A cloud, whose Placement the plug-in asks.

    :ivar placement: a Placement in memory, or an adapter onto a real one
    :ivar api: a client of it
    """

    def __init__(self, placement: Any | None = None) -> None:
        self.placement = FakePlacement() if placement is None else placement
        self.api = (
            self.placement if placement is None else PlacementClient(placement)
        )
        self.states: dict[str, host_manager.HostState] = {}
        #: uuid -> what nova keeps of a server
        self.servers: dict[str, StoredServer] = {}
        self.servers_read = 0

    def stored_server(
        self, context: Any, server: str, cell: Any
    ) -> StoredServer | None:
        self.servers_read += 1
        return self.servers.get(server)

    def host(
        self,
        name: str = 'alpha',
        *,
        aggregates: Iterable[objects.Aggregate] = (),
        hypervisor_type: str | None = 'QEMU',
        **facts: Any,
    ) -> str:
        """Add a host, as :func:`.add_host` does; return its root's uuid.

        It publishes no machine type, unless ``machine_type`` is given.
        """
        facts.setdefault('machine_type', None)
        root = add_host(self.placement, name, **facts)
        state = host_manager.HostState(name, f'{name}.test', SERVER)
        state.uuid = root
        state.hypervisor_type = hypervisor_type
        state.ram_allocation_ratio = facts.get('ram_allocation_ratio', 1.0)
        state.aggregates = list(aggregates)
        self.states[root] = state
        return root

    def set_traits(self, provider: str, *traits: str) -> None:
        self.placement.providers[provider].traits = set(traits)

    def pool(self, root: str, suffix: str = 'amd_sev') -> str:
        """Return the uuid of a host's nested provider of slots."""
        (found,) = [
            provider.uuid
            for provider in self.api.resource_providers(in_tree=root)
            if provider.name.endswith(f'_{suffix}')
        ]
        return found

    def claim(
        self, provider: str, server: str = SERVER, *, root: str | None = None
    ) -> None:
        """Give a server a slot.

        :param root: the provider of its memory; none, where it does not
            matter
        """
        amounts = {provider: {SLOT: 1}}
        if root is not None:
            amounts.setdefault(root, {})['MEMORY_MB'] = 512
        held = Allocations(amounts, 'tests', 'tests')
        self.api.post_allocations({server: held})

    def hosts_for(
        self, request: objects.RequestSpec, *, pinned: bool = True
    ) -> list[host_manager.HostState]:
        """Return the hosts that nova's own query to Placement finds.

        :param pinned: as nova asks first; else as it asks once more
        """
        asked = utils.ResourceRequest.from_request_spec(request, pinned)
        for state in self.states.values():
            state.allocation_candidates = []
        for candidate in self.candidates(asked):
            for provider in candidate['allocations']:
                if provider in self.states:
                    self.states[provider].allocation_candidates.append(
                        candidate
                    )
        return [s for s in self.states.values() if s.allocation_candidates]

    def candidates(self, asked: utils.ResourceRequest) -> list[Any]:
        """Return the allocation requests of Placement's answer, as JSON."""
        answer = self.api.allocation_candidates(nova_query(asked))
        found: list[Any] = msgspec.to_builtins(answer.allocation_requests)
        return found

    @property
    def calls(self) -> list[str]:
        """What the fake Placement was asked: ``inventories 1234-…``."""
        return [f'{method} {what}' for method, what in self.placement.calls]


_FILTERS = filters.HostFilterHandler()
_WEIGHERS = weights.HostWeightHandler()


def load_filter() -> Any:
    """Return a filter, as a nova-scheduler that starts finds it."""
    shared_lookups.cache_clear()
    (found,) = _FILTERS.get_matching_classes(
        ['sev_scheduling.nova.MemoryEncryptionFilter']
    )
    return found()


def load_weigher() -> Any:
    (found,) = _WEIGHERS.get_matching_classes(
        ['sev_scheduling.nova.MemoryEncryptionWeigher']
    )
    return found()


def passing(
    plugin: Any, states: Iterable[Any], request: Any, index: int = 0
) -> list[str]:
    """Return the names of the hosts that nova is left with.

    :param index: which guest of a request is placed
    """
    request.instance_uuid = f'{index:08x}{SERVER[8:]}' if index else SERVER
    left = _FILTERS.get_filtered_objects([plugin], states, request, index)
    return [state.host for state in left]


def weighed(
    weigher: Any, states: Iterable[Any], request: Any
) -> dict[str, float]:
    """Return host -> weight, the heaviest host first."""
    return {
        found.obj.host: found.weight
        for found in _WEIGHERS.get_weighed_objects(
            [weigher], list(states), request
        )
    }


PREFIX = 'No valid host was found. Scheduling failed: '


def ask(request):
    """Run the request filter, as nova-scheduler does."""
    load_filter()
    context = nova_context.get_admin_context()
    return request_filter.ALL_REQUEST_FILTERS[-1](context, request)


def refusal(request):
    """Return the fault that the user reads."""
    with pytest.raises(exception.RequestFilterFailed) as raised:
        ask(request)
    # As nova.scheduler.manager does.
    fault = str(exception.NoValidHost(reason=raised.value.message))
    assert fault.startswith(PREFIX)
    assert len(fault.encode()) <= 255
    return fault.removeprefix(PREFIX)
