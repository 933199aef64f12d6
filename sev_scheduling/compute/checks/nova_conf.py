"""Checks of nova.conf, and of what nova-compute publishes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import (
    Source,
    detectable_models,
    too_old,
)
from sev_scheduling.compute.sources.nova_conf import REMOVED
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
from sev_scheduling.hosts.host import machine_type_trait

#: Limits what libvirt reports; deprecated since :data:`_DEPRECATED_IN`.
SEV_OPTION = 'num_memory_encrypted_guests'
#: Adds to what the misc controller reports: nova takes the larger number.
TDX_OPTION = 'num_intel_tdx_guests'

_DEPRECATED_IN = 32


def read(report: HostReport) -> Finding:
    """Whether nova.conf was read, and nova knows what the host offers."""
    if report.nova is None:
        if report.nova_error:
            raise InputError(report.nova_error)
        return failure(NoteCode.NOVA_CONF_NOT_READ)
    settings = report.nova
    values = {'release': settings.release, 'files': settings.files}
    unknown = tuple(too_old(m, settings) for m in report.not_applicable)
    if unknown and report.wanted:
        return warning(NoteCode.NOVA_CONF_TOO_OLD, **values, reasons=unknown)
    if unknown:
        return success(
            NoteCode.NOVA_CONF_NOT_APPLICABLE, **values, reasons=unknown
        )
    return success(NoteCode.NOVA_CONF_READ, **values)


def virt_type(report: HostReport) -> Finding:
    value = report.settings.get('virt_type')
    if value == 'kvm':
        return success(NoteCode.VIRT_TYPE_KVM, value=value)
    if value == 'qemu':
        return warning(NoteCode.VIRT_TYPE_QEMU, value=value)
    return failure(NoteCode.VIRT_TYPE_OTHER, value=value)


def sev_guests(report: HostReport) -> Finding | None:
    """``num_memory_encrypted_guests``, by what the release makes of it."""
    settings = report.settings
    value = settings.get(SEV_OPTION)
    removed = REMOVED[SEV_OPTION]
    values = {'option': SEV_OPTION, 'value': value}
    if not settings.knows(SEV_OPTION):
        if value is None:
            return None
        return warning(NoteCode.OPTION_REMOVED, **values, removed=removed)
    name = _limited_by(SEV_OPTION)
    sev = next(m for m in report.models if m.model == name)
    if value is None:
        if not report.facts.kvm_capabilities or not sev.offered:
            return None
        if sev.says(Source.LIBVIRT).slots is None:
            return failure(
                NoteCode.OPTION_NEEDED_FOR_LIBVIRT, option=SEV_OPTION
            )
        return success(NoteCode.OPTION_UNSET, option=SEV_OPTION)
    if value == 0:
        return warning(NoteCode.OPTION_ZERO, **values, model=name)
    if sev.slots is not None and value > sev.slots:
        return warning(NoteCode.OPTION_TOO_HIGH, **values, slots=sev.slots)
    if settings.release >= _DEPRECATED_IN:
        return warning(NoteCode.OPTION_DEPRECATED, **values, removed=removed)
    return success(NoteCode.OPTION_SET, **values)


def tdx_guests(report: HostReport) -> Finding | None:
    """``num_intel_tdx_guests``, beside the number of the misc controller."""
    name = _limited_by(TDX_OPTION)
    model = next((m for m in report.enabled_models if m.name == name), None)
    if model is None:
        return None
    value = report.settings.get(TDX_OPTION)
    hardware = (report.facts.capacity or {}).get(model.capacity_key)
    values = {'option': TDX_OPTION, 'value': value}
    if value is None:
        if hardware is None:
            return failure(
                NoteCode.OPTION_NEEDED_FOR_CGROUP,
                option=TDX_OPTION,
                key=model.capacity_key,
            )
        return success(NoteCode.OPTION_UNSET, option=TDX_OPTION)
    if hardware is not None and value > hardware:
        return failure(
            NoteCode.OPTION_TOO_HIGH_COUNTS, **values, slots=hardware
        )
    if hardware is not None and value == 0:
        return warning(NoteCode.OPTION_ZERO, **values, model=name)
    return success(NoteCode.OPTION_SET, **values)


def _limited_by(option: str) -> str:
    return next(
        model.name
        for model in detectable_models()
        if model.slots_option == option
    )


def overcommit(report: HostReport) -> Finding | None:
    """Whether RAM is overcommitted, which memory that is pinned cannot be."""
    pinning = tuple(m.name for m in report.enabled_models if m.pins_memory)
    if not pinning:
        return None
    option = 'ram_allocation_ratio'
    ratio = report.settings.get(option)
    if not ratio:
        option = 'initial_ram_allocation_ratio'
        ratio = report.settings.get(option)
    if ratio <= 1.0:
        return success(NoteCode.NOT_OVERCOMMITTED, option=option, ratio=ratio)
    return failure(
        NoteCode.OVERCOMMITTED, option=option, ratio=ratio, models=pinning
    )


def _machine_type(report: HostReport) -> tuple[bool, dict[str, object]]:
    """Return whether the default machine type will do, and its values."""
    found = report.default_machine_type
    needed = report.leading_model.machine_type
    return needed in found, {
        'architecture': report.architecture,
        'machine_type': found,
        'needed': needed,
    }


def machine_type(report: HostReport) -> Finding:
    fits, values = _machine_type(report)
    entries = report.settings.get('hw_machine_type') or []
    bad = [entry for entry in entries if not entry.partition('=')[2]]
    if bad:
        return warning(NoteCode.MACHINE_TYPE_ENTRY, **values, entry=bad[0])
    if fits:
        return success(NoteCode.MACHINE_TYPE_FIT, **values)
    return warning(NoteCode.MACHINE_TYPE_UNFIT, **values)


def cpu_mode(report: HostReport) -> Finding | None:
    """Whether the guests' CPU can carry the models."""
    mode = report.settings.cpu_mode
    demanding = [m for m in report.enabled_models if m.cpu_mode]
    for model in demanding:
        if mode != model.cpu_mode:
            return failure(
                NoteCode.CPU_MODE_NEEDED,
                mode=mode,
                model=model.name,
                needed=model.cpu_mode,
            )
    if demanding:
        return success(NoteCode.CPU_MODE_FIT, mode=mode)
    family = report.leading_model.cpu_family
    if not report.enabled or not family:
        return None
    if mode == 'none':
        return warning(NoteCode.CPU_MODE_NONE)
    if mode != 'custom':
        supported = [
            capabilities.cpu_modes.get(mode)
            for capabilities in report.facts.capabilities
        ]
        if supported and not any(supported):
            return failure(NoteCode.CPU_MODE_UNSUPPORTED, mode=mode)
        return success(NoteCode.CPU_MODE_FIT, mode=mode)
    return _cpu_models(report, report.settings.get('cpu_models'), family)


def _cpu_models(report: HostReport, models: list[str], family: str) -> Finding:
    if not models:
        return failure(NoteCode.CPU_MODELS_EMPTY, family=family)
    member = re.compile(f'{re.escape(family)}(-.*)?')
    others = [model for model in models if not member.fullmatch(model)]
    if len(others) == len(models):
        return warning(
            NoteCode.CPU_MODELS_UNFIT, names=tuple(others), family=family
        )
    unusable = tuple(
        model
        for model in models
        for capabilities in report.facts.capabilities[:1]
        if capabilities.cpu_models.get(model) is False
    )
    if unusable and not set(models) - set(others) - set(unusable):
        return failure(
            NoteCode.CPU_MODELS_UNUSABLE, names=unusable, family=family
        )
    if unusable:
        return warning(NoteCode.CPU_MODELS_PARTLY_UNUSABLE, names=unusable)
    return success(NoteCode.CPU_MODELS_FIT, names=tuple(models))


def config_drive(report: HostReport) -> Finding:
    """Whether config drives need IDE, which no encrypted guest has."""
    fits, values = _machine_type(report)
    values['format'] = report.settings.get('config_drive_format')
    if fits or values['format'] == 'vfat':
        return success(NoteCode.CONFIG_DRIVE_FIT, **values)
    if report.settings.get('force_config_drive'):
        return warning(NoteCode.CONFIG_DRIVE_IDE_FORCED, **values)
    return warning(NoteCode.CONFIG_DRIVE_IDE, **values)


def published(report: HostReport) -> Finding:
    """Whether the default machine type is published."""
    if report.published_error:
        raise InputError(report.published_error)
    found = tuple(sorted(report.published))
    machine_type = report.default_machine_type
    values = {'traits': found, 'machine_type': machine_type}
    if set(found) == {machine_type_trait(machine_type)}:
        return success(NoteCode.PUBLISHED, **values)
    if not found:
        return warning(NoteCode.PUBLISHED_NOT, **values)
    # Files for other hosts may lie beside this one's.
    return warning(NoteCode.PUBLISHED_OTHER, **values)


def entries() -> Iterator[Entry[HostReport]]:
    """Yield the checks of nova.conf, in the order of the operator's guide."""
    yield Entry(CheckKind.NOVA_CONF, read)
    yield Entry(CheckKind.VIRT_TYPE, virt_type)
    yield Entry(CheckKind.SLOTS_OPTION, sev_guests, {'option': SEV_OPTION})
    yield Entry(CheckKind.SLOTS_OPTION, tdx_guests, {'option': TDX_OPTION})
    yield Entry(CheckKind.OVERCOMMIT, overcommit)
    yield Entry(CheckKind.MACHINE_TYPE, machine_type)
    yield Entry(CheckKind.CPU, cpu_mode)
    yield Entry(CheckKind.CONFIG_DRIVE, config_drive)
    yield Entry(CheckKind.PUBLISHED, published)
