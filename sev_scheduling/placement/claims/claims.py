"""Guests are given room on hosts, moved, released and reconciled."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import tenacity

from sev_scheduling.diagnosis import Limit
from sev_scheduling.exceptions import (
    InputError,
    NotOwned,
    PlacementConflict,
    PlacementError,
)
from sev_scheduling.placement.answers import (
    Allocations,
    Amounts,
    Candidate,
    main_provider,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims import consumers
from sev_scheduling.placement.claims.selection import CandidateSelection
from sev_scheduling.placement.claims.transaction import Transaction
from sev_scheduling.placement.claims.verification import give_back
from sev_scheduling.placement.claims.writes import write
from sev_scheduling.prefilter import Scope
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validated
from sev_scheduling.text import counted, quoted

LOG = logging.getLogger(__name__)

#: Holds the claims of callers that name no owner.
OWNER = 'sev-scheduling'


@dataclass(frozen=True, slots=True)
class PlacedInstance:
    """Where a guest has its room.

    :ivar instance: the guest's uuid, Placement's consumer
    :ivar host: name of the host's root provider
    :ivar model: model of the slot, or None
    :ivar provider: uuid of the slot's provider, or None
    :ivar allocations: all that it holds: provider uuid -> resource class ->
        amount
    :ivar consumer_type: such as ``INSTANCE``, of a guest that was moved and
        had one; None where Placement does not know it, or has it not yet
        (before 1.38). What :meth:`.PlacementClient.schedule` claims has none
    """

    instance: str
    host: str
    host_uuid: str
    model: str | None
    provider: str | None
    allocations: Amounts = field(default_factory=dict, compare=False)
    consumer_type: str | None = field(default=None, compare=False)


#: The name of :class:`PlacedInstance` before.
Placement = PlacedInstance


#: The selection of the last claim of a client, which the next one of an equal
#: request goes on with; whoever takes it has it alone.
Selections = deque[CandidateSelection]


def schedule(
    api: Api,
    selections: Selections,
    request: EncryptionRequest | Validation,
    count: int,
    *,
    scope: Scope,
    owner: str,
    instances: tuple[str, ...] | None,
    patience: float,
) -> tuple[PlacedInstance, ...]:
    """See :meth:`.PlacementClient.schedule`."""
    selection = _selection(api, selections, validated(request), scope)
    if instances is not None and not (
        len(instances) == len(set(instances)) == count
    ):
        raise InputError(
            f'Of {counted(len(instances), "instance uuid")} '
            f'{len(set(instances))} differ, for {counted(count, "guest")}; '
            'give one each.'
        )
    claim = Transaction(
        api=api,
        selection=selection,
        count=count,
        instances=instances or (),
        owner=owner,
    )
    chosen = _retrying(patience)(claim)
    if selection.settled:
        selections.append(selection)
    return tuple(
        _placement(instance, candidate, selection.names)
        for instance, candidate in zip(claim.instances, chosen, strict=True)
    )


def room(
    api: Api,
    request: EncryptionRequest | Validation,
    count: int,
    *,
    scope: Scope,
) -> tuple[int, tuple[Limit, ...]]:
    """Return how many of so many equal guests fit; claims nothing.

    And what keeps one more off, where not all of them do.
    """
    return CandidateSelection(api, validated(request), scope).room(count)


def _selection(
    api: Api, selections: Selections, validation: Validation, scope: Scope
) -> CandidateSelection:
    with contextlib.suppress(IndexError):
        last = selections.pop()
        if last.serves(validation, scope):
            return last
    return CandidateSelection(api, validation, scope)


def _placement(
    instance: str,
    candidate: Candidate,
    names: Mapping[str, str],
    consumer_type: str | None = None,
) -> PlacedInstance:
    return PlacedInstance(
        instance,
        names.get(candidate.root, candidate.root),
        candidate.root,
        candidate.model.name if candidate.model else None,
        candidate.slot_provider if candidate.model else None,
        candidate.allocations,
        consumer_type,
    )


def _retrying(patience: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(PlacementConflict),
        stop=tenacity.stop_after_delay(patience),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2.0),
        reraise=True,
    )


def release(
    api: Api,
    instance: str,
    *,
    patience: float,
    owner: str | None = None,
    force: bool = False,
) -> bool:
    """See :meth:`.PlacementClient.release`.

    :param owner: leave it to anybody else who has it by now
    """
    seen: list[Allocations] = []

    def attempt() -> bool:
        held = api.allocations(instance)
        # The generation of a consumer grows: of one that has changed and is
        # no younger, the former consumer has been freed.
        if not held or (
            seen
            and held != seen[-1]
            and _generation(held) <= _generation(seen[-1])
        ):
            return bool(seen)
        if owner not in (None, held.user_id):
            return False
        if not force and held.project_id != consumers.PROJECT:
            raise NotOwned(
                f'Instance {quoted(instance)} was not claimed by this '
                f'library but for project {quoted(held.project_id)}, so that '
                'nova or another service has it; where that is gone, release '
                'it by force.'
            )
        seen.append(held)
        write(api, {instance: msgspec.structs.replace(held, by_provider={})})
        return True

    return bool(_retrying(patience)(attempt))


def _generation(held: Allocations) -> int:
    return held.consumer_generation or 0


def release_all(
    api: Api, placed: Sequence[PlacedInstance], error: BaseException
) -> None:
    """Give back what was claimed, as its caller failed.

    What cannot be given back is noted on the caller's exception, which is
    the one that counts.
    """
    instances = tuple(placement.instance for placement in placed)
    try:
        give_back(api, instances)
    except PlacementError as failure:
        note = (
            f'{failure} The claims of {", ".join(instances)} were made and '
            'could not be given back; release them.'
        )
        error.add_note(note)
        LOG.error('%s', note)


def move(
    api: Api,
    instance: str,
    request: EncryptionRequest | Validation,
    *,
    scope: Scope,
    patience: float,
) -> PlacedInstance:
    """See :meth:`.PlacementClient.move`."""
    selection = CandidateSelection(api, validated(request), scope)
    avoid: set[str] = set()

    def attempt() -> tuple[Candidate, str | None]:
        # Its generation, and where it is: both may have changed.
        held = api.allocations(instance)
        if not held:
            raise InputError(
                f'Instance {quoted(instance)} holds nothing; schedule it '
                'instead.'
            )
        # Neither back to where it was, nor to where others moved it.
        avoid.add(_host_of(api, held))
        ours = held.project_id == consumers.PROJECT
        claim = Transaction(
            api=api,
            selection=selection,
            count=1,
            instances=(),
            # Whose reconcile finds it, should this process die.
            owner=held.user_id if ours else OWNER,
            avoid=frozenset(avoid),
        )
        (chosen,) = _retrying(patience)(claim)
        claim.hand_over(chosen, instance, held)
        return chosen, held.consumer_type

    chosen, kind = _retrying(patience)(attempt)
    return _placement(instance, chosen, selection.names, kind)


def _host_of(api: Api, held: Allocations) -> str:
    """Return the root uuid of the host of a guest."""
    provider = main_provider(held.by_provider)
    # A provider that is gone has no host that is to be avoided.
    found = api.resource_providers(uuid=provider)
    return found[0].root_provider_uuid if found else provider


def reconcile(
    api: Api,
    owner: str,
    *,
    older_than: float,
    dry_run: bool,
    patience: float,
) -> list[consumers.Claim]:
    """See :meth:`.PlacementClient.reconcile`."""
    found = [
        claim
        for claim in consumers.list_claims(api, owner=owner)
        if claim.age is not None and claim.age >= older_than
    ]
    return [
        claim
        for claim in found
        if dry_run
        or release(api, claim.instance, owner=owner, patience=patience)
    ]
