"""How long a reason may be in the fault of a server."""

from __future__ import annotations

from sev_scheduling.explain.explanation import FAULT_BYTES, Explanation

_PREFIX = len('No valid host was found. ')
_REQUEST_FILTER_PREFIX = len('No valid host was found. Scheduling failed: ')


def host_fault(explanation: Explanation) -> str:
    """Return the reason of a ``NoValidHost``, for tenants."""
    return explanation.fault(FAULT_BYTES - _PREFIX)


def request_fault(explanation: Explanation) -> str:
    """Return the reason of a ``RequestFilterFailed``, for tenants."""
    return explanation.fault(FAULT_BYTES - _REQUEST_FILTER_PREFIX)
