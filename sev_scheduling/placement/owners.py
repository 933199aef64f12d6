"""Who holds slots, and what a dead owner left.

Placement keeps an owner as the user of a consumer, and tells no time: how
old a claim is, the instance uuids made by :func:`new_instance` tell (they
are of version 7, RFC 9562).
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import os_resource_classes as orc

from sev_scheduling.exceptions import InputError, PlacementAnswerError
from sev_scheduling.specs import shown

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient


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


def allocations_of(client: PlacementClient, instance: str) -> dict[str, Any]:
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
                who = allocations_of(client, instance).get('user_id', '')
                if owner in (None, who):
                    age = None if made_at is None else now - made_at
                    yield Claim(instance, who, host.name, provider, age)
