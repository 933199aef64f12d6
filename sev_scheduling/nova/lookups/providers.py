"""Which resource providers have what, as Placement reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sev_scheduling.hosts.host import (
    MACHINE_TYPE_TRAIT_PREFIX,
    machine_type_trait,
    machine_types_from_traits,
)
from sev_scheduling.models import (
    EncryptionModel,
    excluding_models,
    registered_models,
)
from sev_scheduling.placement.api import Api, UnknownName

#: Different machine types that hosts may publish; more are not looked at.
MAX_MACHINE_TYPES = 20


@dataclass(frozen=True, slots=True)
class Providers:
    """Which providers have what, by their traits.

    :ivar offering: model name -> uuids of the providers with its trait
    :ivar pools: of these, those that are no root: they hold slots of the
        model and nothing else
    :ivar hosts: model name -> root uuids of the trees of ``offering``
    :ivar pool_hosts: model name -> root uuids of the trees of ``pools``
    :ivar machine_types: root uuid -> architecture -> machine type; {} where
        a host publishes several
    :ivar published: model name -> the trait that publishes its machine type,
        where any host has it
    """

    offering: Mapping[str, frozenset[str]]
    pools: Mapping[str, frozenset[str]]
    hosts: Mapping[str, frozenset[str]]
    pool_hosts: Mapping[str, frozenset[str]]
    machine_types: Mapping[str, Mapping[str, str]]
    published: Mapping[str, str]

    def has(self, provider: str) -> bool:
        """Say whether a provider offers any model."""
        return any(provider in theirs for theirs in self.offering.values())

    def with_slots(self) -> frozenset[str]:
        """Return the root uuids of hosts that offer any model."""
        return frozenset().union(*self.hosts.values())

    def excluding(self, model: EncryptionModel) -> tuple[str, ...]:
        """Return models of any host that must not share it with a model."""
        return excluding_models(model, self.offering)

    def flat(self, model: EncryptionModel) -> frozenset[str]:
        """Return the roots with a model's trait, and none that excludes it.

        Such a trait may be a stale one.
        """
        return (self.offering[model.name] - self.pools[model.name]).difference(
            *(self.offering[name] for name in self.excluding(model))
        )

    def has_pool(
        self, root: str, model: str, slot_provider: str | None
    ) -> bool:
        """Say whether a host has slots of a model.

        The model's trait on the root alone may be a stale one, unless the
        root gives the slot that is asked for.
        """
        return (
            root in self.pool_hosts[model]
            or slot_provider in self.offering[model]
        )


def ask_providers(api: Api) -> Providers:
    """Ask Placement, in a number of calls that no cloud makes grow.

    :raises PlacementError: one of its children
    """
    found = {
        model.name: _with_trait(api, model.trait)
        for model in registered_models().values()
    }
    nested = {
        name: [(uuid, root) for uuid, root in pairs if uuid != root]
        for name, pairs in found.items()
    }
    published: dict[str, set[str]] = {}
    traits = api.associated_traits(MACHINE_TYPE_TRAIT_PREFIX)
    for trait in traits[:MAX_MACHINE_TYPES]:
        for uuid, root in _with_trait(api, trait):
            # Of a pool, such a trait says nothing about the host.
            if uuid == root:
                published.setdefault(root, set()).add(trait)
    seen = frozenset().union(*published.values())
    return Providers(
        offering=_column(found, 0),
        pools=_column(nested, 0),
        hosts=_column(found, 1),
        pool_hosts=_column(nested, 1),
        machine_types={
            root: machine_types_from_traits(theirs)
            for root, theirs in published.items()
        },
        published={
            name: trait
            for name, model in registered_models().items()
            for trait in (machine_type_trait(model.machine_type),)
            if trait in seen
        },
    )


def _with_trait(api: Api, trait: str) -> list[tuple[str, str]]:
    """Return uuid and root uuid of the providers that have a trait."""
    try:
        found = api.resource_providers(required=(frozenset({trait}),))
    except UnknownName:
        # No host of an older nova has it.
        return []
    return [(one.uuid, one.root_provider_uuid) for one in found]


def _column(
    found: Mapping[str, list[tuple[str, str]]], position: int
) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(pair[position] for pair in pairs)
        for name, pairs in found.items()
    }
