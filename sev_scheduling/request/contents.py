"""What flavors and images say, as the key of a cache.

Few flavors and images make many requests. A key holds values alone: what is
changed in place later has another one, and no object is kept for it.
"""

from __future__ import annotations

import marshal
import threading
from collections.abc import Callable, Hashable, Mapping
from operator import itemgetter
from typing import Any, Generic, TypeVar, TypeVarTuple

from sev_scheduling.exceptions import ModelError
from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.request.sources import (
    NOVA_PROPERTIES,
    FlavorView,
    ImageView,
    flavor_view,
    image_view,
    is_nova_object,
    stored_as,
)

T = TypeVar('T')
Args = TypeVarTuple('Args')

#: Keys of which something is known.
MOST_KNOWN = 256
#: Bytes of what one of them says; more has no key, so that keys are bounded.
_MOST_BYTES = 32 * 1024

#: What is read of a nova object, its extra specs and properties apart.
_SIZES = itemgetter(
    *stored_as('ephemeral_gb', 'memory_mb', 'root_gb', 'swap', 'vcpus')
)
_NAMES = tuple(stored_as('flavorid', 'id', 'is_public', 'name'))
_TRAITS = '_obj_traits_required'
_PROPERTIES = NOVA_PROPERTIES.keys() - {_TRAITS}


class Known(Generic[T]):
    """What was made of the last keys, while the same models are registered.

    Threads share it. What it returns is not to be changed.
    """

    def __init__(self) -> None:
        self._models: Mapping[str, EncryptionModel] = {}
        self._made: dict[Hashable, T] = {}
        self._lock = threading.Lock()

    def get(
        self, key: Hashable | None, make: Callable[[*Args], T], *args: *Args
    ) -> T:
        """Return what is known of a key, made now if need be.

        :param key: None where it is to be made in any case
        """
        if key is None:
            return make(*args)
        try:
            models = registered_models()
        except ModelError:
            # It concerns only those that are encrypted.
            return make(*args)
        if models is not self._models:
            self._made, self._models = {}, models
        known = self._made
        found = known.get(key)
        if found is None:
            found = make(*args)
            with self._lock:
                known[key] = found
                if len(known) > MOST_KNOWN:
                    # The one that was made first.
                    del known[next(iter(known))]
        return found


def key_of(flavor: Any, image: Any) -> Hashable | None:
    """Return all that a flavor and an image say, as a key.

    :returns: None for shapes that have no key
    """
    try:
        return _key(flavor), _key(image)
    except (KeyError, TypeError, ValueError):
        return None


def unnamed_key_of(flavor: Any, image: Any) -> Hashable | None:
    """Return what they say, whatever they are called and whose they are.

    :param flavor: a ``nova.objects.Flavor``; the image an ``ImageMeta``
    :returns: None where they have no key
    """
    try:
        return (
            _of_flavor(vars(flavor)),
            None if image is None else _of_image(vars(image)),
        )
    except (KeyError, TypeError):
        return None


def views(
    flavor: Any, image: Any, named: bool
) -> tuple[FlavorView, ImageView]:
    """Read a flavor, and an image or None.

    :param named: False to leave out what they are called and whose they are,
        of nova's objects
    :raises SpecError: where one has no flavor's or image's shape
    """
    return (
        flavor_view(flavor, named),
        ImageView() if image is None else image_view(image, named),
    )


def _key(source: Any) -> Hashable:
    """Return what one of them says; raises as what it calls."""
    if not is_nova_object(source):
        return _of(source)
    held = vars(source)
    of_one = _of_flavor if '_obj_vcpus' in held else _of_image
    return *map(held.get, _NAMES), of_one(held)


def _of(value: Any) -> bytes:
    """Return JSON as a key.

    Bytes tell types apart, which equality does not: True equals 1, and is
    read as another text. They are hashed once, too.

    :raises ValueError: for what is no JSON, and for too much
    """
    # Version 0 writes what is equal equally, whether objects are shared.
    key = marshal.dumps(value, 0)
    if len(key) > _MOST_BYTES:
        raise ValueError
    return key


# Nova's objects are read where they keep their fields: to ask for them one
# by one takes ten times as long. These raise KeyError and TypeError where a
# field is not set, or kept elsewhere.


def _of_flavor(held: Mapping[str, Any]) -> Hashable:
    extra_specs = held.get('_obj_extra_specs')
    return _SIZES(held), tuple(extra_specs.items()) if extra_specs else ()


def _of_image(held: Mapping[str, Any]) -> Hashable:
    properties = vars(held['_obj_properties'])
    traits = properties.get(_TRAITS)
    return (
        held.get('_obj_disk_format'),
        tuple([pair for pair in properties.items() if pair[0] in _PROPERTIES]),
        tuple(traits) if traits else (),
    )
