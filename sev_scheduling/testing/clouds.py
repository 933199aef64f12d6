"""Hosts for a Placement: the fake one, or a real one by its own API."""

from __future__ import annotations

import uuid as uuidlib
from collections.abc import Iterable, Mapping
from typing import Any

import os_resource_classes as orc
import os_traits
from keystoneauth1.adapter import Adapter

from sev_scheduling.exceptions import InputError
from sev_scheduling.models import find_model, registered_models
from sev_scheduling.placement.answers import Allocations, Inventory
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.embedded import (
    Cloud,
    CloudHost,
    parse_cloud,
    providers_of,
)
from sev_scheduling.testing.builders import DEFAULT_POOLS, Pools, pool_of
from sev_scheduling.testing.fake import FakePlacement


def add_host(
    placement: FakePlacement | Adapter,
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
    :raises InputError: where a model is not known, or a flat host has two
    :raises PlacementConflict: where there is a host of this name
    """
    for model in pools:
        if find_model(model) is None:
            raise InputError(
                f'Model {model!r} is not known; use '
                f'{", ".join(registered_models())}.'
            )
    if len(pools) > 1 and not nested:
        raise InputError(
            f'Host {name!r} has several models; a flat one holds one.'
        )
    host = CloudHost(
        name=name,
        vcpus=vcpus,
        memory_mb=memory_mb,
        disk_gb=disk_gb,
        ram_allocation_ratio=ram_allocation_ratio,
        machine_types={'x86_64': machine_type} if machine_type else {},
        nested=nested,
        traits=tuple(sorted(set(traits))),
        pools={model: pool_of(slots) for model, slots in pools.items()},
    )
    _add(placement, host, aggregates)
    return host.uuid


def add_cloud(
    placement: FakePlacement | Adapter, cloud: Cloud | Mapping[str, Any]
) -> None:
    """Add the hosts of a cloud file, one after the other.

    :param placement: a fake one, or an adapter onto a real one
    :param cloud: from :func:`.read_cloud_file`, or what such a file holds:
        ``{'hosts': [{'name': …, 'vcpus': …, …}]}``
    :raises CloudFileError: where it is wrong; names the host and the key
    """
    if not isinstance(cloud, Cloud):
        cloud = parse_cloud(cloud, 'Cloud')
    for host in cloud.hosts:
        _add(placement, host, ())


def _add(
    placement: FakePlacement | Adapter,
    host: CloudHost,
    aggregates: Iterable[str],
) -> None:
    for provider in providers_of(host):
        in_these = () if 'parent_provider_uuid' in provider else aggregates
        api: Api
        if isinstance(placement, FakePlacement):
            api = placement
            placement.add_provider(
                provider['name'],
                uuid=provider['uuid'],
                parent=provider.get('parent_provider_uuid'),
                inventories={
                    name: Inventory(**inventory)
                    for name, inventory in provider['inventories'].items()
                },
                traits=provider['traits'],
                aggregates=in_these,
            )
        else:
            api = Api(placement)
            _write(api, provider, sorted(in_these))
        uuid = provider['uuid']
        for slot in range(provider['used']):
            guest = str(uuidlib.uuid5(uuidlib.UUID(uuid), str(slot)))
            held = {uuid: {orc.MEM_ENCRYPTION_CONTEXT: 1}}
            api.post_allocations({guest: Allocations(held, 'tests', 'tests')})


def _write(
    api: Api, provider: Mapping[str, Any], aggregates: list[str]
) -> None:
    facts = {
        key: provider[key]
        for key in ('name', 'uuid', 'parent_provider_uuid')
        if key in provider
    }
    generation = api.call('POST', '/resource_providers', json=facts)[
        'generation'
    ]
    for trait in filter(os_traits.is_custom, provider['traits']):
        api.call('PUT', f'/traits/{trait}')
    for key, value in (
        ('inventories', provider['inventories']),
        ('traits', provider['traits']),
        ('aggregates', aggregates),
    ):
        if value:
            generation = api.call(
                'PUT',
                f'/resource_providers/{provider["uuid"]}/{key}',
                json={key: value, 'resource_provider_generation': generation},
            )['resource_provider_generation']
