"""How many more guests of a request Placement has room for."""

from __future__ import annotations

from collections.abc import Iterable

import os_resource_classes as orc
import os_traits

from sev_scheduling.hosts.capacity import (
    Capacity,
    HostCapacity,
    Left,
    Option,
    binding,
    limits_of,
    pack,
)
from sev_scheduling.hosts.hostfilter import filter_hosts
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.models import EncryptionModel
from sev_scheduling.placement.answers import (
    ProviderSummary,
    hosts_of_summaries,
)
from sev_scheduling.placement.api import MAX_CANDIDATES, Api
from sev_scheduling.placement.claims.selection import (
    CandidateSelection,
    packing_of,
)
from sev_scheduling.placement.hosts import (
    Summaries,
    host_trees,
    pins_memory,
)
from sev_scheduling.prefilter import PlacementRequest, Scope
from sev_scheduling.rules.validation import Validation


def capacity(
    api: Api, validation: Validation, scope: Scope, *, details: bool
) -> Capacity:
    """See :meth:`.PlacementClient.capacity`."""
    selection = CandidateSelection(api, validation, scope, details=details)
    answer = api.candidates(selection.query)
    usable = [*selection.usable(answer)]
    left, options = packing_of(answer, (request for _, request in usable))
    packing = pack(left, options)
    limits = limits_of(left, options)
    trees = host_trees(api, scope)
    wanted = {model.trait for model in selection.query.models}
    # Of full hosts, too, which are no candidates.
    selection.ask_ratios(
        summary.root_provider_uuid
        for summary in trees.hosts.values()
        if orc.MEM_ENCRYPTION_CONTEXT in summary.resources
        and not wanted.isdisjoint(summary.traits)
    )
    verdicts = filter_hosts(
        validation,
        hosts_of_summaries(
            trees.hosts,
            names=trees.names,
            ram_allocation_ratios=selection.ratios,
        ),
    ).verdicts
    offered = [v for v in verdicts if v.code is not VerdictCode.NO_POOL]
    by_root: dict[str, list[Option]] = {}
    for option in options:
        by_root.setdefault(option.root, []).append(option)
    by_tree = _amounts_left(selection.query, trees.hosts, trees.every)
    return Capacity(
        request=validation.request,
        guests=packing.guests,
        exact=packing.exact
        and len(answer.allocation_requests) < MAX_CANDIDATES,
        limits=limits,
        binding=binding(left, options, packing.guests, limits),
        hosts=tuple(
            sorted(
                (
                    _on_host(verdict, left, by_root, by_tree)
                    for verdict in offered
                ),
                key=lambda host: host.name,
            )
        ),
        without_pool=len(verdicts) - len(offered),
        overcommit_known=details or not pins_memory(validation),
    )


def _on_host(
    verdict: Verdict,
    left: Left,
    by_root: dict[str, list[Option]],
    by_tree: dict[str, dict[str, int]],
) -> HostCapacity:
    uuid = str(verdict.host.uuid)
    if uuid in by_root:
        options = by_root[uuid]
        guests = pack(left, options).guests
        limits = limits_of(left, options)
        return HostCapacity(
            verdict=verdict,
            guests=guests,
            limits=limits,
            binding=binding(left, options, guests, limits),
        )
    limits = by_tree[uuid]
    none: tuple[str, ...] = ()
    if verdict.code in (None, VerdictCode.NO_FREE_SLOT):
        none = tuple(sorted(c for c, guests in limits.items() if not guests))
    return HostCapacity(verdict=verdict, limits=limits, binding=none)


def _amounts_left(
    query: PlacementRequest, hosts: Summaries, every: Summaries
) -> dict[str, dict[str, int]]:
    """Return root uuid -> resource class -> guests by this class alone.

    Of hosts that are no candidates; limits of one allocation, traits of
    resources and aggregates apart.
    """
    needs: dict[str, int] = {}
    for group in query.groups:
        for name, amount in group.resources.items():
            needs[name] = needs.get(name, 0) + amount
    sharing = {
        uuid: summary
        for uuid, summary in every.items()
        if os_traits.MISC_SHARES_VIA_AGGREGATE in summary.traits
    }
    shared = {
        name: _fit(sharing, name, amount, query.models)
        for name, amount in needs.items()
    }
    trees: dict[str, dict[str, ProviderSummary]] = {}
    for uuid, summary in hosts.items():
        tree = trees.setdefault(summary.root_provider_uuid, {})
        tree[uuid] = summary
    found = {}
    for root, tree in trees.items():
        found[root] = {
            name: _fit(tree, name, amount, query.models)
            for name, amount in needs.items()
            # Whether a host is served by a provider that shares something
            # is not known here.
            if not shared[name]
        }
    return found


def _fit(
    summaries: Summaries,
    name: str,
    amount: int,
    models: Iterable[EncryptionModel],
) -> int:
    """Return how many guests fit by one resource class alone."""
    traits = {model.trait for model in models}
    return sum(
        max(0, summary.resources[name].left) // amount
        for summary in summaries.values()
        if name in summary.resources
        and (
            name != orc.MEM_ENCRYPTION_CONTEXT
            or not traits
            or not traits.isdisjoint(summary.traits)
        )
    )
