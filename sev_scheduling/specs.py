"""Flavors and images in every shape users hold them, read into one.

A view keeps facts, not opinions: values are text as their owner wrote it,
amounts are whole numbers. What they mean is for :mod:`.request` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sev_scheduling.exceptions import SpecError

#: Placement and nova keep amounts in signed 32-bit columns.
MAX_AMOUNT = 2**31 - 1

#: The image properties that bear on encryption or on the resources asked
#: for; a trait is the property ``trait:<name>``.
IMAGE_PROPERTIES = (
    'hw_architecture',
    'hw_cdrom_bus',
    'hw_cpu_policy',
    'hw_cpu_thread_policy',
    'hw_disk_bus',
    'hw_firmware_stateless',
    'hw_firmware_type',
    'hw_machine_type',
    'hw_mem_encryption',
    'hw_mem_encryption_model',
    'hw_mem_page_size',
    'hw_scsi_model',
    'hw_tpm_model',
    'hw_tpm_version',
    'hw_video_model',
    'os_secure_boot',
)
_IMAGE_PROPERTY_SET = frozenset(IMAGE_PROPERTIES)
TRAIT_PREFIX = 'trait:'

_MAX_NAME = 255
_MAX_TEXT = 65535

# What `openstack … show` prints where properties come as one string.
_PAIR = re.compile(
    r"([^\s='\",]+)=(?:'(.*?)')?(?:, (?=[^\s='\",]+=)|\Z)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class FlavorView:
    """A flavor.

    :ivar name: its name, else its id, else None
    :ivar memory_mb: MiB
    :ivar root_gb: GiB, as ``ephemeral_gb``
    :ivar swap_mb: MiB
    :ivar extra_specs: key -> text
    """

    name: str | None
    vcpus: int
    memory_mb: int
    root_gb: int = 0
    ephemeral_gb: int = 0
    swap_mb: int = 0
    extra_specs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image, or the image facts of a bootable volume.

    :ivar name: its name, else its id, else None
    :ivar properties: key -> text, for :data:`IMAGE_PROPERTIES` and traits
    :ivar of_volume: the facts come from a volume, and so do the fixes go
    """

    name: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    of_volume: bool = field(default=False, compare=False)


def flavor_view(flavor: Any) -> FlavorView:
    """Read a flavor.

    :param flavor: Nova API JSON, the output of
        ``openstack flavor show -f json``, a ``nova.objects.Flavor``, an
        openstacksdk ``Flavor``, or a mapping with those names
    :raises SpecError: where it has no flavor's shape
    """
    facts = _facts(flavor, 'Flavor')
    name = _name(facts, 'name', 'original_name', 'flavorid', 'id')
    label = f'Flavor {name}' if name else 'Flavor'
    if 'disk_format' in facts and 'vcpus' not in facts:
        raise SpecError(f'{label} is an image; give a flavor here.')
    extra_specs = {
        key: _text(value, label, key)
        for key, value in _pairs(
            _first(facts, 'extra_specs', 'properties'), label, 'extra specs'
        ).items()
        if value is not None
    }
    return FlavorView(
        name=name,
        vcpus=_amount(facts, label, 'vcpus', required=True),
        memory_mb=_amount(facts, label, 'ram', 'memory_mb', required=True),
        root_gb=_amount(facts, label, 'disk', 'root_gb'),
        ephemeral_gb=_amount(
            facts,
            label,
            'OS-FLV-EXT-DATA:ephemeral',
            'ephemeral',
            'ephemeral_gb',
        ),
        swap_mb=_amount(facts, label, 'swap'),
        extra_specs=extra_specs,
    )


def image_view(image: Any) -> ImageView:
    """Read an image.

    :param image: Glance v2 JSON, the output of
        ``openstack image show -f json``, a ``nova.objects.ImageMeta`` or
        its dict, an openstacksdk ``Image``, or a Cinder
        ``volume_image_metadata`` mapping
    :raises SpecError: where it has no image's shape
    """
    facts = _facts(image, 'Image')
    name = _name(facts, 'name', 'image_name', 'id', 'image_id')
    label = f'Image {name}' if name else 'Image'
    if 'vcpus' in facts and 'disk_format' not in facts:
        raise SpecError(f'{label} is a flavor; give an image here.')
    nested = facts.get('properties')
    if _is_nova_object(nested):
        nested = _nova_facts(nested, (*IMAGE_PROPERTIES, 'traits_required'))
    # openstacksdk lifts some properties out of the nested mapping.
    properties = _known(facts, label) | _known(
        _pairs(nested, label, 'properties'), label
    )
    return ImageView(
        name=name,
        properties=properties,
        of_volume='image_id' in facts and 'id' not in facts,
    )


def _facts(source: Any, kind: str) -> Mapping[str, Any]:
    """Return the top-level names of any shape as a mapping."""
    if _is_nova_object(source):
        return _nova_facts(source, _NOVA_FIELDS)
    if hasattr(source, '_body_mapping'):
        # An openstacksdk resource: a dict whose items are not its facts.
        facts: Mapping[str, Any] = source.to_dict(
            computed=False, original_names=True
        )
    elif isinstance(source, Mapping):
        facts = source
    else:
        raise SpecError(
            f'{kind} is {type(source).__name__}, not a mapping; give the '
            f'JSON object that `openstack {kind.lower()} show -f json` '
            'prints.'
        )
    data = facts.get('nova_object.data')
    if isinstance(data, Mapping):
        return _unwrapped(data)
    return facts


_NOVA_FIELDS = (
    'ephemeral_gb',
    'extra_specs',
    'flavorid',
    'id',
    'memory_mb',
    'name',
    'properties',
    'root_gb',
    'swap',
    'vcpus',
)


def _is_nova_object(source: Any) -> bool:
    return hasattr(source, 'obj_attr_is_set')


def _nova_get(source: Any, name: str) -> Any:
    # An unset field would be loaded from the database, or raise.
    return getattr(source, name) if source.obj_attr_is_set(name) else None


def _nova_facts(source: Any, names: Iterable[str]) -> dict[str, Any]:
    fields = source.fields
    return {name: _nova_get(source, name) for name in names if name in fields}


def _unwrapped(data: Mapping[str, Any]) -> dict[str, Any]:
    """Take nova's object primitives apart."""
    return {
        key: _unwrapped(value['nova_object.data'])
        if isinstance(value, Mapping) and 'nova_object.data' in value
        else value
        for key, value in data.items()
    }


def _first(facts: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        value = facts.get(name)
        if value is not None:
            return value
    return None


def _name(facts: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = facts.get(name)
        if isinstance(value, (str, int)) and str(value).strip():
            return printable(str(value)[:_MAX_NAME])
    return None


def printable(text: str) -> str:
    """Return text that stays on one line, whatever its owner put in it."""
    if text.isprintable():
        return text
    return ''.join(c if c.isprintable() else '?' for c in text)


def shown(value: object) -> str:
    """Return a value for a message: quoted, on one line, not too long."""
    text = str(value)
    if len(text) > 60:
        text = text[:57] + '...'
    return f"'{printable(text)}'"


def _amount(
    facts: Mapping[str, Any],
    label: str,
    *names: str,
    required: bool = False,
) -> int:
    value = _first(facts, *names)
    name = next((n for n in names if facts.get(n) is not None), names[0])
    if value is None and required:
        raise SpecError(
            f'{label} has no {name}; give the flavor as '
            '`openstack flavor show -f json` prints it.'
        )
    if value is None or (isinstance(value, str) and not value.strip()):
        if required:
            raise SpecError(f'{label} has an empty {name}; give a number.')
        return 0
    amount = whole_number(value)
    if amount is None or amount > MAX_AMOUNT:
        raise SpecError(
            f'{label} has {name}={shown(value)}; give a whole number from 0 '
            f'to {MAX_AMOUNT}.'
        )
    return amount


def whole_number(value: object) -> int | None:
    """Return a whole number of 0 or more, also from text; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 20 or not (text.isascii() and text.isdigit()):
            return None
        return int(text)
    if isinstance(value, int) and value >= 0:
        return value
    return None


def _known(facts: Mapping[str, Any], label: str) -> dict[str, str]:
    """Pick the properties that matter, by today's or older names (nova)."""
    properties = {
        key: _text(value, label, key)
        for key, value in facts.items()
        if value is not None
        and isinstance(key, str)
        and (key in _IMAGE_PROPERTY_SET or key.startswith(TRAIT_PREFIX))
    }
    if facts.get('architecture') is not None:
        properties.setdefault(
            'hw_architecture',
            _text(facts['architecture'], label, 'architecture'),
        )
    adapter = facts.get('vmware_adaptertype')
    if adapter == 'ide':
        properties.setdefault('hw_disk_bus', 'ide')
    elif adapter is not None and 'hw_disk_bus' not in properties:
        properties['hw_disk_bus'] = 'scsi'
        properties['hw_scsi_model'] = _text(
            adapter, label, 'vmware_adaptertype'
        )
    traits = facts.get('traits_required')
    if isinstance(traits, (list, tuple)):
        for trait in traits:
            properties[TRAIT_PREFIX + str(trait)] = 'required'
    return properties


def _pairs(source: Any, label: str, what: str) -> Mapping[str, Any]:
    """Return extra specs or properties as a mapping from text."""
    if source is None:
        return {}
    if isinstance(source, str):
        return dict(_split(source, label, what))
    if not isinstance(source, Mapping):
        raise SpecError(
            f'{label} has {what} of type {type(source).__name__}; give a '
            "mapping, or a string such as hw:mem_encryption='true'."
        )
    for key in source:
        if not isinstance(key, str):
            raise SpecError(
                f'{label} has the key {shown(key)} in its {what}; give text.'
            )
    return source


def _split(source: str, label: str, what: str) -> Iterator[tuple[str, str]]:
    text = source.strip()
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            raise SpecError(
                f'{label} has {what} {shown(text[position:])}, which cannot '
                "be read; give key='value', key='value' or a mapping."
            )
        if match[2] is not None:
            yield match[1], match[2]
        position = match.end()


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, bool, int, float))


def _text(value: object, label: str, key: str) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if not _is_scalar(value) or len(str(value)) > _MAX_TEXT:
        raise SpecError(
            f'{label} has {printable(key)[:80]} of type '
            f'{type(value).__name__}; give text of up to {_MAX_TEXT} '
            'characters.'
        )
    return str(value)
