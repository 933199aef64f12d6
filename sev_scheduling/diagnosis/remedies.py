"""What would help against hosts that will not do, as fixes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sev_scheduling.diagnosis.facts import (
    Cause,
    Constraint,
    Diagnosis,
    UnknownName,
)
from sev_scheduling.diagnosis.feasibility import HostAnswer, lacking
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.models import (
    EncryptionModel,
    excluding_models,
    find_model,
    weaker_model,
)
from sev_scheduling.problems import (
    Advice,
    Caveat,
    Field,
    Fix,
    Source,
    Target,
    merge,
)
from sev_scheduling.request.groups import (
    POLICY,
    ExtraSpecResource,
    ExtraSpecTrait,
    InvalidExtraSpec,
)
from sev_scheduling.request.parsing import combine
from sev_scheduling.request.request import IMAGE_MODEL, EncryptionRequest
from sev_scheduling.rules.changes import changed
from sev_scheduling.rules.image import host_machine_type
from sev_scheduling.rules.rule import set_flavor, set_image, set_model, unset
from sev_scheduling.rules.validation import Validation, validate

#: Extra specs and properties, with their values.
Askers = tuple[tuple[Field, str], ...]

#: Kinds of constraint that extra specs and properties make.
_OF_PROPERTIES = frozenset(
    {Cause.TRAIT, Cause.HOST_TRAIT, Cause.RESOURCES_SHORT}
)


@dataclass(frozen=True, slots=True)
class Remedies:
    """What would help.

    :ivar changes: of flavor and image, all of them together
    :ivar of_hosts: what operators can do in their place
    :ivar partial: changes that leave the rest unsolved
    :ivar rest: what they leave
    """

    changes: tuple[Fix, ...] = ()
    of_hosts: tuple[Fix, ...] = ()
    partial: tuple[Fix, ...] = ()
    rest: tuple[Constraint, ...] = ()


_NONE = Remedies()

#: What a change asks for may ask for more in turn.
_MOST_ROUNDS = 3


def of_verdicts(
    verdicts: Sequence[Verdict], runnable: Collection[str] | None = None
) -> Remedies:
    """Return what helps against hosts that are rejected for one reason.

    :param runnable: models as which some host could run the request; where
        it is not known, what these hosts say of themselves decides
    """
    first = verdicts[0]
    request, model = first.request, first.model
    if first.code is VerdictCode.MACHINE_TYPE_NOT_Q35 and model:
        return _machine_type(request, model)
    if first.code is VerdictCode.MEMORY_OVERCOMMITTED:
        name = first.host.name if len(verdicts) == 1 else None
        ratio = {'ram_allocation_ratio': '1.0'}
        fix = Fix(target=Target.HOST, name=name, set=ratio)
        return Remedies(of_hosts=(fix,))
    names = models_in_its_place(verdicts)
    if not names:
        return _NONE
    return _another_model(
        request,
        names,
        runnable,
        [verdict.host for verdict in verdicts if not verdict.host.disabled],
    )


def of_diagnosis(diagnosis: Diagnosis) -> Remedies:
    """Return what helps against the cause of a diagnosis."""
    request, cause = diagnosis.request, diagnosis.cause
    if cause is Cause.NO_MODEL:
        return _another_model(request, diagnosis.offered, diagnosis.runnable)
    if cause is Cause.UNKNOWN_NAME:
        return Remedies(
            tuple(
                fix
                for one in diagnosis.unknown
                for fix in _correcting(request, one)
            )
        )
    if cause is Cause.MACHINE_TYPE and request.model:
        return _machine_type(request, request.model)
    found = [_relaxing(request, c) for c in diagnosis.constraints]
    hosts = _hosts_with(request, diagnosis.constraints)
    if cause is Cause.COMBINATION:
        # Any one will do.
        return Remedies(_either([fix for one in found for fix in one[:1]]))
    changes = tuple(dict.fromkeys(fix for one in found for fix in one))
    if all(found):
        return Remedies(changes, hosts)
    if any(is_demanded(request, c) for c in diagnosis.constraints):
        return Remedies(of_hosts=hosts)
    rest = zip(diagnosis.constraints, found, strict=True)
    return Remedies(
        of_hosts=hosts,
        partial=changes,
        rest=tuple(constraint for constraint, fixes in rest if not fixes),
    )


def of_tenants(diagnosis: Diagnosis) -> Diagnosis:
    """Return the same without what a tenant cannot relax.

    Of a combination alone, and where anything is left.
    """
    left = relaxable(diagnosis)
    if diagnosis.cause is not Cause.COMBINATION or not left:
        return diagnosis
    cause = left[0].cause if len(left) == 1 else Cause.COMBINATION
    return replace(diagnosis, cause=cause, constraints=left)


def relaxable(diagnosis: Diagnosis) -> tuple[Constraint, ...]:
    """Return the constraints that a tenant can do without."""
    request = diagnosis.request
    return tuple(
        c
        for c in diagnosis.constraints
        if not is_demanded(request, c)
        and c.cause is not Cause.AGGREGATE
        and (c.cause is not Cause.HOST_TRAIT or c.asker or askers(request, c))
    )


def of_one_host(
    diagnosis: Diagnosis, answer: HostAnswer, *, known: bool
) -> Diagnosis:
    """Return a diagnosis with the figures of one of its hosts.

    :param known: what its hosts are short of is known: the one that has
        enough of it does not give so much at once
    """
    verdict = answer.verdict
    if verdict.code is VerdictCode.NO_FREE_SLOT:
        used, total = verdict.used, verdict.capacity
        diagnosis = replace(diagnosis, slots_used=used, slots_total=total)
    if not known:
        return diagnosis
    short = lacking((answer,)).shortfalls if answer.unmet else ()
    return replace(diagnosis, shortfalls=short)


def is_changeable(answer: HostAnswer) -> bool:
    """Whether commands for flavor and image alone make a host take it."""
    if answer.lacks_more:
        return False
    if {*answer.verdict.faults} - {VerdictCode.MACHINE_TYPE_NOT_Q35}:
        return False
    if not answer.unmet:
        return not answer.verdict.fits
    return bool(of_diagnosis(lacking((answer,))).changes)


def _either(ways: Sequence[Fix]) -> tuple[Fix, ...]:
    if not ways:
        return ()
    return (replace(ways[0], alternatives=tuple(ways[1:])),)


def _relaxing(
    request: EncryptionRequest, constraint: Constraint
) -> tuple[Fix, ...]:
    """Return what takes a constraint away; () where the model needs it."""
    if constraint.cause is Cause.GROUP_POLICY:
        shared = (Caveat.SHARED_PROVIDER,)
        return (set_flavor(request, {POLICY: 'none'}, caveats=shared),)
    if constraint.cause not in _OF_PROPERTIES or is_demanded(
        request, constraint
    ):
        return ()
    without = _models_without(request, constraint)
    if len(without) < len(request.models):
        # The others are left out then.
        wanted = {
            'values': (without[0].name,),
            'caveats': (Caveat.MODEL_WANTED,),
        }
    else:
        wanted = {'caveats': (Caveat.NOT_NEEDED,)}
    return tuple(
        unset(request, field, **wanted)
        for field, _ in askers(request, constraint)
    )


def _correcting(
    request: EncryptionRequest, unknown: UnknownName
) -> Iterator[Fix]:
    """Yield what takes a name back that Placement does not know.

    Both the name that is meant and the removal of the other, where one is
    known that is like it.
    """
    if is_demanded(request, unknown.constraint):
        return
    for field, value in name_askers(request, unknown):
        key = field.key.removesuffix(unknown.name) + unknown.near
        if (
            not unknown.near
            or request.server is not None
            or not field.key.endswith(f':{unknown.name}')
        ):
            yield unset(request, field, caveats=(Caveat.NOT_NEEDED,))
            continue
        change = set_flavor if field.source is Source.FLAVOR else set_image
        meant = {'values': (unknown.near,), 'caveats': (Caveat.NAME_MEANT,)}
        yield change(request, {key: value}, **meant)
        yield unset(request, field, **meant)


def name_askers(request: EncryptionRequest, unknown: UnknownName) -> Askers:
    """Return what of flavor and image asks for an unknown name."""
    constraint = unknown.constraint
    if constraint.cause is not Cause.GROUP:
        return askers(request, constraint)
    return tuple(
        (entry.field, _value(entry))
        for entry in request.entries
        if not isinstance(entry, InvalidExtraSpec)
        and entry.suffix == constraint.name
        and entry.field.key.endswith(f':{unknown.name}')
    )


def _value(entry: ExtraSpecTrait | ExtraSpecResource) -> str:
    if isinstance(entry, ExtraSpecResource):
        return str(entry.amount)
    return 'required' if entry.required else 'forbidden'


def _hosts_with(
    request: EncryptionRequest, constraints: Iterable[Constraint]
) -> tuple[Fix, ...]:
    """Return the advice to use other hosts, where properties ask for them."""
    names = tuple(
        constraint.name
        for constraint in constraints
        if constraint.cause in _OF_PROPERTIES
        and not constraint.name.startswith('!')
        and not constraint.contradicted
        and askers(request, constraint)
    )
    if not names:
        return ()
    return (Fix(advice=Advice.USE_HOSTS_WITH, values=names),)


def askers(request: EncryptionRequest, constraint: Constraint) -> Askers:
    """Return the extra specs and properties that make a constraint."""
    if constraint.cause is Cause.GROUP:
        return tuple(
            (entry.field, '')
            for entry in request.entries
            if not isinstance(entry, InvalidExtraSpec)
            and entry.suffix == constraint.name
        )
    if constraint.cause not in _OF_PROPERTIES or constraint.asker:
        return ()
    name = constraint.name.removeprefix('!')
    other = 'forbidden' if name == constraint.name else 'required'
    # A trait that is required and forbidden has askers of both.
    return tuple(
        (field, value)
        for field, value in request.asked_by.get(name, ())
        if value != other
    )


def is_demanded(request: EncryptionRequest, constraint: Constraint) -> bool:
    """Whether every model that will do needs what makes a constraint."""
    return bool(request.models) and not _models_without(request, constraint)


def _models_without(
    request: EncryptionRequest, constraint: Constraint
) -> tuple[EncryptionModel, ...]:
    """Return the models that do not need what makes a constraint."""
    asking = askers(request, constraint)
    return tuple(
        model
        for model in request.models
        if not any(model.demands(field.key, value) for field, value in asking)
    )


def offered_models(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the models of which hosts without the one wanted have slots."""
    return tuple(
        dict.fromkeys(
            name
            for verdict in verdicts
            if verdict.request.model and not verdict.host.disabled
            for name, pool in verdict.host.pools.items()
            if pool.free > 0 and not _is_excluded(name, verdict.host)
        )
    )


def _is_excluded(name: str, host: Host) -> bool:
    model = find_model(name)
    offered = (other for other, pool in host.pools.items() if pool.total > 0)
    return model is not None and bool(excluding_models(model, offered))


def models_in_its_place(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the models that hosts offer in place of the one wanted."""
    excluding = dict.fromkeys(
        verdict.excluded_by
        for verdict in verdicts
        if verdict.code is VerdictCode.EXCLUDED_BY_MODEL
    )
    offered = offered_models(
        [v for v in verdicts if v.code is VerdictCode.NO_POOL]
    )
    return tuple(dict.fromkeys((*offered, *excluding)))


def protects_less(request: EncryptionRequest, name: str) -> bool:
    """Whether a model protects less than the one that is asked for."""
    return any(
        weaker_model(model.name, name) == name for model in request.models
    )


@dataclass(frozen=True, slots=True)
class AsAnotherModel:
    """A request as another model, and all that has to be changed for it.

    :ivar fixes: one for each target, and what errors and new warnings ask
        for among it
    :ivar validation: of the request once that is done; without errors
    """

    fixes: tuple[Fix, ...]
    validation: Validation


def as_another_model(
    request: EncryptionRequest, name: str
) -> AsAnotherModel | None:
    """Return a request as a model that protects as much as its own.

    :returns: None where no command does all that this takes
    """
    if find_model(name) is None or protects_less(request, name):
        return None
    fixes = []
    if not _is_callers(request, name):
        fixes.append(set_model(request, name))
        if request.image_model and request.flavor_model:
            fixes.append(set_image(request, {IMAGE_MODEL: name}))
    known = {problem.code for problem in validate(request)}
    for _ in range(_MOST_ROUNDS):
        if not all(fix.command() for fix in fixes):
            return None
        merged = tuple(merge(fixes))
        validation = validate(_changed(request, merged, name))
        # A warning without a command keeps nobody from it.
        more = [
            problem.fix
            for problem in validation
            if problem.is_error
            or (problem.code not in known and problem.fix.command())
        ]
        if not validation.errors and all(fix in fixes for fix in more):
            return AsAnotherModel(merged, validation)
        fixes += more
    return None


def _is_callers(request: EncryptionRequest, name: str) -> bool:
    """Whether the caller takes a model without anybody naming it."""
    named = request.flavor_model or request.image_model
    return not named and name in request.caller_models


def _changed(
    request: EncryptionRequest, fixes: Collection[Fix], name: str
) -> EncryptionRequest:
    flavor, image = request.views
    return combine(
        changed(flavor, [f for f in fixes if f.target is Target.FLAVOR]),
        changed(image, [f for f in fixes if f.target is not Target.FLAVOR]),
        boot_from_volume=request.boot_from_volume,
        host_devices=[
            device
            for field, device in request.host_devices
            if field.source is Source.REQUEST
        ],
        models=[name] if _is_callers(request, name) else (),
    )


def _another_model(
    request: EncryptionRequest,
    names: Iterable[str],
    runnable: Collection[str] | None,
    hosts: Sequence[Host] = (),
) -> Remedies:
    """Return the ways to ask for another model that protects as much.

    :param runnable: models as which some host could run the request
    :param hosts: hosts that say so where that is not known; where there are
        none of these either, each model will do
    """
    if request.server is not None:
        return _NONE
    found = [
        other.fixes
        for name in names
        if (runnable is None or name in runnable)
        and (other := as_another_model(request, name))
        and (
            runnable is not None
            or not hosts
            or any(judge(other.validation, host).fits for host in hosts)
        )
    ]
    if not found:
        return _NONE
    # The first that takes the least; what takes two commands is no
    # alternative to one.
    best = min(found, key=len)
    if len(best) > 1:
        return Remedies(best)
    return Remedies(_either([ways[0] for ways in found if len(ways) == 1]))


def _machine_type(
    request: EncryptionRequest, model: EncryptionModel
) -> Remedies:
    change = set_image(
        request,
        {'hw_machine_type': model.machine_type},
        caveats=(Caveat.RUNS_ON_Q35,),
    )
    return Remedies((change,), (host_machine_type(model),))
