"""What the checks of a compute host look at.

Each check answers one step of the operator's guide (nova, *AMD SEV*), with
the meaning that ``nova-status upgrade check`` gives to its results.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from sev_scheduling.compute.detection import (
    HostEvidence,
    ModelSupport,
    detect,
    detectable_models,
)
from sev_scheduling.compute.sources.firmware import FirmwareSearch
from sev_scheduling.compute.sources.memory import HostMemory
from sev_scheduling.compute.sources.nova_conf import LATEST, NovaSettings
from sev_scheduling.compute.sources.system import SystemFacts
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import NotRead
from sev_scheduling.models import (
    DEFAULT_MODEL,
    EncryptionModel,
    registered_models,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """All that the checks look at; None and empty stand for unknown.

    :ivar errors: one line for each of the kernel's facts that is unusable
    :ivar libvirt_error: why libvirt could not be asked
    :ivar nova_error: why nova.conf could not be read
    :ivar release: of nova, whether its nova.conf could be read or not
    :ivar published: traits of the provider configuration
    :ivar guests: encrypted guests to reserve memory for; as many as the
        host has slots where None
    :ivar base_mb: what the host needs for itself
    :ivar system: what else of the host decides
    :ivar nova_version: of the nova that is installed here
    :ivar wanted: names of the models to check; all where empty
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
    release: int = LATEST
    guests: int | None = None
    base_mb: int = 512
    wanted: tuple[str, ...] = ()
    system: SystemFacts = field(default_factory=SystemFacts)
    nova_version: tuple[int, ...] | None = None

    @property
    def models(self) -> tuple[ModelSupport, ...]:
        """What the host itself offers, whatever nova.conf says."""
        return detect(self.facts)

    @property
    def wanted_models(self) -> tuple[EncryptionModel, ...]:
        """The models to check, whether the host has them or not."""
        models = detectable_models()
        if not self.wanted:
            return models
        return tuple(model for model in models if model.name in self.wanted)

    @property
    def switched_on(self) -> tuple[EncryptionModel, ...]:
        """Those that the kernel has switched on, and that are safe."""
        enabled = {model.model for model in self.models if model.enabled}
        return tuple(m for m in self.wanted_models if m.name in enabled)

    @property
    def not_applicable(self) -> tuple[EncryptionModel, ...]:
        """Those that are switched on, and that this nova does not know."""
        if self.nova is None:
            return ()
        release = self.nova.release
        return tuple(m for m in self.switched_on if m.since_nova > release)

    @property
    def enabled_models(self) -> tuple[EncryptionModel, ...]:
        """Those that guests can have: switched on, and known to nova."""
        unknown = self.not_applicable
        return tuple(m for m in self.switched_on if m not in unknown)

    @property
    def enabled(self) -> tuple[str, ...]:
        """The names of those."""
        return tuple(model.name for model in self.enabled_models)

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
    def published_models(self) -> tuple[ModelSupport, ...]:
        """What nova makes of the wanted models, with the limits it has."""
        found = self.models
        if self.nova is not None:
            # The check of an option reports its value.
            with contextlib.suppress(InputError):
                found = detect(self.facts, self.nova)
        names = {model.name for model in self.wanted_models}
        return tuple(model for model in found if model.model in names)

    @property
    def offered(self) -> tuple[ModelSupport, ...]:
        """Those of them that guests can have."""
        return tuple(m for m in self.published_models if m.offered)

    @property
    def settings(self) -> NovaSettings:
        """What nova.conf says.

        :raises NotRead: where it could not be read
        """
        if self.nova is None:
            raise NotRead(self.nova_error)
        return self.nova
