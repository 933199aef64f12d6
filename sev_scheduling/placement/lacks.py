"""What each host lacks for a query, by what Placement told of it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import os_resource_classes as orc

from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.placement import search
from sev_scheduling.placement.relaxation import (
    forbidden_aggregates_constraint,
    member_of_constraints,
    without,
)
from sev_scheduling.placement.trees import Tree, Trees
from sev_scheduling.placement.world import (
    Candidate,
    Group,
    Query,
)
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup

#: Ways in which one tree serves a query that are looked at.
MAX_WAYS = 1000


@dataclass(frozen=True, slots=True)
class Lack:
    """What some hosts lack, and nothing else.

    :ivar roots: uuids of these hosts
    """

    constraints: frozenset[Constraint]
    roots: tuple[str, ...]


def lacks(
    query: PlacementRequest, trees: Trees, asked: Iterable[Constraint]
) -> list[Lack]:
    """Return the least that must be given up for each host.

    A host may stand in several, where any of several things would do.

    :param asked: what may be given up
    """
    by_kind: dict[object, list[frozenset[Constraint]]] = {}
    roots: dict[frozenset[Constraint], list[str]] = {}
    may_go = tuple(asked)
    for root, kind in trees.kinds(query):
        if kind not in by_kind:
            by_kind[kind] = _least(query, trees.tree(root), may_go)
        for lack in by_kind[kind]:
            roots.setdefault(lack, []).append(root)
    return [Lack(lack, tuple(found)) for lack, found in roots.items()]


def _least(
    query: PlacementRequest, tree: Tree, asked: tuple[Constraint, ...]
) -> list[frozenset[Constraint]]:
    if serves(query, tree, ()):
        return [frozenset()]
    single = [
        frozenset((constraint,))
        for constraint in asked
        if serves(query, tree, (constraint,))
    ]
    if single or not serves(query, tree, asked):
        return single
    given_up = set(asked)
    for constraint in asked:
        if serves(query, tree, given_up - {constraint}):
            given_up.remove(constraint)
    return [frozenset(given_up)]


def serves(
    query: PlacementRequest, tree: Tree, given_up: Collection[Constraint]
) -> bool:
    """Whether a tree serves a query, some of it given up."""
    return next(_served(query, tree, given_up), None) is not None


def left(
    query: PlacementRequest, tree: Tree, given_up: Collection[Constraint]
) -> dict[str, int]:
    """Return how much a tree has left of the amounts that are given up.

    Of several ways to serve the rest, the one that leaves most.
    """
    amounts = _amounts(given_up)
    best = dict.fromkeys(amounts, 0)
    for candidate in _served(query, tree, given_up):
        found = {
            name: max(
                (
                    tree[uuid].most(name)
                    - candidate.amounts.get((uuid, name), 0)
                    for uuid in candidate.mappings.get('', ())
                ),
                default=0,
            )
            for name in amounts
        }
        best = max(best, found, key=lambda f: share(f, amounts))
    return best


def least_short(
    query: PlacementRequest, trees: Trees, lack: Lack
) -> tuple[str, dict[str, int]]:
    """Return the host that has most of the amounts it lacks, and how much.

    What a tree has left at most is seen at a glance; what it has left beside
    the rest of the query only those are asked that may be the best.

    :returns: the host's root uuid, resource class -> amount
    """
    amounts = _amounts(lack.constraints)
    bounds = sorted(
        (
            (share({n: trees.most(root, n) for n in amounts}, amounts), root)
            for root in lack.roots
        ),
        key=lambda item: item[0],
        reverse=True,
    )
    best = bounds[0][1]
    found = left(query, trees.tree(best), lack.constraints)
    for bound, root in bounds[1:]:
        if bound <= share(found, amounts):
            break
        other = left(query, trees.tree(root), lack.constraints)
        if share(other, amounts) > share(found, amounts):
            best, found = root, other
    return best, found


def _amounts(given_up: Iterable[Constraint]) -> dict[str, int]:
    return {
        c.name: c.requested
        for c in given_up
        if c.cause is Cause.RESOURCES_SHORT
    }


def share(found: Mapping[str, int], amounts: Mapping[str, int]) -> float:
    """Return how near what is found comes to what is asked for."""
    return sum(found[name] / amount for name, amount in amounts.items())


def _served(
    query: PlacementRequest, tree: Tree, given_up: Collection[Constraint]
) -> Iterator[Candidate]:
    present = {name for p in tree.values() for name in p.inventories}
    # A provider whose amount is given up may be the one with a trait, so it
    # stays: 0 of it.
    less = without(query, given_up, dict.fromkeys(present, 0))
    if less.in_tree and less.in_tree not in tree:
        return iter(())
    group = less.unsuffixed
    if group is None and (less.member_of or less.forbidden_aggregates):
        return iter(())
    if group is not None and not group.resources:
        return iter(())
    asked = Query(
        tuple(_group(less, group) for group in less.groups),
        less.group_policy,
        less.root_required,
        less.root_forbidden,
    )
    if not less.groups:
        root = next(p for p in tree.values() if p.uuid == p.root)
        return iter([Candidate({}, {})] * asked.takes_root(root))
    return itertools.islice(search.candidates(tree, asked), MAX_WAYS)


def _group(query: PlacementRequest, group: RequestGroup) -> Group:
    if group.suffix:
        resources = group.resources
        if query.is_slot(group):
            # At least its inventory, where the slot itself is given up.
            resources = resources or {orc.MEM_ENCRYPTION_CONTEXT: 0}
        return Group(group.suffix, resources, group.required, group.forbidden)
    return Group(
        '',
        group.resources,
        group.required,
        group.forbidden,
        member_of=tuple(
            frozenset((constraint.name,))
            for constraint in member_of_constraints(query)
        ),
        forbidden_aggregates=frozenset(
            [forbidden_aggregates_constraint(query).name]
            if query.forbidden_aggregates
            else ()
        ),
    )
