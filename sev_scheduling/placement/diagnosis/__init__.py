"""What empties Placement's answer to a request."""

from sev_scheduling.placement.diagnosis.inquiry import diagnose
from sev_scheduling.placement.diagnosis.probe import (
    MAX_CALLS,
    host_with_candidate,
)
from sev_scheduling.placement.diagnosis.unmet_constraints import unmet_by_host

__all__ = ['MAX_CALLS', 'diagnose', 'host_with_candidate', 'unmet_by_host']
