"""Which resource providers have what, as Placement tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sev_scheduling.exceptions import PlacementAnswerError
from sev_scheduling.hosts.host import (
    MACHINE_TYPE_TRAIT_PREFIX,
    machine_types_from_traits,
)
from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.placement.api import UnknownName
from sev_scheduling.placement.client import PlacementClient

#: Different machine types that hosts may publish; more are not looked at.
MAX_MACHINE_TYPES = 20


@dataclass(frozen=True, slots=True)
class Providers:
    """Which providers have what, by their traits.

    :ivar offering: model name -> uuids of the providers with its trait
    :ivar pools: of these, those that are no root: they hold slots of the
        model and nothing else
    :ivar hosts: model name -> root uuids of the trees they are in
    :ivar pool_hosts: the same for ``pools``
    :ivar machine_types: root uuid -> architecture -> machine type; {} where
        a host publishes several
    :ivar published: traits that publish a machine type, of any host
    """

    offering: Mapping[str, frozenset[str]]
    pools: Mapping[str, frozenset[str]]
    hosts: Mapping[str, frozenset[str]]
    pool_hosts: Mapping[str, frozenset[str]]
    machine_types: Mapping[str, Mapping[str, str]]
    published: frozenset[str]

    def has(self, provider: str) -> bool:
        """Say whether a provider offers any model."""
        return any(provider in theirs for theirs in self.offering.values())

    def with_slots(self) -> frozenset[str]:
        """Return the root uuids of hosts that offer any model."""
        return frozenset().union(*self.hosts.values())

    def flat(self, model: EncryptionModel) -> frozenset[str]:
        """Return the roots with a model's trait, and none that excludes it.

        Such a trait may be a stale one.
        """
        return (self.offering[model.name] - self.pools[model.name]).difference(
            *(self.offering.get(name, ()) for name in model.excluded_by)
        )

    def hosts_with_pools(self, models: Iterable[str]) -> frozenset[str]:
        """Return the root uuids of hosts that have a pool of any of them.

        A model's trait on the root alone may be a stale one.
        """
        return frozenset().union(
            *(self.pool_hosts.get(model, ()) for model in models)
        )


def ask_providers(client: PlacementClient) -> Providers:
    """Ask Placement, in a number of calls that no cloud makes grow.

    :raises PlacementError: one of its children
    """
    offering = {}
    pools = {}
    hosts = {}
    pool_hosts = {}
    for model in registered_models().values():
        found = _with_trait(client, model.trait)
        nested = [(uuid, root) for uuid, root in found if uuid != root]
        offering[model.name] = frozenset(uuid for uuid, _ in found)
        pools[model.name] = frozenset(uuid for uuid, _ in nested)
        hosts[model.name] = frozenset(root for _, root in found)
        pool_hosts[model.name] = frozenset(root for _, root in nested)
    traits: dict[str, set[str]] = {}
    published = _machine_type_traits(client)
    for trait in published:
        for uuid, root in _with_trait(client, trait):
            if uuid == root:
                traits.setdefault(root, set()).add(trait)
    return Providers(
        offering,
        pools,
        hosts,
        pool_hosts,
        {
            root: machine_types_from_traits(theirs)
            for root, theirs in traits.items()
        },
        frozenset().union(*traits.values()),
    )


def _with_trait(
    client: PlacementClient, trait: str
) -> Iterable[tuple[str, str]]:
    """Return uuid and root uuid of the providers that have a trait."""
    try:
        answer = client.call('GET', f'/resource_providers?required={trait}')
    except UnknownName:
        # No host of an older nova has it.
        return []
    return _providers_of(answer)


def _providers_of(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return uuid and root uuid of the providers that an answer lists."""
    try:
        return [
            (str(provider['uuid']), str(provider['root_provider_uuid']))
            for provider in _listed(answer, 'resource_providers')
        ]
    except (KeyError, TypeError):
        raise strange_answer('resource_providers') from None


def roots_of(answer: Mapping[str, Any]) -> list[str]:
    """Return the uuids of the roots among the providers of an answer.

    :raises PlacementAnswerError: where it lists none
    """
    return [uuid for uuid, root in _providers_of(answer) if uuid == root]


def _machine_type_traits(client: PlacementClient) -> list[str]:
    answer = client.call(
        'GET',
        f'/traits?associated=true&name=startswith:{MACHINE_TYPE_TRAIT_PREFIX}',
    )
    traits = _listed(answer, 'traits')
    return sorted(map(str, traits))[:MAX_MACHINE_TYPES]


def _listed(answer: Mapping[str, Any], name: str) -> list[Any]:
    listed = answer.get(name)
    if not isinstance(listed, list):
        raise strange_answer(name)
    return listed


def strange_answer(name: str) -> PlacementAnswerError:
    """Return what to raise where an answer has not what it is to have."""
    return PlacementAnswerError(
        f'GET /{name}: the answer lists no {name.replace("_", " ")}; check '
        'the endpoint.'
    )
