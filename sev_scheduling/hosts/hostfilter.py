"""judge(): whether one host can run one request, with numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.verdict import (
    FilterResult,
    Verdict,
    VerdictCode,
    make_verdict,
)
from sev_scheduling.models import EncryptionModel, excluding_models
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validate
from sev_scheduling.text import printable


def filter_hosts(
    request: EncryptionRequest | Validation,
    hosts: Iterable[Host],
    *,
    require_known_machine_type: bool = False,
) -> FilterResult:
    """Judge hosts, in their order; see :func:`judge`."""
    request, models = _models(request)
    return FilterResult(
        request,
        tuple(
            _verdict(request, models, host, require_known_machine_type)
            for host in hosts
        ),
    )


def judge(
    request: EncryptionRequest | Validation,
    host: Host,
    *,
    require_known_machine_type: bool = False,
) -> Verdict:
    """Return a host's verdict on a request.

    Where several models will do, the best one that the host can take; else
    a reason that a free slot later would solve, before any other.

    :param require_known_machine_type: reject a host that does not publish
        its default machine type, where the image names none
    """
    request, models = _models(request)
    return _verdict(request, models, host, require_known_machine_type)


def with_pool(
    request: EncryptionRequest | Validation, hosts: Iterable[Host]
) -> Iterator[Host]:
    """Yield the hosts that offer slots of a model that will do."""
    _, models = _models(request)
    for host in hosts:
        for model in models:
            pool = host.pools.get(model.name)
            if pool is not None and pool.total > 0:
                yield host
                break


def _models(
    request: EncryptionRequest | Validation,
) -> tuple[EncryptionRequest, tuple[EncryptionModel, ...]]:
    """Return the request without models that break a rule, and the others.

    All of them where every one does.
    """
    if isinstance(request, Validation):
        usable, request = request.models, request.request
    elif len(request.models) < 2:
        return request, request.models
    else:
        usable = validate(request).models
    if usable and usable != request.models:
        request = replace(request, models=usable)
    return request, request.models


def _verdict(
    request: EncryptionRequest,
    models: tuple[EncryptionModel, ...],
    host: Host,
    require_known_machine_type: bool,
) -> Verdict:
    if not models:
        code = None
        if request.encrypted:
            code = VerdictCode.NO_POOL
        elif host.disabled:
            code = VerdictCode.HOST_DISABLED
        return make_verdict(request=request, host=host, code=code)
    verdicts = []
    for model in models:
        verdict = _judge(request, host, model, require_known_machine_type)
        if verdict.fits:
            return verdict
        verdicts.append(verdict)
    return min(verdicts, key=_least_help)


def _least_help(verdict: Verdict) -> tuple[bool, bool]:
    return verdict.permanent, verdict.code is VerdictCode.NO_POOL


def _judge(
    request: EncryptionRequest,
    host: Host,
    model: EncryptionModel,
    require_known_machine_type: bool,
) -> Verdict:
    pool = host.pools.get(model.name)
    if pool is None or pool.total <= 0:
        return make_verdict(
            request=request,
            host=host,
            model=model,
            code=VerdictCode.NO_POOL,
        )
    machine_type = request.machine_type
    if machine_type is None:
        architecture = request.architecture or model.architectures[0]
        machine_type = host.machine_types.get(architecture) or None
    excluding: tuple[str, ...] = ()
    if len(host.pools) > 1:
        offered = (n for n, other in host.pools.items() if other.total > 0)
        excluding = excluding_models(model, offered)
    faults = [VerdictCode.EXCLUDED_BY_MODEL] if excluding else []
    faults += _faults(
        request, host, model, pool, machine_type, require_known_machine_type
    )
    return make_verdict(
        request=request,
        host=host,
        model=model,
        code=faults[0] if faults else None,
        also=tuple(faults[1:]),
        total=pool.total,
        reserved=pool.reserved,
        used=pool.used,
        capacity=pool.capacity,
        machine_type=None if machine_type is None else printable(machine_type),
        excluded_by=' or '.join(excluding),
        provider_uuid=pool.provider_uuid,
    )


def _faults(
    request: EncryptionRequest,
    host: Host,
    model: EncryptionModel,
    pool: SlotPool,
    machine_type: str | None,
    require_known_machine_type: bool,
) -> Iterator[VerdictCode]:
    """Yield the reasons against a host that has a pool."""
    if host.disabled:
        yield VerdictCode.HOST_DISABLED
    hypervisor = host.hypervisor_type
    if hypervisor and hypervisor.lower() not in model.hypervisor_types:
        yield VerdictCode.HYPERVISOR_UNSUPPORTED
    if machine_type is None:
        if require_known_machine_type:
            yield VerdictCode.MACHINE_TYPE_NOT_Q35
    elif model.machine_type not in machine_type:
        yield VerdictCode.MACHINE_TYPE_NOT_Q35
    ratio = host.ram_allocation_ratio
    if (
        model.pins_memory
        and ratio is not None
        and ratio > 1.0
        and not request.mem_page_size
    ):
        yield VerdictCode.MEMORY_OVERCOMMITTED
    if pool.free <= 0:
        yield VerdictCode.NO_FREE_SLOT
