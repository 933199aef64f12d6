"""What emptied Placement's answer, as data.

The questions that find it out are asked by ``placement.diagnosis``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sev_scheduling.request import EncryptionRequest


class Cause(enum.StrEnum):
    """What kind of constraint leaves no candidate.

    Do not change a value: programs compare them.
    """

    NONE = 'none'  # there are candidates
    NO_MODEL = 'no-model'
    SLOTS_USED = 'slots-used'
    RESOURCES_SHORT = 'resources-short'
    TRAIT = 'trait'
    AGGREGATE = 'aggregate'
    GROUP_POLICY = 'group-policy'
    GROUP = 'group'
    COMBINATION = 'combination'


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A resource that every host with a free slot is short of.

    :ivar requested: amount asked for
    :ivar best: the most that one such host has left
    :ivar best_host: that host's name, for operators
    """

    resource_class: str
    requested: int
    best: int
    best_host: str

    @property
    def missing(self) -> int:
        return self.requested - self.best


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What emptied Placement's answer to one request.

    :ivar cause: the kind of constraint
    :ivar hosts: hosts in the cloud
    :ivar hosts_with_model: of these, hosts that offer the model
    :ivar hosts_with_free_slot: of these, hosts with a free slot
    :ivar slots_total: slots of the model, reserved ones not counted
    :ivar slots_used: of these, slots in use
    :ivar shortfalls: for ``resources-short``
    :ivar constraints: for ``trait``, ``aggregate``, ``group``: what cannot
        be met, such as ``!CUSTOM_GOLD`` or an aggregate's uuid
    :ivar calls: calls to Placement that it took
    """

    request: EncryptionRequest
    cause: Cause
    hosts: int = 0
    hosts_with_model: int = 0
    hosts_with_free_slot: int = 0
    slots_total: int = 0
    slots_used: int = 0
    shortfalls: tuple[Shortfall, ...] = ()
    constraints: tuple[str, ...] = ()
    calls: int = 0
