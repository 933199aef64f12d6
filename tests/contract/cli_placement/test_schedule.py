import re
import tempfile
import uuid
from pathlib import Path

import pytest

COLUMNS = ['Instance', 'Host', 'Model', 'Provider']
WHY = ['Code', 'Permanent', 'Message', 'Fix', 'Guests', 'Caveats', 'Advice']


@pytest.fixture
def schedule(run, cloud, sev):
    def schedule(*options):
        return run('schedule', '-f', 'json', '--cloud', cloud, *sev, *options)

    return schedule


def used(run, *options):
    """Return host -> slots in use."""
    rows = run('capacity', '-f', 'json', *options).json()
    return {row['Host']: row['Used'] for row in rows}


def test_a_guest_gets_a_slot_on_a_host_that_can(schedule):
    ran = schedule()

    assert (ran.status, ran.err) == (0, '')
    (row,) = ran.json()
    assert list(row) == COLUMNS
    assert (row['Host'], row['Model']) == ('epyc-1', 'amd-sev')
    assert uuid.UUID(row['Instance']) != uuid.UUID(row['Provider'])


def test_guests_have_an_instance_each_and_fill_the_hosts(schedule):
    ran = schedule('--count', 4)

    assert ran.status == 0
    rows = ran.json()
    assert sorted(row['Host'] for row in rows) == [
        'epyc-1', 'epyc-1', 'epyc-2', 'epyc-2',
    ]  # fmt: skip
    assert len({row['Instance'] for row in rows}) == 4


def test_one_guest_too_many_places_none_of_them(run, schedule, cloud, state):
    before = used(run, '--cloud', cloud, '--state', state)
    ran = schedule('--count', 5, '--state', state)

    assert ran.status == 1
    assert ran.err.startswith('4 of 5 guests fit, so none was placed')
    first, *others = ran.json()
    assert [*first] == COLUMNS + WHY
    assert [first[name] for name in COLUMNS] == [None, None, 'amd-sev', None]
    assert (first['Code'], first['Guests']) == ('guests', 4)
    assert {row['Code']: row['Permanent'] for row in others} == {
        'no-pool': True, 'machine-type-not-q35': True, 'no-free-slot': False,
    }  # fmt: skip
    assert '  1  defaults to machine type pc' in ran.err
    assert used(run, '--state', state) == before


@pytest.mark.parametrize(
    ('chosen', 'printed'),
    [
        pytest.param(('-f', 'value'), '', id='value'),
        pytest.param(('-f', 'table'), '', id='table'),
        pytest.param(
            ('-f', 'csv', '-c', 'Code', '-c', 'Guests', '--quote', 'none'),
            'Code,Guests\nguests,4\n',
            id='csv',
        ),
        pytest.param(
            ('-f', 'json', '-c', 'Guests', '--noindent'),
            '[{"Guests": 4},',
            id='a column alone',
        ),
    ],
)
def test_who_reads_columns_by_place_gets_no_reasons(schedule, chosen, printed):
    ran = schedule('--count', 5, *chosen)

    assert ran.status == 1
    assert ran.out.startswith(printed)
    assert bool(ran.out) == bool(printed)


def test_a_reason_says_how_many_hosts_it_is_about(run, cloud, flavor, image):
    ran = run(
        *('schedule', '-f', 'json', '--cloud', cloud),
        *('--flavor', flavor('r1.sev-huge')),
        *('--image', image('debian-13-uefi')),
    )

    assert (ran.status, ran.json()[0]['Code']) == (1, 'resources-short')
    for row in ran.json():
        assert re.match('[0-9]+ (of [0-9]+ )?hosts? ', row['Message'])


def test_a_column_of_the_reasons_can_be_asked_for_at_any_time(schedule):
    assert schedule('-c', 'Host', '-c', 'Code').json() == [
        {'Host': 'epyc-1', 'Code': None}
    ]


def test_a_kept_state_holds_the_guests_until_they_are_released(
    run, schedule, state
):
    placed = schedule('--count', 3, '--state', state).json()
    placed += schedule('--state', state).json()
    assert schedule('--state', state).status == 1
    assert used(run, '--state', state) == {
        'default': 5, 'epyc-1': 14, 'epyc-2': 14, 'full': 4, 'genoa': 0,
    }  # fmt: skip

    ran = run('release', '--state', state, placed[0]['Instance'], '-f', 'json')
    assert (ran.status, ran.err) == (0, '')
    assert ran.json() == [
        {'Instance': placed[0]['Instance'], 'Released': True}
    ]
    assert schedule('--state', state).json()[0]['Host'] == placed[0]['Host']


def test_without_a_state_nothing_stays_behind(
    schedule, cloud, tmp_path, monkeypatch
):
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))

    first, second = schedule().json(), schedule().json()
    assert first[0]['Host'] == second[0]['Host']
    assert first[0]['Instance'] != second[0]['Instance']
    assert list(folder.iterdir()) == []


def test_a_state_of_another_cloud_is_refused(run, schedule, sev, write, state):
    assert schedule('--state', state).status == 0
    other = write(
        {'hosts': [{'name': 'x', 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1}]}
    )
    ran = run('schedule', '--cloud', other, '--state', state, *sev)

    assert (ran.status, ran.out) == (2, '')
    assert ran.err.count('\n') == 1
    assert used(run, '--state', state)['epyc-1'] == 13


@pytest.mark.parametrize(
    ('cloud', 'names'),
    [
        pytest.param(
            {'hosts': [{'name': 'x', 'vcpus': 0}]},
            ['host 1 (x)', 'vcpus'],
            id='an amount that is none',
        ),
        pytest.param({'hosts': []}, ['hosts'], id='no host'),
        pytest.param({'host': []}, ["'host'"], id='another key'),
        pytest.param('', ['empty'], id='nothing'),
    ],
)
def test_a_bad_cloud_file_is_reported_in_one_line_and_leaves_no_state(
    run, write, sev, state, cloud, names
):
    path = write(cloud, 'a-cloud.json')
    ran = run('schedule', '--cloud', path, '--state', state, *sev)

    assert (ran.status, ran.out) == (2, '')
    assert ran.err.count('\n') == 1
    for name in ['a-cloud.json', *names]:
        assert name in ran.err
    assert not state.exists()


@pytest.mark.skipif(
    not Path('/proc/self/mem').exists(), reason='no /proc/self/mem'
)
def test_a_state_file_that_takes_no_database_is_reported_in_one_line(schedule):
    ran = schedule('--state', '/proc/self/mem')
    assert (ran.status, ran.out) == (2, '')
    assert ran.err == (
        'sev-scheduling: The database cannot be written: disk I/O error.\n'
    )


def test_a_bad_column_is_reported_before_anything_is_claimed(
    run, schedule, state
):
    assert schedule('--state', state, '-c', 'Fish').status == 2
    assert not state.exists()


def test_an_invalid_request_is_explained_and_no_placement_started(
    run, cloud, flavor, image, state
):
    ran = run(
        *('schedule', '-f', 'json', '--cloud', cloud, '--state', state),
        *('--flavor', flavor('m1.sev'), '--image', image('ubuntu-24.04')),
    )

    assert ran.status == 1
    assert '--property hw_firmware_type=uefi' in ran.err
    assert [(row['Code'], row['Guests']) for row in ran.json()] == [
        ('firmware-not-uefi', None)
    ]
    assert not state.exists()


def test_a_guest_without_encryption_takes_no_slot(run, cloud, flavor, image):
    ran = run(
        *('schedule', '-f', 'json', '--cloud', cloud),
        *('--flavor', flavor('m1.large'), '--image', image('ubuntu-24.04')),
    )

    (row,) = ran.json()
    assert (row['Host'], row['Model'], row['Provider']) == (
        'plain', None, None,
    )  # fmt: skip


def test_the_best_model_is_taken_while_it_lasts(run, cloud, flavor, image):
    ran = run(
        *('schedule', '-f', 'json', '--cloud', cloud, '--count', 2),
        *('--model', 'amd-sev-snp', '--model', 'amd-sev'),
        *('--flavor', flavor('m1.sev')),
        *('--image', image('ubuntu-24.04-snp')),
    )

    assert [row['Model'] for row in ran.json()] == ['amd-sev-snp', 'amd-sev']


def test_a_guest_on_a_volume_needs_no_disk_of_the_host(run, write, sev):
    host = {
        'name': 'diskless', 'vcpus': 8, 'memory_mb': 64256, 'disk_gb': 1,
        'machine_types': {'x86_64': 'q35'}, 'pools': {'amd-sev': {'total': 1}},
    }  # fmt: skip
    args = (
        *('schedule', '-f', 'value', '-c', 'Host'),
        *('--cloud', write({'hosts': [host]}), *sev),
    )

    ran = run(*args)
    assert (ran.status, ran.out) == (1, '')
    assert 'DISK_GB' in ran.err
    assert run(*args, '--boot-from-volume').out == 'diskless\n'


@pytest.mark.parametrize(
    ('count', 'told'),
    [
        pytest.param(19, '', id='a few'),
        pytest.param(
            20,
            '\r\033[KPlacing 20 guests, all or none: 0 s',
            id='many',
        ),
    ],
)
def test_progress_of_many_guests_is_seen_at_a_terminal(
    run, write, sev, terminal, monkeypatch, count, told
):
    monkeypatch.setattr('sev_scheduling.cli.terminal.TICK', 0.01)
    host = {
        'name': 'epyc', 'vcpus': 64, 'memory_mb': 515072, 'disk_gb': 2000,
        'machine_types': {'x86_64': 'q35'},
        'pools': {'amd-sev': {'total': 20}},
    }  # fmt: skip
    stderr = terminal('stderr')
    ran = run(
        *('schedule', '-f', 'json', '--count', count),
        *('--cloud', write({'hosts': [host]}), *sev),
    )

    assert len(ran.json()) == count
    shown = stderr.getvalue()
    assert shown.startswith(told)
    assert shown.endswith('\r\033[K' if told else '')
    assert bool(shown) == bool(told)


def test_progress_of_many_guests_is_not_seen_elsewhere(run, cloud, sev):
    ran = run('schedule', '--cloud', cloud, *sev, '--count', 20)

    assert ran.status == 1
    assert '\r' not in ran.err


@pytest.mark.parametrize('count', ['0', '-1', 'two', '1.5', '10001'])
def test_a_count_that_is_none_is_bad_usage(schedule, count):
    ran = schedule(f'--count={count}')

    assert (ran.status, ran.out) == (2, '')
    assert '--count' in ran.err


@pytest.mark.parametrize(
    'owner',
    [
        pytest.param('', id='nothing'),
        pytest.param('x' * 256, id='just too long'),
        pytest.param('a\nb', id='two lines'),
    ],
)
def test_an_owner_that_placement_would_refuse_is_bad_usage(schedule, owner):
    ran = schedule('--owner', owner)

    assert (ran.status, ran.out) == (2, '')
    assert '--owner' in ran.err
    assert ran.err.count('\n') == 1


def test_an_owner_may_have_a_long_name(schedule, run, state):
    owner = 'Größe & a/b ' + 'x' * 243
    (row,) = schedule('--owner', owner, '--state', state).json()
    claims = run(
        *('reconcile', '-f', 'json', '--state', state, '--owner', owner),
        *('--older-than', '0s'),
    ).json()

    assert [claim['Instance'] for claim in claims] == [row['Instance']]


def test_warnings_are_shown_to_people_where_guests_are_placed(run, cloud, sev):
    ran = run('schedule', '--cloud', cloud, *sev)

    assert ran.status == 0
    assert 'warning  hw_machine_type is not set;' in ran.err
    assert run('schedule', '--cloud', cloud, *sev, '-f', 'json').err == ''
