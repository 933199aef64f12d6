"""What the keys of a cloud file may have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import os_traits
from oslo_utils.uuidutils import is_uuid_like

from sev_scheduling.exceptions import CloudFileError
from sev_scheduling.request.groups import is_trait
from sev_scheduling.text import MAX_AMOUNT, quoted


class Allowed(NamedTuple):
    """What a key may have; ``what`` completes "is not …"."""

    what: str
    allows: Callable[[Any], bool]


def whole_number(least: int) -> Allowed:
    return Allowed(
        f'a whole number from {least} to {MAX_AMOUNT}',
        # A boolean is an int, too.
        lambda value: type(value) is int and least <= value <= MAX_AMOUNT,
    )


def _text(pattern: str, what: str) -> Allowed:
    matches = re.compile(pattern).fullmatch
    return Allowed(
        what, lambda value: isinstance(value, str) and bool(matches(value))
    )


def _is_ratio(value: Any) -> bool:
    # nan is not above 0.
    return type(value) in (int, float) and 0 < value <= 1000


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and is_uuid_like(value)


def _is_trait(value: Any) -> bool:
    return isinstance(value, str) and is_trait(value)


_HOSTS = Allowed(
    'a list of hosts, of at least one',
    lambda value: isinstance(value, list) and bool(value),
)

_PROVIDERS = Allowed(
    'a list of resource providers', lambda value: isinstance(value, list)
)

CLOUD_KEYS = {'hosts': _HOSTS, 'providers': _PROVIDERS}

_MAPPING = Allowed('a mapping', lambda value: isinstance(value, dict | None))

_ARCHITECTURES = sorted(
    trait.removeprefix('HW_ARCH_').lower()
    for trait in os_traits.get_traits('HW_ARCH_')
)

MACHINE_TYPES = dict.fromkeys(
    ['x86_64', *_ARCHITECTURES],
    _text('[A-Za-z0-9][A-Za-z0-9._-]{0,63}', 'a machine type such as q35'),
)

TRAIT = Allowed('a trait of os-traits or a CUSTOM_ name', _is_trait)

AMOUNTS = Allowed(
    'a mapping such as {total: 15}', lambda value: isinstance(value, dict)
)

HOST_KEYS = {
    # Placement takes names of up to 200 characters; a pool's adds its suffix.
    'name': _text('[A-Za-z0-9][A-Za-z0-9._-]{0,127}', 'a host name'),
    'count': whole_number(1),
    'vcpus': whole_number(1),
    'memory_mb': whole_number(1),
    'disk_gb': whole_number(0),
    'ram_allocation_ratio': Allowed(
        'a number above 0 and up to 1000', _is_ratio
    ),
    'layout': Allowed(
        'nested or flat', lambda value: value in ('nested', 'flat')
    ),
    'machine_types': _MAPPING,
    'traits': Allowed('a list', lambda value: isinstance(value, list | None)),
    'pools': _MAPPING,
}

# Names as Placement takes them: a newer one may know more traits and classes.
NAME = _text('[A-Z0-9_]{1,255}', 'an upper-case name')

UUID = Allowed('a uuid', _is_uuid)

INVENTORY_KEYS = {
    **dict.fromkeys(('total', 'min_unit', 'max_unit', 'step_size'),
                    whole_number(1)),
    'reserved': whole_number(0),
    'allocation_ratio': Allowed(
        'a number above 0 and up to 1e9',
        lambda value: type(value) in (int, float) and 0 < value <= 1e9,
    ),
}  # fmt: skip

PROVIDER_KEYS = {
    'name': Allowed(
        'a text of 1 to 200 characters',
        lambda value: isinstance(value, str) and 0 < len(value) <= 200,
    ),
    'uuid': UUID,
    'parent': Allowed(
        'the name of a provider', lambda value: isinstance(value, str | None)
    ),
    'inventories': _MAPPING,
    'used': _MAPPING,
    'traits': HOST_KEYS['traits'],
    'aggregates': HOST_KEYS['traits'],
}

POOL_KEYS = dict.fromkeys(('total', 'reserved', 'used'), whole_number(0))


def check(
    where: str,
    prefix: str,
    mapping: Mapping[Any, Any],
    known: Mapping[str, Allowed],
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
        check_value(f'{where}: {prefix}{key}', value, known[key])
    for key in required:
        if key not in mapping:
            raise CloudFileError(
                f'{where}: {prefix}{key} is missing; give {known[key].what}.'
            )


def check_value(where: str, value: Any, allowed: Allowed) -> None:
    if not allowed.allows(value):
        raise CloudFileError(f'{where} {quoted(value)} is not {allowed.what}.')
