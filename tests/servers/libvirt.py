"""A private libvirtd with a QEMU that is said to run encrypted guests.

It runs in mount, network and process namespaces of its own, on directories
of its own in the place of the machine's: nothing of the machine's libvirt is
read or written. It starts no guest. That its QEMU offers memory encryption
stands in the capabilities that libvirtd caches, where libvirtd itself would
have written it on such hardware.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.servers.process import (
    Server,
    ServerFailed,
    ServerMissing,
    find_program,
    server_directory,
)

_PACKAGE = 'libvirt-daemon-driver-qemu qemu-system-x86'
_CLIENTS = 'libvirt-clients'

#: Other roots to run libvirtd from, with another version each, joined by
#: colons: what ``unpack-debian`` makes.
ROOTS = 'SEV_SCHEDULING_LIBVIRT_ROOTS'

#: Directory of the machine -> ours. Files that are not there are made.
_MOUNTS = {
    '/usr/share/qemu/firmware': 'host/usr/share/qemu/firmware',
    '/etc/qemu/firmware': 'host/etc/qemu/firmware',
    '/run': 'run',
    '/var/lib/libvirt': 'lib',
    '/var/cache/libvirt': 'cache',
    '/var/log/libvirt': 'log',
    '/etc/libvirt': 'conf',
}
_CONF = 'user="root"\ngroup="root"\nsecurity_driver="none"\nnamespaces=[]\n'
_ACCOUNTS = {
    'passwd': 'libvirt-qemu:x:64055:64055::/:/bin/false',
    'group': 'libvirt-qemu:x:64055:\nkvm:x:64056:',
}
_SCRIPT = """
set -e
mount --make-rprivate /
if [ "$1" != / ]; then
    mkdir -p "$1/dev" "$1/proc"
    mount --bind /dev "$1/dev"
    mount -t proc proc "$1/proc"
fi
while read -r theirs ours; do
    if [ -d "$ours" ]; then mkdir -p "$1$theirs"
    elif [ ! -e "$1$theirs" ]; then touch "$1$theirs"; fi
    mount --bind "$ours" "$1$theirs"
done <mounts
# It must not be the first process: QEMU's orphans want an init.
chroot "$1" libvirtd &
wait $!
"""
_PLATFORM = (
    '<sev><cbitpos>47</cbitpos><reducedPhysBits>1</reducedPhysBits>'
    '<pdh>p</pdh><certChain>c</certChain><cpu0Id>i</cpu0Id>'
    '<maxGuests>15</maxGuests><maxESGuests>9</maxESGuests></sev>'
)
_FLAGS = {
    (0, 0, 0): ('sev-guest',),
    (10, 5, 0): ('sev-snp-guest',),
    (11, 6, 0): ('tdx-guest',),
}
#: Since then firmware is chosen when a domain is defined, not when started.
_CHOSEN_AT_DEFINE = (9, 2, 0)

_FOUND = re.compile(r"Found matching firmware \(description path '(.*)'\)")


@dataclass(slots=True)
class Libvirt:
    """A running libvirtd.

    :ivar version: of libvirt
    :ivar machine: the concrete machine type that q35 stands for
    """

    directory: pathlib.Path
    version: tuple[int, int, int] = (0, 0, 0)
    machine: str = ''

    def virsh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        socket = self.directory / 'run/libvirt/libvirt-sock'
        return subprocess.run(
            [
                'virsh',
                '-c',
                f'qemu+unix:///system?socket={socket}',
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def answer(self, *arguments: str) -> str:
        """Return what virsh prints.

        :raises ServerFailed: where it fails
        """
        done = self.virsh(*arguments)
        if done.returncode:
            raise ServerFailed(f'virsh {arguments}: {done.stderr}')
        return done.stdout

    @property
    def root(self) -> pathlib.Path:
        """Return a root, of whose files libvirtd sees the descriptors."""
        return self.directory / 'host'

    def domain_capabilities(self) -> str:
        """Return what libvirt says of guests of machine type q35."""
        return self.answer(
            *('domcapabilities', '--virttype', 'qemu', '--machine', 'q35')
        )

    def choose(self, xml: str) -> str | None:
        """Return the descriptor that is chosen for a domain, None for none.

        :raises ServerFailed: where the domain is refused for another reason
        """
        log = self.directory / 'run/firmware.log'
        before = log.stat().st_size
        file = self.directory / 'domain.xml'
        file.write_text(xml)
        if self.version >= _CHOSEN_AT_DEFINE:
            done = self.virsh('define', str(file))
        else:
            done = self.virsh(
                'domxml-to-native', 'qemu-argv', '--xml', str(file)
            )
        with log.open(errors='replace') as stream:
            stream.seek(before)
            chosen = _FOUND.findall(stream.read())
        if done.returncode == 0:
            self.virsh('undefine', '--nvram', 'guest')
            assert len({*chosen}) == 1, chosen
            return str(chosen[0])
        if re.search(_REFUSALS, done.stderr):
            return None
        raise ServerFailed(done.stderr)


#: What libvirt says where a descriptor, or the want of one, is the reason.
_REFUSALS = (
    "Unable to find (any|'efi') firmware|qemu/firmware|unsupported (flash|"
    'nvram template) format|interface-types|unknown interface|'
    'unable to parse json|missing .* in|failed to get|Firmware flash mode|'
    "unknown architecture|unknown device|Unable to access|attribute 'secure' "
    'cannot be specified'
)


@contextlib.contextmanager
def libvirt(root: str = '/') -> Iterator[Libvirt]:
    """Start libvirtd.

    :param root: where it and its QEMU are installed
    :raises ServerMissing: where it, or what it needs, is not installed
    """
    find_program('virsh', _CLIENTS)
    find_program('unshare', 'util-linux')
    if root == '/':
        find_program('libvirtd', _PACKAGE)
        find_program('qemu-system-x86_64', _PACKAGE)
    if os.geteuid() != 0:
        raise ServerMissing('A private libvirtd needs root for its mounts.')
    with server_directory('libvirt') as directory:
        _lay_out(directory)
        it = Libvirt(directory)
        with _started(it, root):
            it.answer('domcapabilities', '--virttype', 'qemu')
            major, minor, micro = _version(it.answer('version', '--daemon'))
            it.version = major, minor, micro
        _add_encryption(it)
        with _started(it, root):
            document = it.domain_capabilities()
            it.machine = document.partition('<machine>')[2].partition('<')[0]
            yield it


def _lay_out(directory: pathlib.Path) -> None:
    for name in _MOUNTS.values():
        (directory / name).mkdir(parents=True)
    (directory / 'conf/qemu.conf').write_text(_CONF)
    mounts: Mapping[str, str] = dict(_MOUNTS)
    for name, line in _ACCOUNTS.items():
        file = directory / name
        shutil.copy(f'/etc/{name}', file)
        with file.open('a') as stream:
            stream.write(f'{line}\n')
        mounts = {**mounts, f'/etc/{name}': name}
    (directory / 'mounts').write_text(
        ''.join(
            f'{path} {directory / name}\n' for path, name in mounts.items()
        )
    )


@contextlib.contextmanager
def _started(it: Libvirt, root: str) -> Iterator[None]:
    unshare = find_program('unshare', 'util-linux')
    namespaces = ('--mount', '--net', '--pid', '--fork', '--kill-child')
    with Server(
        'libvirtd',
        [unshare, *namespaces, 'sh', '-c', _SCRIPT, 'sh', root],
        directory=it.directory,
        env={
            'LC_ALL': 'C',
            'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
            'LIBVIRT_LOG_FILTERS': '1:qemu.qemu_firmware 4:*',
            'LIBVIRT_LOG_OUTPUTS': '1:file:/run/firmware.log',
        },
        keep_user=True,
        stop_signal=signal.SIGKILL,
    ) as server:
        server.start(lambda: it.virsh('uri').returncode == 0)
        yield


def _version(text: str) -> list[int]:
    """Return the version of what ``virsh version --daemon`` prints."""
    found = re.search(r'Running against daemon: ([0-9.]+)', text)
    assert found, text
    return [int(part) for part in found[1].split('.')]


def _add_encryption(it: Libvirt) -> None:
    """Say in the cached capabilities that QEMU runs encrypted guests."""
    flags = ''.join(
        f"<flag name='{flag}'/>"
        for since, names in _FLAGS.items()
        if it.version >= since
        for flag in names
    )
    cached = it.directory.glob('cache/qemu/capabilities/*.xml')
    for file in cached:
        text = file.read_text()
        text = text.replace('<version>', f'{flags}<version>', 1)
        file.write_text(text.replace('</qemuCaps>', f'{_PLATFORM}</qemuCaps>'))
