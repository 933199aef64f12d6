"""Every host of a Placement, in few calls.

``GET /allocation_candidates`` shows capacity, usage and traits of whole
trees, so one question about a resource that hosts have left shows their
pools too, full ones included. A host that has nothing left of anything is
asked for by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import os_resource_classes as orc
import os_traits
from msgspec import structs

from sev_scheduling.hosts.host import Host
from sev_scheduling.models import model_traits
from sev_scheduling.placement.answers import (
    Inventory,
    ProviderSummary,
    ResourceProvider,
    Usage,
    hosts_of_summaries,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.prefilter import (
    ANYWHERE,
    MICROVERSION,
    PlacementRequest,
    Scope,
    takes_root,
)
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.rules.validation import Validation

# The commonest first: most clouds are known after one of them.
_ASKED = (
    orc.VCPU,
    orc.PCPU,
    orc.MEMORY_MB,
    orc.MEM_ENCRYPTION_CONTEXT,
    orc.DISK_GB,
)
#: A tree with none of these is no host (shared storage, network).
HOST_CLASSES = frozenset({orc.VCPU, orc.PCPU, orc.MEMORY_MB})

Summaries = Mapping[str, ProviderSummary]


def list_hosts(
    api: Api, *, details: bool = False, scope: Scope = ANYWHERE
) -> list[Host]:
    """Return hosts by name; see :meth:`.PlacementClient.hosts`."""
    trees = host_trees(api, scope)
    if not details:
        return trees.as_hosts()
    return trees.as_hosts(_inventories_of_pools(api, trees.hosts))


@dataclass(frozen=True, slots=True)
class HostTrees:
    """The provider trees of hosts.

    :ivar names: provider uuid -> name, of all providers
    :ivar hosts: summaries of the trees of the hosts of a scope
    :ivar every: those of all trees that were seen, such as of sharing
        providers
    :ivar left_out: how many hosts are not in the scope
    """

    names: Mapping[str, str]
    hosts: Summaries
    every: Summaries
    left_out: int = 0

    def as_hosts(
        self, inventories: Mapping[str, Mapping[str, Inventory]] | None = None
    ) -> list[Host]:
        """Return the hosts by name.

        :param inventories: of pools and of roots, for the details of these;
            without, they have none
        """
        inventories = inventories or {}
        hosts = hosts_of_summaries(
            self.hosts,
            names=self.names,
            ram_allocation_ratios={
                uuid: found[orc.MEMORY_MB].allocation_ratio
                for uuid, found in inventories.items()
                if orc.MEMORY_MB in found
            },
            inventories=inventories,
        )
        return sorted(hosts, key=lambda host: host.name)


def host_trees(api: Api, scope: Scope = ANYWHERE) -> HostTrees:
    """Return the trees of every host of a scope, full ones included.

    :raises PlacementError: one of its children
    """
    # Asked once, before both need it.
    api.supports(MICROVERSION)
    providers, first = api.together(
        [api.resource_providers, lambda: api.trees(one_of(_ASKED[0]))]
    )
    summaries = _ask_for_trees(api, providers, first)
    roots = all_roots = host_roots(summaries)
    if scope:
        roots = {
            root
            for root in all_roots
            if takes_root(scope, summaries[root].traits)
        }
        roots = _in_scope(api, roots, scope)
    hosts = {
        uuid: summary
        for uuid, summary in summaries.items()
        if summary.root_provider_uuid in roots
    }
    names = {provider.uuid: provider.name for provider in providers}
    return HostTrees(names, hosts, summaries, len(all_roots) - len(roots))


def guests_if_empty(
    query: PlacementRequest, trees: HostTrees, roots: Collection[str]
) -> int:
    """Return how many equal guests fit at the most on empty hosts.

    An upper bound: of each resource class what providers have, on each host
    and in all, however it is spread; what others share may help any host.

    :param roots: root uuids of these hosts
    """
    needs = Counter[str]()
    for group in query.groups:
        needs.update(group.resources)
    traits = {model.trait for model in query.models}
    shared = Counter[str]()
    own = {root: Counter[str]() for root in roots}
    for summary in trees.every.values():
        shares = os_traits.MISC_SHARES_VIA_AGGREGATE in summary.traits
        of_model = not traits.isdisjoint(summary.traits)
        found = shared if shares else own.get(summary.root_provider_uuid)
        for name, usage in summary.resources.items():
            if found is not None and (
                name != orc.MEM_ENCRYPTION_CONTEXT or of_model or not traits
            ):
                found[name] += usage.capacity

    def most(amounts: Counter[str]) -> int:
        return min(
            (amounts[name] + shared[name]) // amount
            for name, amount in needs.items()
        )

    in_all = sum(own.values(), Counter[str]())
    return min(most(in_all), sum(map(most, own.values())))


def is_sole_source(trees: HostTrees, name: str) -> bool:
    """Whether one provider alone has a resource class."""
    having = (name in one.resources for one in trees.every.values())
    return sum(having) == 1


def _in_scope(api: Api, roots: set[str], scope: Scope) -> set[str]:
    """Return the roots of hosts in a scope's aggregates and tree."""

    def members(**filters: Any) -> set[str]:
        return {p.uuid for p in api.resource_providers(**filters)}

    if roots and scope.member_of:
        roots &= members(member_of=map(frozenset, scope.member_of))
    if roots and scope.forbidden_aggregates:
        roots -= members(member_of=[frozenset(scope.forbidden_aggregates)])
    if roots and scope.in_tree:
        roots &= members(in_tree=scope.in_tree)
    return roots


def one_of(name: str) -> PlacementRequest:
    """Return a query for hosts that have one of a resource class left."""
    return PlacementRequest((RequestGroup(resources={name: 1}),))


def host_roots(summaries: Summaries) -> set[str]:
    """Return the root uuids of the trees that are hosts."""
    return {
        summary.root_provider_uuid
        for summary in summaries.values()
        if not HOST_CLASSES.isdisjoint(summary.resources)
    }


def pins_memory(validation: Validation) -> bool:
    """Whether a guest must not be on a host that overcommits memory."""
    return not validation.request.mem_page_size and any(
        model.pins_memory for model in validation.models
    )


def ram_allocation_ratios(api: Api, roots: Iterable[str]) -> dict[str, float]:
    """Return root uuid -> by how much a host overcommits memory.

    1.0 is not at all. One call a host, several at one time.
    """
    roots = sorted(set(roots))
    inventories = _inventories(api, roots)
    memory = {
        root: inventories.get(root, {}).get(orc.MEMORY_MB) for root in roots
    }
    return {
        root: found.allocation_ratio if found else 1.0
        for root, found in memory.items()
    }


def _ask_for_trees(
    api: Api, providers: Iterable[ResourceProvider], shown: Summaries
) -> Summaries:
    """Return the trees of all hosts, and some of providers that are none.

    :param shown: those of providers that have one left of the first class

    A provider that has its own uuid for a name is a bare metal node
    (``ComputeNode`` of nova's ``virt/ironic``), which has no guests: there may
    be thousands, and no query shows those in use.
    """
    providers = [p for p in providers if p.name != p.uuid]
    missing = {provider.root_provider_uuid for provider in providers}
    missing -= {one.root_provider_uuid for one in shown.values()}
    summaries = dict(shown)
    for name in _ASKED[1:]:
        if not missing:
            break
        found = api.trees(one_of(name))
        summaries = {**found, **summaries}
        missing -= {one.root_provider_uuid for one in found.values()}
    if not missing:
        return summaries
    return summaries | _ask_one_by_one(
        api, [p for p in providers if p.root_provider_uuid in missing]
    )


def _ask_one_by_one(
    api: Api, providers: Iterable[ResourceProvider]
) -> dict[str, ProviderSummary]:
    """Return the trees that no candidate showed, if they are hosts."""
    providers = [*providers]
    roots = {p.uuid: p.root_provider_uuid for p in providers}
    parents = {p.uuid: p.parent_provider_uuid for p in providers}
    inventories = _inventories(api, roots)
    hosts = {
        roots[uuid]
        for uuid, found in inventories.items()
        if not HOST_CLASSES.isdisjoint(found)
    }

    def summary(provider: str) -> ProviderSummary | None:
        found = provider_summary(
            api, provider, roots[provider], inventories[provider]
        )
        return found and structs.replace(
            found, parent_provider_uuid=parents[provider]
        )

    # Not the usages and traits of thousands of other providers, too.
    asked = [uuid for uuid in inventories if roots[uuid] in hosts]
    return {
        uuid: found
        for uuid, found in zip(asked, api.each(summary, asked), strict=True)
        if found is not None
    }


def _inventories(
    api: Api, providers: Iterable[str]
) -> dict[str, Mapping[str, Inventory]]:
    """Return provider uuid -> inventories, without providers that are gone."""
    providers = [*providers]
    found = api.each(api.inventories, providers)
    return {
        uuid: inventories
        for uuid, inventories in zip(providers, found, strict=True)
        if inventories is not None
    }


def provider_summary(
    api: Api,
    provider: str,
    root: str,
    inventories: Mapping[str, Inventory] | None = None,
) -> ProviderSummary | None:
    """Return what an answer about candidates would show of a provider.

    :param root: uuid of its root provider
    :param inventories: where they are known
    :returns: None where the provider is gone
    """
    if inventories is None:
        inventories = api.inventories(provider)
    used = api.usages(provider)
    traits = api.traits(provider)
    if inventories is None or used is None or traits is None:
        return None
    return ProviderSummary(
        root,
        {
            name: Usage(inventory.capacity, used.get(name, 0))
            for name, inventory in inventories.items()
        },
        tuple(traits),
    )


def _inventories_of_pools(
    api: Api, summaries: Summaries
) -> dict[str, Mapping[str, Inventory]]:
    """Return the inventories of pools, and of the roots of their hosts."""
    traits = model_traits().keys()
    pools = {
        uuid: summary.root_provider_uuid
        for uuid, summary in summaries.items()
        if orc.MEM_ENCRYPTION_CONTEXT in summary.resources
        and not traits.isdisjoint(summary.traits)
    }
    return _inventories(api, sorted({*pools, *pools.values()}))
