"""Which reasons there are: hosts by what is against them, and diagnoses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sev_scheduling.diagnosis import (
    NO_CANDIDATE,
    Diagnosis,
    HostAnswer,
    lacking,
)
from sev_scheduling.diagnosis.feasibility import of_one_host
from sev_scheduling.diagnosis.remedies import (
    Remedies,
    of_diagnosis,
    of_verdicts,
)
from sev_scheduling.explain.reason.hosts import (
    DiagnosisReason,
    RowReason,
    VerdictReason,
)
from sev_scheduling.explain.values.cases import verdict_case
from sev_scheduling.explain.values.causes import hosts_of
from sev_scheduling.hosts.verdict import VerdictCode

_CODES = (*VerdictCode, NO_CANDIDATE)


def grouped(
    answers: Iterable[HostAnswer], *, of_some: bool = False
) -> tuple[RowReason, ...]:
    """Group hosts by why they will not do, the largest group first.

    :param of_some: there are hosts beside these
    """
    groups: defaultdict[tuple[Any, ...], list[HostAnswer]] = defaultdict(list)
    for answer in answers:
        groups[_group(answer)].append(answer)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    of_all = len(groups) == 1 and not of_some
    return tuple(_reason(tuple(group), of_all) for _, group in ordered)


def beside(answer: HostAnswer) -> tuple[RowReason, ...]:
    """Return what is against a host beside the first, a reason each."""
    return tuple(_reason((other,), of_all=True) for other in answer.others())


def of_host(reason: RowReason, answer: HostAnswer) -> RowReason:
    """Return what a reason says of one of its hosts."""
    if isinstance(reason, DiagnosisReason) and reason.is_diagnosed:
        return replace(
            reason,
            finding=of_one_host(
                reason.finding,
                answer,
                known=any(one.unmet for one in reason.answers),
            ),
            hosts=1,
            beside_others=True,
            answers=(answer,),
        )
    of_all = isinstance(reason, VerdictReason) and reason.of_all
    return replace(_reason((answer,), of_all), helps=reason.helps)


def diagnosis_reason(diagnosis: Diagnosis) -> DiagnosisReason:
    """Return the reason that a diagnosis gives."""
    found = of_diagnosis(diagnosis)
    return DiagnosisReason(
        code=diagnosis.cause,
        finding=diagnosis,
        hosts=hosts_of(diagnosis) or 0,
        changes=found.changes,
        of_hosts=found.of_hosts,
        partial=found.partial,
        rest=found.rest,
        asked_for=diagnosis.host,
        scoped=diagnosis.host is not None,
    )


def _reason(answers: tuple[HostAnswer, ...], of_all: bool) -> RowReason:
    """Return the reason of hosts that have one in common."""
    first = answers[0]
    further = grouped(other for one in answers for other in one.others())
    if first.verdict.code is None and first.unmet:
        reason = diagnosis_reason(lacking(answers))
        return replace(
            reason, hosts=len(answers), answers=answers, further=further
        )
    verdicts = tuple(answer.verdict for answer in answers)
    code = first.verdict.code or NO_CANDIDATE
    found = of_verdicts(verdicts, first.runnable)
    if code == VerdictCode.NO_POOL and not of_all:
        found = Remedies()
    return VerdictReason(
        code=code,
        finding=verdicts,
        hosts=len(answers),
        changes=found.changes,
        of_hosts=found.of_hosts,
        of_all=of_all,
        answers=answers,
        further=further,
    )


def _group(answer: HostAnswer) -> tuple[Any, ...]:
    """Return what answers of one group share, in the order of judgement."""
    verdict = answer.verdict
    position = _CODES.index(verdict.code or NO_CANDIDATE)
    if verdict.code is None:
        constraints = tuple(str(unmet.constraint) for unmet in answer.unmet)
        return position, '', '', '', constraints
    if verdict.code is VerdictCode.NO_POOL or verdict.model is None:
        return position, '', 'reserved' if verdict.all_reserved else '', ''
    case = verdict_case([verdict])
    machine_type = verdict.machine_type if case == 'default' else None
    return position, verdict.model.name, case, machine_type or ''
