"""Cloud files: hosts in a few lines of YAML, read strictly."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import os_traits

from sev_scheduling.exceptions import CloudFileError
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.text import CUSTOM_NAME, MAX_AMOUNT, quoted

#: Bound on what a file of a few lines may ask for.
MAX_HOSTS = 10_000

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


@dataclass(frozen=True, slots=True)
class Cloud:
    """The hosts of a cloud file, those made by ``count`` one by one."""

    label: str
    hosts: tuple[CloudHost, ...]


def read_cloud_file(path: str | Path) -> Cloud:
    """Read a cloud file.

    :raises InputError: if the file cannot be read
    :raises CloudFileError: if it is wrong; names file, entry and key
    """
    # Clouds that are not read from files need no PyYAML.
    from sev_scheduling.documents import named, read_document

    return parse_cloud(read_document(path), f'Cloud file {named(path)}')


def parse_cloud(document: Any, label: str) -> Cloud:
    """Read what a cloud file holds: ``{'hosts': [{'name': …, …}, …]}``.

    :param label: begins every error
    :raises CloudFileError: if it is wrong
    """
    if not isinstance(document, dict):
        raise CloudFileError(
            f'{label} is not a mapping; give a list of hosts.'
        )
    _check(label, '', document, {'hosts': _HOSTS}, required=('hosts',))
    hosts: list[CloudHost] = []
    names: set[str] = set()
    used = 0
    for position, entry in enumerate(document['hosts'], 1):
        where = f'{label}, host {position}'
        for host in _hosts_of(entry, where, MAX_HOSTS - len(hosts)):
            for name in host.provider_names:
                if name in names:
                    raise CloudFileError(
                        f'{where}: name {quoted(name)} stands twice (count '
                        'and nested pools make names too); give each host '
                        'its own.'
                    )
                names.add(name)
            hosts.append(host)
            used += sum(pool.used for pool in host.pools.values())
            if used > MAX_USED_SLOTS:
                raise CloudFileError(
                    f'{where}: pools: more than {MAX_USED_SLOTS} slots are '
                    'used in all; use fewer.'
                )
    return Cloud(label, tuple(hosts))


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


def _is_trait(value: Any) -> bool:
    return isinstance(value, str) and (
        value in _TRAITS or bool(CUSTOM_NAME.fullmatch(value))
    )


_TRAITS = frozenset(os_traits.get_traits())
_HOSTS = _Value(
    'a list of hosts, of at least one',
    lambda value: isinstance(value, list) and bool(value),
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
