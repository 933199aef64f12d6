"""The constraints that each host fails, by what Placement showed of it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import os_resource_classes as orc

from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.placement.diagnosis.matching import Match, match
from sev_scheduling.placement.diagnosis.observed_trees import (
    ObservedTrees,
    Tree,
)
from sev_scheduling.placement.diagnosis.relaxation import with_marks, without
from sev_scheduling.prefilter import PlacementRequest, takes_root

#: Ways in which one tree serves a query that are looked at.
MAX_MATCHES = 1000


@dataclass(frozen=True, slots=True)
class Unmet:
    """Constraints that some hosts fail, while they meet all others.

    :ivar roots: uuids of these hosts
    """

    constraints: frozenset[Constraint]
    roots: tuple[str, ...]


def unmet_constraints(
    query: PlacementRequest,
    trees: ObservedTrees,
    relaxable: Iterable[Constraint],
) -> list[Unmet]:
    """Return the least that must be relaxed for each host.

    A host may stand in several, where relaxing any of them would do.
    """
    by_kind: dict[object, list[frozenset[Constraint]]] = {}
    roots: dict[frozenset[Constraint], list[str]] = {}
    may_go = tuple(relaxable)
    for root, kind in trees.kinds():
        if kind not in by_kind:
            by_kind[kind] = _least(query, trees.tree(root), may_go)
        for unmet in by_kind[kind]:
            roots.setdefault(unmet, []).append(root)
    return [Unmet(unmet, tuple(found)) for unmet, found in roots.items()]


def _least(
    query: PlacementRequest, tree: Tree, relaxable: tuple[Constraint, ...]
) -> list[frozenset[Constraint]]:
    if _serves(query, tree, ()):
        return [frozenset()]
    single = [
        frozenset((constraint,))
        for constraint in relaxable
        if _serves(query, tree, (constraint,))
    ]
    if single or not _serves(query, tree, relaxable):
        return single
    relaxed = set(relaxable)
    for constraint in relaxable:
        if _serves(query, tree, relaxed - {constraint}):
            relaxed.remove(constraint)
    return [frozenset(relaxed)]


def _serves(
    query: PlacementRequest, tree: Tree, relaxed: Collection[Constraint]
) -> bool:
    return next(_matches(query, tree, relaxed), None) is not None


def _matches(
    query: PlacementRequest, tree: Tree, relaxed: Collection[Constraint]
) -> Iterator[Match]:
    """Yield how a tree serves a query, with some of it relaxed."""
    present = {name for p in tree.values() for name in p.inventories}
    # A provider whose amount is relaxed may be the one with a trait, so it
    # stays: 0 of it. So does an inventory of slots.
    less = without(query, relaxed, dict.fromkeys(present, 0))
    group = less.unsuffixed
    if group is None:
        if less.member_of or less.forbidden_aggregates:
            return iter(())
    elif not group.resources:
        return iter(())
    if not less.groups:
        root = next(p for p in tree.values() if p.uuid == p.root)
        takes = takes_root(less, root.traits) and less.in_tree in (None, *tree)
        return iter([Match({}, {})] * takes)
    slot = {orc.MEM_ENCRYPTION_CONTEXT: 0}
    groups = tuple(
        replace(g, resources=slot)
        if less.is_slot(g) and not g.resources
        else g
        for g in less.groups
    )
    marked = with_marks(replace(less, groups=groups))
    return itertools.islice(match(tree, marked), MAX_MATCHES)


def least_short(
    query: PlacementRequest, trees: ObservedTrees, unmet: Unmet
) -> tuple[str, dict[str, int]]:
    """Return the host that has most of the amounts it lacks, and how much.

    It is worked out only for hosts whose upper bound, which is cheap, is
    high enough.

    :returns: the host's root uuid, resource class -> amount
    """
    amounts = _amounts(unmet.constraints)
    bounds = sorted(
        (
            (_share({n: trees.most(root, n) for n in amounts}, amounts), root)
            for root in unmet.roots
        ),
        key=lambda item: item[0],
        reverse=True,
    )
    best = bounds[0][1]
    found = _left(query, trees.tree(best), unmet.constraints)
    for bound, root in bounds[1:]:
        if bound <= _share(found, amounts):
            break
        other = _left(query, trees.tree(root), unmet.constraints)
        if _share(other, amounts) > _share(found, amounts):
            best, found = root, other
    return best, found


def _left(
    query: PlacementRequest, tree: Tree, relaxed: Collection[Constraint]
) -> dict[str, int]:
    """Return how much a tree has left of the amounts that are relaxed.

    Of several ways to serve the rest, the one that leaves most.
    """
    amounts = _amounts(relaxed)
    best = dict.fromkeys(amounts, 0)
    for found in _matches(query, tree, relaxed):
        left = {
            name: max(
                (
                    tree[uuid].most(name) - found.amounts.get((uuid, name), 0)
                    for uuid in found.mappings.get('', ())
                ),
                default=0,
            )
            for name in amounts
        }
        best = max(best, left, key=lambda f: _share(f, amounts))
    return best


def _amounts(relaxed: Iterable[Constraint]) -> dict[str, int]:
    return {
        c.name: c.requested
        for c in relaxed
        if c.cause is Cause.RESOURCES_SHORT
    }


def _share(found: Mapping[str, int], amounts: Mapping[str, int]) -> float:
    """Return how near what is found comes to what is asked for."""
    return sum(found[name] / amount for name, amount in amounts.items())
