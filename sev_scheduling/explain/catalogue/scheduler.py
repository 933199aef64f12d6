"""The words about nova-scheduler and its cloud."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.explain.catalogue.rows import NoteRow
from sev_scheduling.hosts.check import NoteCode

_ADD_FILTER = 'Add a line available_filters = {path} to [filter_scheduler]. '
_ENABLE = 'Set enabled_filters = {enabled}.'

_PUBLISH = (
    'Let hosts publish it ("sev-scheduling node provider-config"), or set '
    '[sev_scheduling] {option} where all have the same.'
)

NOTES: Mapping[NoteCode, NoteRow] = {
    NoteCode.SCHEDULER_CONF_READ: NoteRow('{files}.'),
    NoteCode.FILTER_PATH: NoteRow(
        'nova-scheduler does not start: [filter_scheduler] available_filters '
        'has {paths}, and there is no such class.',
        'Write available_filters = {right}.',
    ),
    NoteCode.FILTER_MISSING: NoteRow(
        'It is neither available nor enabled.', _ADD_FILTER + _ENABLE
    ),
    NoteCode.FILTER_NOT_ENABLED: NoteRow(
        'It is available and not enabled.', _ENABLE
    ),
    NoteCode.FILTER_NOT_AVAILABLE: NoteRow(
        'nova-scheduler does not start: the filter is enabled and not '
        'available.',
        _ADD_FILTER.rstrip(),
    ),
    NoteCode.FILTERS_NOT_AVAILABLE: NoteRow(
        'nova-scheduler does not start: {names} enabled, and '
        '[filter_scheduler] available_filters has no such filter.',
        'Add a line available_filters = '
        'nova.scheduler.filters.all_filters, or correct the name.',
    ),
    NoteCode.FILTER_ENABLED: NoteRow('It is available and enabled.'),
    NoteCode.FILTER_AFTER_OTHERS: NoteRow(
        'It stands after {others}, which may refuse a rebuild before it; '
        'then the new image stays written down for the server, and the next '
        'hard reboot takes it.',
        _ENABLE,
    ),
    NoteCode.FILTER_BEFORE_COMPUTE: NoteRow(
        'It stands before ComputeFilter, and looks at hosts that are down, '
        'too.',
        'Put ComputeFilter first.',
    ),
    NoteCode.FILTER_PLACED: NoteRow(
        'It stands before every filter that looks at rebuilds.'
    ),
    NoteCode.WEIGHER_PATH: NoteRow(
        'nova-scheduler does not start: [filter_scheduler] weight_classes '
        'has {paths}, and there is no such class.',
        'Write {right}.',
    ),
    NoteCode.WEIGHER_NOT_ENABLED: NoteRow(
        'It is not enabled: guests without encryption fill hosts with slots '
        'as any other.',
        'Set [filter_scheduler] weight_classes = '
        'nova.scheduler.weights.all_weighers,{right}.',
    ),
    NoteCode.WEIGHER_ALONE: NoteRow(
        "[filter_scheduler] weight_classes has none of nova's own weighers.",
        'Add nova.scheduler.weights.all_weighers.',
    ),
    NoteCode.WEIGHER_OFF: NoteRow(
        'It is enabled, and both its multipliers are 0: it counts only in '
        'aggregates that set theirs.'
    ),
    NoteCode.WEIGHER_ENABLED: NoteRow('It is enabled.'),
    NoteCode.SCHEDULER_OPTIONS_WRONG: NoteRow('{reasons}.'),
    NoteCode.SCHEDULER_OPTIONS_FIT: NoteRow('Set: {count}.'),
    NoteCode.SCHEDULER_OPTION_INVALID: NoteRow(
        'nova-scheduler fails: {error}'
    ),
    NoteCode.SCHEDULER_OPTION_NOT_USED: NoteRow('{name} is not used: {error}'),
    NoteCode.SCHEDULER_OPTION_MODEL: NoteRow(
        '{name} has model {unknown}; known are {known}'
    ),
    NoteCode.SCHEDULER_OPTION_UNKNOWN: NoteRow(
        '[sev_scheduling] has no option {name}{close}'
    ),
    NoteCode.SCHEDULER_OPTION_MISPLACED: NoteRow(
        '{name} stands in [{group}] and belongs in [sev_scheduling]'
    ),
    NoteCode.SCHEDULER_OPTION_UNUSED: NoteRow(
        '{name} has no effect without {needs}'
    ),
    NoteCode.RETRIES_UNKNOWN: NoteRow(
        'The configuration of Placement is not known.',
        'Give --placement-config, or see that [placement] {option} is 1: '
        'else Placement may give one slot to two guests.',
    ),
    NoteCode.RETRIES_TOO_MANY: NoteRow(
        '[placement] {option} is {value}: Placement may give one slot to two '
        'guests whose claims collide.',
        'Set {option} = 1 in placement.conf.',
    ),
    NoteCode.RETRIES_FIT: NoteRow('[placement] {option} is 1.'),
    NoteCode.HOSTS_UNKNOWN: NoteRow('Placement was not asked: {error}'),
    NoteCode.HOSTS_WITHOUT_SLOTS: NoteRow(
        '{count} {count:host|hosts}, of which none offers slots.',
        'Run "sev-scheduling node check" on a host that should.',
    ),
    NoteCode.HOSTS_PUBLISH: NoteRow(
        'Known of every host with slots: {total}.'
    ),
    NoteCode.HOSTS_BY_DEFAULT: NoteRow(
        'Not published by {count} of {total} {total:host|hosts} with slots '
        '({names}), for which [sev_scheduling] {option} counts.'
    ),
    NoteCode.HOSTS_REJECTED: NoteRow(
        'Not known of {count} of {total} {total:host|hosts} with slots '
        '({names}), which '
        'require_known_machine_type keeps from images that name none.',
        _PUBLISH,
    ),
    NoteCode.HOSTS_WITHOUT_MACHINE_TYPE: NoteRow(
        'Not known of {count} of {total} {total:host|hosts} with slots '
        '({names}): an '
        'image that names none is tried there, and fails where it is pc.',
        _PUBLISH,
    ),
    NoteCode.AGGREGATES_UNKNOWN: NoteRow('Aggregates were not read: {error}'),
    NoteCode.AGGREGATES_WRONG: NoteRow('{reasons}.'),
    NoteCode.AGGREGATES_FIT: NoteRow('Aggregates: {count}.'),
    NoteCode.AGGREGATES_CONTRADICT: NoteRow(
        'aggregate {first} has machine type {one} and {second} has {other}, '
        'so that it counts as unknown for {hosts}'
    ),
    NoteCode.AGGREGATE_CONTRADICTS_HOST: NoteRow(
        'aggregate {name} has machine type {one}; {own} is published by '
        '{hosts}, and counts'
    ),
    NoteCode.AGGREGATE_VALUE: NoteRow(
        '{key} of aggregate {name} is not used: {error}'
    ),
    NoteCode.AGGREGATE_NUMBER: NoteRow(
        '{key} of aggregate {name} is {value}, which is no number'
    ),
    NoteCode.AGGREGATE_KEY: NoteRow(
        'nothing reads {key} of aggregate {name}{close}'
    ),
    NoteCode.AGGREGATE_ISOLATED: NoteRow(
        'aggregate {name} requires {traits}, which no guest has together; '
        'with enable_isolated_aggregate_filtering it takes no encrypted guest'
    ),
    NoteCode.SERVERS_UNKNOWN: NoteRow('Servers were not read: {error}'),
    NoteCode.SERVERS_VALID: NoteRow('Encrypted servers: {total}, all valid.'),
    NoteCode.SERVERS_INVALID: NoteRow(
        '{count} of {total} encrypted {total:server|servers} would not be '
        'built today ({codes}): {servers}. Moves of them are not refused for '
        'that, and end in ERROR on a host that cannot start them.',
        'Before you move or evacuate one, run "openstack memory encryption '
        'explain --server" for what is wrong with it.',
    ),
}
