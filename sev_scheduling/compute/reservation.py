"""How much memory a host keeps back from encrypted guests.

The memory of an encrypted guest cannot be swapped, so what QEMU locks
beside the guest's RAM has to be there too. The sizes are those of
nova-specs, Stein, *amd-sev-libvirt-support*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Note, NoteCode
from sev_scheduling.models import EncryptionModel
from sev_scheduling.text import counted

#: Memory region of one guest -> KiB.
REGIONS: Mapping[str, int] = MappingProxyType(
    {
        'UEFI ROM': 4096,
        'UEFI variables': 4096,
        'pc.rom': 128,
        'isa-bios': 128,
        'ACPI tables': 2384,
    }
)
#: ROM sizes change now and then.
MIN_PADDING_KIB = 256
#: What one guest needs is rounded up to this.
STEP_KIB = 16 << 10

#: Nova's default of ``reserved_host_memory_mb``.
DEFAULT_BASE_MB = 512

#: No host has more than this (4 PiB), and no limit is worth more digits.
MAX_MB = 1 << 32
MAX_GUESTS = 1 << 20

_KIB_PER_MB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Memory to keep back, with the terms of the sum; MB are MiB, as nova's.

    :ivar guests: encrypted guests that run at once
    :ivar base_mb: what the host needs for itself
    :ivar video_mb: video memory of one guest
    :ivar padding_kib: spare for one guest
    :ivar host_mb: the host's memory, None where unknown
    :ivar kernel_mb: what the kernel keeps of it for a model's own use
    """

    guests: int
    base_mb: int = DEFAULT_BASE_MB
    video_mb: int = 0
    padding_kib: int = MIN_PADDING_KIB
    host_mb: int | None = None
    kernel_mb: int = 0

    @property
    def guest_kib(self) -> int:
        """What one guest needs beside its RAM, before rounding."""
        return (
            sum(REGIONS.values())
            + self.padding_kib
            + self.video_mb * _KIB_PER_MB
        )

    @property
    def guest_mb(self) -> int:
        """What one guest needs beside its RAM, rounded up to 16 MiB."""
        steps = math.ceil(self.guest_kib / STEP_KIB)
        return steps * STEP_KIB // _KIB_PER_MB

    @property
    def reserved_host_memory_mb(self) -> int:
        """What nova must not hand out as RAM of guests."""
        return self.base_mb + self.kernel_mb + self.guests * self.guest_mb

    @property
    def machine_slice_mb(self) -> int | None:
        """What all guests together may take, None where unknown."""
        if self.host_mb is None:
            return None
        return self.host_mb - self.base_mb - self.kernel_mb


def reserve(
    guests: int,
    *,
    base_mb: int = DEFAULT_BASE_MB,
    video_mb: int = 0,
    padding_kib: int = MIN_PADDING_KIB,
    host_mb: int | None = None,
    models: Iterable[EncryptionModel] = (),
) -> Reservation:
    """Return the memory to reserve for a number of encrypted guests.

    :param models: those that the host has switched on

    >>> reserve(15).reserved_host_memory_mb
    752

    :raises InputError: where a number is out of its range, the host has
        too little memory, or a model needs a share of what is not known
    """
    _check('--guests', guests, 0, MAX_GUESTS)
    _check('--base', base_mb, 0, MAX_MB)
    _check('--video', video_mb, 0, MAX_MB)
    _check('--padding', padding_kib, MIN_PADDING_KIB, MAX_MB)
    if host_mb is not None:
        _check('--host-memory', host_mb, 1, MAX_MB)
    reservation = Reservation(
        guests=guests,
        base_mb=base_mb,
        video_mb=video_mb,
        padding_kib=padding_kib,
        host_mb=host_mb,
        kernel_mb=kernel_memory_mb(host_mb, models),
    )
    needed = reservation.reserved_host_memory_mb
    if host_mb is not None and needed >= host_mb:
        raise InputError(
            f'{counted(guests, "guest")}: {needed} MB to reserve, and the '
            f'host has {host_mb} MB; lower --guests or --base.'
        )
    return reservation


def kernel_memory_mb(
    host_mb: int | None, models: Iterable[EncryptionModel]
) -> int:
    """Return what the kernel keeps of a host's memory for models.

    For TDX that is the PAMT, about a 256th of the memory, allocated when
    ``kvm_intel`` starts TDX (Linux, ``Documentation/arch/x86/tdx.rst``).

    :raises InputError: where the host's memory is not known, and counts
    """
    divisors = [m.host_memory_divisor for m in models if m.host_memory_divisor]
    if not divisors:
        return 0
    if host_mb is None:
        raise InputError(
            'The memory of the host is not known; give --host-memory.'
        )
    return sum(math.ceil(host_mb / divisor) for divisor in divisors)


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(
            f'{name} is {value}; it must be from {low} to {high}.'
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """How many guests of one flavor a host can run, and why no more.

    :ivar by_memory: guests that the host's memory holds
    :ivar slots: None where unknown
    :ivar binds: ``slots``, ``memory``, or both as ``slots and memory``
    """

    by_memory: int
    slots: int | None
    binds: str

    @property
    def guests(self) -> int:
        """Guests that run at once."""
        if self.slots is None:
            return self.by_memory
        return min(self.by_memory, self.slots)


def fit(reservation: Reservation, flavor_mb: int, slots: int | None) -> Fit:
    """Return which limit a flavor meets first.

    :param flavor_mb: RAM of the smallest flavor of encrypted guests
    :raises InputError: where the host's memory is not known, or a number is
        out of its range
    """
    _check('--flavor-memory', flavor_mb, 1, MAX_MB)
    memory_mb = _slice_mb(reservation)
    by_memory = max(0, memory_mb // (flavor_mb + reservation.guest_mb))
    if slots is None or by_memory < slots:
        return Fit(by_memory, slots, 'memory')
    if slots < by_memory:
        return Fit(by_memory, slots, 'slots')
    return Fit(by_memory, slots, 'slots and memory')


def terms(reservation: Reservation) -> tuple[Note, ...]:
    """Return the terms of the sum and what they come to."""
    notes = [
        Note(NoteCode.SUM_REGION, {'kib': kib, 'region': region})
        for region, kib in REGIONS.items()
    ]
    notes.append(Note(NoteCode.SUM_PADDING, {'kib': reservation.padding_kib}))
    if reservation.video_mb:
        kib = reservation.video_mb * _KIB_PER_MB
        notes.append(Note(NoteCode.SUM_VIDEO, {'kib': kib}))
    kernel = {'kernel': reservation.kernel_mb, 'total': reservation.host_mb}
    if reservation.kernel_mb:
        notes.append(Note(NoteCode.SUM_KERNEL, kernel))
    return (
        *notes,
        Note(
            NoteCode.SUM_GUEST,
            {'kib': reservation.guest_kib, 'mb': reservation.guest_mb},
        ),
        Note(
            NoteCode.SUM_HOST_KERNEL
            if reservation.kernel_mb
            else NoteCode.SUM_HOST,
            {
                'guests': reservation.guests,
                'mb': reservation.guest_mb,
                'base': reservation.base_mb,
                'kernel': reservation.kernel_mb,
                'needed': reservation.reserved_host_memory_mb,
            },
        ),
    )


def arithmetic(reservation: Reservation) -> list[str]:
    """Return the sum, a line for each term."""
    return [str(note) for note in terms(reservation)]


def nova_conf(reservation: Reservation) -> str:
    """Return the reservation as a piece of nova.conf."""
    return (
        _comments(terms(reservation))
        + '[DEFAULT]\n'
        + f'reserved_host_memory_mb = {reservation.reserved_host_memory_mb}\n'
    )


def systemd_drop_in(reservation: Reservation) -> str:
    """Return the reservation as a drop-in of systemd for machine.slice.

    Guests and all that QEMU locks for them live in that slice, so it is
    limited to what the host does not need for itself.

    :raises InputError: where the host's memory is not known
    """
    limit = _slice_mb(reservation)
    note = Note(
        NoteCode.SUM_SLICE_KERNEL
        if reservation.kernel_mb
        else NoteCode.SUM_SLICE,
        {
            'kernel': reservation.kernel_mb,
            'total': reservation.host_mb,
            'base': reservation.base_mb,
            'limit': limit,
        },
    )
    return (
        _comments((note, *terms(reservation)))
        + '[Slice]\n'
        + f'MemoryMax={limit}M\n'
    )


def _slice_mb(reservation: Reservation) -> int:
    limit = reservation.machine_slice_mb
    if limit is None:
        raise InputError(
            'The memory of the host is not known; give --host-memory.'
        )
    return limit


def _comments(notes: Iterable[Note]) -> str:
    return ''.join(f'# {note}\n' for note in notes)
