"""Checks of what operators trip over beside the models themselves."""

from __future__ import annotations

from collections.abc import Iterator

from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.sources.system import DEVICE, QUOTE_SOCKET
from sev_scheduling.hosts.check import (
    CheckKind,
    Entry,
    Finding,
    NoteCode,
    success,
    warning,
)

#: Words of the command line with which Linux leaves SEV-SNP off, by the
#: parameter that shows it (``iommu_snp_enable`` in its AMD IOMMU driver).
_KEEP_OFF = {
    'kvm_amd.sev_snp': (
        'iommu=pt',
        'iommu=off',
        'iommu.passthrough=1',
        'amd_iommu=off',
        'amd_iommu=pgtbl_v2',
    )
}
_OFF = ('0', 'n', 'N', 'off')

#: The first 31.x that leaves VMCoreInfo out of encrypted guests.
_VMCOREINFO_FIXED = (31, 2)


def command_line(report: HostReport) -> Finding | None:
    """Whether the kernel was started with what keeps a model off."""
    words = report.system.command_line
    if words is None:
        return None
    on = report.switched_on
    keeping: dict[str, str] = {}
    for model in report.wanted_models:
        for parameter in () if model in on else model.kernel_parameters:
            stopping = {
                *_KEEP_OFF.get(parameter, ()),
                *(f'{parameter}={value}' for value in _OFF),
            }
            for word in words:
                if _normal(word) in stopping:
                    keeping.setdefault(word, model.name)
    if keeping:
        found = warning if report.wanted else success
        return found(NoteCode.COMMAND_LINE_KEEPS_OFF, words=keeping)
    if 'mem_encrypt=off' in words:
        return success(NoteCode.COMMAND_LINE_UNENCRYPTED)
    return success(NoteCode.COMMAND_LINE)


def _normal(word: str) -> str:
    """Return a word with the name of its module as the kernel has it."""
    name, equals, value = word.partition('=')
    return name.replace('-', '_') + equals + value


def device(report: HostReport) -> Finding | None:
    """Whether QEMU has the device through which it starts AMD's guests."""
    concerned = any(
        parameter.startswith('kvm_amd.')
        for model in report.enabled_models
        for parameter in model.kernel_parameters
    )
    if not concerned or report.system.device is None:
        return None
    if not report.system.device:
        return warning(NoteCode.DEVICE_MISSING, path=DEVICE)
    if report.system.device_closed:
        return warning(NoteCode.DEVICE_CLOSED, path=DEVICE)
    return success(NoteCode.DEVICE_FOUND, path=DEVICE)


def quotes(report: HostReport) -> Finding | None:
    """Whether guests can be attested that need a service on the host."""
    concerned = any(
        'kvm_intel.tdx' in model.kernel_parameters
        for model in report.enabled_models
    )
    if not concerned or report.system.quote_socket is None:
        return None
    if report.system.quote_socket:
        return success(NoteCode.QUOTES_SERVED, path=QUOTE_SOCKET)
    return warning(NoteCode.QUOTES_MISSING, path=QUOTE_SOCKET)


def swap(report: HostReport) -> Finding | None:
    if not report.enabled or not report.system.swap_mb:
        return None
    return success(NoteCode.SWAP, mb=report.system.swap_mb)


def huge_pages(report: HostReport) -> Finding | None:
    if not report.enabled or not report.system.huge_mb:
        return None
    return success(NoteCode.HUGE_PAGES, mb=report.system.huge_mb)


def nova_version(report: HostReport) -> Finding | None:
    """Whether this nova leaves out a device that encrypted guests fail on."""
    if report.settings.release != _VMCOREINFO_FIXED[0]:
        return None
    version = report.nova_version
    if version is None or version[0] != _VMCOREINFO_FIXED[0]:
        return success(NoteCode.NOVA_VERSION_UNKNOWN, fixed=_VMCOREINFO_FIXED)
    if version < _VMCOREINFO_FIXED:
        return warning(
            NoteCode.NOVA_VERSION_EARLY,
            version=version,
            fixed=_VMCOREINFO_FIXED,
        )
    return success(NoteCode.NOVA_VERSION, version=version)


def entries() -> Iterator[Entry[HostReport]]:
    """Yield these checks, in the order of the operator's guide."""
    yield Entry(CheckKind.COMMAND_LINE, command_line)
    yield Entry(CheckKind.DEVICE, device)
    yield Entry(CheckKind.QUOTES, quotes)
    yield Entry(CheckKind.SWAP, swap)
    yield Entry(CheckKind.HUGE_PAGES, huge_pages)
    yield Entry(CheckKind.NOVA_VERSION, nova_version)
