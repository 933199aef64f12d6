"""Claims: room for guests, taken and freed.

Placement decides: a claim of several guests is one ``POST /allocations``,
which it takes whole or not at all, and its generations refuse a claim that
rests on an old answer. Such a claim is made anew, from a new answer, after a
pause that grows and varies. A client may die, or lose the answer, at any
moment: what it claimed is whole or absent, and :mod:`.owners` finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tenacity

from sev_scheduling.exceptions import (
    InputError,
    PlacementAnswerError,
    PlacementConflict,
    PlacementError,
    PlacementUnavailable,
)
from sev_scheduling.placement import owners, providers
from sev_scheduling.placement.candidates import Candidate
from sev_scheduling.placement.choice import choose
from sev_scheduling.prefilter import PlacementRequest, translate
from sev_scheduling.request import EncryptionRequest
from sev_scheduling.specs import shown

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient

#: Holds the claims of callers that name no owner.
OWNER = 'sev-scheduling'
_PROJECT = 'sev-scheduling'


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a guest has its room.

    :ivar instance: the guest's uuid, Placement's consumer
    :ivar host: name of the host's root provider
    :ivar model: model of the slot, or None
    :ivar provider: uuid of the slot's provider, or None
    """

    instance: str
    host: str
    host_uuid: str
    model: str | None
    provider: str | None


def schedule(
    client: PlacementClient,
    request: EncryptionRequest,
    count: int,
    *,
    owner: str,
    instances: tuple[str, ...] | None,
    patience: float,
) -> tuple[Placement, ...]:
    """See :meth:`.PlacementClient.schedule`."""
    query = translate(request)
    if count < 1:
        raise InputError(f'count {count} is not 1 or more.')
    if instances is None:
        instances = tuple(owners.new_instance() for _ in range(count))
    elif len(set(instances)) != count:
        raise InputError(
            f'{len(set(instances))} instance uuids were given for {count} '
            'guests; give one each.'
        )
    names = providers.names(client)
    claim = _Attempt(client, request, query, instances, owner, names)
    chosen = _retrying(patience)(claim)
    return tuple(
        _placement(instance, candidate, names)
        for instance, candidate in zip(instances, chosen, strict=True)
    )


def _placement(
    instance: str, candidate: Candidate, names: Mapping[str, str]
) -> Placement:
    return Placement(
        instance,
        names.get(candidate.root, candidate.root),
        candidate.root,
        candidate.model.name if candidate.model else None,
        candidate.slot_provider if candidate.model else None,
    )


def _retrying(patience: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(PlacementConflict),
        stop=tenacity.stop_after_delay(patience),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2.0),
        reraise=True,
    )


class _Attempt:
    """One claim, tried again from the start after each conflict."""

    def __init__(
        self,
        client: PlacementClient,
        request: EncryptionRequest,
        query: PlacementRequest,
        instances: tuple[str, ...],
        owner: str,
        names: Mapping[str, str],
        *,
        avoid: str | None = None,
        held: dict[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.request = request
        self.query = query
        self.instances = instances
        self.owner = owner
        self.names = names
        self.avoid = avoid
        self.held = held
        self.tried = 0

    def __call__(self) -> Sequence[Candidate]:
        answer = self.client.candidates(self.query)
        chosen = choose(
            self.client,
            self.request,
            answer,
            len(self.instances),
            names=self.names,
            avoid=self.avoid,
            # Claimers that collide must not collide again.
            shuffle=self.tried > 0,
        )
        self.tried += 1
        body = {
            instance: {
                'allocations': candidate.payload(),
                'project_id': (self.held or {}).get('project_id', _PROJECT),
                'user_id': (self.held or {}).get('user_id', self.owner),
                'consumer_generation': (self.held or {}).get(
                    'consumer_generation'
                ),
            }
            for instance, candidate in zip(self.instances, chosen, strict=True)
        }
        try:
            self.client.call('POST', '/allocations', json=body)
        except (PlacementUnavailable, PlacementAnswerError) as error:
            self._settle(error, body)
        return chosen

    def _settle(self, error: PlacementError, body: dict[str, Any]) -> None:
        """Find out whether a claim with a lost answer was made.

        A claim that arrives late finds the consumers' generations changed,
        so asking for the same again does no harm: either one is refused.
        """
        for attempt in range(3):
            try:
                if attempt:
                    self.client.call('POST', '/allocations', json=body)
                    return
                if self._made(body):
                    return
            except PlacementConflict:
                if self._made(body):
                    return
                raise
            except (PlacementUnavailable, PlacementAnswerError):
                continue
        names = ', '.join(body)
        raise type(error)(
            f'{error} Whether the claim was made is not known; release '
            f'{names[:200]} once Placement answers.'
        ) from error

    def _made(self, body: dict[str, Any]) -> bool:
        # All or nothing, so one of them tells.
        instance, claim = next(iter(body.items()))
        held = owners.allocations_of(self.client, instance)['allocations']
        return {
            provider: allocation['resources']
            for provider, allocation in held.items()
        } == {
            provider: allocation['resources']
            for provider, allocation in claim['allocations'].items()
        }


def release(
    client: PlacementClient, instance: str, *, patience: float
) -> bool:
    """See :meth:`.PlacementClient.release`."""

    def attempt() -> bool:
        held = owners.allocations_of(client, instance)
        if not held['allocations']:
            return False
        client.call(
            'PUT',
            f'/allocations/{instance}',
            json={
                'allocations': {},
                'project_id': held['project_id'],
                'user_id': held['user_id'],
                'consumer_generation': held['consumer_generation'],
            },
        )
        return True

    return bool(_retrying(patience)(attempt))


def move(
    client: PlacementClient,
    instance: str,
    request: EncryptionRequest,
    *,
    patience: float,
) -> Placement:
    """See :meth:`.PlacementClient.move`."""
    query = translate(request)
    names = providers.names(client)

    def attempt() -> Sequence[Candidate]:
        held = owners.allocations_of(client, instance)
        if not held['allocations']:
            raise InputError(
                f'Instance {shown(instance)} holds nothing; schedule it '
                'instead.'
            )
        known = providers.list_providers(client)
        roots = {p['uuid']: p['root_provider_uuid'] for p in known}
        first = next(iter(held['allocations']))
        claim = _Attempt(
            client,
            request,
            query,
            (instance,),
            OWNER,
            names,
            avoid=roots.get(first, first),
            held=held,
        )
        return claim()

    chosen = _retrying(patience)(attempt)
    return _placement(instance, chosen[0], names)


def reconcile(
    client: PlacementClient,
    owner: str,
    *,
    older_than: float,
    dry_run: bool,
    patience: float,
) -> list[owners.Claim]:
    """See :meth:`.PlacementClient.reconcile`."""
    found = [
        claim
        for claim in owners.list_claims(client, owner=owner)
        if claim.age is not None and claim.age >= older_than
    ]
    if not dry_run:
        for claim in found:
            release(client, claim.instance, patience=patience)
    return found
