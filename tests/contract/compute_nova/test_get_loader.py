"""Nova 31 and 32 choose the firmware that we say they do.

Their ``Host.get_loader`` reads the same files. Later releases leave the
choice to libvirt (``tests/contract/compute_libvirt``).
"""

import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('nova', reason='nova is not installed')

from nova import exception
from nova.virt.libvirt import driver, host

from sev_scheduling.compute.checks.firmware import LIBVIRT_CHOOSES
from sev_scheduling.compute.checks.versions import MINIMUM, STATELESS
from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import (
    DIRECTORIES,
    Guest,
    chosen_by_nova,
    search,
)
from sev_scheduling.models import find_model
from tests.contract.compute_nova.test_detection import RELEASE
from tests.unit.compute import descriptors

MACHINE = 'pc-q35-9.0'
RAISED = 'raised'


def test_the_release_has_its_own_choice_or_not():
    assert hasattr(host.Host, 'get_loader') is (RELEASE < LIBVIRT_CHOOSES)


def test_the_least_versions_are_those_of_the_release():
    assert MINIMUM[RELEASE] == (
        driver.MIN_LIBVIRT_VERSION,
        driver.MIN_QEMU_VERSION,
    )
    assert driver.MIN_LIBVIRT_STATELESS_FIRMWARE == STATELESS
    sev_es = find_model('amd-sev-es')
    if sev_es.since_nova <= RELEASE:
        assert sev_es.since_qemu == host.MIN_QEMU_SEV_ES_VERSION


nova_chooses = pytest.mark.skipif(
    RELEASE >= LIBVIRT_CHOOSES, reason='libvirt chooses for this release'
)


@nova_chooses
@pytest.mark.parametrize('secure_boot', [False, True])
@pytest.mark.parametrize('name', descriptors.SETS)
def test_nova_chooses_what_we_say(name, secure_boot, tmp_path, monkeypatch):
    compare(descriptors.SETS[name], secure_boot, tmp_path, monkeypatch)


@nova_chooses
@settings(max_examples=200, deadline=None)
@given(descriptors.ANY_FOLDERS, st.booleans())
def test_nova_chooses_what_we_say_whatever_is_there(
    tmp_path_factory, files, secure_boot
):
    with pytest.MonkeyPatch.context() as monkeypatch:
        root = tmp_path_factory.mktemp('host')
        compare(files, secure_boot, root, monkeypatch)


def compare(files, secure_boot, root, monkeypatch):
    descriptors.lay(root, files)
    monkeypatch.setattr(
        host,
        'QEMU_FIRMWARE_DESCRIPTOR_PATHS',
        [f'{root}{directory}' for directory in DIRECTORIES],
    )
    guest = Guest(find_model('amd-sev'), MACHINE, secure_boot=secure_boot)

    choice = chosen_by_nova(search(HostFilesystem(root)), guest)

    ours = choice.descriptor and choice.descriptor.files
    assert theirs(secure_boot) == (RAISED if choice.problem else ours)


def theirs(secure_boot):
    """Return the two files that nova takes, None where it finds none."""
    try:
        nova = types.SimpleNamespace(
            loaders=host._get_loaders(),
            get_canonical_machine_type=lambda *_: MACHINE,
        )
        files = host.Host.get_loader(nova, 'x86_64', 'q35', secure_boot)
    except exception.UEFINotSupported:
        return None
    except (ValueError, OSError, TypeError):
        return RAISED
    return files[:2]
