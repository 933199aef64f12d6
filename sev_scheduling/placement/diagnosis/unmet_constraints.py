"""What may be relaxed for hosts, by what Placement showed of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

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

#: Constraint -> uuids of the roots that meet it by itself.
Met = Mapping[Constraint, frozenset[str]]


class UnmetConstraints:
    """Which constraints must be relaxed at least, host by host.

    What summaries do not show counts as met: amounts that others may share,
    limits of one allocation. So this only rules sets out; Placement decides.

    :param every: all constraints of the query
    """

    def __init__(
        self,
        query: PlacementRequest,
        trees: ObservedTrees,
        every: Collection[Constraint],
        met: Met,
    ) -> None:
        self._query = query
        self._trees = trees
        self._every = frozenset(every)
        self._met = met
        kinds: dict[object, str] = {}
        for root, kind in trees.kinds():
            known = frozenset(c for c in met if root in met[c])
            kinds.setdefault((kind, known), root)
        self._hosts = [(root, self._needed(root)) for root in kinds.values()]

    def may_do(self, relaxed: frozenset[Constraint]) -> bool:
        """Whether there may be candidates with these relaxed."""
        return not self._trees.complete or any(
            needed <= relaxed and self._serves(root, relaxed)
            for root, needed in self._hosts
        )

    def _needed(self, root: str) -> frozenset[Constraint]:
        return frozenset(
            c for c in self._every if not self._serves(root, self._every - {c})
        )

    def _serves(self, root: str, relaxed: frozenset[Constraint]) -> bool:
        if any(
            root not in roots and constraint not in relaxed
            for constraint, roots in self._met.items()
        ):
            return False
        hidden = {c for c in self._every - relaxed if self._may_be_shared(c)}
        return _serves(self._query, self._trees.tree(root), relaxed | hidden)

    def _may_be_shared(self, constraint: Constraint) -> bool:
        shared = self._trees.shared
        if shared is None:
            return constraint.cause in _SHAREABLE
        if constraint.cause is Cause.RESOURCES_SHORT:
            return constraint.name in shared
        return bool(shared) and constraint.cause in _SHAREABLE


#: Required traits may be those of a sharing provider.
_SHAREABLE = frozenset(
    {Cause.RESOURCES_SHORT, Cause.GROUP, Cause.PORT, Cause.DEVICE, Cause.TRAIT}
)


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
