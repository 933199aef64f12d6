"""A rule as data, and the problems and fixes that rules make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec

from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import (
    Advice,
    Caveat,
    Code,
    Field,
    Fix,
    Problem,
    Severity,
    Target,
    conditions,
)
from sev_scheduling.request.request import (
    FLAVOR_MODEL,
    IMAGE_MODEL,
    EncryptionRequest,
)

P = ParamSpec('P')

Problems = Iterator[Problem]


@dataclass(frozen=True, slots=True)
class Rule(Generic[P]):
    """One thing that a request must keep to.

    :ivar severities: that its problems can have
    :ivar when: when it finds something, as the documentation has it
    :ivar check: yields the problems
    :ivar reads: an attribute of the request: where that is None, false or
        empty, the rule finds nothing, and is not asked
    """

    code: Code
    severities: tuple[Severity, ...]
    when: str
    check: Callable[P, Problems]
    reads: str = 'views'


def problem(
    request: EncryptionRequest,
    code: Code,
    severity: Severity,
    field: Field,
    fix: Fix,
    **facts: Any,
) -> Problem:
    """Return a problem of a request, which knows who asks for encryption."""
    return Problem(
        code=code,
        severity=severity,
        field=field,
        fix=_for_server(request, fix),
        requesters=request.requesters,
        **facts,
    )


def error(
    request: EncryptionRequest,
    code: Code,
    field: Field,
    fix: Fix,
    **facts: Any,
) -> Problem:
    return problem(request, code, Severity.ERROR, field, fix, **facts)


def warning(
    request: EncryptionRequest,
    code: Code,
    field: Field,
    fix: Fix,
    **facts: Any,
) -> Problem:
    return problem(request, code, Severity.WARNING, field, fix, **facts)


#: Keys that decide how an image boots, and what must be true of an image that
#: boots otherwise today, to boot with a value.
_BOOTS_WITH: Mapping[str, Mapping[str, Caveat]] = {
    'hw_cdrom_bus': {'sata': Caveat.HAS_SATA_DRIVER},
    'hw_disk_bus': {
        'sata': Caveat.HAS_SATA_DRIVER,
        'virtio': Caveat.HAS_VIRTIO_DRIVER,
    },
    'hw_firmware_stateless': {'true': Caveat.BOOTS_WITH_STATELESS_FIRMWARE},
    'hw_firmware_type': {'uefi': Caveat.BOOTS_WITH_UEFI},
    'hw_machine_type': {'q35': Caveat.RUNS_ON_Q35},
    'hw_scsi_model': {'virtio-scsi': Caveat.HAS_VIRTIO_DRIVER},
    'hw_video_model': {'none': Caveat.NEEDS_NO_DISPLAY},
    'os:secure_boot': {'required': Caveat.BOOTS_WITH_SECURE_BOOT},
    'os_secure_boot': {'required': Caveat.BOOTS_WITH_SECURE_BOOT},
}


def _set(
    pairs: Mapping[str, str], caveats: tuple[Caveat, ...] = (), **more: Any
) -> Fix:
    """Return the fix that sets keys, with all that must be true for it.

    No rule says what an image must be: the keys do, whoever sets them.
    """
    of_image = (
        _BOOTS_WITH[key].get(value, Caveat.BOOTS_WITH_PROPERTY)
        for key, value in pairs.items()
        if key in _BOOTS_WITH
    )
    return Fix(set=pairs, caveats=conditions((*caveats, *of_image)), **more)


def set_flavor(
    request: EncryptionRequest, extra_specs: Mapping[str, str], **more: Any
) -> Fix:
    """Return the fix that sets extra specs of the flavor."""
    return _set(
        extra_specs,
        target=Target.FLAVOR,
        name=request.flavor_name,
        public=request.flavor_public,
        **more,
    )


def set_image(
    request: EncryptionRequest, properties: Mapping[str, str], **more: Any
) -> Fix:
    """Return the fix that sets properties of what the guest boots from."""
    fix = _set(properties, **_image(request), **more)
    return _for_server(request, fix)


def unset(request: EncryptionRequest, field: Field, **more: Any) -> Fix:
    """Return the fix that removes an extra spec or a property."""
    owner: dict[str, Any] = {
        'target': Target.FLAVOR,
        'name': request.flavor_name,
        'public': request.flavor_public,
    }
    if field.source != 'flavor':
        owner = _image(request)
    return _for_server(request, Fix(unset=(field.key,), **owner, **more))


def runs_on(request: EncryptionRequest, model: EncryptionModel) -> bool:
    """Whether the image's architecture, where it is set, is the model's."""
    return request.architecture in (None, '', *model.architectures)


def for_model(
    request: EncryptionRequest, model: EncryptionModel, fix: Fix
) -> Fix:
    """Return a fix that makes the image ready for a model.

    Of another architecture it can never be: a change would only spoil it.
    """
    if fix.target is Target.FLAVOR or runs_on(request, model):
        return fix
    return Fix(advice=Advice.ANOTHER_ARCHITECTURE, values=model.architectures)


def set_model(request: EncryptionRequest, name: str, **more: Any) -> Fix:
    """Return the fix that names a model where one is named, or could be."""
    more |= {'values': (name,), 'caveats': (Caveat.MODEL_WANTED,)}
    if request.image_model and not request.flavor_model:
        return set_image(request, {IMAGE_MODEL: name}, **more)
    return set_flavor(request, {FLAVOR_MODEL: name}, **more)


def _for_server(request: EncryptionRequest, fix: Fix) -> Fix:
    """Return the fix that does the same for a server that exists.

    A change of its flavor or its image does not reach it: nova has copied
    both. An image property of the server can be set, and a resize brings
    another flavor.
    """
    if request.server is None or fix.target in (Target.SERVER, Target.HOST):
        return fix
    alternatives = tuple(a for a in fix.alternatives if a.target == 'host')
    if fix.target in (Target.IMAGE, Target.VOLUME) and fix.set:
        return Fix(
            target=Target.SERVER,
            name=request.server,
            set=fix.set,
            values=fix.values,
            caveats=fix.caveats,
            alternatives=alternatives,
        )
    if fix.advice is Advice.LEAVE_DEVICE_OUT:
        return fix
    return Fix(advice=Advice.ANOTHER_FLAVOR, alternatives=alternatives)


def _image(request: EncryptionRequest) -> dict[str, Any]:
    """Return what is changed in place of the image, as fields of a fix."""
    if request.image_of_volume:
        # The image's facts were copied into the volume when it was made.
        return {'target': Target.VOLUME, 'name': request.volume_name}
    return {
        'target': Target.IMAGE,
        'name': request.image_name,
        'public': request.image_public,
    }
