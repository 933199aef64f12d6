"""Why not: the reasons of an answer, and which of them a tenant reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sev_scheduling.diagnosis import (
    Cause,
    Diagnosis,
    Feasibility,
    HostAnswer,
)
from sev_scheduling.diagnosis.remedies import is_changeable
from sev_scheduling.explain.reason.grouping import (
    beside,
    diagnosis_reason,
    grouped,
)
from sev_scheduling.explain.reason.hosts import RowReason
from sev_scheduling.hosts.verdict import FilterResult, VerdictCode

#: Of hosts that are rejected so, a tenant is told only where there are no
#: others.
_OF_OPERATORS = frozenset({VerdictCode.NO_POOL, VerdictCode.HOST_DISABLED})

_MACHINE_TYPE = frozenset({VerdictCode.MACHINE_TYPE_NOT_Q35})

#: What a tenant can change, or wait for, beside a cause that is confirmed.
_OF_TENANTS = frozenset(
    {VerdictCode.MACHINE_TYPE_NOT_Q35, VerdictCode.NO_FREE_SLOT}
)


def host_reasons(
    answers: Iterable[HostAnswer],
    told: Collection[HostAnswer],
    *,
    fit: bool = False,
) -> tuple[RowReason, ...]:
    """Group hosts by why they will not do, the largest group first.

    :param answers: of hosts that are rejected, or that fit and are not
        offered
    :param told: of the hosts that a tenant reads of
    :param fit: there are hosts that fit, so that no other model is proposed
    """
    known = frozenset(map(id, told))
    reasons = []
    for reason in grouped(answers, of_some=fit):
        of_tenants = [a for a in reason.answers if id(a) in known]
        nearest = min(of_tenants, key=lambda a: len(a.faults), default=None)
        reasons.append(
            replace(
                reason,
                for_tenant=bool(of_tenants),
                beside=None if nearest is None else beside(nearest),
            )
        )
    return tuple(reasons)


def rejected(result: FilterResult) -> tuple[HostAnswer, ...]:
    """Return what is against the hosts that are rejected."""
    return tuple(map(HostAnswer, result.rejected))


def answers_for_tenants(
    answers: Sequence[HostAnswer],
) -> tuple[HostAnswer, ...]:
    """Return the answers that help a tenant, where no host fits.

    Not those of hosts that have all against them that another has, and more;
    nor those that only operators can help, where others need none of them.
    """
    codes = {answer.verdict.code for answer in answers}
    left_out = _OF_OPERATORS
    if codes <= _OF_OPERATORS:
        left_out = _OF_OPERATORS & (
            {VerdictCode.NO_POOL} if len(codes) > 1 else set()
        )
    told = [a for a in answers if a.verdict.code not in left_out]
    without = [a for a in told if a.faults <= _OF_TENANTS]
    return _nearest(without or told)


def _nearest(answers: Sequence[HostAnswer]) -> tuple[HostAnswer, ...]:
    sets = {answer.faults for answer in answers}
    least = {one for one in sets if not any(other < one for other in sets)}
    return tuple(answer for answer in answers if answer.faults in least)


def asked_for(found: Feasibility) -> str | None:
    """Return the name of the one host that was asked for.

    :returns: '' where it is not known; None where several will do
    """
    if not found.scope.in_tree:
        return None
    return next((v.host.name for v in found.result.verdicts), '')


def feasibility_reasons(found: Feasibility) -> tuple[RowReason, ...]:
    """Return why not: what keeps all of several off ever, then one of them.

    Beside the former a tenant is told what to change, and not to wait.
    """
    reasons = _of_one_guest(found)
    if found.never_all is None:
        return reasons
    others = (
        replace(reason, for_tenant=reason.for_tenant and bool(reason.changes))
        for reason in reasons
    )
    return (diagnosis_reason(found.never_all), *others)


def _of_one_guest(found: Feasibility) -> tuple[RowReason, ...]:
    """Return why not, every host counted once; a confirmed cause leads.

    A tenant is not told what it outweighs: what could be changed, or waited
    for, on hosts that lack something else as well.
    """
    diagnosis = found.diagnosis
    confirmed = diagnosis is not None and diagnosis.confirmed
    answers = found.answers
    counted = {id(verdict) for verdict in found.but_for}
    left = [a for a in answers if id(a.verdict) not in counted]
    told_by_hosts = found.is_told_by_hosts
    roots = diagnosis.roots_but_for if diagnosis else frozenset()
    # To change flavor and image is all that it takes.
    ready = [
        answer
        for answer in left
        if (found.suitable, found.guests_if_empty) != (None, None)
        and is_changeable(answer)
        # A combination is told as a whole.
        and not (told_by_hosts and answer.verdict.host.uuid in roots)
    ]
    told: Sequence[HostAnswer] = ()
    unknown = diagnosis is not None and bool(diagnosis.unknown)
    if unknown:
        # Nothing else helps before.
        ready = []
    too_many = found.too_many
    helps = too_many is None or not any(
        limit.shared_by for limit in too_many.limits
    )
    if unknown:
        pass
    elif too_many is not None:
        told = _nearest(ready) if helps else ()
    elif found.fit:
        pass
    elif not confirmed:
        told = _for_tenant(found, answers)
    elif ready:
        told = _nearest(ready)
    else:
        told = [a for a in _nearest(left) if _helps(found, a)]
    asked = asked_for(found)
    others = tuple(
        replace(reason, asked_for=asked, scoped=bool(found.scope), helps=helps)
        for reason in host_reasons(left, told, fit=bool(found.fit))
    )
    if too_many is not None:
        reason = diagnosis_reason(too_many)
        return _in_order(reason, others, leads=not too_many.permanent)
    if diagnosis is None or diagnosis.cause is Cause.NONE:
        return others
    of_diagnosis = tuple(a for a in answers if id(a.verdict) in counted)
    reason = diagnosis_reason(_with_slots(diagnosis, of_diagnosis))
    reason = replace(
        reason,
        hosts=len(counted),
        asked_for=asked,
        scoped=bool(found.scope),
        for_tenant=not (confirmed and ready) or bool(reason.changes),
        for_operator=not told_by_hosts,
        beside_others=bool(counted),
        answers=of_diagnosis,
    )
    if told_by_hosts:
        if diagnosis.cause is not Cause.COMBINATION:
            disabled = VerdictCode.HOST_DISABLED
            others = tuple(
                sorted(others, key=lambda one: one.code != disabled)
            )
        return (*others, reason)
    if not confirmed:
        return (*others, reason)
    return _in_order(reason, others, leads=reason.for_tenant)


def _with_slots(
    diagnosis: Diagnosis, answers: Sequence[HostAnswer]
) -> Diagnosis:
    """Return a diagnosis with the slots of the hosts that it is told of."""
    full = [
        answer.verdict
        for answer in answers
        if answer.verdict.code is VerdictCode.NO_FREE_SLOT
    ]
    if diagnosis.cause is Cause.SLOTS_USED or not full:
        return diagnosis
    return replace(
        diagnosis,
        slots_used=sum(verdict.used for verdict in full),
        slots_total=sum(verdict.capacity for verdict in full),
    )


def _in_order(
    reason: RowReason, others: Iterable[RowReason], *, leads: bool
) -> tuple[RowReason, ...]:
    """Return a diagnosis' reason and those of hosts.

    :param leads: unless it does, what tenants can change comes before it
    """
    others = sorted(others, key=lambda one: leads or not one.for_tenant)
    before = 0 if leads else sum(one.for_tenant for one in others)
    return (*others[:before], reason, *others[before:])


def _for_tenant(
    found: Feasibility, answers: Sequence[HostAnswer]
) -> tuple[HostAnswer, ...]:
    """Return what a tenant reads of hosts, beside no confirmed cause."""
    diagnosis = found.diagnosis
    if diagnosis is not None and diagnosis.cause is not Cause.NONE:
        answers = [a for a in answers if not a.verdict.fits]
    told = answers_for_tenants(answers)
    # What keeps off hosts that would do is told, and not what others lack.
    helping = [
        a
        for a in told
        if found.suits(a.verdict) and not a.unmet and not a.verdict.fits
    ]
    # What helps at once comes before what is to be waited for.
    ready = [a for a in helping if a.faults == _MACHINE_TYPE]
    return _nearest(ready or helping or told)


def _helps(found: Feasibility, answer: HostAnswer) -> bool:
    """Whether it helps a tenant beside a cause that is confirmed."""
    verdict = answer.verdict
    if found.suitable is None:
        return verdict.code in _OF_TENANTS
    return answer.faults == {VerdictCode.NO_FREE_SLOT}
