"""Hosts from a Placement elsewhere: by URL, and as OpenStack has them."""

import json

import pytest

from sev_scheduling.placement import (
    embedded_placement,
    load_cloud,
    read_cloud_file,
)


@pytest.fixture
def endpoint(cloud):
    """The endpoint of a Placement that speaks HTTP to this process alone."""
    with embedded_placement() as adapter:
        load_cloud(adapter, read_cloud_file(cloud))
        yield adapter.get_endpoint()


def test_hosts_come_from_the_placement_at_a_url(run, endpoint, sev):
    options = ('--placement-url', endpoint, '-f', 'json')

    assert len(run('capacity', *options).json()) == 5
    ran = run('schedule', *options, *sev)
    assert (ran.status, ran.json()[0]['Host']) == (0, 'epyc-1')
    rows = run('capacity', *options).json()
    assert {r['Host']: r['Used'] for r in rows}['epyc-1'] == 13


def test_a_token_that_is_no_good_is_told_in_one_line(run, endpoint):
    ran = run('capacity', '--placement-url', endpoint, '--os-token', 'fish')

    # Of the noauth middleware, any token but admin is a plain user.
    assert (ran.status, ran.out) == (2, '')
    assert '403' in ran.err
    assert ran.err.count('\n') == 1


@pytest.mark.parametrize(
    ('options', 'variables'),
    [
        pytest.param(['--os-cloud', 'here'], {}, id='an option'),
        pytest.param([], {'OS_CLOUD': 'here'}, id='a variable'),
    ],
)
def test_hosts_come_from_a_configured_cloud(
    run, endpoint, monkeypatch, tmp_path, options, variables
):
    pytest.importorskip('openstack')
    clouds = tmp_path / 'clouds.yaml'
    clouds.write_text(
        json.dumps(
            {
                'clouds': {
                    'here': {
                        'auth_type': 'admin_token',
                        'auth': {'endpoint': endpoint, 'token': 'admin'},
                        'placement_endpoint_override': endpoint,
                    }
                }
            }
        )
    )
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(clouds))
    monkeypatch.delenv('OS_CLOUD', raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    ran = run('capacity', '-f', 'json', *options)
    assert (ran.status, ran.err) == (0, '')
    assert len(ran.json()) == 5
