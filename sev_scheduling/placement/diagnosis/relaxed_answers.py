"""What Placement answers to relaxations of one query, each asked once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sev_scheduling.placement.answers import AllocationRequest, Candidates
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES, Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    asks_no_more,
    can_be_asked,
)
from sev_scheduling.placement.diagnosis.slots import Slots
from sev_scheduling.placement.diagnosis.trees.observed import ObservedTrees
from sev_scheduling.placement.diagnosis.trees.surroundings import SHARES
from sev_scheduling.prefilter import PlacementRequest


class Unanswered(Exception):
    """Placement cannot be asked, or not within the bound on calls."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Placement answered to one relaxed query.

    :ivar requests: (root uuid, candidate), of hosts
    """

    query: PlacementRequest
    found: Candidates
    requests: tuple[tuple[str, AllocationRequest], ...]

    @property
    def roots(self) -> frozenset[str]:
        return frozenset(root for root, _ in self.requests)

    @property
    def complete(self) -> bool:
        return len(self.found.allocation_requests) < MAX_CANDIDATES


class RelaxedAnswers:
    """The answers.

    :ivar query: what is relaxed
    :ivar slots: the slots of hosts, where all are used
    """

    def __init__(
        self, probe: Probe, query: PlacementRequest, trees: ObservedTrees
    ) -> None:
        self.probe = probe
        self.query = query
        self.trees = trees
        self.slots: Slots | None = None
        self._answers: dict[str, Answer] = {}
        self._known: dict[str, Candidates] = {}

    def know(self, query: PlacementRequest, found: Candidates) -> None:
        """Keep what was asked elsewhere."""
        self._known[query.querystring()] = found

    def given(self, query: PlacementRequest) -> Answer | None:
        """Return the answer that was given; None where none was."""
        return self._answers.get(query.querystring())

    def ask(self, query: PlacementRequest) -> Answer:
        """Ask for the candidates of hosts.

        :raises Unanswered: where no call is left, or Placement has no words
            for it
        """
        if not can_be_asked(query):
            raise Unanswered
        key = query.querystring()
        if key not in self._answers:
            found = self._known.pop(key, None)
            if found is None:
                found = self.probe.candidates(query)
            if found is None:
                raise Unanswered
            self._answers[key] = Answer(
                query, found, tuple(self._of_hosts(query, found))
            )
        return self._answers[key]

    def refused(self, way: PlacementRequest) -> bool:
        """Whether Placement has no candidates for it, by what it answered."""
        asked = self._answers.get(way.querystring())
        if asked:
            return not asked.requests
        return any(
            asks_no_more(answer.query, way)
            for answer in self._answers.values()
            if not answer.requests
            and not self.trees.may_be_shared(answer.query)
        )

    def _of_hosts(
        self, query: PlacementRequest, found: Candidates
    ) -> Iterator[tuple[str, AllocationRequest]]:
        """Yield the root of each candidate, and the candidate.

        Not those of sharing providers alone, and not those where the model's
        trait is that of a provider without slots.

        :raises Unanswered: where what a provider has is not known
        """
        pools = self.slots.pools.keys() if self.slots else set()
        for request in found.allocation_requests:
            slot = request.mappings.get(query.slot_suffix or '-', ())
            if query.slot_relaxed and pools.isdisjoint(slot):
                if self.slots and self.slots.known:
                    continue
                raise Unanswered
            for uuid in (*slot, *request.allocations):
                summary = found.provider_summaries.get(
                    uuid
                ) or self.trees.summary(uuid)
                if summary and SHARES.isdisjoint(summary.traits):
                    if summary.root_provider_uuid not in self.probe.ignored:
                        yield summary.root_provider_uuid, request
                    break
