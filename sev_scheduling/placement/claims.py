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
from typing import TYPE_CHECKING

import tenacity

from sev_scheduling.exceptions import InputError, PlacementConflict
from sev_scheduling.placement import owners, providers
from sev_scheduling.placement.attempt import Attempt
from sev_scheduling.placement.candidates import Candidate, telling_provider
from sev_scheduling.placement.choice import Chooser
from sev_scheduling.prefilter import translate
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient

#: Holds the claims of callers that name no owner.
OWNER = 'sev-scheduling'


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
    if instances is not None:
        if len(instances) != count or len(set(instances)) != count:
            raise InputError(
                f'{len(instances)} instance uuids ({len(set(instances))} '
                f'different ones) were given for {count} guests; give one '
                'each.'
            )
        for instance in instances:
            owners.check_instance(instance)
    owners.check_owner(owner)
    claim = Attempt(
        client=client,
        chooser=Chooser(client, request, query),
        count=count,
        instances=instances or (),
        owner=owner,
    )
    chosen = _retrying(patience)(claim)
    names = client.names.of(candidate.root for candidate in chosen)
    return tuple(
        _placement(instance, candidate, names)
        for instance, candidate in zip(claim.instances, chosen, strict=True)
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


def release(
    client: PlacementClient,
    instance: str,
    *,
    patience: float,
    owner: str | None = None,
) -> bool:
    """See :meth:`.PlacementClient.release`.

    :param owner: leave it to anybody else who has it by now
    """

    def attempt() -> bool:
        held = owners.allocations_of(client, instance)
        if not held['allocations'] or owner not in (None, held['user_id']):
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
    claim = Attempt(
        client=client,
        chooser=Chooser(client, request, query),
        count=1,
        instances=(instance,),
        owner=OWNER,
    )

    def attempt() -> Sequence[Candidate]:
        # Its generation, and where it is: both may have changed.
        claim.held = owners.allocations_of(client, instance)
        held = claim.held['allocations']
        if not held:
            raise InputError(
                f'Instance {quoted(instance)} holds nothing; schedule it '
                'instead.'
            )
        claim.avoid = providers.root_of(client, telling_provider(held))
        return claim()

    (chosen,) = _retrying(patience)(attempt)
    return _placement(instance, chosen, client.names.of([chosen.root]))


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
            release(client, claim.instance, owner=owner, patience=patience)
    return found
