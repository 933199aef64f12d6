"""What emptied Placement's answer, in words."""

from __future__ import annotations

from collections.abc import Callable

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.explain.causewords import (
    figures,
    is_machine_type,
    model_name,
    such_host,
    such_hosts,
    tenant_labels,
    would_do,
)
from sev_scheduling.explain.reasons import ASK_OPERATOR, TRY_LATER, Reason
from sev_scheduling.rules import fixes


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


def _but_for(
    diagnosis: Diagnosis,
    what: str,
    fix: str,
    tenant_text: str,
    tenant_fix: str,
) -> CauseWords:
    """Return the words of a cause that keeps otherwise fit hosts out."""
    return *would_do(diagnosis, what), fix, tenant_text, tenant_fix


def _no_model(diagnosis: Diagnosis) -> CauseWords:
    name = model_name(diagnosis)
    return (
        None,
        f'no host offers {name} slots',
        '',
        f'No host offers {name} memory encryption.',
        ASK_OPERATOR,
    )


def _slots_used(diagnosis: Diagnosis) -> CauseWords:
    name = model_name(diagnosis)
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
    hosts, text = would_do(diagnosis, figures(diagnosis))
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
        f'No {such_host(diagnosis)} has enough {classes} left.',
        'Use a smaller flavor, or try again later.',
    )


def _trait(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    return _but_for(
        diagnosis,
        f'the traits asked for: {names}',
        'change the traits of the flavor or image, or those of the hosts',
        f'No {such_host(diagnosis)} meets the traits asked for: {names}.',
        'Remove or change what asks for them in the flavor or the image.',
    )


def _machine_type(diagnosis: Diagnosis) -> CauseWords:
    """The image left it open, so hosts that default to it were asked for."""
    model = diagnosis.request.model
    wanted = model.machine_type if model else ''
    command = fixes.set_image(diagnosis.request, hw_machine_type=wanted)
    return _but_for(
        diagnosis,
        'their default machine type',
        f'set hw_machine_type={wanted} on the image: {command}',
        f'The image names no machine type, and no {such_host(diagnosis)} '
        f'defaults to {wanted}.',
        f'Set it: {command}',
    )


def _host_trait(diagnosis: Diagnosis) -> CauseWords:
    if all(map(is_machine_type, diagnosis.constraints)):
        return _machine_type(diagnosis)
    names = ', '.join(c.name for c in diagnosis.constraints)
    return _but_for(
        diagnosis,
        f'what is asked of every host: {names}',
        'enable these hosts, or change their traits',
        f'No {such_host(diagnosis)} is in service.',
        ASK_OPERATOR,
    )


def _aggregate(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    return _but_for(
        diagnosis,
        f'the aggregates asked for: {names}',
        'add hosts to these aggregates',
        f'No {such_host(diagnosis)} is available to this project or zone.',
        "Choose another availability zone, or ask the cloud's operator.",
    )


def _one_host(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    return _but_for(
        diagnosis,
        f'the host asked for: {names}',
        'ask for another host, or for none',
        'The host asked for cannot take it.',
        'Ask for no particular host.',
    )


def _group_policy(diagnosis: Diagnosis) -> CauseWords:
    return _but_for(
        diagnosis,
        'group_policy=isolate',
        'set group_policy=none on the flavor, or use hosts with nested pools',
        "The flavor's group_policy=isolate cannot be met.",
        'Use a flavor with group_policy=none.',
    )


def _group(diagnosis: Diagnosis) -> CauseWords:
    names = ', '.join(c.name for c in diagnosis.constraints)
    return _but_for(
        diagnosis,
        f'the request groups {names}',
        'change these groups of the flavor, or add hosts that serve them',
        f'No {such_host(diagnosis)} can serve the request groups {names}.',
        'Use another flavor.',
    )


def _several(diagnosis: Diagnosis) -> CauseWords:
    return _but_for(
        diagnosis,
        f'all of: {figures(diagnosis)}',
        'relax all of them, or add hosts',
        f'No host meets these: {tenant_labels(diagnosis)}.',
        'Relax all of them, or try again later.',
    )


def _combination(diagnosis: Diagnosis) -> CauseWords:
    return _but_for(
        diagnosis,
        f'one of: {figures(diagnosis)}',
        'relax one of them, or add hosts',
        f'No host meets all of these at once: {tenant_labels(diagnosis)}.',
        'Relax one of them, or try again later.',
    )


def _unclear(diagnosis: Diagnosis) -> CauseWords:
    hosts = diagnosis.hosts_with_free_slot
    which = such_host(diagnosis) if hosts == 1 else such_hosts(diagnosis)
    return (
        hosts,
        f'{which}, and no single thing asked for keeps the guest off',
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
