"""Consumers: who holds slots, and since when.

Placement keeps an owner as the user of a consumer, and knows no time: how
old a claim is, the instance uuids made by :func:`new_instance` show (they
are of version 7, RFC 9562). What this library has claimed has a project of
its own.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass, field

import os_resource_classes as orc
from oslo_utils import uuidutils

from sev_scheduling.placement.answers import Amounts
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.hosts import list_hosts

#: The project of consumers that this library has made. Nova's have the one
#: of their server, which is a uuid of keystone.
PROJECT = 'sev-scheduling'


@dataclass(frozen=True, slots=True)
class Claim:
    """A slot that a guest holds.

    :ivar age: seconds since the claim, None where the uuid has no time
    :ivar allocations: all that it holds: provider uuid -> resource class ->
        amount
    :ivar consumer_type: such as ``INSTANCE``; None where Placement does not
        know it, or has it not yet (before 1.38)
    """

    instance: str
    owner: str
    host: str
    provider: str
    age: float | None
    allocations: Amounts = field(default_factory=dict, compare=False)
    consumer_type: str | None = field(default=None, compare=False)


def new_instance() -> str:
    """Return a uuid of version 7, which has the time in it."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def _made_at(instance: str) -> float | None:
    """Return when an instance uuid was made, in seconds since 1970."""
    if not uuidutils.is_uuid_like(instance):
        return None
    value = uuid.UUID(instance)
    return (value.int >> 80) / 1000 if value.version == 7 else None


def list_claims(api: Api, *, owner: str | None) -> list[Claim]:
    """Return the claims of slots, by host and instance.

    Placement lists consumers by provider only, so this asks once for each
    pool in use, and once for each guest that may be one of ours (a uuid of
    version 7), several at one time.
    """
    now = time.time()
    # A flat provider may count for several models.
    pools = {
        pool.provider_uuid: host.name
        for host in list_hosts(api)
        for pool in host.pools.values()
        if pool.used and pool.provider_uuid
    }
    guests = [
        (instance, provider)
        for provider, held in zip(
            pools, api.each(api.consumers, pools), strict=True
        )
        for instance, amounts in held.items()
        if orc.MEM_ENCRYPTION_CONTEXT in amounts
        and (owner is None or _made_at(instance) is not None)
    ]
    claims = []
    for (instance, provider), held in zip(
        guests,
        api.each(api.allocations, (instance for instance, _ in guests)),
        strict=True,
    ):
        # It may be gone by now, or moved on.
        left = held.by_provider.get(provider, {})
        if orc.MEM_ENCRYPTION_CONTEXT in left and (
            owner is None
            or (held.project_id, held.user_id) == (PROJECT, owner)
        ):
            made_at = _made_at(instance)
            age = None if made_at is None else now - made_at
            claims.append(
                Claim(
                    instance,
                    held.user_id,
                    pools[provider],
                    provider,
                    age,
                    held.by_provider,
                    held.consumer_type,
                )
            )
    return sorted(claims, key=lambda claim: (claim.host, claim.instance))
