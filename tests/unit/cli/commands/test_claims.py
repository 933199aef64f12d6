import argparse

import pytest

from sev_scheduling.cli.commands import claims


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [
        pytest.param('0', 0, id='none'),
        pytest.param('90', 90, id='bare seconds'),
        pytest.param('90s', 90, id='seconds'),
        pytest.param('15m', 900, id='minutes'),
        pytest.param('2h', 7200, id='hours'),
        pytest.param('1d', 86400, id='days'),
    ],
)
def test_a_time_is_read_in_seconds(text, seconds):
    assert claims.duration(text) == seconds


@pytest.mark.parametrize('text', ['0s', '90s', '15m', '2h', '1d', '61s'])
def test_a_time_is_shown_in_its_largest_unit(text):
    assert claims.as_duration(claims.duration(text)) == text
    assert claims.as_duration(claims.duration(text.replace('s', ''))) == text


@pytest.mark.parametrize(
    'text',
    ['', 'h', '-1', '1.5h', '1w', '1 h', '1h30m', '9' * 10, '\u0663', '1h\n'],
)
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match='90s, 15m, 2h'):
        claims.duration(text)


@pytest.mark.parametrize(
    ('args', 'told'),
    [
        pytest.param(['release'], 'INSTANCE', id='no instance'),
        pytest.param(
            ['release', 'epyc-01'], "'epyc-01' is not a uuid", id='no uuid'
        ),
        pytest.param(['reconcile'], '--owner', id='no owner'),
        pytest.param(
            ['reconcile', '--owner', 'o', '--older-than', 'long'],
            "'long' is not a time",
            id='no time',
        ),
    ],
)
def test_bad_usage_is_reported_in_one_line(run, args, told):
    ran = run(*args)

    assert (ran.status, ran.out) == (2, '')
    assert told in ran.err
    assert ran.err.count('\n') == 1
