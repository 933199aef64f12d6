"""The firmware that libvirt chooses, by its version: for nova 33 and later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sev_scheduling.compute.sources.firmware.descriptors import (
    REQUIRES_SMM,
    SECURE_BOOT,
    Descriptor,
    DescriptorFile,
    FirmwareSearch,
    lax_json,
    read_descriptor,
)
from sev_scheduling.compute.sources.firmware.guest import Choice, Guest
from sev_scheduling.compute.sources.libvirt import Version
from sev_scheduling.hosts.check import Note, NoteCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """Versions of libvirt that choose firmware by the same rules.

    :ivar since: the first version that is known to follow them
    :ivar until: the last one; between two eras either may hold
    :ivar passes_over: a descriptor that it cannot read; else it chooses
        none at all
    :ivar minds_smm: a guest without Secure Boot gets no firmware that
        requires SMM
    :ivar formats: of flash that it can use
    :ivar chooses_formats: another format is passed over; else it is chosen,
        and then refused
    :ivar any_mode: a guest that does not ask for stateless firmware may get
        flash of any mode, not of split mode alone
    :ivar takes_kernel: firmware in the place of a kernel
    :ivar keeps_variables: it knows firmware whose variables QEMU keeps
    :ivar takes_loader: nova's ``<loader secure='no'/>``; else it refuses it
        where it is to choose
    """

    since: Version
    until: Version
    passes_over: bool = True
    minds_smm: bool = True
    formats: tuple[str, ...] = ('raw', 'qcow2')
    chooses_formats: bool = True
    any_mode: bool = False
    takes_loader: bool = True
    takes_kernel: bool = True
    keeps_variables: bool = False


_NEVER = (9999, 0, 0)

_FIRST = Era(
    since=(0, 0, 0),
    until=(8, 5, 999),
    passes_over=False,
    minds_smm=False,
    formats=('raw',),
    chooses_formats=False,
)

#: Read in the source of libvirt 9.0, 10.0, 10.7 and 11.3, and seen with 9.0,
#: 11.3 and 12.8 (tests/contract/compute_libvirt).
ERAS = (
    _FIRST,
    replace(_FIRST, since=(8, 6, 0), until=(9, 1, 999), takes_loader=False),
    Era(since=(9, 2, 0), until=(10, 0, 999), passes_over=False),
    Era(since=(10, 7, 0), until=(11, 3, 999)),
    Era(since=(12, 0, 0), until=(12, 0, 999), any_mode=True),
    Era(
        since=(12, 8, 0),
        until=_NEVER,
        any_mode=True,
        takes_kernel=False,
        keeps_variables=True,
    ),
)


def eras(
    version: Version | None, at_least: Version = (0, 0, 0)
) -> tuple[Era, ...]:
    """Return whose rules a version of libvirt may follow.

    :param version: None where it is unknown
    :param at_least: what an unknown version is not below
    """
    if version is None:
        return tuple(era for era in ERAS if era.until >= at_least)
    within = [era for era in ERAS if era.since <= version <= era.until]
    before = [era for era in ERAS if era.until < version]
    after = [era for era in ERAS if era.since > version]
    return tuple(within or (before[-1], after[0]))


def libvirt_files(found: FirmwareSearch) -> list[DescriptorFile]:
    """Return the descriptors in the order in which libvirt takes them.

    Of files of one name the most specific counts; what is no regular file
    neither counts nor hides one, and an empty file hides one.
    """
    files = {
        file.name: file
        for file in found.files
        if file.text is not None or _is_unreadable(file)
    }
    return [file for _, file in sorted(files.items()) if file.text != '']


def _is_unreadable(file: DescriptorFile) -> bool:
    problem = file.problem
    return (
        problem is not None and problem.code is NoteCode.DESCRIPTOR_UNREADABLE
    )


def libvirt_descriptors(
    found: FirmwareSearch,
) -> tuple[list[Descriptor], list[Note]]:
    """Return the descriptors that libvirt can read, and what it cannot."""
    descriptors: list[Descriptor] = []
    problems: list[Note] = []
    for file in libvirt_files(found):
        descriptor, problem = None, file.problem
        if file.text is not None:
            descriptor, problem = read_descriptor(file.text, file.path)
        if descriptor is not None:
            descriptors.append(descriptor)
        if problem is not None:
            problems.append(problem)
    return descriptors, problems


def libvirt_problems(found: FirmwareSearch) -> list[Note]:
    """Return what libvirt passes over, one note a file."""
    others = [
        file.problem
        for file in found.files
        if file.problem and not _is_unreadable(file)
    ]
    return [*others, *libvirt_descriptors(found)[1]]


def libvirt_refuses(found: FirmwareSearch, era: Era) -> Note | None:
    """Return why libvirt chooses no firmware for any guest."""
    if found.problem:
        return found.problem
    for file in found.files:
        if file.dangling:
            return file.problem
    if not era.passes_over:
        problems = libvirt_descriptors(found)[1] or _lax_files(found)
        return next(iter(problems), None)
    return None


def _lax_files(found: FirmwareSearch) -> Iterator[Note]:
    for file in libvirt_files(found):
        lax = lax_json(file.text or '')
        if lax is not None:
            values = {'path': file.path, 'error': lax}
            yield Note(NoteCode.DESCRIPTOR_NOT_JSON, values)


def chosen_by_libvirt(found: FirmwareSearch, guest: Guest, era: Era) -> Choice:
    """Return what libvirt chooses for a guest of nova 33 and later."""
    problem = libvirt_refuses(found, era)
    if guest.smm is False and not era.takes_loader:
        problem = Note(NoteCode.LOADER_REFUSED)
    if problem:
        return Choice(problem=problem)
    for descriptor in libvirt_descriptors(found)[0]:
        if _fits(descriptor, guest, era):
            return _usable(descriptor, era)
    return Choice()


def _usable(descriptor: Descriptor, era: Era) -> Choice:
    unknown = [f for f in descriptor.formats if f not in era.formats]
    if unknown:
        values = {'path': descriptor.path, 'format': unknown[0]}
        return Choice(problem=Note(NoteCode.DESCRIPTOR_FORMAT, values))
    return Choice(descriptor)


def secure_boot_offered(found: FirmwareSearch, guest: Guest) -> bool:
    """Return whether libvirt reports Secure Boot, without which nova refuses.

    Libvirt goes by whether any firmware of the machine type requires SMM.
    """
    return any(
        REQUIRES_SMM in descriptor.features
        and guest.runs(descriptor.targets, glob)
        for descriptor in libvirt_descriptors(found)[0]
    )


def _fits(descriptor: Descriptor, guest: Guest, era: Era) -> bool:
    features = descriptor.features
    smm = REQUIRES_SMM in features
    if (
        not descriptor.uefi
        or guest.model.firmware_feature not in features
        or guest.secure_boot != (SECURE_BOOT in features)
        or (guest.smm is True and not smm)
        or (guest.smm is False and smm and era.minds_smm)
        or not guest.runs(descriptor.targets, glob)
    ):
        return False
    if descriptor.device == 'kernel':
        return era.takes_kernel
    if descriptor.device == 'memory':
        kept = era.keeps_variables and descriptor.variables is not None
        return not (kept and guest.stateless)
    if guest.stateless:
        fits = descriptor.mode == 'stateless'
    else:
        fits = era.any_mode or descriptor.mode == 'split'
    if era.chooses_formats:
        fits = fits and set(descriptor.formats) <= set(era.formats)
    return fits


def glob(name: str, pattern: str) -> bool:
    """Return whether a name matches; ``*`` and ``?`` alone are special."""
    parts = (_WILD.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch(''.join(parts), name, re.DOTALL) is not None


_WILD = {'*': '.*', '?': '.'}
