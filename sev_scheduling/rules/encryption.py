"""Rules about who asks for encryption, and by what model.

What nova would silently take as "off" is an error here: a guest that its
owner believes encrypted must not boot unencrypted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sev_scheduling.models import (
    DEFAULT_MODEL,
    model_traits,
    nearest_model,
    registered_models,
    weaker_model,
)
from sev_scheduling.problems import (
    Advice,
    Case,
    Caveat,
    Code,
    Field,
    Fix,
    Severity,
    Source,
)
from sev_scheduling.request.groups import POLICIES, POLICY, ExtraSpecTrait
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

#: Said where "off" is meant; no boolean to oslo.utils.
_OFF = frozenset({'disable', 'disabled', 'none', 'never'})


def _set(
    request: EncryptionRequest, field: Field, value: str, **more: Any
) -> Fix:
    set_owner = set_flavor if field.source is Source.FLAVOR else set_image
    return set_owner(request, {field.key: value}, **more)


# To look one up in its class takes Python 3.11 as long as to call a function.
_FLAVOR, _IMAGE = Source.FLAVOR, Source.IMAGE

_TO_ENCRYPT = {'caveats': (Caveat.ENCRYPTED,)}
_TO_LEAVE_PLAIN = {'caveats': (Caveat.UNENCRYPTED,)}
_SWITCHES = {_FLAVOR: FLAVOR_SWITCH, _IMAGE: IMAGE_SWITCH}
_MODELS = {_FLAVOR: FLAVOR_MODEL, _IMAGE: IMAGE_MODEL}


def _switches(
    request: EncryptionRequest,
) -> tuple[tuple[Source, str | None], ...]:
    return (
        (_FLAVOR, request.flavor_encryption),
        (_IMAGE, request.image_encryption),
    )


def _invalid_boolean(request: EncryptionRequest) -> Problems:
    for source, value in _switches(request):
        if value is not None and as_boolean(value) is None:
            field = request.field(source, _SWITCHES[source])
            yield error(
                request,
                Code.INVALID_BOOLEAN,
                field,
                _boolean(request, field, value),
                value=value,
                needs=('true', 'false'),
            )


def _boolean(request: EncryptionRequest, field: Field, value: str) -> Fix:
    """Return the fix that sets what a value that is no boolean means."""
    ways: tuple[Fix, ...] = ()
    if value.strip().lower() in _OFF:
        if not request.encrypted:
            return _set(request, field, 'false')
        # The other asks for it, so that "off" contradicts.
        ways = (_set(request, field, 'false', **_TO_LEAVE_PLAIN),)
    return _set(request, field, 'true', alternatives=ways, **_TO_ENCRYPT)


def _encryption_conflict(request: EncryptionRequest) -> Problems:
    flavor, image = request.flavor_encryption, request.image_encryption
    if flavor is None or image is None:
        return
    switches = _switches(request)
    for (source, value), (other, other_value) in (switches, switches[::-1]):
        if as_boolean(value) is False and as_boolean(other_value) is True:
            field = request.field(source, _SWITCHES[source])
            asker = request.field(other, _SWITCHES[other])
            plain = _set(request, asker, 'false', **_TO_LEAVE_PLAIN)
            yield error(
                request,
                Code.ENCRYPTION_CONFLICT,
                field,
                _set(
                    request,
                    field,
                    'true',
                    alternatives=(plain,),
                    **_TO_ENCRYPT,
                ),
                value=value,
                other=asker,
                other_value=other_value,
            )


def _named_models(request: EncryptionRequest) -> Iterator[tuple[Source, str]]:
    if request.flavor_model:
        yield _FLAVOR, request.flavor_model
    if request.image_model:
        yield _IMAGE, request.image_model


def _unknown_model(request: EncryptionRequest) -> Problems:
    if not request.encrypted:
        return
    known = registered_models()
    for source, name in _named_models(request):
        if name not in known:
            field = request.field(source, _MODELS[source])
            fix = Fix(advice=Advice.ANOTHER_MODEL, values=tuple(known))
            near = nearest_model(name)
            if near is not None:
                # Others are weaker, or were not meant.
                fix = _set(request, field, near)
            yield error(
                request,
                Code.UNKNOWN_MODEL,
                field,
                fix,
                value=name,
                needs=tuple(known),
            )


def _model_conflict(request: EncryptionRequest) -> Problems:
    flavor, image = request.flavor_model, request.image_model
    if not request.encrypted or flavor is None or image is None:
        return
    if flavor == image:
        return
    flavor_field = request.field(Source.FLAVOR, FLAVOR_MODEL)
    field = request.field(Source.IMAGE, IMAGE_MODEL)
    yield error(
        request,
        Code.MODEL_CONFLICT,
        field,
        _one_model(request, (flavor_field, flavor), (field, image)),
        value=image,
        other=flavor_field,
        other_value=flavor,
    )


def _one_model(request: EncryptionRequest, *named: tuple[Field, str]) -> Fix:
    """Return both ways to end a conflict, the stronger model first."""
    for field, name in named:
        if not name:
            return unset(request, field)
    (strong, weak), known = named, registered_models()
    meant = [
        name if name in known else nearest_model(name) for _, name in named
    ]
    if None in meant:
        return Fix(advice=Advice.CORRECT_NAME)
    if weaker_model(*filter(None, meant)) == meant[0]:
        weak, strong = strong, weak
    if weak[1] not in known or strong[1] not in known:
        # What is left is corrected as an unknown model.
        return unset(request, weak[0])
    ways = [
        _set(request, at, name, values=(name,), caveats=(Caveat.MODEL_WANTED,))
        for at, name in ((weak[0], strong[1]), (strong[0], weak[1]))
    ]
    return replace(ways[0], alternatives=(ways[1],))


def _model_without_encryption(request: EncryptionRequest) -> Problems:
    named = list(_named_models(request))
    for source, name in named:
        field = request.field(source, _MODELS[source])
        yield warning(
            request,
            Code.MODEL_WITHOUT_ENCRYPTION,
            field,
            _or_plain(request, field, _set_switch(request, source)),
            value=name,
        )
    if request.caller_models and not named:
        yield warning(
            request,
            Code.MODEL_WITHOUT_ENCRYPTION,
            Field(Source.REQUEST, 'models'),
            _set_switch(request, Source.FLAVOR),
            case=Case.CALLER,
            value=' or '.join(request.caller_models),
        )


def _or_plain(request: EncryptionRequest, field: Field, fix: Fix) -> Fix:
    """Return a fix that encrypts; where encryption is turned off, beside the
    removal of what asks for a model all the same.
    """
    if not any(
        value is not None and as_boolean(value) is False
        for _, value in _switches(request)
    ):
        return fix
    return replace(
        fix, alternatives=(unset(request, field, **_TO_LEAVE_PLAIN),)
    )


def _set_switch(request: EncryptionRequest, source: Source) -> Fix:
    field = request.field(source, _SWITCHES[source])
    return _set(request, field, 'true', **_TO_ENCRYPT)


def _misspelt_key(request: EncryptionRequest) -> Problems:
    for key in request.misspelt:
        value = key.value
        more: dict[str, Any] = {}
        if key.meant in _SWITCHES.values():
            on = as_boolean(value)
            value = 'false' if on is False else 'true'
            if on is False:
                more = _TO_LEAVE_PLAIN
            elif not request.encrypted:
                more = _TO_ENCRYPT
        elif key.meant in (FLAVOR_MODEL, IMAGE_MODEL):
            value = nearest_model(value) or DEFAULT_MODEL
            more = {'values': (value,), 'caveats': (Caveat.MODEL_WANTED,)}
        elif key.meant == POLICY and value not in POLICIES:
            # Neither policy can be guessed from another value.
            value = 'none'
            more = {'caveats': (Caveat.SHARED_PROVIDER,)}
        meant = request.field(key.field.source, key.meant)
        fix = _set(request, meant, value, **more)
        if key.meant in (FLAVOR_MODEL, IMAGE_MODEL) and any(
            weaker_model(value, nearest_model(name) or name) == value
            for _, name in _named_models(request)
        ):
            # The other one is in force; what nothing reads is not.
            fix = unset(request, key.field)
        yield warning(
            request,
            Code.MISSPELT_KEY,
            key.field,
            fix,
            value=key.value,
            other=meant,
        )


def _trait_without_encryption(request: EncryptionRequest) -> Problems:
    for entry in request.entries:
        if not isinstance(entry, ExtraSpecTrait) or not entry.required:
            continue
        model = model_traits().get(entry.trait)
        if model is not None:
            source = entry.field.source
            asked = {_SWITCHES[source]: 'true'}
            if model.name != DEFAULT_MODEL:
                asked[_MODELS[source]] = model.name
            change = set_flavor if source is Source.FLAVOR else set_image
            yield warning(
                request,
                Code.TRAIT_WITHOUT_ENCRYPTION,
                entry.field,
                _or_plain(
                    *(request, entry.field),
                    change(request, asked, **_TO_ENCRYPT),
                ),
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
        reads='image_encryption',
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
    Rule(
        Code.MISSPELT_KEY,
        (Severity.WARNING,),
        'an extra spec or property is one edit, or another spelling, away '
        'from one that is read and that is not set: nothing reads it',
        _misspelt_key,
        reads='misspelt',
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
        reads='entries',
    ),
)
