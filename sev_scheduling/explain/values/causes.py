"""What a diagnosis puts into the templates of the catalogue."""

from __future__ import annotations

import os_resource_classes as orc

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.diagnosis.askers import is_demanded
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.constraints import (
    asked_beside,
    label,
    properties,
    tenant_name,
    unknown_name,
)
from sev_scheduling.explain.values.naming import Count, caller
from sev_scheduling.explain.values.problems import (
    Values,
    machine_type_values,
    offer_values,
)


def cause_values(diagnosis: Diagnosis) -> Values:
    request = diagnosis.request
    model = request.model_name or 'memory encryption'
    such = catalogue.placement.SUCH_HOSTS[
        'any'
        if not request.encrypted
        else 'offering'
        if _wants_slot(diagnosis)
        else 'free'
    ]
    total = _total(diagnosis)
    names = [c.name for c in diagnosis.constraints]
    if diagnosis.cause in (Cause.GROUP, Cause.PORT):
        names = list(map(label, diagnosis.constraints))
    names = names or [*diagnosis.limiting_classes]
    tenant_names = dict.fromkeys(
        tenant_name(request, c) for c in diagnosis.constraints
    )
    scope = dict.fromkeys(
        caller(c.asker) for c in diagnosis.constraints if c.asker
    )
    return {
        'more_of_it': _more_of_it(diagnosis),
        'a_host': catalogue.hosts.A_HOST
        if diagnosis.host is None
        else catalogue.hosts.ASKED_FOR,
        'unknown': ' and '.join(
            unknown_name(request, one) for one in diagnosis.unknown
        ),
        'scope': ' and '.join(scope),
        'n': Count(diagnosis.hosts_with_model or 0),
        'fit': Count(diagnosis.guests_fit or 0),
        'count': Count(diagnosis.guests),
        'total': total,
        'model': model,
        'such': such.format(
            n=Count(2 if total is None else total), model=model
        ),
        'such_host': such.format(n=Count(1), model=model),
        'slots_used': diagnosis.slots_used,
        'slots_total': diagnosis.slots_total,
        'figures': '; '.join(_figures(diagnosis)),
        'classes': ' and '.join(names),
        'names': ', '.join(names),
        'forbidden': ' and '.join(name.removeprefix('!') for name in names),
        'tenant_names': ', '.join(tenant_names),
        'properties': properties(request, *diagnosis.constraints),
        'demanded': properties(
            request,
            *(c for c in diagnosis.constraints if is_demanded(request, c)),
        ),
        **_of_guests(diagnosis),
        **offer_values(request, diagnosis.offered),
        **asked_beside(diagnosis),
        'needs': request.model.machine_type if request.model else '',
        **machine_type_values(request),
    }


def _wants_slot(diagnosis: Diagnosis) -> bool:
    return any(c.cause is Cause.SLOTS_USED for c in diagnosis.constraints)


def _total(diagnosis: Diagnosis) -> int | None:
    """Return the number of hosts that might do, None where it is unknown."""
    if _wants_slot(diagnosis):
        return diagnosis.hosts_with_model
    return diagnosis.hosts_with_free_slot


def _more_of_it(diagnosis: Diagnosis) -> str:
    """Return what an operator can add where hosts are short."""
    sharing = {short.shared_by for short in diagnosis.shortfalls}
    if not sharing or '' in sharing:
        return catalogue.placement.MORE_HOSTS
    return catalogue.placement.MORE_SHARED.format(
        classes=' and '.join(s.resource_class for s in diagnosis.shortfalls),
        shared_by=' and '.join(sorted(sharing)),
    )


def _of_guests(diagnosis: Diagnosis) -> Values:
    """Return what keeps one more of several guests off, now and ever."""
    words = catalogue.placement
    texts = []
    for limit in diagnosis.limits:
        template = words.LIMIT_SHARED if limit.shared_by else words.LIMIT
        if limit.resource_class == orc.MEM_ENCRYPTION_CONTEXT:
            template = words.LIMIT_OF_SLOTS
        texts.append(
            template.format(
                name=limit.resource_class,
                each=limit.each,
                left=limit.left,
                shared_by=limit.shared_by,
                model=diagnosis.request.model_name,
            )
        )
    if_empty = words.IF_EMPTY.format(if_empty=diagnosis.guests_if_empty)
    never = diagnosis.cause is Cause.GUESTS and diagnosis.permanent
    return {
        'limits': words.LIMITS.format(limits=', '.join(texts))
        if texts
        else '',
        'shared_by': ' and '.join(
            dict.fromkeys(
                limit.shared_by
                for limit in diagnosis.limits
                if limit.shared_by
            )
        ),
        'if_empty': f' {if_empty}' if never else '',
        'if_empty_n': diagnosis.guests_if_empty,
        'never': f' {words.TENANT_NEVER}' if never else '',
    }


def rest_values(diagnosis: Diagnosis, *, tenant: bool) -> Values:
    """Return what is left where changes solve a part: labels, or names."""
    request = diagnosis.request
    if tenant:
        names = [tenant_name(request, c) for c in diagnosis.constraints]
    else:
        names = [label(c) for c in diagnosis.constraints]
    return {'rest': ', '.join(dict.fromkeys(names))}


def _figures(diagnosis: Diagnosis) -> list[str]:
    """Return what is named, with figures where they are known."""
    short = {s.resource_class: s for s in diagnosis.shortfalls}
    figures = []
    of_one = diagnosis.hosts_but_for == 1 and (
        diagnosis.partial or diagnosis.host is not None
    )
    for constraint in diagnosis.constraints:
        template = '{label}'
        values = {'label': label(constraint)}
        best = short.get(constraint.name)
        if constraint.cause is Cause.SLOTS_USED and diagnosis.slots_total:
            template = catalogue.placement.SLOTS_IN_USE
            values |= {
                'slots_used': str(diagnosis.slots_used),
                'slots_total': str(diagnosis.slots_total),
            }
        elif constraint.cause is Cause.RESOURCES_SHORT and best is not None:
            template = catalogue.placement.SHORTFALL
            if best.shared_by:
                template = catalogue.placement.SHORTFALL_SHARED
            elif of_one or not best.best_host:
                template = catalogue.placement.SHORTFALL_OF_ONE
            elif diagnosis.hosts_but_for == 1:
                template = catalogue.placement.SHORTFALL_ON_ONE
            values |= {
                'name': constraint.name,
                'requested': str(best.requested),
                'best': str(best.best),
                'best_host': best.best_host,
                'missing': str(best.missing),
                'shared_by': best.shared_by,
            }
        values['properties'] = (
            caller(constraint.asker)
            if constraint.asker
            else properties(diagnosis.request, constraint)
        )
        if values['properties']:
            template = f'{template} {catalogue.placement.ASKED_BY}'
        figures.append(template.format(**values))
    return figures


#: Causes that are about Placement as a whole, not about hosts that would do
#: but for one thing.
_WHOLE = (
    Cause.NO_MODEL,
    Cause.SLOTS_USED,
    Cause.GUESTS,
    Cause.UNCLEAR,
    Cause.UNKNOWN,
)


def hosts_of(diagnosis: Diagnosis) -> int | None:
    """Return the number of hosts that a diagnosis is about."""
    if diagnosis.cause in (Cause.NO_MODEL, Cause.GUESTS, Cause.UNKNOWN_NAME):
        return None
    if diagnosis.cause is Cause.SLOTS_USED:
        return diagnosis.hosts_with_model
    if diagnosis.cause is Cause.UNCLEAR:
        return diagnosis.hosts_with_free_slot
    total = _total(diagnosis)
    close = diagnosis.hosts_but_for
    return total if close is None or not total else close


def but_for(
    diagnosis: Diagnosis, values: Values, what: str, beside_others: bool
) -> str:
    """Return that hosts would do but for something.

    :param beside_others: these hosts have been counted before
    """
    if diagnosis.cause is Cause.UNKNOWN_NAME:
        template = catalogue.placement.UNKNOWN_NAMES
        if beside_others:
            template = catalogue.placement.BUT_FOR_NAMES
        return template.format(what=what)
    if diagnosis.cause in _WHOLE:
        return what
    if beside_others:
        return catalogue.placement.THESE_BUT_FOR.format(what=what)
    # The only one is the one.
    known = values['total'] and (
        diagnosis.hosts_but_for is not None or values['total'] == 1
    )
    template = (
        catalogue.placement.BUT_FOR
        if known
        else catalogue.placement.SOME_BUT_FOR
    )
    return template.format_map({**values, 'what': what})
