"""Which of a code's rows in the catalogue has the words of a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import os_resource_classes as orc
import os_traits

from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis
from sev_scheduling.diagnosis.askers import (
    OF_PROPERTIES,
    askers,
    is_demanded,
    relaxable,
)
from sev_scheduling.diagnosis.facts import NOT_DISABLED
from sev_scheduling.diagnosis.other_models import offered_models
from sev_scheduling.diagnosis.remedies import of_diagnosis
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.models import excluding_models
from sev_scheduling.request.request import EncryptionRequest

#: What every request of nova asks of hosts, as a constraint has it.
_IN_SERVICE = frozenset({NOT_DISABLED, os_traits.OWNER_NOVA})

#: Causes that extra specs and properties may be behind.
_OF_PROPERTIES = OF_PROPERTIES | {Cause.SEVERAL}


def verdict_case(verdicts: Sequence[Verdict]) -> str:
    """Return which of a verdict's rows has the words.

    :param verdicts: at least one, all of one code and model
    """
    verdict = verdicts[0]
    if verdict.code is VerdictCode.NO_POOL:
        if all(one.all_reserved for one in verdicts):
            return 'reserved'
        case = offer_case(verdict.request, offered_models(verdicts))
        if case == 'excluded' and any(
            offer_case(one.request, offered_models([one])) != case
            for one in verdicts
        ):
            return 'excluded-on-some'
        return case
    if verdict.code is VerdictCode.MACHINE_TYPE_NOT_Q35:
        if verdict.request.machine_type is not None:
            return 'image'
        return 'unknown' if verdict.machine_type is None else 'default'
    if verdict.code is VerdictCode.NO_FREE_SLOT and not verdict.total:
        return 'uncounted'
    if verdict.code is VerdictCode.HOST_DISABLED and verdict.model is None:
        return 'unencrypted'
    return ''


def offer_case(request: EncryptionRequest, offered: Sequence[str]) -> str:
    """Return which case it is that other models are offered."""
    if request.model and excluding_models(request.model, offered):
        return 'excluded'
    return 'offered' if offered else ''


def cause_case(diagnosis: Diagnosis) -> str:
    """Return which of a cause's rows has the words."""
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
        if all(map(is_service, diagnosis.constraints)):
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


def is_service(constraint: Constraint) -> bool:
    """Whether it asks that the host is in service."""
    return (
        constraint.cause is Cause.HOST_TRAIT and constraint.name in _IN_SERVICE
    )


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
    return 'amount' if diagnosis.limiting_classes else ''


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
