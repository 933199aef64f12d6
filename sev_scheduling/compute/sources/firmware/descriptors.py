"""QEMU's firmware descriptors on a host, and what they say.

The format is QEMU's, ``docs/interop/firmware.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.documents import read_bounded
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Note, NoteCode

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
    found, problem = read_descriptor(text, path)
    if found is None:
        raise InputError(str(problem))
    return found


def read_descriptor(
    text: str, path: str
) -> tuple[Descriptor | None, Note | None]:
    """Return a firmware descriptor, or what libvirt has against it."""
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


def lax_json(text: str) -> str | None:
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
