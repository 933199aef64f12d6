"""What a diagnosis puts into the templates of the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import os_resource_classes as orc
import os_traits

from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis, UnknownName
from sev_scheduling.diagnosis.askers import (
    askers,
    is_demanded,
    name_askers,
    relaxable,
)
from sev_scheduling.diagnosis.facts import NOT_DISABLED
from sev_scheduling.diagnosis.remedies import of_diagnosis
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.problems import (
    Count,
    Values,
    caller,
    machine_type_values,
    offer_case,
    offer_values,
    owner,
    what,
)
from sev_scheduling.problems import Field
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.request.request import EncryptionRequest

#: What every request of nova asks of hosts, as a constraint has it.
_IN_SERVICE = frozenset({NOT_DISABLED, os_traits.OWNER_NOVA})


def cause_case(diagnosis: Diagnosis) -> str:
    """Return which of a cause's rows of the catalogue has the words."""
    if diagnosis.cause in _CASES:
        return _CASES[diagnosis.cause](diagnosis)
    request = diagnosis.request
    if diagnosis.cause is Cause.RESOURCES_SHORT and not diagnosis.shortfalls:
        return 'units'
    if diagnosis.cause is Cause.HOST_TRAIT and any(
        constraint.asker for constraint in diagnosis.constraints
    ):
        return 'scope'
    if diagnosis.cause in _OF_PROPERTIES:
        if all(map(_is_service, diagnosis.constraints)):
            return 'service'
        if any(is_demanded(request, c) for c in diagnosis.constraints):
            return 'demanded'
        if of_diagnosis(diagnosis).changes:
            return _property_case(diagnosis)
        if diagnosis.cause is Cause.SEVERAL and any(
            one.cause is Cause.SLOTS_USED for one in diagnosis.constraints
        ):
            return 'slots'
    return 'disk' if _is_of_root_disk(diagnosis) else ''


def _is_of_root_disk(diagnosis: Diagnosis) -> bool:
    """Whether the guest would fit if it booted from a volume."""
    request = diagnosis.request
    root_gb = request.views[0].root_gb
    return (
        diagnosis.cause is Cause.RESOURCES_SHORT
        and not request.boot_from_volume
        and all(
            one.resource_class == orc.DISK_GB and one.missing <= root_gb
            for one in diagnosis.shortfalls
        )
        # An extra spec's amount is that of every guest.
        and not any(askers(request, c) for c in diagnosis.constraints)
    )


def _property_case(diagnosis: Diagnosis) -> str:
    traits = (Cause.TRAIT, Cause.HOST_TRAIT)
    if diagnosis.cause is Cause.TRAIT and all(
        constraint.contradicted for constraint in diagnosis.constraints
    ):
        return 'contradicted'
    if diagnosis.cause in traits and all(
        constraint.name.startswith('!') for constraint in diagnosis.constraints
    ):
        return 'forbidden'
    return 'property'


def _slots_case(diagnosis: Diagnosis) -> str:
    if diagnosis.hosts_with_model is None:
        return 'uncounted'
    return '' if diagnosis.slots_total else 'reserved'


def _guests_case(diagnosis: Diagnosis) -> str:
    if not diagnosis.guests_fit:
        return 'never'
    if any(limit.shared_by for limit in diagnosis.limits):
        return 'shared'
    return 'amount' if _amounts(diagnosis) else ''


def _combination_case(diagnosis: Diagnosis) -> str:
    if not relaxable(diagnosis):
        return 'operators'
    ways = sum(
        1 + len(f.alternatives) for f in of_diagnosis(diagnosis).changes
    )
    if not ways:
        return ''
    some = ways < len(relaxable(diagnosis))
    return 'property-of-some' if some else 'property'


_CASES: Mapping[Cause, Callable[[Diagnosis], str]] = {
    Cause.NO_MODEL: lambda d: offer_case(d.request, d.offered),
    Cause.SLOTS_USED: _slots_case,
    Cause.GUESTS: _guests_case,
    Cause.COMBINATION: _combination_case,
}


#: Causes that extra specs and properties may be behind.
_OF_PROPERTIES = frozenset(
    {Cause.HOST_TRAIT, Cause.TRAIT, Cause.RESOURCES_SHORT, Cause.SEVERAL}
)


def _is_service(constraint: Constraint) -> bool:
    return (
        constraint.cause is Cause.HOST_TRAIT and constraint.name in _IN_SERVICE
    )


def _properties(request: EncryptionRequest, *constraints: Constraint) -> str:
    """Return the extra specs and properties that make constraints."""
    return _property_texts(
        asker for c in constraints for asker in askers(request, c)
    )


def _property_texts(asking: Iterable[tuple[Field, str]]) -> str:
    return ' and '.join(
        (
            catalogue.placement.PROPERTY
            if value
            else catalogue.placement.PROPERTY_ALONE
        ).format(what=what(field), value=value, owner=owner(field))
        for field, value in dict.fromkeys(asking)
    )


def _asked_beside(diagnosis: Diagnosis) -> Values:
    """Return what ports and devices ask for, in sum."""
    sums: Counter[str] = Counter()
    traits: set[str] = set()
    for constraint in diagnosis.constraints:
        for group in constraint.groups:
            sums.update(group.resources)
            traits.update(*group.required)
    return {
        'amounts': ', '.join(
            _amount(name, amount) for name, amount in sorted(sums.items())
        ),
        'traits': f'({", ".join(sorted(traits)) or "no traits"})',
    }


def _unknown(request: EncryptionRequest, unknown: UnknownName) -> str:
    """Return such as ``trait CUSTOM_A (for --required)``."""
    template = catalogue.placement.UNKNOWN_CLASS
    if unknown.trait:
        template = catalogue.placement.UNKNOWN_TRAIT
    what = template.format(name=unknown.name)
    constraint = unknown.constraint
    if constraint.asker:
        by = caller(constraint.asker)
    elif fields := name_askers(request, unknown):
        by = _property_texts(fields)
    else:
        return what
    return catalogue.placement.LABEL.format(what=what, asker=by)


def cause_values(diagnosis: Diagnosis) -> Values:
    request = diagnosis.request
    model = request.model_name or 'memory encryption'
    lacks_slots = any(
        c.cause is Cause.SLOTS_USED for c in diagnosis.constraints
    )
    such = catalogue.placement.SUCH_HOSTS[
        'any'
        if not request.encrypted
        else 'offering'
        if lacks_slots
        else 'free'
    ]
    total = (
        diagnosis.hosts_with_model
        if lacks_slots
        else diagnosis.hosts_with_free_slot
    )
    names = [c.name for c in diagnosis.constraints] or _amounts(diagnosis)
    if diagnosis.cause in (Cause.GROUP, Cause.PORT):
        names = list(map(_label, diagnosis.constraints))
    tenant_names = dict.fromkeys(
        _tenant_name(request, c) for c in diagnosis.constraints
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
            _unknown(request, one) for one in diagnosis.unknown
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
        'properties': _properties(request, *diagnosis.constraints),
        'demanded': _properties(
            request,
            *(c for c in diagnosis.constraints if is_demanded(request, c)),
        ),
        **_of_guests(diagnosis),
        **offer_values(request, diagnosis.offered),
        **_asked_beside(diagnosis),
        'needs': request.model.machine_type if request.model else '',
        **machine_type_values(request),
    }


def _more_of_it(diagnosis: Diagnosis) -> str:
    """Return what an operator can add where hosts are short."""
    sharing = {short.shared_by for short in diagnosis.shortfalls}
    if not sharing or '' in sharing:
        return catalogue.placement.MORE_HOSTS
    return catalogue.placement.MORE_SHARED.format(
        classes=' and '.join(s.resource_class for s in diagnosis.shortfalls),
        shared_by=' and '.join(sorted(sharing)),
    )


def _amounts(diagnosis: Diagnosis) -> list[str]:
    """Return the classes beside slots that keep one more guest off."""
    return [
        limit.resource_class
        for limit in diagnosis.limits
        if limit.resource_class != orc.MEM_ENCRYPTION_CONTEXT
    ]


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
        names = [_tenant_name(request, c) for c in diagnosis.constraints]
    else:
        names = [_label(c) for c in diagnosis.constraints]
    return {'rest': ', '.join(dict.fromkeys(names))}


def _label(constraint: Constraint) -> str:
    if constraint.cause is Cause.PORT and not constraint.name:
        return catalogue.placement.SOME_PORT
    if constraint.cause is Cause.GROUP and constraint.groups:
        return catalogue.placement.GROUP_THAT_ASKS.format(
            name=constraint.name, asks=', '.join(_asks(constraint.groups))
        )
    return catalogue.placement.CONSTRAINTS[constraint.cause].format(
        name=constraint.name, constraint=constraint
    )


def _asks(groups: Iterable[RequestGroup]) -> Iterator[str]:
    """Yield such as ``1 VGPU``, ``trait CUSTOM_A``, ``trait !CUSTOM_B``."""
    for group in groups:
        for name, amount in sorted(group.resources.items()):
            yield _amount(name, amount)
        traits = [' or '.join(sorted(ors)) for ors in group.required]
        traits += (f'!{trait}' for trait in group.forbidden)
        for name in sorted(traits):
            yield catalogue.placement.CONSTRAINTS[Cause.TRAIT].format(
                name=name
            )


def _amount(name: str, amount: int) -> str:
    template = catalogue.placement.AMOUNTS.get(
        name, catalogue.placement.AMOUNT
    )
    return template.format(amount=amount, name=name)


def _tenant_name(request: EncryptionRequest, constraint: Constraint) -> str:
    if _is_service(constraint):
        return catalogue.placement.TENANT_SERVICE
    if constraint.asker:
        return catalogue.placement.ASKED_BY_NAME.format(
            asker=caller(constraint.asker),
            name=constraint.name.removeprefix('!'),
        )
    properties = _properties(request, constraint)
    if properties:
        return properties
    template = catalogue.placement.TENANT_CONSTRAINTS.get(constraint.cause)
    if template is None:
        return _label(constraint)
    return template.format(name=constraint.name)


def _figures(diagnosis: Diagnosis) -> list[str]:
    """Return what is named, with figures where they are known."""
    short = {s.resource_class: s for s in diagnosis.shortfalls}
    figures = []
    of_one = diagnosis.hosts_but_for == 1 and (
        diagnosis.partial or diagnosis.host is not None
    )
    for constraint in diagnosis.constraints:
        template = '{label}'
        values = {'label': _label(constraint)}
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
            else _properties(diagnosis.request, constraint)
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
    total = cause_values(diagnosis)['total']
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
