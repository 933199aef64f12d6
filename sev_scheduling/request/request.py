"""What a flavor and an image together ask for, and who asked for what."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from oslo_utils import strutils

from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import Field, Source
from sev_scheduling.request import features
from sev_scheduling.request.groups import (
    Entry,
    ExtraSpecResource,
    InvalidExtraSpec,
    RequestGroup,
)
from sev_scheduling.request.sources import FlavorView, ImageView
from sev_scheduling.text import printable

#: The fields that ask for encryption, and name the model.
FLAVOR_SWITCH, IMAGE_SWITCH = 'hw:mem_encryption', 'hw_mem_encryption'
FLAVOR_MODEL = 'hw:mem_encryption_model'
IMAGE_MODEL = 'hw_mem_encryption_model'


@functools.lru_cache(maxsize=64)
def as_boolean(value: str | None) -> bool | None:
    """Read a boolean strictly; None where it is none."""
    try:
        return strutils.bool_from_string(value, strict=True)
    except ValueError:
        return None


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
            if as_boolean(value)
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
                add(entry.resource_class, entry.field, entry.value)
            else:
                add(entry.trait, entry.field, entry.value)
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
