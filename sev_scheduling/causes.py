"""What emptied Placement's answer, in words."""

from __future__ import annotations

from collections.abc import Callable

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.reasons import ASK_OPERATOR, TRY_LATER, Reason


def diagnosis_reason(diagnosis: Diagnosis) -> Reason | None:
    """Return what emptied Placement's answer; None where it is not empty."""
    words = _CAUSES.get(diagnosis.cause)
    if words is None:
        return None
    hosts, text, fix, tenant_text, tenant_fix = words(diagnosis)
    return Reason(diagnosis.cause, hosts, text, fix, tenant_text, tenant_fix)


CauseWords = tuple[int, str, str, str, str]


def _with_slot(diagnosis: Diagnosis) -> str:
    if not diagnosis.request.encrypted:
        return 'hosts'
    return f'hosts with a free {diagnosis.request.model_name} slot'


def _no_model(diagnosis: Diagnosis) -> CauseWords:
    name = diagnosis.request.model_name
    return (
        diagnosis.hosts,
        f'of {diagnosis.hosts} hosts offer no {name} slots',
        '',
        f'No host offers {name} memory encryption.',
        ASK_OPERATOR,
    )


def _slots_used(diagnosis: Diagnosis) -> CauseWords:
    name = diagnosis.request.model_name
    return (
        diagnosis.hosts_with_model,
        f'hosts offer {name}, and all their slots are taken '
        f'({diagnosis.slots_used} of {diagnosis.slots_total} in use)',
        '',
        f'All {name} slots are taken now.',
        TRY_LATER,
    )


def _resources_short(diagnosis: Diagnosis) -> CauseWords:
    short = '; '.join(
        f'{s.resource_class}: {s.requested} asked for, the best host '
        f'({s.best_host}) has {s.best} left, {s.missing} short'
        for s in diagnosis.shortfalls
    )
    classes = ' and '.join(s.resource_class for s in diagnosis.shortfalls)
    what = _with_slot(diagnosis)
    return (
        diagnosis.hosts_with_free_slot,
        f'{what} are too small or too full: {short}',
        f'use a flavor with less {classes}, or add hosts',
        f'No {what.removeprefix("hosts ") and what} has enough '
        f'{classes} left.',
        'Use a smaller flavor, or try again later.',
    )


def _trait(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(diagnosis.constraints)
    what = _with_slot(diagnosis)
    return (
        diagnosis.hosts_with_free_slot,
        f'{what} do not meet the traits asked for: {names}',
        'change the traits of the flavor or image, or those of the hosts',
        f'The {what} do not meet the traits asked for: {names}.',
        'Remove or change these traits of the flavor or the image.',
    )


def _aggregate(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(diagnosis.constraints)
    what = _with_slot(diagnosis)
    return (
        diagnosis.hosts_with_free_slot,
        f'{what} are not in the aggregates asked for: {names}',
        'add hosts with the model to these aggregates',
        f'The {what} are not available to this project or zone.',
        "Choose another availability zone, or ask the cloud's operator.",
    )


def _group_policy(diagnosis: Diagnosis) -> CauseWords:
    what = _with_slot(diagnosis)
    return (
        diagnosis.hosts_with_free_slot,
        f'{what} would do without group_policy=isolate',
        'set group_policy=none on the flavor, or use hosts with nested pools',
        "The flavor's group_policy=isolate cannot be met.",
        'Use a flavor with group_policy=none.',
    )


def _group(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(diagnosis.constraints)
    what = _with_slot(diagnosis)
    return (
        diagnosis.hosts_with_free_slot,
        f'{what} cannot serve the request groups {names}',
        'change these groups of the flavor, or add hosts that serve them',
        f'The {what} cannot serve the request groups {names}.',
        'Use another flavor.',
    )


def _combination(diagnosis: Diagnosis) -> CauseWords:
    what = _with_slot(diagnosis)
    parts = ', '.join(diagnosis.constraints)
    return (
        diagnosis.hosts_with_free_slot,
        f'{what} meet each of these alone, and none meets all: {parts}',
        'relax one of them, or add hosts',
        f'No host meets all of these at once: {parts}.',
        'Relax one of them, or try again later.',
    )


_CAUSES: dict[Cause, Callable[[Diagnosis], CauseWords]] = {
    Cause.NO_MODEL: _no_model,
    Cause.SLOTS_USED: _slots_used,
    Cause.RESOURCES_SHORT: _resources_short,
    Cause.TRAIT: _trait,
    Cause.AGGREGATE: _aggregate,
    Cause.GROUP_POLICY: _group_policy,
    Cause.GROUP: _group,
    Cause.COMBINATION: _combination,
}
