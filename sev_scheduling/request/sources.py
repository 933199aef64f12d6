"""Flavors and images in every shape users hold them, read into one.

A view keeps facts, not opinions: values are text as their owner wrote it,
amounts are whole numbers. What they mean is for :mod:`.request` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sev_scheduling.exceptions import SpecError
from sev_scheduling.records import maker
from sev_scheduling.text import (
    MAX_AMOUNT,
    printable,
    quoted,
    whole_number,
)

# What `openstack … show` prints where properties come as one string.
_PAIR = re.compile(
    r"([^\s='\",]+)=(?:'(.*?)')?(?:, (?=[^\s='\",]+=)|\Z)", re.DOTALL
)


def stored_as(*names: str) -> dict[str, str]:
    """Return where a nova object keeps its fields -> their names."""
    return {f'_obj_{name}': name for name in names}


#: What is read of a ``nova.objects.Flavor`` or ``ImageMeta``.
NOVA_FIELDS = stored_as(
    'disk_format',
    'ephemeral_gb',
    'extra_specs',
    'flavorid',
    'id',
    'is_public',
    'memory_mb',
    'name',
    'properties',
    'root_gb',
    'swap',
    'vcpus',
)


def facts_of(source: Any) -> Mapping[str, Any] | None:
    """Return the top-level names of any shape; None where it has none."""
    if type(source) is not dict:
        if is_nova_object(source):
            return nova_facts(source, NOVA_FIELDS)
        if hasattr(source, '_body_mapping'):
            # An openstacksdk resource: a dict whose items are not its facts.
            facts: Mapping[str, Any] = source.to_dict(
                computed=False, original_names=True
            )
            return facts
        if not isinstance(source, Mapping):
            return None
    of_json: Mapping[str, Any] = source
    data = of_json.get('nova_object.data')
    if data is not None and isinstance(data, Mapping):
        return _unwrapped(data)
    return of_json


def is_nova_object(source: Any) -> bool:
    return hasattr(source, 'obj_attr_is_set')


def nova_facts(source: Any, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return fields that are set.

    An unset one would be loaded from the database, or raise. To ask the
    object field by field takes most of the time of parsing, so that is for
    objects that do not keep them as oslo.versionedobjects does.

    :param fields: what :func:`stored_as` returns
    """
    held = getattr(source, '__dict__', {})
    found = {fields[key]: held[key] for key in held if key in fields}
    return found or {
        name: getattr(source, name)
        for name in fields.values()
        if name in source.fields and source.obj_attr_is_set(name)
    }


def _unwrapped(data: Mapping[str, Any]) -> dict[str, Any]:
    """Take nova's object primitives apart."""
    facts = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            inner = value.get('nova_object.data')
            if isinstance(inner, Mapping):
                value = _unwrapped(inner)
        facts[key] = value
    return facts


def split_pairs(source: str) -> Iterator[tuple[str, str]]:
    """Read such as ``a='1', b=, c='it is'``; what is empty is left out.

    :raises ValueError: with the text from where it cannot be read
    """
    text = source.strip()
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            raise ValueError(text[position:])
        if match[2] is not None:
            yield match[1], match[2]
        position = match.end()


#: The image properties that bear on encryption or on the resources asked
#: for; a trait is the property ``trait:<name>``.
IMAGE_PROPERTIES = frozenset(
    {
        'disk_format',
        'hw_architecture',
        'hw_cdrom_bus',
        'hw_cpu_policy',
        'hw_cpu_realtime_mask',
        'hw_cpu_thread_policy',
        'hw_disk_bus',
        'hw_emulation_architecture',
        'hw_ephemeral_encryption',
        'hw_ephemeral_encryption_format',
        'hw_firmware_stateless',
        'hw_firmware_type',
        'hw_machine_type',
        'hw_maxphysaddr_mode',
        'hw_mem_encryption',
        'hw_mem_encryption_model',
        'hw_mem_page_size',
        'hw_pci_numa_affinity_policy',
        'hw_scsi_model',
        'hw_sound_model',
        'hw_tpm_model',
        'hw_tpm_version',
        'hw_video_model',
        'hw_vif_model',
        'hw_virtio_packed_ring',
        'os_secure_boot',
    }
)
TRAIT_PREFIX = 'trait:'
#: What is read of a ``nova.objects.ImageMetaProps``.
NOVA_PROPERTIES = stored_as(*IMAGE_PROPERTIES, 'traits_required')
#: Glance makes an image ``shared``, with nobody at first, unless told.
_PUBLIC_IMAGE = ('public', 'community')
_FLAVOR_NAMES = ('name', 'original_name', 'flavorid', 'id')
_IMAGE_NAMES = ('name', 'image_name', 'id', 'image_id')
_VCPUS = ('vcpus',)
_MEMORY = ('ram', 'memory_mb')
_ROOT = ('disk', 'root_gb')
_EPHEMERAL = ('OS-FLV-EXT-DATA:ephemeral', 'ephemeral', 'ephemeral_gb')
_SWAP = ('swap',)
_MAX_NAME = 255
_MAX_TEXT = 65535
#: Of a whole number; Python refuses to write very long ones.
_MAX_BITS = 128


@dataclass(frozen=True, slots=True)
class FlavorView:
    """A flavor.

    :ivar name: its name, else its id, else None
    :ivar memory_mb: MiB
    :ivar root_gb: GiB, as ``ephemeral_gb``
    :ivar swap_mb: MiB
    :ivar extra_specs: key -> text
    :ivar public: every project can use it; False where that is not known
    """

    name: str | None
    vcpus: int
    memory_mb: int
    root_gb: int = 0
    ephemeral_gb: int = 0
    swap_mb: int = 0
    extra_specs: Mapping[str, str] = field(default_factory=dict, hash=False)
    public: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image, or the image facts of a bootable volume.

    :ivar name: its name, else its id, else None
    :ivar properties: key -> text, for :data:`IMAGE_PROPERTIES` and traits
    :ivar unread: key -> text, for properties that are none of those
    :ivar of_volume: the facts come from a volume, and so do the fixes go
    :ivar volume_name: its name, else its id, else None
    :ivar public: every project can use it; False where that is not known
    """

    name: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    unread: Mapping[str, str] = field(default_factory=dict, compare=False)
    of_volume: bool = field(default=False, compare=False)
    volume_name: str | None = field(default=None, compare=False)
    public: bool = field(default=False, compare=False)


_flavor, _image = maker(FlavorView), maker(ImageView)

#: What images have, and no flavor.
_OF_IMAGES = frozenset(
    {'container_format', 'disk_format', 'min_disk', 'min_ram', 'visibility'}
)


def flavor_view(flavor: Any, named: bool = True) -> FlavorView:
    """Read a flavor.

    :param flavor: Nova API JSON, the output of
        ``openstack flavor show -f json``, a ``nova.objects.Flavor``, an
        openstacksdk ``Flavor``, or a mapping with those names
    :param named: False to leave out what it is called, and whose it is
    :raises SpecError: where it has no flavor's shape
    """
    facts = _facts(flavor, 'Flavor')
    name = _name(facts, _FLAVOR_NAMES) if named else None
    label = f'Flavor {name}' if name else 'Flavor'
    if 'vcpus' not in facts and not _OF_IMAGES.isdisjoint(facts):
        raise SpecError(f'{label} is an image; give a flavor here.')
    written = facts.get('extra_specs')
    if written is None:
        written = facts.get('properties')
    extra_specs = {
        key: _text(value, label, key)
        for key, value in _pairs(written, label, 'extra specs').items()
        if value is not None
    }
    return _flavor(
        name,
        _amount(facts, label, _VCPUS, True),
        _amount(facts, label, _MEMORY, True),
        _amount(facts, label, _ROOT),
        _amount(facts, label, _EPHEMERAL),
        _amount(facts, label, _SWAP),
        extra_specs,
        named
        and (
            facts.get('os-flavor-access:is_public') is True
            or facts.get('is_public') is True
        ),
    )


def image_view(image: Any, named: bool = True) -> ImageView:
    """Read an image.

    :param image: Glance v2 JSON, the output of
        ``openstack image show -f json``, a ``nova.objects.ImageMeta`` or
        its dict, an openstacksdk ``Image``, or a Cinder
        ``volume_image_metadata`` mapping, or the volume that has one
    :param named: as of :func:`flavor_view`
    :raises SpecError: where it has no image's shape
    """
    facts = _facts(image, 'Image')
    metadata = facts.get('volume_image_metadata')
    volume = None
    if metadata is not None and isinstance(metadata, Mapping):
        volume = _name(facts, ('name', 'id')) if named else None
        facts = metadata
    name = _name(facts, _IMAGE_NAMES) if named else None
    label = f'Image {name}' if name else 'Image'
    if 'vcpus' in facts and 'disk_format' not in facts:
        raise SpecError(f'{label} is a flavor; give an image here.')
    nested = facts.get('properties')
    properties: dict[str, str] = {}
    unread: dict[str, str] = {}
    _sort_out(facts, label, properties, unread)
    if nested is not None:
        if is_nova_object(nested):
            nested = nova_facts(nested, NOVA_PROPERTIES)
        else:
            nested = _pairs(nested, label, 'properties')
        # openstacksdk lifts some properties out of the nested mapping.
        _sort_out(nested, label, properties, unread)
    return _image(
        name,
        properties,
        # What is unread of nova's objects is their name.
        unread if named else {},
        facts is metadata or ('image_id' in facts and 'id' not in facts),
        volume,
        named and facts.get('visibility') in _PUBLIC_IMAGE,
    )


def _facts(source: Any, kind: str) -> Mapping[str, Any]:
    facts = facts_of(source)
    if facts is None:
        raise SpecError(
            f'{kind} is {type(source).__name__}, not a mapping; give the '
            f'JSON object that `openstack {kind.lower()} show -f json` '
            'prints.'
        )
    return facts


def _name(facts: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first that is there; one that a command can carry if any."""
    first: str | None = None
    for name in names:
        value = facts.get(name)
        text = None if value is None else _plain(value)
        if text is not None and (text := text.strip()[:_MAX_NAME]):
            if text.isprintable():
                return text
            first = first or text
    return None if first is None else printable(first)


def _amount(
    facts: Mapping[str, Any],
    label: str,
    names: tuple[str, ...],
    required: bool = False,
) -> int:
    """Return a whole number, by the first of its names that is there."""
    value = None
    for name in names:
        value = facts.get(name)
        if type(value) is int and 0 <= value <= MAX_AMOUNT:
            return value
        if value is not None:
            break
    else:
        name = names[0]
    if value is None or (isinstance(value, str) and not value.strip()):
        if not required:
            return 0
        raise SpecError(
            f'{label} has no {name}; give the flavor as '
            '`openstack flavor show -f json` prints it.'
        )
    amount = whole_number(value)
    if amount is None or amount > MAX_AMOUNT:
        raise SpecError(
            f'{label} has {name}={quoted(value)}; give a whole number from 0 '
            f'to {MAX_AMOUNT}.'
        )
    return amount


def _sort_out(
    facts: Mapping[str, Any],
    label: str,
    properties: dict[str, str],
    unread: dict[str, str],
) -> None:
    """Add the properties that matter, by today's or older names (nova).

    :param unread: takes those that nothing reads, as text
    """
    found = {}
    for key, value in facts.items():
        if not isinstance(key, str):
            continue
        if key in IMAGE_PROPERTIES or key.startswith(TRAIT_PREFIX):
            if value is not None:
                found[key] = _text(value, label, key)
        elif isinstance(value, str):
            unread[key] = value
    if facts.get('architecture') is not None:
        found.setdefault(
            'hw_architecture',
            _text(facts['architecture'], label, 'architecture'),
        )
    adapter = facts.get('vmware_adaptertype')
    if adapter == 'ide':
        found.setdefault('hw_disk_bus', 'ide')
    elif adapter:
        found.setdefault('hw_disk_bus', 'scsi')
        found.setdefault(
            'hw_scsi_model', _text(adapter, label, 'vmware_adaptertype')
        )
    traits = facts.get('traits_required')
    if traits and isinstance(traits, (list, tuple)):
        for trait in traits:
            found[TRAIT_PREFIX + str(trait)] = 'required'
    properties |= found


def _pairs(source: Any, label: str, what: str) -> Mapping[str, Any]:
    """Return extra specs or properties as a mapping from text."""
    if source is None:
        return {}
    if isinstance(source, str):
        try:
            return dict(split_pairs(source))
        except ValueError as error:
            raise SpecError(
                f'{label} has {what} {quoted(error)}, which cannot be read; '
                "give key='value', key='value' or a mapping."
            ) from None
    if not isinstance(source, (dict, Mapping)):
        raise SpecError(
            f'{label} has {what} of type {type(source).__name__}; give a '
            "mapping, or a string such as hw:mem_encryption='true'."
        )
    for key in source:
        if not isinstance(key, str):
            raise SpecError(
                f'{label} has the key {quoted(key)} in its {what}; give text.'
            )
    return source


def _plain(value: object) -> str | None:
    """Return text or a number as text; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and value.bit_length() <= _MAX_BITS:
        return str(value)
    return str(value) if isinstance(value, float) else None


def _text(value: object, label: str, key: str) -> str:
    if type(value) is str and len(value) <= _MAX_TEXT:
        return value
    if isinstance(value, bool):
        return 'true' if value else 'false'
    text = _plain(value)
    if text is None or len(text) > _MAX_TEXT:
        raise SpecError(
            f'{label} has {printable(key)[:80]} of type '
            f'{type(value).__name__}; give text of up to {_MAX_TEXT} '
            'characters.'
        )
    return text
