"""What of flavor and image makes a constraint, and what can go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sev_scheduling.diagnosis.facts import (
    Cause,
    Constraint,
    Diagnosis,
    UnknownName,
)
from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import Field
from sev_scheduling.request.groups import (
    ExtraSpecResource,
    ExtraSpecTrait,
    InvalidExtraSpec,
)
from sev_scheduling.request.request import EncryptionRequest

#: Extra specs and properties, with their values.
Askers = tuple[tuple[Field, str], ...]

#: Kinds of constraint that extra specs and properties make.
OF_PROPERTIES = frozenset(
    {Cause.TRAIT, Cause.HOST_TRAIT, Cause.RESOURCES_SHORT}
)


def askers(request: EncryptionRequest, constraint: Constraint) -> Askers:
    """Return the extra specs and properties that make a constraint.

    Those of a request group without their values.
    """
    if constraint.cause is Cause.GROUP:
        entries = _entries_of(request, constraint.name)
        return tuple((entry.field, '') for entry in entries)
    if constraint.cause not in OF_PROPERTIES or constraint.asker:
        return ()
    name = constraint.name.removeprefix('!')
    other = 'forbidden' if name == constraint.name else 'required'
    # A trait that is required and forbidden has askers of both.
    return tuple(
        (field, value)
        for field, value in request.asked_by.get(name, ())
        if value != other
    )


def name_askers(request: EncryptionRequest, unknown: UnknownName) -> Askers:
    """Return what of flavor and image asks for an unknown name."""
    constraint = unknown.constraint
    if constraint.cause is not Cause.GROUP:
        return askers(request, constraint)
    return tuple(
        (entry.field, entry.value)
        for entry in _entries_of(request, constraint.name)
        if entry.field.key.endswith(f':{unknown.name}')
    )


def _entries_of(
    request: EncryptionRequest, suffix: str
) -> Iterator[ExtraSpecTrait | ExtraSpecResource]:
    """Yield the entries of a request group."""
    for entry in request.entries:
        if not isinstance(entry, InvalidExtraSpec) and entry.suffix == suffix:
            yield entry


def is_demanded(request: EncryptionRequest, constraint: Constraint) -> bool:
    """Whether every model that will do needs what makes a constraint."""
    return bool(request.models) and not models_without(request, constraint)


def models_without(
    request: EncryptionRequest, constraint: Constraint
) -> tuple[EncryptionModel, ...]:
    """Return the models that do not need what makes a constraint."""
    asking = askers(request, constraint)
    return tuple(
        model
        for model in request.models
        if not any(model.demands(field.key, value) for field, value in asking)
    )


def relaxable(diagnosis: Diagnosis) -> tuple[Constraint, ...]:
    """Return the constraints that a tenant can do without."""
    request = diagnosis.request
    return tuple(
        c
        for c in diagnosis.constraints
        if not is_demanded(request, c)
        and c.cause is not Cause.AGGREGATE
        and (c.cause is not Cause.HOST_TRAIT or c.asker or askers(request, c))
    )


def of_tenants(diagnosis: Diagnosis) -> Diagnosis:
    """Return the same without what a tenant cannot relax.

    Of a combination alone, and where anything is left.
    """
    left = relaxable(diagnosis)
    if diagnosis.cause is not Cause.COMBINATION or not left:
        return diagnosis
    cause = left[0].cause if len(left) == 1 else Cause.COMBINATION
    return replace(diagnosis, cause=cause, constraints=left)
