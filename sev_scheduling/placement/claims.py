"""Claims: room for guests, taken, freed and found again.

Placement decides: a claim of several guests is one ``POST /allocations``,
which it takes whole or not at all, and its generations refuse a claim that
rests on an old answer. Such a claim is made anew, from a new answer, after a
pause that grows and varies.

A client may die, or lose the answer, at any moment. What it claimed is then
whole or absent; :func:`reconcile` finds it by the owner, which Placement
keeps as the user of the consumer, and by its age, which the instance uuids
made here tell (they are of version 7, RFC 9562).
"""

from __future__ import annotations

import random
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import os_resource_classes as orc
import tenacity

from sev_scheduling.exceptions import (
    InputError,
    NoCapacity,
    PlacementAnswerError,
    PlacementConflict,
    PlacementError,
    PlacementUnavailable,
)
from sev_scheduling.explanation import explain
from sev_scheduling.hostfilter import filter_hosts
from sev_scheduling.hosts import Host
from sev_scheduling.placement import providers
from sev_scheduling.placement.candidates import Candidate, Candidates
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


@dataclass(frozen=True, slots=True)
class Claim:
    """A slot that a guest holds.

    :ivar age: seconds since the claim, None where the uuid does not tell
    """

    instance: str
    owner: str
    host: str
    provider: str
    age: float | None


def new_instance() -> str:
    """Return a uuid of version 7, which tells when it was made."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def _made_at(instance: str) -> float | None:
    """Return when an instance uuid was made, in seconds, if it tells."""
    value = uuid.UUID(instance)
    return (value.int >> 80) / 1000 if value.version == 7 else None


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
        instances = tuple(new_instance() for _ in range(count))
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
    instance: str, candidate: Candidate, names: dict[str, str]
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
        names: dict[str, str],
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
        held = _allocations(self.client, instance)['allocations']
        return {
            provider: allocation['resources']
            for provider, allocation in held.items()
        } == {
            provider: allocation['resources']
            for provider, allocation in claim['allocations'].items()
        }


def choose(
    client: PlacementClient,
    request: EncryptionRequest,
    answer: Candidates,
    count: int,
    *,
    names: dict[str, str],
    avoid: str | None = None,
    shuffle: bool = False,
) -> list[Candidate]:
    """Choose a candidate for each of several equal guests.

    The best model first; then the host with most free slots, so that one
    host's failure takes few guests along; then by name. A guest without a
    slot goes to a host without pools while there is one.

    :param names: provider uuid -> name
    :param avoid: root uuid of a host that will not do
    :param shuffle: take the hosts of one model in any order
    :raises NoCapacity: where they do not all fit
    """
    hosts = {host.uuid or '': host for host in answer.hosts()}
    result = filter_hosts(request, hosts.values())
    fit = {host.uuid for host in result.accepted}
    room = answer.room()
    by_host: dict[tuple[int, str], list[Candidate]] = {}
    models = list(answer_models(request))
    for candidate in answer.candidates(models):
        if candidate.root in fit and candidate.root != avoid:
            rank = models.index(candidate.model) if candidate.model else 0
            by_host.setdefault((rank, candidate.root), []).append(candidate)
    order = sorted(
        by_host,
        key=lambda key: (
            key[0],
            random.random() if shuffle else 0.0,
            -_free_slots(hosts[key[1]], models, key[0]),
            names.get(key[1], key[1]),
        ),
    )
    chosen: list[Candidate] = []
    for rank, root in order:
        if len(chosen) == count:
            break
        if not _memory_is_not_overcommitted(client, request, hosts[root]):
            continue
        for candidate in by_host[rank, root]:
            while len(chosen) < count and _take(room, candidate):
                chosen.append(candidate)
    if len(chosen) < count:
        raise _no_capacity(client, request, count, len(chosen))
    return chosen


def answer_models(request: EncryptionRequest) -> Iterator[Any]:
    """Yield the models of a request, the best first."""
    yield from request.models


def _free_slots(host: Host, models: Sequence[Any], rank: int) -> int:
    if not models:
        # Slots are scarce: leave them to guests that need one.
        return -sum(pool.total for pool in host.pools.values())
    pool = host.pools.get(models[rank].name)
    return pool.free if pool else 0


def _take(room: dict[str, dict[str, int]], candidate: Candidate) -> bool:
    """Take a candidate's amounts off what is left, if they are left."""
    wanted = [
        (room.get(provider, {}), name, amount)
        for provider, amounts in candidate.allocations.items()
        for name, amount in amounts.items()
    ]
    if any(left.get(name, 0) < amount for left, name, amount in wanted):
        return False
    for left, name, amount in wanted:
        left[name] -= amount
    return True


def _memory_is_not_overcommitted(
    client: PlacementClient, request: EncryptionRequest, host: Host
) -> bool:
    """Ask for what no candidate tells: one call a host that is chosen."""
    if request.mem_page_size or not any(
        model.locks_memory for model in request.models
    ):
        return True
    memory = providers.inventories_of(client, host.uuid or '').get(
        orc.MEMORY_MB
    )
    return not memory or float(memory['allocation_ratio']) <= 1.0


def _no_capacity(
    client: PlacementClient,
    request: EncryptionRequest,
    count: int,
    fit: int,
) -> NoCapacity:
    explanation: object
    if count > 1 and fit:
        return NoCapacity(
            f'Only {fit} of {count} guests fit, so none was placed; ask for '
            f'{fit}, or free slots.',
            explain(filter_hosts(request, client.hosts())),
        )
    result = filter_hosts(request, client.hosts())
    if result.accepted:
        # Hosts have slots, so something else is short.
        explanation = explain(client.diagnose(request))
    else:
        explanation = explain(result)
    return NoCapacity(
        'No host can take the guest.'
        if count == 1
        else f'No host can take any of the {count} guests.',
        explanation,
    )


def _allocations(client: PlacementClient, instance: str) -> dict[str, Any]:
    try:
        uuid.UUID(instance)
    except ValueError:
        raise InputError(f'Instance {shown(instance)} is no uuid.') from None
    answer = client.call('GET', f'/allocations/{instance}')
    if not isinstance(answer.get('allocations'), dict):
        raise PlacementAnswerError(
            f'GET /allocations/{instance}: the answer has no allocations; '
            'check the endpoint.'
        )
    return dict(answer)


def release(
    client: PlacementClient, instance: str, *, patience: float
) -> bool:
    """See :meth:`.PlacementClient.release`."""

    def attempt() -> bool:
        held = _allocations(client, instance)
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
        held = _allocations(client, instance)
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


def list_claims(client: PlacementClient, *, owner: str | None) -> list[Claim]:
    """Return the claims of slots, by host and instance.

    Placement lists consumers by provider only, so this asks once for each
    host with slots in use, and once for each guest that may be one of ours
    (a uuid of version 7).
    """
    return sorted(
        _find_claims(client, owner),
        key=lambda claim: (claim.host, claim.instance),
    )


def _find_claims(
    client: PlacementClient, owner: str | None
) -> Iterator[Claim]:
    now = time.time()
    for host in client.hosts(details=False):
        used = {
            pool.provider_uuid: pool
            for pool in host.pools.values()
            if pool.used and pool.provider_uuid
        }
        for provider in used:
            answer = client.call(
                'GET', f'/resource_providers/{provider}/allocations'
            )
            for instance, held in answer.get('allocations', {}).items():
                if orc.MEM_ENCRYPTION_CONTEXT not in held['resources']:
                    continue
                made_at = _made_at(instance)
                if made_at is None and owner is not None:
                    continue
                who = _allocations(client, instance).get('user_id', '')
                if owner in (None, who):
                    age = None if made_at is None else now - made_at
                    yield Claim(instance, who, host.name, provider, age)


def reconcile(
    client: PlacementClient,
    owner: str,
    *,
    older_than: float,
    dry_run: bool,
    patience: float,
) -> list[Claim]:
    """See :meth:`.PlacementClient.reconcile`."""
    found = [
        claim
        for claim in list_claims(client, owner=owner)
        if claim.age is not None and claim.age >= older_than
    ]
    if not dry_run:
        for claim in found:
            release(client, claim.instance, patience=patience)
    return found
