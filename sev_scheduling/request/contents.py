"""What flavors and images say, as the key of a cache.

Few flavors and images make many requests. A key holds values alone: what is
changed in place later has another one, and no object is kept for it.
"""

from __future__ import annotations

import marshal
import threading
from collections.abc import Callable, Hashable, Mapping
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

_SIZES = ('ephemeral_gb', 'memory_mb', 'root_gb', 'swap', 'vcpus')
_NAMES = ('flavorid', 'id', 'is_public', 'name')
#: What is read of a nova object, its extra specs and properties apart; by
#: whether the names of flavor and image count.
_FLAVOR = {
    named: tuple(stored_as(*_SIZES, *(_NAMES if named else ())))
    for named in (True, False)
}
_IMAGE = {
    named: tuple(stored_as('disk_format', *(_NAMES if named else ())))
    for named in (True, False)
}
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
        self, key: Hashable, make: Callable[[*Args], T], *args: *Args
    ) -> T:
        """Return what is known of a key, made now if need be."""
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


def key_of(flavor: Any, image: Any, named: bool) -> Hashable | None:
    """Return all that a flavor and an image say, as a key.

    :param named: see :func:`views`
    :returns: None for shapes that have no key
    """
    try:
        return named, _key(flavor, named), _key(image, named)
    except (TypeError, ValueError):
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


def _key(source: Any, named: bool) -> Hashable:
    return _of_nova(source, named) if is_nova_object(source) else _of(source)


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


def _of_nova(source: Any, named: bool) -> Hashable:
    """Return what is read of a nova object, from where it keeps its fields.

    To ask for them one by one takes ten times as long.

    :raises TypeError: where it keeps them elsewhere
    """
    held = vars(source)
    if '_obj_vcpus' in held:
        extra_specs = held.get('_obj_extra_specs') or {}
        return *map(held.get, _FLAVOR[named]), tuple(extra_specs.items())
    properties = vars(held.get('_obj_properties'))
    return (
        *map(held.get, _IMAGE[named]),
        tuple([pair for pair in properties.items() if pair[0] in _PROPERTIES]),
        tuple(properties.get(_TRAITS) or ()),
    )
