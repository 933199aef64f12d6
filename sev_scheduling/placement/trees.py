"""The trees of providers that Placement showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sev_scheduling.placement.answers import Inventory, ProviderSummary
from sev_scheduling.placement.world import Provider
from sev_scheduling.prefilter import PlacementRequest

Tree = dict[str, Provider]


class Trees:
    """The trees of an answer, each taken apart only where that is needed.

    Clouds have thousands of hosts, and few kinds of them. Summaries tell
    capacity and usage; the limits to one allocation (``min_unit``,
    ``max_unit``, ``step_size``) and aggregates are learnt beside them.

    :ivar summaries: provider uuid -> summary, as Placement has them
    :ivar roots: root uuid -> uuids of the tree's providers
    :ivar aggregates: provider uuid -> the query's aggregates that it is in
    :ivar units: provider uuid -> resource class -> limits
    """

    def __init__(self, summaries: Mapping[str, ProviderSummary]) -> None:
        self.summaries = summaries
        self.roots: dict[str, list[str]] = {}
        self.aggregates: dict[str, frozenset[str]] = {}
        self.units: dict[str, Mapping[str, Mapping[str, int]]] = {}
        for uuid, summary in summaries.items():
            root = summary.root_provider_uuid
            if root in self.roots:
                self.roots[root].append(uuid)
            else:
                self.roots[root] = [uuid]

    def mark(self, uuid: str, aggregate: str) -> None:
        """Note that a provider is in an aggregate."""
        if uuid in self.summaries:
            known = self.aggregates.get(uuid, frozenset())
            self.aggregates[uuid] = known | {aggregate}

    def tree(self, root: str) -> Tree:
        return {uuid: self._provider(uuid) for uuid in self.roots[root]}

    def _provider(self, uuid: str) -> Provider:
        summary = self.summaries[uuid]
        units = self.units.get(uuid, {})
        return Provider(
            uuid=uuid,
            root=summary.root_provider_uuid,
            parent=summary.parent_provider_uuid,
            inventories={
                name: Inventory(total=amounts.capacity, **units.get(name, {}))
                for name, amounts in summary.resources.items()
            },
            used={
                name: amounts.used
                for name, amounts in summary.resources.items()
            },
            traits=set(summary.traits),
            aggregates=set(self.aggregates.get(uuid, ())),
        )

    def most(self, root: str, name: str) -> int:
        """Return what a provider of a tree has left, limits apart."""
        found = 0
        for uuid in self.roots[root]:
            amounts = self.summaries[uuid].resources.get(name)
            if amounts:
                found = max(found, amounts.capacity - amounts.used)
        return found

    def kinds(self, query: PlacementRequest) -> Iterator[tuple[str, object]]:
        """Yield each root, and what makes its tree lack what others lack."""
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
            if root in self.units:
                yield root, root  # Known too well to be like others.
                continue
            kind = []
            for uuid in tree:
                summary = self.summaries[uuid]
                resources = summary.resources
                left: list[int | bool | None] = []
                for name, amount, once in asked:
                    amounts = resources.get(name)
                    if amounts is None:
                        left.append(None)
                        continue
                    free = amounts.capacity - amounts.used
                    # Groups that share an amount may leave one of them out.
                    left.append(free >= amount if once else min(free, amount))
                key = (
                    uuid == root,
                    frozenset(traits.intersection(summary.traits)),
                    self.aggregates.get(uuid),
                    *left,
                )
                kind.append(numbers.setdefault(key, len(numbers)))
            kind.sort()
            yield root, (query.in_tree in tree, *kind)
