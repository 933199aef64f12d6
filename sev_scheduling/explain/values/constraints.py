"""What a constraint, and what asks for it, is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis, UnknownName
from sev_scheduling.diagnosis.askers import askers, name_askers
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.cases import is_service
from sev_scheduling.explain.values.naming import caller, owner, what
from sev_scheduling.explain.values.problems import Values
from sev_scheduling.problems import Field
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.request.request import EncryptionRequest


def label(constraint: Constraint) -> str:
    """Return such as ``trait CUSTOM_A``, for operators."""
    if constraint.cause is Cause.PORT and not constraint.name:
        return catalogue.placement.SOME_PORT
    if constraint.cause is Cause.GROUP and constraint.groups:
        return catalogue.placement.GROUP_THAT_ASKS.format(
            name=constraint.name, asks=', '.join(_asks(constraint.groups))
        )
    return catalogue.placement.CONSTRAINTS[constraint.cause].format(
        name=constraint.name, constraint=constraint
    )


def tenant_name(request: EncryptionRequest, constraint: Constraint) -> str:
    """Return what a tenant may know of it, by what asks for it if need be."""
    if is_service(constraint):
        return catalogue.placement.TENANT_SERVICE
    if constraint.asker:
        return catalogue.placement.ASKED_BY_NAME.format(
            asker=caller(constraint.asker),
            name=constraint.name.removeprefix('!'),
        )
    asking = properties(request, constraint)
    if asking:
        return asking
    template = catalogue.placement.TENANT_CONSTRAINTS.get(constraint.cause)
    if template is None:
        return label(constraint)
    return template.format(name=constraint.name)


def properties(request: EncryptionRequest, *constraints: Constraint) -> str:
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


def unknown_name(request: EncryptionRequest, unknown: UnknownName) -> str:
    """Return such as ``trait CUSTOM_A (for --required)``."""
    template = catalogue.placement.UNKNOWN_CLASS
    if unknown.trait:
        template = catalogue.placement.UNKNOWN_TRAIT
    text = template.format(name=unknown.name)
    constraint = unknown.constraint
    if constraint.asker:
        by = caller(constraint.asker)
    elif fields := name_askers(request, unknown):
        by = _property_texts(fields)
    else:
        return text
    return catalogue.placement.LABEL.format(what=text, asker=by)


def asked_beside(diagnosis: Diagnosis) -> Values:
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
