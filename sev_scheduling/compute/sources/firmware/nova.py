"""The firmware that nova 31 and 32 choose themselves (``Host.get_loader``)."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from sev_scheduling.compute.sources.firmware.descriptors import (
    SECURE_BOOT,
    Descriptor,
    DescriptorFile,
    FirmwareSearch,
)
from sev_scheduling.compute.sources.firmware.guest import Choice, Guest
from sev_scheduling.hosts.check import Note, NoteCode


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
