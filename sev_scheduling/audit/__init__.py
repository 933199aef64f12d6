"""Every flavor with every image: ``audit()`` and what it finds.

``plan()`` says what to change so that nothing is left to fix, ``plan_pair()``
likewise of one flavor and one image.
"""

from sev_scheduling.audit.audit import audit
from sev_scheduling.audit.pair import plan_pair
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
    'plan_pair',
]
