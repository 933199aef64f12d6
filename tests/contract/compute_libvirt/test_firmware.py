"""Libvirt chooses the firmware for nova's own domains that we say it does.

One row is one set of descriptors, given to every kind of guest. Libvirt is
the installed one, and each below :data:`tests.servers.libvirt.ROOTS`.
"""

import functools
import os
import types

import pytest

pytest.importorskip('nova', reason='nova is not installed')

from nova.objects import flavor as nova_flavor
from nova.objects import image_meta
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt.driver import LibvirtDriver

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import (
    Guest,
    chosen_by_libvirt,
    eras,
    libvirt_refuses,
    search,
    secure_boot_offered,
)
from sev_scheduling.models import find_model
from tests.servers.libvirt import ROOTS, libvirt
from tests.servers.process import ServerFailed, ServerMissing
from tests.unit.compute import descriptors

if not hasattr(vconfig, 'LibvirtConfigGuestSEVSNPLaunchSecurity'):
    pytest.skip('the XML is that of nova 34', allow_module_level=True)

#: Model, stateless, Secure Boot.
GUESTS = (
    ('amd-sev', False, False),
    ('amd-sev', False, True),
    ('amd-sev', True, False),
    ('amd-sev', True, True),
    ('amd-sev-es', False, False),
    ('amd-sev-es', False, True),
    ('amd-sev-snp', True, False),
    ('amd-sev-snp', True, True),
    ('intel-tdx', True, False),
    ('intel-tdx', True, True),
)


@pytest.fixture(
    scope='module',
    params=['/', *filter(None, os.environ.get(ROOTS, '').split(':'))],
)
def daemon(request):
    try:
        with libvirt(request.param) as it:
            yield it
    except ServerMissing as missing:
        pytest.skip(str(missing))


def nova_xml(model, *, stateless, secure_boot):
    """Return the domain that nova's own code writes, for an emulated CPU.

    There is no KVM here, and it plays no part in the choice.
    """
    properties = {
        'hw_firmware_type': 'uefi',
        'hw_machine_type': 'q35',
        'hw_firmware_stateless': stateless,
        **({'os_secure_boot': 'required'} if secure_boot else {}),
    }
    cpu = types.SimpleNamespace(arch='x86_64')
    host = types.SimpleNamespace(
        supports_uefi=True,
        supports_secure_boot=True,
        get_capabilities=lambda: types.SimpleNamespace(
            host=types.SimpleNamespace(cpu=cpu)
        ),
        _check_machine_type=lambda *_: None,
    )
    driver = types.SimpleNamespace(
        _host=host,
        _check_emulation_arch=lambda _: 'x86_64',
        _get_guest_config_sysinfo=lambda _: None,
    )
    for name in (
        '_check_secure_boot_support',
        '_guest_configure_sev_mem_encryption',
        '_guest_configure_tdx_mem_encryption',
    ):
        method = functools.partial(getattr(LibvirtDriver, name), driver)
        setattr(driver, name, method)
    instance = types.SimpleNamespace(system_metadata={}, kernel_id=None)
    guest = vconfig.LibvirtConfigGuest()
    guest.virt_type = 'qemu'
    guest.name, guest.memory, guest.vcpus = 'guest', 1 << 20, 1
    guest.os_type = 'hvm'
    guest.features = [
        vconfig.LibvirtConfigGuestFeatureACPI(),
        vconfig.LibvirtConfigGuestFeatureAPIC(),
    ]
    LibvirtDriver._configure_guest_by_virt_type(
        driver,
        guest,
        instance,
        image_meta.ImageMeta.from_dict({'properties': properties}),
        nova_flavor.Flavor(extra_specs={}),
    )
    # The host's serial number is another matter.
    guest.os_smbios = None
    LibvirtDriver._guest_configure_mem_encryption(
        driver, instance, guest, model
    )
    return guest.to_xml()


def known(daemon, model):
    """Return whether this libvirt knows a model."""
    return daemon.version >= find_model(model).first_libvirt


@pytest.mark.parametrize('name', descriptors.SETS)
def test_libvirt_chooses_what_we_say(daemon, name):
    files = descriptors.SETS[name]
    descriptors.lay(daemon.root, files)
    found = search(HostFilesystem(daemon.root))
    (era,) = eras(daemon.version)
    ours, theirs = {}, {}
    for row in GUESTS:
        model, stateless, secure_boot = row
        if not known(daemon, model):
            continue
        guest = Guest(
            find_model(model), daemon.machine, stateless, secure_boot
        )
        choice = chosen_by_libvirt(found, guest, era)
        ours[row] = choice.descriptor and choice.descriptor.path
        xml = nova_xml(model, stateless=stateless, secure_boot=secure_boot)
        theirs[row] = daemon.choose(xml)

    assert ours == theirs


@pytest.mark.parametrize('name', descriptors.SETS)
def test_libvirt_reports_secure_boot_as_we_say(daemon, name):
    descriptors.lay(daemon.root, descriptors.SETS[name])
    found = search(HostFilesystem(daemon.root))
    guest = Guest(find_model('amd-sev'), daemon.machine)
    try:
        document = daemon.domain_capabilities()
    except ServerFailed:
        # An old libvirt fails as a whole at a descriptor it cannot read.
        assert libvirt_refuses(found, *eras(daemon.version))
        return
    secure = document.partition("<enum name='secure'>")[2].partition('</')[0]

    assert ('<value>yes' in secure) is secure_boot_offered(found, guest)
