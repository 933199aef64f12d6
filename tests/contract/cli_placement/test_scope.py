"""The commands ask the hosts that their options name."""

import uuid

import pytest

from tests.contract.cli_placement.conftest import CLOUD

DISABLED = 'COMPUTE_STATUS_DISABLED'


@pytest.fixture
def cloud(write):
    hosts = [dict(host) for host in CLOUD['hosts']]
    hosts[0] |= {'traits': [*hosts[0]['traits'], 'CUSTOM_FAST']}
    hosts.append({**hosts[2], 'name': 'off', 'traits': [DISABLED],
                  'pools': {'amd-sev': {'total': 4}}})  # fmt: skip
    return write({'hosts': hosts}, 'cloud.json')


def test_a_disabled_host_gives_no_slots(run, cloud, sev):
    rows = run('capacity', '--cloud', cloud, '-f', 'json').json()
    assert {
        row['Host']: row['Free'] for row in rows if row['Status'] == 'disabled'
    } == {'off': 4}
    rows = run('explain', '--cloud', cloud, *sev, '-f', 'json').json()
    (row,) = [row for row in rows if row['Host'] == 'off']
    assert (row['Fits'], row['Code']) == (False, 'host-disabled')
    assert row['Permanent'] is False
    placed = run('schedule', '--cloud', cloud, *sev, '--count', 5)
    assert placed.status == 1
    assert '1  is disabled' in placed.err


def test_a_terminal_counts_disabled_hosts(run, cloud, terminal):
    stdout = terminal('stdout')
    run('capacity', '--cloud', cloud, '--model', 'amd-sev')
    assert stdout.getvalue().splitlines()[-1] == (
        'amd-sev: 33 of 51 slots in use (65%); 1 of 5 hosts full, 1 disabled'
    )


@pytest.mark.parametrize(
    ('options', 'hosts'),
    [
        (['--host', 'epyc-2'], {'epyc-2'}),
        (['--required', 'CUSTOM_FAST'], {'epyc-1', 'epyc-2'}),
        (['--forbidden', 'CUSTOM_FAST'],
         {'default', 'full', 'genoa', 'off'}),
        (['--required', 'CUSTOM_FAST', '--host', 'full'], set()),
        (['--aggregate', str(uuid.UUID(int=1))], set()),
        (['--forbidden-aggregate', str(uuid.UUID(int=1))],
         {'epyc-1', 'epyc-2', 'default', 'full', 'genoa', 'off'}),
    ],
)  # fmt: skip
def test_options_name_the_hosts(run, cloud, sev, options, hosts):
    ran = run('capacity', '--cloud', cloud, '-f', 'json', *options)
    assert {row['Host'] for row in ran.json()} == hosts
    ran = run('explain', '--cloud', cloud, *sev, '-f', 'json', *options)
    # The row of what Placement lacks has no host.
    asked = {row['Host'] for row in ran.json()}
    assert asked - {'plain', None} == hosts
    fit = {row['Host'] for row in ran.json() if row['Fits']}
    assert fit == hosts & {'epyc-1', 'epyc-2'}
    assert ran.status == (0 if fit else 1)
    ran = run('schedule', '--cloud', cloud, *sev, '-f', 'json', *options)
    assert ran.status == (0 if fit else 1)
    # A row that says why has no host.
    assert {row['Host'] for row in ran.json()} <= (fit or {None})


@pytest.mark.parametrize(
    ('option', 'value'),
    [
        ('--aggregate', 'zone-1'),
        ('--aggregate', f'{uuid.UUID(int=1)},zone-1'),
        ('--forbidden-aggregate', f'{uuid.UUID(int=1)},{uuid.UUID(int=1)}'),
    ],
)
@pytest.mark.parametrize('command', ['explain', 'schedule', 'capacity'])
def test_a_name_is_refused_where_no_openstack_cloud_has_names(
    run, cloud, sev, command, option, value
):
    request = () if command == 'capacity' else sev
    ran = run(command, '--cloud', cloud, *request, option, value)

    assert (ran.status, ran.out) == (2, '')
    assert option in ran.err
    assert 'is no uuid' in ran.err
    assert ran.err.count('\n') == 1


@pytest.mark.parametrize('command', ['explain', 'schedule', 'capacity'])
def test_a_zone_is_refused_where_no_openstack_cloud_has_zones(
    run, cloud, sev, command
):
    request = () if command == 'capacity' else sev
    ran = run(
        command, '--cloud', cloud, *request, '--availability-zone', '$(id)'
    )

    assert (ran.status, ran.out) == (2, '')
    assert "--availability-zone '$(id)'" in ran.err
    assert '--aggregate' in ran.err
    assert ran.err.count('\n') == 1


def test_a_host_may_be_named_by_its_uuid(run, cloud, sev, state):
    options = ('--cloud', cloud, '--state', state, '-f', 'json')
    (row,) = run('schedule', *options, *sev, '--host', 'epyc-2').json()
    ran = run('capacity', *options, '--host', row['Provider'])
    assert [row['Host'] for row in ran.json()] == ['epyc-2']


@pytest.mark.parametrize('name', ['epyc-9', str(uuid.UUID(int=9))])
@pytest.mark.parametrize('command', ['explain', 'schedule', 'capacity'])
def test_no_such_host(run, cloud, sev, command, name):
    request = sev if command != 'capacity' else []
    ran = run(command, '--cloud', cloud, *request, '--host', name)
    assert (ran.status, ran.out) == (2, '')
    assert ran.err.count('\n') == 1
    assert f"--host '{name}'" in ran.err


def test_why_nothing_is_in_an_aggregate(run, cloud, sev):
    zone = str(uuid.UUID(int=1))
    ran = run('explain', '--cloud', cloud, *sev, '--aggregate', zone)
    assert ran.status == 1
    assert f'the aggregates asked for: {zone}' in ran.out
