"""Read all that the checks look at, from a host or from a copy of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sev_scheduling.compute import checks_host, checks_nova, firmware
from sev_scheduling.compute.checks import Check, HostReport, run_checks
from sev_scheduling.compute.collection import gather
from sev_scheduling.compute.domcaps import DomainCapabilities
from sev_scheduling.compute.files import Root
from sev_scheduling.compute.memory import read_memory
from sev_scheduling.compute.novaconf import (
    LATEST,
    NovaSettings,
    default_files,
    installed_release,
    read_nova_conf,
)
from sev_scheduling.compute.publish import published
from sev_scheduling.compute.reservation import DEFAULT_BASE_MB
from sev_scheduling.exceptions import InputError

#: Every check, in the order of the operator's guide.
CHECKS = (*checks_host.CHECKS, *checks_nova.CHECKS)


def read_settings(
    root: Root,
    files: Sequence[Path] = (),
    directories: Sequence[Path] = (),
    release: int | None = None,
) -> NovaSettings:
    """Return what nova.conf says.

    :param files: instead of those that nova-compute reads on the host
    :param directories: likewise
    :param release: nova's major version; the installed one by default, and
        the latest one known where none is
    :raises InputError: where it cannot be read
    """
    if not files and not directories:
        files, directories = default_files(root)
    return read_nova_conf(
        files,
        directories,
        release=release or installed_release() or LATEST,
    )


def survey(
    root: Root,
    *,
    capabilities: Sequence[DomainCapabilities] = (),
    qemu_version: tuple[int, int, int] | None = None,
    libvirt_error: str | None = None,
    config_files: Sequence[Path] = (),
    config_dirs: Sequence[Path] = (),
    release: int | None = None,
    guests: int | None = None,
    base_mb: int = DEFAULT_BASE_MB,
) -> HostReport:
    """Return what a host's files say; what cannot be read is named in it."""
    gathered = gather(
        root, capabilities=capabilities, qemu_version=qemu_version
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
        published=traits,
        published_error=published_error,
        guests=guests,
        base_mb=base_mb,
    )


def check(report: HostReport) -> tuple[Check, ...]:
    """Return the result of every check that concerns a host."""
    return run_checks(report, CHECKS)
