"""What nova asks of firmware for a guest, and what the guest gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sev_scheduling.compute.sources.firmware.descriptors import Descriptor
from sev_scheduling.hosts.check import Note
from sev_scheduling.models import EncryptionModel, SecureBoot


@dataclass(frozen=True, slots=True)
class Guest:
    """What nova asks of firmware for a guest.

    :ivar machine: its concrete machine type, such as ``pc-q35-9.0``; an
        alias, such as ``q35``, stands for any version of it
    :ivar stateless: nova asks for firmware that keeps no variables
    :ivar secure_boot: the guest asks for Secure Boot
    """

    model: EncryptionModel
    machine: str
    stateless: bool = False
    secure_boot: bool = False

    @property
    def smm(self) -> bool | None:
        """Nova's ``secure`` of ``<loader>``; None where it writes none."""
        if self.model.secure_boot == SecureBoot.WITHOUT_SMM:
            return None
        return self.secure_boot

    def runs(
        self,
        targets: Iterable[tuple[str, str]],
        matches: Callable[[str, str], bool],
    ) -> bool:
        """Return whether firmware of these targets runs its machine type.

        :param matches: of a machine type and a pattern
        """
        patterns = [
            pattern
            for architecture, pattern in targets
            if architecture in self.model.architectures
        ]
        names = [self.machine]
        if '-' not in self.machine:
            if any(self.machine in pattern for pattern in patterns):
                return True
            names = [f'{self.machine}-', f'pc-{self.machine}-']
        return any(
            matches(name, pattern) for name in names for pattern in patterns
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The firmware that a guest gets.

    :ivar descriptor: None where it gets none
    :ivar problem: why no guest of this host gets any
    """

    descriptor: Descriptor | None = None
    problem: Note | None = None
