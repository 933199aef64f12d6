"""What emptied Placement's answer, in words."""

from __future__ import annotations

from collections.abc import Callable

from sev_scheduling import fixes
from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis
from sev_scheduling.hosts import MACHINE_TYPE_TRAIT_PREFIX
from sev_scheduling.reasons import ASK_OPERATOR, TRY_LATER, Reason


def diagnosis_reason(diagnosis: Diagnosis) -> Reason | None:
    """Return what emptied Placement's answer; None where it is not empty."""
    words = _CAUSES.get(diagnosis.cause)
    if words is None:
        return None
    hosts, text, fix, tenant_text, tenant_fix = words(diagnosis)
    return Reason(
        diagnosis.cause, hosts or 0, text, fix, tenant_text, tenant_fix
    )


#: Hosts that it is about (None: unknown), text and fix for operators, text
#: and fix for tenants.
CauseWords = tuple[int | None, str, str, str, str]


def _model(diagnosis: Diagnosis) -> str:
    return diagnosis.request.model_name or 'memory encryption'


def _hosts(diagnosis: Diagnosis) -> str:
    if not diagnosis.request.encrypted:
        return 'hosts'
    if _lacks_slots(diagnosis):
        return f'hosts with {_model(diagnosis)} slots'
    return f'hosts with a free {_model(diagnosis)} slot'


def _lacks_slots(diagnosis: Diagnosis) -> bool:
    return any(c.cause is Cause.SLOTS_USED for c in diagnosis.constraints)


def _host(diagnosis: Diagnosis) -> str:
    return _hosts(diagnosis).replace('hosts', 'host', 1)


def _would_do(diagnosis: Diagnosis, what: str) -> tuple[int | None, str]:
    """Return how many hosts lack nothing but this, and that in words."""
    total = diagnosis.hosts_with_free_slot
    if _lacks_slots(diagnosis):
        total = diagnosis.hosts_with_model
    close = diagnosis.hosts_but_for
    if close is None or not total:
        return total, f'{_hosts(diagnosis)}; some would do but for {what}'
    hosts = _host(diagnosis) if total == 1 else _hosts(diagnosis)
    return close, f'of {total} {hosts} would do but for {what}'


def _figures(diagnosis: Diagnosis) -> str:
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
        figures = short.get(constraint.name)
        if constraint.cause is not Cause.RESOURCES_SHORT or figures is None:
            parts.append(_label(constraint))
            continue
        parts.append(
            f'{constraint.name}: {figures.requested} asked for, '
            f'{figures.best} left on the best ({figures.best_host}), '
            f'{figures.missing} short'
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
    if _is_machine_type(constraint):
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


def _tenant_labels(diagnosis: Diagnosis) -> str:
    labels = dict.fromkeys(map(_tenant_label, diagnosis.constraints))
    return ', '.join(labels)


def _no_model(diagnosis: Diagnosis) -> CauseWords:
    name = _model(diagnosis)
    return (
        None,
        f'no host offers {name} slots',
        '',
        f'No host offers {name} memory encryption.',
        ASK_OPERATOR,
    )


def _slots_used(diagnosis: Diagnosis) -> CauseWords:
    name = _model(diagnosis)
    tenant = (f'All {name} slots are taken now.', TRY_LATER)
    hosts = diagnosis.hosts_with_model
    if hosts is None:
        return None, f'no host has a free {name} slot', '', *tenant
    one = hosts == 1
    text = (
        f'{"host offers" if one else "hosts offer"} {name}, and '
        f'{"its" if one else "all their"} slots are taken '
        f'({diagnosis.slots_used} of {diagnosis.slots_total} in use)'
    )
    if not diagnosis.slots_total:
        text = (
            f'{"host offers" if one else "hosts offer"} {name}, with all '
            'slots reserved'
        )
    return hosts, text, '', *tenant


def _resources_short(diagnosis: Diagnosis) -> CauseWords:
    hosts, text = _would_do(diagnosis, _figures(diagnosis))
    classes = ' and '.join(c.name for c in diagnosis.constraints)
    fix = f'use a flavor with less {classes}, or add hosts'
    if not diagnosis.shortfalls:
        text += ' (too much at once, or an amount that is not given out)'
        fix = (
            'see max_unit, min_unit and step_size of the inventories; '
            f'use a flavor with another amount of {classes}'
        )
    return (
        hosts,
        text,
        fix,
        f'No {_host(diagnosis)} has enough {classes} left.',
        'Use a smaller flavor, or try again later.',
    )


def _trait(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    hosts, text = _would_do(diagnosis, f'the traits asked for: {names}')
    return (
        hosts,
        text,
        'change the traits of the flavor or image, or those of the hosts',
        f'No {_host(diagnosis)} meets the traits asked for: {names}.',
        'Remove or change what asks for them in the flavor or the image.',
    )


def _is_machine_type(constraint: Constraint) -> bool:
    return constraint.cause is Cause.HOST_TRAIT and constraint.name.startswith(
        MACHINE_TYPE_TRAIT_PREFIX
    )


def _machine_type(diagnosis: Diagnosis) -> CauseWords:
    """The image left it open, so hosts that default to it were asked for."""
    model = diagnosis.request.model
    wanted = model.machine_type if model else ''
    command = fixes.set_image(diagnosis.request, hw_machine_type=wanted)
    hosts, text = _would_do(diagnosis, 'their default machine type')
    return (
        hosts,
        text,
        f'set hw_machine_type={wanted} on the image: {command}',
        f'The image names no machine type, and no {_host(diagnosis)} '
        f'defaults to {wanted}.',
        f'Set it: {command}',
    )


def _host_trait(diagnosis: Diagnosis) -> CauseWords:
    if all(map(_is_machine_type, diagnosis.constraints)):
        return _machine_type(diagnosis)
    names = ', '.join(c.name for c in diagnosis.constraints)
    hosts, text = _would_do(diagnosis, f'what is asked of every host: {names}')
    return (
        hosts,
        text,
        'enable these hosts, or change their traits',
        f'No {_host(diagnosis)} is in service.',
        ASK_OPERATOR,
    )


def _aggregate(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    hosts, text = _would_do(diagnosis, f'the aggregates asked for: {names}')
    return (
        hosts,
        text,
        'add hosts to these aggregates',
        f'No {_host(diagnosis)} is available to this project or zone.',
        "Choose another availability zone, or ask the cloud's operator.",
    )


def _one_host(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    hosts, text = _would_do(diagnosis, f'the host asked for: {names}')
    return (
        hosts,
        text,
        'ask for another host, or for none',
        'The host asked for cannot take it.',
        'Ask for no particular host.',
    )


def _group_policy(diagnosis: Diagnosis) -> CauseWords:
    hosts, text = _would_do(diagnosis, 'group_policy=isolate')
    return (
        hosts,
        text,
        'set group_policy=none on the flavor, or use hosts with nested pools',
        "The flavor's group_policy=isolate cannot be met.",
        'Use a flavor with group_policy=none.',
    )


def _group(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    hosts, text = _would_do(diagnosis, f'the request groups {names}')
    return (
        hosts,
        text,
        'change these groups of the flavor, or add hosts that serve them',
        f'No {_host(diagnosis)} can serve the request groups {names}.',
        'Use another flavor.',
    )


def _several(diagnosis: Diagnosis) -> CauseWords:
    hosts, text = _would_do(diagnosis, f'all of: {_figures(diagnosis)}')
    return (
        hosts,
        text,
        'relax all of them, or add hosts',
        f'No host meets these: {_tenant_labels(diagnosis)}.',
        'Relax all of them, or try again later.',
    )


def _combination(diagnosis: Diagnosis) -> CauseWords:
    hosts, text = _would_do(diagnosis, f'one of: {_figures(diagnosis)}')
    return (
        hosts,
        text,
        'relax one of them, or add hosts',
        f'No host meets all of these at once: {_tenant_labels(diagnosis)}.',
        'Relax one of them, or try again later.',
    )


def _unclear(diagnosis: Diagnosis) -> CauseWords:
    hosts = diagnosis.hosts_with_free_slot
    return (
        hosts,
        f'{_host(diagnosis) if hosts == 1 else _hosts(diagnosis)}, and no '
        'single thing asked for keeps the guest off',
        'ask for less, one thing after the other',
        'No host meets all that is asked for at once.',
        'Use a smaller flavor with fewer traits, or try again later.',
    )


_CAUSES: dict[Cause, Callable[[Diagnosis], CauseWords]] = {
    Cause.NO_MODEL: _no_model,
    Cause.SLOTS_USED: _slots_used,
    Cause.RESOURCES_SHORT: _resources_short,
    Cause.TRAIT: _trait,
    Cause.HOST_TRAIT: _host_trait,
    Cause.AGGREGATE: _aggregate,
    Cause.HOST: _one_host,
    Cause.GROUP: _group,
    Cause.GROUP_POLICY: _group_policy,
    Cause.SEVERAL: _several,
    Cause.COMBINATION: _combination,
    Cause.UNCLEAR: _unclear,
}
