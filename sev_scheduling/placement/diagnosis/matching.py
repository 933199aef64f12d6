"""Placement's matching of a query with provider trees, in memory.

It serves two ends: the in-memory Placement of ``sev_scheduling.testing``,
and the diagnosis, which computes what Placement would have answered on the
trees that it observed. The contract tests hold it against the real one.

Source of the rules: the Placement API reference and placement 11 to 16.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import os_traits

from sev_scheduling.placement.answers import Inventory
from sev_scheduling.prefilter import PlacementRequest, takes_root
from sev_scheduling.request.groups import RequestGroup

_T = TypeVar('_T')

#: Combinations of a tree's providers that are tried; only trees with very
#: many equal providers have more.
MAX_COMBINATIONS = 20_000


@dataclass(slots=True)
class Provider:
    """A resource provider.

    :ivar root: uuid of the tree's root; its own, where it is the root
    :ivar used: resource class -> amount that consumers hold
    """

    uuid: str
    root: str
    parent: str | None = None
    name: str = ''
    generation: int = 0
    inventories: dict[str, Inventory] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    traits: set[str] = field(default_factory=set)
    aggregates: set[str] = field(default_factory=set)

    def left(self, resource_class: str) -> int:
        """Amount that is free now; 0 where there is no inventory."""
        inventory = self.inventories.get(resource_class)
        if inventory is None:
            return 0
        return max(0, inventory.capacity - self.used.get(resource_class, 0))

    def most(self, resource_class: str) -> int:
        """Amount that one consumer can have now."""
        inventory = self.inventories.get(resource_class)
        if inventory is None:
            return 0
        return min(self.left(resource_class), inventory.max_unit)

    def takes(self, resource_class: str, amount: int) -> bool:
        """Whether the amount can be had; 0 asks for the inventory alone."""
        inventory = self.inventories.get(resource_class)
        if inventory is None:
            return False
        if not amount:
            return True
        return inventory.gives(amount) and amount <= self.left(resource_class)

    @property
    def shares(self) -> bool:
        return os_traits.MISC_SHARES_VIA_AGGREGATE in self.traits

    def is_in(self, member_of: Iterable[frozenset[str]]) -> bool:
        """Whether it is in aggregates, an AND of ORs of uuids."""
        return all(ors & self.aggregates for ors in member_of)


#: Provider uuid -> provider
Providers = Mapping[str, Provider]


@dataclass(frozen=True, slots=True)
class Match:
    """One way to serve a query.

    :ivar amounts: (provider uuid, resource class) -> amount
    :ivar mappings: group suffix -> uuids of the providers that serve it
    """

    amounts: dict[tuple[str, str], int]
    mappings: dict[str, frozenset[str]]


#: Uuid of a tree's root -> ways in which the tree serves one group.
Options = Mapping[str, list[Match]]


def match(providers: Providers, query: PlacementRequest) -> Iterator[Match]:
    """Yield every way to serve a query, none of them twice.

    An amount of 0 asks for an inventory of the class, however full.
    """
    options: list[Options] = []
    for group in query.groups:
        options.append(match_group(providers, query, group))
        if not options[-1]:
            return
    yield from combine(providers, query, options)


def match_group(
    providers: Providers, query: PlacementRequest, group: RequestGroup
) -> Options:
    """Return how each tree serves one group by itself."""
    if group.suffix:
        return _match_provider(providers, query, group)
    return _match_tree(providers, query, group)


def meets_traits(group: RequestGroup, traits: set[str]) -> bool:
    """Whether a provider with these traits may serve a group."""
    return not group.forbidden & traits and all(
        ors & traits for ors in group.required
    )


def _anchors(providers: Providers, sharing: Provider) -> set[str]:
    """Return the roots that a sharing provider serves."""
    return {
        other.root
        for other in providers.values()
        if other.aggregates & sharing.aggregates
    }


def _tree_of(providers: Providers, query: PlacementRequest) -> str | None:
    provider = providers.get(query.in_tree or '')
    return provider.root if provider else None


def _match_provider(
    providers: Providers, query: PlacementRequest, group: RequestGroup
) -> Options:
    """Serve a granular group: one provider meets all of it."""
    if not (group.resources or group.required):
        # Placement takes "no filter" for "no provider" (16.0).
        return {}
    tree = _tree_of(providers, query)
    options: dict[str, list[Match]] = defaultdict(list)
    for provider in providers.values():
        if (
            (query.in_tree and group.resources and provider.root != tree)
            or not all(
                provider.takes(name, amount)
                for name, amount in group.resources.items()
            )
            or not meets_traits(group, provider.traits)
        ):
            continue
        amounts = {(provider.uuid, c): n for c, n in group.resources.items()}
        option = Match(amounts, {group.suffix: frozenset({provider.uuid})})
        roots = {provider.root}
        if provider.shares:
            roots |= _anchors(providers, provider)
        for root in roots:
            if takes_root(query, providers[root].traits):
                options[root].append(option)
    return options


def _match_tree(
    providers: Providers, query: PlacementRequest, group: RequestGroup
) -> Options:
    """Serve the unsuffixed group: a tree's providers meet it together."""
    by_class = [
        _holders(providers, query, name, amount)
        for name, amount in group.resources.items()
    ]
    options: dict[str, list[Match]] = {}
    for root in set.intersection(*(set(holders) for holders in by_class)):
        found = []
        for chosen in _product(holders[root] for holders in by_class):
            if meets_traits(
                group, set().union(*(provider.traits for provider in chosen))
            ):
                uuids = [provider.uuid for provider in chosen]
                keys = zip(uuids, group.resources, strict=True)
                amounts = zip(keys, group.resources.values(), strict=True)
                found.append(Match(dict(amounts), {'': frozenset(uuids)}))
        if found:
            options[root] = found
    return options


def _holders(
    providers: Providers, query: PlacementRequest, name: str, amount: int
) -> dict[str, list[Provider]]:
    """Return root uuid -> providers that could give an amount to its tree."""
    tree = _tree_of(providers, query)
    holders: dict[str, list[Provider]] = defaultdict(list)
    for provider in providers.values():
        if not provider.takes(name, amount):
            continue
        roots = {provider.root}
        if query.in_tree:
            # A tree that is named has no help from sharing providers.
            roots &= {tree}
        elif provider.shares and provider.is_in(query.member_of):
            roots |= _anchors(providers, provider)
        for uuid in roots:
            root = providers[uuid]
            # An aggregate of the root holds the whole tree.
            if (
                takes_root(query, root.traits)
                and (
                    provider.is_in(query.member_of)
                    or root.is_in(query.member_of)
                )
                and not query.forbidden_aggregates & provider.aggregates
                and not query.forbidden_aggregates & root.aggregates
            ):
                holders[uuid].append(provider)
    return holders


def _product(parts: Iterable[list[_T]]) -> Iterator[tuple[_T, ...]]:
    return itertools.islice(itertools.product(*parts), MAX_COMBINATIONS)


def combine(
    providers: Providers, query: PlacementRequest, options: Iterable[Options]
) -> Iterator[Match]:
    """Combine the groups, tree by tree.

    :param options: what :func:`match_group` returned for each group
    """
    by_group = list(options)
    seen = set()
    for root in sorted(set.intersection(*(set(o) for o in by_group))):
        for parts in _product(o[root] for o in by_group):
            found = _combined(parts)
            if not (_isolated(query, found) and _fits(providers, found)):
                continue
            key = (
                frozenset(found.amounts.items()),
                frozenset(found.mappings.items()),
            )
            if key not in seen:
                seen.add(key)
                yield found


def _combined(parts: Iterable[Match]) -> Match:
    amounts: dict[tuple[str, str], int] = defaultdict(int)
    mappings: dict[str, frozenset[str]] = {}
    for part in parts:
        mappings |= part.mappings
        for key, amount in part.amounts.items():
            amounts[key] += amount
    return Match(dict(amounts), mappings)


def _isolated(query: PlacementRequest, found: Match) -> bool:
    if query.group_policy != 'isolate':
        return True
    granular = [uuids for s, uuids in found.mappings.items() if s]
    return len(frozenset[str]().union(*granular)) == len(granular)


def _fits(providers: Providers, found: Match) -> bool:
    """Groups that share a provider's inventory fit in together.

    ``min_unit`` and ``step_size`` have been checked group by group, and
    Placement does not check them again.
    """
    return all(
        amount <= providers[uuid].most(name)
        for (uuid, name), amount in found.amounts.items()
        if amount
    )
