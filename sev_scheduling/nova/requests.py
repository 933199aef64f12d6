"""What nova's RequestSpec asks for, in this package's terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nova import exception, objects

from sev_scheduling.problems import Code, Problem
from sev_scheduling.request import EncryptionRequest, as_boolean, parse
from sev_scheduling.validation import validate

#: Nova keeps the properties of an image under these names of an instance.
_RAW_IMAGE_ENCRYPTION = 'image_hw_mem_encryption'


def asks_for_encryption(spec: Any) -> bool:
    """Say whether a guest is to be encrypted, in constant time.

    Most guests are not; nothing else is looked at for them. As nova reads
    it: a value that is no boolean asks for nothing.

    :param spec: a ``nova.objects.RequestSpec``
    """
    flavor = spec.flavor
    if 'extra_specs' in flavor:
        value = flavor.extra_specs.get('hw:mem_encryption')
        if value is not None and as_boolean(value):
            return True
    return bool(image_encryption(spec))


def image_encryption(spec: Any) -> bool | None:
    """Return ``hw_mem_encryption`` of the image; None where it has none."""
    image = spec.image if 'image' in spec else None
    if image is None or 'properties' not in image:
        return None
    properties = image.properties
    if 'hw_mem_encryption' not in properties:
        return None
    value: bool | None = properties.hw_mem_encryption
    return value


def mentions_encryption(spec: Any) -> bool:
    """Say whether flavor or image name encryption, be it to forbid it."""
    flavor = spec.flavor
    return (
        'extra_specs' in flavor and 'hw:mem_encryption' in flavor.extra_specs
    ) or image_encryption(spec) is not None


def parse_spec(
    spec: Any, raw_image_encryption: str | None = None
) -> EncryptionRequest:
    """Read a ``nova.objects.RequestSpec``.

    :param raw_image_encryption: ``hw_mem_encryption`` as the image's owner
        wrote it, which the spec has lost
    """
    request = parse(
        spec.flavor,
        spec.image if 'image' in spec else None,
        boot_from_volume=bool('is_bfv' in spec and spec.is_bfv),
        host_devices=_port_devices(spec),
    )
    if raw_image_encryption is None:
        return request
    return replace(request, image_encryption=raw_image_encryption)


def errors_of(request: EncryptionRequest, conf: Any) -> tuple[Problem, ...]:
    """Return the problems that refuse a request.

    :param conf: the options, ``CONF.sev_scheduling``
    """
    problems = validate(request, as_warnings=as_warnings(conf))
    return tuple(problem for problem in problems if problem.is_error)


def as_warnings(conf: Any) -> tuple[Code, ...]:
    """Return the codes of problems that the operator lets pass."""
    return (Code.HOST_DEVICE,) if conf.allow_host_devices else ()


def _port_devices(spec: Any) -> Iterator[str]:
    """Yield the devices that ports bring; the flavor's are known by it."""
    requests = spec.pci_requests if 'pci_requests' in spec else None
    if requests is None:
        return
    for request in requests.requests:
        if not request.alias_name:
            yield 'a passthrough port'


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
