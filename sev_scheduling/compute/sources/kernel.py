"""What the kernel says: module parameters, the misc cgroup, CPUID.

Formats: kernel documentation of the ``kvm_amd`` and ``kvm_intel`` module
parameters, of the misc controller (cgroup v2), and AMD's *Architecture
Programmer's Manual*, volume 3, appendix E.4.17 (leaf 0x8000001F).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from oslo_utils import strutils

from sev_scheduling.exceptions import InputError
from sev_scheduling.models import parameter_name, registered_models
from sev_scheduling.text import quoted

#: A number of slots above this cannot be an inventory of Placement.
MAX_COUNT = 2**31 - 1

#: The misc controller's numbers.
CAPACITY = '/sys/fs/cgroup/misc.capacity'

#: CPUID leaves: the highest extended one, and the one of memory encryption.
LEAF_EXTENDED = 0x80000000
LEAF_ENCRYPTION = 0x8000001F
#: EAX, EBX, ECX and EDX.
LEAF_BYTES = 16
#: Bits of its EAX.
_SEV, _SEV_ES, _SEV_SNP = 1, 3, 4


def parameters() -> dict[str, str]:
    """Return the parameters that switch models on: name -> path."""
    return {
        parameter_name(parameter): parameter_path(parameter)
        for model in registered_models().values()
        for parameter in model.kernel_parameters
    }


def share_parameters() -> dict[str, str]:
    """Return the parameters with a model's share of slots: name -> path."""
    return {
        parameter_name(model.capacity_parameter): parameter_path(
            model.capacity_parameter
        )
        for model in registered_models().values()
        if model.capacity_parameter
    }


def parameter_path(parameter: str) -> str:
    """Return where sysfs has a parameter, such as ``kvm_amd.sev``."""
    return '/sys/module/{}/parameters/{}'.format(*parameter.split('.'))


def parse_switch(text: str, origin: str) -> bool:
    """Return a boolean module parameter: ``Y``, ``N``, ``1`` or ``0``.

    :raises InputError: where it is anything else
    """
    try:
        return strutils.bool_from_string(text.strip(), strict=True)
    except ValueError as error:
        raise InputError(
            f'{origin} holds {quoted(text.strip())}; a module parameter is '
            'Y, N, 1 or 0.'
        ) from error


def parse_count(text: str | None, origin: str) -> int:
    """Return a number of slots.

    :raises InputError: where it is no decimal number of 0 to 2**31 - 1
    """
    stripped = (text or '').strip()
    # int() would take signs, underscores and the digits of any script.
    if re.fullmatch('[0-9]{1,10}', stripped) and int(stripped) <= MAX_COUNT:
        return int(stripped)
    raise InputError(
        f'{origin} is {quoted(text or "")}; it must be a number of 0 to '
        f'{MAX_COUNT}.'
    )


def parse_share(text: str, origin: str) -> int:
    """Return a model's share of slots; 0 where they are not divided.

    Once loaded, ``kvm_amd`` keeps in its parameter what it made of the number
    that was given (Linux 6.18, ``sev_hardware_setup``).

    :raises InputError: where it is no unsigned 32-bit number
    """
    stripped = text.strip()
    if re.fullmatch('[0-9]{1,10}', stripped) and int(stripped) < 1 << 32:
        return min(int(stripped), MAX_COUNT)
    raise InputError(
        f'{origin} holds {quoted(stripped)}; it must be a number of slots.'
    )


def parse_capacity(text: str, origin: str) -> dict[str, int]:
    """Return resource -> slots of a ``misc.capacity``, those of guests only.

    The kernel leaves out resources of which it has none.

    >>> parse_capacity('sev 410\\nsev_es 99\\n', 'misc.capacity')
    {'sev': 410, 'sev_es': 99}

    :raises InputError: where a line is no name and number
    """
    wanted = {model.capacity_key for model in registered_models().values()}
    counts: dict[str, int] = {}
    for number, line in enumerate(text.split('\n'), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[0] in counts:
            raise InputError(
                f'{origin}, line {number}: {quoted(line)} is not one '
                'resource and its capacity.'
            )
        if words[0] in wanted:
            counts[words[0]] = parse_count(
                words[1], f'{origin}, {words[0]} capacity'
            )
    return counts


@dataclass(frozen=True, slots=True)
class EncryptionLeaf:
    """CPUID leaf 0x8000001F.

    :ivar guests: the highest ASID of encrypted guests
    :ivar first_sev_asid: the lowest of plain SEV, set in the BIOS; those
        below belong to SEV-ES and SEV-SNP
    """

    sev: bool
    sev_es: bool
    sev_snp: bool
    guests: int
    first_sev_asid: int

    @property
    def sev_slots(self) -> int:
        return max(0, self.guests - max(1, self.first_sev_asid) + 1)

    @property
    def es_slots(self) -> int:
        return max(0, min(self.first_sev_asid - 1, self.guests))

    def supports(self, bit: int) -> bool:
        """Return whether a bit of EAX is set; others than SEV's are not."""
        return {
            _SEV: self.sev,
            _SEV_ES: self.sev_es,
            _SEV_SNP: self.sev_snp,
        }.get(bit, False)

    def slots(self, capacity_key: str) -> int | None:
        """Return what the misc controller would count, None for others."""
        return {'sev': self.sev_slots, 'sev_es': self.es_slots}.get(
            capacity_key
        )


def parse_leaves(extended: bytes, encryption: bytes) -> EncryptionLeaf | None:
    """Return what CPUID says of memory encryption.

    :param extended: leaf 0x80000000, whose EAX is the highest leaf there is
    :param encryption: leaf 0x8000001F; beyond the highest leaf Intel's
        processors answer with another leaf's values
    :returns: None where the processor has no such leaf
    """
    if len(extended) != LEAF_BYTES or len(encryption) != LEAF_BYTES:
        return None
    if struct.unpack('<4I', extended)[0] < LEAF_ENCRYPTION:
        return None
    eax, _, ecx, edx = struct.unpack('<4I', encryption)
    return EncryptionLeaf(
        sev=bool(eax & 1 << _SEV),
        sev_es=bool(eax & 1 << _SEV_ES),
        sev_snp=bool(eax & 1 << _SEV_SNP),
        guests=min(ecx, MAX_COUNT),
        first_sev_asid=min(edx, MAX_COUNT),
    )
