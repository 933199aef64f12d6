"""What a flavor and an image together ask for, and who asked for what."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Literal

import os_resource_classes as orc
from oslo_utils import strutils

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
    InvalidExtraSpec,
    RequestGroup,
    build_groups,
    may_be_entry,
    read_entries,
)
from sev_scheduling.request.sources import FlavorView, ImageView
from sev_scheduling.request.spelling import near_misses
from sev_scheduling.text import printable, quoted

#: The fields that ask for encryption, and name the model.
FLAVOR_SWITCH, IMAGE_SWITCH = 'hw:mem_encryption', 'hw_mem_encryption'
FLAVOR_MODEL = 'hw:mem_encryption_model'
IMAGE_MODEL = 'hw_mem_encryption_model'

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


@dataclass(frozen=True, slots=True, order=True)
class MisspeltKey:
    """A key that is nearly one that is read, which is not set."""

    field: Field
    meant: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionRequest:
    """What a flavor and an image together ask for.

    :ivar encrypted: flavor or image ask for memory encryption
    :ivar models: models that will do, the best first; empty where none is
        asked for, or where the one asked for is unknown
    :ivar flavor_encryption: ``hw:mem_encryption`` as written, or None
    :ivar image_encryption: ``hw_mem_encryption`` as written, or None
    :ivar flavor_model: ``hw:mem_encryption_model`` as written, or None
    :ivar image_model: ``hw_mem_encryption_model`` as written, or None
    :ivar caller_models: names of models that the caller would take
    :ivar misspelt: near misses of keys that are read
    :ivar architecture: nova's name of it, or None
    :ivar mem_page_size: as written, the flavor's before the image's
    :ivar host_devices: (field, device) for each device of the host
    :ivar entries: every explicit resource and trait
    :ivar groups: the request groups, the slot not among them
    :ivar group_policy: ``none`` or ``isolate`` as the flavor has it
    """

    encrypted: bool
    models: tuple[EncryptionModel, ...] = ()
    flavor_name: str | None = None
    image_name: str | None = None
    flavor_encryption: str | None = None
    image_encryption: str | None = None
    flavor_model: str | None = None
    image_model: str | None = None
    caller_models: tuple[str, ...] = ()
    misspelt: tuple[MisspeltKey, ...] = ()
    machine_type: str | None = None
    firmware_type: str | None = None
    firmware_stateless: bool = False
    secure_boot: str | None = None
    #: Each field that says anything of it, with its value.
    secure_boot_fields: tuple[tuple[Field, str], ...] = ()
    architecture: str | None = None
    disk_bus: str | None = None
    scsi_model: str | None = None
    cdrom_bus: str | None = None
    video_model: str | None = None
    mem_page_size: str | None = None
    host_devices: tuple[tuple[Field, str], ...] = ()
    entries: tuple[Entry, ...] = ()
    groups: tuple[RequestGroup, ...] = ()
    group_policy: str | None = None
    boot_from_volume: bool = False
    #: What it was read from.
    views: tuple[FlavorView, ImageView] = dataclass_field(
        default=(FlavorView(None, 0, 0), ImageView()),
        compare=False,
        repr=False,
    )
    #: Fixes to the image go to a volume's metadata instead.
    image_of_volume: bool = dataclass_field(default=False, compare=False)
    volume_name: str | None = dataclass_field(default=None, compare=False)
    #: Others use it as well.
    flavor_public: bool = dataclass_field(default=False, compare=False)
    image_public: bool = dataclass_field(default=False, compare=False)
    #: The uuid of a server that exists. It has copies of its flavor and its
    #: image, so fixes go to the server.
    server: str | None = dataclass_field(default=None, compare=False)

    @property
    def requesters(self) -> tuple[Field, ...]:
        """The fields that ask for encryption."""
        asked = (
            (Source.FLAVOR, FLAVOR_SWITCH, self.flavor_encryption),
            (Source.IMAGE, IMAGE_SWITCH, self.image_encryption),
        )
        return tuple(
            self.field(source, key)
            for source, key, value in asked
            if _is_true(value)
        )

    @property
    def model(self) -> EncryptionModel | None:
        """The model, the best of several; None where there is none."""
        return self.models[0] if self.models else None

    @property
    def model_name(self) -> str | None:
        """The model that is asked for, registered or not."""
        if self.models:
            return ' or '.join(model.name for model in self.models)
        name = self.image_model or self.flavor_model
        return printable(name[:60]) if name else None

    @property
    def resources(self) -> Mapping[str, int]:
        """Amounts of the unsuffixed group: VCPU, MEMORY_MB (MiB), …"""
        for group in self.groups:
            if not group.suffix:
                return group.resources
        return {}

    @property
    def lacks_group_policy(self) -> bool:
        """Whether the flavor has several request groups and no policy.

        Nova then sends none either, and Placement refuses what it sends
        (nova 34, ``scheduler/utils.py``).
        """
        several = sum([bool(group.suffix) for group in self.groups]) > 1
        return several and self.group_policy is None

    @property
    def asked_by(self) -> Mapping[str, tuple[tuple[Field, str], ...]]:
        """Trait or resource class -> the fields that may ask for it.

        With their values; of request groups with a suffix, see the entries.
        Made when it is asked for: few requests need it.
        """
        found: dict[str, tuple[tuple[Field, str], ...]] = {}

        def add(name: str, field: Field, value: str) -> None:
            if (field, value) not in found.get(name, ()):
                found[name] = (*found.get(name, ()), (field, value))

        flavor, image = self.views
        for name, source, key, value in features.asked_by(
            flavor.extra_specs, image.properties
        ):
            add(name, self.field(source, key), printable(value))
        for entry in self.entries:
            if isinstance(entry, InvalidExtraSpec) or entry.suffix:
                continue
            if isinstance(entry, ExtraSpecResource):
                add(entry.resource_class, entry.field, str(entry.amount))
            else:
                value = 'required' if entry.required else 'forbidden'
                add(entry.trait, entry.field, value)
        return found

    @property
    def feature_traits(self) -> Mapping[str, bool]:
        """Trait -> required, of what is not written as a trait."""
        flavor, image = self.views
        return features.feature_traits(
            flavor.extra_specs,
            image.properties,
            stateless_firmware=self.firmware_stateless,
        )

    def field(self, source: Source, key: str) -> Field:
        """Return a field of the flavor or the image, with its owner."""
        owner = self.flavor_name if source == 'flavor' else self.image_name
        return Field(source, key, owner)


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

    :param flavor: in any shape that :func:`.specs.flavor_view` reads
    :param image: in any shape that :func:`.specs.image_view` reads, or None
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
    flavor_facts: FlavorView,
    image_facts: ImageView,
    *,
    boot_from_volume: bool = False,
    host_devices: Iterable[str] = (),
    models: Iterable[str] = (),
) -> EncryptionRequest:
    """Do what :func:`parse` does, of what has been read before.

    :raises SpecError: where ``models`` names one that is not registered
    """
    specs = flavor_facts.extra_specs
    properties = image_facts.properties
    keys = tuple(specs)
    said = _parts(_FLAVOR, keys, keys) | _parts(
        _IMAGE, tuple(properties), tuple(image_facts.unread)
    )
    of_flavor = specs.get(FLAVOR_SWITCH)
    of_image = properties.get(IMAGE_SWITCH)
    encrypted = _is_true(of_flavor) or _is_true(of_image)
    choice = _known_models(models) if models else ()
    stateless = _is_true(properties.get('hw_firmware_stateless'))
    policy = specs.get(POLICY)
    entries: tuple[Entry, ...] = ()
    if 'entries' in said:
        entries = read_entries(flavor_facts, image_facts)
    misspelt: tuple[MisspeltKey, ...] = ()
    if 'misspelt' in said:
        misspelt = _misspelt(flavor_facts, image_facts)
    secure_boot_fields: tuple[tuple[Field, str], ...] = ()
    if 'secure boot' in said:
        secure_boot_fields = _secure_boot_fields(flavor_facts, image_facts)
    devices: tuple[tuple[Field, str], ...] = ()
    if 'devices' in said or entries or host_devices:
        devices = _devices(flavor_facts, entries, host_devices)
    traits: Mapping[str, bool] = {}
    if 'traits' in said:
        traits = features.feature_traits(
            specs, properties, stateless_firmware=stateless
        )
    return _request(
        encrypted=encrypted,
        models=_models(specs, properties, choice) if encrypted else (),
        flavor_name=flavor_facts.name,
        image_name=image_facts.name,
        flavor_encryption=of_flavor,
        image_encryption=of_image,
        flavor_model=specs.get(FLAVOR_MODEL),
        image_model=properties.get(IMAGE_MODEL),
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
            flavor_facts,
            entries,
            traits,
            features.feature_resources(flavor_facts, properties),
            boot_from_volume=boot_from_volume,
        ),
        group_policy=policy if policy in POLICIES else None,
        boot_from_volume=boot_from_volume,
        views=(flavor_facts, image_facts),
        # Nova reads the image's facts of the volume, which have no name.
        image_of_volume=image_facts.of_volume
        or (boot_from_volume and image_facts.name is None),
        volume_name=image_facts.volume_name,
        flavor_public=flavor_facts.public,
        image_public=image_facts.public,
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


@functools.lru_cache(maxsize=64)
def as_boolean(value: str | None) -> bool | None:
    """Read a boolean strictly; None where it is none."""
    try:
        return strutils.bool_from_string(value, strict=True)
    except ValueError:
        return None


def _is_true(value: str | None) -> bool:
    return value is not None and as_boolean(value) is True


def _models(
    specs: Mapping[str, str],
    properties: Mapping[str, str],
    choice: tuple[EncryptionModel, ...],
) -> tuple[EncryptionModel, ...]:
    named = features.either(specs, properties, features.MEM_ENCRYPTION_MODEL)
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
            yield entry.field, f'{entry.field.key}={entry.amount}'
