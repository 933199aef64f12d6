"""The words of a plan to empty hosts."""

import pytest

from sev_scheduling.explain.drain import words as drain
from sev_scheduling.hosts.drain import (
    DrainCode,
    DrainPlan,
    Guest,
    Outcome,
    Step,
    Unknown,
)
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import filter_hosts
from sev_scheduling.models import registered_models
from sev_scheduling.request.request import EncryptionRequest

UUID = '11111111-2222-3333-4444-555555555555'
NAMES = {'1': 'old', '2': 'new'}


def step(code=DrainCode.MOVE, target='2', *, short=(), **fields):
    moves = code is DrainCode.MOVE
    return Step(
        Guest(**{'instance': UUID, 'host': '1', 'name': 'web', **fields}),
        code,
        target if moves else None,
        dict.fromkeys(short, 1),
    )


def plan(*steps, outcome=Outcome.ALL, **facts):
    return DrainPlan(
        ('1',), steps, outcome, **{'names': NAMES, 'tried': 7, **facts}
    )


def test_every_code_has_its_words():
    assert set(drain.CODES) == set(DrainCode)
    assert set(drain.OUTCOMES) == set(Outcome)
    assert set(drain.UNKNOWNS) == set(Unknown)


@pytest.mark.parametrize(
    ('plan', 'text'),
    [
        (plan(), 'No guest holds a slot of old.'),
        (plan(step()), 'The encrypted guest of old can move.'),
        (
            plan(step(), step()),
            'All 2 encrypted guests of old can move.',
        ),
        (
            plan(step(unknown=(Unknown.IMAGE,))),
            'The encrypted guest of old can move, as far as is known.',
        ),
        (
            plan(step(), step(DrainCode.NO_HOST), outcome=Outcome.NONE),
            '1 of 2 encrypted guests of old can move, and there is no order '
            'in which all do.',
        ),
        (
            plan(step(), step(DrainCode.TAKEN), outcome=Outcome.NOT_FOUND),
            '1 of 2 encrypted guests of old can move; no order in which all '
            'do was found within 7 steps.',
        ),
        (
            plan(step(DrainCode.NO_HOST), outcome=Outcome.NONE),
            'The encrypted guest of old cannot move.',
        ),
        (
            plan(step(DrainCode.TAKEN), outcome=Outcome.NOT_FOUND, tried=1),
            'The encrypted guest of old cannot move, as far as 1 step went.',
        ),
    ],
)
def test_the_headline(plan, text):
    assert drain.headline(plan) == text


def test_a_move_has_the_commands_that_nova_needs():
    found = plan(step(), services={'2': 'new service'})

    assert drain.describe(found).splitlines() == [
        'The encrypted guest of old can move.',
        'old:',
        f'  1. web ({UUID}) to new',
        '     openstack --os-compute-api-version 2.56 server migrate --wait '
        f"--host 'new service' {UUID}",
        f'     openstack server migration confirm {UUID}',
    ]


@pytest.mark.parametrize(
    ('step', 'text'),
    [
        (
            step(DrainCode.TAKEN, short=['MEMORY_MB', 'VCPU']),
            'stays: guests before it take what hosts have of MEMORY_MB, VCPU',
        ),
        (
            step(DrainCode.STATE, state='ERROR'),
            'stays: nova migrates no server that is ERROR',
        ),
        (
            step(DrainCode.GROUP),
            'stays: its server group keeps it from the hosts left',
        ),
    ],
)
def test_a_guest_that_stays_says_why(step, text):
    found = plan(step, outcome=Outcome.NONE)

    assert f'  - web ({UUID}) {text}' in drain.describe(found).splitlines()


@pytest.mark.parametrize(
    ('code', 'commands'),
    [
        (DrainCode.NO_HOST, ['stop', 'start']),
        (DrainCode.TAKEN, ['stop', 'start']),
        (DrainCode.GROUP, ['stop', 'start']),
        (DrainCode.STATE, []),
        (DrainCode.NOT_A_SERVER, []),
        (DrainCode.UNKNOWN, []),
    ],
)
def test_a_guest_that_stays_is_stopped_where_that_helps(code, commands):
    one = step(code)

    assert list(drain.commands(plan(one), one)) == [
        f'openstack server {command} {UUID}' for command in commands
    ]


@pytest.mark.parametrize(
    ('code', 'facts'),
    [
        (DrainCode.NO_HOST, {'state': 'SHUTOFF'}),
        (DrainCode.TAKEN, {'state': 'SHUTOFF'}),
        (DrainCode.GROUP, {'state': 'SHUTOFF'}),
        (DrainCode.MOVE, {'made_up': True}),
        (DrainCode.TAKEN, {'made_up': True}),
    ],
)
def test_no_command_is_told_that_would_fail(code, facts):
    one = step(code, **facts)

    assert drain.commands(plan(one), one) == ()


def test_what_is_unknown_is_named_with_the_target():
    one = step(
        unknown=(Unknown.FLAVOR_COPY,), doubtful=frozenset({'2'}), name=''
    )

    assert drain.unknowns(plan(one), one) == (
        "its flavor at boot (today's stands for it)",
        'the default machine type of new',
    )
    assert f'  1. {UUID} to new' in drain.describe(plan(one)).splitlines()


def test_a_guest_without_a_host_has_every_hosts_answer():
    model = registered_models()['amd-sev']
    request = EncryptionRequest(encrypted=True, models=(model,))
    result = filter_hosts(request, [Host(name='new')])
    one = step(DrainCode.NO_HOST, verdicts=result)

    text = drain.describe(plan(one, outcome=Outcome.NONE))

    assert '     0 of 1 host' in text


@pytest.mark.parametrize('uuid', [UUID, None])
def test_guests_without_a_host_have_its_answer_once_and_stay_as_they_are(uuid):
    model = registered_models()['amd-sev']
    request = EncryptionRequest(encrypted=True, models=(model,), server=uuid)
    pools = {'amd-sev': SlotPool(total=1)}
    lacking = [
        Host(name='new', pools=pools, machine_types={'x86_64': 'pc'}),
        Host(
            name='other',
            pools=pools,
            machine_types={'x86_64': 'pc'},
            ram_allocation_ratio=2.0,
        ),
    ]
    result = filter_hosts(request, lacking)
    steps = [
        step(DrainCode.NO_HOST, verdicts=result, instance=name, name=name)
        for name in ('a', 'b')
    ]

    text = drain.describe(plan(*steps, outcome=Outcome.NONE))

    assert text.count('0 of 2 hosts') == 1
    assert text.count('The hosts say the same as of a (a).') == 1
    assert 'of every such host' in text
    assert 'image' not in text


def test_a_guest_without_any_other_host_has_no_answers():
    nobody = filter_hosts(EncryptionRequest(encrypted=True), [])
    one = step(DrainCode.NO_HOST, verdicts=nobody)

    lines = drain.describe(plan(one, outcome=Outcome.NONE)).splitlines()

    assert lines[2:] == [
        f'  - web ({UUID}) stays: no other host can take it',
        f'     openstack server stop {UUID}',
        f'     openstack server start {UUID}',
    ]


@pytest.mark.parametrize(
    ('count', 'text'),
    [
        (0, ''),
        (1, '1 guest without a slot on old is not planned'),
        (3, '3 guests without a slot on old are not planned'),
    ],
)
def test_guests_without_a_slot_are_named(count, text):
    told = drain.describe(plan(step(), others={'1': count}))

    assert text in told
    assert ('not planned' in told) is bool(count)


def test_hostile_names_stay_on_their_line():
    told = drain.describe(plan(step(name='a\n$(id)\u202e')))

    assert rf'  1. a\n$(id)\u202e ({UUID}) to new' in told.splitlines()


@pytest.mark.parametrize(
    ('missing', 'what'),
    [
        ({'flavor': 'm'}, "its flavor 'm', which no file of --flavors has"),
        ({'image': 'i'}, "its image 'i', which no file of --images has"),
        (
            {'flavor': 'm', 'image': None},
            "its flavor 'm', which no file of --flavors has, nor by its "
            'image, which its file of --servers does not name',
        ),
    ],
)
def test_a_server_that_cannot_be_judged_names_the_file_that_is_missing(
    missing, what
):
    said = drain.not_judged(drain.NotJudged(UUID, 'a\nb', missing))

    assert said == rf'a\nb ({UUID}) cannot be judged by {what}.'


@pytest.mark.parametrize(
    ('host', 'option'),
    [
        ('new', '--host new'),
        ('--help', '--host=--help'),
        ('$(id)', "--host '$(id)'"),
        ("it's\n\x1b", r"--host $'it\'s\n\u001b'"),
    ],
)
def test_a_command_carries_the_name_of_any_host(host, option):
    one = step()

    command, _ = drain.commands(plan(one, names={'1': 'old', '2': host}), one)

    assert command.endswith(f' {option} {UUID}')
