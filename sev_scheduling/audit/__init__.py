"""Every flavor with every image: ``audit()`` and what it finds.

``plan()`` says what to change so that nothing is left to fix.
"""

from sev_scheduling.audit.audit import audit
from sev_scheduling.audit.plan import plan
from sev_scheduling.audit.results import (
    Audit,
    AuditFix,
    AuditProblem,
    Change,
    Item,
    Outcome,
    PairGroup,
    Plan,
)

__all__ = [
    'Audit',
    'AuditFix',
    'AuditProblem',
    'Change',
    'Item',
    'Outcome',
    'PairGroup',
    'Plan',
    'audit',
    'plan',
]
