"""One claim of several guests: what is asked for, sent, and found made.

Placement takes it whole or not at all, and answers once. Where the answer
is lost, the guests' allocations show whether it was made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from sev_scheduling.exceptions import (
    InputError,
    NoCapacity,
    PlacementAnswerError,
    PlacementConflict,
    PlacementError,
    PlacementUnavailable,
)
from sev_scheduling.placement.answers import (
    Allocations,
    Candidate,
    ProviderSummary,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims.consumers import new_instance
from sev_scheduling.placement.claims.over_allocation import (
    find_excess,
    give_back,
)
from sev_scheduling.placement.claims.selection import CandidateSelection
from sev_scheduling.text import quoted

_MOST_NAMES = 3

#: For whom guests are claimed that are new to Placement.
_PROJECT = 'sev-scheduling'


@dataclass(kw_only=True)
class Transaction:
    """A claim, tried anew from the start after each conflict.

    :ivar count: how many guests
    :ivar instances: their uuids; made up, once there is room, where empty
    :ivar held: what the one guest holds that is to move
    :ivar avoid: root uuid of the host that it must leave
    """

    api: Api
    selection: CandidateSelection
    count: int
    instances: tuple[str, ...]
    owner: str
    held: Allocations = field(default_factory=Allocations)
    avoid: str | None = None
    _own: bool = False
    _tried: int = 0
    _lost: list[Sequence[Candidate]] = field(default_factory=list)
    _summaries: dict[str, ProviderSummary] = field(default_factory=dict)
    _error: PlacementError | None = None

    def __call__(self) -> Sequence[Candidate]:
        """Claim; return the candidate that each guest has.

        :raises NoCapacity: where they do not all fit
        :raises PlacementConflict: where others changed something meanwhile
        """
        try:
            chosen = self._claimed()
        except (PlacementConflict, NoCapacity):
            # Not with another claimer, but with an own call that came late?
            late = self._found()
            if late is None:
                self._refuse_taken()
                raise
            chosen = late
        self._give_back_excess(chosen)
        return chosen

    def _claimed(self) -> Sequence[Candidate]:
        chosen, answer = self.selection.choose(
            self.count,
            avoid=self.avoid,
            # Claimers that collide must not collide again.
            shuffle=self._tried > 0,
        )
        if not self.instances:
            # New ones, so no one else has claimed them.
            self._own = True
            self.instances = tuple(new_instance() for _ in chosen)
        self._tried += 1
        self._summaries.update(
            (provider, answer.provider_summaries[provider])
            for candidate in chosen
            for provider in candidate.allocations
        )
        try:
            self._send(chosen)
        except (PlacementUnavailable, PlacementAnswerError) as error:
            self._error = error
            self._lost.append(chosen)
            return self._settled(chosen)
        return chosen

    def _send(self, chosen: Sequence[Candidate]) -> None:
        self.api.post_allocations(
            {
                instance: Allocations(
                    candidate.allocations,
                    self.held.project_id or _PROJECT,
                    self.held.user_id or self.owner,
                    self.held.consumer_generation,
                )
                for instance, candidate in zip(
                    self.instances, chosen, strict=True
                )
            }
        )

    def _settled(self, chosen: Sequence[Candidate]) -> Sequence[Candidate]:
        """Find out whether a claim with a lost answer was made.

        A claim that arrives late finds the consumers' generations changed,
        so asking for the same again does no harm: either one is refused.
        """
        with contextlib.suppress(PlacementError):
            found = self._found()
            if found is not None:
                return found
        for _ in range(2):
            try:
                self._send(chosen)
            except PlacementConflict:
                raise
            except PlacementError:
                continue
            return chosen
        raise self._unknown()

    def _found(self) -> Sequence[Candidate] | None:
        """Return which of the claims with a lost answer was made."""
        if not self._lost:
            return None
        try:
            # All or nothing, so one guest stands for all.
            held = self.api.allocations(self.instances[0]).by_provider
        except PlacementError as error:
            raise self._unknown() from error
        return next((c for c in self._lost if held == c[0].allocations), None)

    def _give_back_excess(self, chosen: Sequence[Candidate]) -> None:
        """:raises PlacementConflict: where Placement gave more than it has"""
        try:
            excess = find_excess(self.api, chosen, self._summaries)
            if excess:
                give_back(self.api, self.instances, self.held)
        except PlacementConflict:
            raise
        except PlacementError as error:
            self._error = error
            raise self._unknown() from error
        if excess:
            raise PlacementConflict(
                f'POST /allocations: Placement accepted more claims than '
                f'there is room for ({excess}), so this one was given back; '
                'set [placement] allocation_conflict_retry_count = 1 in '
                'placement.conf.'
            )

    def _refuse_taken(self) -> None:
        """Raise at once what no other answer of Placement would change.

        :raises InputError: where a guest that is new holds something
        """
        if self._own or self.held or self._lost or self._tried != 1:
            return
        for instance in self.instances:
            if self.api.allocations(instance):
                raise InputError(
                    f'Instance {quoted(instance)} holds something already; '
                    'release or move it.'
                )

    def _unknown(self) -> PlacementError:
        error = self._error or PlacementError()
        names = ', '.join(self.instances[:_MOST_NAMES])
        more = len(self.instances) - _MOST_NAMES
        if more > 0:
            names += f' and {more} more (reconcile finds them by their owner)'
        unknown = type(error)(
            f'{error} Whether the claim was made is not known; release '
            f'{names} once Placement answers.'
        )
        unknown.instances = self.instances
        unknown.__cause__ = error
        return unknown
