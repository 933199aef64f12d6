"""Which hosts can run a request, and why others cannot."""

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import filter_hosts, judge
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode

__all__ = [
    'FilterResult',
    'Host',
    'SlotPool',
    'Verdict',
    'VerdictCode',
    'filter_hosts',
    'judge',
]
