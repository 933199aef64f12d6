"""What empties Placement's answer to a request."""

from sev_scheduling.placement.diagnosis.inquiry import diagnose
from sev_scheduling.placement.diagnosis.probe import MAX_CALLS

__all__ = ['MAX_CALLS', 'diagnose']
