"""Which UEFI firmware libvirt can choose for an encrypted guest.

Rules: QEMU, ``docs/interop/firmware.json``: descriptors are looked for in
several directories and sorted by file name; a file hides one of the same
name in a less specific directory, and an empty one hides it altogether.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import EncryptionModel
from sev_scheduling.text import quoted

#: The most specific last. Libvirt's system daemon looks in no home.
DIRECTORIES = ('/usr/share/qemu/firmware', '/etc/qemu/firmware')

_MAX_DESCRIPTOR = 64 << 10
_NULL = '/dev/null'


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One firmware descriptor.

    :ivar path: of the descriptor
    :ivar device: ``flash``, ``memory`` or ``kernel``
    :ivar mode: of flash: ``split``, ``combined`` or ``stateless``
    :ivar files: that the firmware needs on the host
    :ivar targets: architectures, and patterns of machine types on each,
        that it runs on
    """

    path: str
    uefi: bool
    device: str
    mode: str
    files: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    features: frozenset[str]

    @property
    def stateless(self) -> bool:
        """Whether it keeps no variables: memory has nowhere to keep them."""
        return self.device == 'memory' or self.mode == 'stateless'

    @property
    def name(self) -> str:
        return PurePath(self.path).name

    def runs_on(self, architectures: Collection[str], machine: str) -> bool:
        """Return whether it runs on a machine type.

        :param machine: concrete, such as ``pc-q35-9.0``; an alias, such as
            ``q35``, stands for any version of it
        """
        patterns = [
            pattern
            for architecture, pattern in self.targets
            if architecture in architectures
        ]
        names = [machine]
        if '-' not in machine:
            if any(machine in pattern for pattern in patterns):
                return True
            names = [f'{machine}-', f'pc-{machine}-']
        return any(
            fnmatch.fnmatchcase(name, pattern)
            for name in names
            for pattern in patterns
        )


def parse_descriptor(text: str, path: str) -> Descriptor:
    """Return a firmware descriptor.

    :raises InputError: where it is no JSON, or not of the format's shape
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'{path} is not JSON ({error}); libvirt chooses no firmware '
            'while it is there, so correct or empty it.'
        ) from error
    try:
        mapping = _object(_object(data)['mapping'])
        device = _text(mapping['device'])
        return Descriptor(
            path=path,
            uefi='uefi' in _texts(data['interface-types']),
            device=device,
            mode=_text(mapping.get('mode', 'split'))
            if device == 'flash'
            else '',
            files=_files(mapping),
            targets=tuple(
                (architecture, machine)
                for target in map(_object, data['targets'])
                for architecture in [_text(target['architecture'])]
                for machine in _texts(target['machines'])
            ),
            features=frozenset(_texts(data['features'])),
        )
    except TypeError as error:
        raise InputError(
            f'{path} is no firmware descriptor ({error}); libvirt chooses no '
            'firmware while it is there, so correct or empty it.'
        ) from error


class _Object(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        raise TypeError(f'{key!r} is missing')


def _object(value: Any) -> _Object:
    if not isinstance(value, dict):
        raise TypeError(f'{quoted(value)} is no object')
    return _Object(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f'{quoted(value)} is no text')
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f'{quoted(value)} is no list')
    return [_text(item) for item in value]


def _files(mapping: _Object) -> tuple[str, ...]:
    if mapping['device'] != 'flash':
        return (_text(mapping['filename']),)
    parts = [mapping['executable']]
    if mapping.get('mode', 'split') == 'split':
        parts.append(mapping['nvram-template'])
    return tuple(_text(_object(part)['filename']) for part in parts)


@dataclass(frozen=True, slots=True)
class FirmwareSearch:
    """The descriptors of a host, in the order in which libvirt takes them.

    :ivar missing: files that descriptors name and the host lacks
    :ivar errors: one line for each descriptor that cannot be read
    """

    descriptors: tuple[Descriptor, ...] = ()
    missing: frozenset[str] = frozenset()
    errors: tuple[str, ...] = ()


def search(
    root: HostFilesystem, directories: Sequence[str] = DIRECTORIES
) -> FirmwareSearch:
    """Return the firmware descriptors of a host."""
    errors: list[str] = []
    paths: dict[str, str] = {}
    for directory in directories:
        try:
            for name in root.names(directory):
                if name.endswith('.json') and not name.startswith('.'):
                    paths[name] = f'{directory}/{name}'
        except InputError as error:
            errors.append(str(error))
    descriptors: list[Descriptor] = []
    for _, path in sorted(paths.items()):
        try:
            if root.locate(path) == root.locate(_NULL):
                continue
            text = root.read(path, limit=_MAX_DESCRIPTOR)
            if text:
                descriptors.append(parse_descriptor(text, path))
        except InputError as error:
            errors.append(str(error))
    return FirmwareSearch(
        tuple(descriptors),
        frozenset(
            file
            for descriptor in descriptors
            for file in descriptor.files
            if not root.has(file)
        ),
        tuple(errors),
    )


def matching(
    descriptors: Iterable[Descriptor], model: EncryptionModel, machine: str
) -> list[Descriptor]:
    """Return the UEFI firmware for a model on a machine type, in order.

    What requires SMM is left out: libvirt gives it only to guests that ask
    for Secure Boot.
    """
    return [
        descriptor
        for descriptor in descriptors
        if descriptor.uefi
        and model.firmware_feature in descriptor.features
        and 'requires-smm' not in descriptor.features
        and descriptor.runs_on(model.architectures, machine)
    ]
