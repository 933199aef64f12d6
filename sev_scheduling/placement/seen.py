"""The hosts that Placement showed, and what else it tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import os_resource_classes as orc
import os_traits

from sev_scheduling.placement.answers import ProviderSummary
from sev_scheduling.placement.lacks import Lack
from sev_scheduling.placement.questions import MAX_CANDIDATES, Questions
from sev_scheduling.placement.relaxation import (
    forbidden_aggregates_constraint,
    member_of_constraints,
)
from sev_scheduling.placement.trees import Trees
from sev_scheduling.prefilter import PlacementRequest

#: Hosts whose inventories are asked for, a call each.
MAX_UNITS = 3

_HOST_CLASSES = frozenset({orc.VCPU, orc.PCPU, orc.MEMORY_MB})


class Seen:
    """What one query may be served by.

    :ivar trees: what Placement showed
    :ivar hosts: how many of them are hosts; None where there may be more
    :ivar complete: the trees are all there is to know, units apart
    """

    def __init__(self, questions: Questions, query: PlacementRequest) -> None:
        self.questions = questions
        self.query = query
        self.trees = Trees({})
        self.hosts: int | None = None
        self.complete = True

    def look(self, queries: Iterable[PlacementRequest]) -> bool:
        """Learn the trees that have candidates; return whether any has."""
        summaries: dict[str, ProviderSummary] = {}
        for query in queries:
            answer = self.questions.candidates(query)
            if answer is None:
                self.complete = False
                continue
            if len(answer.allocation_requests) >= MAX_CANDIDATES:
                self.complete = False
            summaries.update(answer.provider_summaries)
        self.trees = Trees(summaries)
        if self.complete:
            self.hosts = len(_hosts(summaries))
        return bool(summaries)

    def learn_aggregates(self) -> None:
        """Mark the providers that are in the aggregates of the query."""
        marks = [
            (constraint.name, entries)
            for constraint, entries in member_of_constraints(
                self.query
            ).items()
        ]
        if self.query.forbidden_aggregates:
            constraint = forbidden_aggregates_constraint(self.query)
            marks.append((constraint.name, (self.query.forbidden_aggregates,)))
        for mark, entries in marks:
            members = self.questions.providers(
                member_of=[f'in:{",".join(sorted(ors))}' for ors in entries]
            )
            if members is None:
                self.complete = False
            for member in members or ():
                self.trees.mark(member['uuid'], mark)

    def learn_units(self, found: Iterable[Lack]) -> bool:
        """Ask for the inventories of hosts that should have served.

        Their ``max_unit`` and the like, which summaries do not tell, keep
        the guest off; they are few, or nothing is asked.
        """
        roots = {root for lack in found for root in lack.roots}
        if len(roots) > MAX_UNITS:
            return False
        for root in roots:
            self.trees.units[root] = self.questions.units(root)
        return True

    def storage_is_shared(self) -> bool:
        """Whether hosts may have what their trees do not show."""
        return bool(
            self.questions.providers(
                required=os_traits.MISC_SHARES_VIA_AGGREGATE
            )
        )


def _hosts(summaries: Mapping[str, ProviderSummary]) -> set[str]:
    """Return the roots of the trees that are hosts."""
    return {
        summary.root_provider_uuid
        for summary in summaries.values()
        if not _HOST_CLASSES.isdisjoint(summary.resources)
    }
