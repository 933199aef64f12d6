"""Checks of the host itself: processor, kernel, libvirt, firmware, memory."""

from __future__ import annotations

import functools

from sev_scheduling.compute.checks.report import (
    CheckFunction,
    Finding,
    HostReport,
    failure,
    success,
    warning,
)
from sev_scheduling.compute.detection import MIN_QEMU_SEV_ES, SWITCHES, Source
from sev_scheduling.compute.reservation import reserve
from sev_scheduling.compute.sources.firmware import Descriptor, matching
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import BUILTIN_MODELS

_MODELS = {model.name: model for model in BUILTIN_MODELS}


def hardware(report: HostReport) -> Finding:
    leaf = report.facts.leaf
    if leaf is None:
        if report.enabled:
            return success(
                'The kernel has it switched on; the processor itself was not '
                'asked (as root, with the cpuid module loaded, it is).'
            )
        return failure(
            'Nothing shows a processor with AMD SEV or Intel TDX; use one, '
            'and enable memory encryption (SMEE, or TME and TDX) in the BIOS.'
        )
    if not leaf.sev:
        if 'intel-tdx' in report.enabled:
            return success('Intel TDX.')
        return failure(
            'The processor does not support SEV; use one that does, and '
            'enable memory encryption (SMEE) in the BIOS.'
        )
    counts = f'{leaf.sev_slots} slots for SEV, {leaf.es_slots} for SEV-ES '
    if leaf.sev_es and not leaf.es_slots:
        return warning(
            f'{counts}and SEV-SNP: raise the BIOS setting of the minimum '
            'ASID for SEV (SEV-ES ASID space limit) to have some.'
        )
    return success(f'{counts}and SEV-SNP together.')


def kernel(report: HostReport) -> Finding:
    if report.errors:
        raise InputError(' '.join(report.errors))
    if not report.enabled:
        told = sorted(
            {
                f'{path} is '
                + ('N' if name in report.facts.switches else 'missing')
                for name, path in SWITCHES.items()
                if name in ('sev', 'tdx')
            }
        )
        return failure(
            f'No model is switched on: {", ".join(told)}. Load kvm_amd with '
            'sev=1 sev_es=1 sev_snp=1, or kvm_intel with tdx=1; dmesg says '
            'what the BIOS keeps from them.'
        )
    return success(f'Switched on: {", ".join(report.enabled)}.')


def virtualisation(report: HostReport) -> Finding:
    """Whether libvirt and QEMU support what the kernel has switched on."""
    if report.libvirt_error:
        raise InputError(report.libvirt_error)
    if not report.facts.capabilities:
        return warning(
            'Libvirt was not asked: install libvirt-python, or give the '
            'output of "virsh domcapabilities --machine q35" with '
            '--domain-capabilities.'
        )
    lacking = [
        f'{model.model}: {model.says(Source.LIBVIRT).detail}'
        for model in report.models
        if model.model in report.enabled
        and model.says(Source.LIBVIRT).supported is False
    ]
    if not report.enabled:
        return failure(
            'The kernel has nothing switched on that libvirt could support.'
        )
    if lacking:
        told = f'{"; ".join(lacking)}. Upgrade libvirt and QEMU, and restart '
        told += 'libvirt, which keeps what it once found.'
        if len(lacking) == len(report.enabled):
            return failure(told)
        return warning(told)
    version = report.facts.qemu_version
    if version is None and 'amd-sev-es' in report.enabled:
        least = '.'.join(map(str, MIN_QEMU_SEV_ES))
        return success(
            'Libvirt and QEMU support all that is switched on; nova also '
            f'wants QEMU {least} for SEV-ES, and its version is not known.'
        )
    return success('Libvirt and QEMU support all that is switched on.')


def slots(report: HostReport) -> Finding:
    if not report.offered:
        notes = '; '.join(
            f'{model.model}: {model.notes[0]}'
            for model in report.models
            if model.notes
        )
        return failure(f'The host offers no model. {notes}.')
    told = ', '.join(
        f'{model.model} {"unknown" if model.slots is None else model.slots}'
        for model in report.offered
    )
    if any(model.slots is None for model in report.offered):
        return failure(
            f'Slots: {told}. Use libvirt 8.0 or later, or a kernel with the '
            'misc cgroup controller, so that nova counts them.'
        )
    disputed = [
        f'of {model.model} {note}'
        for model in report.offered
        for note in model.notes
        if note.startswith('sources disagree')
    ]
    if disputed:
        return warning(
            f'Slots: {told}, though {"; ".join(disputed)}. Restart libvirt, '
            'which keeps what it once found.'
        )
    return success(f'Slots: {told}.')


def es_beside_snp(report: HostReport) -> Finding | None:
    switches = report.facts.switches
    if not switches.get('sev_snp'):
        return None
    if not switches.get('sev_es'):
        return success('SEV-SNP without SEV-ES.')
    told = (
        'SEV-ES guests are not safe beside SEV-SNP (CVE-2025-48514), '
        'and both are switched on'
    )
    if report.settings.release >= 34:
        return success(f'{told}; nova {report.settings.release} hides SEV-ES.')
    return failure(
        f'{told}; nova {report.settings.release} offers SEV-ES all the same. '
        'Upgrade nova to 34, or load kvm_amd with sev_snp=0.'
    )


def firmware(report: HostReport, *, model: str) -> Finding | None:
    """Whether libvirt finds UEFI firmware for the guests of a model."""
    if model not in report.enabled:
        return None
    found = report.firmware
    if found.errors:
        raise InputError(' '.join(found.errors))
    machine = _q35(report)
    candidates = matching(found.descriptors, model, machine)
    if _MODELS[model].stateless_firmware:
        chosen = [c for c in candidates if c.stateless]
    else:
        chosen = [c for c in candidates if c.mode != 'stateless']
    if chosen:
        # Libvirt takes the first, whether its files are there or not.
        return _chosen(chosen[0], model, found.missing)
    if not candidates:
        return failure(
            f'No firmware descriptor lists {model} for {machine or "q35"}; '
            'install an OVMF package that does, or add a descriptor to '
            '/etc/qemu/firmware.'
        )
    if _MODELS[model].stateless_firmware:
        return failure(
            f'{candidates[0].path} keeps variables, and {model} needs '
            'stateless firmware; install an OVMF package that has it.'
        )
    return warning(
        f'{candidates[0].path} is stateless: images need '
        'hw_firmware_stateless=true to start with it.'
    )


def _chosen(
    descriptor: Descriptor, model: str, missing: frozenset[str]
) -> Finding:
    lost = sorted(missing.intersection(descriptor.files))
    if lost:
        return failure(
            f'{descriptor.path} names {", ".join(lost)}, which is missing; '
            'install the OVMF package again.'
        )
    if _MODELS[model].stateless_firmware and descriptor.device == 'flash':
        # QEMU loads the firmware of these models into guest_memfd.
        return warning(
            f'{descriptor.path} maps flash, from which QEMU 9.1 and later '
            f'start no {model} guest; add a descriptor whose device is '
            'memory, with a name that sorts before it.'
        )
    return success(f'{descriptor.path}.')


def _q35(report: HostReport) -> str | None:
    """Return the concrete q35 of this host, as descriptors name it."""
    for capabilities in report.facts.capabilities:
        if 'q35' in (capabilities.machine or ''):
            return capabilities.machine
    return None


def host_memory(report: HostReport) -> Finding:
    memory = report.memory
    if memory.errors:
        raise InputError(' '.join(memory.errors))
    if memory.slice_mb is not None:
        if memory.total_mb is None:
            return warning(
                f'machine.slice is limited to {memory.slice_mb} MB, and the '
                'memory of the host is not known.'
            )
        left = memory.total_mb - memory.slice_mb
        if left < report.base_mb:
            return failure(
                f'machine.slice may take {memory.slice_mb} MB of '
                f'{memory.total_mb} MB, which leaves less than '
                f'{report.base_mb} MB to the host; set MemoryMax as "node '
                'reserve" says.'
            )
        return success(
            f'machine.slice is limited to {memory.slice_mb} MB, which leaves '
            f'{left} MB to the host.'
        )
    known = [model.slots or 0 for model in report.offered]
    guests = sum(known) if report.guests is None else report.guests
    needed = reserve(guests, base_mb=report.base_mb).reserved_host_memory_mb
    reserved = report.settings.get('reserved_host_memory_mb')
    told = (
        f'reserved_host_memory_mb is {reserved}; {guests} encrypted guests '
        f'and {report.base_mb} MB for the host need {needed}'
    )
    if reserved >= needed:
        return success(f'{told}.')
    return warning(
        f'{told}. Raise it, limit machine.slice (see "node reserve"), or '
        'give the number of guests that you expect with --guests.'
    )


CHECKS: tuple[tuple[str, CheckFunction], ...] = (
    ('Processor', hardware),
    ('Kernel module', kernel),
    ('Libvirt and QEMU', virtualisation),
    ('Encryption slots', slots),
    ('SEV-ES beside SEV-SNP', es_beside_snp),
    *(
        (f'UEFI firmware for {name}', functools.partial(firmware, model=name))
        for name in _MODELS
    ),
    ('Memory for the host', host_memory),
)
