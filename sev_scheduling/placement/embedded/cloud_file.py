"""Cloud files: hosts in a few lines of YAML, read strictly."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import os_resource_classes as orc
import os_traits
from oslo_utils.uuidutils import is_uuid_like

from sev_scheduling.arguments import PATH, TEXT, Of, anything, checked
from sev_scheduling.exceptions import CloudFileError
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.text import CUSTOM_NAME, MAX_AMOUNT, quoted

#: Bound on what a file of a few lines may ask for.
MAX_HOSTS = 10_000

MAX_PROVIDERS = 100_000

#: A large cloud, every provider spelled out; in bytes.
MAX_BYTES = 64 * 1024 * 1024

#: Each is a row in Placement.
MAX_USED_SLOTS = 100_000

_NAMESPACE = uuid.UUID('5f2b0a5e-6f0b-4b53-9d43-9d1f1c0f6b5a')


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudHost:
    """One host of a cloud file; amounts as Placement's inventories.

    :ivar nested: pools are child providers (nova 2025.2 and later), else
        the slots and the trait are on the root
    :ivar pools: model name -> pool
    """

    name: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    ram_allocation_ratio: float = 1.0
    machine_types: Mapping[str, str] = field(default_factory=dict)
    nested: bool = True
    traits: tuple[str, ...] = ()
    pools: Mapping[str, SlotPool] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """A uuid that changes with the host's facts."""
        return self.provider_uuid('')

    @property
    def provider_names(self) -> list[str]:
        """Names of its resource providers; no two may be the same."""
        suffixes = (registered_models()[m].provider_suffix for m in self.pools)
        nested = [f'{self.name}_{suffix}' for suffix in suffixes]
        return [self.name, *(nested if self.nested else ())]

    def provider_uuid(self, suffix: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f'{self!r} {suffix}'))


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudProvider:
    """One resource provider of a cloud file, as Placement has it.

    :ivar parent: name of the provider above it, or None
    :ivar inventories: resource class -> inventory
    :ivar used: resource class -> what guests hold, more than there is too
    :ivar aggregates: uuids
    """

    name: str
    uuid: str
    parent: str | None = None
    inventories: Mapping[str, Inventory] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)
    traits: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cloud:
    """The hosts of a cloud file, those made by ``count`` one by one.

    :ivar providers: resource providers that are spelled out, each after the
        one above it
    """

    label: str
    hosts: tuple[CloudHost, ...] = ()
    providers: tuple[CloudProvider, ...] = ()


CLOUD = Of(Cloud, 'a Cloud')


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
    known = {'hosts': _HOSTS, 'providers': _PROVIDERS}
    needed = () if 'providers' in document else ('hosts',)
    _check(label, '', document, known, required=needed)
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


class _Value(NamedTuple):
    """What a key may have; ``what`` completes "is not …"."""

    what: str
    allows: Callable[[Any], bool]


def _whole_number(least: int) -> _Value:
    return _Value(
        f'a whole number from {least} to {MAX_AMOUNT}',
        # A boolean is an int, too.
        lambda value: type(value) is int and least <= value <= MAX_AMOUNT,
    )


def _text(pattern: str, what: str) -> _Value:
    matches = re.compile(pattern).fullmatch
    return _Value(
        what, lambda value: isinstance(value, str) and bool(matches(value))
    )


def _is_ratio(value: Any) -> bool:
    # nan is not above 0.
    return type(value) in (int, float) and 0 < value <= 1000


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and is_uuid_like(value)


def _is_trait(value: Any) -> bool:
    return isinstance(value, str) and (
        value in _TRAITS or bool(CUSTOM_NAME.fullmatch(value))
    )


_TRAITS = frozenset(os_traits.get_traits())
_HOSTS = _Value(
    'a list of hosts, of at least one',
    lambda value: isinstance(value, list) and bool(value),
)
_PROVIDERS = _Value(
    'a list of resource providers', lambda value: isinstance(value, list)
)
_MAPPING = _Value('a mapping', lambda value: isinstance(value, dict | None))
_ARCHITECTURES = sorted(
    trait.removeprefix('HW_ARCH_').lower()
    for trait in _TRAITS
    if trait.startswith('HW_ARCH_')
)
_MACHINE_TYPES = dict.fromkeys(
    ['x86_64', *_ARCHITECTURES],
    _text('[A-Za-z0-9][A-Za-z0-9._-]{0,63}', 'a machine type such as q35'),
)
_TRAIT = _Value('a trait of os-traits or a CUSTOM_ name', _is_trait)
_POOL = _Value(
    'a mapping such as {total: 15}', lambda value: isinstance(value, dict)
)
_HOST_KEYS = {
    # Placement takes names of up to 200 characters; a pool's adds its suffix.
    'name': _text('[A-Za-z0-9][A-Za-z0-9._-]{0,127}', 'a host name'),
    'count': _whole_number(1),
    'vcpus': _whole_number(1),
    'memory_mb': _whole_number(1),
    'disk_gb': _whole_number(0),
    'ram_allocation_ratio': _Value(
        'a number above 0 and up to 1000', _is_ratio
    ),
    'layout': _Value(
        'nested or flat', lambda value: value in ('nested', 'flat')
    ),
    'machine_types': _MAPPING,
    'traits': _Value('a list', lambda value: isinstance(value, list | None)),
    'pools': _MAPPING,
}
# Names as Placement takes them: a newer one may know more traits and classes.
_NAME = _text('[A-Z0-9_]{1,255}', 'an upper-case name')
_UUID = _Value('a uuid', _is_uuid)
_INVENTORY = _Value(
    'a mapping such as {total: 15}', lambda value: isinstance(value, dict)
)
_INVENTORY_KEYS = {
    **dict.fromkeys(('total', 'min_unit', 'max_unit', 'step_size'),
                    _whole_number(1)),
    'reserved': _whole_number(0),
    'allocation_ratio': _Value(
        'a number above 0 and up to 1e9',
        lambda value: type(value) in (int, float) and 0 < value <= 1e9,
    ),
}  # fmt: skip
_PROVIDER_KEYS = {
    'name': _Value(
        'a text of 1 to 200 characters',
        lambda value: isinstance(value, str) and 0 < len(value) <= 200,
    ),
    'uuid': _UUID,
    'parent': _Value(
        'the name of a provider', lambda value: isinstance(value, str | None)
    ),
    'inventories': _MAPPING,
    'used': _MAPPING,
    'traits': _HOST_KEYS['traits'],
    'aggregates': _HOST_KEYS['traits'],
}
_POOL_KEYS = dict.fromkeys(('total', 'reserved', 'used'), _whole_number(0))


def _check(
    where: str,
    prefix: str,
    mapping: Mapping[Any, Any],
    known: Mapping[str, _Value],
    required: Iterable[str] = (),
) -> None:
    """Check the keys of a mapping and their values.

    :param where: file and entry, which begin every error
    :param prefix: the keys that lead to the mapping
    :raises CloudFileError: for the first that is wrong
    """
    for key, value in mapping.items():
        if key not in known:
            raise CloudFileError(
                f'{where}: {prefix}{quoted(key)} is not known; use '
                f'{", ".join([*known][:10])}.'
            )
        _check_value(f'{where}: {prefix}{key}', value, known[key])
    for key in required:
        if key not in mapping:
            raise CloudFileError(
                f'{where}: {prefix}{key} is missing; give {known[key].what}.'
            )


def _check_value(where: str, value: Any, allowed: _Value) -> None:
    if not allowed.allows(value):
        raise CloudFileError(f'{where} {quoted(value)} is not {allowed.what}.')


def _hosts_of(entry: Any, where: str, most: int) -> Iterator[CloudHost]:
    """Yield the hosts that one entry makes.

    :raises CloudFileError: if it is wrong, or makes more than ``most``
    """
    if not isinstance(entry, dict):
        raise CloudFileError(
            f'{where} {quoted(entry)} is not a mapping; give name, vcpus, …'
        )
    name = entry.get('name')
    if _HOST_KEYS['name'].allows(name):
        where = f'{where} ({name})'
    required = ('name', 'vcpus', 'memory_mb', 'disk_gb')
    _check(where, '', entry, _HOST_KEYS, required)
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
    _check(where, '', entry, _PROVIDER_KEYS, ('name',))
    name = entry['name']
    inventories = {}
    for resource, facts in (entry.get('inventories') or {}).items():
        at = f'inventories {quoted(resource)}'
        _check_value(f'{where}: inventories', resource, _NAME)
        _check_value(f'{where}: {at}', facts, _INVENTORY)
        _check(where, f'{at} ', facts, _INVENTORY_KEYS, ('total',))
        inventories[resource] = Inventory(**facts)
    used = entry.get('used') or {}
    for resource, amount in used.items():
        if resource not in inventories:
            raise CloudFileError(
                f'{where}: used {quoted(resource)} is not one of its '
                'inventories; add it there.'
            )
        _check_value(f'{where}: used {resource}', amount, _whole_number(0))
    for key, allowed in (('traits', _NAME), ('aggregates', _UUID)):
        for value in entry.get(key) or ():
            _check_value(f'{where}: {key}', value, allowed)
    return CloudProvider(
        name=name,
        uuid=str(uuid.UUID(entry['uuid']))
        if entry.get('uuid')
        else str(uuid.uuid5(_NAMESPACE, f'{name} {entry!r}')),
        parent=entry.get('parent'),
        inventories=inventories,
        used={resource: n for resource, n in used.items() if n},
        traits=tuple(sorted({*(entry.get('traits') or ())})),
        aggregates=tuple(sorted({*(entry.get('aggregates') or ())})),
    )


def _machine_types(entry: Mapping[str, Any], where: str) -> dict[str, str]:
    types = entry.get('machine_types') or {}
    _check(where, 'machine_types ', types, _MACHINE_TYPES)
    if len(types) > 1:
        raise CloudFileError(
            f'{where}: machine_types has several architectures; give the '
            'host one.'
        )
    return dict(types)


def _traits(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    traits = entry.get('traits') or ()
    for trait in traits:
        _check_value(f'{where}: traits', trait, _TRAIT)
    return tuple(sorted(set(traits)))


def _pools(
    entry: Mapping[str, Any], where: str, nested: bool
) -> dict[str, SlotPool]:
    pools = {}
    of_models = entry.get('pools') or {}
    known = dict.fromkeys(registered_models(), _POOL)
    _check(where, 'pools ', of_models, known)
    for model, facts in sorted(of_models.items()):
        _check(where, f'pools {model} ', facts, _POOL_KEYS, ('total',))
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
