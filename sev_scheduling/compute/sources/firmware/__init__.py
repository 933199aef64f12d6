"""Which UEFI firmware an encrypted guest gets, by the rules of who chooses.

Since nova 33 libvirt chooses, by its version; before, nova itself does. Both
read QEMU's firmware descriptors, each in its own way.
"""

from sev_scheduling.compute.sources.firmware.descriptors import (
    DIRECTORIES,
    REQUIRES_SMM,
    SECURE_BOOT,
    Descriptor,
    FirmwareSearch,
    parse_descriptor,
    search,
)
from sev_scheduling.compute.sources.firmware.guest import (
    Choice,
    Guest,
)
from sev_scheduling.compute.sources.firmware.libvirt import (
    ERAS,
    Era,
    chosen_by_libvirt,
    eras,
    glob,
    libvirt_problems,
    libvirt_refuses,
    secure_boot_offered,
)
from sev_scheduling.compute.sources.firmware.nova import (
    chosen_by_nova,
    nova_problems,
    nova_refuses,
)

__all__ = [
    'DIRECTORIES',
    'ERAS',
    'REQUIRES_SMM',
    'SECURE_BOOT',
    'Choice',
    'Descriptor',
    'Era',
    'FirmwareSearch',
    'Guest',
    'chosen_by_libvirt',
    'chosen_by_nova',
    'eras',
    'glob',
    'libvirt_problems',
    'libvirt_refuses',
    'nova_problems',
    'nova_refuses',
    'parse_descriptor',
    'search',
    'secure_boot_offered',
]
