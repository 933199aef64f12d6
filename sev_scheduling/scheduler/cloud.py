"""Checks of the cloud that nova-scheduler serves."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from sev_scheduling import opts
from sev_scheduling.hosts.aggregates import (
    MACHINE_TYPE_KEY,
    MAX_GUESTS_KEY,
    PREFIX,
    Aggregate,
    machine_types_of,
)
from sev_scheduling.hosts.check import (
    Finding,
    Note,
    NoteCode,
    success,
    warning,
)
from sev_scheduling.hosts.host import common_machine_type
from sev_scheduling.models import model_traits, registered_models
from sev_scheduling.scheduler.report import SchedulerReport, some
from sev_scheduling.scheduler.settings import ISOLATION
from sev_scheduling.text import whole_number


def machine_types(report: SchedulerReport) -> Finding:
    """Whether the default machine type of each host with slots is known."""
    if report.hosts is None:
        return warning(NoteCode.HOSTS_UNKNOWN, error=report.hosts_error)
    hosts = [
        host
        for host in report.hosts
        if any(pool.total for pool in host.pools.values())
    ]
    if not hosts:
        return warning(NoteCode.HOSTS_WITHOUT_SLOTS, count=len(report.hosts))
    unknown = [host for host in hosts if not host.machine_types]
    if unknown and report.aggregates is not None:
        unknown = [
            host
            for host in unknown
            if not machine_types_of(
                _metadata(report.aggregates, host.name)
            ).found
        ]
    values = {
        'count': len(unknown),
        'total': len(hosts),
        'names': some(host.name for host in unknown),
        'option': 'default_machine_type',
    }
    if not unknown:
        return success(NoteCode.HOSTS_PUBLISH, **values)
    default = strict = False
    if report.conf is not None:
        default = bool(report.ours('default_machine_type'))
        strict = bool(report.ours('require_known_machine_type'))
    if default:
        return success(NoteCode.HOSTS_BY_DEFAULT, **values)
    if strict:
        return warning(NoteCode.HOSTS_REJECTED, **values)
    return warning(NoteCode.HOSTS_WITHOUT_MACHINE_TYPE, **values)


def _metadata(
    aggregates: Iterable[Aggregate], host: str
) -> list[tuple[str, Any]]:
    return [
        (aggregate.name, aggregate.metadata)
        for aggregate in aggregates
        if host in aggregate.hosts
    ]


def aggregates(report: SchedulerReport) -> Finding:
    """Whether the metadata of aggregates agree, and are used."""
    if report.aggregates is None:
        return warning(
            NoteCode.AGGREGATES_UNKNOWN, error=report.aggregates_error
        )
    found = (
        *_contradictions(report),
        *(n for one in report.aggregates for n in _unused_metadata(one)),
        *_isolated(report),
    )
    if found:
        return warning(NoteCode.AGGREGATES_WRONG, reasons=found)
    return success(NoteCode.AGGREGATES_FIT, count=len(report.aggregates))


def _contradictions(report: SchedulerReport) -> Iterator[Note]:
    """Yield pairs that cannot both be right, each once with its hosts."""
    assert report.aggregates is not None
    published = {host.name: host.machine_types for host in report.hosts or ()}
    between: dict[Any, list[str]] = {}
    against: dict[Any, list[str]] = {}
    for host in sorted({h for one in report.aggregates for h in one.hosts}):
        metadata = _metadata(report.aggregates, host)
        for one in machine_types_of(metadata).contradictions:
            between.setdefault(one, []).append(host)
        for name, theirs in metadata:
            said = machine_types_of([(name, theirs)]).found
            for architecture, own in published.get(host, {}).items():
                other = said.get(architecture)
                if own and other and not common_machine_type((own, other)):
                    key = name, other, own
                    against.setdefault(key, []).append(host)
    for one, hosts in between.items():
        yield Note(
            NoteCode.AGGREGATES_CONTRADICT,
            {
                'first': one.first[0],
                'second': one.second[0],
                'one': one.first[1],
                'other': one.second[1],
                'hosts': some(hosts),
            },
        )
    for (name, other, own), hosts in against.items():
        yield Note(
            NoteCode.AGGREGATE_CONTRADICTS_HOST,
            {'name': name, 'one': other, 'own': own, 'hosts': some(hosts)},
        )


def _unused_metadata(aggregate: Aggregate) -> Iterator[Note]:
    """Yield metadata that were meant for us, and that nothing reads."""
    keys = (
        MACHINE_TYPE_KEY,
        MAX_GUESTS_KEY,
        *(f'{MAX_GUESTS_KEY}:{model}' for model in registered_models()),
    )
    multipliers = (opts.WEIGHT_MULTIPLIER, opts.AVOIDANCE_MULTIPLIER)
    for name, error in machine_types_of(
        [(aggregate.name, aggregate.metadata)]
    ).unusable:
        yield Note(
            NoteCode.AGGREGATE_VALUE,
            {'name': name, 'key': MACHINE_TYPE_KEY, 'error': error},
        )
    for key, value in aggregate.metadata.items():
        about = {'name': aggregate.name, 'key': key, 'value': value}
        if (key in keys[1:] and whole_number(value) is None) or (
            key in multipliers and not _is_number(value)
        ):
            yield Note(NoteCode.AGGREGATE_NUMBER, about)
        elif key.startswith(PREFIX) and key not in keys:
            close = difflib.get_close_matches(key, keys, 1)
            yield Note(
                NoteCode.AGGREGATE_KEY, {**about, 'close': tuple(close)}
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _isolated(report: SchedulerReport) -> Iterator[Note]:
    """Yield aggregates whose required traits no single model has."""
    assert report.aggregates is not None
    if report.conf is None or not report.get(ISOLATION, 'scheduler'):
        return
    for aggregate in report.aggregates:
        traits = tuple(
            trait
            for trait in model_traits()
            if aggregate.metadata.get(f'trait:{trait}') == 'required'
        )
        if len(traits) > 1:
            yield Note(
                NoteCode.AGGREGATE_ISOLATED,
                {'name': aggregate.name, 'traits': traits},
            )


def servers(report: SchedulerReport) -> Finding:
    """Whether the encrypted servers of today would be built again."""
    if report.servers is None:
        return warning(NoteCode.SERVERS_UNKNOWN, error=report.servers_error)
    invalid = [one for one in report.servers if one.errors]
    values = {'count': len(invalid), 'total': len(report.servers)}
    if not invalid:
        return success(NoteCode.SERVERS_VALID, **values)
    codes = Counter(
        code
        for one in invalid
        for code in {str(problem.code) for problem in one.errors}
    )
    return warning(
        NoteCode.SERVERS_INVALID,
        **values,
        codes=dict(sorted(codes.items())),
        servers=some(one.request.server or '' for one in invalid),
    )
