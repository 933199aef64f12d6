"""What would help against hosts that will not do, as fixes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sev_scheduling.diagnosis.askers import (
    OF_PROPERTIES,
    askers,
    is_demanded,
    models_without,
    name_askers,
)
from sev_scheduling.diagnosis.facts import (
    Cause,
    Constraint,
    Diagnosis,
    UnknownName,
)
from sev_scheduling.diagnosis.feasibility import HostAnswer, lacking
from sev_scheduling.diagnosis.other_models import (
    as_another_model,
    models_in_its_place,
)
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import Advice, Caveat, Fix, Source, Target
from sev_scheduling.request.groups import POLICY
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.image import host_machine_type
from sev_scheduling.rules.rule import set_flavor, set_image, unset


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
    if constraint.cause not in OF_PROPERTIES or is_demanded(
        request, constraint
    ):
        return ()
    without = models_without(request, constraint)
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


def _hosts_with(
    request: EncryptionRequest, constraints: Iterable[Constraint]
) -> tuple[Fix, ...]:
    """Return the advice to use other hosts, where properties ask for them."""
    names = tuple(
        constraint.name
        for constraint in constraints
        if constraint.cause in OF_PROPERTIES
        and not constraint.name.startswith('!')
        and not constraint.contradicted
        and askers(request, constraint)
    )
    if not names:
        return ()
    return (Fix(advice=Advice.USE_HOSTS_WITH, values=names),)


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
