import pytest

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
        assert (ran.status, ran.err) == (0, '')
        return ran.json()

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


def test_a_dry_run_shows_an_owner_s_claims_and_frees_nothing(
    reconcile, placed
):
    options = ('--owner', 'nightly', '--older-than', '0', '--dry-run')
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
    options = ('--owner', 'nightly', '--older-than', '0')

    rows = reconcile(*options)
    assert sorted(row['Instance'] for row in rows) == sorted(placed)
    assert {row['Released'] for row in rows} == {True}
    assert reconcile(*options) == []
    # Nobody else's.
    assert len(reconcile('--owner', 'daytime', '--older-than', '0')) == 1


def test_claims_that_are_young_stay(run, reconcile, state):
    assert reconcile('--owner', 'nightly') == []
    ran = run('reconcile', '--state', state, '--owner', 'nightly')
    assert (ran.status, ran.out) == (0, '')
    assert ran.err == 'There is no such claim.\n'
    assert reconcile('--owner', 'nightly', '--older-than', '10m') == []
