"""``check`` and ``audit`` with ``--fix`` and ``--apply``."""

from __future__ import annotations

import io
import shlex

import pytest

from sev_scheduling.cli.options import clouds
from tests.unit.cli.openstack_services import services

COLUMNS = [
    *('Target', 'Name', 'ID', 'Pairs', 'Fixed', 'Caveats', 'Command'),
    'Accept',
]


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    """A flavor that asks for encryption and is misspelt, and two images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('keystoneauth1.session.time.sleep', lambda _: None)
    with services() as known:
        known.flavor('m1.sev', hw__mem_encryption='true')
        known.image('ready', **READY)
        # No condition: what is meant is clear.
        known.image('near', **READY, hw_mem_encryption_model='sev')
        known.image('old', hw_disk_bus='ide')
        monkeypatch.setattr(clouds, 'connect', lambda _: known.connection())
        yield known


READY = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}
CHECK = 'check', '--flavor', 'm1.sev', '--image', 'old'
ALL = '--accept=near', '--accept=old'


@pytest.fixture
def answer(terminal, monkeypatch):
    """Return a function that sets what is typed at the terminal."""

    def typed(text):
        stdin = terminal('stdin')
        stdin.write(text)
        stdin.seek(0)

    return typed


def writes(cloud):
    return [one for one in cloud.asked if not one.startswith('GET')]


def test_the_commands_are_printed_and_nothing_is_changed(run, cloud):
    ran = run('audit', '--fix', '-f', 'json')

    assert ran.status == 2
    assert [list(row) for row in ran.json()] == [COLUMNS] * 2
    old = ran.json()[-1]
    assert (old['Target'], old['Name'], old['Fixed']) == ('image', 'old', 1)
    assert 'boots-with-uefi' in old['Caveats'].split()
    assert writes(cloud) == []


def test_the_words_are_a_script_with_the_conditions_as_comments(run, cloud):
    rows = run('audit', '--fix', '-f', 'json').json()
    lines = run('audit', '--fix').out.splitlines()

    commands = [line for line in lines if not line.startswith('#')]
    assert commands == [row['Command'] for row in rows]
    assert [line for line in lines if line.startswith('# If ')]


@pytest.mark.parametrize('command', [('audit',), CHECK], ids=lambda c: c[0])
def test_what_is_accepted_is_applied_and_a_second_run_finds_nothing(
    run, cloud, command
):
    accept = ALL if command[0] == 'audit' else ALL[1:]
    ran = run(*command, '--apply', '--yes', *accept, '-f', 'json')

    assert ran.status == 0, ran
    assert {row['Outcome'] for row in ran.json()} == {'done'}
    assert all(row['Command'] in ran.err for row in ran.json())
    old = next(image for image in cloud.images if image['name'] == 'old')
    assert old['hw_firmware_type'] == 'uefi'
    asked = len(writes(cloud))

    again = run(*command, '--apply', '--yes', *accept, '-f', 'json')
    assert (again.status, again.json()) == (0, [])
    assert len(writes(cloud)) == asked
    assert run(*command, '-f', 'json').status == 0


def test_what_has_a_condition_is_left_out_unless_it_is_named(run, cloud):
    before = [dict(image) for image in cloud.images]

    ran = run('audit', '--apply', '--yes', '-f', 'json')

    assert ran.status == 2
    assert [(r['Name'], r['Outcome']) for r in ran.json()] == [
        ('near', 'done'),
        ('old', 'left-out'),
    ]
    assert cloud.images[2] == before[2]
    old = cloud.images[2]
    ran = run('audit', '--apply', '--yes', '--accept', old['id'])
    assert ran.status == 0
    assert old['hw_firmware_type'] == 'uefi'


@pytest.mark.parametrize(
    ('typed', 'made'),
    [
        *((word, True) for word in ('y\n', 'yes\n', ' Y \n')),
        *((word, False) for word in ('n\n', '\n', '', 'no\n', 'maybe\n')),
    ],
)
def test_it_asks_first_and_anything_but_yes_changes_nothing(
    run, cloud, answer, typed, made
):
    answer(typed)

    ran = run(*CHECK, '--apply', '--accept', 'old', '-f', 'json')

    assert bool(writes(cloud)) is made
    outcome = 'done' if made else 'not-tried'
    assert {row['Outcome'] for row in ran.json()} == {outcome}
    assert ran.status == (0 if made else 1)


def test_where_nothing_is_to_be_done_it_does_not_ask(run, cloud, answer):
    answer('')

    ran = run(
        *('check', '--flavor', 'm1.sev', '--image', 'ready', '--apply'),
    )

    assert ran.status == 0
    assert '?' not in ran.err


@pytest.mark.parametrize('usage', [('audit', 255), ('check', 2)])
@pytest.mark.parametrize(
    ('options', 'names'),
    [
        (['--apply'], '--yes'),
        (['--yes'], '--apply'),
        (['--yes', '--fix'], '--apply'),
        (['--accept', 'old'], '--fix'),
        (['--apply', '--yes', '--accept', 'nothing'], "'nothing'"),
        (['--fix', '--accept', 'twin'], "'twin'"),
        (['--fix', '--accept', '\u202eevil'], '--accept'),
        (['--fix', '--accept', 'm1.sev=foo'], "'foo'"),
    ],
    ids=str,
)
def test_bad_usage_is_refused_in_one_line(
    run, cloud, monkeypatch, usage, options, names
):
    monkeypatch.setattr('sys.stdin', io.StringIO('y\n'))
    for _ in range(2):
        cloud.image('twin')
    command, status = usage
    words = CHECK if command == 'check' else (command,)

    ran = run(*words, *options)

    assert (ran.status, ran.out) == (status, '')
    assert len(ran.err.splitlines()) == 1
    assert names in ran.err
    assert writes(cloud) == []


WAYS = "give 'm1.off=encrypted' or 'm1.off=unencrypted'"


@pytest.mark.parametrize(
    ('accepted', 'told'),
    [
        pytest.param('m1.off', WAYS, id='no way'),
        pytest.param('m1.off=foo', WAYS, id='a way that is none'),
        pytest.param('disk=foo', 'leave it out', id='where there is none'),
        pytest.param('m1.off=unencrypted', None, id='a way'),
        pytest.param('disk', None, id='no way of the other'),
    ],
)
def test_of_several_ways_one_has_to_be_named(run, cloud, accepted, told):
    cloud.flavor('m1.off', hw__mem_encryption='disabled')
    cloud.image('disk', **READY, hw_mem_encryption='true')

    ran = run(
        *('check', '--flavor', 'm1.off', '--image', 'disk'),
        *('--fix', '--accept', accepted),
    )

    assert (told or '') in ran.err
    assert bool(ran.err) == (told is not None)


def test_without_standard_input_it_does_not_ask(run, cloud, monkeypatch):
    monkeypatch.setattr('sys.stdin', None)

    assert run('audit', '--apply').status == 255
    # Before it is asked for what would not help.
    ran = run('audit', '--apply', '--flavors', 'flavors.json')
    assert 'leave --flavors' in ran.err


def test_files_are_not_changed(run, cloud, write):
    flavor = {'name': 'f', 'vcpus': 1, 'ram': 64, 'extra_specs': {}}
    file = write(flavor, 'flavor.json')
    image = write({'name': 'i'}, 'image.json')

    for arguments in (
        ('check', '--flavor', file, '--image', 'old'),
        ('check', '--flavor', 'm1.sev', '--image', image),
        ('check', '--flavor', 'm1.sev'),
        ('audit', '--flavors', file, '--images', image),
        ('audit', '--flavors', file),
    ):
        ran = run(*arguments, '--apply', '--yes')
        assert ran.status in (2, 255)
        assert '--apply' in ran.err
        assert len(ran.err.splitlines()) == 1
    assert writes(cloud) == []
    assert (
        run('check', '--flavor', file, '--image', image, '--fix').status == 0
    )


@pytest.mark.parametrize('status', [403, 404, 409])
def test_a_refusal_says_what_was_done_and_what_was_not(run, cloud, status):
    more = cloud.image('more', hw_disk_bus='ide')
    old = cloud.images[2]
    cloud.failing = {f'PATCH .*{old["id"]}': status}

    ran = run('audit', '--apply', '--yes', *ALL, '--accept=more', '-f', 'json')

    assert ran.status == 255
    outcomes = {row['Name']: row['Outcome'] for row in ran.json()}
    assert outcomes == {'near': 'done', 'old': 'refused', 'more': 'not-tried'}
    (error,) = {row['Error'] for row in ran.json()} - {''}
    assert str(status) in error
    assert error in ran.err
    # What is left is what a second run makes.
    cloud.failing = {}
    ran = run('audit', '--apply', '--yes', *ALL, '--accept=more', '-f', 'json')
    assert ran.status == 0
    assert {row['Name'] for row in ran.json()} == {'old', 'more'}
    assert more['hw_firmware_type'] == 'uefi'


def test_in_words_each_command_has_what_became_of_it(run, cloud):
    cloud.denied = f'PATCH .*{cloud.images[2]["id"]}'

    ran = run('audit', '--apply', '--yes', *ALL)

    assert ran.status == 255
    lines = [line.strip() for line in ran.out.splitlines()]
    assert len([line for line in lines if line.startswith('openstack ')]) == 2
    assert '403' in ran.out
    assert '403' in ran.err


def test_each_change_is_a_line_as_it_is_made(run, cloud):
    ran = run('audit', '--apply', '--yes', *ALL)

    lines = ran.err.splitlines()
    for number in (1, 2):
        (line,) = [one for one in lines if one.startswith(f'{number} of 2 ')]
        assert ' openstack image set ' in line


def test_on_a_terminal_it_is_one_line_that_goes_away(run, cloud, terminal):
    stream = terminal('stderr')

    assert run('audit', '--apply', '--yes', *ALL).status == 0

    shown = stream.getvalue().split('\r\x1b[K')
    assert [one[:7] for one in shown[1:]] == ['1 of 2 ', '2 of 2 ', '']
    assert all(len(one) < 100 for one in shown[1:])


@pytest.mark.parametrize('when', [1, 2])
def test_ctrl_c_says_what_was_done(run, cloud, when):
    (_, near, old) = cloud.images
    stopped = (near, old)[when - 1]
    cloud.failing = {f'PATCH .*{stopped["id"]}': KeyboardInterrupt()}

    ran = run('audit', '--apply', '--yes', *ALL)

    assert (ran.status, ran.out) == (130, '')
    assert near['id'] in ran.err or 'near' in ran.err
    assert (near['hw_mem_encryption_model'] == 'amd-sev') is (when == 2)
    assert 'hw_firmware_type' not in old


def test_ctrl_c_at_the_question_changes_nothing(run, cloud, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def readline(self, size=-1):
            raise KeyboardInterrupt

    monkeypatch.setattr('sys.stdin', Terminal())

    assert run('audit', '--apply', *ALL).status == 130
    assert writes(cloud) == []


@pytest.mark.parametrize(
    'name',
    ['--help', '<script>', '$(id)', 'two\nlines', '\u202eevil', ';ls', ''],
)
def test_a_hostile_name_is_changed_itself_and_shown_harmless(run, cloud, name):
    hostile = cloud.image(name, hw_disk_bus='ide')
    twin = cloud.image(f'{name}x', hw_disk_bus='ide')

    ran = run(
        *('audit', '--apply', '--yes', f'--accept={hostile["id"]}'),
        *('-f', 'json'),
    )

    assert hostile['hw_firmware_type'] == 'uefi'
    assert 'hw_firmware_type' not in twin
    (row,) = [row for row in ran.json() if row['ID'] == hostile['id']]
    assert row['Outcome'] == 'done'
    assert shlex.split(row['Command'])[-1] == hostile['id']
    assert all(line.isprintable() for line in ran.err.splitlines())


def test_what_is_one_s_own_comes_before_what_is_everybody_s(run, cloud):
    cloud.flavors[0]['os-flavor-access:is_public'] = True
    cloud.flavors[0]['extra_specs']['hw:mem_encryption_model'] = 'sev-es'
    cloud.images[2]['visibility'] = 'public'
    cloud.images[1].pop('hw_mem_encryption_model')
    mine = cloud.image('mine', visibility='private', hw_disk_bus='ide')
    cloud.denied = 'POST|PATCH .*' + cloud.images[2]['id']

    ran = run(
        *('audit', '--apply', '--yes', '--accept=m1.sev', '--accept=old'),
        *('--accept=mine', '-f', 'json'),
    )

    assert ran.status == 255
    assert mine['hw_firmware_type'] == 'uefi'
    assert ran.json()[0]['Name'] == 'mine'
    assert [row['Outcome'] for row in ran.json()][:2] == ['done', 'refused']
