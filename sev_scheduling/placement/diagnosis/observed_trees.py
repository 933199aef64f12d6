"""The provider trees that Placement showed, and what else it says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import os_traits
from msgspec.structs import replace

from sev_scheduling.placement.answers import Inventory, ProviderSummary
from sev_scheduling.placement.diagnosis.matching import Provider
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES, Probe
from sev_scheduling.placement.diagnosis.relaxation import aggregate_marks
from sev_scheduling.placement.hosts import host_roots
from sev_scheduling.prefilter import PlacementRequest

#: Hosts whose inventories are asked for, a call each.
MAX_INVENTORIES = 3

Summaries = Mapping[str, ProviderSummary]
#: Provider uuid -> provider, of one tree.
Tree = dict[str, Provider]


class ObservedTrees:
    """The provider trees that may serve one query.

    Clouds have thousands of hosts, and few kinds of them: a tree is built
    only where it is needed. Summaries hold capacity and usage; the limits of
    one allocation (``min_unit``, ``max_unit``, ``step_size``) and the
    aggregates are asked for beside them.

    :ivar roots: root uuid -> uuids of the tree's providers
    :ivar hosts: how many of the trees are hosts; None where there may be
        more
    :ivar complete: no other tree serves the query, limits apart
    """

    def __init__(self, probe: Probe, query: PlacementRequest) -> None:
        self._probe = probe
        self._query = query
        self._summaries: Summaries = {}
        self._aggregates: dict[str, frozenset[str]] = {}
        self._inventories: dict[str, Mapping[str, Inventory]] = {}
        self.roots: dict[str, list[str]] = {}
        self.hosts: int | None = None
        self.complete = True

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
        self.set_summaries(summaries)
        if self.complete:
            self.hosts = len(host_roots(summaries))
        return bool(summaries)

    def set_summaries(self, summaries: Summaries) -> None:
        """Replace the trees by these, and ask for their aggregates."""
        self._summaries = summaries
        self.roots = {}
        for uuid, summary in summaries.items():
            self.roots.setdefault(summary.root_provider_uuid, []).append(uuid)
        if not summaries:
            return
        for mark, member_of in aggregate_marks(self._query).items():
            members = self._probe.providers(member_of=member_of)
            if members is None:
                self.complete = False
            for member in members or ():
                known = self._aggregates.get(member.uuid, frozenset())
                self._aggregates[member.uuid] = known | {mark}

    def ask_inventories(self, roots: Iterable[str]) -> bool:
        """Ask for the inventories of hosts that should have served.

        Their ``max_unit`` and the like, which summaries lack, keep the guest
        off.

        :returns: False where there are too many of them, and none was asked
        """
        wanted = set(roots)
        if len(wanted) > MAX_INVENTORIES:
            return False
        for root in wanted:
            self._inventories[root] = self._probe.inventories(root)
        return True

    def storage_is_shared(self) -> bool:
        """Whether hosts may have what their trees do not show."""
        shares = frozenset({os_traits.MISC_SHARES_VIA_AGGREGATE})
        return bool(self._probe.providers(required=[shares]))

    def tree(self, root: str) -> Tree:
        """Return a tree for :func:`.match`.

        Its aggregates are the marks of :func:`.aggregate_marks`.
        """
        return {uuid: self._provider(uuid) for uuid in self.roots[root]}

    def _provider(self, uuid: str) -> Provider:
        summary = self._summaries[uuid]
        known = self._inventories.get(uuid, {})
        return Provider(
            uuid=uuid,
            root=summary.root_provider_uuid,
            parent=summary.parent_provider_uuid,
            inventories={
                name: replace(
                    known.get(name, Inventory(0)),
                    total=usage.capacity,
                    reserved=0,
                    allocation_ratio=1.0,
                )
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
            if root in self._inventories:
                yield root, root  # Its limits are its own.
                continue
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
