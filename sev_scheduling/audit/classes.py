"""What rules can tell apart of flavors and of images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import os_resource_classes as orc
import os_traits

from sev_scheduling.models import model_traits
from sev_scheduling.problems import Source
from sev_scheduling.request.groups import is_trait
from sev_scheduling.request.request import (
    FLAVOR_MODEL,
    FLAVOR_SWITCH,
    IMAGE_MODEL,
    IMAGE_SWITCH,
)
from sev_scheduling.request.sources import (
    TRAIT_PREFIX,
    FlavorView,
    ImageView,
)
from sev_scheduling.request.spelling import EXTRA_SPECS, meant_key
from sev_scheduling.text import printable

View = TypeVar('View', FlavorView, ImageView)
Other = TypeVar('Other', FlavorView, ImageView)
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Facet(Generic[View]):
    """A part of a view that is judged by itself.

    :ivar key: equal where the view is
    :ivar view: makes it
    :ivar keys: that it is judged for; None for all
    """

    key: Key
    view: Callable[[], View]
    keys: frozenset[str] | None = None


#: What of a flavor bears on the rules about its images.
_FLAVOR_CONTEXT = frozenset({FLAVOR_SWITCH, FLAVOR_MODEL, 'os:secure_boot'})

#: What of an image bears on the rules about its flavors, groups apart.
_IMAGE_CONTEXT = frozenset({IMAGE_SWITCH, IMAGE_MODEL, 'os_secure_boot'})

#: Decides whether an image can be made ready at all.
_ARCHITECTURE = ('hw_architecture', 'hw_emulation_architecture')

#: Properties of an image that rules judge without a look at its others but
#: those of the context and the architecture; what depends on each other stands
#: together. A trait is one more, and the rest another.
_FACETS = (
    ('hw_cdrom_bus',),
    ('hw_disk_bus', 'hw_scsi_model'),
    ('hw_firmware_stateless',),
    ('hw_firmware_type',),
    ('hw_machine_type',),
    ('hw_video_model',),
)
#: What rules do not read.
_UNJUDGED = frozenset(
    {
        'disk_format',
        'hw_ephemeral_encryption',
        'hw_ephemeral_encryption_format',
        'hw_sound_model',
        'hw_vif_model',
        'hw_virtio_packed_ring',
    }
)
#: Of the facets, those that ask for traits.
_OF_GROUPS = frozenset({'hw_firmware_stateless', 'hw_firmware_type'})
#: No part of the request groups.
_NOT_OF_GROUPS = _UNJUDGED.union(*_FACETS, _ARCHITECTURE) - _OF_GROUPS

_EXPLICIT = ('resources', 'trait')


def flavor_class(flavor: FlavorView) -> FlavorView:
    """Return what rules can tell apart of a flavor."""
    specs = {
        key: value
        for key, value in flavor.extra_specs.items()
        if key in EXTRA_SPECS
        or key.startswith(_EXPLICIT)
        or meant_key(Source.FLAVOR, key)
    }
    flavor = replace(flavor, name=None, extra_specs=specs)
    if _may_be_empty(flavor):
        return flavor
    # It asks Placement for something, whatever else its size is.
    return FlavorView(None, 1, 1, extra_specs=specs, public=flavor.public)


def _may_be_empty(flavor: FlavorView) -> bool:
    """Whether its unsuffixed request group may have no resources."""
    return not flavor.memory_mb or any(
        orc.MEMORY_MB in key for key in flavor.extra_specs
    )


def image_class(image: ImageView) -> ImageView:
    """Return what rules can tell apart of an image."""
    unread = {
        key: value
        for key, value in image.unread.items()
        if meant_key(Source.IMAGE, key) not in (None, *image.properties)
    }
    properties = {
        key: value
        for key, value in image.properties.items()
        if key not in _UNJUDGED
    }
    return ImageView(
        properties=properties,
        unread=unread,
        of_volume=image.of_volume,
        public=image.public,
    )


def flavor_context(flavor: FlavorView) -> FlavorView:
    specs = flavor.extra_specs
    return FlavorView(
        None,
        1,
        1,
        extra_specs={k: specs[k] for k in _FLAVOR_CONTEXT if k in specs},
        public=flavor.public,
    )


def flavor_facets(flavor: FlavorView) -> Iterator[Facet[FlavorView]]:
    """Yield the whole: rules judge extra specs together."""
    yield Facet(key_of(flavor), lambda: flavor)


def image_facets(image: ImageView) -> Iterator[Facet[ImageView]]:
    """Yield parts of an image, and the keys that each is judged for."""
    properties = image.properties
    known = _IMAGE_CONTEXT.union(_ARCHITECTURE)
    context = {k: v for k, v in properties.items() if k in known}
    shared = image.of_volume, image.public, frozenset(context.items())
    rest = dict(properties)
    traits = [(k,) for k in properties if k.startswith(TRAIT_PREFIX)]
    beside: dict[str, str] = {}
    if _forbids(properties):
        # Another of its properties may require the same trait.
        traits = []
        beside = {k: v for k, v in properties.items() if k in _OF_GROUPS}
    for keys in (*_FACETS, *traits):
        held = {key: rest.pop(key) for key in keys if key in rest}
        yield Facet(
            (keys, *held.items(), shared),
            functools.partial(_part, image, {**context, **held}, {}),
            _printable(keys),
        )
    unread = image.unread
    held = {**rest, **beside}
    yield Facet(
        (frozenset(held.items()), frozenset(unread.items()), shared),
        functools.partial(_part, image, held, unread),
        _printable((*rest, *unread, *_IMAGE_CONTEXT)),
    )


def _part(
    image: ImageView, properties: Mapping[str, str], unread: Mapping[str, str]
) -> ImageView:
    return replace(image, properties=properties, unread=unread)


@functools.cache
def _printable(keys: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(printable, keys))


def key_of(view: FlavorView | ImageView) -> Key:
    """Return what views that are equal, all they have included, share."""
    values = (getattr(view, name) for name in view.__slots__)
    return tuple(
        frozenset(value.items()) if type(value) is dict else value
        for value in values
    )


class Groups:
    """What of images can make a request group that Placement refuses.

    Such are a group without resources, which takes a flavor that may have
    none, and one with a trait both required and forbidden.
    """

    def __init__(self, flavors: Sequence[FlavorView]) -> None:
        specs = [flavor.extra_specs for flavor in flavors]
        self._all = any(map(_may_be_empty, flavors))
        self._forbidden = {
            TRAIT_PREFIX + key.partition(':')[2]
            for held in specs
            for key, value in held.items()
            if value == 'forbidden' and key.startswith('trait')
        }
        if any(_isolates(held, 'hw:') for held in specs):
            self._forbidden.add(TRAIT_PREFIX + os_traits.HW_CPU_HYPERTHREADING)

    def image_class(self, image: ImageView) -> ImageView:
        """Return what rules can tell apart of an image, with the flavors."""
        image = image_class(image)
        properties = image.properties
        if self._all or _forbids(properties):
            return image
        kept = {
            key: value
            for key, value in properties.items()
            if key in self._forbidden or not _is_inert(key, value)
        }
        return replace(image, properties=kept)

    def image_context(self, image: ImageView) -> ImageView:
        """Return what of an image bears on the rules about its flavors."""
        properties = image.properties
        keys = set(_IMAGE_CONTEXT)
        if self._all or _forbids(properties):
            keys |= properties.keys() - _NOT_OF_GROUPS
        elif self._forbidden:
            keys |= {
                key
                for key in properties.keys() - _NOT_OF_GROUPS
                if not key.startswith(TRAIT_PREFIX) or key in self._forbidden
            }
        return replace(
            image,
            properties={k: v for k, v in properties.items() if k in keys},
            unread={},
        )


def _isolates(pairs: Mapping[str, str], prefix: str) -> bool:
    return pairs.get(f'{prefix}cpu_thread_policy') == 'isolate'


def _forbids(properties: Mapping[str, str]) -> bool:
    """Whether an image forbids a trait."""
    return _isolates(properties, 'hw_') or any(
        value == 'forbidden' and key.startswith(TRAIT_PREFIX)
        for key, value in properties.items()
    )


def _is_inert(key: str, value: str) -> bool:
    """Whether a property requires a trait that no rule looks at by itself."""
    prefix, _, trait = key.partition(':')
    return (
        value == 'required'
        and trait.startswith('CUSTOM_')
        and f'{prefix}:' == TRAIT_PREFIX
        and is_trait(trait)
        and trait not in model_traits()
    )
