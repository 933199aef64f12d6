"""The provider trees that Placement showed, and what else it says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import os_traits

from sev_scheduling.placement.answers import Inventory, ProviderSummary
from sev_scheduling.placement.diagnosis.matching import Provider
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES, Probe
from sev_scheduling.placement.diagnosis.relaxation import aggregate_marks
from sev_scheduling.placement.hosts import host_roots
from sev_scheduling.prefilter import PlacementRequest

#: Sharing providers whose inventories are asked for, a call each.
MAX_INVENTORIES = 1

Summaries = Mapping[str, ProviderSummary]
#: Provider uuid -> provider, of one tree.
Tree = dict[str, Provider]


class ObservedTrees:
    """The provider trees that may serve one query.

    Clouds have thousands of hosts, and few kinds of them: a tree is built
    only where it is needed. Summaries hold capacity and usage; the limits of
    one allocation (``min_unit``, ``max_unit``, ``step_size``) are not known,
    and the aggregates are asked for beside them.

    :ivar roots: root uuid -> uuids of the tree's providers
    :ivar hosts: how many of the trees are hosts; None where there may be
        more
    :ivar complete: all trees that may serve are here
    :ivar shared: classes that trees may get from others; None where unknown
    """

    def __init__(self, probe: Probe, query: PlacementRequest) -> None:
        self._probe = probe
        self._query = query
        self._summaries: Summaries = {}
        self._aggregates: dict[str, frozenset[str]] = {}
        self.roots: dict[str, list[str]] = {}
        self.hosts: int | None = None
        self.complete = True
        self.shared: frozenset[str] | None = frozenset()

    def observe(self, queries: Iterable[PlacementRequest]) -> bool:
        """Ask for the trees that have candidates; return whether any has."""
        summaries: dict[str, ProviderSummary] = {}
        for query in queries:
            answer = self._probe.candidates(query)
            if answer is None:
                self.complete = False
                continue
            if len(answer.allocation_requests) >= MAX_CANDIDATES:
                self.complete = False
            summaries.update(answer.provider_summaries)
        self.add_summaries(summaries)
        if self.complete:
            self.hosts = len(host_roots(summaries))
        return bool(summaries)

    def add_summaries(self, summaries: Summaries) -> None:
        """Add these trees; ask for the aggregates, once."""
        first = not self._summaries
        self._summaries = {**self._summaries, **summaries}
        summaries = self._summaries
        self.roots = {}
        for uuid, summary in summaries.items():
            self.roots.setdefault(summary.root_provider_uuid, []).append(uuid)
        if not (summaries and first):
            return
        for mark, member_of in aggregate_marks(self._query).items():
            members = self._probe.providers(member_of=member_of)
            if members is None:
                self.complete = False
            for member in members or ():
                known = self._aggregates.get(member.uuid, frozenset())
                self._aggregates[member.uuid] = known | {mark}

    def ask_sharing(self) -> None:
        """Ask which classes sharing providers give to other trees."""
        shares = frozenset({os_traits.MISC_SHARES_VIA_AGGREGATE})
        found = self._probe.providers(required=[shares])
        if found is None or len(found) > MAX_INVENTORIES:
            self.shared = None
            return
        self.shared = frozenset(
            name
            for provider in found
            for name in self._probe.inventories(provider.uuid)
        )

    def summary(self, provider: str) -> ProviderSummary | None:
        return self._summaries.get(provider)

    def tree(self, root: str) -> Tree:
        """Return a tree for :func:`.match`.

        Its aggregates are the marks of :func:`.aggregate_marks`.
        """
        return {uuid: self._provider(uuid) for uuid in self.roots[root]}

    def _provider(self, uuid: str) -> Provider:
        summary = self._summaries[uuid]
        return Provider(
            uuid=uuid,
            root=summary.root_provider_uuid,
            parent=summary.parent_provider_uuid,
            inventories={
                name: Inventory(usage.capacity)
                for name, usage in summary.resources.items()
            },
            used={
                name: usage.used for name, usage in summary.resources.items()
            },
            traits=set(summary.traits),
            aggregates=set(self._aggregates.get(uuid, ())),
        )

    def most(self, root: str, name: str) -> int:
        """Return what one provider of a tree has left, limits apart."""
        found = 0
        for uuid in self.roots[root]:
            usage = self._summaries[uuid].resources.get(name)
            if usage:
                found = max(found, usage.left)
        return found

    def kinds(self) -> Iterator[tuple[str, object]]:
        """Yield root uuid, and a key that trees with equal answers share."""
        query = self._query
        needs: dict[str, list[int]] = {}
        traits = set(query.root_required | query.root_forbidden)
        for group in query.groups:
            for name, amount in group.resources.items():
                needs.setdefault(name, []).append(amount)
            traits.update(group.forbidden, *group.required)
        asked = [
            (name, sum(amounts), len(amounts) == 1)
            for name, amounts in needs.items()
        ]
        numbers: dict[object, int] = {}
        for root, tree in self.roots.items():
            kind = []
            for uuid in tree:
                summary = self._summaries[uuid]
                left: list[int | bool | None] = []
                for name, amount, once in asked:
                    usage = summary.resources.get(name)
                    if usage is None:
                        left.append(None)
                        continue
                    # Groups that share an amount may leave one of them out.
                    left.append(
                        usage.left >= amount
                        if once
                        else min(usage.left, amount)
                    )
                key = (
                    uuid == root,
                    frozenset(traits.intersection(summary.traits)),
                    self._aggregates.get(uuid),
                    *left,
                )
                kind.append(numbers.setdefault(key, len(numbers)))
            kind.sort()
            yield root, (query.in_tree in tree, *kind)
