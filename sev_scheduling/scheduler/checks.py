"""Checks of nova-scheduler's configuration, and of the cloud it serves."""

from __future__ import annotations

from sev_scheduling.hosts.check import (
    Check,
    CheckKind,
    Entry,
    run_checks,
)
from sev_scheduling.scheduler import cloud, conf
from sev_scheduling.scheduler.report import SchedulerReport


def check(report: SchedulerReport) -> tuple[Check, ...]:
    """Return the result of every check."""
    return run_checks(report, _ENTRIES)


_ENTRIES: tuple[Entry[SchedulerReport], ...] = (
    Entry(CheckKind.SCHEDULER_CONF, conf.read),
    Entry(CheckKind.FILTER, conf.filter_loaded),
    Entry(CheckKind.FILTER_ORDER, conf.filter_order),
    Entry(CheckKind.WEIGHER, conf.weigher),
    Entry(CheckKind.SCHEDULER_OPTIONS, conf.options),
    Entry(CheckKind.PLACEMENT_RETRIES, conf.retries),
    Entry(CheckKind.HOST_MACHINE_TYPES, cloud.machine_types),
    Entry(CheckKind.AGGREGATES, cloud.aggregates),
    Entry(CheckKind.SERVERS, cloud.servers),
)
