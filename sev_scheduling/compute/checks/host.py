"""Checks of the host itself: processor, kernel, libvirt, firmware, memory."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from sev_scheduling.compute.checks import firmware, versions
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import (
    Source,
    detectable_models,
    parameter_note,
)
from sev_scheduling.compute.reservation import kernel_memory_mb, reserve
from sev_scheduling.compute.sources.nova_conf import (
    HIDES_EXCLUDED,
    REFUSES_RESERVED,
    NovaSettings,
)
from sev_scheduling.compute.sources.system import DOMAINS
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import (
    CheckKind,
    Entry,
    Finding,
    NoteCode,
    failure,
    success,
    warning,
)
from sev_scheduling.models import (
    EncryptionModel,
    parameter_name,
    registered_models,
)


def hardware(report: HostReport) -> Finding:
    leaf = report.facts.leaf
    if leaf is None:
        if report.switched_on:
            return success(NoteCode.PROCESSOR_NOT_ASKED)
        return failure(NoteCode.PROCESSOR_UNKNOWN)
    if not leaf.sev:
        others = [m.name for m in report.switched_on if m.cpuid_bit is None]
        if others:
            return success(NoteCode.PROCESSOR_OTHER, models=tuple(others))
        return failure(NoteCode.PROCESSOR_WITHOUT_SEV)
    counts = {'sev': leaf.sev_slots, 'es': leaf.es_slots}
    # The BIOS may leave a model without an ASID that nobody wants.
    if any(
        model.cpuid_bit is not None
        and leaf.supports(model.cpuid_bit)
        and leaf.slots(model.capacity_key) == 0
        for model in report.wanted_models
    ):
        return warning(NoteCode.PROCESSOR_NO_ES_SLOTS, **counts)
    return success(NoteCode.PROCESSOR_SLOTS, **counts)


def kernel(report: HostReport) -> Finding:
    """Whether the kernel has the wanted models on, or any where all are."""
    if report.errors:
        raise InputError(' '.join(report.errors))
    on = tuple(model.name for model in report.switched_on)
    wanted = {model.name for model in report.wanted_models}
    if on and not (report.wanted and wanted.difference(on)):
        return success(NoteCode.KERNEL_ON, models=on)
    models = [
        m
        for m in report.wanted_models
        if m.name not in on and m.kernel_parameters
    ]
    parameters = [p for model in models for p in model.kernel_parameters]
    values = {'parameters': tuple(f'{p}=1' for p in dict.fromkeys(parameters))}
    if report.wanted:
        off = [m for m in report.models if m.model in wanted.difference(on)]
        return failure(
            NoteCode.KERNEL_WANTED_OFF,
            reasons=tuple(model.notes[0] for model in off),
            **values,
        )
    first = dict.fromkeys(m.kernel_parameters[0] for m in models)
    return failure(
        NoteCode.KERNEL_OFF,
        switches=tuple(
            parameter_note(parameter, report.facts.switches)[0]
            for parameter in first
        ),
        **values,
    )


def virtualisation(report: HostReport) -> Finding | None:
    """Whether libvirt and QEMU support what the kernel has switched on."""
    if report.libvirt_error:
        raise InputError(report.libvirt_error)
    facts = report.facts
    machine_type = report.leading_model.machine_type
    if not facts.capabilities:
        return warning(NoteCode.LIBVIRT_UNKNOWN, machine_type=machine_type)
    if not facts.kvm_capabilities:
        first = facts.capabilities[0]
        if first.arch is None:
            code = NoteCode.LIBVIRT_NO_ARCHITECTURE
        else:
            code = NoteCode.LIBVIRT_VIRT_TYPE
        return warning(
            code, virt_type=first.virt_type, machine_type=machine_type
        )
    enabled = report.enabled
    if not enabled:
        if report.switched_on:
            return None
        return failure(NoteCode.LIBVIRT_NOTHING_ON)
    said = [
        model.says(Source.LIBVIRT)
        for model in report.models
        if model.model in enabled
    ]
    lacking = tuple(e.note for e in said if e.supported is False)
    if len(lacking) == len(said):
        return failure(NoteCode.LIBVIRT_LACKS, reasons=lacking)
    if lacking:
        return warning(NoteCode.LIBVIRT_LACKS, reasons=lacking)
    demanding = [m for m in report.enabled_models if any(m.since_qemu)]
    if demanding and facts.qemu_version is None:
        return success(
            NoteCode.LIBVIRT_QEMU_UNKNOWN,
            model=demanding[0].name,
            least=demanding[0].since_qemu,
        )
    return success(NoteCode.LIBVIRT_SUPPORTS)


def slots(report: HostReport) -> Finding:
    """Whether it is known how many guests nova lets run, and that many can."""
    offered = report.offered
    if not offered:
        reasons = tuple(m.notes[0] for m in report.published_models if m.notes)
        if report.switched_on and not report.enabled:
            return warning(NoteCode.HOST_OFFERS_NONE, reasons=reasons)
        return failure(NoteCode.HOST_OFFERS_NONE, reasons=reasons)
    numbers = {model.model: model.slots for model in offered}
    if None in numbers.values():
        nova = report.nova or NovaSettings()
        for model in report.enabled_models:
            option = model.slots_option
            uncounted = numbers.get(model.name, 0) is None
            if uncounted and option and nova.knows(option):
                return failure(
                    NoteCode.HOST_SLOTS_NEED_OPTION,
                    slots=numbers,
                    option=option,
                )
        return failure(NoteCode.HOST_SLOTS_UNKNOWN, slots=numbers)
    notes = [note for model in offered for note in model.notes]
    divided = [n for n in notes if n.code is NoteCode.SLOTS_DIVIDED]
    if divided:
        return warning(
            NoteCode.HOST_SLOTS_DIVIDED,
            slots=numbers,
            reasons=tuple(divided),
            **divided[0].values,
        )
    disputed = tuple(n for n in notes if n.code is NoteCode.SOURCES_DISAGREE)
    if disputed:
        return warning(
            NoteCode.HOST_SLOTS_DISPUTED, slots=numbers, reasons=disputed
        )
    return success(NoteCode.HOST_SLOTS, slots=numbers)


def exclusion(
    report: HostReport, *, model: EncryptionModel, other: EncryptionModel
) -> Finding | None:
    """Whether nova hides a model beside one that must not share the host."""
    own = _switches(model, other)
    excluding = _switches(other, model)
    if not _all_on(excluding, report):
        return None
    if not _all_on(own, report):
        return success(NoteCode.EXCLUSION_ABSENT)
    release = report.settings.release
    values = {'source': model.exclusion_source, 'release': release}
    if release >= HIDES_EXCLUDED:
        guests = report.system.es_guests
        if model.capacity_key != 'sev_es':
            return success(NoteCode.EXCLUSION_HIDDEN, **values)
        if guests is None:
            return warning(
                NoteCode.EXCLUSION_GUESTS_UNKNOWN, **values, folder=DOMAINS
            )
        if not guests:
            return success(NoteCode.EXCLUSION_NO_GUESTS, **values)
        return warning(
            NoteCode.EXCLUSION_GUESTS,
            **values,
            guests=guests,
            parameters=tuple(f'{p}=0' for p in excluding),
        )
    return failure(
        NoteCode.EXCLUSION_OFFERED,
        **values,
        hidden_since=HIDES_EXCLUDED,
        parameters=tuple(f'{p}=0' for p in excluding),
    )


def _switches(model: EncryptionModel, other: EncryptionModel) -> list[str]:
    """Return the kernel parameters that a model does not share."""
    return [
        parameter
        for parameter in model.kernel_parameters
        if parameter not in other.kernel_parameters
    ]


def _all_on(parameters: list[str], report: HostReport) -> bool:
    switches = report.facts.switches
    return bool(parameters) and all(
        switches.get(parameter_name(parameter)) for parameter in parameters
    )


def host_memory(report: HostReport) -> Finding:
    """Whether the host keeps what it needs, and guests what they may take."""
    memory = report.memory
    if memory.errors:
        raise InputError(' '.join(memory.errors))
    total, limit = memory.total_mb, memory.slice_mb
    sharing = [m for m in report.enabled_models if m.host_memory_divisor]
    if total is None and limit is None and sharing:
        return warning(NoteCode.MEMORY_SHARE_UNKNOWN, model=sharing[0].name)
    base = report.base_mb
    if total is not None:
        base += kernel_memory_mb(total, sharing)
    if limit is not None:
        if total is None:
            return warning(NoteCode.MEMORY_UNKNOWN, limit=limit)
        if total - limit < base:
            return failure(
                NoteCode.MEMORY_SLICE_TOO_LARGE,
                limit=limit,
                total=total,
                base=base,
            )
    guests = _guests(report)
    beside = reserve(guests, base_mb=0).reserved_host_memory_mb
    room = limit
    if limit is None and total is not None:
        room = total - base
    if report.settings.get('file_backed_memory'):
        return _file_backed(
            report, guests, None if room is None else room - beside
        )
    reserved = report.settings.get('reserved_host_memory_mb')
    if limit is None or total is None:
        needed = base + beside
        code = NoteCode.MEMORY_RESERVED
        values = {'guests': guests, 'base': base}
        if reserved >= needed:
            return success(code, reserved=reserved, needed=needed, **values)
        code = NoteCode.MEMORY_NOT_RESERVED
        return warning(code, reserved=reserved, needed=needed, **values)
    # Nova hands out all but the reservation, and all of that is in the slice.
    needed = total - limit + beside
    if reserved < needed:
        return warning(
            NoteCode.MEMORY_SLICE_OVERCOMMITTED,
            limit=limit,
            total=total,
            reserved=reserved,
            guests=guests,
            needed=needed,
            short=needed - reserved,
        )
    return success(NoteCode.MEMORY_SLICE, limit=limit, left=total - limit)


def _guests(report: HostReport) -> int:
    """Return for how many guests to keep memory."""
    if report.guests is not None:
        return report.guests
    pinned = {m.name for m in report.enabled_models if m.pins_memory}
    return sum(m.slots or 0 for m in report.offered if m.model in pinned)


def _file_backed(report: HostReport, guests: int, room: int | None) -> Finding:
    """Judge memory of which nova hands out ``file_backed_memory``.

    With what nova does not start is said in nova,
    ``Host._check_file_backed_memory_support``.
    """
    settings = report.settings
    value = settings.get('file_backed_memory')
    ratio = settings.get('ram_allocation_ratio')
    reserved = settings.get('reserved_host_memory_mb')
    refused = None
    if settings.get('virt_type') not in ('kvm', 'qemu'):
        refused = ('virt_type', settings.get('virt_type'), 'kvm')
    elif ratio != 1.0:
        refused = ('ram_allocation_ratio', ratio, '1.0')
    elif reserved and (
        settings.release >= REFUSES_RESERVED or reserved >= value
    ):
        refused = ('reserved_host_memory_mb', reserved, '0')
    if refused is not None:
        option, found, needed = refused
        return failure(
            NoteCode.MEMORY_FILE_REFUSED,
            option=option,
            value=found,
            needed=needed,
        )
    if room is None:
        return warning(NoteCode.MEMORY_FILE_UNKNOWN, value=value)
    if value - reserved > room:
        return warning(
            NoteCode.MEMORY_FILE_TOO_LARGE,
            value=value,
            room=max(0, room),
            guests=guests,
        )
    return success(NoteCode.MEMORY_FILE, value=value)


def entries() -> Iterator[Entry[HostReport]]:
    """Yield the checks of the host, in the order of the operator's guide."""
    models = registered_models()
    yield Entry(CheckKind.PROCESSOR, hardware)
    yield Entry(CheckKind.KERNEL, kernel)
    yield Entry(CheckKind.LIBVIRT, virtualisation)
    yield from versions.entries()
    yield Entry(CheckKind.SLOTS, slots)
    for model in detectable_models():
        for name in model.excluded_by:
            if name in models:
                yield Entry(
                    CheckKind.EXCLUSION,
                    functools.partial(
                        exclusion, model=model, other=models[name]
                    ),
                    {'model': model.name, 'other': name},
                )
    yield from firmware.entries()
    yield Entry(CheckKind.MEMORY, host_memory)
