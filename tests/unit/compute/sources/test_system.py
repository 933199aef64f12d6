import os
import socket

import pytest

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.system import SystemFacts, read_system

ES = "<launchSecurity type='sev'><policy>0x0037</policy></launchSecurity>"
SEV = "<launchSecurity type='sev'><policy>0x0033</policy></launchSecurity>"
SNP = "<launchSecurity type='sev-snp'><policy>0x37</policy></launchSecurity>"


def put(root, name, text=''):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_of_an_empty_root_nothing_is_known(tmp_path):
    assert read_system(HostFilesystem(tmp_path)) == SystemFacts()


def test_a_host_is_read(tmp_path, monkeypatch):
    put(tmp_path, 'proc/cmdline', 'quiet iommu=pt\n')
    put(
        tmp_path,
        'proc/meminfo',
        'SwapTotal: 2048 kB\nHugePages_Total: 3\nHugepagesize: 2048 kB\n',
    )
    put(tmp_path, 'dev/sev').chmod(0o600)
    put(tmp_path, 'etc/libvirt/qemu.conf', '#x\nnamespaces = [ ]\n')
    for name, text in (('a', ES), ('b', SEV), ('c', SNP), ('d', '<x/>')):
        put(tmp_path, f'etc/libvirt/qemu/{name}.xml', text)
    put(tmp_path, 'etc/libvirt/qemu/e.txt', ES)
    (tmp_path / 'etc/libvirt/qemu/f.xml').write_bytes(b'\xff')
    (tmp_path / 'run/tdx-qgs').mkdir(parents=True)
    # A socket's path is short.
    monkeypatch.chdir(tmp_path / 'run/tdx-qgs')
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind('qgs.socket')
        found = read_system(HostFilesystem(tmp_path))

    assert found == SystemFacts(
        command_line=('quiet', 'iommu=pt'),
        device=True,
        device_closed=True,
        quote_socket=True,
        swap_mb=2,
        huge_mb=6,
        es_guests=('a',),
    )


@pytest.mark.parametrize(
    ('mode', 'conf', 'closed'),
    [
        (0o600, 'namespaces = []', True),
        (0o640, 'namespaces = []', False),
        (0o600, '#namespaces = []', False),
        (0o600, "namespaces = [ 'mount' ]", False),
        (0o600, '', False),
    ],
)
def test_libvirt_gives_qemu_a_device_unless_it_has_no_namespaces(
    tmp_path, mode, conf, closed
):
    put(tmp_path, 'dev/sev').chmod(mode)
    put(tmp_path, 'etc/libvirt/qemu.conf', conf)

    assert read_system(HostFilesystem(tmp_path)).device_closed is closed


def test_what_is_missing_is_not_unknown(tmp_path):
    (tmp_path / 'dev').mkdir()
    (tmp_path / 'run').mkdir()

    found = read_system(HostFilesystem(tmp_path))

    assert (found.device, found.quote_socket) == (False, False)


@pytest.mark.parametrize(
    ('beside', 'guests'),
    [('', None), (SEV, None), (ES, ('beside',))],
)
def test_a_guest_whose_definition_cannot_be_read_may_have_sev_es(
    tmp_path, beside, guests
):
    put(tmp_path, 'etc/libvirt/qemu/odd.xml').write_bytes(b'\xff')
    if beside:
        put(tmp_path, 'etc/libvirt/qemu/beside.xml', beside)

    assert read_system(HostFilesystem(tmp_path)).es_guests == guests


def test_too_many_definitions_and_circles_are_unknown(tmp_path, monkeypatch):
    put(tmp_path, 'etc/libvirt/qemu/a.xml', ES)
    os.symlink('dev', tmp_path / 'dev')
    monkeypatch.setattr('sev_scheduling.compute.sources.files.MAX_NAMES', 0)

    found = read_system(HostFilesystem(tmp_path))

    assert found.es_guests is None
    assert found.device is None
