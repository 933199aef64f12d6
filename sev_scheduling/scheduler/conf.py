"""Checks of the configuration of nova-scheduler, and of Placement."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from sev_scheduling import opts
from sev_scheduling.configuration import Configuration
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.aggregates import (
    parse_machine_types,
)
from sev_scheduling.hosts.check import (
    Finding,
    Note,
    NoteCode,
    NotRead,
    failure,
    success,
    warning,
)
from sev_scheduling.models import registered_models
from sev_scheduling.scheduler.report import SchedulerReport
from sev_scheduling.scheduler.settings import RETRIES

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
