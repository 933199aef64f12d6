"""Findings about a request: the frozen codes, and one finding."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.StrEnum):
    """An error refuses the request; a warning does not."""

    ERROR = 'error'
    WARNING = 'warning'


class Code(enum.StrEnum):
    """What can be wrong. Do not change a value: programs compare them."""

    INVALID_BOOLEAN = 'invalid-boolean'
    ENCRYPTION_CONFLICT = 'encryption-conflict'
    UNKNOWN_MODEL = 'unknown-model'
    MODEL_CONFLICT = 'model-conflict'
    MODEL_WITHOUT_ENCRYPTION = 'model-without-encryption'
    FIRMWARE_NOT_UEFI = 'firmware-not-uefi'
    FIRMWARE_NOT_STATELESS = 'firmware-not-stateless'
    MACHINE_TYPE_NOT_Q35 = 'machine-type-not-q35'
    MACHINE_TYPE_UNSET = 'machine-type-unset'
    ARCHITECTURE_UNSUPPORTED = 'architecture-unsupported'
    DISK_BUS_UNSUPPORTED = 'disk-bus-unsupported'
    CDROM_BUS_UNSUPPORTED = 'cdrom-bus-unsupported'
    VIDEO_DEVICE_PRESENT = 'video-device-present'
    HOST_DEVICE = 'host-device'
    TRAIT_CONFLICT = 'trait-conflict'
    TRAIT_WITHOUT_ENCRYPTION = 'trait-without-encryption'
    EXPLICIT_SLOT = 'explicit-slot'
    INVALID_RESOURCE_REQUEST = 'invalid-resource-request'
    ACTION_UNSUPPORTED = 'action-unsupported'
    REBUILD_NEEDS_SLOT = 'rebuild-needs-slot'
    REBUILD_CHANGES_MODEL = 'rebuild-changes-model'
    RESCUE_DROPS_ENCRYPTION = 'rescue-drops-encryption'


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a request.

    :ivar code: what is wrong; a :class:`Code`, equal to its string
    :ivar severity: ``error`` or ``warning``
    :ivar where: the field at fault, such as ``image:hw_firmware_type``
    :ivar message: one sentence that names who asked for encryption
    :ivar fix: one sentence or command that a person can follow
    """

    code: Code
    severity: Severity
    where: str
    message: str
    fix: str

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        return f'{self.severity}: {self.message} {self.fix}'
