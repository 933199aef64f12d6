"""The answers of Placement and of hosts to a request, as data."""

from sev_scheduling.diagnosis.facts import (
    NO_CANDIDATE,
    PASSING,
    Cause,
    Constraint,
    Diagnosis,
    Feasibility,
    HostAnswer,
    Matter,
    Shortfall,
    UnknownName,
    Unmet,
)

__all__ = [
    'NO_CANDIDATE',
    'PASSING',
    'Cause',
    'Constraint',
    'Diagnosis',
    'Feasibility',
    'HostAnswer',
    'Matter',
    'Shortfall',
    'UnknownName',
    'Unmet',
]
