"""Whether libvirt and QEMU are new enough for nova and for the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.sources.libvirt import Version
from sev_scheduling.hosts.check import (
    CheckKind,
    Entry,
    Finding,
    NoteCode,
    failure,
    success,
    warning,
)

#: Nova release -> what nova-compute needs to start: libvirt, QEMU
#: (``MIN_LIBVIRT_VERSION``, ``MIN_QEMU_VERSION`` of its driver).
MINIMUM: Mapping[int, tuple[Version, Version]] = {
    release: ((8, 0, 0), (6, 2, 0)) for release in (31, 32, 33, 34)
}

#: From this libvirt on nova reports COMPUTE_SECURITY_STATELESS_FIRMWARE
#: (``MIN_LIBVIRT_STATELESS_FIRMWARE`` of its driver).
STATELESS: Version = (8, 6, 0)


def versions(report: HostReport) -> Finding:
    """Check libvirt's and QEMU's versions; an unknown one is a warning."""
    release = report.release
    libvirt, qemu = report.facts.libvirt_version, report.facts.qemu_version
    known = {'libvirt': libvirt, 'QEMU': qemu}
    least = dict(zip(known, MINIMUM[release], strict=True))
    for name, version in known.items():
        if version is not None and version < least[name]:
            return failure(
                NoteCode.VERSIONS_TOO_OLD,
                name=name,
                version=version,
                least=least[name],
                release=release,
            )
    too_old = {
        model.name: {'name': name, 'version': version, 'least': first}
        for model in report.enabled_models
        for name, version, first in (
            ('libvirt', libvirt, model.first_libvirt),
            ('QEMU', qemu, max(model.first_qemu, model.since_qemu)),
        )
        if version is not None and version < first
    }
    for model, values in too_old.items():
        finding = failure if set(too_old) == set(report.enabled) else warning
        return finding(
            NoteCode.VERSIONS_MODEL_TOO_OLD, models=(model,), **values
        )
    if libvirt is not None and libvirt < STATELESS:
        return warning(
            NoteCode.VERSIONS_NO_STATELESS, version=libvirt, least=STATELESS
        )
    finding, code = success, NoteCode.VERSIONS_FIT
    if None in known.values():
        finding, code = warning, NoteCode.VERSIONS_UNKNOWN
    return finding(
        code,
        release=release,
        libvirt=libvirt,
        qemu=qemu,
        least_libvirt=least['libvirt'],
        least_qemu=least['QEMU'],
    )


def entries() -> Iterator[Entry[HostReport]]:
    yield Entry(CheckKind.VERSIONS, versions)
