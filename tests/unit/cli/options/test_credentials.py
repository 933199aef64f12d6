"""The --os-* options: each is used, or refused by its name."""

import argparse
import sys

import pytest

from sev_scheduling import InputError
from sev_scheduling.cli.options import clouds, credentials

loading = pytest.importorskip('keystoneauth1.loading')

#: Registered by keystoneauth, and of no use here: argparse refuses them.
LEFT_OUT = {
    *('--collect-timing', '--tls-ciphers', '--tls-min-version'),
    '--os-api-version',
    # Of plug-ins for a service that needs no Keystone.
    *('--endpoint', '--project-id', '--user-id'),
}

LOADERS = loading.get_available_plugin_loaders()
OF_PLUGINS = {
    flag: option
    for loader in LOADERS.values()
    for option in loader.get_options()
    for flag in option.argparse_args
}


def parser():
    made = argparse.ArgumentParser()
    made.set_defaults(connect=None)
    clouds.add_host_options(made)
    return made


def parsed(*argv):
    return parser().parse_args(argv)


def registered():
    """Return the options that keystoneauth registers, in any case."""
    made = argparse.ArgumentParser(add_help=False)
    loading.register_session_argparse_arguments(made)
    loading.register_adapter_argparse_arguments(made)
    return {f for action in made._actions for f in action.option_strings}


#: Of options that take no other text.
VALUES = {
    'os_interface': 'internal',
    'os_auth_url': 'http://x',
    'os_endpoint_override': 'http://x',
}


def flags():
    """Return spelling -> arguments that give an option."""
    return {
        flag: (flag,)
        if action.nargs == 0
        else (flag, VALUES.get(action.dest, '7'))
        for action in parser()._actions
        for flag in action.option_strings
        if action.dest.startswith('os_')
        or action.dest in ('insecure', 'timeout')
    }


def test_every_option_of_keystoneauth_is_there():
    auth_type = {'--os-auth-type', '--os-cloud'}

    assert flags().keys() >= registered() - LEFT_OUT
    assert flags().keys() >= {*OF_PLUGINS} - LEFT_OUT
    assert flags().keys() >= auth_type


def test_options_may_be_spelt_as_openstack_spells_them():
    for flag in OF_PLUGINS:
        if flag not in LEFT_OUT:
            assert flag.replace('_', '-') in flags()


@pytest.mark.parametrize('flag', flags())
def test_an_option_is_of_no_use_with_a_cloud_file(flag):
    if flag == '--os-cloud':
        return
    with (
        pytest.raises(InputError, match='no use with --cloud'),
        clouds.open_client(parsed('--cloud', 'x', *flags()[flag])),
    ):
        pass


@pytest.mark.parametrize('flag', flags())
def test_an_option_is_used_or_refused_with_a_url(flag, monkeypatch, tmp_path):
    if flag == '--os-cloud':
        return
    monkeypatch.chdir(tmp_path)
    (tmp_path / '7').touch()
    (tmp_path / 'cert').touch()
    options = parsed('--placement-url', 'http://x', *flags()[flag])
    used = {
        '--os-token': lambda: session.auth.token,
        '--os-cacert': lambda: session.verify,
        '--os-cert': lambda: session.cert,
        '--insecure': lambda: session.verify,
        '--timeout': lambda: options.timeout,
    }
    if flag == '--os-key':
        with pytest.raises(InputError, match='--os-cert'):
            clouds._at_url(options)
        options.os_cert = 'cert'
        assert clouds._at_url(options).cert == ('cert', '7')
    elif flag in used:
        session = clouds._at_url(options)
        expected = {'--insecure': False, '--timeout': 7.0}
        assert used[flag]() == expected.get(flag, '7')
    else:
        with pytest.raises(InputError, match=r'no use with --placement-url'):
            clouds._at_url(options)


@pytest.mark.parametrize('name', ['OS_TOKEN', 'OS_CACERT'])
def test_variables_are_read_for_a_url(monkeypatch, name):
    monkeypatch.setenv(name, 'mine')
    session = clouds._at_url(parsed('--placement-url', 'http://x'))

    found = {'OS_TOKEN': session.auth.token, 'OS_CACERT': session.verify}
    assert found[name] == 'mine'


def test_a_time_out_is_that_of_each_call():
    from sev_scheduling.placement.wire.wire import TIMEOUT

    for argv, expected in ((['--timeout', '7'], 7.0), ([], TIMEOUT)):
        options = parsed('--placement-url', 'http://x', *argv)
        with clouds.open_client(options) as client:
            assert client._timeout == expected


@pytest.mark.parametrize('text', ['0', '-1', 'inf', 'nan', 'long', ''])
def test_a_time_out_that_is_none_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match='seconds'):
        credentials.seconds(text)


@pytest.fixture
def no_clouds(monkeypatch, tmp_path):
    """No clouds.yaml, and no variable."""
    pytest.importorskip('openstack')
    for name in ('OS_CLOUD', 'OS_AUTH_URL', 'OS_TOKEN', 'OS_CACERT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(tmp_path / 'none.yaml'))
    monkeypatch.chdir(tmp_path)


USER = (
    *('--os-auth-url', 'http://127.0.0.1:9', '--os-username', 'u'),
    *('--os-password', 'p', '--os-project-name', 'x'),
    *('--os-user-domain-name', 'Default', '--os-project-domain-id', 'd'),
)


@pytest.mark.usefixtures('no_clouds')
def test_a_cloud_is_that_of_the_options():
    connection = credentials.configured(
        parsed(
            *USER,
            *('--os-region-name', 'r', '--os-interface', 'internal'),
            *('--os-service-name', 'n', '--os-service-type', 't'),
            *('--os-endpoint-override', 'http://placement', '--timeout', '7'),
            *('--insecure', '--os-cert', 'c', '--os-key', 'k'),
        )
    )
    config = connection.config

    assert config.config['auth'] == {
        'auth_url': 'http://127.0.0.1:9',
        'username': 'u',
        'password': 'p',
        'project_name': 'x',
        'user_domain_name': 'Default',
        'project_domain_id': 'd',
    }
    assert config.region_name == 'r'
    assert config.get_interface('placement') == 'internal'
    assert config.get_service_name('placement') == 'n'
    assert config.get_service_type('placement') == 't'
    assert config.get_endpoint('placement') == 'http://placement'
    assert config.get_requests_verify_args() == (False, ('c', 'k'))
    assert config.config['api_timeout'] == '7.0'


@pytest.mark.usefixtures('no_clouds')
def test_a_token_brings_its_own_plug_in():
    connection = credentials.configured(
        parsed('--os-auth-url', 'http://127.0.0.1:9', '--os-token', 't')
    )

    assert connection.config.config['auth_type'] == 'token'
    assert connection.config.config['auth']['token'] == 't'


@pytest.mark.usefixtures('no_clouds')
@pytest.mark.parametrize('plugin', LOADERS)
def test_the_options_of_a_plug_in_are_used_and_others_refused(plugin):
    own = {option.dest for option in LOADERS[plugin].get_options()}
    options = dict.fromkeys(f'os_{dest}' for dest in own)
    credentials._check_used(options, plugin)
    for flag, option in OF_PLUGINS.items():
        if option.dest not in own and flag not in LEFT_OUT:
            with pytest.raises(InputError, match='no use with the auth'):
                credentials._check_used({f'os_{option.dest}': 'x'}, plugin)


@pytest.mark.usefixtures('no_clouds')
def test_what_a_plug_in_would_ignore_is_named():
    with pytest.raises(InputError, match=r"--os-passcode .* 'password'"):
        credentials.configured(parsed(*USER, '--os-passcode', '3'))


def test_a_plug_in_that_cannot_be_loaded_is_left_out(monkeypatch, caplog):
    """As those for Kerberos and SAML without their libraries."""
    monkeypatch.setitem(
        sys.modules, 'keystoneauth1.loading._plugins.identity.v3', None
    )
    found = credentials._loaders()

    assert 'password' in found
    assert 'v3password' not in found
    assert caplog.records == []


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        pytest.param({'placement_url': None}, True, id='of hosts'),
        pytest.param({}, False, id='of flavors and images alone'),
    ],
)
def test_what_a_command_does_not_take_is_not_proposed(options, named):
    parsed_args = argparse.Namespace(os_cloud='x', **options)
    with pytest.raises(InputError) as caught, credentials.usable(parsed_args):
        raise ValueError('no auth_url')

    assert ('--placement-url' in str(caught.value)) is named
    assert ('--cloud FILE' in str(caught.value)) is named
