"""What the checks look at, and how they are run.

Each check answers one step of the operator's guide (nova, *AMD SEV*), with
the meaning that ``nova-status upgrade check`` gives to its results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sev_scheduling.compute.detection import (
    HostEvidence,
    ModelSupport,
    detect,
    detectable_models,
)
from sev_scheduling.compute.sources.firmware import FirmwareSearch
from sev_scheduling.compute.sources.memory import HostMemory
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import (
    Check,
    CheckKind,
    Note,
    NoteCode,
    Status,
)
from sev_scheduling.models import (
    DEFAULT_MODEL,
    EncryptionModel,
    registered_models,
)


class NotRead(InputError):
    """Nova.conf could not be read; one check reports it for all."""


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

    facts: HostEvidence
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
        return tuple(model.model for model in self.models if model.enabled)

    @property
    def enabled_models(self) -> tuple[EncryptionModel, ...]:
        """What is known of the enabled models."""
        enabled = self.enabled
        return tuple(m for m in detectable_models() if m.name in enabled)

    @property
    def leading_model(self) -> EncryptionModel:
        """The model whose architecture and machine type guests need.

        The first one enabled; nova's default model where none is.
        """
        return next(
            iter(self.enabled_models), registered_models()[DEFAULT_MODEL]
        )

    @property
    def architecture(self) -> str:
        """The architecture of encrypted guests."""
        return self.leading_model.architectures[0]

    @property
    def default_machine_type(self) -> str:
        """The default machine type of guests of that architecture.

        :raises InputError: where nova.conf could not be read
        """
        return self.settings.default_machine_type(self.architecture)

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


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check function found."""

    status: Status
    code: NoteCode
    values: Mapping[str, object]


#: A check returns None where it does not concern the host.
CheckFunction = Callable[[HostReport], Finding | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A check to run.

    :ivar subject: the values that its name has; all its notes have them
    """

    kind: CheckKind
    function: CheckFunction
    subject: Mapping[str, str] = field(default_factory=dict, hash=False)


def run_checks(
    report: HostReport, entries: Iterable[Entry]
) -> tuple[Check, ...]:
    """Run checks; input that one cannot use fails that one alone.

    Checks that need a nova.conf are left out where there is none.
    """
    results: list[Check] = []
    for entry in entries:
        try:
            finding = entry.function(report)
        except NotRead:
            continue
        except InputError as error:
            finding = failure(NoteCode.UNUSABLE_INPUT, error=str(error))
        if finding is not None:
            values = {**entry.subject, **finding.values}
            note = Note(finding.code, values)
            results.append(Check(entry.kind, finding.status, note))
    return tuple(results)


def success(code: NoteCode, **values: object) -> Finding:
    return Finding(Status.SUCCESS, code, values)


def warning(code: NoteCode, **values: object) -> Finding:
    return Finding(Status.WARNING, code, values)


def failure(code: NoteCode, **values: object) -> Finding:
    return Finding(Status.FAILURE, code, values)
