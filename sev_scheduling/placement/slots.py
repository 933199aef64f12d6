"""The slots of a model when none is free.

No question to Placement lists full pools, but the trees of other answers
show them: so it is asked for hosts that have anything else left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import os_resource_classes as orc

from sev_scheduling.placement.answers import ProviderSummary
from sev_scheduling.placement.questions import Questions
from sev_scheduling.placement.relaxation import (
    amount_of_one,
    anything_left,
    probe_classes,
)
from sev_scheduling.prefilter import PlacementRequest

#: Calls to keep for the questions that follow.
_RESERVE = 4


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of a request's models; numbers are None where unknown.

    :ivar none: no provider has slots of the models
    :ivar free: a slot is free after all
    :ivar total: slots, reserved ones not counted
    :ivar summaries: trees of the hosts with slots, as far as they are known
    """

    none: bool = False
    free: bool = False
    hosts: int | None = None
    total: int | None = None
    used: int | None = None
    summaries: Mapping[str, ProviderSummary] = field(default_factory=dict)


def find_slots(questions: Questions, query: PlacementRequest) -> Slots:
    """Find the pools of a query's models, none of which has a free slot."""
    marked = _marked(questions, query)
    if not marked:
        return Slots(none=marked is not None)
    summaries = _summaries(questions, query, set(marked.values()))
    pools: dict[str, tuple[int, int]] = {}
    unknown = False
    for uuid in marked:
        if uuid in summaries:
            slots = summaries[uuid].resources.get(orc.MEM_ENCRYPTION_CONTEXT)
            if slots:
                pools[uuid] = slots.capacity, slots.used
        elif questions.left >= _RESERVE + 2:
            pool = questions.pool(uuid)
            if pool:
                pools[uuid] = pool
        else:
            unknown = True
    roots = {marked[uuid] for uuid in pools}
    trees = {
        uuid: summary
        for uuid, summary in summaries.items()
        if summary.root_provider_uuid in roots
    }
    if unknown:
        return Slots(summaries=trees)
    total = sum(total for total, _ in pools.values())
    used = sum(used for _, used in pools.values())
    return Slots(
        none=not pools,
        free=any(used < total for total, used in pools.values()),
        hosts=len(roots),
        total=total,
        used=used,
        summaries=trees,
    )


def _marked(
    questions: Questions, query: PlacementRequest
) -> dict[str, str] | None:
    """Return uuid -> root of the providers that have a model's trait."""
    traits = sorted(model.trait for model in query.models)
    asked = traits
    # Where it has never heard of one of them, it refuses them all.
    if questions.supports('1.39') and not questions.refused:
        asked = [f'in:{",".join(traits)}']
    marked: dict[str, str] = {}
    for required in asked:
        found = questions.providers(required=required)
        if found is None:
            return None
        marked |= {p['uuid']: p['root_provider_uuid'] for p in found}
    return marked


def _summaries(
    questions: Questions, query: PlacementRequest, roots: set[str]
) -> dict[str, ProviderSummary]:
    summaries: dict[str, ProviderSummary] = {}
    for name in probe_classes(query):
        if roots <= {s.root_provider_uuid for s in summaries.values()}:
            break
        narrow = anything_left(query, name)
        if not questions.supports(narrow.microversion):
            narrow = amount_of_one(name)
        answer = questions.candidates(narrow)
        if answer is not None:
            summaries.update(answer.provider_summaries)
    return summaries
