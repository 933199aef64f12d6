"""Which UEFI firmware an encrypted guest gets, by the rules of who chooses.

Since nova 33 libvirt chooses, by its version; before, nova itself does
(``Host.get_loader``). Both read QEMU's firmware descriptors (QEMU,
``docs/interop/firmware.json``), each in its own way.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.documents import read_bounded
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Note, NoteCode
from sev_scheduling.models import EncryptionModel, SecureBoot

Version = tuple[int, int, int]

#: The most specific last. Libvirt's system daemon looks in no home.
DIRECTORIES = ('/usr/share/qemu/firmware', '/etc/qemu/firmware')

SECURE_BOOT = 'secure-boot'
REQUIRES_SMM = 'requires-smm'

#: Libvirt refuses a larger descriptor.
_MAX_DESCRIPTOR = 1 << 20
_NULL = '/dev/null'


@dataclass(frozen=True, slots=True)
class DescriptorFile:
    """A file among the descriptors, as it was found.

    :ivar text: None where it is no regular file, or cannot be read
    :ivar problem: why not
    :ivar dangling: it is a link that leads nowhere
    """

    path: str
    text: str | None = None
    problem: Note | None = None
    dangling: bool = False

    @property
    def name(self) -> str:
        return PurePath(self.path).name


@dataclass(frozen=True, slots=True)
class FirmwareSearch:
    """What a host has of descriptors and firmware.

    :ivar files: by directory, the least specific first, and by name
    :ivar present: files that descriptors name and the host has
    :ivar problem: why a directory cannot be read
    """

    files: tuple[DescriptorFile, ...] = ()
    present: frozenset[str] = frozenset()
    problem: Note | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One firmware descriptor.

    :ivar path: of the descriptor
    :ivar device: ``flash``, ``memory`` or ``kernel``
    :ivar mode: of flash: ``split``, ``combined`` or ``stateless``
    :ivar files: that the firmware needs on the host
    :ivar formats: of those files, where the device is flash
    :ivar targets: architectures, and patterns of machine types on each,
        that it runs on
    :ivar variables: template of those that QEMU keeps for it
    """

    path: str
    uefi: bool
    device: str
    mode: str
    files: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    features: frozenset[str]
    formats: tuple[str, ...] = ()
    variables: str | None = None

    @property
    def stateless(self) -> bool:
        """Whether it keeps no variables: memory has nowhere to keep them."""
        return self.device == 'memory' or self.mode == 'stateless'

    @property
    def name(self) -> str:
        return PurePath(self.path).name


def search(
    root: HostFilesystem, directories: Sequence[str] = DIRECTORIES
) -> FirmwareSearch:
    """Return what a host has of descriptors, and of the files they name."""
    files: list[DescriptorFile] = []
    problem = None
    for directory in directories:
        try:
            names = root.names(directory)
        except InputError as error:
            problem = Note(NoteCode.UNUSABLE_INPUT, {'error': str(error)})
            continue
        files += (
            _read(root, f'{directory}/{name}')
            for name in names
            if not name.startswith('.')
        )
    named = {name for file in files for name in _named(file)}
    return FirmwareSearch(
        tuple(files), frozenset(filter(root.has, named)), problem
    )


def _read(root: HostFilesystem, path: str) -> DescriptorFile:
    try:
        place = root.locate(path)
        # A copy of a host's files has no devices.
        if place != root.locate(_NULL) and not place.exists():
            dangling = Note(NoteCode.DESCRIPTOR_DANGLING, {'path': path})
            return DescriptorFile(path, None, dangling, dangling=True)
        if place == root.locate(_NULL) or not place.is_file():
            other = Note(NoteCode.DESCRIPTOR_NO_FILE, {'path': path})
            return DescriptorFile(path, None, other)
        # A byte order mark stays: neither reader takes it.
        data = read_bounded(place)
        return DescriptorFile(path, data.decode())
    except (InputError, OSError, UnicodeDecodeError) as error:
        values = {'path': path, 'error': str(error)}
        unreadable = Note(NoteCode.DESCRIPTOR_UNREADABLE, values)
        return DescriptorFile(path, None, unreadable)


def _named(file: DescriptorFile) -> Iterator[str]:
    """Yield the firmware files that a descriptor names, for any reader."""
    try:
        mapping = json.loads(file.text or '')['mapping']
        for part in (
            mapping,
            mapping.get('executable'),
            mapping.get('nvram-template'),
            mapping.get('uefi-vars'),
        ):
            for key in ('filename', 'template'):
                name = part.get(key) if isinstance(part, dict) else None
                if isinstance(name, str):
                    yield name
    except (ValueError, RecursionError, LookupError):
        return
    except (TypeError, AttributeError):
        return


class _Unfit(Exception):
    """Libvirt takes no such descriptor.

    :ivar key: what is missing or of another shape or value
    """

    def __init__(self, key: str, value: object = None) -> None:
        super().__init__(key)
        self.key = key
        self.value = value


def parse_descriptor(text: str, path: str) -> Descriptor:
    """Return a firmware descriptor, by the rules of libvirt's reader.

    :raises InputError: where it is no JSON, or not of the format's shape
    """
    found, problem = _parse(text, path)
    if found is None:
        raise InputError(str(problem))
    return found


def _parse(text: str, path: str) -> tuple[Descriptor | None, Note | None]:
    if len(text.encode()) > _MAX_DESCRIPTOR:
        values = {'path': path, 'limit': _MAX_DESCRIPTOR}
        return None, Note(NoteCode.DESCRIPTOR_TOO_LARGE, values)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        values = {'path': path, 'error': str(error)}
        return None, Note(NoteCode.DESCRIPTOR_NOT_JSON, values)
    try:
        return _descriptor(data, path), None
    except _Unfit as error:
        values = {'path': path, 'key': error.key}
        code = NoteCode.DESCRIPTOR_SHAPE
        if isinstance(error.value, str):
            code = NoteCode.DESCRIPTOR_UNKNOWN_VALUE
            values['value'] = error.value
        return None, Note(code, values)


def _lax(text: str) -> str | None:
    """Return what of JSON libvirt takes from 10.8 on only, None for nothing.

    It reads descriptors with another parser since.
    """
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in items]
        found.extend(name for name in names if names.count(name) > 1)

    json.loads(text, parse_constant=found.append, object_pairs_hook=pairs)
    return found[0] if found else None


#: What libvirt knows of each; it takes no descriptor with another one.
_INTERFACES = ('bios', 'openfirmware', 'uboot', 'uefi')
_DEVICES = ('flash', 'kernel', 'memory')
_MODES = ('split', 'combined', 'stateless')
_ARCHITECTURES = (
    *('alpha', 'aarch64', 'arm', 'armv6l', 'armv7b', 'armv7l', 'cris'),
    *('i386', 'i686', 'ia64', 'lm32', 'loongarch64', 'm68k', 'microblaze'),
    *('microblazeel', 'mips', 'mips64', 'mips64el', 'mipsel', 'openrisc'),
    *('or32', 'parisc', 'parisc64', 'ppc', 'ppc64', 'ppc64le', 'ppcemb'),
    *('ppcle', 'riscv32', 'riscv64', 's390', 's390x', 'sh4', 'sh4eb'),
    *('sparc', 'sparc64', 'unicore32', 'x86_64', 'xtensa', 'xtensaeb'),
)


def _descriptor(data: Any, path: str) -> Descriptor:
    interfaces = [
        _one_of(_INTERFACES, value, 'interface-types')
        for value in _list(data, 'interface-types')
    ]
    mapping = _get(data, 'mapping')
    device = _one_of(_DEVICES, _get(mapping, 'device'), 'device')
    mode = ''
    if device == 'flash':
        mode = 'split'
        if 'mode' in mapping:
            mode = _one_of(_MODES, mapping['mode'], 'mode')
        parts = [_get(mapping, 'executable')]
        if mode == 'split':
            parts.append(_get(mapping, 'nvram-template'))
    else:
        parts = [mapping]
    files = tuple(_text(part, 'filename') for part in parts)
    formats = (
        tuple(_text(part, 'format') for part in parts)
        if device == 'flash'
        else ()
    )
    return Descriptor(
        path=path,
        uefi='uefi' in interfaces,
        device=device,
        mode=mode,
        files=files,
        formats=formats,
        variables=_variables(mapping),
        targets=tuple(_targets(data)),
        features=frozenset(
            value
            for value in _list(data, 'features')
            if isinstance(value, str)
        ),
    )


def _variables(mapping: Any) -> str | None:
    kept = mapping.get('uefi-vars')
    template = kept.get('template') if isinstance(kept, dict) else None
    return template if isinstance(template, str) else None


def _targets(data: Any) -> Iterator[tuple[str, str]]:
    for target in _list(data, 'targets'):
        architecture = _one_of(
            _ARCHITECTURES, _get(target, 'architecture'), 'architecture'
        )
        for machine in _list(target, 'machines'):
            if isinstance(machine, str):
                yield architecture, machine


def _get(value: Any, key: str) -> Any:
    if not isinstance(value, dict) or key not in value:
        raise _Unfit(key)
    return value[key]


def _list(value: Any, key: str) -> list[Any]:
    found = _get(value, key)
    if not isinstance(found, list):
        raise _Unfit(key)
    return found


def _text(value: Any, key: str) -> str:
    found = _get(value, key)
    if not isinstance(found, str):
        raise _Unfit(key)
    return found


def _one_of(known: Iterable[str], value: Any, key: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise _Unfit(key, value)
    return value


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
            descriptor, problem = _parse(file.text, file.path)
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
        lax = _lax(file.text or '')
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


def nova_files(found: FirmwareSearch) -> list[DescriptorFile]:
    """Return the files that nova 31 and 32 read, in their order."""
    return [file for file in found.files if file.name.endswith('.json')]


def _loaders(
    found: FirmwareSearch,
) -> tuple[list[tuple[str, Any]], Note | None]:
    """Return descriptors as nova 31 and 32 read them, or why they fail."""
    specs: list[tuple[str, Any]] = []
    for file in nova_files(found):
        if file.text is None:
            return [], file.problem
        try:
            specs.append((file.path, json.loads(file.text)))
        except (ValueError, RecursionError) as error:
            values = {'path': file.path, 'error': str(error)}
            return [], Note(NoteCode.DESCRIPTOR_NOT_JSON, values)
    return specs, None


def nova_refuses(found: FirmwareSearch) -> Note | None:
    """Return why nova 31 and 32 start no guest with UEFI."""
    return _loaders(found)[1]


def nova_problems(found: FirmwareSearch) -> list[Note]:
    """Return what nova 31 and 32 pass over as unknown, one note a file."""
    return [
        Note(NoteCode.DESCRIPTOR_SHAPE, {'path': path, 'key': lacking[0]})
        for path, spec in _loaders(found)[0]
        if isinstance(spec, dict)
        for lacking in [[key for key in _KEYS if key not in spec]]
        if lacking
    ]


_KEYS = ('targets', 'features', 'mapping')


def chosen_by_nova(found: FirmwareSearch, guest: Guest) -> Choice:
    """Return what nova 31 and 32 choose (``Host.get_loader``).

    They take whatever has the right targets, two files, and Secure Boot or
    not; neither the model nor the interface counts.
    """
    specs, problem = _loaders(found)
    if problem:
        return Choice(problem=problem)
    for path, spec in specs:
        try:
            descriptor = _loader(path, spec, guest)
        except KeyError:
            # Nova passes over what lacks a key.
            continue
        except TypeError:
            # And does not expect another type.
            values = {'path': path}
            return Choice(problem=Note(NoteCode.DESCRIPTOR_TYPE, values))
        if descriptor is not None:
            return Choice(descriptor)
    return Choice()


def _loader(path: str, spec: Any, guest: Guest) -> Descriptor | None:
    for target in spec['targets']:
        if target['architecture'] not in guest.model.architectures:
            continue
        if guest.runs(
            ((target['architecture'], m) for m in target['machines']),
            fnmatch.fnmatchcase,
        ):
            break
    else:
        return None
    features = spec['features']
    if guest.secure_boot != (SECURE_BOOT in features):
        return None
    mapping = spec['mapping']
    files = (
        mapping['executable']['filename'],
        mapping['nvram-template']['filename'],
    )
    # Nova needs no second file for a guest without variables.
    kept = files[:1] if guest.stateless else files
    return Descriptor(
        path=path,
        uefi=True,
        device='flash',
        mode='stateless' if guest.stateless else 'split',
        files=tuple(map(str, kept)),
        targets=(),
        features=frozenset(map(str, features)),
    )
