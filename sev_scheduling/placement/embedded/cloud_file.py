"""Cloud files: hosts in a few lines of YAML, read strictly."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import os_resource_classes as orc

from sev_scheduling.arguments import PATH, TEXT, anything, checked
from sev_scheduling.exceptions import CloudFileError
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.embedded.cloud import (
    Cloud,
    CloudHost,
    CloudProvider,
    made_up_uuid,
)
from sev_scheduling.placement.embedded.keys import (
    AMOUNTS,
    CLOUD_KEYS,
    HOST_KEYS,
    INVENTORY_KEYS,
    MACHINE_TYPES,
    NAME,
    POOL_KEYS,
    PROVIDER_KEYS,
    TRAIT,
    UUID,
    check,
    check_value,
    whole_number,
)
from sev_scheduling.text import quoted

#: Bound on what a file of a few lines may ask for.
MAX_HOSTS = 10_000

MAX_PROVIDERS = 100_000

#: A large cloud, every provider spelled out; in bytes.
MAX_BYTES = 64 * 1024 * 1024

#: Each is a row in Placement.
MAX_USED_SLOTS = 100_000


@checked(path=PATH)
def read_cloud_file(path: str | Path) -> Cloud:
    """Read a cloud file.

    :raises InputError: if the file cannot be read
    :raises CloudFileError: if it is wrong; names file, entry and key
    """
    # Clouds that are not read from files need no PyYAML.
    from sev_scheduling.documents import named, read_document

    document = read_document(path, MAX_BYTES)
    return parse_cloud(document, f'Cloud file {named(path)}')


@checked(document=anything, label=TEXT)
def parse_cloud(document: Any, label: str) -> Cloud:
    """Read what a cloud file holds: ``{'hosts': [{'name': …, …}, …]}``.

    :param label: begins every error
    :raises CloudFileError: if it is wrong
    """
    if not isinstance(document, dict):
        raise CloudFileError(
            f'{label} is not a mapping; give a list of hosts.'
        )
    needed = () if 'providers' in document else ('hosts',)
    check(label, '', document, CLOUD_KEYS, required=needed)
    hosts: list[CloudHost] = []
    names = _Names()
    used = _UsedSlots()
    for position, entry in enumerate(document.get('hosts', ()), 1):
        where = f'{label}, host {position}'
        for host in _hosts_of(entry, where, MAX_HOSTS - len(hosts)):
            for name in host.provider_names:
                names.add(where, 'name', name)
            hosts.append(host)
            used.add(
                f'{where}: pools',
                sum(pool.used for pool in host.pools.values()),
            )
    providers: list[CloudProvider] = []
    uuids = _Names()
    above: set[str] = set()
    for position, entry in enumerate(document.get('providers', ()), 1):
        where = f'{label}, provider {position}'
        if position > MAX_PROVIDERS:
            raise CloudFileError(
                f'{where}: more than {MAX_PROVIDERS} providers; use fewer.'
            )
        provider = _provider_of(entry, where)
        parent = provider.parent
        if parent is not None and parent not in above:
            raise CloudFileError(
                f'{where}: parent {quoted(parent)} is no provider above this '
                'one; give the parent first.'
            )
        names.add(where, 'name', provider.name)
        above.add(provider.name)
        uuids.add(where, 'uuid', provider.uuid)
        used.add(
            f'{where}: used', provider.used.get(orc.MEM_ENCRYPTION_CONTEXT, 0)
        )
        providers.append(provider)
    return Cloud(label, tuple(hosts), tuple(providers))


class _Names:
    """What must not stand twice in a file."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def add(self, where: str, what: str, name: str) -> None:
        if name in self.seen:
            raise CloudFileError(
                f'{where}: {what} {quoted(name)} stands twice (count and '
                'nested pools make names too); give each its own.'
            )
        self.seen.add(name)


class _UsedSlots:
    def __init__(self) -> None:
        self._sum = 0

    def add(self, where: str, used: int) -> None:
        self._sum += used
        if self._sum > MAX_USED_SLOTS:
            raise CloudFileError(
                f'{where}: more than {MAX_USED_SLOTS} slots are used in all; '
                'use fewer.'
            )


def _hosts_of(entry: Any, where: str, most: int) -> Iterator[CloudHost]:
    """Yield the hosts that one entry makes.

    :raises CloudFileError: if it is wrong, or makes more than ``most``
    """
    if not isinstance(entry, dict):
        raise CloudFileError(
            f'{where} {quoted(entry)} is not a mapping; give name, vcpus, …'
        )
    name = entry.get('name')
    if HOST_KEYS['name'].allows(name):
        where = f'{where} ({name})'
    required = ('name', 'vcpus', 'memory_mb', 'disk_gb')
    check(where, '', entry, HOST_KEYS, required)
    count = entry.get('count', 1)
    if count > most:
        raise CloudFileError(
            f'{where}: count {count} makes more than {MAX_HOSTS} hosts; use '
            'fewer.'
        )
    nested = entry.get('layout') != 'flat'
    facts: dict[str, Any] = {
        'vcpus': entry['vcpus'],
        'memory_mb': entry['memory_mb'],
        'disk_gb': entry['disk_gb'],
        'ram_allocation_ratio': float(entry.get('ram_allocation_ratio', 1)),
        'machine_types': _machine_types(entry, where),
        'nested': nested,
        'traits': _traits(entry, where),
        'pools': _pools(entry, where, nested),
    }
    if 'count' not in entry:
        yield CloudHost(name=entry['name'], **facts)
        return
    for number in range(1, count + 1):
        yield CloudHost(name=f'{name}-{number}', **facts)


def _provider_of(entry: Any, where: str) -> CloudProvider:
    """Read a resource provider.

    :raises CloudFileError: if it is wrong
    """
    if not isinstance(entry, dict):
        raise CloudFileError(
            f'{where} {quoted(entry)} is not a mapping; give name, '
            'inventories, …'
        )
    check(where, '', entry, PROVIDER_KEYS, ('name',))
    name = entry['name']
    inventories = {}
    for resource, facts in (entry.get('inventories') or {}).items():
        at = f'inventories {quoted(resource)}'
        check_value(f'{where}: inventories', resource, NAME)
        check_value(f'{where}: {at}', facts, AMOUNTS)
        check(where, f'{at} ', facts, INVENTORY_KEYS, ('total',))
        inventories[resource] = Inventory(**facts)
    used = entry.get('used') or {}
    for resource, amount in used.items():
        if resource not in inventories:
            raise CloudFileError(
                f'{where}: used {quoted(resource)} is not one of its '
                'inventories; add it there.'
            )
        check_value(f'{where}: used {resource}', amount, whole_number(0))
    for key, allowed in (('traits', NAME), ('aggregates', UUID)):
        for value in entry.get(key) or ():
            check_value(f'{where}: {key}', value, allowed)
    return CloudProvider(
        name=name,
        uuid=str(uuid.UUID(entry['uuid']))
        if entry.get('uuid')
        else made_up_uuid(f'{name} {entry!r}'),
        parent=entry.get('parent'),
        inventories=inventories,
        used={resource: n for resource, n in used.items() if n},
        traits=tuple(sorted({*(entry.get('traits') or ())})),
        aggregates=tuple(sorted({*(entry.get('aggregates') or ())})),
    )


def _machine_types(entry: Mapping[str, Any], where: str) -> dict[str, str]:
    types = entry.get('machine_types') or {}
    check(where, 'machine_types ', types, MACHINE_TYPES)
    if len(types) > 1:
        raise CloudFileError(
            f'{where}: machine_types has several architectures; give the '
            'host one.'
        )
    return dict(types)


def _traits(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    traits = entry.get('traits') or ()
    for trait in traits:
        check_value(f'{where}: traits', trait, TRAIT)
    return tuple(sorted(set(traits)))


def _pools(
    entry: Mapping[str, Any], where: str, nested: bool
) -> dict[str, SlotPool]:
    pools = {}
    of_models = entry.get('pools') or {}
    known = dict.fromkeys(registered_models(), AMOUNTS)
    check(where, 'pools ', of_models, known)
    for model, facts in sorted(of_models.items()):
        check(where, f'pools {model} ', facts, POOL_KEYS, ('total',))
        pool = pools[model] = SlotPool(**facts)
        if pool.reserved + pool.used > pool.total:
            raise CloudFileError(
                f'{where}: pools {model} has used {pool.used} and reserved '
                f'{pool.reserved}, above total {pool.total}.'
            )
    if len(pools) > 1 and not nested:
        raise CloudFileError(
            f'{where}: pools has several models; layout flat holds one.'
        )
    return pools
