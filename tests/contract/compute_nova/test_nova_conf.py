"""What nova.conf says is what nova's own configuration says of the file."""

import pytest

pytest.importorskip('nova', reason='nova is not installed')

from oslo_config import cfg

from sev_scheduling.compute.sources.nova_conf import _FIXED, read_nova_conf

TEXTS = {
    'nothing': '',
    'plain values': (
        '[DEFAULT]\nreserved_host_memory_mb = 752\nram_allocation_ratio = 1\n'
        '[libvirt]\nvirt_type = kvm\nhw_machine_type = x86_64=q35,i686=pc\n'
        'cpu_mode = custom\ncpu_models = EPYC, EPYC-Milan\n'
    ),
    'a path of nova': (
        '[compute]\nprovider_config_location = $state_path/providers\n'
    ),
    'where nova is installed': (
        '[compute]\nprovider_config_location = ${pybasedir}/providers\n'
    ),
    'a path that is set': (
        '[DEFAULT]\nstate_path = /var/lib/nova\n'
        '[compute]\nprovider_config_location = $state_path/providers\n'
    ),
    'an option of another group': (
        '[compute]\nprovider_config_location = ${libvirt.virt_type}/p\n'
    ),
    'a default of another group': (
        '[libvirt]\nconnection_uri = qemu+${libvirt.live_migration_scheme}://h\n'
        'live_migration_scheme = tls\n'
    ),
    'a chain': (
        '[DEFAULT]\nstate_path = $instances_path\ninstances_path = /i\n'
        '[compute]\nprovider_config_location = $state_path\n'
    ),
    'no reference': ('[compute]\nprovider_config_location = /a$$b\n'),
    'a number': (
        '[DEFAULT]\nreserved_host_memory_mb = ${libvirt.rbd_connect_timeout}\n'
        '[libvirt]\nrbd_connect_timeout = 700\n'
    ),
}


@pytest.mark.parametrize('name', TEXTS)
def test_the_same_values(tmp_path, name):
    import nova.conf

    path = tmp_path / 'nova.conf'
    path.write_text(TEXTS[name])
    ours = read_nova_conf([path])
    conf = nova.conf.CONF
    conf([], project='nova', default_config_files=[str(path)])
    try:
        for group, options in _FIXED.items():
            section = conf if group == 'DEFAULT' else conf[group]
            for option in options:
                assert ours.errors == {}
                assert ours.get(option.name) == getattr(section, option.name)
    finally:
        conf.clear()


def test_what_nova_does_not_resolve_is_an_error(tmp_path):
    import nova.conf

    path = tmp_path / 'nova.conf'
    path.write_text('[compute]\nprovider_config_location = $gone/p\n')
    conf = nova.conf.CONF
    conf([], project='nova', default_config_files=[str(path)])
    try:
        with pytest.raises(cfg.Error):
            assert conf.compute.provider_config_location
    finally:
        conf.clear()

    assert [*read_nova_conf([path]).errors] == ['provider_config_location']
