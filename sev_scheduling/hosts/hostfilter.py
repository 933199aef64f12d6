"""judge(): what one host says to one request, with numbers."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.models import EncryptionModel
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules import fixes
from sev_scheduling.rules.validation import usable_models
from sev_scheduling.text import printable, quoted


class VerdictCode(enum.StrEnum):
    """Why a host says no, in the order in which it is judged.

    Do not change a value: programs compare them.
    """

    #: the host offers no slots of the model
    NO_POOL = 'no-pool'
    #: it offers another model that must not share a host with this one
    #: (SEV-ES beside SEV-SNP: CVE-2025-48514)
    EXCLUDED_BY_MODEL = 'excluded-by-model'
    #: its hypervisor cannot run the model
    HYPERVISOR_UNSUPPORTED = 'hypervisor-unsupported'
    #: the image names no machine type, and the host's default will not do
    MACHINE_TYPE_NOT_Q35 = 'machine-type-not-q35'
    #: ``ram_allocation_ratio`` is above 1.0, the model pins memory, and the
    #: guest asks for no explicit page size
    MEMORY_OVERCOMMITTED = 'memory-overcommitted'
    #: used and reserved slots make up the total; not permanent
    NO_FREE_SLOT = 'no-free-slot'


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one host says to one request.

    :ivar model: the model that the verdict is about; None for a guest that
        is not encrypted
    :ivar code: why not; None where the host fits
    :ivar permanent: False where a free slot later would help
    :ivar total: slots of the pool, as ``reserved``, ``used`` and ``free``;
        0 where there is no pool
    :ivar machine_type: the one the guest would get, None where unknown
    :ivar message: one sentence, with the host's name
    :ivar fix: what a tenant or an operator can do; '' where the host fits
    """

    host: Host
    fits: bool
    model: EncryptionModel | None = None
    code: VerdictCode | None = None
    permanent: bool = False
    total: int = 0
    reserved: int = 0
    used: int = 0
    machine_type: str | None = None
    ram_allocation_ratio: float | None = None
    provider_uuid: str | None = None
    message: str
    fix: str = ''

    @property
    def free(self) -> int:
        return max(0, self.total - self.reserved - self.used)


@dataclass(frozen=True, slots=True)
class FilterResult:
    """What a set of hosts says to one request.

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


def filter_hosts(
    request: EncryptionRequest,
    hosts: Iterable[Host],
    *,
    require_known_machine_type: bool = False,
) -> FilterResult:
    """Judge hosts, in their order; see :func:`judge`."""
    narrowed = _narrowed(request)
    return FilterResult(
        request,
        tuple(
            _verdict(narrowed, host, require_known_machine_type)
            for host in hosts
        ),
    )


def judge(
    request: EncryptionRequest,
    host: Host,
    *,
    require_known_machine_type: bool = False,
) -> Verdict:
    """Return what a host says to a request.

    Where several models will do, the best one that the host can take; else
    a reason that a free slot later would mend, before any other.

    :param require_known_machine_type: reject a host that does not tell its
        default machine type, where the image names none
    """
    return _verdict(_narrowed(request), host, require_known_machine_type)


def _narrowed(request: EncryptionRequest) -> EncryptionRequest:
    """Leave out models whose rules the request breaks, if any is left."""
    if len(request.models) < 2:
        return request
    return replace(request, models=usable_models(request) or request.models)


def _verdict(
    request: EncryptionRequest, host: Host, require_known_machine_type: bool
) -> Verdict:
    if not request.models:
        if not request.encrypted:
            return Verdict(
                host=host,
                fits=True,
                message=f'{host.name} takes any guest that is not encrypted.',
            )
        return _no_pool(host, None, request.model_name or 'known model')
    verdicts = []
    for model in request.models:
        verdict = _judge(request, host, model, require_known_machine_type)
        if verdict.fits:
            return verdict
        verdicts.append(verdict)
    return min(verdicts, key=_hopelessness)


def _hopelessness(verdict: Verdict) -> tuple[bool, bool]:
    return verdict.permanent, verdict.code is VerdictCode.NO_POOL


def _no_pool(host: Host, model: EncryptionModel | None, name: str) -> Verdict:
    return Verdict(
        host=host,
        fits=False,
        model=model,
        code=VerdictCode.NO_POOL,
        permanent=True,
        message=f'{host.name} offers no {name} slots.',
        fix=f'Use hosts that offer {name}.',
    )


def _judge(
    request: EncryptionRequest,
    host: Host,
    model: EncryptionModel,
    require_known_machine_type: bool,
) -> Verdict:
    pool = host.pools.get(model.name)
    if pool is None or pool.total <= 0:
        return _no_pool(host, model, model.name)
    machine_type = request.machine_type
    if machine_type is None:
        architecture = request.architecture or model.architectures[0]
        machine_type = host.machine_types.get(architecture) or None
    refusal = _refusal(
        request, host, model, pool, machine_type, require_known_machine_type
    )
    code, message, fix = refusal or (
        None,
        f'{host.name} can take it: {pool.free} of '
        f'{pool.total - pool.reserved} {model} slots free.',
        '',
    )
    return Verdict(
        host=host,
        fits=code is None,
        model=model,
        code=code,
        permanent=code not in (None, VerdictCode.NO_FREE_SLOT),
        total=pool.total,
        reserved=pool.reserved,
        used=pool.used,
        machine_type=None if machine_type is None else printable(machine_type),
        ram_allocation_ratio=host.ram_allocation_ratio,
        provider_uuid=pool.provider_uuid,
        message=message,
        fix=fix,
    )


def _refusal(
    request: EncryptionRequest,
    host: Host,
    model: EncryptionModel,
    pool: SlotPool,
    machine_type: str | None,
    require_known_machine_type: bool,
) -> tuple[VerdictCode, str, str] | None:
    """Return code, message and fix of the first reason against a host."""
    for excluding in model.excluded_by:
        other = host.pools.get(excluding)
        if other is not None and other.total > 0:
            source = model.exclusion_source
            return (
                VerdictCode.EXCLUDED_BY_MODEL,
                f'{host.name} offers {excluding} too, and {model} guests '
                'must not share a host with it'
                + (f' ({source}).' if source else '.'),
                f'Use hosts that offer {model} without {excluding}.',
            )
    hypervisor = host.hypervisor_type
    if hypervisor and hypervisor.lower() not in model.hypervisor_types:
        return (
            VerdictCode.HYPERVISOR_UNSUPPORTED,
            f'{host.name} runs the hypervisor {hypervisor}; {model} needs '
            f'{" or ".join(model.hypervisor_types)}.',
            'Use hosts with libvirt and KVM.',
        )
    if machine_type is None and require_known_machine_type:
        return (
            VerdictCode.MACHINE_TYPE_NOT_Q35,
            f'{host.name} does not tell its default machine type; {model} '
            f'needs {model.machine_type}.',
            fixes.set_image(request, hw_machine_type=model.machine_type),
        )
    if machine_type is not None and model.machine_type not in machine_type:
        return (
            VerdictCode.MACHINE_TYPE_NOT_Q35,
            f'{host.name} '
            + (
                'defaults to'
                if request.machine_type is None
                else 'was asked for'
            )
            + f' machine type {quoted(machine_type)}; {model} needs '
            f'{model.machine_type}.',
            fixes.set_image(request, hw_machine_type=model.machine_type),
        )
    ratio = host.ram_allocation_ratio
    if (
        model.locks_memory
        and ratio is not None
        and ratio > 1.0
        and not request.mem_page_size
    ):
        return (
            VerdictCode.MEMORY_OVERCOMMITTED,
            f'{host.name} overcommits memory (ram_allocation_ratio {ratio:g}'
            f'); {model} pins the memory of guests.',
            f'Set ram_allocation_ratio = 1.0 in nova.conf of {host.name}.',
        )
    if pool.free <= 0:
        return (
            VerdictCode.NO_FREE_SLOT,
            f'{host.name} has no free {model} slot ({pool.used} of '
            f'{max(0, pool.total - pool.reserved)} in use'
            + (f', {pool.reserved} reserved).' if pool.reserved else ').'),
            f'Wait until a guest on {host.name} is deleted, or add hosts.',
        )
    return None
