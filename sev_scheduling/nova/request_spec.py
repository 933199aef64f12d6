"""What nova's RequestSpec asks for, in this package's terms."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, replace
from typing import Any

from nova import exception, objects
from oslo_versionedobjects.base import _get_attrname

from sev_scheduling.problems import Code, Problem
from sev_scheduling.request.request import EncryptionRequest, as_boolean, parse
from sev_scheduling.rules.validation import validate

#: Nova keeps the properties of an image under these names of an instance.
_RAW_IMAGE_ENCRYPTION = 'image_hw_mem_encryption'


def asks_for_encryption(spec: Any) -> bool:
    """Say whether a guest is to be encrypted, in constant time.

    Most guests are not; nothing else is looked at for them. As nova reads
    it: a value that is no boolean asks for nothing.

    :param spec: a ``nova.objects.RequestSpec``
    """
    value = _flavor_encryption(spec)
    if value is not None and as_boolean(value):
        return True
    return bool(image_encryption(spec))


def _flavor_encryption(spec: Any) -> str | None:
    extra_specs = _field(spec.flavor, 'extra_specs') or {}
    value: str | None = extra_specs.get('hw:mem_encryption')
    return value


def image_encryption(spec: Any) -> bool | None:
    """Return ``hw_mem_encryption`` of the image; None where it has none."""
    value: bool | None = image_property(spec, 'hw_mem_encryption')
    return value


def image_property(spec: Any, name: str) -> Any:
    """Return a property of the image as nova reads it; None without one."""
    image = _field(spec, 'image')
    properties = image and _field(image, 'properties')
    return properties and _field(properties, name)


def _field(thing: Any, name: str) -> Any:
    """Return a field of a nova object; None where it is not set.

    To ask the object itself whether it is costs six times as much.
    """
    return vars(thing).get(_get_attrname(name))


def mentions_encryption(spec: Any) -> bool:
    """Say whether flavor or image name encryption, be it to forbid it."""
    return (
        _flavor_encryption(spec) is not None
        or image_encryption(spec) is not None
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What a RequestSpec asks for, and what is wrong with that.

    :ivar errors: the problems that refuse it
    """

    request: EncryptionRequest
    errors: tuple[Problem, ...]


def read_spec(spec: Any, conf: Any, raw: str | None = None) -> Reading:
    """Read a ``nova.objects.RequestSpec``.

    Few flavors and images make many servers, so readings are remembered, by
    all that they depend on. Nova has the request filter, the filter and the
    weigher look at the same objects one after the other, so the last reading
    of a thread is known by these.

    :param conf: the options, ``CONF.sev_scheduling``
    :param raw: see :func:`raw_image_encryption`
    """
    flavor, image = spec.flavor, _field(spec, 'image')
    other = (bool(_field(spec, 'is_bfv')), _port_devices(spec), raw)
    if not (
        _last.flavor is flavor
        and _last.image is image
        and _last.other == other
    ):
        _last.reading = _read(_Facts(flavor, image, *other))
        _last.flavor, _last.image, _last.other = flavor, image, other
    reading: Reading = _last.reading
    if reading.errors and (ignored := as_warnings(conf)):
        errors = tuple(e for e in reading.errors if e.code not in ignored)
        return replace(reading, errors=errors)
    return reading


class _Last(threading.local):
    """What a thread read last, and the objects it was read from."""

    flavor: Any = None
    image: Any = None
    other: Any = None
    reading: Any = None


_last = _Last()


def as_warnings(conf: Any) -> tuple[Code, ...]:
    """Return the codes of problems that the operator lets pass."""
    return (Code.HOST_DEVICE,) if conf.allow_host_devices else ()


class _Facts:
    """All that a reading depends on; equal where that is equal."""

    __slots__ = (
        'boot_from_volume',
        'devices',
        'flavor',
        'image',
        'key',
        'raw',
    )

    def __init__(
        self,
        flavor: Any,
        image: Any,
        boot_from_volume: bool,
        devices: tuple[str, ...],
        raw: str | None,
    ) -> None:
        self.flavor = flavor
        self.image = image
        self.boot_from_volume = boot_from_volume
        self.devices = devices
        self.raw = raw
        self.key = (
            _state(flavor),
            image and _image_state(image),
            boot_from_volume,
            devices,
            raw,
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Facts) and self.key == other.key


def _state(thing: Any) -> tuple[Any, ...]:
    """Return a nova object's state, hashable.

    To ask a nova object for its fields one by one costs more than to read
    them all anew.
    """
    return tuple(
        [
            (name, value if value.__hash__ else repr(value))
            for name, value in vars(thing).items()
            if name not in _NO_FACTS
        ]
    )


#: What a nova object has beside its fields, and what is taken apart.
_NO_FACTS = frozenset({'_changed_fields', '_context', '_obj_properties'})


def _image_state(image: Any) -> tuple[Any, ...]:
    properties = _field(image, 'properties')
    state = _state(image)
    return state + _state(properties) if properties else state


@functools.lru_cache(maxsize=256)
def _read(facts: _Facts) -> Reading:
    request = parse(
        facts.flavor,
        facts.image,
        boot_from_volume=facts.boot_from_volume,
        host_devices=facts.devices,
    )
    if facts.raw is not None:
        request = replace(request, image_encryption=facts.raw)
    return Reading(request, tuple(p for p in validate(request) if p.is_error))


def _port_devices(spec: Any) -> tuple[str, ...]:
    """Return the devices that ports bring; the flavor's are known by it."""
    pci = _field(spec, 'pci_requests')
    requests = pci and _field(pci, 'requests')
    if not requests:
        return ()
    return tuple(
        'a passthrough port' for one in requests if not one.alias_name
    )


def raw_image_encryption(context: Any, spec: Any) -> str | None:
    """Return what the image's owner wrote, where nova took it for "off".

    An image's ``hw_mem_encryption=maybe`` reaches the scheduler as false;
    the text itself is still with the server that is being built.

    :returns: the text where it is no boolean, else None
    """
    if image_encryption(spec) is not False or 'instance_uuid' not in spec:
        return None
    try:
        build = objects.BuildRequest.get_by_instance_uuid(
            context, spec.instance_uuid
        )
    except exception.BuildRequestNotFound:
        # The server was built long ago, and is being moved.
        return None
    if 'system_metadata' not in build.instance:
        return None
    text = build.instance.system_metadata.get(_RAW_IMAGE_ENCRYPTION)
    if text is None or as_boolean(text) is not None:
        return None
    return str(text)
