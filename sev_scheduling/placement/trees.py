"""What each host lacks for a query, by what Placement told of it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import os_resource_classes as orc

from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.groups import RequestGroup
from sev_scheduling.placement import search
from sev_scheduling.placement.relaxation import (
    WideRequest,
    forbidden_aggregates_constraint,
    member_of_constraints,
    without,
)
from sev_scheduling.placement.world import (
    Candidate,
    Group,
    Inventory,
    Provider,
    Query,
)

#: Ways in which one tree serves a query that are looked at.
MAX_WAYS = 1000

Tree = dict[str, Provider]


def trees_of(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, Tree]:
    """Return root uuid -> the tree's providers.

    Summaries tell capacity and usage; of the limits to one allocation
    (``min_unit``, ``max_unit``, ``step_size``) and of aggregates they tell
    nothing.
    """
    trees: dict[str, Tree] = {}
    for uuid, summary in summaries.items():
        root = summary['root_provider_uuid']
        trees.setdefault(root, {})[uuid] = Provider(
            uuid=uuid,
            root=root,
            parent=summary.get('parent_provider_uuid'),
            inventories={
                name: Inventory(total=amounts['capacity'])
                for name, amounts in summary['resources'].items()
            },
            used={
                name: amounts['used']
                for name, amounts in summary['resources'].items()
            },
            traits=set(summary['traits']),
        )
    return trees


@dataclass(frozen=True, slots=True)
class Lack:
    """What some hosts lack, and nothing else.

    :ivar roots: uuids of these hosts
    """

    constraints: frozenset[Constraint]
    roots: tuple[str, ...]


def lacks(
    query: WideRequest, trees: Mapping[str, Tree], asked: Iterable[Constraint]
) -> list[Lack]:
    """Return the least that must be given up for each host.

    A host may stand in several, where any of several things would do.

    :param asked: what may be given up
    """
    by_signature: dict[object, list[frozenset[Constraint]]] = {}
    roots: dict[frozenset[Constraint], list[str]] = {}
    kinds = tuple(asked)
    for root, tree in trees.items():
        key = _signature(query, tree)
        if key not in by_signature:
            by_signature[key] = _least(query, tree, kinds)
        for lack in by_signature[key]:
            roots.setdefault(lack, []).append(root)
    return [Lack(lack, tuple(found)) for lack, found in roots.items()]


def _least(
    query: WideRequest, tree: Tree, asked: tuple[Constraint, ...]
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
    query: WideRequest, tree: Tree, given_up: Collection[Constraint]
) -> bool:
    """Whether a tree serves a query, some of it given up."""
    return next(_served(query, tree, given_up), None) is not None


def left(
    query: WideRequest, tree: Tree, given_up: Collection[Constraint]
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
    query: WideRequest,
    trees: Iterable[Tree],
    given_up: Collection[Constraint],
) -> tuple[Tree, dict[str, int]]:
    """Return the tree that has most of the amounts given up, and how much.

    What a tree has left at most is seen at a glance; what it has left beside
    the rest of the query only those are asked that may be the best.
    """
    amounts = _amounts(given_up)

    def at_most(tree: Tree) -> float:
        return share(
            {
                name: max(p.most(name) for p in tree.values())
                for name in amounts
            },
            amounts,
        )

    bounds = sorted(
        ((at_most(tree), tree) for tree in trees),
        key=lambda item: item[0],
        reverse=True,
    )
    best = bounds[0][1]
    found = left(query, best, given_up)
    for bound, tree in bounds[1:]:
        if bound <= share(found, amounts):
            break
        other = left(query, tree, given_up)
        if share(other, amounts) > share(found, amounts):
            best, found = tree, other
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
    query: WideRequest, tree: Tree, given_up: Collection[Constraint]
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


def _group(query: WideRequest, group: RequestGroup) -> Group:
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


def _signature(query: WideRequest, tree: Tree) -> object:
    """Return what makes a tree lack the same as another.

    Clouds have thousands of hosts, and few kinds of them.
    """
    needs: dict[str, list[int]] = {}
    traits = set(query.root_required | query.root_forbidden)
    for group in query.groups:
        for name, amount in group.resources.items():
            needs.setdefault(name, []).append(amount)
        traits.update(group.forbidden, *group.required)
    return (
        query.in_tree in tree,
        frozenset(
            _counted(
                (
                    provider.uuid == provider.root,
                    frozenset(provider.traits & traits),
                    frozenset(provider.aggregates),
                    tuple(
                        _enough(provider, name, amounts)
                        for name, amounts in needs.items()
                    ),
                )
                for provider in tree.values()
            ).items()
        ),
    )


def _enough(
    provider: Provider, name: str, amounts: list[int]
) -> int | bool | None:
    if name not in provider.inventories:
        return None
    if len(amounts) == 1:
        return provider.takes(name, amounts[0])
    return min(provider.left(name), sum(amounts))


def _counted(items: Iterable[object]) -> dict[object, int]:
    counts: dict[object, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts
