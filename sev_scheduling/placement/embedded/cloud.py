"""The hosts and resource providers of a cloud file."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from sev_scheduling.arguments import Of
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.placement.answers import Inventory

_NAMESPACE = uuid.UUID('5f2b0a5e-6f0b-4b53-9d43-9d1f1c0f6b5a')


def made_up_uuid(facts: str) -> str:
    """Return a uuid that changes with the facts, and only with them."""
    return str(uuid.uuid5(_NAMESPACE, facts))


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
        return made_up_uuid(f'{self!r} {suffix}')


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
