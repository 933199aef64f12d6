"""Checks of nova-scheduler's configuration, and of the cloud it serves."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sev_scheduling import opts
from sev_scheduling.configuration import Configuration
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.aggregates import (
    MACHINE_TYPE_KEY,
    MAX_GUESTS_KEY,
    PREFIX,
    Aggregate,
    machine_types_of,
    parse_machine_types,
)
from sev_scheduling.hosts.check import (
    Check,
    CheckKind,
    Entry,
    Finding,
    Note,
    NoteCode,
    NotRead,
    failure,
    run_checks,
    success,
    warning,
)
from sev_scheduling.hosts.host import Host, common_machine_type
from sev_scheduling.models import model_traits, registered_models
from sev_scheduling.rules.validation import Validation
from sev_scheduling.scheduler.settings import ISOLATION, RETRIES
from sev_scheduling.text import whole_number

FILTER = 'MemoryEncryptionFilter'
WEIGHER = 'MemoryEncryptionWeigher'

#: Where nova loads them from.
_FILTER_PATHS = frozenset(
    f'sev_scheduling.nova.{inner}{FILTER}' for inner in ('', 'filter.')
)
_WEIGHER_PATHS = frozenset(
    f'sev_scheduling.nova.{inner}{WEIGHER}' for inner in ('', 'weigher.')
)
_PACKAGE = 'sev_scheduling'

ALL_FILTERS = 'nova.scheduler.filters.all_filters'

#: Nova's filters with ``RUN_ON_REBUILD``, and all others (nova 31 to 34).
REBUILD_FILTERS = frozenset(
    {
        'AggregateImagePropertiesIsolation',
        'ImagePropertiesFilter',
        'IsolatedHostsFilter',
    }
)
NOVAS_FILTERS = REBUILD_FILTERS | {
    'AggregateInstanceExtraSpecsFilter',
    'AggregateIoOpsFilter',
    'AggregateMultiTenancyIsolation',
    'AggregateNumInstancesFilter',
    'AggregateTypeAffinityFilter',
    'AllHostsFilter',
    'ComputeCapabilitiesFilter',
    'ComputeFilter',
    'DifferentHostFilter',
    'IoOpsFilter',
    'JsonFilter',
    'MetricsFilter',
    'NUMATopologyFilter',
    'NumInstancesFilter',
    'PciPassthroughFilter',
    'SameHostFilter',
    'ServerGroupAffinityFilter',
    'ServerGroupAntiAffinityFilter',
    'SimpleCIDRAffinityFilter',
}
#: Rejects hosts that are down, so that none after it looks at these.
_COMPUTE_FILTER = 'ComputeFilter'

_OPTIONS = {option.dest: option for option in opts.OPTS}
_WEIGHERS_OPTIONS = (
    opts.WEIGHT_MULTIPLIER,
    opts.AVOIDANCE_MULTIPLIER,
    'slots_cache_seconds',
)
#: How alike the names of groups are where one is meant for the other;
#: ``[scheduler]`` and ``[filter_scheduler]`` are less.
_SAME_WORD = 0.85
#: Hosts and servers that are named; the others are counted.
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerReport:
    """All that the checks look at; None stands for unknown.

    :ivar conf: of nova-scheduler
    :ivar placement: of Placement
    :ivar hosts: all of the cloud
    :ivar servers: the encrypted ones, validated
    :ivar conf_error: why there is none; likewise the others
    """

    conf: Configuration | None = None
    conf_error: str | None = None
    placement: Configuration | None = None
    placement_error: str | None = None
    hosts: tuple[Host, ...] | None = None
    hosts_error: str | None = None
    aggregates: tuple[Aggregate, ...] | None = None
    aggregates_error: str | None = None
    servers: tuple[Validation, ...] | None = None
    servers_error: str | None = None

    def get(self, name: str, group: str = 'filter_scheduler') -> Any:
        """Return an option of nova-scheduler.

        :raises NotRead: where its configuration could not be read
        :raises InputError: where its value cannot be used
        """
        if self.conf is None:
            raise NotRead(self.conf_error)
        return self.conf.get(group, name)

    def ours(self, name: str) -> Any:
        """Return an option of ``[sev_scheduling]``, as :meth:`get` does."""
        return self.get(name, opts.GROUP.name)


def check(report: SchedulerReport) -> tuple[Check, ...]:
    """Return the result of every check."""
    return run_checks(report, _ENTRIES)


def read(report: SchedulerReport) -> Finding:
    if report.conf is None:
        raise InputError(report.conf_error or '')
    return success(NoteCode.SCHEDULER_CONF_READ, files=report.conf.files)


def filter_loaded(report: SchedulerReport) -> Finding:
    """Whether nova-scheduler starts with the filters, ours among them."""
    available = report.get('available_filters')
    enabled = report.get('enabled_filters')
    wrong = _wrong_paths(available, _FILTER_PATHS)
    if wrong:
        return failure(
            NoteCode.FILTER_PATH, paths=wrong, right=min(_FILTER_PATHS)
        )
    ours = not _FILTER_PATHS.isdisjoint(available)
    if FILTER not in enabled:
        return failure(
            NoteCode.FILTER_NOT_ENABLED if ours else NoteCode.FILTER_MISSING,
            enabled=','.join(_with_filter(enabled)),
            path=min(_FILTER_PATHS),
        )
    if not ours:
        return failure(NoteCode.FILTER_NOT_AVAILABLE, path=min(_FILTER_PATHS))
    others = _unavailable(available, enabled)
    if others:
        return failure(NoteCode.FILTERS_NOT_AVAILABLE, names=others)
    return success(NoteCode.FILTER_ENABLED)


def _wrong_paths(
    paths: Iterable[str], right: frozenset[str]
) -> tuple[str, ...]:
    """Return the paths into this package that lead nowhere."""
    return tuple(
        path
        for path in paths
        if path.partition('.')[0] == _PACKAGE and path not in right
    )


def _unavailable(
    available: Iterable[str], enabled: Iterable[str]
) -> tuple[str, ...]:
    """Return the enabled filters that nothing makes available."""
    names: set[str] = set()
    for path in available:
        name = path.rpartition('.')[2]
        if path == ALL_FILTERS:
            names |= NOVAS_FILTERS
        elif name[:1].isupper():
            names.add(name)
        else:
            # A function of another package, which returns any classes.
            return ()
    return tuple(name for name in enabled if name not in names)


def _with_filter(enabled: Iterable[str]) -> list[str]:
    """Return enabled filters with ours where it belongs."""
    names = [name for name in enabled if name != FILTER]
    position = min(
        (i for i, name in enumerate(names) if name in REBUILD_FILTERS),
        default=len(names),
    )
    return [*names[:position], FILTER, *names[position:]]


def filter_order(report: SchedulerReport) -> Finding | None:
    """Whether our filter stands where it can do its work."""
    enabled = report.get('enabled_filters')
    if FILTER not in enabled:
        return None
    before = enabled[: enabled.index(FILTER)]
    first = tuple(name for name in before if name in REBUILD_FILTERS)
    better = ','.join(_with_filter(enabled))
    if first:
        return warning(
            NoteCode.FILTER_AFTER_OTHERS, others=first, enabled=better
        )
    if _COMPUTE_FILTER in enabled and _COMPUTE_FILTER not in before:
        return success(NoteCode.FILTER_BEFORE_COMPUTE)
    return success(NoteCode.FILTER_PLACED)


def weigher(report: SchedulerReport) -> Finding:
    classes = report.get('weight_classes')
    wrong = _wrong_paths(classes, _WEIGHER_PATHS)
    values = {'right': min(_WEIGHER_PATHS)}
    if wrong:
        return failure(NoteCode.WEIGHER_PATH, paths=wrong, **values)
    others = [name for name in classes if name not in _WEIGHER_PATHS]
    if len(others) == len(classes):
        return warning(NoteCode.WEIGHER_NOT_ENABLED, **values)
    if not others:
        return warning(NoteCode.WEIGHER_ALONE)
    if not (
        report.ours(opts.WEIGHT_MULTIPLIER)
        or report.ours(opts.AVOIDANCE_MULTIPLIER)
    ):
        return success(NoteCode.WEIGHER_OFF)
    return success(NoteCode.WEIGHER_ENABLED)


def options(report: SchedulerReport) -> Finding:
    """What ``[sev_scheduling]`` says, and what was meant for it."""
    if report.conf is None:
        raise NotRead(report.conf_error)
    invalid = tuple(
        Note(NoteCode.SCHEDULER_OPTION_INVALID, {'error': error.rstrip('.')})
        for (group, _), error in report.conf.errors.items()
        if group == opts.GROUP.name
    )
    found = (
        *invalid,
        *_unparsable(report),
        *_misspelt(report.conf),
        *_unused(report),
    )
    if found:
        # Nova-scheduler does not start with a value of another type.
        result = failure if invalid else warning
        return result(NoteCode.SCHEDULER_OPTIONS_WRONG, reasons=found)
    names = tuple(report.conf.written.get(opts.GROUP.name, ()))
    return success(NoteCode.SCHEDULER_OPTIONS_FIT, count=len(names))


def _unparsable(report: SchedulerReport) -> Iterator[Note]:
    """Yield values of the right type that mean nothing."""
    assert report.conf is not None
    errors = report.conf.errors
    group = opts.GROUP.name
    if (group, name := 'default_machine_type') not in errors:
        try:
            parse_machine_types(report.ours(name))
        except ValueError as error:
            yield Note(
                NoteCode.SCHEDULER_OPTION_NOT_USED,
                {'name': name, 'error': str(error)},
            )
    if (group, name := 'max_guests_per_model') not in errors:
        for model in report.ours(name):
            if model not in registered_models():
                yield Note(
                    NoteCode.SCHEDULER_OPTION_MODEL,
                    {
                        'name': name,
                        'unknown': model,
                        'known': tuple(registered_models()),
                    },
                )


def _misspelt(conf: Configuration) -> Iterator[Note]:
    """Yield names and groups that nova-scheduler does not look at."""
    for group, section in conf.written.items():
        # As oslo.config compares the names of groups.
        is_ours = group.lower() == opts.GROUP.name
        alike = not is_ours and bool(
            difflib.get_close_matches(
                group.lower(), [opts.GROUP.name], cutoff=_SAME_WORD
            )
        )
        for name in section:
            if is_ours and name not in _OPTIONS:
                close = difflib.get_close_matches(name, _OPTIONS, 1)
                yield Note(
                    NoteCode.SCHEDULER_OPTION_UNKNOWN,
                    {'name': name, 'close': tuple(close)},
                )
            elif not is_ours and (
                alike or name in _OPTIONS.keys() - _SHARED_NAMES
            ):
                yield Note(
                    NoteCode.SCHEDULER_OPTION_MISPLACED,
                    {'group': group, 'name': name},
                )


#: Names that other groups may have, too.
_SHARED_NAMES = frozenset({'cache_seconds', 'max_guests'})


def _unused(report: SchedulerReport) -> Iterator[Note]:
    """Yield options that are set and that nothing reads."""
    assert report.conf is not None
    classes = report.get('weight_classes')
    unused: dict[str, str] = {}
    if _WEIGHER_PATHS.isdisjoint(classes):
        unused |= dict.fromkeys(_WEIGHERS_OPTIONS, WEIGHER)
    off = (opts.GROUP.name, 'request_filter')
    if report.conf.values.get(off) is False:
        unused['explain_no_candidates'] = 'request_filter'
    for name in report.conf.written.get(opts.GROUP.name, ()):
        if name in unused:
            yield Note(
                NoteCode.SCHEDULER_OPTION_UNUSED,
                {'name': name, 'needs': unused[name]},
            )


def retries(report: SchedulerReport) -> Finding:
    """Whether Placement itself may give out its last slot twice."""
    values = {'option': RETRIES}
    if report.placement is None:
        if report.placement_error:
            raise InputError(report.placement_error)
        return warning(NoteCode.RETRIES_UNKNOWN, **values)
    value = report.placement.get('placement', RETRIES)
    if value == 1:
        return success(NoteCode.RETRIES_FIT, **values)
    return warning(NoteCode.RETRIES_TOO_MANY, **values, value=value)


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
        'names': _some(host.name for host in unknown),
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


def _some(names: Iterable[str]) -> tuple[str, ...]:
    found = sorted(names)
    more = ('…',) if len(found) > SHOWN else ()
    return (*found[:SHOWN], *more)


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
                'hosts': _some(hosts),
            },
        )
    for (name, other, own), hosts in against.items():
        yield Note(
            NoteCode.AGGREGATE_CONTRADICTS_HOST,
            {'name': name, 'one': other, 'own': own, 'hosts': _some(hosts)},
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
        servers=_some(one.request.server or '' for one in invalid),
    )


_ENTRIES: tuple[Entry[SchedulerReport], ...] = (
    Entry(CheckKind.SCHEDULER_CONF, read),
    Entry(CheckKind.FILTER, filter_loaded),
    Entry(CheckKind.FILTER_ORDER, filter_order),
    Entry(CheckKind.WEIGHER, weigher),
    Entry(CheckKind.SCHEDULER_OPTIONS, options),
    Entry(CheckKind.PLACEMENT_RETRIES, retries),
    Entry(CheckKind.HOST_MACHINE_TYPES, machine_types),
    Entry(CheckKind.AGGREGATES, aggregates),
    Entry(CheckKind.SERVERS, servers),
)
