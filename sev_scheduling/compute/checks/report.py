"""What a compute host still lacks before it can run encrypted guests.

Each check answers one step of the operator's guide (nova, *AMD SEV*), with
the meaning that ``nova-status upgrade check`` gives to its results.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sev_scheduling.compute.detection import (
    HostFacts,
    ModelSupport,
    Source,
    detect,
)
from sev_scheduling.compute.sources.firmware import FirmwareSearch
from sev_scheduling.compute.sources.memory import HostMemory
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.exceptions import InputError


class NotRead(InputError):
    """Nova.conf could not be read; one check says so for all."""


class Status(enum.IntEnum):
    """The values are the exit status of ``nova-status upgrade check``."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    :ivar details: the reason, and the remedy unless all is well
    """

    status: Status
    details: str


@dataclass(frozen=True, slots=True)
class Check:
    """A finding and the name of its check."""

    name: str
    status: Status
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """All that the checks look at; None and empty stand for unknown.

    :ivar errors: one line for each of the kernel's facts that is unusable
    :ivar libvirt_error: why libvirt could not be asked
    :ivar nova_error: why nova.conf could not be read
    :ivar published: traits of the provider configuration
    :ivar guests: encrypted guests to reserve memory for; as many as the
        host has slots where None
    :ivar base_mb: what the host needs for itself
    """

    facts: HostFacts
    errors: tuple[str, ...] = ()
    libvirt_error: str | None = None
    nova: NovaSettings | None = None
    nova_error: str | None = None
    firmware: FirmwareSearch = field(default_factory=FirmwareSearch)
    memory: HostMemory = field(default_factory=HostMemory)
    published: tuple[str, ...] = ()
    published_error: str | None = None
    guests: int | None = None
    base_mb: int = 512

    @property
    def models(self) -> tuple[ModelSupport, ...]:
        """What the host itself offers, whatever nova.conf says."""
        return detect(self.facts)

    @property
    def enabled(self) -> tuple[str, ...]:
        """The models that the kernel has switched on, and that are safe."""
        return tuple(
            model.model
            for model in self.models
            if model.says(Source.KERNEL).supported
            and not (
                model.model == 'amd-sev-es'
                and self.facts.switches.get('sev_snp')
            )
        )

    @property
    def offered(self) -> tuple[ModelSupport, ...]:
        return tuple(model for model in self.models if model.offered)

    @property
    def settings(self) -> NovaSettings:
        """What nova.conf says.

        :raises NotRead: where it could not be read
        """
        if self.nova is None:
            raise NotRead(self.nova_error)
        return self.nova


#: A check returns None where it does not concern the host.
CheckFunction = Callable[[HostReport], Finding | None]


def run_checks(
    report: HostReport, checks: Sequence[tuple[str, CheckFunction]]
) -> tuple[Check, ...]:
    """Run checks; input that one cannot use fails that one alone.

    Checks that need a nova.conf are left out where there is none.
    """
    results: list[Check] = []
    for name, function in checks:
        try:
            finding = function(report)
        except NotRead:
            continue
        except InputError as error:
            finding = Finding(Status.FAILURE, str(error))
        if finding is not None:
            results.append(Check(name, finding.status, finding.details))
    return tuple(results)


def success(details: str) -> Finding:
    return Finding(Status.SUCCESS, details)


def warning(details: str) -> Finding:
    return Finding(Status.WARNING, details)


def failure(details: str) -> Finding:
    return Finding(Status.FAILURE, details)
