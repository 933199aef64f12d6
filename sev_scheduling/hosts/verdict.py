"""The verdicts of hosts on a request, as data."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from sev_scheduling.hosts.host import Host, is_unlimited
from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import advice, message
from sev_scheduling.records import maker
from sev_scheduling.request.request import EncryptionRequest


class VerdictCode(enum.StrEnum):
    """Why a host is rejected, in the order in which it is judged.

    Do not change a value: programs compare them.
    """

    #: the host offers no slots of the model
    NO_POOL = 'no-pool'
    #: it offers another model that must not share a host with this one
    EXCLUDED_BY_MODEL = 'excluded-by-model'
    #: its compute service is disabled (trait COMPUTE_STATUS_DISABLED); not
    #: permanent
    HOST_DISABLED = 'host-disabled'
    #: its hypervisor cannot run the model
    HYPERVISOR_UNSUPPORTED = 'hypervisor-unsupported'
    #: the image names no machine type, and the host's default will not do
    MACHINE_TYPE_NOT_Q35 = 'machine-type-not-q35'
    #: ``ram_allocation_ratio`` is above 1.0, the model pins memory, and the
    #: guest asks for no explicit page size
    MEMORY_OVERCOMMITTED = 'memory-overcommitted'
    #: used and reserved slots make up the total; not permanent
    NO_FREE_SLOT = 'no-free-slot'


#: The code of a host that can run the guest and that Placement does not
#: offer: it lacks something that has nothing to do with encryption.
NO_CANDIDATE = 'no-candidate'

#: What may pass without anybody changing the request or the host's set-up.
PASSING = frozenset({VerdictCode.HOST_DISABLED, VerdictCode.NO_FREE_SLOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one host can run one request, and why not.

    :ivar model: the model that the verdict is about; None for a guest that
        is not encrypted
    :ivar code: why not; None where the host fits
    :ivar also: what else is against the host, in the order of judging
    :ivar total: slots of the pool, as ``reserved``, ``used`` and
        ``capacity``; 0 where there is no pool
    :ivar machine_type: the one the guest would get, None where unknown
    :ivar excluded_by: the model beside which this one must not run, or ''
    """

    request: EncryptionRequest = field(repr=False)
    host: Host
    model: EncryptionModel | None = None
    code: VerdictCode | None = None
    also: tuple[VerdictCode, ...] = ()
    total: int = 0
    reserved: int = 0
    used: int = 0
    capacity: int = 0
    machine_type: str | None = None
    excluded_by: str = ''
    provider_uuid: str | None = None

    @property
    def fits(self) -> bool:
        return self.code is None

    @property
    def faults(self) -> tuple[VerdictCode, ...]:
        """Everything against the host, in the order of judging."""
        return () if self.code is None else (self.code, *self.also)

    @property
    def permanent(self) -> bool:
        """False where a free slot later would help, or an enabled host."""
        return self.code is not None and self.code not in PASSING

    @property
    def all_reserved(self) -> bool:
        """Whether the host has slots in Placement, and none for guests."""
        pool = self.host.pools.get(self.model.name) if self.model else None
        return (
            pool is not None
            and pool.provider_uuid is not None
            and pool.capacity == 0
        )

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.used)

    @property
    def unlimited(self) -> bool:
        """Whether it is not known how many slots there are."""
        return is_unlimited(self.total)

    @property
    def ram_allocation_ratio(self) -> float | None:
        return self.host.ram_allocation_ratio

    @property
    def message(self) -> str:
        """One sentence, with the host's name."""
        return message(self)

    @property
    def fix(self) -> str:
        """What a tenant or an operator can do; '' where the host fits."""
        return advice(self)


make_verdict = maker(Verdict)


@dataclass(frozen=True, slots=True)
class FilterResult:
    """The verdicts of a set of hosts on one request.

    :ivar verdicts: one for each host, in the order of the input
    """

    request: EncryptionRequest
    verdicts: tuple[Verdict, ...]

    @property
    def accepted(self) -> tuple[Host, ...]:
        """Hosts that fit, in the order of the input."""
        return tuple(v.host for v in self.verdicts if v.fits)

    @property
    def rejected(self) -> tuple[Verdict, ...]:
        """Verdicts of the hosts that do not, in the order of the input."""
        return tuple(v for v in self.verdicts if not v.fits)
