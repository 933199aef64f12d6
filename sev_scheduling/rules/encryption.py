"""Rules about who asks for encryption, and by what model.

What nova would silently take as "off" is an error here: a guest that its
owner believes encrypted must not boot unencrypted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sev_scheduling.models import (
    DEFAULT_MODEL,
    model_traits,
    registered_models,
)
from sev_scheduling.problems import Advice, Code, Field, Fix, Severity, Source
from sev_scheduling.request.groups import ExtraSpecTrait
from sev_scheduling.request.request import (
    FLAVOR_MODEL,
    FLAVOR_SWITCH,
    IMAGE_MODEL,
    IMAGE_SWITCH,
    EncryptionRequest,
    as_boolean,
)
from sev_scheduling.rules.rule import (
    Problems,
    Rule,
    error,
    set_flavor,
    set_image,
    unset,
    warning,
)


def _set(
    request: EncryptionRequest, field: Field, value: str, **more: Any
) -> Fix:
    set_owner = set_flavor if field.source is Source.FLAVOR else set_image
    return set_owner(request, {field.key: value}, **more)


_SWITCHES = {Source.FLAVOR: FLAVOR_SWITCH, Source.IMAGE: IMAGE_SWITCH}


def _switches(
    request: EncryptionRequest,
) -> tuple[tuple[Source, str | None], ...]:
    return (
        (Source.FLAVOR, request.flavor_encryption),
        (Source.IMAGE, request.image_encryption),
    )


def _invalid_boolean(request: EncryptionRequest) -> Problems:
    for source, value in _switches(request):
        if value is not None and as_boolean(value) is None:
            field = request.field(source, _SWITCHES[source])
            yield error(
                request,
                Code.INVALID_BOOLEAN,
                field,
                _set(request, field, 'true'),
                value=value,
                needs=('true', 'false'),
            )


def _encryption_conflict(request: EncryptionRequest) -> Problems:
    flavor, image = request.flavor_encryption, request.image_encryption
    if flavor is None or image is None:
        return
    switches = _switches(request)
    for (source, value), (other, other_value) in (switches, switches[::-1]):
        if as_boolean(value) is False and as_boolean(other_value) is True:
            field = request.field(source, _SWITCHES[source])
            yield error(
                request,
                Code.ENCRYPTION_CONFLICT,
                field,
                _set(request, field, 'true'),
                value=value,
                other=request.field(other, _SWITCHES[other]),
                other_value=other_value,
            )


def _named_models(request: EncryptionRequest) -> Iterator[tuple[Field, str]]:
    if request.flavor_model:
        yield request.field(Source.FLAVOR, FLAVOR_MODEL), request.flavor_model
    if request.image_model:
        yield request.field(Source.IMAGE, IMAGE_MODEL), request.image_model


def _unknown_model(request: EncryptionRequest) -> Problems:
    if not request.encrypted:
        return
    known = registered_models()
    for field, name in _named_models(request):
        if name not in known:
            other = Fix(advice=Advice.ANOTHER_MODEL, values=tuple(known))
            yield error(
                request,
                Code.UNKNOWN_MODEL,
                field,
                _set(request, field, DEFAULT_MODEL, alternatives=(other,)),
                value=name,
                needs=tuple(known),
            )


def _model_conflict(request: EncryptionRequest) -> Problems:
    flavor, image = request.flavor_model, request.image_model
    if not request.encrypted or flavor is None or image is None:
        return
    if flavor != image:
        flavor_field = request.field(Source.FLAVOR, FLAVOR_MODEL)
        field = request.field(Source.IMAGE, IMAGE_MODEL)
        yield error(
            request,
            Code.MODEL_CONFLICT,
            field,
            _set(request, field, flavor)
            if flavor in registered_models()
            else unset(request, flavor_field),
            value=image,
            other=flavor_field,
            other_value=flavor,
        )


def _model_without_encryption(request: EncryptionRequest) -> Problems:
    for field, name in _named_models(request):
        switch = request.field(field.source, _SWITCHES[field.source])
        yield warning(
            request,
            Code.MODEL_WITHOUT_ENCRYPTION,
            field,
            _set(request, switch, 'true'),
            value=name,
        )


def _trait_without_encryption(request: EncryptionRequest) -> Problems:
    for entry in request.entries:
        if not isinstance(entry, ExtraSpecTrait) or not entry.required:
            continue
        model = model_traits().get(entry.trait)
        if model is not None:
            extra_specs = {FLAVOR_SWITCH: 'true'}
            if model.name != DEFAULT_MODEL:
                extra_specs[FLAVOR_MODEL] = model.name
            yield warning(
                request,
                Code.TRAIT_WITHOUT_ENCRYPTION,
                entry.field,
                set_flavor(request, extra_specs),
                value=entry.trait,
                model=model.name,
            )


#: For every request, encrypted or not.
REQUEST_RULES = (
    Rule(
        Code.INVALID_BOOLEAN,
        (Severity.ERROR,),
        'a mem_encryption value is no boolean (``maybe``), whether the guest '
        'is to be encrypted or not',
        _invalid_boolean,
    ),
    Rule(
        Code.ENCRYPTION_CONFLICT,
        (Severity.ERROR,),
        'flavor and image say the opposite about encryption',
        _encryption_conflict,
    ),
    Rule(
        Code.UNKNOWN_MODEL,
        (Severity.ERROR,),
        'the model is not registered',
        _unknown_model,
    ),
    Rule(
        Code.MODEL_CONFLICT,
        (Severity.ERROR,),
        'flavor and image name different models',
        _model_conflict,
    ),
)

#: For a guest that is not to be encrypted.
PLAIN_RULES = (
    Rule(
        Code.MODEL_WITHOUT_ENCRYPTION,
        (Severity.WARNING,),
        'a model is named, and encryption is not asked for',
        _model_without_encryption,
    ),
    Rule(
        Code.TRAIT_WITHOUT_ENCRYPTION,
        (Severity.WARNING,),
        "a model's trait is required, and encryption is not asked for: the "
        'guest would land on such a host unencrypted',
        _trait_without_encryption,
    ),
)
