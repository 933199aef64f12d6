"""What is found in nova-scheduler's configuration and in its cloud."""

import dataclasses

import pytest

import sev_scheduling.explain.checks  # noqa: F401
from sev_scheduling.hosts.aggregates import Aggregate
from sev_scheduling.hosts.check import CheckKind, Note, NoteCode, Status
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.problems import Code
from sev_scheduling.request.parsing import parse
from sev_scheduling.rules.validation import validate
from sev_scheduling.scheduler.checks import check
from sev_scheduling.scheduler.report import SchedulerReport
from sev_scheduling.scheduler.settings import (
    read_placement_conf,
    read_scheduler_conf,
)

N = NoteCode
SUCCESS, WARNING, FAILURE = Status
OURS = 'available_filters = sev_scheduling.nova.MemoryEncryptionFilter'
NOVAS = 'available_filters = nova.scheduler.filters.all_filters'
WEIGHERS = (
    'weight_classes = nova.scheduler.weights.all_weighers,'
    'sev_scheduling.nova.MemoryEncryptionWeigher'
)
READY = (NOVAS, OURS, 'enabled_filters = ComputeFilter,MemoryEncryptionFilter')
TYPE = 'sev_scheduling:hw_machine_type'
LIMIT = 'sev_scheduling:max_guests'


@pytest.fixture
def conf(tmp_path):
    def conf(*lines, ours=(), more=()):
        path = tmp_path / 'nova.conf'
        path.write_text(
            '\n'.join(
                [
                    '[filter_scheduler]',
                    *lines,
                    '[sev_scheduling]',
                    *ours,
                    *more,
                ]
            )
        )
        return read_scheduler_conf([path])

    return conf


def of(kind, **facts):
    """Return status, code and values of one check; None without it."""
    found = {one.kind: one for one in check(SchedulerReport(**facts))}
    if kind not in found:
        return None
    result = found[kind]
    return result.status, result.code, result.note.values


def reasons(kind, **facts):
    """Return status and codes of what a check is made of."""
    status, code, values = of(kind, **facts)
    notes = values.get('reasons', ())
    assert all(isinstance(note, Note) and note.message for note in notes)
    return status, [note.code for note in notes] or code


def test_every_check_says_what_is_unknown():
    found = check(
        SchedulerReport(
            conf_error='no file',
            hosts_error='no answer',
            aggregates_error='no database',
            servers_error='no database',
        )
    )

    assert [(one.kind, one.status, one.code) for one in found] == [
        (CheckKind.SCHEDULER_CONF, FAILURE, N.UNUSABLE_INPUT),
        (CheckKind.PLACEMENT_RETRIES, WARNING, N.RETRIES_UNKNOWN),
        (CheckKind.HOST_MACHINE_TYPES, WARNING, N.HOSTS_UNKNOWN),
        (CheckKind.AGGREGATES, WARNING, N.AGGREGATES_UNKNOWN),
        (CheckKind.SERVERS, WARNING, N.SERVERS_UNKNOWN),
    ]
    assert all(one.name and one.details for one in found)


@pytest.mark.parametrize(
    ('lines', 'status', 'code'),
    [
        pytest.param((), FAILURE, N.FILTER_MISSING, id="nova's defaults"),
        pytest.param((NOVAS, OURS), FAILURE, N.FILTER_NOT_ENABLED, id='off'),
        pytest.param(
            ('enabled_filters = MemoryEncryptionFilter',),
            FAILURE,
            N.FILTER_NOT_AVAILABLE,
            id='enabled alone',
        ),
        pytest.param(READY, SUCCESS, N.FILTER_ENABLED, id='ready'),
        pytest.param(
            (
                NOVAS,
                'available_filters = '
                'sev_scheduling.nova.filter.MemoryEncryptionFilter',
                READY[2],
            ),
            SUCCESS,
            N.FILTER_ENABLED,
            id='by the path of its module',
        ),
        pytest.param(
            (NOVAS, 'available_filters = sev_scheduling.nova.Filter'),
            FAILURE,
            N.FILTER_PATH,
            id='a path that leads nowhere',
        ),
        pytest.param(
            (OURS, READY[2]),
            FAILURE,
            N.FILTERS_NOT_AVAILABLE,
            id="nova's own are not available",
        ),
        pytest.param(
            (NOVAS, OURS, READY[2] + ',ComputFilter'),
            FAILURE,
            N.FILTERS_NOT_AVAILABLE,
            id='a misspelt name',
        ),
        pytest.param(
            (NOVAS, OURS, 'available_filters = x.y.Zed', READY[2] + ',Zed'),
            SUCCESS,
            N.FILTER_ENABLED,
            id='a filter of another package',
        ),
        pytest.param(
            (OURS, 'available_filters = x.all_filters', READY[2] + ',Zed'),
            SUCCESS,
            N.FILTER_ENABLED,
            id='a function of another package, of any filters',
        ),
    ],
)
def test_the_filter_is_loaded(conf, lines, status, code):
    found = of(CheckKind.FILTER, conf=conf(*lines))

    assert found[:2] == (status, code)


@pytest.mark.parametrize(
    ('enabled', 'status', 'code', 'values'),
    [
        ('ComputeFilter', None, None, None),
        ('ComputeFilter,M', SUCCESS, N.FILTER_PLACED, {}),
        ('M,ComputeFilter', SUCCESS, N.FILTER_BEFORE_COMPUTE, {}),
        ('M', SUCCESS, N.FILTER_PLACED, {}),
        (
            'ComputeFilter,ImagePropertiesFilter,X,IsolatedHostsFilter,M',
            WARNING,
            N.FILTER_AFTER_OTHERS,
            {
                'others': ('ImagePropertiesFilter', 'IsolatedHostsFilter'),
                'enabled': 'ComputeFilter,MemoryEncryptionFilter,'
                'ImagePropertiesFilter,X,IsolatedHostsFilter',
            },
        ),
        (
            'ComputeFilter,M,ImagePropertiesFilter',
            SUCCESS,
            N.FILTER_PLACED,
            {},
        ),
    ],
)
def test_the_place_of_the_filter(conf, enabled, status, code, values):
    names = enabled.replace('M', 'MemoryEncryptionFilter')
    found = of(CheckKind.FILTER_ORDER, conf=conf(f'enabled_filters = {names}'))

    assert found == (None if status is None else (status, code, values))


@pytest.mark.parametrize(
    ('line', 'ours', 'status', 'code'),
    [
        pytest.param(
            '', (), WARNING, N.WEIGHER_NOT_ENABLED, id="nova's default"
        ),
        pytest.param(WEIGHERS, (), SUCCESS, N.WEIGHER_ENABLED, id='ready'),
        pytest.param(
            WEIGHERS.replace('nova.M', 'nova.weigher.M'),
            (),
            SUCCESS,
            N.WEIGHER_ENABLED,
            id='by the path of its module',
        ),
        pytest.param(
            WEIGHERS.replace('Weigher', 'Weighter'),
            (),
            FAILURE,
            N.WEIGHER_PATH,
            id='a path that leads nowhere',
        ),
        pytest.param(
            'weight_classes = sev_scheduling.nova.MemoryEncryptionWeigher',
            (),
            WARNING,
            N.WEIGHER_ALONE,
            id="none of nova's",
        ),
        pytest.param(
            WEIGHERS,
            (
                'memory_encryption_weight_multiplier = 0',
                'memory_encryption_avoidance_weight_multiplier = 0.0',
            ),
            SUCCESS,
            N.WEIGHER_OFF,
            id='without weight',
        ),
    ],
)
def test_the_weigher(conf, line, ours, status, code):
    found = of(CheckKind.WEIGHER, conf=conf(line, ours=ours))

    assert found[:2] == (status, code)


@pytest.mark.parametrize(
    ('ours', 'status', 'found'),
    [
        pytest.param((), SUCCESS, N.SCHEDULER_OPTIONS_FIT, id='none'),
        pytest.param(
            ('max_guests = 0', 'default_machine_type = pc'),
            SUCCESS,
            N.SCHEDULER_OPTIONS_FIT,
            id='in range',
        ),
        pytest.param(
            ('max_guests = -1',),
            FAILURE,
            [N.SCHEDULER_OPTION_INVALID],
            id='out of range',
        ),
        pytest.param(
            ('on_placement_failure = maybe', 'max_guest = 1'),
            FAILURE,
            [N.SCHEDULER_OPTION_INVALID, N.SCHEDULER_OPTION_UNKNOWN],
            id='a choice that is none, and a misspelt name',
        ),
        pytest.param(
            ('default_machine_type = x86_64=q35=pc',),
            WARNING,
            [N.SCHEDULER_OPTION_NOT_USED],
            id='a list that cannot be read',
        ),
        pytest.param(
            ('max_guests_per_model = amd-sev:1,amd-sve:2',),
            WARNING,
            [N.SCHEDULER_OPTION_MODEL],
            id='an unknown model',
        ),
        pytest.param(
            ('max_guests_per_model = amd-sev',),
            FAILURE,
            [N.SCHEDULER_OPTION_INVALID],
            id='no mapping',
        ),
        pytest.param(
            ('request_filter = false', 'explain_no_candidates = true'),
            WARNING,
            [N.SCHEDULER_OPTION_UNUSED],
            id='a part of what is off',
        ),
        pytest.param(
            ('slots_cache_seconds = 5',),
            WARNING,
            [N.SCHEDULER_OPTION_UNUSED],
            id="the weigher's, which is not enabled",
        ),
    ],
)
def test_the_options(conf, ours, status, found):
    assert reasons(CheckKind.SCHEDULER_OPTIONS, conf=conf(ours=ours)) == (
        status,
        found,
    )


@pytest.mark.parametrize(
    ('more', 'found'),
    [
        pytest.param(
            ('[filter_scheduler]', 'memory_encryption_weight_multiplier = 2'),
            [N.SCHEDULER_OPTION_MISPLACED],
            id="beside nova's own multipliers",
        ),
        pytest.param(
            ('[sev-scheduling]', 'max_guests = 1'),
            [N.SCHEDULER_OPTION_MISPLACED],
            id='a group that is nearly ours',
        ),
        pytest.param(
            ('[SEV_SCHEDULING]', 'max_guests = 1'),
            N.SCHEDULER_OPTIONS_FIT,
            id='our group in capitals, as oslo.config takes it',
        ),
        pytest.param(
            ('[cache]', 'max_guests = 1', 'enabled = true'),
            N.SCHEDULER_OPTIONS_FIT,
            id="another group's own",
        ),
        pytest.param(
            ('[scheduler]', 'workers = 1'),
            N.SCHEDULER_OPTIONS_FIT,
            id="nova's own groups",
        ),
    ],
)
def test_options_that_nobody_looks_at(conf, more, found):
    assert reasons(CheckKind.SCHEDULER_OPTIONS, conf=conf(more=more))[1] == (
        found
    )


def test_a_misspelt_option_is_named_with_the_right_one(conf):
    found = of(
        CheckKind.SCHEDULER_OPTIONS, conf=conf(ours=['cache_second = 1'])
    )

    (note,) = found[2]['reasons']
    assert note.values == {'name': 'cache_second', 'close': ('cache_seconds',)}


@pytest.mark.parametrize(
    ('text', 'status', 'code'),
    [
        ('', WARNING, N.RETRIES_TOO_MANY),
        ('allocation_conflict_retry_count = 2', WARNING, N.RETRIES_TOO_MANY),
        ('allocation_conflict_retry_count = 1', SUCCESS, N.RETRIES_FIT),
        ('allocation_conflict_retry_count = 0', WARNING, N.RETRIES_TOO_MANY),
        ('allocation_conflict_retry_count = x', FAILURE, N.UNUSABLE_INPUT),
    ],
)
def test_the_retries_of_placement(tmp_path, text, status, code):
    path = tmp_path / 'placement.conf'
    path.write_text(f'[placement]\n{text}\n')

    found = of(
        CheckKind.PLACEMENT_RETRIES, placement=read_placement_conf([path])
    )

    assert found[:2] == (status, code)


def test_a_configuration_of_placement_that_cannot_be_read_fails():
    found = of(CheckKind.PLACEMENT_RETRIES, placement_error='gone')

    assert found[:2] == (FAILURE, N.UNUSABLE_INPUT)


def host(name, machine_type=None, total=1):
    return Host(
        name=name,
        pools={'amd-sev': SlotPool(total)} if total is not None else {},
        machine_types={'x86_64': machine_type} if machine_type else {},
    )


KNOWN, UNKNOWN = host('a', 'q35'), host('b')


@pytest.mark.parametrize(
    ('hosts', 'ours', 'status', 'code', 'count'),
    [
        pytest.param([], (), WARNING, N.HOSTS_WITHOUT_SLOTS, 0, id='no host'),
        pytest.param(
            [host('a', total=None), host('b', total=0)],
            (),
            WARNING,
            N.HOSTS_WITHOUT_SLOTS,
            2,
            id='hosts without slots',
        ),
        pytest.param(
            [KNOWN, host('b', total=0)],
            (),
            SUCCESS,
            N.HOSTS_PUBLISH,
            0,
            id='all with slots publish it',
        ),
        pytest.param(
            [KNOWN, UNKNOWN],
            (),
            WARNING,
            N.HOSTS_WITHOUT_MACHINE_TYPE,
            1,
            id='one does not',
        ),
        pytest.param(
            [KNOWN, UNKNOWN],
            ['default_machine_type = pc'],
            SUCCESS,
            N.HOSTS_BY_DEFAULT,
            1,
            id='an option has it',
        ),
        pytest.param(
            [UNKNOWN],
            ['require_known_machine_type = true'],
            WARNING,
            N.HOSTS_REJECTED,
            1,
            id='an option rejects the host',
        ),
    ],
)
def test_the_machine_types_of_hosts(conf, hosts, ours, status, code, count):
    found = of(
        CheckKind.HOST_MACHINE_TYPES, hosts=tuple(hosts), conf=conf(ours=ours)
    )

    assert found[:2] == (status, code)
    assert found[2]['count'] == count


def test_an_aggregate_has_the_machine_type_of_its_hosts():
    gold = Aggregate('gold', frozenset({'b'}), {TYPE: 'q35'})

    found = of(
        CheckKind.HOST_MACHINE_TYPES, hosts=(UNKNOWN,), aggregates=(gold,)
    )

    assert found[1] == N.HOSTS_PUBLISH


def test_of_many_hosts_some_are_named():
    hosts = tuple(host(f'h{number}') for number in range(7))

    found = of(CheckKind.HOST_MACHINE_TYPES, hosts=hosts)

    assert found[2]['names'] == ('h0', 'h1', 'h2', 'h3', 'h4', '…')
    assert found[2]['count'] == 7


@pytest.mark.parametrize(
    ('metadata', 'found'),
    [
        pytest.param([{}], N.AGGREGATES_FIT, id='nothing of ours'),
        pytest.param(
            [{TYPE: 'q35'}, {TYPE: 'pc-q35-8.2'}],
            N.AGGREGATES_FIT,
            id='versions',
        ),
        pytest.param(
            [{TYPE: 'q35'}, {TYPE: 'pc'}],
            [N.AGGREGATES_CONTRADICT],
            id='two machine types',
        ),
        pytest.param([{TYPE: '='}], [N.AGGREGATE_VALUE], id='no machine type'),
        pytest.param(
            [{LIMIT: '-1', f'{LIMIT}:amd-sev': 'x'}],
            [N.AGGREGATE_NUMBER] * 2,
            id='limits that are no numbers',
        ),
        pytest.param(
            [{LIMIT: '0', f'{LIMIT}:amd-sev': '15'}],
            N.AGGREGATES_FIT,
            id='limits',
        ),
        pytest.param(
            [{'sev_scheduling:max_guest': '1'}],
            [N.AGGREGATE_KEY],
            id='a misspelt key',
        ),
        pytest.param(
            [{'memory_encryption_weight_multiplier': 'x'}],
            [N.AGGREGATE_NUMBER],
            id='a multiplier that is no number',
        ),
        pytest.param(
            [{'memory_encryption_weight_multiplier': '-1.5'}],
            N.AGGREGATES_FIT,
            id='a multiplier',
        ),
    ],
)
def test_the_metadata_of_aggregates(metadata, found):
    aggregates = tuple(
        Aggregate(f'g{number}', frozenset({'a'}), theirs)
        for number, theirs in enumerate(metadata)
    )

    status, codes = reasons(CheckKind.AGGREGATES, aggregates=aggregates)

    assert codes == found
    assert status == (SUCCESS if codes == N.AGGREGATES_FIT else WARNING)


def test_hosts_of_one_contradiction_stand_together():
    aggregates = (
        Aggregate('g', frozenset('abc'), {TYPE: 'q35'}),
        Aggregate('h', frozenset('bcd'), {TYPE: 'pc'}),
    )

    (note,) = of(CheckKind.AGGREGATES, aggregates=aggregates)[2]['reasons']

    assert note.values == {
        'first': 'g',
        'second': 'h',
        'one': 'q35',
        'other': 'pc',
        'hosts': ('b', 'c'),
    }


@pytest.mark.parametrize(
    ('published', 'code'),
    [('pc', N.AGGREGATE_CONTRADICTS_HOST), ('q35', None), (None, None)],
)
def test_an_aggregate_may_contradict_its_hosts(published, code):
    aggregates = (Aggregate('g', frozenset('ab'), {TYPE: 'q35'}),)

    values = of(
        CheckKind.AGGREGATES,
        aggregates=aggregates,
        hosts=(host('a', published),),
    )[2]

    assert [note.code for note in values.get('reasons', ())] == (
        [code] if code else []
    )


@pytest.mark.parametrize(
    ('traits', 'isolation', 'wrong'),
    [
        (['HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES'], 'true', True),
        (['HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES'], 'false', False),
        (['HW_CPU_X86_AMD_SEV'], 'true', False),
    ],
)
def test_an_isolated_aggregate_of_two_models_takes_no_guest(
    conf, traits, isolation, wrong
):
    line = f'enable_isolated_aggregate_filtering = {isolation}'
    aggregate = Aggregate(
        'g', frozenset(), {f'trait:{trait}': 'required' for trait in traits}
    )

    _, found = reasons(
        CheckKind.AGGREGATES,
        conf=conf(more=['[scheduler]', line]),
        aggregates=(aggregate,),
    )

    assert (found == [N.AGGREGATE_ISOLATED]) is wrong


def server(ident, **properties):
    request = parse(
        {'vcpus': 1, 'ram': 64, 'extra_specs': {'hw:mem_encryption': 'true'}},
        {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35', **properties},
    )
    return validate(dataclasses.replace(request, server=ident))


def test_servers_that_would_not_be_built_today_are_counted_by_code():
    status, code, values = of(
        CheckKind.SERVERS,
        servers=(
            server('1'),
            server('2', hw_disk_bus='ide'),
            server('3', hw_disk_bus='ide', hw_machine_type='pc'),
        ),
    )

    assert (status, code) == (WARNING, N.SERVERS_INVALID)
    assert values == {
        'count': 2,
        'total': 3,
        'servers': ('2', '3'),
        'codes': {
            str(Code.DISK_BUS_UNSUPPORTED): 2,
            str(Code.MACHINE_TYPE_NOT_Q35): 1,
        },
    }


def test_servers_that_are_valid_are_a_success():
    found = of(CheckKind.SERVERS, servers=(server('1'),))

    assert found == (SUCCESS, N.SERVERS_VALID, {'count': 0, 'total': 1})


def test_a_ready_scheduler_is_all_success(conf, tmp_path):
    path = tmp_path / 'placement.conf'
    path.write_text('[placement]\nallocation_conflict_retry_count = 1\n')

    found = check(
        SchedulerReport(
            conf=conf(*READY, WEIGHERS),
            placement=read_placement_conf([path]),
            hosts=(KNOWN,),
            aggregates=(),
            servers=(),
        )
    )

    assert {one.status for one in found} == {SUCCESS}
    assert len(found) == 9
