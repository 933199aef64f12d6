"""The hosts and constraints that a diagnosis is about, in words."""

from __future__ import annotations

from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis
from sev_scheduling.hosts.host import MACHINE_TYPE_TRAIT_PREFIX


def model_name(diagnosis: Diagnosis) -> str:
    return diagnosis.request.model_name or 'memory encryption'


def such_hosts(diagnosis: Diagnosis) -> str:
    if not diagnosis.request.encrypted:
        return 'hosts'
    if _lacks_slots(diagnosis):
        return f'hosts with {model_name(diagnosis)} slots'
    return f'hosts with a free {model_name(diagnosis)} slot'


def _lacks_slots(diagnosis: Diagnosis) -> bool:
    return any(c.cause is Cause.SLOTS_USED for c in diagnosis.constraints)


def such_host(diagnosis: Diagnosis) -> str:
    return such_hosts(diagnosis).replace('hosts', 'host', 1)


def would_do(diagnosis: Diagnosis, what: str) -> tuple[int | None, str]:
    """Return how many hosts lack nothing but this, and that in words."""
    total = diagnosis.hosts_with_free_slot
    if _lacks_slots(diagnosis):
        total = diagnosis.hosts_with_model
    close = diagnosis.hosts_but_for
    if close is None or not total:
        return total, f'{such_hosts(diagnosis)}; some would do but for {what}'
    hosts = such_host(diagnosis) if total == 1 else such_hosts(diagnosis)
    return close, f'of {total} {hosts} would do but for {what}'


def figures(diagnosis: Diagnosis) -> str:
    """Return what is named, with figures where they are known."""
    short = {s.resource_class: s for s in diagnosis.shortfalls}
    parts = []
    for constraint in diagnosis.constraints:
        if constraint.cause is Cause.SLOTS_USED and diagnosis.slots_total:
            parts.append(
                f'{_label(constraint)} ({diagnosis.slots_used} of '
                f'{diagnosis.slots_total} in use)'
            )
            continue
        best = short.get(constraint.name)
        if constraint.cause is not Cause.RESOURCES_SHORT or best is None:
            parts.append(_label(constraint))
            continue
        parts.append(
            f'{constraint.name}: {best.requested} asked for, '
            f'{best.best} left on the best ({best.best_host}), '
            f'{best.missing} short'
        )
    return '; '.join(parts)


def _label(constraint: Constraint) -> str:
    """Return a constraint as operators know it."""
    if constraint.cause is Cause.SLOTS_USED:
        return f'a free {constraint.name} slot'
    return f'{_LABELS.get(constraint.cause, "")}{constraint}'


_LABELS = {
    Cause.TRAIT: 'trait ',
    Cause.HOST_TRAIT: 'host trait ',
    Cause.AGGREGATE: 'aggregate ',
    Cause.HOST: 'host ',
    Cause.GROUP: 'request group ',
    Cause.GROUP_POLICY: 'group_policy=',
}


def _tenant_label(constraint: Constraint) -> str:
    """Return a constraint without what only operators may know."""
    if is_machine_type(constraint):
        return 'the default machine type'
    hidden = _HIDDEN.get(constraint.cause)
    if hidden:
        return hidden
    if constraint.cause is Cause.RESOURCES_SHORT:
        return constraint.name
    return _label(constraint)


_HIDDEN = {
    Cause.AGGREGATE: 'the availability zone or project',
    Cause.HOST: 'the host asked for',
    Cause.HOST_TRAIT: 'hosts in service',
}


def tenant_labels(diagnosis: Diagnosis) -> str:
    labels = dict.fromkeys(map(_tenant_label, diagnosis.constraints))
    return ', '.join(labels)


def is_machine_type(constraint: Constraint) -> bool:
    return constraint.cause is Cause.HOST_TRAIT and constraint.name.startswith(
        MACHINE_TYPE_TRAIT_PREFIX
    )
