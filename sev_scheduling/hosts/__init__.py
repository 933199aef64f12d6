"""What a host says to a request."""

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import (
    FilterResult,
    Verdict,
    VerdictCode,
    filter_hosts,
    judge,
)

__all__ = [
    'FilterResult',
    'Host',
    'SlotPool',
    'Verdict',
    'VerdictCode',
    'filter_hosts',
    'judge',
]
