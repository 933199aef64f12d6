"""Every flavor with every image: ``audit()`` and what it finds."""

from sev_scheduling.audit.audit import audit
from sev_scheduling.audit.results import (
    Audit,
    AuditFix,
    AuditProblem,
    Item,
    PairGroup,
)

__all__ = [
    'Audit',
    'AuditFix',
    'AuditProblem',
    'Item',
    'PairGroup',
    'audit',
]
