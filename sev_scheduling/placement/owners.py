"""Who holds slots, and what a dead owner left.

Placement keeps an owner as the user of a consumer, and tells no time: how
old a claim is, the instance uuids made by :func:`new_instance` tell (they
are of version 7, RFC 9562).
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import os_resource_classes as orc

from sev_scheduling.exceptions import (
    InputError,
    PlacementAnswerError,
    PlacementRefused,
)
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient

_LONGEST_OWNER = 255
_UUID = re.compile('-'.join(f'[0-9a-fA-F]{{{n}}}' for n in (8, 4, 4, 4, 12)))


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


def check_owner(owner: str) -> None:
    """:raises InputError: where Placement takes no such user"""
    if not isinstance(owner, str) or not 0 < len(owner) <= _LONGEST_OWNER:
        raise InputError(
            f'Owner {quoted(owner)} is no text of 1 to {_LONGEST_OWNER} '
            'characters.'
        )


def check_instance(instance: str) -> None:
    """:raises InputError: where it is no uuid as Placement writes them"""
    if not isinstance(instance, str) or not _UUID.fullmatch(instance):
        raise InputError(f'Instance {quoted(instance)} is no uuid.')


def allocations_of(client: PlacementClient, instance: str) -> dict[str, Any]:
    """Return what a guest holds, as Placement answers it.

    Where it holds something: ``allocations``, ``project_id``, ``user_id``,
    ``consumer_generation``; else an empty ``allocations``.
    """
    check_instance(instance)
    url = f'/allocations/{instance}'
    answer: dict[str, Any] = client.call('GET', url)
    try:
        amounts(answer)
        if answer['allocations']:
            str.encode(answer['user_id'])
            str.encode(answer['project_id'])
            answer['consumer_generation']
    except (AttributeError, KeyError, TypeError):
        raise PlacementAnswerError(
            f'GET {url}: the answer has no allocations, or strange ones; '
            'check the endpoint.'
        ) from None
    return answer


def amounts(held: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return provider uuid -> resource class -> amount."""
    return {
        provider: dict(allocation['resources'].items())
        for provider, allocation in held['allocations'].items()
    }


def held_by(
    client: PlacementClient, instance: str
) -> dict[str, dict[str, int]]:
    """Return the same, for a guest."""
    return amounts(allocations_of(client, instance))


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
        # A flat provider may count for several models.
        used = {
            pool.provider_uuid
            for pool in host.pools.values()
            if pool.used and pool.provider_uuid
        }
        for provider in sorted(used):
            for instance in _guests_on(client, provider):
                made_at = _made_at(instance)
                if made_at is None and owner is not None:
                    continue
                held = allocations_of(client, instance)
                # It may be gone by now, or moved on.
                if not _holds_slot(amounts(held).get(provider, {})):
                    continue
                who = held['user_id']
                if owner in (None, who):
                    age = None if made_at is None else now - made_at
                    yield Claim(instance, who, host.name, provider, age)


def _guests_on(client: PlacementClient, provider: str) -> list[str]:
    """Return the guests that hold slots of a provider."""
    url = f'/resource_providers/{provider}/allocations'
    try:
        return [
            instance
            for instance, held in client.call('GET', url)[
                'allocations'
            ].items()
            if _holds_slot(held['resources']) and uuid.UUID(instance)
        ]
    except PlacementRefused:
        return []  # It is gone.
    except (AttributeError, KeyError, TypeError, ValueError):
        raise PlacementAnswerError(
            f'GET {url}: the answer has no allocations, or strange ones; '
            'check the endpoint.'
        ) from None


def _holds_slot(amounts: Mapping[str, int]) -> bool:
    return orc.MEM_ENCRYPTION_CONTEXT in amounts
