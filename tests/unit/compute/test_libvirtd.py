import sys
import types

import pytest

from sev_scheduling.compute.libvirtd import ask_libvirt
from sev_scheduling.exceptions import InputError
from tests.unit.compute import samples


class LibvirtError(Exception):
    pass


class Connection:
    """Answers as libvirt-python does, for the machine types it has."""

    def __init__(self, machines):
        self.machines = machines
        self.asked = []
        self.closed = False

    def getVersion(self):  # noqa: N802
        return 8_002_011

    def getDomainCapabilities(  # noqa: N802
        self, emulator, arch, machine, virt_type, flags
    ):
        self.asked.append((emulator, arch, machine, virt_type, flags))
        if machine not in self.machines:
            raise LibvirtError(f'the machine {machine!r} is not supported')
        return self.machines[machine]

    def close(self):
        self.closed = True


@pytest.fixture
def libvirt(monkeypatch):
    text = samples.capabilities_text(samples.MILAN)
    module = types.ModuleType('libvirt')
    module.libvirtError = LibvirtError
    module.connection = Connection({'q35': text, 'pc': text})
    module.registerErrorHandler = lambda handler, context: handler(1, 2)
    module.open = lambda uri: module.connection
    monkeypatch.setitem(sys.modules, 'libvirt', module)
    return module


def test_libvirt_is_asked_for_both_machine_types(libvirt):
    answer = ask_libvirt('qemu:///system')

    assert [caps.max_guests for caps in answer.capabilities] == [410, 410]
    assert answer.qemu_version == (8, 2, 11)
    assert libvirt.connection.asked == [
        (None, 'x86_64', 'q35', 'kvm', 0),
        (None, 'x86_64', 'pc', 'kvm', 0),
    ]
    assert libvirt.connection.closed


def test_one_machine_type_is_enough(libvirt):
    del libvirt.connection.machines['pc']

    assert len(ask_libvirt().capabilities) == 1


def test_no_machine_type_is_an_error(libvirt):
    libvirt.connection.machines.clear()

    with pytest.raises(InputError, match='is not supported'):
        ask_libvirt()
    assert libvirt.connection.closed


def test_a_libvirt_that_is_not_running_is_told(libvirt):
    def refuse(uri):
        raise LibvirtError('Failed to connect\nto the socket')

    libvirt.open = refuse

    with pytest.raises(InputError, match='run as root') as caught:
        ask_libvirt('qemu:///system')
    assert str(caught.value).isprintable()


def test_an_absurd_answer_is_told(libvirt):
    libvirt.connection.machines['q35'] = '<capabilities/>'

    with pytest.raises(InputError, match='libvirt at'):
        ask_libvirt()


def test_without_libvirt_python_nothing_is_known(monkeypatch):
    monkeypatch.setitem(sys.modules, 'libvirt', None)

    assert ask_libvirt() is None
