"""What Placement showed of provider trees, and what they give a guest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import os_resource_classes as orc
from msgspec import structs

from sev_scheduling.placement.answers import Inventory, ProviderSummary
from sev_scheduling.placement.diagnosis.matching import Provider
from sev_scheduling.placement.diagnosis.relaxation import (
    member_of_constraints,
)
from sev_scheduling.placement.diagnosis.trees.surroundings import (
    SHARES,
    Surroundings,
)
from sev_scheduling.placement.hosts import Summaries
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.text import MAX_AMOUNT

#: Provider uuid -> provider, of one tree and those that share with it.
Tree = dict[str, Provider]

#: What a tree has of a resource class: what one provider gives a guest now,
#: None where it is not known; what one would give if it were empty, None
#: where it is no matter of amounts; who shares it, or ''.
Figures = tuple[int | None, int | None, str]


class ProviderTrees:
    """Provider trees that may serve one query.

    Clouds have thousands of hosts, and few kinds of them: a tree is built
    only where it is needed. What is not known counts as met: Placement has
    the last word.

    :ivar around: aggregates, and who shares with the trees
    :ivar summaries: what Placement showed, of these trees and maybe others
    :ivar roots: root uuid -> uuids of the tree's providers
    :ivar hosts: how many of the trees are hosts; None where there may be
        more
    :ivar unseen: a tree that stands for all that were not shown, with what
        these may have; None where there is none
    """

    def __init__(self, query: PlacementRequest, around: Surroundings) -> None:
        self._query = query
        self.around = around
        self.summaries: Summaries = {}
        self.roots: dict[str, tuple[str, ...]] = {}
        self.hosts: int | None = None
        self.unseen: Tree | None = None
        self._most: dict[str, dict[str, tuple[int, int]]] = {}

    @property
    def limits(self) -> dict[str, Mapping[str, Inventory]]:
        """Provider uuid -> its inventories, as far as asked for."""
        return self.around.limits

    def set_summaries(
        self, summaries: Summaries, among: Collection[str] | None = None
    ) -> None:
        """Replace what Placement showed.

        :param among: the roots of the trees in question; all where None
        """
        self.summaries = summaries
        self.roots = {}
        self._most = {}
        none: tuple[str, ...] = ()
        for uuid, summary in summaries.items():
            root = summary.root_provider_uuid
            if (among is None or root in among) and SHARES.isdisjoint(
                summary.traits
            ):
                # Tuples of texts are nothing to the garbage collector.
                self.roots[root] = (*self.roots.get(root, none), uuid)

    def summary(self, provider: str) -> ProviderSummary | None:
        found = self.around.summaries.get(provider)
        return found or self.summaries.get(provider)

    def is_shared(self, query: PlacementRequest) -> bool:
        """Whether all that is asked of a host is shared.

        Of several hosts with which it is shared, Placement then finds one, or
        none (16.0: equal requests are one, whatever host they are for).
        """
        group = query.unsuffixed
        return group is not None and any(
            group.resources.keys() <= summary.resources.keys()
            for summary in self.around.summaries.values()
        )

    def may_be_shared(self, query: PlacementRequest) -> bool:
        """Whether all that is asked of a host may be shared."""
        known = len(self.around.served) == len(self.around.sharing)
        return not known or self.is_shared(query)

    def tree(self, root: str) -> Tree:
        """Return a tree for :func:`.match`, with what others share with it.

        Its aggregates are the marks of :func:`.aggregate_marks`.
        """
        tree = {
            uuid: self._provider(uuid, self.summaries[uuid])
            for uuid in self.roots[root]
        }
        for sharing in self.around.sharing:
            roots = self.around.served.get(sharing.uuid)
            if roots is None:
                tree[sharing.uuid] = self._may_share(sharing.uuid, root)
            elif root in roots:
                provider = self._sharing(sharing.uuid)
                tree[sharing.uuid] = replace(provider, root=root)
        return tree

    def _sharing(self, uuid: str) -> Provider:
        return self._provider(uuid, self.around.summaries[uuid])

    def _provider(self, uuid: str, summary: ProviderSummary) -> Provider:
        known = self.limits.get(uuid, {})
        return Provider(
            uuid=uuid,
            root=summary.root_provider_uuid,
            parent=summary.parent_provider_uuid,
            inventories={
                name: structs.replace(
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
            aggregates=set(self.around.aggregates.get(uuid, ())),
        )

    def _anything(
        self,
        uuid: str,
        root: str,
        but: Mapping[str, Inventory] = MappingProxyType({}),
    ) -> Provider:
        """Return a provider that has all that the query asks for.

        :param but: what it has of some classes
        """
        groups = self._query.groups
        names = {name for group in groups for name in group.resources}
        plenty = dict.fromkeys(names, Inventory(MAX_AMOUNT))
        return Provider(
            uuid=uuid,
            root=root,
            inventories=plenty | dict(but),
            traits={t for g in groups for ors in g.required for t in ors},
        )

    def _may_share(self, uuid: str, root: str) -> Provider:
        provider = self._anything(uuid, root)
        provider.inventories.pop(orc.MEM_ENCRYPTION_CONTEXT, None)
        provider.aggregates.update(self.around.aggregates.get(uuid, ()))
        return provider

    def all_but(self, but: Mapping[str, Inventory]) -> Tree:
        """Return a tree that has all that the query asks for.

        :param but: what it has of some classes
        """
        uuid = self._query.in_tree or 'unseen'
        provider = self._anything(uuid, uuid, but)
        provider.traits.update(self._query.root_required)
        provider.aggregates.update(
            c.name for c in member_of_constraints(self._query)
        )
        return {uuid: provider}

    def given(self, root: str, name: str) -> int | None:
        """Return what one provider of a tree gives a guest now.

        :returns: None where nothing but what may be shared with it has any
        """
        tree = self.tree(root)
        shown = [p for uuid, p in tree.items() if self.summary(uuid)]
        given = [
            inventory.most_of(provider.left(name))
            for provider in shown
            if (inventory := provider.inventories.get(name))
        ]
        if not given and len(shown) < len(tree):
            return None
        return max(given, default=0)

    def most(self, root: str, name: str) -> int:
        """Return what one provider has left for a tree, limits apart."""
        if self._is_helped:
            return max(p.left(name) for p in self.tree(root).values())
        return self._most_of(name).get(root, (0, 0))[0]

    @property
    def _is_helped(self) -> bool:
        """Whether anything is shared with trees: not with one by name."""
        return bool(self.around.sharing) and self._query.in_tree is None

    def shared_by(self, root: str, name: str) -> str:
        """Return the name of the provider that gives a tree a class.

        :returns: '' where the tree has it itself, and where it is not known
        """
        if (
            not self._is_helped
            or root not in self.roots
            or root in self._most_of(name)
        ):
            return ''
        sharing = [
            (self._sharing(one.uuid).left(name), one.name)
            for one in self.around.sharing
            if root in self.around.served.get(one.uuid, ())
            and name in self.around.summaries[one.uuid].resources
        ]
        return max(sharing, default=(0, ''))[1]

    def figures(self, roots: Iterable[str], name: str) -> Iterator[Figures]:
        """Yield what each of some trees has of a class."""
        most, limited = self._most_of(name), self._limited
        for root in roots:
            if not self.around.sharing and root not in limited:
                yield (*most.get(root, (0, 0)), '')
                continue
            yield (
                self.given(root, name),
                self.most_capacity([root], name),
                self.shared_by(root, name),
            )

    def most_capacity(self, roots: Iterable[str], name: str) -> int:
        """Return what one provider gives a guest of any tree, used or not."""
        known, most = self._most_of(name), 0
        alone, limited = not self._is_helped, self._limited
        for root in roots:
            if alone and root not in limited:
                most = max(most, known.get(root, (0, 0))[1])
                continue
            for provider in self.tree(root).values():
                found = provider.inventories.get(name)
                if found is not None:
                    most = max(most, min(found.capacity, found.max_unit))
        return most

    @property
    def _limited(self) -> set[str]:
        """The roots of trees whose limits were asked for."""
        return {
            self.summaries[uuid].root_provider_uuid
            for uuid in self.limits.keys() & self.summaries.keys()
        }

    def _most_of(self, name: str) -> Mapping[str, tuple[int, int]]:
        """Return root uuid -> what one of its own providers has of a class.

        That is the most that one has left, and the most that one has, used
        or not. Made for all trees at once: there may be thousands.
        """
        if name not in self._most:
            found = self._most[name] = {}
            for root, tree in self.roots.items():
                for uuid in tree:
                    usage = self.summaries[uuid].resources.get(name)
                    if usage is not None:
                        left, capacity = found.get(root, (0, 0))
                        found[root] = (
                            max(left, usage.capacity - usage.used),
                            max(capacity, usage.capacity),
                        )
        return self._most[name]

    def kinds(self) -> list[list[str]]:
        """Return root uuids, those of trees with equal answers together."""
        query = self._query
        needs: dict[str, list[int]] = {}
        traits = set(query.root_required | query.root_forbidden)
        for group in query.groups:
            for name, amount in group.resources.items():
                needs.setdefault(name, []).append(amount)
            traits.update(group.forbidden, *group.required)
        # Up to a floor each amount that is left makes a difference: groups
        # that share one may leave one of them out.
        asked = [
            (name, sum(amounts), 1 if len(amounts) == 1 else sum(amounts))
            for name, amounts in needs.items()
        ]
        kinds: dict[object, list[str]] = {}
        # There are thousands of trees, so little is called or made for each.
        numbers: dict[object, int] = {}
        asked_of: dict[tuple[str, ...], frozenset[str]] = {}
        served = self.around.served.values()
        for root, tree in self.roots.items():
            if self.limits and not self.limits.keys().isdisjoint(tree):
                kinds[root] = [root]  # Its limits are its own.
                continue
            kind: list[int] = []
            for uuid in tree:
                summary = self.summaries[uuid]
                its = asked_of.get(summary.traits)
                if its is None:
                    its = frozenset(traits.intersection(summary.traits))
                    asked_of[summary.traits] = its
                key: list[object] = [
                    uuid == root,
                    its,
                    self.around.aggregates.get(uuid),
                ]
                resources = summary.resources
                for name, amount, floor in asked:
                    usage = resources.get(name)
                    if usage is None:
                        key.append(None)
                        continue
                    left = usage.capacity - usage.used
                    if left > floor:
                        left = amount if left >= amount else floor
                    key.append(left)
                kind.append(numbers.setdefault(tuple(key), len(numbers)))
            kind.sort()
            of_tree = (
                query.in_tree in tree,
                *[root in roots for roots in served],
                *kind,
            )
            known = kinds.get(of_tree)
            if known is None:
                kinds[of_tree] = [root]
            else:
                known.append(root)
        return [*kinds.values()]
