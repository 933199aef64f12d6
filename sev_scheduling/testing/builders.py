"""Hosts, flavors and images for tests."""

from __future__ import annotations

import uuid as uuidlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import os_resource_classes as orc
import os_traits

from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts import Host, SlotPool, machine_type_trait
from sev_scheduling.models import find_model
from sev_scheduling.placement.http import call

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

_MICROVERSION = '1.33'

#: A model's slots: their number, or a pool with used and reserved ones.
Pools = Mapping[str, int | SlotPool]

DEFAULT_POOLS: Pools = {'amd-sev': 15}


def _pool(slots: int | SlotPool) -> SlotPool:
    return SlotPool(slots) if isinstance(slots, int) else slots


def make_host(
    name: str = 'host',
    *,
    pools: Pools = DEFAULT_POOLS,
    machine_type: str | None = 'q35',
    ram_allocation_ratio: float | None = 1.0,
    hypervisor_type: str | None = 'QEMU',
    traits: Iterable[str] = (),
) -> Host:
    """Return a host, as :func:`.judge` takes it.

    >>> make_host(pools={'amd-sev': SlotPool(15, used=15)}).pools['amd-sev']
    SlotPool(total=15, reserved=0, used=15, provider_uuid=None)
    """
    return Host(
        name=name,
        uuid=str(uuidlib.uuid5(uuidlib.NAMESPACE_DNS, name)),
        pools={model: _pool(slots) for model, slots in pools.items()},
        machine_types={'x86_64': machine_type},
        ram_allocation_ratio=ram_allocation_ratio,
        hypervisor_type=hypervisor_type,
        traits=frozenset(traits),
    )


def make_flavor(
    name: str = 'm1.sev',
    *,
    vcpus: int = 2,
    memory_mb: int = 4096,
    disk_gb: int = 20,
    extra_specs: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a flavor as nova's API shows it; it asks for encryption.

    :param extra_specs: instead of ``hw:mem_encryption=true``
    """
    if extra_specs is None:
        extra_specs = {'hw:mem_encryption': 'true'}
    return {
        'name': name,
        'vcpus': vcpus,
        'ram': memory_mb,
        'disk': disk_gb,
        'OS-FLV-EXT-DATA:ephemeral': 0,
        'swap': '',
        'extra_specs': dict(extra_specs),
    }


def make_image(
    name: str = 'ubuntu-24.04', **properties: str
) -> dict[str, Any]:
    """Return an image as Glance shows it; any model can boot from it."""
    return {
        'name': name,
        'hw_firmware_type': 'uefi',
        'hw_machine_type': 'q35',
        **properties,
    }


def add_host(
    placement: Adapter,
    name: str,
    *,
    vcpus: int = 64,
    memory_mb: int = 262144,
    disk_gb: int = 2000,
    ram_allocation_ratio: float = 1.0,
    pools: Pools = DEFAULT_POOLS,
    nested: bool = True,
    machine_type: str | None = 'q35',
    traits: Iterable[str] = (),
    aggregates: Iterable[str] = (),
) -> str:
    """Add a host to a Placement, as nova-compute would report it.

    A used slot is held by a guest of its own, which holds nothing else.

    :param placement: a fake one, or an adapter onto a real one
    :param pools: model name -> slots
    :param nested: pools are child providers (nova 2025.2 and later), else
        slots and traits are on the root
    :param aggregates: uuids
    :returns: uuid of the root provider
    :raises InputError: where a model is not known
    """
    builder = _Builder(placement)
    inventories: dict[str, Any] = {
        orc.VCPU: {'total': vcpus, 'max_unit': vcpus, 'allocation_ratio': 4.0},
        orc.MEMORY_MB: {
            'total': memory_mb,
            'max_unit': memory_mb,
            'allocation_ratio': ram_allocation_ratio,
        },
    }
    if disk_gb:
        inventories[orc.DISK_GB] = {'total': disk_gb, 'max_unit': disk_gb}
    root_traits = set(traits)
    if machine_type:
        root_traits.add(machine_type_trait(machine_type))
    used = {}
    children = []
    for model_name, slots in pools.items():
        model = find_model(model_name)
        if model is None:
            raise InputError(f'Model {model_name!r} is not known.')
        pool = _pool(slots)
        slot = {
            orc.MEM_ENCRYPTION_CONTEXT: {
                'total': pool.total,
                'reserved': pool.reserved,
                'max_unit': 1,
            }
        }
        if nested:
            suffix = f'{name}_{model.provider_suffix}'
            children.append((suffix, slot, [model.trait], pool.used))
        else:
            inventories |= slot
            root_traits.add(model.trait)
            used = {name: pool.used}
    root = builder.add(name, inventories, root_traits, aggregates=aggregates)
    builder.use(root, used.get(name, 0))
    for suffix, slot, child_traits, held in children:
        child = builder.add(suffix, slot, child_traits, parent=root)
        builder.use(child, held)
    return root


class _Builder:
    def __init__(self, placement: Adapter) -> None:
        self._placement = placement

    def _call(self, method: str, url: str, json: Any = None) -> Any:
        return call(self._placement, method, url, _MICROVERSION, json=json)

    def add(
        self,
        name: str,
        inventories: Mapping[str, Any],
        traits: Iterable[str],
        *,
        parent: str | None = None,
        aggregates: Iterable[str] = (),
    ) -> str:
        """Add a provider; return its uuid."""
        body = {'name': name, 'parent_provider_uuid': parent}
        provider = self._call('POST', '/resource_providers', body)
        url = f'/resource_providers/{provider["uuid"]}'
        generation = provider['generation']
        for trait in filter(os_traits.is_custom, traits):
            self._call('PUT', f'/traits/{trait}')
        for key, value in (
            ('inventories', inventories),
            ('traits', sorted(traits)),
            ('aggregates', sorted(aggregates)),
        ):
            if value:
                body = {
                    key: value,
                    'resource_provider_generation': generation,
                }
                answer = self._call('PUT', f'{url}/{key}', body)
                generation = answer['resource_provider_generation']
        return str(provider['uuid'])

    def use(self, provider: str, slots: int) -> None:
        for _ in range(slots):
            body = {
                'allocations': {
                    provider: {'resources': {orc.MEM_ENCRYPTION_CONTEXT: 1}}
                },
                'project_id': 'tests',
                'user_id': 'tests',
                'consumer_generation': None,
            }
            self._call('PUT', f'/allocations/{uuidlib.uuid4()}', body)
