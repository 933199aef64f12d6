import pathlib
import uuid

import pytest

from sev_scheduling.placement import embedded_placement

NOBODY = '01982f5e-7b2a-7c44-9f0e-3c1f6f0d9a11'


@pytest.fixture
def placed(run, cloud, sev, state):
    """Place guests of two owners; return the first one's instances."""

    def schedule(*options):
        return run(
            *('schedule', '-f', 'json', '--cloud', cloud, '--state', state),
            *sev,
            *options,
        ).json()

    schedule('--owner', 'daytime')
    return [
        row['Instance']
        for row in schedule('--owner', 'nightly', '--count', '2')
    ]


@pytest.fixture
def reconcile(run, state, placed):
    def reconcile(*options):
        ran = run('reconcile', '-f', 'json', '--state', state, *options)
        assert ran.status == 0
        rows = ran.json()
        shown = bool(rows) and '--yes' not in options
        assert ('--yes' in ran.err) == shown
        return rows

    return reconcile


def test_what_nobody_holds_is_told_and_the_rest_released(run, state, placed):
    ran = run('release', '-f', 'json', '--state', state, NOBODY, placed[0])

    assert ran.status == 1
    assert ran.err == f'Nothing was held by {NOBODY}.\n'
    assert ran.json() == [
        {'Instance': NOBODY, 'Released': False},
        {'Instance': placed[0], 'Released': True},
    ]


def test_an_instance_that_is_named_twice_is_released_once(run, state, placed):
    ran = run('release', '-f', 'json', '--state', state, *placed[:1] * 2)

    assert (ran.status, ran.err) == (0, '')
    assert ran.json() == [{'Instance': placed[0], 'Released': True}]


def test_an_owner_s_claims_are_shown_and_nothing_is_freed(reconcile, placed):
    options = ('--owner', 'nightly', '--older-than', '0')
    rows = reconcile(*options)

    assert [list(row) for row in rows] == [
        ['Instance', 'Host', 'Provider', 'Age', 'Released']
    ] * 2
    assert sorted(row['Instance'] for row in rows) == sorted(placed)
    assert {row['Released'] for row in rows} == {False}
    assert all(0 <= row['Age'] < 600 for row in rows)
    again = reconcile(*options)
    assert [row['Instance'] for row in again] == [
        row['Instance'] for row in rows
    ]


def test_an_owner_s_claims_are_freed_once(reconcile, placed):
    options = ('--owner', 'nightly', '--older-than', '0', '--yes')

    rows = reconcile(*options)
    assert sorted(row['Instance'] for row in rows) == sorted(placed)
    assert {row['Released'] for row in rows} == {True}
    # Nobody else's.
    assert len(reconcile('--owner', 'daytime', '--older-than', '0')) == 1


def test_once_they_are_freed_there_is_none(run, reconcile, state):
    options = ('--state', state, '--owner', 'nightly')
    reconcile('--owner', 'nightly', '--older-than', '0', '--yes')
    for more in ((), ('--older-than', '0'), ('--older-than', '0', '--yes')):
        ran = run('reconcile', *options, *more)
        assert (ran.status, ran.out) == (0, '')
        age = '0s' if more else '1h'
        assert ran.err == f'nightly has no claim older than {age}.\n'


def test_claims_that_are_young_stay_and_are_reported(run, state, placed):
    """Right after "schedule", there was no such claim."""
    for more in ((), ('--yes',), ('--older-than', '10m', '--yes')):
        ran = run('reconcile', '--state', state, '--owner', 'nightly', *more)
        assert (ran.status, ran.out) == (0, '')
        assert f' {len(placed)} claims,' in ran.err
        assert '--older-than 0s' in ran.err


@pytest.fixture
def server(state, placed):
    """Let nova hold something of the same Placement; return the server."""
    server = str(uuid.uuid4())
    with embedded_placement(pathlib.Path(state)) as adapter:
        provider = adapter.get('/resource_providers?name=epyc-1').json()
        (provider,) = provider['resource_providers']
        answer = adapter.put(
            f'/allocations/{server}',
            json={
                'allocations': {provider['uuid']: {'resources': {'VCPU': 1}}},
                'project_id': uuid.uuid4().hex,
                'user_id': uuid.uuid4().hex,
                'consumer_generation': None,
                'consumer_type': 'INSTANCE',
            },
            microversion='1.38',
        )
        assert answer.status_code == 204, answer.text
    return server


def test_a_server_of_nova_is_released_by_force_only(
    run, state, server, placed
):
    options = ('-f', 'json', '--state', state)
    ran = run('release', *options, server, placed[0])
    assert ran.status == 1
    assert server in ran.err
    assert ran.json() == [
        {'Instance': server, 'Released': False},
        {'Instance': placed[0], 'Released': True},
    ]
    ran = run('release', *options, '--force', server)
    assert (ran.status, ran.err) == (0, '')
    assert ran.json() == [{'Instance': server, 'Released': True}]
