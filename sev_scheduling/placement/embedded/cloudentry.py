"""One entry of a cloud file: one host, or many equal ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import os_traits

from sev_scheduling.exceptions import CloudFileError
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.placement.embedded.cloudhost import CloudHost
from sev_scheduling.text import MAX_AMOUNT, quoted

#: Bound on what a file of a few lines may ask for.
MAX_HOSTS = 10_000

# Placement takes names of up to 200 characters; a pool's adds its suffix.
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,127}')
_CUSTOM_TRAIT = re.compile(r'CUSTOM_[A-Z0-9_]{1,248}')
_ARCHITECTURE = re.compile(r'[a-z0-9_]{1,32}')
_MACHINE_TYPE = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')

_HOST_KEYS = (
    'count',
    'disk_gb',
    'layout',
    'machine_types',
    'memory_mb',
    'name',
    'pools',
    'ram_allocation_ratio',
    'traits',
    'vcpus',
)
_POOL_KEYS = ('reserved', 'total', 'used')


class Entry:
    """One entry of ``hosts``; every fault names the entry and the key."""

    def __init__(self, entry: Any, label: str) -> None:
        self.label = label
        if not isinstance(entry, dict):
            raise self.fault('', 'is no mapping; give name, vcpus, …')
        self.entry = entry
        name = entry.get('name')
        if isinstance(name, str) and _NAME.fullmatch(name):
            self.label = f'{label} ({name})'
        self._known('', entry, _HOST_KEYS)

    def fault(self, key: str, what: str) -> CloudFileError:
        where = f'{self.label}: {key}' if key else self.label
        return CloudFileError(f'{where} {what}')

    def hosts(self, most: int) -> Iterator[CloudHost]:
        name = self._text('name', _NAME, 'a host name')
        if name is None:
            raise self.fault('name', 'is missing; give a host name.')
        count = self._number('count', self.entry.get('count', 1), least=1)
        if count > most:
            raise self.fault(
                'count',
                f'{count} makes more than {MAX_HOSTS} hosts; use fewer.',
            )
        facts: dict[str, Any] = {
            'vcpus': self._amount('vcpus'),
            'memory_mb': self._amount('memory_mb'),
            'disk_gb': self._amount('disk_gb'),
            'ram_allocation_ratio': self._ratio(),
            'machine_types': self._machine_types(),
            'nested': self._nested(),
            'traits': self._traits(),
            'pools': self._pools(),
        }
        if 'count' not in self.entry:
            yield CloudHost(name=name, **facts)
            return
        for number in range(1, count + 1):
            yield CloudHost(name=f'{name}-{number}', **facts)

    def _known(
        self, prefix: str, mapping: Mapping[Any, Any], keys: tuple[str, ...]
    ) -> None:
        for key in mapping:
            if key not in keys:
                raise self.fault(
                    f'{prefix}{quoted(key)}',
                    f'is not known; use {", ".join(keys)}.',
                )

    def _text(
        self, key: str, pattern: re.Pattern[str], what: str
    ) -> str | None:
        value = self.entry.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.fault(f'{key} {quoted(value)}', f'is not {what}.')
        return value

    def _number(self, key: str, value: Any, least: int = 0) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not least <= value <= MAX_AMOUNT
        ):
            raise self.fault(
                f'{key} {quoted(value)}',
                f'is no whole number from {least} to {MAX_AMOUNT}.',
            )
        return value

    def _amount(self, key: str) -> int:
        if key not in self.entry:
            raise self.fault(key, 'is missing; give a whole number.')
        return self._number(key, self.entry[key], least=key != 'disk_gb')

    def _ratio(self) -> float:
        value = self.entry.get('ram_allocation_ratio', 1.0)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 < value <= 1000  # which nan is not, either
        ):
            raise self.fault(
                f'ram_allocation_ratio {quoted(value)}',
                'is no number above 0 and up to 1000.',
            )
        return float(value)

    def _mapping(self, key: str) -> dict[Any, Any]:
        value = self.entry.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fault(f'{key} {quoted(value)}', 'is no mapping.')
        return value

    def _machine_types(self) -> dict[str, str]:
        types = {}
        for architecture, value in self._mapping('machine_types').items():
            if not isinstance(architecture, str) or not (
                _ARCHITECTURE.fullmatch(architecture)
                and f'HW_ARCH_{architecture.upper()}' in os_traits.get_traits()
            ):
                raise self.fault(
                    f'machine_types {quoted(architecture)}',
                    'is no architecture; use such as x86_64.',
                )
            if not isinstance(value, str) or not _MACHINE_TYPE.fullmatch(
                value
            ):
                raise self.fault(
                    f'machine_types {architecture} {quoted(value)}',
                    'is no machine type; use such as q35.',
                )
            types[architecture] = value
        if len(types) > 1:
            raise self.fault(
                'machine_types',
                'has several architectures; give the host one.',
            )
        return types

    def _nested(self) -> bool:
        layout = self.entry.get('layout', 'nested')
        if layout not in ('nested', 'flat'):
            raise self.fault(
                f'layout {quoted(layout)}', 'is neither nested nor flat.'
            )
        return bool(layout == 'nested')

    def _traits(self) -> tuple[str, ...]:
        traits = self.entry.get('traits')
        if traits is None:
            return ()
        if not isinstance(traits, list):
            raise self.fault(f'traits {quoted(traits)}', 'is no list.')
        for trait in traits:
            if not isinstance(trait, str) or not (
                trait in os_traits.get_traits()
                or _CUSTOM_TRAIT.fullmatch(trait)
            ):
                raise self.fault(
                    f'traits {quoted(trait)}',
                    'is neither in os-traits nor a CUSTOM_ name.',
                )
        return tuple(sorted(set(traits)))

    def _pools(self) -> dict[str, SlotPool]:
        pools = {}
        for model, facts in self._mapping('pools').items():
            if model not in registered_models():
                raise self.fault(
                    f'pools {quoted(model)}',
                    'is no known model; use '
                    f'{", ".join(registered_models())}.',
                )
            if not isinstance(facts, dict):
                raise self.fault(
                    f'pools {model} {quoted(facts)}',
                    'is no mapping; give {total: 15}.',
                )
            if 'total' not in facts:
                raise self.fault(
                    f'pools {model} total', 'is missing; give {total: 15}.'
                )
            self._known(f'pools {model} ', facts, _POOL_KEYS)
            total, reserved, used = (
                self._number(f'pools {model} {key}', facts.get(key, 0))
                for key in ('total', 'reserved', 'used')
            )
            if reserved + used > total:
                raise self.fault(
                    f'pools {model}',
                    f'has used {used} and reserved {reserved}, above total '
                    f'{total}.',
                )
            pools[model] = SlotPool(total, reserved, used)
        if len(pools) > 1 and not self._nested():
            raise self.fault(
                'pools', 'has several models; layout flat holds one.'
            )
        return dict(sorted(pools.items()))
