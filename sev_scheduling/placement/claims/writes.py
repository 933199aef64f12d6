"""Writes of what consumers hold, whose outcome is found out.

An answer may be lost once Placement has done what it was asked; and what
stands between, a load balancer or a transport adapter, may send a request
twice: the answer is then the one to the second, a conflict of the consumer's
generation. So after any answer that is not a plain yes the consumers are
looked up before anything else. Only Placement's own refusal, a 4xx but 409,
of a write that was sent once is a plain no.
"""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.exceptions import (
    PlacementConflict,
    PlacementError,
    some,
)
from sev_scheduling.placement.answers import Allocations
from sev_scheduling.placement.api import Api

#: Consumer uuid -> what it is to hold.
Claims = Mapping[str, Allocations]

#: How often the same is sent: once, and again after answers that were lost.
SENDS = 3


def write(api: Api, wanted: Claims, *before: Claims) -> Claims:
    """Set what consumers hold, of all of them or of none.

    A write that arrives late finds the generations changed, so that sending
    the same again does no harm: either one is refused.

    :param before: what was sent for the same consumers before, and may
        arrive late
    :returns: which of them all Placement has
    :raises PlacementConflict: where a generation is not the one that
        Placement has, or there is not that much left
    :raises PlacementError: another of its children. In each of them,
        ``instances`` has the consumers where any of these writes may be
        made, or may still be made later, and is empty otherwise.
    """
    lost: PlacementError | None = None
    for _ in range(SENDS):
        try:
            api.post_allocations(wanted)
            return wanted
        except PlacementError as error:
            caught = error
        if not (caught.unclear or isinstance(caught, PlacementConflict)):
            if lost or before:
                raise outcome_unknown(lost or caught, wanted)
            raise caught
        if caught.unclear:
            lost = lost or caught
        try:
            found = look_up(api, wanted, *before)
        except PlacementError:
            lost = lost or caught
            continue
        if found is not None:
            return found
        if not caught.unclear:
            if lost or before:
                caught.instances = tuple(wanted)
            raise caught
    assert lost is not None
    raise outcome_unknown(lost, wanted)


def look_up(api: Api, *writes: Claims) -> Claims | None:
    """Return which of some writes for the same consumers was made.

    :raises PlacementError: one of its children
    """
    # All or nothing, so one guest stands for all of a group. Of a move,
    # others may have changed the guest, or freed what was claimed for it.
    consumers = list(writes[0])
    held: dict[str, Allocations] = {}

    def made(write: Claims) -> bool:
        for consumer in (consumers[0], consumers[-1]):
            if consumer not in held:
                held[consumer] = api.allocations(consumer)
            if not holds(held[consumer], write[consumer]):
                return False
        return True

    return next(filter(made, writes), None)


def holds(held: Allocations, wanted: Allocations) -> bool:
    """Return whether a consumer holds what it was to hold, by its owner."""
    return held.by_provider == wanted.by_provider and (
        not held
        or (held.project_id, held.user_id)
        == (wanted.project_id, wanted.user_id)
    )


def outcome_unknown(error: PlacementError, claims: Claims) -> PlacementError:
    """Return an error of the same type that reports the consumers."""
    unknown = type(error)(
        f'{error} Whether it was done is not known; release '
        f'{some(tuple(claims))} once Placement answers.'
    )
    unknown.instances = tuple(claims)
    unknown.unclear = True
    unknown.__cause__ = error
    return unknown
