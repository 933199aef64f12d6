"""Fill the embedded Placement with the hosts of a cloud file."""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import os_resource_classes as orc

from sev_scheduling.arguments import Of, checked
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.host import SlotPool, machine_type_trait
from sev_scheduling.models import registered_models
from sev_scheduling.placement.embedded.cloud import CLOUD, Cloud, CloudHost
from sev_scheduling.placement.embedded.service import EmbeddedAdapter

#: Nova's own default (``[DEFAULT] initial_cpu_allocation_ratio``).
CPU_ALLOCATION_RATIO = 4.0

# In the order in which their rows refer to each other.
_TABLES = (
    'Trait',
    'ResourceClass',
    'PlacementAggregate',
    'ResourceProvider',
    'ResourceProviderTrait',
    'ResourceProviderAggregate',
    'Inventory',
    'Project',
    'User',
    'Consumer',
    'Allocation',
)

_INVENTORY = {'reserved': 0, 'min_unit': 1, 'step_size': 1}

_NOBODY = str(uuid.UUID(int=0))


@checked(
    adapter=Of(EmbeddedAdapter, 'what embedded_placement() gives'), cloud=CLOUD
)
def load_cloud(adapter: EmbeddedAdapter, cloud: Cloud) -> None:
    """Make the providers, inventories, traits and guests of a cloud.

    Nested pools become child providers ``<host>_<provider_suffix>``, as nova
    2025.2 and later make them; flat ones stand on the root. Each used slot
    is held by a guest of its own, and all else that is used of a provider by
    one more. Nothing is done if the very same cloud is there already.

    The rows go straight into Placement's tables, in one transaction: by its
    API a thousand hosts take minutes.

    :raises InputError: if another cloud is there
    """
    from placement.db.sqlalchemy import models
    from sqlalchemy import select

    providers = [*cloud_providers(cloud)]
    with adapter.engine.begin() as connection:
        uuids = connection.scalars(select(models.ResourceProvider.uuid))
        if present := {*uuids}:
            if present != {provider['uuid'] for provider in providers}:
                raise InputError(
                    f'{cloud.label} is not the cloud that this Placement '
                    'holds; give the same file as before, or another --state.'
                )
            return
        traits, classes = (
            dict(connection.execute(select(table.name, table.id)).all())
            for table in (models.Trait, models.ResourceClass)
        )
        new_traits = _numbered(
            traits, (trait for p in providers for trait in p['traits'])
        )
        new_classes = _numbered(
            classes, (name for p in providers for name in p['inventories'])
        )
        rows = _rows(providers, classes | new_classes, traits | new_traits)
        for table, new in (
            ('Trait', new_traits),
            ('ResourceClass', new_classes),
        ):
            rows[table] = [{'id': i, 'name': name} for name, i in new.items()]
        for name in _TABLES:
            if rows[name]:
                table = getattr(models, name).__table__
                connection.execute(table.insert(), rows[name])


def _numbered(
    known: Mapping[str, int], names: Iterable[str]
) -> dict[str, int]:
    """Return ids for names that Placement does not know."""
    # Below, Placement keeps ids for standard resource classes.
    ids = itertools.count(max([9999, *known.values()]) + 1)
    return dict(zip(sorted({*names}.difference(known)), ids, strict=False))


def _rows(
    providers: Iterable[dict[str, Any]],
    classes: Mapping[str, int],
    traits: Mapping[str, int],
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table, by the name of its model class."""
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(table: str, **columns: Any) -> None:
        rows[table].append(columns)

    add('Project', id=1, external_id=_NOBODY)
    add('User', id=1, external_id=_NOBODY)
    numbers: dict[str, int] = {}
    roots: dict[int, int] = {}
    aggregates: dict[str, int] = {}
    for number, provider in enumerate(providers, 1):
        numbers[provider['uuid']] = number
        parent = numbers.get(provider.get('parent_provider_uuid', ''))
        roots[number] = roots[parent] if parent else number
        add(
            'ResourceProvider',
            id=number,
            uuid=provider['uuid'],
            name=provider['name'],
            generation=1,
            root_provider_id=roots[number],
            parent_provider_id=parent,
        )
        of = {'resource_provider_id': number}
        for trait in provider['traits']:
            add('ResourceProviderTrait', **of, trait_id=traits[trait])
        for aggregate in provider.get('aggregates', ()):
            if aggregate not in aggregates:
                aggregates[aggregate] = len(aggregates) + 1
                add(
                    'PlacementAggregate',
                    id=aggregates[aggregate],
                    uuid=aggregate,
                )
            add(
                'ResourceProviderAggregate',
                **of,
                aggregate_id=aggregates[aggregate],
            )
        for name, inventory in provider['inventories'].items():
            columns = _INVENTORY | inventory | of
            add('Inventory', **columns, resource_class_id=classes[name])
        for guest, held in guests_of(provider):
            add('Consumer', uuid=guest, project_id=1, user_id=1, generation=1)
            for name, amount in held.items():
                add(
                    'Allocation',
                    **of,
                    consumer_id=guest,
                    resource_class_id=classes[name],
                    used=amount,
                )
    return rows


@checked(provider=Of(Mapping, 'what providers_of() yields'))
def guests_of(
    provider: Mapping[str, Any],
) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the uuid of each guest of a provider, and what it holds.

    One for each used slot, and one for all else.

    :param provider: as :func:`providers_of` yields them
    """
    used = dict(provider['used'])
    own = uuid.UUID(provider['uuid'])
    for slot in range(used.pop(orc.MEM_ENCRYPTION_CONTEXT, 0)):
        yield str(uuid.uuid5(own, str(slot))), {orc.MEM_ENCRYPTION_CONTEXT: 1}
    if used:
        yield str(uuid.uuid5(own, 'all else')), used


@checked(cloud=CLOUD)
def cloud_providers(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """Yield the resource providers of a cloud, each after its parent.

    As :func:`providers_of`, and those that are spelled out with
    ``aggregates``.
    """
    for host in cloud.hosts:
        yield from providers_of(host)
    uuids = {provider.name: provider.uuid for provider in cloud.providers}
    for provider in cloud.providers:
        parent = provider.parent
        yield {
            'name': provider.name,
            'uuid': provider.uuid,
            **({} if parent is None else
               {'parent_provider_uuid': uuids[parent]}),
            'traits': [*provider.traits],
            'aggregates': [*provider.aggregates],
            'inventories': {
                name: msgspec.structs.asdict(inventory)
                for name, inventory in provider.inventories.items()
            },
            'used': dict(provider.used),
        }  # fmt: skip


@checked(host=Of(CloudHost, 'a CloudHost'))
def providers_of(host: CloudHost) -> Iterator[dict[str, Any]]:
    """Yield the root, then the nested pools, in the terms of Placement's API.

    Each has name, uuid, traits, inventories, ``used`` (resource class ->
    what guests hold) and, if nested, parent_provider_uuid.
    """
    traits = set(host.traits)
    for architecture, machine_type in host.machine_types.items():
        traits.add(f'HW_ARCH_{architecture.upper()}')
        traits.add(machine_type_trait(machine_type))
    inventories: dict[str, Any] = {
        orc.VCPU: _inventory(host.vcpus, CPU_ALLOCATION_RATIO),
        orc.MEMORY_MB: _inventory(host.memory_mb, host.ram_allocation_ratio),
    }
    if host.disk_gb:
        inventories[orc.DISK_GB] = _inventory(host.disk_gb)
    used: dict[str, int] = {}
    children = []
    for name, pool in host.pools.items():
        model = registered_models()[name]
        slots = _slots(pool)
        if host.nested:
            children.append(
                {
                    'name': f'{host.name}_{model.provider_suffix}',
                    'uuid': host.provider_uuid(model.provider_suffix),
                    'parent_provider_uuid': host.uuid,
                    'traits': [model.trait],
                    'inventories': slots,
                    'used': _used(pool),
                }
            )
        else:
            traits.add(model.trait)
            inventories |= slots
            used = _used(pool)
    yield {
        'name': host.name,
        'uuid': host.uuid,
        'traits': sorted(traits),
        'inventories': inventories,
        'used': used,
    }
    yield from children


def _inventory(total: int, ratio: float = 1.0) -> dict[str, Any]:
    return {'total': total, 'max_unit': total, 'allocation_ratio': ratio}


def _used(pool: SlotPool) -> dict[str, int]:
    return {orc.MEM_ENCRYPTION_CONTEXT: pool.used} if pool.used else {}


def _slots(pool: SlotPool) -> dict[str, Any]:
    """Return the inventory of a pool as nova reports it; none without slots.

    No guest holds two slots, and none is overcommitted.
    """
    if not pool.total:
        return {}
    limits = {'max_unit': 1, 'reserved': pool.reserved}
    return {orc.MEM_ENCRYPTION_CONTEXT: _inventory(pool.total) | limits}
