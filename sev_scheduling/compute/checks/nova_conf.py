"""Checks of nova.conf, and of what nova-compute publishes."""

from __future__ import annotations

import re

from sev_scheduling.compute.checks.report import (
    CheckFunction,
    Finding,
    HostReport,
    failure,
    success,
    warning,
)
from sev_scheduling.compute.detection import Source
from sev_scheduling.compute.sources.nova_conf import MODEL_SINCE
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.host import machine_type_trait
from sev_scheduling.models import BUILTIN_MODELS

_LOCKING = {model.name for model in BUILTIN_MODELS if model.locks_memory}

#: QEMU's named models of processors that have SEV, and versions of them.
_EPYC = re.compile(r'EPYC(-.*)?')


def read(report: HostReport) -> Finding:
    """Whether nova.conf was read, and nova knows what the host offers."""
    if report.nova is None:
        return failure(
            report.nova_error
            or 'No nova.conf was read; name it with --config-file.'
        )
    settings = report.nova
    unknown = [
        f'{model} (nova {MODEL_SINCE[model]})'
        for model in report.enabled
        if MODEL_SINCE[model] > settings.release
    ]
    told = f'nova {settings.release}, {", ".join(settings.files)}'
    if unknown:
        return warning(
            f'{told}: too old for {", ".join(unknown)}; upgrade to use it.'
        )
    return success(f'{told}.')


def virt_type(report: HostReport) -> Finding:
    value = report.settings.get('virt_type')
    if value == 'kvm':
        return success('[libvirt] virt_type is kvm.')
    if value == 'qemu':
        return warning(
            '[libvirt] virt_type is qemu: libvirt offers encryption to KVM '
            'guests only, so set it to kvm.'
        )
    return failure(
        f'[libvirt] virt_type is {value}; set it to kvm, with which alone '
        'guests can be encrypted.'
    )


def sev_guests(report: HostReport) -> Finding | None:
    """``num_memory_encrypted_guests``, by what the release makes of it."""
    settings = report.settings
    value = settings.get('num_memory_encrypted_guests')
    name = '[libvirt] num_memory_encrypted_guests'
    if settings.release >= 34:
        if value is None:
            return None
        return warning(
            f'{name} is {value}; nova 34 has removed it and asks libvirt. '
            'Take it out.'
        )
    sev = next(m for m in report.models if m.model == 'amd-sev')
    if value is None:
        if not report.facts.capabilities or not sev.offered:
            return None
        if sev.says(Source.LIBVIRT).slots is None:
            return failure(
                f'{name} is not set, and libvirt does not tell a number: '
                'nova would take 2147483647 slots. Set it, or use libvirt '
                '8.0 or later.'
            )
        return success(f'{name} is not set; libvirt tells the number.')
    if value == 0:
        return warning(
            f'{name} is 0, so nova offers no amd-sev slot; take it out.'
        )
    if sev.slots is not None and value > sev.slots:
        return warning(
            f'{name} is {value}, but the hardware has {sev.slots} slots; '
            'lower it or take it out.'
        )
    if settings.release >= 32:
        return warning(
            f'{name} is {value}: deprecated, without effect on SEV-ES, and '
            'removed in nova 34. Take it out, unless it is to hold back '
            'slots.'
        )
    return success(f'{name} is {value}.')


def tdx_guests(report: HostReport) -> Finding | None:
    settings = report.settings
    if 'intel-tdx' not in report.enabled or settings.release < 34:
        return None
    value = settings.get('num_intel_tdx_guests')
    hardware = (report.facts.capacity or {}).get('tdx')
    name = '[libvirt] num_intel_tdx_guests'
    if hardware is None:
        if value is None:
            return failure(
                f'{name} is not set, and misc.capacity has no tdx, so nova '
                'offers no slot; set it, or let nova-compute see the '
                "host's cgroups."
            )
        return success(f'{name} is {value}.')
    if value is not None and value > hardware:
        return failure(
            f'{name} is {value}, but the hardware has {hardware} slots, and '
            'nova 34 takes the larger number; lower it or take it out.'
        )
    if value == 0:
        return warning(f'{name} is 0, so nova offers no slot; take it out.')
    return success(f'{name} is {"not set" if value is None else value}.')


def overcommit(report: HostReport) -> Finding | None:
    """SEV and SEV-ES guests are pinned in memory."""
    if not _LOCKING.intersection(report.enabled):
        return None
    settings = report.settings
    ratio = settings.get('ram_allocation_ratio')
    name = 'ram_allocation_ratio'
    if not ratio:
        ratio = settings.get('initial_ram_allocation_ratio')
        name = 'ram_allocation_ratio is not set; initial_' + name
    if ratio <= 1.0:
        return success(f'{name} is {ratio}.')
    return failure(
        f'{name} is {ratio}, and the memory of SEV guests cannot be '
        'overcommitted; set ram_allocation_ratio = 1.0, or give their '
        'flavors hw:mem_page_size.'
    )


def machine_type(report: HostReport) -> Finding:
    settings = report.settings
    entries = settings.get('hw_machine_type') or []
    bad = [entry for entry in entries if not entry.partition('=')[2]]
    if bad:
        return warning(
            f'[libvirt] hw_machine_type has {bad[0]!r}, which nova passes '
            'over; write host-arch=machine-type, such as x86_64=q35.'
        )
    found = settings.machine_type
    if 'q35' in found:
        return success(f'x86_64 guests default to {found}.')
    return warning(
        f'x86_64 guests default to {found}, and encrypted ones need q35: set '
        '[libvirt] hw_machine_type = x86_64=q35, or hw_machine_type=q35 on '
        'each image.'
    )


def cpu_mode(report: HostReport) -> Finding | None:
    """Whether the guests' CPU can carry the models."""
    settings = report.settings
    mode = settings.cpu_mode
    if 'intel-tdx' in report.enabled:
        if mode == 'host-passthrough':
            return success('[libvirt] cpu_mode is host-passthrough.')
        return failure(
            f'[libvirt] cpu_mode is {mode}; intel-tdx needs host-passthrough.'
        )
    if not report.enabled:
        return None
    if mode == 'none':
        return warning(
            "[libvirt] cpu_mode is none: QEMU's default CPU lacks what SEV-ES "
            'and SEV-SNP guests check for; use host-model.'
        )
    if mode != 'custom':
        supported = [
            capabilities.cpu_modes.get(mode)
            for capabilities in report.facts.capabilities
        ]
        if supported and not any(supported):
            return failure(
                f'[libvirt] cpu_mode is {mode}, which libvirt does not '
                'support on this host; use host-model.'
            )
        return success(f'[libvirt] cpu_mode is {mode}.')
    return _cpu_models(report, settings.get('cpu_models'))


def _cpu_models(report: HostReport, models: list[str]) -> Finding:
    if not models:
        return failure(
            '[libvirt] cpu_mode is custom, and cpu_models is empty; name an '
            'EPYC model, or use host-model.'
        )
    others = [model for model in models if not _EPYC.fullmatch(model)]
    if len(others) == len(models):
        return warning(
            f'[libvirt] cpu_models has {", ".join(others)}, of which none '
            'has SEV; add an EPYC model, or use host-model.'
        )
    unusable = [
        model
        for model in models
        for capabilities in report.facts.capabilities[:1]
        if capabilities.cpu_models.get(model) is False
    ]
    told = (
        f'[libvirt] cpu_models has {", ".join(unusable)}, which libvirt '
        'cannot use on this host as it stands'
    )
    if unusable and not set(models) - set(others) - set(unusable):
        return failure(
            f'{told}, and no other EPYC model; name one that "virsh '
            'domcapabilities" calls usable, or use host-model.'
        )
    if unusable:
        return warning(f'{told}; take it out.')
    return success(f'[libvirt] cpu_models has {", ".join(models)}.')


def config_drive(report: HostReport) -> Finding:
    settings = report.settings
    shape = settings.get('config_drive_format')
    found = settings.machine_type
    if shape == 'vfat' or 'q35' in found:
        bus = 'virtio' if shape == 'vfat' else 'SATA'
        return success(f'config_drive_format is {shape}, on {bus}.')
    every = (
        ', and force_config_drive gives every guest one'
        if settings.get('force_config_drive')
        else ''
    )
    return warning(
        f'config_drive_format is {shape}, which {found} attaches on IDE'
        f'{every}: set [libvirt] hw_machine_type = x86_64=q35, whose config '
        'drives are on SATA.'
    )


def published(report: HostReport) -> Finding:
    """Whether the scheduler is told the default machine type."""
    if report.published_error:
        raise InputError(report.published_error)
    expected = machine_type_trait(report.settings.machine_type)
    found = set(report.published)
    if found == {expected}:
        return success(f'{expected}.')
    if not found:
        return warning(
            f'The scheduler is not told that guests default to '
            f'{report.settings.machine_type}; write "node provider-config" '
            'to [compute] provider_config_location and restart '
            'nova-compute.'
        )
    # Files for other hosts may lie beside this one's.
    return warning(
        f'{", ".join(sorted(found))} is published, but guests default to '
        f'{report.settings.machine_type}; write "node provider-config" anew, '
        'restart nova-compute, and take the old trait off the resource '
        'provider.'
    )


CHECKS: tuple[tuple[str, CheckFunction], ...] = (
    ('Nova configuration', read),
    ('Virtualization type', virt_type),
    ('num_memory_encrypted_guests', sev_guests),
    ('num_intel_tdx_guests', tdx_guests),
    ('Memory overcommit', overcommit),
    ('Default machine type', machine_type),
    ('CPU model of guests', cpu_mode),
    ('Config drive', config_drive),
    ('Published machine type', published),
)
