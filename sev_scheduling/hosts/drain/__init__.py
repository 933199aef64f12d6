"""Empty hosts of their encrypted guests: a plan, as data.

Encrypted guests can be neither live-migrated nor suspended. Each is migrated
cold, and nova holds its old place until the migration is confirmed, so what a
guest takes on its new host must be free before anything is given back.
"""

from sev_scheduling.hosts.drain.facts import (
    DrainCode,
    DrainPlan,
    Guest,
    Outcome,
    Step,
    Unknown,
)
from sev_scheduling.hosts.drain.planner import MAX_STEPS, MOST, plan

__all__ = [
    'MAX_STEPS',
    'MOST',
    'DrainCode',
    'DrainPlan',
    'Guest',
    'Outcome',
    'Step',
    'Unknown',
    'plan',
]
