"""Fill the embedded Placement with the hosts of a cloud file."""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import os_resource_classes as orc

from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.host import SlotPool, machine_type_trait
from sev_scheduling.models import registered_models
from sev_scheduling.placement.embedded.cloud_file import Cloud, CloudHost
from sev_scheduling.placement.embedded.service import EmbeddedAdapter

#: Nova's own default (``[DEFAULT] initial_cpu_allocation_ratio``).
CPU_ALLOCATION_RATIO = 4.0

# In the order in which their rows refer to each other.
_TABLES = (
    'Trait',
    'ResourceProvider',
    'ResourceProviderTrait',
    'Inventory',
    'Project',
    'User',
    'Consumer',
    'Allocation',
)

_NOBODY = str(uuid.UUID(int=0))


def load_cloud(adapter: EmbeddedAdapter, cloud: Cloud) -> None:
    """Make the providers, inventories, traits and guests of a cloud.

    Nested pools become child providers ``<host>_<provider_suffix>``, as nova
    2025.2 and later make them; flat ones stand on the root. Each used slot
    is held by a guest of its own, which takes nothing else. Nothing is done
    where the very same cloud is there already.

    The rows go straight into Placement's tables, in one transaction: by its
    API a thousand hosts take minutes.

    :raises InputError: where another cloud is there
    """
    from placement.db.sqlalchemy import models

    providers = [p for host in cloud.hosts for p in providers_of(host)]
    with adapter.engine.begin() as connection:

        def column(of: Any, *names: str) -> list[Any]:
            table = of.__table__
            return list(
                connection.execute(
                    table.select().with_only_columns(
                        *(table.c[name] for name in names)
                    )
                )
            )

        present = {row[0] for row in column(models.ResourceProvider, 'uuid')}
        if present:
            if present != {provider['uuid'] for provider in providers}:
                raise InputError(
                    f'{cloud.label} is not the cloud that this Placement '
                    'holds; give the same file as before, or another --state.'
                )
            return
        traits = dict(column(models.Trait, 'name', 'id'))
        wanted = {trait for p in providers for trait in p['traits']}
        ids = itertools.count(max(traits.values(), default=0) + 1)
        new = dict(zip(sorted(wanted.difference(traits)), ids, strict=False))
        rows = _rows(
            providers,
            classes=dict(column(models.ResourceClass, 'name', 'id')),
            traits=traits | new,
        )
        rows['Trait'] = [{'id': i, 'name': name} for name, i in new.items()]
        for name in _TABLES:
            if rows[name]:
                table = getattr(models, name).__table__
                connection.execute(table.insert(), rows[name])


def _rows(
    providers: Iterable[dict[str, Any]],
    classes: dict[str, int],
    traits: dict[str, int],
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table, by the name of its model class."""
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    rows['Project'].append({'id': 1, 'external_id': _NOBODY})
    rows['User'].append({'id': 1, 'external_id': _NOBODY})
    root = 0
    for number, provider in enumerate(providers, 1):
        nested = 'parent_provider_uuid' in provider
        if not nested:
            root = number
        rows['ResourceProvider'].append(
            {
                'id': number,
                'uuid': provider['uuid'],
                'name': provider['name'],
                'generation': 1,
                'root_provider_id': root,
                'parent_provider_id': root if nested else None,
            }
        )
        for trait in provider['traits']:
            rows['ResourceProviderTrait'].append(
                {
                    'resource_provider_id': number,
                    'trait_id': traits[trait],
                }
            )
        for name, inventory in provider['inventories'].items():
            rows['Inventory'].append(
                {
                    'resource_provider_id': number,
                    'resource_class_id': classes[name],
                    'reserved': 0,
                    'min_unit': 1,
                    'step_size': 1,
                    'allocation_ratio': 1.0,
                    **inventory,
                }
            )
        for slot in range(provider['used']):
            consumer = str(uuid.uuid5(uuid.UUID(provider['uuid']), str(slot)))
            rows['Consumer'].append(
                {
                    'uuid': consumer,
                    'project_id': 1,
                    'user_id': 1,
                    'generation': 1,
                }
            )
            rows['Allocation'].append(
                {
                    'resource_provider_id': number,
                    'consumer_id': consumer,
                    'resource_class_id': classes[orc.MEM_ENCRYPTION_CONTEXT],
                    'used': 1,
                }
            )
    return rows


def providers_of(host: CloudHost) -> Iterator[dict[str, Any]]:
    """Yield the root, then the nested pools, as Placement is told them.

    Each has name, uuid, traits, inventories, the number of slots that are
    used and, where nested, parent_provider_uuid.
    """
    root: dict[str, Any] = {
        'name': host.name,
        'uuid': host.uuid,
        'traits': [*host.traits, *_machine_type_traits(host)],
        'inventories': {
            orc.VCPU: {
                'total': host.vcpus,
                'max_unit': host.vcpus,
                'allocation_ratio': CPU_ALLOCATION_RATIO,
            },
            orc.MEMORY_MB: {
                'total': host.memory_mb,
                'max_unit': host.memory_mb,
                'allocation_ratio': host.ram_allocation_ratio,
            },
        },
        'used': 0,
    }
    if host.disk_gb:
        root['inventories'][orc.DISK_GB] = {
            'total': host.disk_gb,
            'max_unit': host.disk_gb,
        }
    children = []
    for name, pool in host.pools.items():
        model = registered_models()[name]
        inventory = _slot_inventory(pool) if pool.total else {}
        if not host.nested:
            root['traits'].append(model.trait)
            root['inventories'].update(inventory)
            root['used'] = pool.used
            continue
        children.append(
            {
                'name': f'{host.name}_{model.provider_suffix}',
                'uuid': host.provider_uuid(model.provider_suffix),
                'parent_provider_uuid': host.uuid,
                'traits': [model.trait],
                'inventories': inventory,
                'used': pool.used,
            }
        )
    root['traits'] = sorted(set(root['traits']))
    yield root
    yield from children


def _slot_inventory(pool: SlotPool) -> dict[str, Any]:
    return {
        orc.MEM_ENCRYPTION_CONTEXT: {
            'total': pool.total,
            'reserved': pool.reserved,
            # As nova has it: no guest holds two, and none is overcommitted.
            'max_unit': 1,
            'allocation_ratio': 1.0,
        }
    }


def _machine_type_traits(host: CloudHost) -> Iterator[str]:
    for architecture, machine_type in host.machine_types.items():
        yield f'HW_ARCH_{architecture.upper()}'
        yield machine_type_trait(machine_type)
