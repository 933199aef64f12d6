"""Rules about explicit traits and resources, and devices of the host."""

from __future__ import annotations

from dataclasses import replace

import os_resource_classes as orc

from sev_scheduling.models import (
    EncryptionModel,
    model_traits,
    weaker_model,
)
from sev_scheduling.problems import (
    Advice,
    Case,
    Caveat,
    Code,
    Fix,
    Problem,
    Severity,
    Source,
)
from sev_scheduling.request.groups import (
    POLICY,
    ExtraSpecResource,
    ExtraSpecTrait,
    InvalidExtraSpec,
    in_capitals,
)
from sev_scheduling.request.request import (
    FLAVOR_SWITCH,
    EncryptionRequest,
)
from sev_scheduling.rules.rule import (
    Problems,
    Rule,
    error,
    for_model,
    problem,
    set_flavor,
    set_image,
    set_model,
    unset,
    warning,
)
from sev_scheduling.text import MAX_AMOUNT

_INVALID = Code.INVALID_RESOURCE_REQUEST

#: What an entry that Placement does not know should have been.
_CORRECTIONS = {
    Case.NOT_A_STATE: (Advice.CORRECT_STATE, ('required', 'forbidden')),
    Case.UNKNOWN_TRAIT: (Advice.CORRECT_TRAIT, ()),
    Case.UNKNOWN_CLASS: (Advice.CORRECT_NAME, ()),
    Case.NOT_AN_AMOUNT: (Advice.CORRECT_AMOUNT, ('0', str(MAX_AMOUNT))),
    Case.NOT_IN_CAPITALS: (Advice.USE_CAPITALS, ()),
}


def _explicit_slot(request: EncryptionRequest) -> Problems:
    for entry in request.entries:
        if not (
            isinstance(entry, ExtraSpecResource)
            and entry.resource_class == orc.MEM_ENCRYPTION_CONTEXT
            and entry.amount
        ):
            continue
        if request.encrypted:
            fix = unset(request, entry.field)
            yield error(request, Code.EXPLICIT_SLOT, entry.field, fix)
        else:
            # An amount of 0 asks for none; nova asks for the guest's slot.
            encrypt = set_flavor(
                *(request, {FLAVOR_SWITCH: 'true', entry.field.key: '0'}),
                caveats=(Caveat.ENCRYPTED,),
            )
            yield warning(
                request,
                Code.EXPLICIT_SLOT,
                entry.field,
                unset(
                    *(request, entry.field),
                    caveats=(Caveat.UNENCRYPTED,),
                    alternatives=(encrypt,),
                ),
                case=Case.UNENCRYPTED,
            )


def _invalid_resource_request(request: EncryptionRequest) -> Problems:
    for entry in request.entries:
        if isinstance(entry, InvalidExtraSpec) and entry.case in _CORRECTIONS:
            advice, values = _CORRECTIONS[entry.case]
            if entry.case is Case.NOT_IN_CAPITALS:
                values = (in_capitals(entry.value),)
                if renamed := _renaming(request, entry, values[0]):
                    yield from renamed
                    continue
            correct = Fix(advice=advice, values=values)
            # What nova ignores does nothing today either.
            caveats = () if entry.ignored else (Caveat.NOT_NEEDED,)
            yield problem(
                request,
                _INVALID,
                Severity.WARNING if entry.ignored else Severity.ERROR,
                entry.field,
                unset(
                    *(request, entry.field),
                    caveats=caveats,
                    alternatives=(correct,),
                ),
                case=entry.case,
                value=entry.value,
            )
    if request.entries or len(request.groups) > 1:
        yield from _group_policy(request)
    for group in request.groups:
        if not group.resources:
            yield error(
                request,
                _INVALID,
                request.field(Source.FLAVOR, f'trait{group.suffix}'),
                Fix(advice=Advice.ADD_RESOURCES, values=(group.suffix,)),
                case=Case.NO_RESOURCES_IN_GROUP,
                value=group.suffix,
            )
        for trait in sorted(group.forbidden):
            if frozenset((trait,)) in group.required:
                # Of one key of the flavor: the image has no such groups.
                yield from _contradictions(request, trait)
    if not request.groups and not request.encrypted:
        yield error(
            request,
            _INVALID,
            request.field(Source.FLAVOR, 'resources'),
            Fix(advice=Advice.GIVE_RESOURCES),
            case=Case.NO_RESOURCES,
        )


def _renaming(
    request: EncryptionRequest, entry: InvalidExtraSpec, name: str
) -> tuple[Problem, ...]:
    """Return that a name is not in capitals, and how to rename its key.

    :returns: () where the key in capitals asks for nothing new, for what
        another entry contradicts, or for what nova passes over today
    """
    field = entry.field
    key = field.key.removesuffix(entry.value) + name
    if (
        entry.ignored
        or request.server is not None
        or name in model_traits()
        or any(one.field.key == key for one in request.entries)
    ):
        return ()
    meant = {'values': (name,), 'caveats': (Caveat.NAME_MEANT,)}
    change = set_flavor if field.source is Source.FLAVOR else set_image
    return (
        error(
            request,
            _INVALID,
            field,
            unset(request, field, **meant),
            case=entry.case,
            value=entry.value,
        ),
        warning(
            request,
            _INVALID,
            field,
            change(request, {key: entry.written}, **meant),
            case=Case.CAPITALS_MEANT,
            value=name,
        ),
    )


def _contradictions(request: EncryptionRequest, trait: str) -> Problems:
    """Yield each pair of fields that forbid and require a trait.

    With both ways out; what a model demands is not to be removed.
    """
    fields = {
        entry.field: entry.required
        for entry in request.entries
        if isinstance(entry, ExtraSpecTrait)
        and (entry.suffix, entry.trait) == ('', trait)
    }
    asking = request.asked_by[trait]
    by_feature = request.feature_traits.get(trait)
    if by_feature is not None:
        for field, _ in asking:
            fields.setdefault(field, by_feature)
    demanded = {
        field
        for field, value in asking
        if request.models
        and all(model.demands(field.key, value) for model in request.models)
    }
    for forbids in (one for one, needed in fields.items() if not needed):
        for requires in (one for one, needed in fields.items() if needed):
            without = unset(
                *(request, requires),
                values=(trait,),
                caveats=(Caveat.HOSTS_WITHOUT_TRAIT,),
            )
            fix = unset(
                *(request, forbids),
                values=(trait,),
                caveats=(Caveat.HOSTS_WITH_TRAIT,),
                alternatives=() if requires in demanded else (without,),
            )
            case, field, other = (
                (Case.REQUIRED_AND_FORBIDDEN, requires, forbids)
                # What takes both to be seen is the flavor's.
                if forbids.source is not Source.FLAVOR
                and requires.source is Source.FLAVOR
                else (Case.FORBIDDEN_AND_REQUIRED, forbids, requires)
            )
            yield error(
                request,
                _INVALID,
                field,
                fix,
                case=case,
                value=trait,
                other=other,
            )


def _group_policy(request: EncryptionRequest) -> Problems:
    """Two groups of a flavor need a policy, which nova does not make up.

    It does where ports or devices bring all groups but one. A policy that
    is no policy is passed over with a warning in its log (nova 34,
    ``scheduler/utils.py``).
    """
    written = next(
        (
            entry
            for entry in request.entries
            if isinstance(entry, InvalidExtraSpec)
            and entry.case is Case.NOT_A_POLICY
        ),
        None,
    )
    if not request.lacks_group_policy and not written:
        return
    if any(key.meant == POLICY for key in request.misspelt):
        return
    isolate = set_flavor(
        request, {POLICY: 'isolate'}, caveats=(Caveat.OWN_PROVIDERS,)
    )
    yield warning(
        request,
        _INVALID,
        request.field(Source.FLAVOR, POLICY),
        set_flavor(
            *(request, {POLICY: 'none'}),
            caveats=(Caveat.SHARED_PROVIDER,),
            alternatives=(isolate,),
        ),
        case=Case.NOT_A_POLICY if written else Case.NO_POLICY,
        value=written.value if written else '',
    )


def _trait_conflict(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    others = model_traits()
    for entry in request.entries:
        if not isinstance(entry, ExtraSpecTrait):
            continue
        if entry.required:
            conflict = entry.trait != model.trait and entry.trait in others
        else:
            conflict = entry.trait == model.trait
        if conflict:
            yield error(
                request,
                Code.TRAIT_CONFLICT,
                entry.field,
                _trait_fix(request, model, entry),
                case=Case.ONLY if entry.required else Case.FORBIDDEN,
                value=entry.trait,
                model=model.name,
            )


def _trait_fix(
    request: EncryptionRequest, model: EncryptionModel, entry: ExtraSpecTrait
) -> Fix:
    """Return the fix of a trait that contradicts the model.

    Where another model's is required: both ways, the stronger model first.
    """
    if not entry.required:
        without = unset(request, entry.field, caveats=(Caveat.NOT_NEEDED,))
        return for_model(request, model, without)
    wanted = model_traits()[entry.trait].name
    without = unset(
        *(request, entry.field),
        values=(model.name,),
        caveats=(Caveat.MODEL_WANTED,),
    )
    other = set_model(request, wanted)
    if weaker_model(model.name, wanted) == model.name:
        return replace(other, alternatives=(without,))
    return replace(without, alternatives=(other,))


def _host_device(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    for field, device in request.host_devices:
        yield error(
            request,
            Code.HOST_DEVICE,
            field,
            Fix(advice=Advice.LEAVE_DEVICE_OUT)
            if field.source is Source.REQUEST
            else unset(request, field, caveats=(Caveat.NOT_NEEDED,)),
            value=device,
            model=model.name,
        )


#: For every request, encrypted or not.
REQUEST_RULES = (
    Rule(
        Code.EXPLICIT_SLOT,
        (Severity.ERROR, Severity.WARNING),
        '``resources…:MEM_ENCRYPTION_CONTEXT`` in the flavor beside '
        '``hw:mem_encryption`` would be counted twice; alone it holds a slot '
        'without encrypting (a warning)',
        _explicit_slot,
        reads='entries',
    ),
    Rule(
        Code.INVALID_RESOURCE_REQUEST,
        (Severity.ERROR, Severity.WARNING),
        'a ``resources…:`` or ``trait…:`` entry, or a group of them, that '
        'Placement would refuse (an error) or nova would ignore (a warning); '
        'two groups without a ``group_policy``, which nova sends as they are '
        'and Placement refuses (a warning)',
        _invalid_resource_request,
    ),
)

#: For a guest that is to be encrypted, for one model.
MODEL_RULES = (
    Rule(
        Code.HOST_DEVICE,
        (Severity.ERROR,),
        'a PCI alias, a vGPU or mdev resource, an accelerator profile, or a '
        "device from elsewhere (a port's); an option makes it a warning",
        _host_device,
        reads='host_devices',
    ),
    Rule(
        Code.TRAIT_CONFLICT,
        (Severity.ERROR,),
        "flavor (any group) or image forbid the model's trait, or require "
        "another model's",
        _trait_conflict,
        reads='entries',
    ),
)
