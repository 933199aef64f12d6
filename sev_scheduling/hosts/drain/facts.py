"""What a plan that empties hosts is made of, as data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from sev_scheduling.hosts.capacity import Key, Option
from sev_scheduling.hosts.verdict import FilterResult


class DrainCode(enum.StrEnum):
    """What becomes of a guest.

    Do not change a value: programs compare them.
    """

    #: it is migrated cold
    MOVE = 'move'
    #: no other host can take it
    NO_HOST = 'no-host'
    #: hosts could, and guests before it take what they have
    TAKEN = 'taken'
    #: its server group keeps it from every host that could
    GROUP = 'server-group'
    #: nova migrates no server in this state
    STATE = 'state'
    #: the slot is held, and not by a server: a migration that is to be
    #: confirmed, or a claim of another service
    NOT_A_SERVER = 'not-a-server'
    #: it is not known what it needs
    UNKNOWN = 'unknown'


class Unknown(enum.StrEnum):
    """What a move goes by and is not known. Do not change a value."""

    #: its flavor: what it holds in Placement stands for it
    FLAVOR = 'flavor'
    #: its image: traits, machine type
    IMAGE = 'image'
    #: its flavor as it was at boot: that of today stands for it
    FLAVOR_COPY = 'flavor-copy'
    #: its image as it was at boot: that of today stands for it
    IMAGE_COPY = 'image-copy'
    #: the default machine type of the target
    MACHINE_TYPE = 'machine-type'
    #: what other filters of nova look at: NUMA cells, pages, devices
    TOPOLOGY = 'topology'
    #: whether nova has the server at all, and in what state it is
    SERVER = 'server'


#: What stands for these is of nova as well, of today.
_HAVE_STAND_INS = frozenset({Unknown.FLAVOR_COPY, Unknown.IMAGE_COPY})

#: Of guests that could go elsewhere if there were room for them.
_WITHOUT_ROOM = frozenset(
    {DrainCode.NO_HOST, DrainCode.TAKEN, DrainCode.GROUP}
)


class Outcome(enum.StrEnum):
    """Whether all guests fit. Do not change a value."""

    #: they do, in the order of the plan
    ALL = 'all'
    #: they do by what is known; of some it is not known what they need
    UNKNOWN = 'unknown'
    #: no order exists in which they do
    NONE = 'none'
    #: none was found within the bound
    NOT_FOUND = 'not-found'


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest that holds a slot on a host that is to be emptied.

    :ivar instance: its uuid, the consumer in Placement
    :ivar made_up: nova has no server of this uuid: a cloud file made it up
    :ivar host: uuid of the root provider of its host
    :ivar options: the ways in which others could take it, the best first
    :ivar held: what it holds now, given back once it has moved
    :ivar apart: ids of server groups of which no host may have two
    :ivar code: why it cannot move, whatever room there is; else MOVE
    :ivar state: of its server, as nova names it
    :ivar unknown: what of it is not known
    :ivar doubtful: hosts whose default machine type is not known and counts
    :ivar verdicts: of every other host, each by itself
    """

    instance: str
    host: str
    name: str = ''
    options: tuple[Option, ...] = field(default=(), hash=False)
    held: Mapping[Key, int] = field(default_factory=dict, hash=False)
    apart: frozenset[str] = frozenset()
    code: DrainCode = DrainCode.MOVE
    state: str = ''
    made_up: bool = False
    unknown: tuple[Unknown, ...] = ()
    doubtful: frozenset[str] = frozenset()
    verdicts: FilterResult | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one guest.

    :ivar target: uuid of the host's root provider; None where it stays
    :ivar short: resource class -> hosts that could take it but for that
    """

    guest: Guest
    code: DrainCode
    target: str | None = None
    short: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def stops(self) -> bool:
        """Whether the guest is stopped for the time of the maintenance.

        Not if it is SHUTOFF: nova answers 409.
        """
        return self.code in _WITHOUT_ROOM and self.guest.state != 'SHUTOFF'

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """What is not known of the guest and of its target."""
        if self.target in self.guest.doubtful:
            return (*self.guest.unknown, Unknown.MACHINE_TYPE)
        return self.guest.unknown

    @property
    def certain(self) -> bool:
        """Whether nothing is unknown that could keep the guest off."""
        return _HAVE_STAND_INS.issuperset(self.unknown)


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """What becomes of all guests, in the order in which to move them.

    :ivar hosts: uuids of the hosts to empty, in the order that was asked for
    :ivar names: uuid of a root provider -> name of the host
    :ivar services: the same -> name of its compute service, where it differs
    :ivar others: uuid of a host -> guests there without a slot
    :ivar tried: placements that the search tried
    """

    hosts: tuple[str, ...]
    steps: tuple[Step, ...]
    outcome: Outcome
    tried: int = 0
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    services: Mapping[str, str] = field(default_factory=dict, hash=False)
    others: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def moves(self) -> tuple[Step, ...]:
        return tuple(s for s in self.steps if s.code is DrainCode.MOVE)

    @property
    def stays(self) -> tuple[Step, ...]:
        return tuple(s for s in self.steps if s.code is not DrainCode.MOVE)

    def service(self, host: str) -> str:
        """Return what nova calls a host."""
        return self.services.get(host) or self.names.get(host, host)
