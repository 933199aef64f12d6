"""One claim of several guests: what is asked for, sent, and found made.

Placement takes it whole or not at all, and answers once. Where the answer
is lost, the guests' allocations show whether it was made.

A guest that is to move keeps its place until the new one is claimed for a
consumer of its own, and verified. Then one write gives it to the guest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from sev_scheduling.exceptions import (
    InputError,
    NoCapacity,
    PlacementConflict,
    PlacementError,
    some,
)
from sev_scheduling.placement.answers import (
    Allocations,
    Candidate,
    ProviderSummary,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims.consumers import PROJECT, new_instance
from sev_scheduling.placement.claims.selection import CandidateSelection
from sev_scheduling.placement.claims.verification import (
    find_fault,
    give_back,
    observe,
)
from sev_scheduling.placement.claims.writes import (
    Claims,
    holds,
    look_up,
    outcome_unknown,
    write,
)
from sev_scheduling.text import quoted

Chosen = Sequence[Candidate]


@dataclass(kw_only=True)
class Transaction:
    """A claim, tried anew from the start after each conflict.

    :ivar count: how many guests
    :ivar instances: their uuids; made up, once there is room, where empty
    :ivar avoid: root uuids of hosts that will not do
    """

    api: Api
    selection: CandidateSelection
    count: int
    instances: tuple[str, ...]
    owner: str
    avoid: frozenset[str] = frozenset()
    _own: bool = False
    _tried: int = 0
    #: Claims that Placement has, had, or may have yet.
    _sent: list[tuple[Claims, Chosen]] = field(default_factory=list)
    _summaries: dict[str, ProviderSummary] = field(default_factory=dict)

    def __call__(self) -> Chosen:
        """Claim; return the candidate that each guest has.

        :raises NoCapacity: where they do not all fit
        :raises PlacementConflict: where others changed something meanwhile
        :raises PlacementError: another of its children; as of NoCapacity,
            its ``instances`` has the guests that may hold something
        """
        chosen = self._claimed()
        self._verify(chosen)
        return chosen

    def hand_over(
        self, candidate: Candidate, guest: str, held: Allocations
    ) -> None:
        """Give what was claimed to a guest, in place of all that it holds.

        :param candidate: what was claimed, for one instance
        :param held: what the guest holds
        :raises PlacementConflict: where others changed either meanwhile. In
            each error but those with ``instances`` the guest holds what it
            held, and the claim was given back.
        :raises PlacementError: another of its children
        """
        (reserved,) = self.instances
        wanted = msgspec.structs.replace(
            held, by_provider=candidate.allocations
        )
        try:
            claim = self.api.allocations(reserved)
            if not claim:
                raise PlacementConflict(
                    f'Claim {reserved} was released by others.'
                )
            freed = msgspec.structs.replace(claim, by_provider={})
            write(self.api, {reserved: freed, guest: wanted})
        except PlacementError as error:
            caught = error
        else:
            return
        try:
            # Once that is done, no write that arrives late has any effect.
            if not give_back(self.api, self.instances) and holds(
                self.api.allocations(guest), wanted
            ):
                return
        except PlacementError as error:
            left = type(error)(
                f'{error} Whether instance {guest} was moved is not known; '
                f'it has its old place or the new one. Release {reserved}, '
                'which may hold the new one too, once Placement answers.'
            )
            left.instances = self.instances
            left.unclear = True
            raise left from caught
        # What was not known of the write is known by now.
        plain = caught.__cause__ if caught.instances else caught
        raise type(caught)(
            f'{plain or caught} Instance {guest} holds what it held.'
        ) from caught

    def _claimed(self) -> Chosen:
        if not self._tried:
            # What it holds by then, it holds by this claim.
            self._refuse_taken(self.instances[:1])
        try:
            chosen, answer = self.selection.choose(
                self.count,
                avoid=self.avoid,
                # Claimers that collide must not collide again.
                shuffle=self._tried > 0,
            )
        except (NoCapacity, PlacementError) as error:
            return self._late(error)
        if not self.instances:
            # New ones, so no one else has claimed them.
            self._own = True
            self.instances = tuple(new_instance() for _ in chosen)
        self._tried += 1
        self._summaries.update(
            (provider, answer.provider_summaries[provider])
            for candidate in chosen
            for provider in (*candidate.allocations, candidate.root)
        )
        claims = self._claims(chosen)
        sent = [*self._sent, (claims, chosen)]
        try:
            found = write(self.api, claims, *(c for c, _ in self._sent))
        except PlacementError as error:
            if error.instances:
                self._sent = sent
            elif isinstance(error, PlacementConflict) and self._tried == 1:
                self._refuse_taken(self.instances)
            raise
        self._sent = sent
        return next(chosen for claims, chosen in sent if claims is found)

    def _claims(self, chosen: Chosen) -> Claims:
        return {
            instance: Allocations(candidate.allocations, PROJECT, self.owner)
            for instance, candidate in zip(self.instances, chosen, strict=True)
        }

    def _late(self, error: NoCapacity | PlacementError) -> Chosen:
        """Return an earlier claim that was made all the same.

        It may be what has taken the last slot.

        :raises NoCapacity: the error, where none was
        :raises PlacementError: the same
        """
        if not self._sent:
            raise error
        claims = self._sent[-1][0]
        try:
            found = look_up(self.api, *(c for c, _ in self._sent))
        except PlacementError as failure:
            raise outcome_unknown(failure, claims) from error
        if found is None:
            error.instances = self.instances
            raise error
        return next(chosen for claims, chosen in self._sent if claims is found)

    def _verify(self, chosen: Chosen) -> None:
        """Look once more, and give the claim back where it must not stand.

        :raises PlacementConflict: where it was given back
        """
        try:
            now = observe(self.api, chosen, self._summaries)
            fault = find_fault(
                chosen, self._summaries, now, self.selection.query
            ) or self.selection.settle(now)
        except PlacementError as error:
            self._give_back(chosen)
            raise type(error)(
                f'{error} The claim was made, could not be checked, and was '
                'given back.'
            ) from error
        if fault:
            self._give_back(chosen)
            raise PlacementConflict(
                'POST /allocations: Placement accepted a claim that must not '
                f'stand, so it was given back: {fault}.'
            )

    def _give_back(self, chosen: Chosen) -> None:
        try:
            give_back(self.api, self.instances)
        except PlacementError as error:
            left = type(error)(
                f'{error} The claim was made, must not stand, and could not '
                f'be given back; release {some(self.instances)}.'
            )
            left.instances = self.instances
            raise left from error
        self._sent = [one for one in self._sent if one[1] is not chosen]

    def _refuse_taken(self, instances: Sequence[str]) -> None:
        """Raise at once what no other answer of Placement would change.

        :raises InputError: where a guest that is new holds something
        """
        if self._own or self._sent:
            return
        for instance in instances:
            if self.api.allocations(instance):
                raise InputError(
                    f'Instance {quoted(instance)} holds something already; '
                    'release or move it.'
                )
