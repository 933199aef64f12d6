"""Read all that the checks look at, from a host or from a copy of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sev_scheduling.compute.checks import host as checks_host
from sev_scheduling.compute.checks import nova_conf as checks_nova
from sev_scheduling.compute.checks import system as checks_system
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.compute.provider_config import published
from sev_scheduling.compute.reservation import DEFAULT_BASE_MB
from sev_scheduling.compute.sources import firmware, nova_conf
from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.kernel import (
    CAPACITY,
    LEAF_BYTES,
    LEAF_ENCRYPTION,
    LEAF_EXTENDED,
    parameters,
    parse_capacity,
    parse_leaves,
    parse_share,
    parse_switch,
    share_parameters,
)
from sev_scheduling.compute.sources.libvirt import (
    DomainCapabilities,
    Version,
    library_version,
)
from sev_scheduling.compute.sources.memory import read_memory
from sev_scheduling.compute.sources.nova_conf import (
    LATEST,
    NovaSettings,
    default_files,
    read_nova_conf,
)
from sev_scheduling.compute.sources.system import read_system
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Check, run_checks
from sev_scheduling.models import find_model, registered_models
from sev_scheduling.text import quoted

_CPUID = '/dev/cpu/0/cpuid'


@dataclass(frozen=True, slots=True)
class Gathered:
    """A host's facts, and one line for each that could not be had."""

    facts: HostEvidence
    errors: tuple[str, ...] = ()


def gather(
    root: HostFilesystem,
    *,
    capabilities: Iterable[DomainCapabilities] = (),
    qemu_version: Version | None = None,
    libvirt_version: Version | None = None,
) -> Gathered:
    """Return what the kernel of a host says, beside what libvirt said.

    One unusable file does not keep the others from being read.
    """
    errors: list[str] = []
    switches: dict[str, bool | None] = {}
    for name, path in parameters().items():
        try:
            text = root.read(path)
            if text is not None:
                switches[name] = parse_switch(text, path)
        except InputError as error:
            switches[name] = None
            errors.append(str(error))
    shares: dict[str, int] = {}
    for name, path in share_parameters().items():
        try:
            text = root.read(path)
            if text is not None:
                shares[name] = parse_share(text, path)
        except InputError as error:
            errors.append(str(error))
    capacity = None
    try:
        text = root.read(CAPACITY)
        if text is not None:
            capacity = parse_capacity(text, CAPACITY)
    except InputError as error:
        errors.append(str(error))
    return Gathered(
        HostEvidence(
            switches=switches,
            shares=shares,
            capacity=capacity,
            leaf=parse_leaves(
                root.read_at(_CPUID, LEAF_EXTENDED, LEAF_BYTES) or b'',
                root.read_at(_CPUID, LEAF_ENCRYPTION, LEAF_BYTES) or b'',
            ),
            capabilities=tuple(capabilities),
            qemu_version=qemu_version,
            libvirt_version=libvirt_version or library_version(root),
        ),
        tuple(errors),
    )


def read_settings(
    root: HostFilesystem,
    files: Sequence[Path] = (),
    directories: Sequence[Path] = (),
    release: int | None = None,
) -> NovaSettings:
    """Return what nova.conf says.

    :param files: instead of those that nova-compute reads on the host
    :param directories: of further files, instead of the host's
    :param release: nova's major version; the installed one by default, and
        the latest one known where none is
    :raises InputError: where it cannot be read
    """
    if not files and not directories:
        files = default_files(root)
    return read_nova_conf(
        files,
        directories,
        release=default_release(release),
    )


def default_release(release: int | None = None) -> int:
    """Return nova's major version: given, installed, or the latest known."""
    return release or nova_conf.installed_release() or LATEST


def survey(
    root: HostFilesystem,
    *,
    capabilities: Sequence[DomainCapabilities] = (),
    qemu_version: Version | None = None,
    libvirt_version: Version | None = None,
    libvirt_error: str | None = None,
    config_files: Sequence[Path] = (),
    config_dirs: Sequence[Path] = (),
    release: int | None = None,
    guests: int | None = None,
    base_mb: int = DEFAULT_BASE_MB,
    models: Sequence[str] = (),
) -> HostReport:
    """Return what a host's files say; what cannot be read is named in it.

    :param models: names of the models to check; all by default
    :raises InputError: where no model has such a name
    """
    for name in models:
        if find_model(name) is None:
            raise InputError(
                f'--model {quoted(name)} is unknown; give one of '
                f'{", ".join(registered_models())}.'
            )
    gathered = gather(
        root,
        capabilities=capabilities,
        qemu_version=qemu_version,
        libvirt_version=libvirt_version,
    )
    settings = nova_error = published_error = None
    traits: tuple[str, ...] = ()
    try:
        settings = read_settings(root, config_files, config_dirs, release)
    except InputError as error:
        nova_error = str(error)
    else:
        try:
            directory = settings.get('provider_config_location')
            traits = tuple(published(root, directory))
        except InputError as error:
            published_error = str(error)
    return HostReport(
        facts=gathered.facts,
        errors=gathered.errors,
        libvirt_error=libvirt_error,
        nova=settings,
        nova_error=nova_error,
        firmware=firmware.search(root),
        memory=read_memory(root),
        release=settings.release if settings else default_release(release),
        published=traits,
        published_error=published_error,
        guests=guests,
        base_mb=base_mb,
        wanted=tuple(models),
        system=read_system(root),
        nova_version=nova_conf.installed_version(),
    )


def check(report: HostReport) -> tuple[Check, ...]:
    """Return the result of every check that concerns a host."""
    entries = (
        *checks_host.entries(),
        *checks_nova.entries(),
        *checks_system.entries(),
    )
    return run_checks(report, entries)
