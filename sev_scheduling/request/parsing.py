"""parse(): what a flavor and an image together ask for, read once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import os_resource_classes as orc

from sev_scheduling.exceptions import SpecError
from sev_scheduling.models import (
    DEFAULT_MODEL,
    EncryptionModel,
    find_model,
    registered_models,
)
from sev_scheduling.problems import Field, Source
from sev_scheduling.records import maker
from sev_scheduling.request import features
from sev_scheduling.request.contents import Known, key_of, views
from sev_scheduling.request.groups import (
    POLICIES,
    POLICY,
    Entry,
    ExtraSpecResource,
    build_groups,
    may_be_entry,
    read_entries,
)
from sev_scheduling.request.request import (
    FLAVOR_MODEL,
    FLAVOR_SWITCH,
    IMAGE_MODEL,
    IMAGE_SWITCH,
    EncryptionRequest,
    MisspeltKey,
    as_boolean,
)
from sev_scheduling.request.sources import FlavorView, ImageView
from sev_scheduling.request.spelling import near_misses
from sev_scheduling.text import printable, quoted

#: Nova's own names for an architecture (``nova.objects.fields``).
_ARCHITECTURE_ALIASES = {
    'amd64': 'x86_64',
    'i386': 'i686',
    'i486': 'i686',
    'i586': 'i686',
    'x86_32': 'i686',
    'x86_32p': 'i686',
}

_DEVICE_EXTRA_SPECS = ('pci_passthrough:alias', 'accel:device_profile')
_DEVICE_CLASSES = frozenset(
    {
        orc.FPGA,
        orc.PCI_DEVICE,
        orc.PGPU,
        orc.SRIOV_NET_VF,
        orc.VGPU,
        orc.VGPU_DISPLAY_HEAD,
    }
)
#: Nova's classes for PCI devices in Placement (2023.1 and later).
_PCI_CLASS_PREFIX = 'CUSTOM_PCI_'

# To look one up in its class takes Python 3.11 as long as to call a function.
_FLAVOR, _IMAGE = Source.FLAVOR, Source.IMAGE

#: What few flavors and images say anything about.
_Part = Literal['devices', 'entries', 'misspelt', 'secure boot', 'traits']
_OF_DEVICES = frozenset(_DEVICE_EXTRA_SPECS)
_OF_SECURE_BOOT = frozenset(features.SECURE_BOOT)

_KNOWN: Known[EncryptionRequest] = Known()

_request = maker(EncryptionRequest)


def parse(
    flavor: Any,
    image: Any = None,
    *,
    boot_from_volume: bool = False,
    host_devices: Iterable[str] = (),
    models: Iterable[str] = (),
) -> EncryptionRequest:
    """Read what a flavor and an image ask for.

    Those that say what others have said are not read again.

    :param flavor: in any shape that :func:`.sources.flavor_view` reads
    :param image: in any shape that :func:`.sources.image_view` reads, or None
    :param boot_from_volume: the root disk takes no local space
    :param host_devices: devices of the host that come from elsewhere, such
        as ``port 5e1f… (vnic_type direct)``
    :param models: names of models that will do, the best first, for an
        encrypted guest whose flavor and image name none
    :raises SpecError: where an input has no flavor's or image's shape, or
        ``models`` names one that is not registered
    """
    devices = tuple(host_devices)
    names = (models,) if isinstance(models, str) else tuple(models)
    said = key_of(flavor, image)
    return _KNOWN.get(
        said and (said, boot_from_volume, devices, names),
        _read,
        flavor,
        image,
        boot_from_volume,
        devices,
        names,
    )


def _read(
    flavor: Any,
    image: Any,
    boot_from_volume: bool,
    host_devices: tuple[str, ...],
    models: tuple[str, ...],
) -> EncryptionRequest:
    return combine(
        *views(flavor, image, named=True),
        boot_from_volume=boot_from_volume,
        host_devices=host_devices,
        models=models,
    )


@functools.lru_cache(maxsize=1024)
def _parts(
    source: Source, keys: tuple[str, ...], unread: tuple[str, ...]
) -> frozenset[_Part]:
    """Return what keys may say anything about; no more is looked for.

    Few sets of keys make many flavors and images.

    :param unread: where near misses may be
    """
    found: dict[_Part, object] = {
        'devices': not _OF_DEVICES.isdisjoint(keys),
        'entries': any(map(may_be_entry, keys)),
        'misspelt': near_misses(source, unread),
        'secure boot': not _OF_SECURE_BOOT.isdisjoint(keys),
        'traits': not features.KEYS_OF_TRAITS.isdisjoint(keys),
    }
    return frozenset([part for part, said in found.items() if said])


def combine(
    flavor: FlavorView,
    image: ImageView,
    *,
    boot_from_volume: bool = False,
    host_devices: Iterable[str] = (),
    models: Iterable[str] = (),
) -> EncryptionRequest:
    """Do what :func:`parse` does, of what has been read before.

    :raises SpecError: where ``models`` names one that is not registered
    """
    specs = flavor.extra_specs
    properties = image.properties
    keys = tuple(specs)
    said = _parts(_FLAVOR, keys, keys) | _parts(
        _IMAGE, tuple(properties), tuple(image.unread)
    )
    of_flavor = specs.get(FLAVOR_SWITCH)
    of_image = properties.get(IMAGE_SWITCH)
    encrypted = bool(as_boolean(of_flavor) or as_boolean(of_image))
    flavor_model = specs.get(FLAVOR_MODEL)
    image_model = properties.get(IMAGE_MODEL)
    choice = _known_models(models) if models else ()
    stateless = bool(as_boolean(properties.get('hw_firmware_stateless')))
    policy = specs.get(POLICY)
    entries: tuple[Entry, ...] = ()
    if 'entries' in said:
        entries = read_entries(flavor, image)
    misspelt: tuple[MisspeltKey, ...] = ()
    if 'misspelt' in said:
        misspelt = _misspelt(flavor, image)
    secure_boot_fields: tuple[tuple[Field, str], ...] = ()
    if 'secure boot' in said:
        secure_boot_fields = _secure_boot_fields(flavor, image)
    devices: tuple[tuple[Field, str], ...] = ()
    if 'devices' in said or entries or host_devices:
        devices = _devices(flavor, entries, host_devices)
    traits: Mapping[str, bool] = {}
    if 'traits' in said:
        traits = features.feature_traits(
            specs, properties, stateless_firmware=stateless
        )
    return _request(
        encrypted=encrypted,
        models=_models(flavor_model or image_model, choice)
        if encrypted
        else (),
        flavor_name=flavor.name,
        image_name=image.name,
        flavor_encryption=of_flavor,
        image_encryption=of_image,
        flavor_model=flavor_model,
        image_model=image_model,
        caller_models=tuple([model.name for model in choice]),
        misspelt=misspelt,
        machine_type=properties.get('hw_machine_type'),
        firmware_type=properties.get('hw_firmware_type'),
        firmware_stateless=stateless,
        secure_boot=features.either(specs, properties, features.SECURE_BOOT),
        secure_boot_fields=secure_boot_fields,
        architecture=_architecture(properties.get('hw_architecture')),
        disk_bus=properties.get('hw_disk_bus'),
        scsi_model=_lowered(properties.get('hw_scsi_model')),
        cdrom_bus=properties.get('hw_cdrom_bus'),
        video_model=properties.get('hw_video_model'),
        mem_page_size=features.either(
            specs, properties, features.MEM_PAGE_SIZE
        ),
        host_devices=devices,
        entries=entries,
        groups=build_groups(
            flavor,
            entries,
            traits,
            features.feature_resources(flavor, properties),
            boot_from_volume=boot_from_volume,
        ),
        group_policy=policy if policy in POLICIES else None,
        boot_from_volume=boot_from_volume,
        views=(flavor, image),
        # Nova reads the image's facts of the volume, which have no name.
        image_of_volume=image.of_volume
        or (boot_from_volume and image.name is None),
        volume_name=image.volume_name,
        flavor_public=flavor.public,
        image_public=image.public,
    )


def _secure_boot_fields(
    flavor: FlavorView, image: ImageView
) -> tuple[tuple[Field, str], ...]:
    of_flavor, of_image = features.SECURE_BOOT
    asked = (
        (Source.FLAVOR, of_flavor, flavor.name, flavor.extra_specs),
        (Source.IMAGE, of_image, image.name, image.properties),
    )
    return tuple(
        [
            (Field(source, key, owner), facts[key])
            for source, key, owner, facts in asked
            if facts.get(key)
        ]
    )


def _models(
    named: str | None, choice: tuple[EncryptionModel, ...]
) -> tuple[EncryptionModel, ...]:
    if named:
        model = find_model(named)
        return (model,) if model else ()
    return choice or (registered_models()[DEFAULT_MODEL],)


def _known_models(names: Iterable[str]) -> tuple[EncryptionModel, ...]:
    models: list[EncryptionModel] = []
    for name in (names,) if isinstance(names, str) else names:
        model = find_model(name)
        if model is None:
            raise SpecError(
                f'Encryption model {quoted(name)} is not known; known are '
                f'{", ".join(registered_models())}.'
            )
        if model not in models:
            models.append(model)
    return tuple(models)


def _misspelt(flavor: FlavorView, image: ImageView) -> tuple[MisspeltKey, ...]:
    found = []
    for source, name, known, pairs in (
        (Source.FLAVOR, flavor.name, flavor.extra_specs, flavor.extra_specs),
        (Source.IMAGE, image.name, image.properties, image.unread),
    ):
        for key, meant in near_misses(source, tuple(pairs)):
            if meant not in known:
                field = Field(source, printable(key), name)
                found.append(MisspeltKey(field, meant, pairs[key]))
    return tuple(sorted(found)) if len(found) > 1 else tuple(found)


def _architecture(name: str | None) -> str | None:
    if name is None:
        return None
    name = name.strip().lower()
    return _ARCHITECTURE_ALIASES.get(name, name)


def _lowered(name: str | None) -> str | None:
    return None if name is None else name.lower()


def _devices(
    flavor: FlavorView, entries: Iterable[Entry], others: Iterable[str]
) -> tuple[tuple[Field, str], ...]:
    return (
        *_flavor_devices(flavor, entries),
        *[(Field(Source.REQUEST), device) for device in others],
    )


def _flavor_devices(
    flavor: FlavorView, entries: Iterable[Entry]
) -> Iterator[tuple[Field, str]]:
    specs = flavor.extra_specs
    for key in _DEVICE_EXTRA_SPECS:
        if specs.get(key):
            field = Field(Source.FLAVOR, key, flavor.name)
            yield field, f'{key}={specs[key]}'
    for entry in entries:
        if (
            isinstance(entry, ExtraSpecResource)
            and entry.amount
            and (
                entry.resource_class in _DEVICE_CLASSES
                or entry.resource_class.startswith(_PCI_CLASS_PREFIX)
            )
        ):
            yield entry.field, f'{entry.field.key}={entry.value}'
