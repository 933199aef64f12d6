"""Provider trees, observed in few calls of Placement."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace

import os_resource_classes as orc

from sev_scheduling.placement.answers import Inventory, ProviderSummary
from sev_scheduling.placement.diagnosis.matching import meets_traits
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES, Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    probe_classes,
    slot_alone,
)
from sev_scheduling.placement.diagnosis.trees.provider_trees import (
    ProviderTrees,
)
from sev_scheduling.placement.diagnosis.trees.surroundings import (
    RESERVE,
    Surroundings,
)
from sev_scheduling.placement.hosts import Summaries, host_roots, one_of
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.text import MAX_AMOUNT

#: Providers whose inventories are asked for, a call each.
MAX_INVENTORIES = 3

#: Classes of which hosts are asked for, a call each.
MAX_CLASSES = 3


class ObservedTrees(ProviderTrees):
    """The provider trees that may serve one query, as Placement shows them.

    Summaries hold capacity and usage; the limits of one allocation
    (``min_unit``, ``max_unit``, ``step_size``) and the surroundings are asked
    for beside them.

    :param around: what others have asked for the same query
    """

    def __init__(
        self,
        probe: Probe,
        query: PlacementRequest,
        around: Surroundings | None = None,
    ) -> None:
        super().__init__(query, around or Surroundings(query))
        self._probe = probe

    def observe_free(self) -> bool:
        """Ask for hosts with a free slot; return whether there are any."""
        return self._observe([slot_alone(self._query)])

    def observe_known(self, known: Summaries) -> None:
        """Look for hosts with a free slot among all trees."""
        (slot,) = slot_alone(self._query).groups

        @functools.cache
        def meets(traits: tuple[str, ...]) -> bool:
            return meets_traits(slot, set(traits))

        roots = {
            summary.root_provider_uuid
            for summary in known.values()
            if (usage := summary.resources.get(orc.MEM_ENCRYPTION_CONTEXT))
            and usage.left > 0
            and meets(summary.traits)
        }
        self.set_summaries(known, roots)
        self.hosts = self._count()

    def observe_any(self) -> None:
        """Ask for hosts that have enough of any of what is asked for.

        So what is not shown is short of each.
        """
        asked = self._asked()
        self._observe(
            [
                replace(_that_give(name, amount), in_tree=self._query.in_tree)
                for name, amount in asked.items()
            ]
        )
        if self._query.in_tree:
            self.hosts = 1
        if self.unseen is None and not (self._query.in_tree and self.roots):
            self.unseen = self.all_but(
                {name: Inventory(amount - 1) for name, amount in asked.items()}
            )

    def _asked(self) -> dict[str, int]:
        """Return class -> amount that hosts are asked for."""
        group = self._query.unsuffixed
        asked = group.resources if group else {}
        first = probe_classes(self._query)
        if not asked:
            return dict.fromkeys(first, 1)
        names = sorted(asked, key=lambda name: name not in first)
        return {name: asked[name] for name in names[:MAX_CLASSES]}

    def ask_unseen(self) -> bool:
        """Ask for hosts that have one left of any of what is asked for.

        :returns: False where it was not asked
        """
        asked = self._asked()
        if (
            self._query.models
            or self.unseen is None
            or self.hosts is None
            or self._probe.left < len(asked) + 1
        ):
            return False
        summaries = dict(self.summaries)
        self.unseen = None
        for name, amount in asked.items():
            answer = amount > 1 and self._probe.candidates(one_of(name))
            if answer:
                summaries.update(answer.provider_summaries)
        self.set_summaries(summaries)
        self.hosts = self._count()
        return True

    def _observe(self, queries: Iterable[PlacementRequest]) -> bool:
        summaries: dict[str, ProviderSummary] = {}
        for query in queries:
            answer = self._probe.candidates(query)
            if answer is None or (
                len(answer.allocation_requests) >= MAX_CANDIDATES
            ):
                self.unseen = self.all_but({})
            if answer is not None:
                summaries.update(answer.provider_summaries)
        self.set_summaries(summaries)
        if self.unseen is None:
            self.hosts = self._count()
        return bool(self.roots)

    def _count(self) -> int:
        return len(host_roots(self.summaries) & self.roots.keys())

    def set_full(self, summaries: Summaries, *, hidden: bool) -> None:
        """Replace the trees by these, of hosts whose slots are all used.

        :param hidden: whether there are others, of which Placement shows no
            one that has one of the probe classes left
        """
        self.set_summaries(summaries)
        if hidden:
            none = Inventory(MAX_AMOUNT, min_unit=2)
            self.unseen = self.all_but(
                dict.fromkeys(probe_classes(self._query), none)
            )

    def ask_around(self) -> None:
        """Ask which aggregates the trees are in, and who shares with them."""
        self.ask_members()
        self.ask_shared()

    def ask_members(self) -> None:
        """Ask who is in the aggregates in question, and who shares at all.

        Another thread may observe the trees meanwhile.
        """
        if not self.around.ask_members(self._probe):
            self.unseen = self.all_but({})

    def ask_shared(self) -> None:
        """Ask what a single sharing provider has left, and for which trees."""
        self.around.ask_shared(self._probe, self.summaries)

    def ask_inventories(self, roots: Iterable[str]) -> bool:
        """Ask for the inventories of hosts that should have served.

        Their ``max_unit`` and the like, which summaries lack, keep the guest
        off.

        :returns: False where there are too many of them, and none was asked
        """
        asked = {n for group in self._query.groups for n in group.resources}
        asked.discard(orc.MEM_ENCRYPTION_CONTEXT)
        wanted = [
            uuid
            for root in roots
            for uuid in self.tree(root)
            if uuid not in self.limits
            and (summary := self.summary(uuid)) is not None
            and asked & summary.resources.keys()
        ]
        few = min(MAX_INVENTORIES, self._probe.left - RESERVE)
        if not 0 < len(wanted) <= few:
            return False
        for uuid in wanted:
            self.limits[uuid] = self._probe.inventories(uuid)
        return True


def _that_give(name: str, amount: int) -> PlacementRequest:
    return PlacementRequest((RequestGroup(resources={name: amount}),))
