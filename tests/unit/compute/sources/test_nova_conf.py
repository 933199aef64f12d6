import importlib.metadata
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.nova_conf import (
    NovaSettings,
    default_files,
    installed_release,
    read_nova_conf,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import registered_models
from tests.unit.compute.samples import outcome


@pytest.fixture
def conf(tmp_path):
    # Looking for plug-ins takes a while, the first time.
    registered_models()

    def write(text, name='nova.conf'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_without_options_novas_defaults_hold(conf):
    found = read_nova_conf([conf('')])

    assert found.get('virt_type') == 'kvm'
    assert found.get('reserved_host_memory_mb') == 512
    assert found.get('initial_ram_allocation_ratio') == 1.0
    assert found.get('ram_allocation_ratio') is None
    assert found.cpu_mode == 'host-model'
    assert found.machine_type == 'pc'
    assert found.errors == {}


def test_settings_by_hand_have_novas_defaults_too():
    assert NovaSettings().get('virt_type') == 'kvm'


def test_unknown_options_are_ignored(conf):
    path = conf('[DEFAULT]\nfoo = 1\n[bar]\nbaz = 2\n[libvirt]\nqux = 3\n')

    assert read_nova_conf([path]).errors == {}


def test_the_last_file_wins_and_directories_come_last(conf, tmp_path):
    files = [
        conf('[libvirt]\nvirt_type = qemu\ncpu_mode = none\n'),
        conf('[libvirt]\nvirt_type = lxc\n', 'second.conf'),
    ]
    conf('[libvirt]\ncpu_mode = custom\n', 'conf.d/b.conf')
    conf('[libvirt]\ncpu_mode = host-model\n', 'conf.d/a.conf')
    conf('[libvirt]\ncpu_mode = none\n', 'conf.d/c.txt')

    found = read_nova_conf(files, [tmp_path / 'conf.d'])

    assert found.get('virt_type') == 'lxc'
    assert found.cpu_mode == 'custom'
    assert [path.rpartition('/')[2] for path in found.files] == [
        'nova.conf',
        'second.conf',
        'a.conf',
        'b.conf',
    ]


def test_values_refer_to_other_options(conf):
    path = conf(
        '[DEFAULT]\nstate_path = /srv\nbase = ${state_path}/nova\n'
        '[compute]\nprovider_config_location = $base/providers\n'
    )

    found = read_nova_conf([path])

    assert found.get('provider_config_location') == '/srv/nova/providers'


def test_values_refer_to_options_of_other_groups(conf):
    path = conf(
        '[compute]\nprovider_config_location = ${paths_of.ours}/p\n'
        '[paths_of]\nours = /var/lock\n'
    )

    assert read_nova_conf([path]).get('provider_config_location') == (
        '/var/lock/p'
    )


def test_defaults_are_those_of_the_installed_nova(conf, monkeypatch):
    options = [('DEFAULT', [cfg.StrOpt('state_path', default='/var/lib/x')])]
    entry_point = types.SimpleNamespace(load=lambda: lambda: options)
    found = []

    def entry_points(**names):
        found.append(names)
        return [entry_point]

    monkeypatch.setattr('importlib.metadata.entry_points', entry_points)
    path = conf('[compute]\nprovider_config_location = $state_path/p\n')

    value = read_nova_conf([path]).get('provider_config_location')

    assert value == '/var/lib/x/p'
    assert found == [{'group': 'oslo.config.opts', 'name': 'nova.conf'}]
    # It takes a while to load, and most files refer to nothing.
    read_nova_conf([conf('[DEFAULT]\n')])
    assert len(found) == 1


def test_the_older_name_of_cpu_models_is_understood(conf):
    path = conf('[libvirt]\ncpu_mode=custom\ncpu_model = EPYC\n')

    assert read_nova_conf([path]).get('cpu_models') == ['EPYC']


@pytest.mark.parametrize(
    ('text', 'name', 'words'),
    [
        pytest.param(
            '[DEFAULT]\nreserved_host_memory_mb = $gone\n',
            'reserved_host_memory_mb',
            'refers to',
            id='a reference to nothing',
        ),
        pytest.param(
            '[DEFAULT]\na = $b\nb = $a\n'
            '[compute]\nprovider_config_location = $a\n',
            'provider_config_location',
            'refers to',
            id='references in a circle',
        ),
        pytest.param(
            '[DEFAULT]\nreserved_host_memory_mb = -1\n',
            'reserved_host_memory_mb',
            'greater than or equal to 0',
            id='a negative number',
        ),
        pytest.param(
            '[DEFAULT]\nreserved_host_memory_mb = lots\n',
            'reserved_host_memory_mb',
            "'lots'",
            id='a word where a number belongs',
        ),
        pytest.param(
            '[libvirt]\nvirt_type = xen\n',
            'virt_type',
            'Valid values',
            id='a value that nova does not know',
        ),
        pytest.param(
            '[DEFAULT]\nforce_config_drive = maybe\n',
            'force_config_drive',
            "'maybe'",
            id='no boolean',
        ),
        pytest.param(
            '[DEFAULT]\nreserved_host_memory_mb = \x1b[31m\n',
            'reserved_host_memory_mb',
            r"'\u001b[31m'",
            id='a control sequence',
        ),
    ],
)
def test_a_bad_value_spoils_only_its_option(conf, text, name, words):
    found = read_nova_conf([conf(text)])

    assert set(found.errors) == {name}
    with pytest.raises(InputError) as caught:
        found.get(name)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert found.machine_type == 'pc'


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param('foo', 'found in assignment', id='no assignment'),
        pytest.param('a = 1', 'Section must be started', id='no section'),
        pytest.param('[a', 'Invalid section', id='a section left open'),
    ],
)
def test_another_syntax_is_an_error(conf, text, words):
    path = conf(text)

    with pytest.raises(InputError, match=words) as caught:
        read_nova_conf([path])
    assert str(caught.value).startswith(f'{path} is no configuration file')
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        pytest.param(
            b'[DEFAULT]\na=\xff\n', 'not UTF-8', id='another encoding'
        ),
        pytest.param(b'#' * (1 << 21), 'has more than', id='too large'),
    ],
)
def test_an_unreadable_file_is_an_error(tmp_path, data, words):
    path = tmp_path / 'nova.conf'
    path.write_bytes(data)

    with pytest.raises(InputError, match=words):
        read_nova_conf([path])


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(InputError, match='directory'):
        read_nova_conf([tmp_path])


def test_a_file_is_no_directory(conf):
    path = conf('')

    with pytest.raises(InputError, match='is no directory'):
        read_nova_conf([path], [path])


def test_too_many_files_are_not_read(conf, tmp_path, monkeypatch):
    monkeypatch.setattr('sev_scheduling.configuration.MAX_FILES', 1)
    conf('', 'conf.d/a.conf')
    conf('', 'conf.d/b.conf')

    with pytest.raises(InputError, match='more than 1 are not read'):
        read_nova_conf([], [tmp_path / 'conf.d'])


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match='--config-file'):
        read_nova_conf([])
    with pytest.raises(InputError, match='--config-file'):
        read_nova_conf([], [tmp_path])


def test_a_file_that_vanishes_is_an_error(conf, monkeypatch):
    path = conf('')

    def read(name, limit):
        path.unlink(missing_ok=True)
        return ''

    monkeypatch.setattr('sev_scheduling.configuration.read_text', read)

    with pytest.raises(InputError, match='No such file'):
        read_nova_conf([path])


def test_what_oslo_config_refuses_is_reported(conf, monkeypatch):
    from oslo_config import cfg

    def refuse(self, *args, **kwargs):
        raise cfg.ConfigFilesPermissionDeniedError(['nova.conf'])

    monkeypatch.setattr(cfg.ConfigOpts, '__call__', refuse)

    with pytest.raises(InputError, match='cannot be read'):
        read_nova_conf([conf('')])


def test_no_further_sources_are_fetched(conf):
    # Port 1 refuses; had it been asked, reading would have failed.
    path = conf(
        '[DEFAULT]\nconfig_source = remote\n'
        '[remote]\ndriver = remote_file\nuri = http://127.0.0.1:1/nova.conf\n'
    )

    assert read_nova_conf([path]).errors == {}


def test_names_that_oslo_config_keeps_for_itself_do_no_harm(conf):
    path = conf(
        '[DEFAULT]\nconfig_file = /gone\nconfig_dir = /gone\nlibvirt = 1\n'
        'virt_type = 2\n[libvirt]\nvirt_type = qemu\n'
    )

    assert read_nova_conf([path]).get('virt_type') == 'qemu'


def test_the_environment_does_not_count(conf, monkeypatch):
    monkeypatch.setenv('OS_LIBVIRT__VIRT_TYPE', 'lxc')

    assert read_nova_conf([conf('')]).get('virt_type') == 'kvm'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.sampled_from(['[DEFAULT]', '[libvirt]', '[compute]', '']),
            st.builds(
                '{} = {}'.format,
                st.sampled_from(
                    [
                        'reserved_host_memory_mb',
                        'cpu_models',
                        'hw_machine_type',
                        'ram_allocation_ratio',
                        'my_ip',
                        'run',
                    ]
                ),
                st.text(st.characters(exclude_categories=['Cs'])),
            ),
            st.text(st.characters(exclude_categories=['Cs'])),
        )
    ).map('\n'.join)
)
def test_any_text_is_settings_or_one_line_of_error(conf, text):
    found, error = outcome(read_nova_conf, [conf(text)])

    assert error.isprintable()
    assert error or all(line.isprintable() for line in found.errors.values())


@pytest.mark.parametrize(
    ('value', 'machine_type'),
    [
        pytest.param(None, 'pc', id="unset, nova's default"),
        pytest.param(['x86_64=q35'], 'q35', id='set'),
        pytest.param(
            ['aarch64=virt', 'x86_64=pc-q35-8.2'],
            'pc-q35-8.2',
            id='set beside another architecture',
        ),
        pytest.param(['x86_64=q35', 'x86_64=pc'], 'q35', id='set twice'),
        pytest.param(['q35'], 'pc', id='without an architecture'),
        pytest.param(['x86_64=', 'x86_64=q35'], 'q35', id='without a type'),
        pytest.param(['i686=q35'], 'pc', id='of another architecture'),
    ],
)
def test_the_default_machine_type_is_that_of_nova(value, machine_type):
    found = NovaSettings(values={'hw_machine_type': value})

    assert found.machine_type == machine_type


@pytest.mark.parametrize(
    ('virt_type', 'mode'),
    [
        pytest.param('kvm', 'host-model', id='kvm'),
        pytest.param('qemu', 'host-model', id='qemu'),
        pytest.param('lxc', 'none', id='lxc'),
    ],
)
def test_the_default_cpu_mode_follows_the_virtualization(virt_type, mode):
    assert NovaSettings(values={'virt_type': virt_type}).cpu_mode == mode


@pytest.mark.parametrize(
    ('version', 'release'),
    [
        pytest.param('34.0.0', 34, id='the latest'),
        pytest.param('31.2.1.dev3', 31, id='the oldest'),
        pytest.param('30.0.0', None, id='one that is too old'),
        pytest.param('unknown', None, id='one that cannot be read'),
    ],
)
def test_the_installed_release_is_found(monkeypatch, version, release):
    monkeypatch.setattr(importlib.metadata, 'version', lambda name: version)

    assert installed_release() == release


def test_no_release_may_be_installed(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, 'version', missing)

    assert installed_release() is None


def test_the_files_of_nova_compute_are_found(tmp_path):
    nova = tmp_path / 'etc/nova'
    (nova / 'nova.conf.d').mkdir(parents=True)
    for name in ('nova.conf', 'nova-compute.conf', 'nova.conf.d/2.conf'):
        (nova / name).touch()
    (nova / 'nova.conf.d/1.conf').touch()
    (nova / 'nova.conf.d/README').touch()

    assert default_files(HostFilesystem(tmp_path)) == [
        nova / 'nova.conf',
        nova / 'nova-compute.conf',
        nova / 'nova.conf.d/1.conf',
        nova / 'nova.conf.d/2.conf',
    ]


def test_a_link_among_the_files_stays_on_the_host(tmp_path):
    root = tmp_path / 'root'
    folder = root / 'etc/nova/nova.conf.d'
    folder.mkdir(parents=True)
    (tmp_path / 'secret.conf').write_text('[DEFAULT]\n')
    (folder / '1.conf').symlink_to(tmp_path / 'secret.conf')
    (root / 'own.conf').touch()
    (folder / '2.conf').symlink_to('/own.conf')

    outside, own = default_files(HostFilesystem(root))

    assert own == root / 'own.conf'
    assert outside.is_relative_to(root)
    with pytest.raises(InputError, match='cannot be read'):
        read_nova_conf([outside])
