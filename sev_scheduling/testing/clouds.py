"""Hosts for a Placement: the fake one, or a real one by its own API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import os_resource_classes as orc
import os_traits
from keystoneauth1.adapter import Adapter

from sev_scheduling.arguments import (
    AMOUNT,
    FLAG,
    NAME,
    RATIO,
    TEXT,
    UUID,
    Items,
    Maybe,
    Of,
    checked,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import find_model, registered_models
from sev_scheduling.placement.answers import Allocations, Inventory
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.embedded import (
    Cloud,
    CloudHost,
    cloud_providers,
    guests_of,
    parse_cloud,
    providers_of,
)
from sev_scheduling.testing.builders import (
    DEFAULT_POOLS,
    POOLS,
    Pools,
    pool_of,
)
from sev_scheduling.testing.fake import FakePlacement

_PLACEMENT = Of((FakePlacement, Adapter), 'a FakePlacement or an adapter')


@checked(
    placement=_PLACEMENT,
    name=TEXT,
    vcpus=AMOUNT,
    memory_mb=AMOUNT,
    disk_gb=AMOUNT,
    ram_allocation_ratio=RATIO,
    pools=POOLS,
    nested=FLAG,
    machine_type=Maybe(TEXT),
    traits=Items(NAME),
    aggregates=Items(UUID),
)
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
    for provider in providers_of(host):
        # Aggregates hold hosts: a nested provider is in none of its own.
        if 'parent_provider_uuid' not in provider:
            provider['aggregates'] = sorted(set(aggregates))
        _add(placement, provider)
    return host.uuid


@checked(
    placement=_PLACEMENT,
    cloud=Of((Cloud, Mapping), 'a Cloud, or what a cloud file holds'),
)
def add_cloud(
    placement: FakePlacement | Adapter, cloud: Cloud | Mapping[str, Any]
) -> None:
    """Add the hosts and providers of a cloud file, one after the other.

    :param placement: a fake one, or an adapter onto a real one
    :param cloud: from :func:`.read_cloud_file`, or what such a file holds:
        ``{'hosts': [{'name': …, 'vcpus': …, …}]}``
    :raises CloudFileError: where it is wrong; names the host and the key
    :raises PlacementConflict: where guests hold more than there is, which
        Placement takes from no caller
    """
    if not isinstance(cloud, Cloud):
        cloud = parse_cloud(cloud, 'Cloud')
    for provider in cloud_providers(cloud):
        _add(placement, provider)


def _add(
    placement: FakePlacement | Adapter, provider: Mapping[str, Any]
) -> None:
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
            aggregates=provider.get('aggregates', ()),
        )
    else:
        api = Api(placement)
        _write(api, provider)
    for guest, amounts in guests_of(provider):
        held = {provider['uuid']: amounts}
        api.post_allocations({guest: Allocations(held, 'tests', 'tests')})


def _write(api: Api, provider: Mapping[str, Any]) -> None:
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
    for name in provider['inventories']:
        if orc.is_custom(name):
            api.call('PUT', f'/resource_classes/{name}')
    for key, value in (
        ('inventories', provider['inventories']),
        ('traits', provider['traits']),
        ('aggregates', provider.get('aggregates')),
    ):
        if value:
            generation = api.call(
                'PUT',
                f'/resource_providers/{provider["uuid"]}/{key}',
                json={key: value, 'resource_provider_generation': generation},
            )['resource_provider_generation']
