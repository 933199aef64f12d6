"""The provider trees that Placement showed, and what else it says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import os_resource_classes as orc
import os_traits
from msgspec import structs

from sev_scheduling.placement.answers import (
    Inventory,
    ProviderSummary,
    ResourceProvider,
    Usage,
)
from sev_scheduling.placement.diagnosis.matching import (
    Provider,
    meets_traits,
)
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES, Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    aggregate_marks,
    member_of_constraints,
    probe_classes,
    slot_alone,
)
from sev_scheduling.placement.hosts import host_roots, one_of
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.text import MAX_AMOUNT

#: Providers whose inventories are asked for, a call each.
MAX_INVENTORIES = 3

#: Classes of which hosts are asked for, a call each.
MAX_CLASSES = 3

#: Calls to keep for the queries that follow.
RESERVE = 3

SHARES = frozenset({os_traits.MISC_SHARES_VIA_AGGREGATE})

Summaries = Mapping[str, ProviderSummary]
#: Provider uuid -> provider, of one tree and those that share with it.
Tree = dict[str, Provider]


class ObservedTrees:
    """The provider trees that may serve one query.

    Clouds have thousands of hosts, and few kinds of them: a tree is built
    only where it is needed. Summaries hold capacity and usage; the limits of
    one allocation (``min_unit``, ``max_unit``, ``step_size``), aggregates,
    and what sharing providers give to a tree are asked for beside them. What
    is not known counts as met: Placement has the last word.

    :ivar summaries: what Placement showed
    :ivar roots: root uuid -> uuids of the tree's providers
    :ivar hosts: how many of the trees are hosts; None where there may be
        more
    :ivar limits: provider uuid -> its inventories, as far as asked for
    :ivar sharing: providers that share with trees
    :ivar unseen: a tree that stands for all that were not shown, with what
        these may have; None where there is none
    """

    def __init__(self, probe: Probe, query: PlacementRequest) -> None:
        self._probe = probe
        self._query = query
        self.summaries: Summaries = {}
        self._aggregates: dict[str, frozenset[str]] = {}
        self.limits: dict[str, Mapping[str, Inventory]] = {}
        self.sharing: list[ResourceProvider] = []
        #: sharing provider -> roots that it serves, where they are known
        self._served: dict[str, frozenset[str]] = {}
        self.roots: dict[str, list[str]] = {}
        self.hosts: int | None = None
        self.unseen: Tree | None = None

    def observe_free(self, known: Summaries | None = None) -> bool:
        """Ask for hosts with a free slot; return whether there are any.

        :param known: all trees, where they are known
        """
        alone = slot_alone(self._query)
        if known is None:
            return self._observe([alone])
        roots = {
            summary.root_provider_uuid
            for summary in known.values()
            if all(
                name in summary.resources
                and summary.resources[name].left >= amount
                for name, amount in alone.groups[0].resources.items()
            )
            and meets_traits(alone.groups[0], set(summary.traits))
        }
        self._set(of_trees(known, roots))
        self.hosts = self._count()
        return bool(self.roots)

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
            self.unseen = self._all_but(
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
        self._set(summaries)
        self.hosts = self._count()
        return True

    def _observe(self, queries: Iterable[PlacementRequest]) -> bool:
        summaries: dict[str, ProviderSummary] = {}
        for query in queries:
            answer = self._probe.candidates(query)
            if answer is None or (
                len(answer.allocation_requests) >= MAX_CANDIDATES
            ):
                self.unseen = self._all_but({})
            if answer is not None:
                summaries.update(answer.provider_summaries)
        self._set(summaries)
        if self.unseen is None:
            self.hosts = self._count()
        return bool(self.roots)

    def set_summaries(self, summaries: Summaries, *, hidden: bool) -> None:
        """Replace the trees by these, of hosts whose slots are all used.

        :param hidden: whether there are others, of which Placement shows no
            one that has one of the probe classes left
        """
        self._set(summaries)
        if hidden:
            none = Inventory(MAX_AMOUNT, min_unit=2)
            self.unseen = self._all_but(
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
        for mark, member_of in aggregate_marks(self._query).items():
            members = self._probe.providers(member_of=member_of)
            if members is None:
                self.unseen = self._all_but({})
            for member in members or ():
                known = self._aggregates.get(member.uuid, frozenset())
                self._aggregates[member.uuid] = known | {mark}
        self.sharing = self._probe.providers(required=[SHARES]) or []

    def ask_shared(self) -> None:
        """Ask what a single sharing provider has left, and for which trees."""
        if len(self.sharing) == 1 and self._probe.left > RESERVE:
            self._ask_shared(self.sharing[0].uuid)

    def _set(self, summaries: Summaries) -> None:
        self.summaries = summaries
        self.roots = {}
        for uuid, summary in summaries.items():
            if os_traits.MISC_SHARES_VIA_AGGREGATE not in summary.traits:
                self.roots.setdefault(summary.root_provider_uuid, []).append(
                    uuid
                )

    def _count(self) -> int:
        return len(host_roots(self.summaries) & self.roots.keys())

    def summary(self, provider: str) -> ProviderSummary | None:
        return self.summaries.get(provider)

    def ask_inventories(self, roots: Iterable[str]) -> bool:
        """Ask for the inventories of hosts that should have served.

        Their ``max_unit`` and the like, which summaries lack, keep the guest
        off.

        :returns: False where there are too many of them, and none was asked
        """
        asked = {n for group in self._query.groups for n in group.resources}
        wanted = [
            uuid
            for root in roots
            for uuid in self.tree(root)
            if uuid not in self.limits
            and uuid in self.summaries
            and asked - {orc.MEM_ENCRYPTION_CONTEXT}
            & self.summaries[uuid].resources.keys()
        ]
        few = min(MAX_INVENTORIES, self._probe.left - RESERVE)
        if not 0 < len(wanted) <= few:
            return False
        for uuid in wanted:
            self.limits[uuid] = self._probe.inventories(uuid)
        return True

    def is_shared(self, query: PlacementRequest) -> bool:
        """Whether all that is asked of a host is shared.

        Of several hosts with which it is shared, Placement then finds one, or
        none (16.0: equal requests are one, whatever host they are for).
        """
        group = query.unsuffixed
        return group is not None and any(
            group.resources.keys() <= self.summaries[uuid].resources.keys()
            for uuid in self._served
        )

    def may_be_shared(self, query: PlacementRequest) -> bool:
        """Whether all that is asked of a host may be shared."""
        return self.is_shared(query) or len(self._served) < len(self.sharing)

    def _ask_shared(self, uuid: str) -> None:
        """Ask what a provider has left to share, and with which hosts."""
        if uuid not in self.summaries:
            group = self._query.unsuffixed
            name = orc.DISK_GB
            if group and name not in group.resources:
                name = next(iter(group.resources), name)
            shared = PlacementRequest(
                (RequestGroup('', {name: 1}, (SHARES,)),)
            )
            answer = self._probe.candidates(shared)
            found = dict(answer.provider_summaries) if answer else {}
            if uuid not in found:
                # It has none left of that, or does not give one.
                summary = self._summary_of(uuid)
                if summary is None:
                    return
                found[uuid] = summary
            self.summaries = {**self.summaries, **found}
        aggregates = self._probe.aggregates(uuid)
        members = aggregates and self._probe.providers(member_of=[aggregates])
        self._served[uuid] = frozenset(
            member.root_provider_uuid for member in members or ()
        )

    def _summary_of(self, uuid: str) -> ProviderSummary | None:
        """Ask what a provider has; what traits it has is not asked."""
        resources = self._probe.left > RESERVE and self._probe.resources(uuid)
        if not resources:
            return None
        wanted = (
            ors for group in self._query.groups for ors in group.required
        )
        traits = SHARES.union(*wanted)
        return ProviderSummary(uuid, resources, tuple(sorted(traits)))

    def tree(self, root: str) -> Tree:
        """Return a tree for :func:`.match`, with what others share with it.

        Its aggregates are the marks of :func:`.aggregate_marks`.
        """
        tree = {uuid: self._provider(uuid) for uuid in self.roots[root]}
        for sharing in self.sharing:
            roots = self._served.get(sharing.uuid)
            if roots is None:
                tree[sharing.uuid] = self._may_share(sharing.uuid, root)
            elif root in roots:
                provider = self._provider(sharing.uuid)
                tree[sharing.uuid] = replace(provider, root=root)
        return tree

    def _provider(self, uuid: str) -> Provider:
        summary = self.summaries[uuid]
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
            aggregates=set(self._aggregates.get(uuid, ())),
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
        provider.aggregates.update(self._aggregates.get(uuid, ()))
        return provider

    def _all_but(self, but: Mapping[str, Inventory]) -> Tree:
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
        shown = [p for uuid, p in tree.items() if uuid in self.summaries]
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
        return max([0, *[usage.left for usage in self._usages(root, name)]])

    @property
    def _is_helped(self) -> bool:
        """Whether anything is shared with trees: not with one by name."""
        return bool(self.sharing) and self._query.in_tree is None

    def shared_by(self, root: str, name: str) -> str:
        """Return the name of the provider that gives a tree a class.

        :returns: '' where the tree has it itself, and where it is not known
        """
        if (
            not self._is_helped
            or root not in self.roots
            or any(self._usages(root, name))
        ):
            return ''
        sharing = [
            (self._provider(one.uuid).left(name), one.name)
            for one in self.sharing
            if root in self._served.get(one.uuid, ())
            and name in self.summaries[one.uuid].resources
        ]
        return max(sharing, default=(0, ''))[1]

    def figures(self, root: str, name: str) -> tuple[int | None, int, str]:
        """Return what a tree has of a class.

        :returns: what one provider gives a guest now, as :meth:`given`; what
            it would give if it were empty; who shares it, as
            :meth:`shared_by`
        """
        if self.sharing or self.limits:
            return (
                self.given(root, name),
                self.most_capacity([root], name),
                self.shared_by(root, name),
            )
        left = capacity = 0
        for usage in self._usages(root, name):
            left = max(left, usage.left)
            capacity = max(capacity, usage.capacity)
        return left, capacity, ''

    def most_capacity(self, roots: Iterable[str], name: str) -> int:
        """Return what one provider gives a guest of any tree, used or not."""
        most = 0
        for root in roots:
            if not self._is_helped and self.limits.keys().isdisjoint(
                self.roots[root]
            ):
                for usage in self._usages(root, name):
                    most = max(most, usage.capacity)
                continue
            for provider in self.tree(root).values():
                found = provider.inventories.get(name)
                if found is not None:
                    most = max(most, min(found.capacity, found.max_unit))
        return most

    def _usages(self, root: str, name: str) -> list[Usage]:
        """Return what the providers of a tree have of a class."""
        return [
            summary.resources[name]
            for uuid in self.roots[root]
            if name in (summary := self.summaries[uuid]).resources
        ]

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
        # There are thousands of trees, so little is called or made for each.
        numbers: dict[object, int] = {}
        asked_of: dict[tuple[str, ...], frozenset[str]] = {}
        for root, tree in self.roots.items():
            if self.limits and not self.limits.keys().isdisjoint(tree):
                yield root, root  # Its limits are its own.
                continue
            kind = []
            for uuid in tree:
                summary = self.summaries[uuid]
                its = asked_of.get(summary.traits)
                if its is None:
                    its = frozenset(traits.intersection(summary.traits))
                    asked_of[summary.traits] = its
                key: list[object] = [
                    uuid == root,
                    its,
                    self._aggregates.get(uuid),
                ]
                for name, amount, once in asked:
                    usage = summary.resources.get(name)
                    few = None
                    if usage is not None:
                        few = usage.capacity - usage.used
                        # Groups that share an amount may leave one of them
                        # out.
                        if few > amount:
                            few = amount
                        elif once and 1 < few < amount:
                            few = 1
                    key.append(few)
                kind.append(numbers.setdefault(tuple(key), len(numbers)))
            kind.sort()
            served = [root in roots for roots in self._served.values()]
            yield root, (query.in_tree in tree, *served, *kind)


def of_trees(summaries: Summaries, roots: Collection[str]) -> Summaries:
    """Return the summaries of some trees."""
    return {
        uuid: summary
        for uuid, summary in summaries.items()
        if summary.root_provider_uuid in roots
    }


def _that_give(name: str, amount: int) -> PlacementRequest:
    return PlacementRequest((RequestGroup(resources={name: amount}),))
