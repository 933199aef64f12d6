"""Which resource providers have what, as Placement reports it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from sev_scheduling.hosts.host import (
    MACHINE_TYPE_TRAIT_PREFIX,
    machine_types_from_traits,
)
from sev_scheduling.models import (
    EncryptionModel,
    excluding_models,
    registered_models,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.wire.faults import UnknownName
from sev_scheduling.prefilter import MICROVERSION

#: Different machine types that hosts may publish; more are not looked at.
#: A query that forbids them all has about 2000 bytes more.
MAX_MACHINE_TYPES = 40


@dataclass(frozen=True, slots=True)
class Providers:
    """Which providers have what, by their traits.

    :ivar offering: model name -> uuids of the providers with its trait
    :ivar pools: of these, those that are no root: they hold slots of the
        model and nothing else
    :ivar hosts: model name -> root uuids of the trees of ``offering``
    :ivar pool_hosts: model name -> root uuids of the trees of ``pools``
    :ivar machine_types: root uuid -> architecture -> machine type; {} where
        a host publishes several, and some of them will do
    :ivar published: trait of a machine type -> root uuids of the hosts that
        publish it
    """

    offering: Mapping[str, frozenset[str]]
    pools: Mapping[str, frozenset[str]]
    hosts: Mapping[str, frozenset[str]]
    pool_hosts: Mapping[str, frozenset[str]]
    machine_types: Mapping[str, Mapping[str, str]]
    published: Mapping[str, frozenset[str]]

    def has(self, provider: str) -> bool:
        """Say whether a provider offers any model."""
        return any(provider in theirs for theirs in self.offering.values())

    def with_slots(self) -> frozenset[str]:
        """Return the root uuids of hosts that offer any model."""
        return frozenset().union(*self.hosts.values())

    def excluding(self, model: EncryptionModel) -> tuple[str, ...]:
        """Return models of any host that must not share it with a model."""
        return excluding_models(model, self.offering)

    def unfit_machine_types(
        self, model: EncryptionModel, architecture: str
    ) -> frozenset[str]:
        """Return the traits of machine types that a model cannot use.

        Those of which each host is known not to do: one that publishes
        another machine type as well may default to that.
        """
        unfit = {
            root
            for root, types in self.machine_types.items()
            if architecture in types
            and model.machine_type not in types[architecture]
        }
        return frozenset(
            trait for trait, roots in self.published.items() if roots <= unfit
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

    What does not depend on another answer is asked at one time: the first
    request of a scheduler waits for it.

    :raises PlacementError: one of its children
    """
    models = registered_models().values()
    # Asked once, before several need it.
    api.supports(MICROVERSION)
    *with_traits, traits = api.together(
        [
            *(
                functools.partial(_with_trait, api, one.trait)
                for one in models
            ),
            lambda: api.associated_traits(MACHINE_TYPE_TRAIT_PREFIX),
        ]
    )
    found = dict(
        zip((model.name for model in models), with_traits, strict=True)
    )
    nested = {
        name: [(uuid, root) for uuid, root in pairs if uuid != root]
        for name, pairs in found.items()
    }
    traits = traits[:MAX_MACHINE_TYPES]
    publishing = api.each(functools.partial(_with_trait, api), traits)
    published = {
        # Of a pool, such a trait says nothing about the host.
        trait: frozenset(uuid for uuid, root in pairs if uuid == root)
        for trait, pairs in zip(traits, publishing, strict=True)
    }
    by_root: dict[str, list[str]] = {}
    for trait, roots in published.items():
        for root in roots:
            by_root.setdefault(root, []).append(trait)
    return Providers(
        offering=_column(found, 0),
        pools=_column(nested, 0),
        hosts=_column(found, 1),
        pool_hosts=_column(nested, 1),
        machine_types={
            root: machine_types_from_traits(theirs)
            for root, theirs in by_root.items()
        },
        published={
            trait: roots for trait, roots in published.items() if roots
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
