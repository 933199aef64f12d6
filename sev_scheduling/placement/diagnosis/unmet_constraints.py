"""The constraints that hosts fail, by what Placement showed of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import replace

import os_resource_classes as orc
import os_traits

from sev_scheduling.diagnosis import Cause, Constraint, Unmet
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis.matching import (
    Match,
    Provider,
    match,
)
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    constraints,
    never_met,
    ways,
    with_marks,
)
from sev_scheduling.placement.diagnosis.trees.observed import ObservedTrees
from sev_scheduling.placement.diagnosis.trees.provider_trees import (
    Figures,
    ProviderTrees,
    Tree,
)
from sev_scheduling.placement.diagnosis.trees.surroundings import Surroundings
from sev_scheduling.placement.hosts import Summaries
from sev_scheduling.prefilter import PlacementRequest

#: Ways in which one tree serves a query that are looked at.
MAX_MATCHES = 1000

#: Sets of constraints that are looked at.
MAX_UNITS = 20_000

Unit = frozenset[Constraint]

#: A query that Placement can be asked, and how it is matched in memory.
_Way = tuple[PlacementRequest, PlacementRequest]


class TooMany(Exception):
    """There are too many sets of constraints to look at."""


class UnmetConstraints:
    """Which constraints must be relaxed at least, host by host.

    What Placement did not show counts as met, so this only rules sets out;
    Placement decides of the others.

    :param every: the constraints that may be relaxed
    :param always: those that must be
    """

    def __init__(
        self,
        query: PlacementRequest,
        trees: ProviderTrees,
        every: Collection[Constraint],
        always: Unit,
    ) -> None:
        self._query = query
        self._every = sorted(every)
        self._always = always
        self._ways: dict[Unit, tuple[list[_Way], Iterator[_Way]]] = {}
        self._kinds = [
            (roots, tree, self._needed(tree))
            for roots in trees.kinds()
            for tree in [trees.tree(roots[0])]
        ]
        if trees.unseen:
            unseen = trees.unseen
            self._kinds.append(([], unseen, self._needed(unseen)))

    def roots(self, way: PlacementRequest) -> list[str]:
        """Return the roots of trees that seem to serve a query."""
        matched = _as_matched(way)
        return [
            root
            for roots, tree, _ in self._kinds
            if roots and _serves(matched, tree)
            for root in roots
        ]

    def by_kind(self) -> Iterator[tuple[list[str], Unit]]:
        """Yield the roots of equal hosts with what must be relaxed for them.

        Not of those that nothing relaxed would help.
        """
        every = frozenset(self._every)
        for roots, tree, needed in self._kinds:
            if self._serves_but_for(tree, every):
                yield roots, needed

    def units(self, size: int) -> list[Unit]:
        """Return the sets of a size that may do, those of few kinds first.

        :raises TooMany: where there are too many to look at
        """
        found: set[Unit] = set()
        looked = 0
        for _, tree, needed in self._kinds:
            others = [c for c in self._every if c not in needed]
            if len(needed) > size:
                continue
            for more in itertools.combinations(others, size - len(needed)):
                looked += 1
                if looked > MAX_UNITS:
                    raise TooMany
                unit = needed.union(more)
                if unit not in found and self._may_serve(tree, unit):
                    found.add(unit)
        return sorted(found, key=lambda u: (len({c.cause for c in u}),
                                            sorted(u)))  # fmt: skip

    def ways(self, unit: Unit) -> list[PlacementRequest]:
        """Return the ways to ask without some constraints that may do."""
        return [
            way
            for way, matched in self._all_ways(unit)
            if any(
                needed <= unit and _serves(matched, tree)
                for _, tree, needed in self._kinds
            )
        ]

    def _all_ways(self, unit: Unit) -> Iterator[_Way]:
        """Yield them all, each made once, and only when it is looked at."""
        if unit not in self._ways:
            made = ((w, _as_matched(w)) for w in ways(self._query, unit))
            self._ways[unit] = [], made
        known, others = self._ways[unit]
        yield from known
        for way in others:
            known.append(way)
            yield way

    def _needed(self, tree: Tree) -> Unit:
        """Return what must be relaxed for a tree, whatever else is."""
        every = frozenset(self._every)
        return self._always.union(
            c for c in every if not self._serves_but_for(tree, every - {c})
        )

    def _serves_but_for(self, tree: Tree, relaxed: Unit) -> bool:
        # Less of an amount may be less than is given out, so it may stay.
        amounts = [c for c in relaxed if c.requested]
        return any(
            self._may_serve(tree, relaxed.difference(kept))
            for number in range(len(amounts) + 1)
            for kept in itertools.combinations(amounts, number)
        )

    def _may_serve(self, tree: Tree, unit: Unit) -> bool:
        return any(_serves(way, tree) for _, way in self._all_ways(unit))


#: What a host's verdict says, too.
_IN_SERVICE = Constraint(
    Cause.HOST_TRAIT, f'!{os_traits.COMPUTE_STATUS_DISABLED}'
)


def unmet_by_host(
    api: Api,
    query: PlacementRequest,
    summaries: Summaries,
    around: Surroundings,
    not_given: Collection[str] = (),
) -> dict[str, tuple[Unmet, ...]]:
    """Return root uuid -> what a host lacks beside a slot and a model.

    By what is shown of it: what is not known counts as met.

    :param summaries: of all trees of the hosts in question, and of providers
        that share with them
    :param around: of the same query
    :param not_given: roots of hosts that Placement does not give: of a few
        that lack nothing that is shown, what they give at once is asked for
    """
    groups = tuple(g for g in query.groups if not query.is_slot(g))
    if not groups:
        return {}
    beside = replace(query, groups=groups, models=(), slot_suffix='')
    trees = ObservedTrees(Probe(api), beside, around)
    trees.set_summaries(summaries)
    trees.ask_around()
    every = [c for c in constraints(beside) if c != _IN_SERVICE]
    root_forbidden = beside.root_forbidden - {
        os_traits.COMPUTE_STATUS_DISABLED
    }
    never = never_met(beside)
    beside = replace(beside, root_forbidden=root_forbidden)

    def needed() -> list[tuple[list[str], Unit]]:
        kinds = UnmetConstraints(beside, trees, every, never).by_kind()
        return [(roots, unit) for roots, unit in kinds if unit]

    found = needed()
    unclear = set(not_given).difference(*(roots for roots, _ in found))
    if unclear and trees.ask_inventories(unclear):
        found = needed()
    unmet: dict[str, tuple[Unmet, ...]] = {}
    for roots, unit in found:
        ordered = sorted(unit)
        columns = [_figures(c, roots, trees) for c in ordered]
        # Of hosts that are alike many have the same figures, too.
        made: dict[tuple[Figures, ...], tuple[Unmet, ...]] = {}
        for root, figures in zip(
            roots, zip(*columns, strict=True), strict=True
        ):
            if figures not in made:
                pairs = zip(ordered, figures, strict=True)
                made[figures] = tuple(Unmet(c, *its) for c, its in pairs)
            unmet[root] = made[figures]
    return unmet


def _figures(
    constraint: Constraint, roots: Collection[str], trees: ProviderTrees
) -> Iterator[Figures]:
    """Yield what each of some hosts has, where it is about an amount."""
    if constraint.requested:
        return trees.figures(roots, constraint.name)
    return itertools.repeat((None, None, ''), len(roots))


def _serves(query: PlacementRequest, tree: Tree) -> bool:
    """Whether a tree serves a query; not by what others share alone.

    :param query: what :func:`_as_matched` returned
    """
    own = {uuid for uuid, provider in tree.items() if not _shares(provider)}
    return any(
        not own.isdisjoint(uuid for uuid, _ in found.amounts)
        for found in _matches(query, tree)
    )


def _shares(provider: Provider) -> bool:
    """Whether a provider of a tree stands there for what it shares."""
    return provider.parent is None and provider.uuid != provider.root


def _as_matched(query: PlacementRequest) -> PlacementRequest:
    """Return a query as it is matched with trees in memory.

    Their aggregates are marks, and a relaxed slot is an inventory of slots,
    however full.
    """
    slot = {orc.MEM_ENCRYPTION_CONTEXT: 0}
    groups = tuple(
        replace(g, resources=slot)
        if query.is_slot(g) and not g.resources
        else g
        for g in query.groups
    )
    return replace(with_marks(query), groups=groups)


def _matches(query: PlacementRequest, tree: Tree) -> Iterator[Match]:
    if query.in_tree:
        tree = {u: p for u, p in tree.items() if not _shares(p)}
    elif len(query.groups) <= 1 + bool(query.models):
        # Of an aggregate that it is not in, it gives nothing to others.
        tree = {
            u: p
            for u, p in tree.items()
            if not _shares(p) or p.is_in(query.member_of)
        }
    return itertools.islice(match(tree, query), MAX_MATCHES)
