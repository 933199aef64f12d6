"""What Placement knows of providers, and is asked about them, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import os_traits

from sev_scheduling.placement.answers import Inventory as Inventory
from sev_scheduling.request.groups import RequestGroup

MAX_INT = 2**31 - 1


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


World = Mapping[str, Provider]


@dataclass(frozen=True, slots=True)
class Group(RequestGroup):
    """A request group with all that Placement knows of one.

    :ivar member_of: AND of ORs of aggregate uuids
    :ivar forbidden_aggregates: aggregates that must not hold the provider
    :ivar in_tree: uuid of a provider whose tree must answer, or None
    """

    member_of: tuple[frozenset[str], ...] = ()
    forbidden_aggregates: frozenset[str] = frozenset()
    in_tree: str | None = None

    def meets_traits(self, traits: set[str]) -> bool:
        return all(ors & traits for ors in self.required)


@dataclass(frozen=True, slots=True)
class Query:
    """A query for allocation candidates.

    :ivar root_required: traits that the root must have
    :ivar root_forbidden: traits that it must not have
    :ivar same_subtree: sets of suffixes whose providers hang together
    """

    groups: tuple[Group, ...]
    group_policy: str | None = None
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    same_subtree: tuple[frozenset[str], ...] = ()

    def takes_root(self, root: Provider) -> bool:
        return (
            self.root_required <= root.traits
            and not self.root_forbidden & root.traits
        )


#: (provider uuid, resource class) -> amount
Amounts = dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to serve a query.

    :ivar mappings: group suffix -> uuids of the providers that serve it
    """

    amounts: Amounts
    mappings: dict[str, frozenset[str]]
