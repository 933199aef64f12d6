"""The rules that a request must keep, one small function each.

What nova would silently take as "off" is an error here: a guest that its
owner believes encrypted must not boot unencrypted. A rule's docstring says
when it finds something; the documentation's table is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import os_resource_classes as orc

from sev_scheduling.models import (
    DEFAULT_MODEL,
    EncryptionModel,
    model_traits,
    registered_models,
)
from sev_scheduling.problems import Code
from sev_scheduling.request.groups import ResourceAsk, TraitAsk, Unusable
from sev_scheduling.request.request import EncryptionRequest, as_boolean
from sev_scheduling.rules import fixes
from sev_scheduling.rules import image as imagerules
from sev_scheduling.rules.findings import (
    Problems,
    asked,
    error,
    named,
    owner,
    sentence,
    warning,
)
from sev_scheduling.text import quoted

_FLAVOR_SWITCH = 'hw:mem_encryption'
_IMAGE_SWITCH = 'hw_mem_encryption'
_FLAVOR_MODEL = 'hw:mem_encryption_model'


def invalid_boolean(request: EncryptionRequest) -> Problems:
    """a mem_encryption value is no boolean (``maybe``), whether the guest
    is to be encrypted or not"""
    value = request.flavor_encryption
    if value is not None and as_boolean(value) is None:
        yield error(
            Code.INVALID_BOOLEAN,
            f'flavor:{_FLAVOR_SWITCH}',
            f'Extra spec {_FLAVOR_SWITCH} of {request.flavor_label} is '
            f'{quoted(value)}, which is neither true nor false.',
            fixes.set_flavor(request, {_FLAVOR_SWITCH: 'true'}),
        )
    value = request.image_encryption
    if value is not None and as_boolean(value) is None:
        yield error(
            Code.INVALID_BOOLEAN,
            f'image:{_IMAGE_SWITCH}',
            f'Property {_IMAGE_SWITCH} of {request.image_label} is '
            f'{quoted(value)}, which is neither true nor false.',
            fixes.set_image(request, hw_mem_encryption='true'),
        )


def encryption_conflict(request: EncryptionRequest) -> Problems:
    """flavor and image say the opposite about encryption"""
    flavor, image = request.flavor_encryption, request.image_encryption
    if flavor is None or image is None:
        return
    if as_boolean(flavor) is True and as_boolean(image) is False:
        yield error(
            Code.ENCRYPTION_CONFLICT,
            f'image:{_IMAGE_SWITCH}',
            f'{asked(request)} property {_IMAGE_SWITCH} of '
            f'{request.image_label} forbids it.',
            fixes.set_image(request, hw_mem_encryption='true'),
        )
    elif as_boolean(flavor) is False and as_boolean(image) is True:
        yield error(
            Code.ENCRYPTION_CONFLICT,
            f'flavor:{_FLAVOR_SWITCH}',
            f'{asked(request)} extra spec {_FLAVOR_SWITCH} of '
            f'{request.flavor_label} forbids it.',
            fixes.set_flavor(request, {_FLAVOR_SWITCH: 'true'}),
        )


def unknown_model(request: EncryptionRequest) -> Problems:
    """a model that nobody registered is named"""
    if not request.encrypted:
        return
    known = registered_models()
    for where, label, name in _named_models(request):
        if name not in known:
            yield error(
                Code.UNKNOWN_MODEL,
                where,
                f'{asked(request)} {label} names the model {quoted(name)}, '
                'which is not known.',
                _set_model(request, where, DEFAULT_MODEL)
                + f' (or another of {", ".join(known)})',
            )


def model_conflict(request: EncryptionRequest) -> Problems:
    """flavor and image name different models"""
    flavor, image = request.flavor_model, request.image_model
    if not request.encrypted or flavor is None or image is None:
        return
    if flavor != image:
        yield error(
            Code.MODEL_CONFLICT,
            'image:hw_mem_encryption_model',
            f'{asked(request)} {request.flavor_label} names the model '
            f'{quoted(flavor)} and {request.image_label} names '
            f'{quoted(image)}.',
            fixes.set_image(request, hw_mem_encryption_model=flavor)
            if flavor in registered_models()
            else fixes.unset_flavor(request, _FLAVOR_MODEL),
        )


def model_without_encryption(request: EncryptionRequest) -> Problems:
    """a model is named, but nobody asks for encryption"""
    for where, label, name in _named_models(request):
        yield warning(
            Code.MODEL_WITHOUT_ENCRYPTION,
            where,
            f'The model {quoted(name)} is named by {label}, but nobody asks '
            'for memory encryption, so the guest is not encrypted.',
            fixes.set_flavor(request, {_FLAVOR_SWITCH: 'true'})
            if where.startswith('flavor')
            else fixes.set_image(request, hw_mem_encryption='true'),
        )


def _set_model(request: EncryptionRequest, where: str, model: str) -> str:
    if where.startswith('flavor'):
        return fixes.set_flavor(request, {_FLAVOR_MODEL: model})
    return fixes.set_image(request, hw_mem_encryption_model=model)


def _named_models(
    request: EncryptionRequest,
) -> Iterator[tuple[str, str, str]]:
    if request.flavor_model:
        yield (
            f'flavor:{_FLAVOR_MODEL}',
            request.flavor_label,
            request.flavor_model,
        )
    if request.image_model:
        yield (
            'image:hw_mem_encryption_model',
            request.image_label,
            request.image_model,
        )


def trait_conflict(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    """flavor (any group) or image forbid the model's trait, or require
    another model's"""
    others = model_traits()
    for ask in request.asks:
        if not isinstance(ask, TraitAsk):
            continue
        if ask.required:
            contradicts = ask.trait != model.trait and ask.trait in others
        else:
            contradicts = ask.trait == model.trait
        if contradicts:
            verb = 'requires' if ask.required else 'forbids'
            yield error(
                Code.TRAIT_CONFLICT,
                ask.where,
                f'{asked(request)} {owner(request, ask.where)} {verb} trait '
                f'{ask.trait}, which contradicts {model}.',
                fixes.unset(request, ask.where),
            )


def trait_without_encryption(request: EncryptionRequest) -> Problems:
    """a model's trait is required, but encryption is not asked for: the
    guest would land on such a host unencrypted"""
    for ask in request.asks:
        if not isinstance(ask, TraitAsk) or not ask.required:
            continue
        model = model_traits().get(ask.trait)
        if model is not None:
            extra_specs = {_FLAVOR_SWITCH: 'true'}
            if model.name != DEFAULT_MODEL:
                extra_specs[_FLAVOR_MODEL] = model.name
            yield warning(
                Code.TRAIT_WITHOUT_ENCRYPTION,
                ask.where,
                f'{sentence(owner(request, ask.where))} requires trait '
                f'{ask.trait}, but nobody asks for memory encryption, so '
                'the guest runs on such a host unencrypted.',
                fixes.set_flavor(request, extra_specs),
            )


def explicit_slot(request: EncryptionRequest) -> Problems:
    """``resources…:MEM_ENCRYPTION_CONTEXT`` in the flavor beside
    ``hw:mem_encryption`` would be counted twice; alone it holds a slot
    without encrypting (a warning)"""
    for ask in request.asks:
        if not (
            isinstance(ask, ResourceAsk)
            and ask.resource_class == orc.MEM_ENCRYPTION_CONTEXT
            and ask.amount
        ):
            continue
        if request.encrypted:
            yield error(
                Code.EXPLICIT_SLOT,
                ask.where,
                f'{asked(request)} {request.flavor_label} asks for a slot '
                f'by {ask.where.removeprefix("flavor:")} as well, which '
                'counts it twice.',
                fixes.unset(request, ask.where),
            )
        else:
            yield warning(
                Code.EXPLICIT_SLOT,
                ask.where,
                f'{sentence(request.flavor_label)} holds a slot by '
                f'{ask.where.removeprefix("flavor:")}, but nobody asks for '
                'memory encryption, so the guest is not encrypted.',
                f'{fixes.unset(request, ask.where)} and '
                f'{fixes.set_flavor(request, {_FLAVOR_SWITCH: "true"})}',
            )


def invalid_resource_request(request: EncryptionRequest) -> Problems:
    """a ``resources…:`` or ``trait…:`` entry, or a group of them, that
    Placement would refuse (an error) or nova would ignore (a warning)"""
    for ask in request.asks:
        if isinstance(ask, Unusable):
            report = warning if ask.ignored else error
            yield report(
                Code.INVALID_RESOURCE_REQUEST,
                ask.where,
                f'{named(request, ask.where)} {ask.what}.',
                f'{ask.remedy}, or remove it: '
                f'{fixes.unset(request, ask.where)}',
            )
    for group in request.groups:
        where = f'flavor:trait{group.suffix}'
        if not group.resources:
            yield error(
                Code.INVALID_RESOURCE_REQUEST,
                where,
                f'{sentence(request.flavor_label)} has traits, but no '
                f'resources, in request group {quoted(group.suffix)}.',
                f'Add a resources{group.suffix}: extra spec, or remove the '
                f'trait{group.suffix}: ones.',
            )
        for trait in sorted(group.forbidden):
            if frozenset((trait,)) in group.required:
                yield error(
                    Code.INVALID_RESOURCE_REQUEST,
                    f'{where}:{trait}',
                    f'Trait {trait} is both required and forbidden by '
                    f'{request.flavor_label} and {request.image_label}.',
                    f'Remove one of the two from {request.flavor_label} or '
                    f'{request.image_label}.',
                )
    if not request.groups and not request.encrypted:
        yield error(
            Code.INVALID_RESOURCE_REQUEST,
            'flavor:resources',
            f'{sentence(request.flavor_label)} asks for no resources at all.',
            'Give it vcpus, ram or disk, or a resources: extra spec.',
        )


#: Rules for every request, encrypted or not.
REQUEST_RULES = (
    invalid_boolean,
    encryption_conflict,
    unknown_model,
    model_conflict,
    explicit_slot,
    invalid_resource_request,
)

#: Rules for a guest that is not to be encrypted.
PLAIN_RULES = (model_without_encryption, trait_without_encryption)

#: Rules for a guest that is to be encrypted, for one model.
MODEL_RULES = (*imagerules.MODEL_RULES, trait_conflict)
