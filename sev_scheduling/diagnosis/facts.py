"""The answers of Placement and of hosts to a request, as data.

``placement.diagnosis`` asks the questions.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import os_resource_classes as orc
import os_traits

from sev_scheduling.problems import Field
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.request.request import EncryptionRequest


class Cause(enum.StrEnum):
    """What kind of constraint leaves no candidate.

    Do not change a value: programs compare them.
    """

    #: there are candidates
    NONE = 'none'
    #: Placement does not know a trait or a resource class that is asked for,
    #: so that it answers with no host, whatever these have
    UNKNOWN_NAME = 'unknown-name'
    #: no host offers slots of the model
    NO_MODEL = 'no-model'
    #: hosts offer the model, and no slot of it is free
    SLOTS_USED = 'slots-used'
    #: there is room for some of the request's guests, and not for all
    GUESTS = 'guests'
    #: hosts with a free slot are short of VCPU, MEMORY_MB, DISK_GB, …
    RESOURCES_SHORT = 'resources-short'
    #: a trait that the flavor or the image requires or forbids
    TRAIT = 'trait'
    #: a trait that the caller requires of hosts, or forbids
    HOST_TRAIT = 'host-trait'
    #: the default machine type that hosts publish
    MACHINE_TYPE = 'machine-type'
    #: an aggregate that the host must be in, or must not be in
    AGGREGATE = 'aggregate'
    #: the caller asked for one host
    HOST = 'host'
    #: a request group of the flavor (``resources1:…``, ``trait1:…``)
    GROUP = 'group'
    #: a port that asks for resources (bandwidth, packet rate, a device)
    PORT = 'port'
    #: devices that an extra spec asks for (a PCI alias, a device profile)
    DEVICE = 'device'
    #: ``group_policy=isolate``
    GROUP_POLICY = 'group-policy'
    #: constraints of several kinds, all of which must be relaxed
    SEVERAL = 'several'
    #: constraints that hosts meet one by one and none meets together: to
    #: relax any one of them would do
    COMBINATION = 'combination'
    #: no constraint by itself, as far as Placement reports
    UNCLEAR = 'unclear'
    #: Placement did not answer
    UNKNOWN = 'unknown'


#: What every request asks of hosts, as a constraint has it.
NOT_DISABLED = f'!{os_traits.COMPUTE_STATUS_DISABLED}'

#: What may pass without anybody changing a request or a host.
PASSING = frozenset(
    {
        Cause.SLOTS_USED,
        Cause.GUESTS,
        Cause.RESOURCES_SHORT,
        Cause.UNKNOWN,
    }
)


class Matter(enum.StrEnum):
    """What it is a matter of that a guest is not placed."""

    #: it can be placed
    NONE = 'none'
    #: of the request: no host takes it, now or later
    REQUEST = 'request'
    #: of hosts: until somebody changes them, or asks for something else
    HOSTS = 'hosts'
    #: of the moment: it may pass, as other guests end or hosts come back
    MOMENT = 'moment'
    #: the hosts are not shown
    UNKNOWN = 'unknown'


@dataclass(frozen=True, slots=True, order=True)
class Constraint:
    """One thing that a request asks for.

    :ivar cause: the kind; never ``NONE``, ``SEVERAL``, ``COMBINATION`` or
        ``UNCLEAR``
    :ivar name: a resource class, trait (``CUSTOM_A or CUSTOM_B``,
        ``!CUSTOM_C``), aggregate uuid, group suffix, uuid of a port, key of
        an extra spec, model
    :ivar requested: amount of the resource class; 0 for other kinds
    :ivar groups: what a port or an extra spec asks for
    :ivar asker: the caller's option or argument that asks for it; None
        where flavor, image or cloud do
    :ivar contradicted: a trait that hosts must not have, either: none will do
    """

    cause: Cause
    name: str
    requested: int = 0
    groups: tuple[RequestGroup, ...] = field(
        default=(), compare=False, repr=False
    )
    asker: Field | None = field(default=None, compare=False, repr=False)
    contradicted: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f'{self.name}:{self.requested}' if self.requested else self.name


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A resource that hosts are short of.

    :ivar requested: amount asked for
    :ivar best: what the best host has left: of the hosts that meet all
        else, the one that is least short
    :ivar best_host: that host's name, for operators; its uuid where the
        name is not known; '' where it is about one host alone
    :ivar capacity: what one of the hosts has at the most, used or not; None
        where that is not known of all of them
    :ivar shared_by: name of the provider that shares it with that host; ''
        where the host has its own
    """

    resource_class: str
    requested: int
    best: int
    best_host: str
    capacity: int | None = None
    shared_by: str = ''

    @property
    def missing(self) -> int:
        return self.requested - self.best

    @property
    def permanent(self) -> bool:
        """Whether no host would have enough with all of it free."""
        return self.capacity is not None and self.capacity < self.requested


@dataclass(frozen=True, slots=True)
class Limit:
    """A resource that keeps one more of several equal guests off.

    :ivar each: amount that a guest takes
    :ivar left: what hosts that could take one have left of it, all together
    :ivar shared_by: name of the only provider of it, which shares it with
        hosts: others bring no more; '' where hosts have their own
    """

    resource_class: str
    each: int
    left: int
    shared_by: str = ''


@dataclass(frozen=True, slots=True, order=True)
class UnknownName:
    """A trait or a resource class that Placement does not know.

    :ivar trait: whether it is a trait
    :ivar forbidden: a trait that hosts must not have
    :ivar near: the name that Placement knows and that is nearest to it, or
        ''
    :ivar constraint: what it is asked for by
    """

    name: str
    trait: bool
    forbidden: bool
    constraint: Constraint
    near: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What emptied Placement's answer to one request.

    A number is None where Placement does not report it within the bound on
    calls.

    :ivar cause: the kind of what is in the way
    :ivar host: name of the one host that was asked for, '' where it is not
        known; None where any will do
    :ivar constraints: what exactly: Placement has candidates once all of
        these are relaxed (for ``combination``: any one of them), and none
        with fewer relaxed
    :ivar shortfalls: figures for those constraints that are amounts
    :ivar hosts_with_free_slot: hosts with a free slot of the model; for a
        guest without encryption, hosts with enough of any of the amounts
    :ivar hosts_but_for: of these, hosts that lack nothing else
    :ivar roots_but_for: root uuids of those hosts; empty where they are not
        known
    :ivar hosts_with_model: for ``slots-used``, hosts that offer the model
    :ivar slots_total: slots of the model, reserved ones not counted
    :ivar slots_used: of these, slots in use
    :ivar unknown: for ``unknown-name``, what Placement does not know
    :ivar offered: for ``no-model``, other models of which slots are free
    :ivar runnable: of these, models as which a host could run the request;
        None where it was not asked
    :ivar guests: for ``guests``, how many there are to be
    :ivar guests_fit: of these, how many fit at the most
    :ivar guests_if_empty: how many would fit at the most without any other
        guest, disabled hosts enabled; None where it is not known
    :ivar limits: what keeps one more of them off
    :ivar calls: calls to Placement that it took
    :ivar partial: what hosts are known to lack; there may be more
    """

    request: EncryptionRequest
    cause: Cause
    host: str | None = None
    constraints: tuple[Constraint, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    hosts_with_free_slot: int | None = None
    hosts_but_for: int | None = None
    roots_but_for: frozenset[str] = field(default=frozenset(), repr=False)
    hosts_with_model: int | None = None
    slots_total: int | None = None
    slots_used: int | None = None
    unknown: tuple[UnknownName, ...] = ()
    offered: tuple[str, ...] = ()
    runnable: tuple[str, ...] | None = None
    guests: int = 1
    guests_fit: int | None = None
    guests_if_empty: int | None = None
    limits: tuple[Limit, ...] = ()
    calls: int = 0
    partial: bool = False

    @property
    def permanent(self) -> bool:
        """Whether it stays until somebody changes a request or a host.

        Slots and amounts come free as other guests end, as far as hosts
        have enough of them.
        """
        if self.cause is Cause.UNKNOWN_NAME:
            return True
        if self.cause is Cause.SLOTS_USED:
            return self.slots_total == 0
        if self.cause is Cause.GUESTS:
            return (
                self.guests_if_empty is not None
                and self.guests_if_empty < self.guests
            )
        if self.cause in PASSING and not self.constraints:
            return False
        short = {s.resource_class for s in self.shortfalls if s.permanent}
        stay = [
            constraint.cause not in PASSING or constraint.name in short
            for constraint in self.constraints
        ]
        if self.cause is Cause.COMBINATION:
            # A host that is disabled and lacks nothing else may come back.
            return all(stay) and NOT_DISABLED not in {
                constraint.name for constraint in self.constraints
            }
        return not stay or any(stay)

    @property
    def limiting_classes(self) -> tuple[str, ...]:
        """The classes beside slots that keep one more guest off."""
        return tuple(
            limit.resource_class
            for limit in self.limits
            if limit.resource_class != orc.MEM_ENCRYPTION_CONTEXT
        )

    @property
    def confirmed(self) -> bool:
        """Whether Placement has candidates with what is named relaxed."""
        return self.cause not in (Cause.NONE, Cause.UNCLEAR, Cause.UNKNOWN)
