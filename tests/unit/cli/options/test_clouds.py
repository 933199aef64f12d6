import sys
from unittest import mock

import pytest

from sev_scheduling.cli.options import clouds


def assert_one_line(ran, *names):
    assert (ran.status, ran.out) == (2, '')
    assert ran.err.startswith('sev-scheduling')
    assert ran.err.count('\n') == 1
    for name in names:
        assert name in ran.err


@pytest.mark.parametrize(
    ('options', 'names'),
    [
        pytest.param(
            ['--cloud', 'a', '--placement-url', 'http://b'],
            ['--placement-url', 'not allowed with', '--cloud'],
            id='two sources',
        ),
        pytest.param(
            ['--state', 'a', '--placement-url', 'http://b'],
            ['--state is for --cloud only'],
            id='a state of a Placement elsewhere',
        ),
        pytest.param(
            ['--state', 'a', '--os-cloud', 'b'],
            ['--state is for --cloud only'],
            id='a state of a cloud elsewhere',
        ),
        pytest.param(
            ['--state', '/nowhere/state'],
            ["'/nowhere/state' is not there", '--cloud'],
            id='a state that is not there',
        ),
        pytest.param(
            ['--cloud', '/nowhere/cloud.yaml'],
            ['/nowhere/cloud.yaml'],
            id='a cloud file that is not there',
        ),
        pytest.param(
            ['--placement-url', 'controller:8778'],
            ["'controller:8778'", 'http'],
            id='no scheme',
        ),
        pytest.param(
            ['--placement-url', 'ftp://controller'],
            ["'ftp://controller'"],
            id='another scheme',
        ),
        pytest.param(
            ['--placement-url', 'http://'], ["'http://'"], id='no host'
        ),
        pytest.param(
            ['--placement-url', 'http://[::1'],
            ["'http://[::1'"],
            id='half an address',
        ),
        pytest.param(
            ['--placement-url', 'http://c:65536'],
            ["'http://c:65536'"],
            id='a port just too large',
        ),
        pytest.param(
            ['--placement-url', 'http://a b'], ["'http://a b'"], id='a space'
        ),
        pytest.param(
            ['--placement-url', 'http://c/?x=y'], ['/?x=y'], id='a query'
        ),
        pytest.param(
            ['--placement-url', 'https://c', '--os-cacert', '/nowhere/ca'],
            ["--os-cacert '/nowhere/ca' is no file"],
            id='certificates that are not there',
        ),
    ],
)
def test_hosts_that_cannot_be_had_are_reported_in_one_line(
    run, options, names
):
    assert_one_line(run('capacity', *options), *names)


def test_a_password_in_a_url_is_not_repeated(run):
    ran = run('capacity', '--placement-url', 'http://me:secret@controller')

    assert_one_line(ran, '--os-token')
    assert 'secret' not in ran.err


def test_nobody_listening_is_reported_in_one_line(run, unused_port):
    ran = run('capacity', '--placement-url', f'http://127.0.0.1:{unused_port}')

    assert_one_line(ran, 'Placement did not answer')


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        # Bound and not listening: connections are refused.
        yield sock.getsockname()[1]


def test_without_openstacksdk_one_line_names_the_other_ways(run, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openstack', None)

    assert_one_line(
        run('capacity', '--os-cloud', 'x'),
        'openstack',
        '--cloud FILE',
        '--placement-url URL',
        "'sev-scheduling[osc]'",
    )


@pytest.fixture
def no_clouds(monkeypatch, tmp_path):
    pytest.importorskip('openstack')
    for name in ('OS_CLOUD', 'OS_AUTH_URL', 'OS_CLIENT_CONFIG_FILE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(tmp_path / 'none.yaml'))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures('no_clouds')
@pytest.mark.parametrize(
    ('options', 'names'),
    [
        pytest.param(['--os-cloud', 'mars'], ["'mars'"], id='not configured'),
        pytest.param([], ['--os-cloud'], id='nothing configured'),
    ],
)
def test_a_cloud_that_is_not_configured_is_reported_in_one_line(
    run, options, names
):
    assert_one_line(run('capacity', *options), *names)


@pytest.mark.usefixtures('no_clouds')
@pytest.mark.parametrize(
    ('command', 'others'),
    [
        pytest.param(['capacity'], True, id='of hosts'),
        pytest.param(['check', '--flavor', 'f.json'], False, id='of names'),
        pytest.param(['audit'], False, id='of all flavors'),
    ],
)
def test_only_options_of_the_command_are_named(run, command, others):
    err = run(*command).err

    for option in ('--cloud FILE', '--placement-url URL'):
        assert (option in err) == others


def test_a_catalog_without_placement_is_reported_in_one_line(run, monkeypatch):
    pytest.importorskip('openstack')
    connection = mock.Mock()
    connection.placement.get_endpoint.return_value = None
    monkeypatch.setattr(clouds, 'connect', lambda _: connection)

    assert_one_line(run('capacity', '--os-cloud', 'x'), 'no Placement')


NOBODY = 'http://127.0.0.1:9'
USER = {'username': 'u', 'password': 'p', 'project_name': 'x',
        'user_domain_name': 'Default'}  # fmt: skip


@pytest.mark.parametrize(
    ('clouds', 'told'),
    [
        pytest.param(
            {'here': {'auth': USER | {'auth_url': NOBODY}}},
            'Unable to establish connection',
            id='Keystone that is away',
        ),
        pytest.param(
            {'here': {'auth': {'auth_url': NOBODY}}},
            "'here'",
            id='no password',
        ),
        pytest.param(
            {'here': {'auth': USER | {'auth_url': 'fish'}}},
            "'here'",
            id='no URL',
        ),
        pytest.param({'here': {'auth_type': 'fish'}}, 'fish', id='no plug-in'),
        pytest.param(
            {'here': {'auth_type': 'token', 'auth': {'auth_url': NOBODY}}},
            "'here'",
            id='no token',
        ),
        pytest.param(['here'], "'here'", id='a list of clouds'),
    ],
)
def test_a_cloud_that_is_misconfigured_is_reported_in_one_line(
    run, write, monkeypatch, clouds, told
):
    pytest.importorskip('openstack')
    path = write({'clouds': clouds}, 'clouds.yaml')
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(path))

    assert_one_line(run('capacity', '--os-cloud', 'here'), told, '-v')


def test_an_unknown_model_is_reported_before_any_host_is_asked(run):
    assert_one_line(
        run('capacity', '--model', 'arm-tme', '--placement-url', 'http://c'),
        "'arm-tme'",
        'amd-sev-snp',
    )
