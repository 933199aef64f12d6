"""The slots of a model when none is free.

No query lists full pools, but the trees of other answers show them: so
Placement is asked for hosts that have anything else left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import os_resource_classes as orc

from sev_scheduling.models import registered_models
from sev_scheduling.placement.answers import (
    Candidates,
    ProviderSummary,
    Usage,
)
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    anything_left,
    can_be_asked,
    probe_classes,
    slot_alone,
    slot_constraint,
    without,
)
from sev_scheduling.placement.hosts import Summaries, one_of
from sev_scheduling.prefilter import MICROVERSION_ANY_TRAIT, PlacementRequest

#: Calls to keep for the queries that follow.
_RESERVE = 2


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of a request's models; numbers are None where unknown.

    :ivar none: no provider has slots of the models
    :ivar free: a slot is free after all
    :ivar total: slots, reserved ones not counted
    :ivar pools: provider uuid -> its slots
    :ivar roots: the root uuids of their hosts
    :ivar known: whether these are all
    :ivar summaries: trees of the hosts with slots, as far as they are known
    :ivar relaxed: the candidates with a slot more on each host; None where
        they were not asked for
    """

    none: bool = False
    free: bool = False
    hosts: int | None = None
    total: int | None = None
    used: int | None = None
    pools: Mapping[str, Usage] = field(default_factory=dict)
    roots: frozenset[str] = frozenset()
    known: bool = True
    summaries: Summaries = field(default_factory=dict)
    relaxed: Candidates | None = field(default=None, compare=False)

    @property
    def complete(self) -> bool:
        """Whether the trees of all these hosts are shown."""
        return self.known and self.pools.keys() <= self.summaries.keys()


def find_slots(
    probe: Probe, query: PlacementRequest, known: Summaries | None = None
) -> Slots:
    """Find the pools of a query's models, none of which has a free slot.

    :param known: all trees, where they are known
    """
    if known is not None:
        return _slots_of(known, query)
    roots = _roots_by_provider(probe, query)
    if not roots:
        return Slots(none=roots is not None)
    relaxed = _with_a_slot_more(probe, query)
    summaries = _summaries(
        probe,
        query,
        set(roots.values()),
        relaxed.provider_summaries if relaxed else {},
    )
    pools: dict[str, Usage] = {}
    unknown = False
    for uuid in roots:
        if uuid in summaries:
            slots = summaries[uuid].resources.get(orc.MEM_ENCRYPTION_CONTEXT)
        elif probe.left >= _RESERVE + 2:
            slots = probe.slots(uuid)
        else:
            unknown = True
            continue
        if slots:
            pools[uuid] = slots
    hosts = {roots[uuid] for uuid in pools}
    trees = _of_trees(summaries, hosts)
    if unknown:
        return Slots(
            pools=pools,
            roots=frozenset(roots.values()),
            known=False,
            summaries=trees,
            relaxed=relaxed,
        )
    return replace(_counted(pools, hosts, trees), relaxed=relaxed)


def _slots_of(known: Summaries, query: PlacementRequest) -> Slots:
    """Return the slots that are shown."""
    traits = {model.trait for model in query.models}
    pools = {
        uuid: summary.resources[orc.MEM_ENCRYPTION_CONTEXT]
        for uuid, summary in known.items()
        if orc.MEM_ENCRYPTION_CONTEXT in summary.resources
        and not traits.isdisjoint(summary.traits)
    }
    hosts = {known[uuid].root_provider_uuid for uuid in pools}
    # As if Placement had been asked for those that have anything else left.
    with_any = {
        summary.root_provider_uuid
        for summary in known.values()
        for name in probe_classes(query)
        if name in summary.resources and summary.resources[name].left > 0
    }
    return _counted(pools, hosts, _of_trees(known, hosts & with_any))


def _counted(
    pools: Mapping[str, Usage], hosts: set[str], trees: Summaries
) -> Slots:
    return Slots(
        none=not pools,
        free=any(slots.left > 0 for slots in pools.values()),
        hosts=len(hosts),
        total=sum(slots.capacity for slots in pools.values()),
        used=sum(slots.used for slots in pools.values()),
        pools=pools,
        roots=frozenset(hosts),
        summaries=trees,
    )


def other_models(probe: Probe, query: PlacementRequest) -> tuple[str, ...]:
    """Return the models, other than a query's, of which slots are free."""
    others = tuple(
        model
        for model in registered_models().values()
        if model not in query.models
    )
    alone = slot_alone(query)
    slot = replace(
        alone.groups[0],
        required=(frozenset(model.trait for model in others),),
        forbidden=frozenset(),
    )
    found = others and probe.candidates(
        replace(
            alone,
            groups=(slot,),
            models=others,
            root_required=query.root_required,
            root_forbidden=query.root_forbidden,
        )
    )
    free = {c.model for c in found.candidates(others)} if found else set()
    return tuple(model.name for model in others if model in free)


def _roots_by_provider(
    probe: Probe, query: PlacementRequest
) -> dict[str, str] | None:
    """Return the providers that have a model's trait, each with its root."""
    traits = sorted(model.trait for model in query.models)
    asked = [[frozenset({trait})] for trait in traits]
    # Where it does not know one of them, it refuses them all.
    if probe.supports(MICROVERSION_ANY_TRAIT) and not probe.refused:
        asked = [[frozenset(traits)]]
    roots: dict[str, str] = {}
    for required in asked:
        found = probe.providers(required=required, in_tree=query.in_tree)
        if found is None:
            return None
        roots |= {
            p.uuid: p.root_provider_uuid
            for p in found
            if p.root_provider_uuid not in probe.ignored
        }
    return roots


def _of_trees(summaries: Summaries, roots: Collection[str]) -> Summaries:
    """Return the summaries of some trees."""
    return {
        uuid: summary
        for uuid, summary in summaries.items()
        if summary.root_provider_uuid in roots
    }


def _with_a_slot_more(
    probe: Probe, query: PlacementRequest
) -> Candidates | None:
    """Ask for the candidates, were there a slot more on each host.

    Hosts that are full of slots alone are shown by this, too.
    """
    relaxed = without(query, {slot_constraint(query)})
    if can_be_asked(relaxed) and probe.supports(relaxed.microversion):
        return probe.candidates(relaxed)
    return None


def _summaries(
    probe: Probe, query: PlacementRequest, roots: set[str], shown: Summaries
) -> dict[str, ProviderSummary]:
    """Return the summaries of the trees of these roots, and of others.

    :param shown: those that are known by now
    """
    summaries = dict(shown)
    for name in probe_classes(query):
        if roots <= {s.root_provider_uuid for s in summaries.values()}:
            break
        narrow = anything_left(query, name)
        if not probe.supports(narrow.microversion):
            narrow = replace(one_of(name), in_tree=query.in_tree)
        answer = probe.candidates(narrow)
        if answer is not None:
            summaries.update(answer.provider_summaries)
    return summaries
