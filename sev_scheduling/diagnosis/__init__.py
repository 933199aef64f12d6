"""The answers of Placement and of hosts to a request, as data."""

from sev_scheduling.diagnosis.facts import (
    PASSING,
    Cause,
    Constraint,
    Diagnosis,
    Limit,
    Matter,
    Shortfall,
    UnknownName,
)
from sev_scheduling.diagnosis.feasibility import (
    NO_CANDIDATE,
    Feasibility,
    HostAnswer,
    Unmet,
    lacking,
)

__all__ = [
    'NO_CANDIDATE',
    'PASSING',
    'Cause',
    'Constraint',
    'Diagnosis',
    'Feasibility',
    'HostAnswer',
    'Limit',
    'Matter',
    'Shortfall',
    'UnknownName',
    'Unmet',
    'lacking',
]
