"""With which memory options nova-compute does not start, by its own code."""

import importlib.metadata
import itertools

import pytest

pytest.importorskip('nova', reason='nova is not installed')

import nova.conf
from nova import exception
from nova.virt.libvirt import host as libvirt_host

from sev_scheduling.compute.checks import host
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.sources.memory import HostMemory
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.hosts.check import NoteCode
from tests.unit.compute import samples

RELEASE = int(importlib.metadata.version('nova').split('.')[0])
FACTS = samples.facts(samples.MILAN)


@pytest.fixture
def starts():
    """Return a function that says whether nova starts with options."""
    conf = nova.conf.CONF

    def starts(virt_type, ratio, reserved):
        conf.set_override('file_backed_memory', 4096, group='libvirt')
        conf.set_override('virt_type', virt_type, group='libvirt')
        conf.set_override('ram_allocation_ratio', ratio)
        conf.set_override('reserved_host_memory_mb', reserved)
        try:
            # Its constructor needs libvirt-python, before nova 33.
            asked = object.__new__(libvirt_host.Host)
            return asked.supports_mem_backing_file
        except exception.InternalError:
            return False

    yield starts
    for name in ('file_backed_memory', 'virt_type'):
        conf.clear_override(name, group='libvirt')
    for name in ('ram_allocation_ratio', 'reserved_host_memory_mb'):
        conf.clear_override(name)


@pytest.mark.parametrize(
    ('virt_type', 'ratio', 'reserved'),
    itertools.product(
        ('kvm', 'qemu', 'lxc'), (None, 0.9, 1.0, 1.5), (0, 1, 4095, 4096, 5000)
    ),
)
def test_the_check_fails_where_nova_does_not_start(
    starts, virt_type, ratio, reserved
):
    settings = NovaSettings(
        release=RELEASE,
        values={
            'file_backed_memory': 4096,
            'virt_type': virt_type,
            'ram_allocation_ratio': ratio,
            'reserved_host_memory_mb': reserved,
        },
    )
    finding = host.host_memory(
        HostReport(facts=FACTS, memory=HostMemory(515072), nova=settings)
    )

    refused = finding.code is NoteCode.MEMORY_FILE_REFUSED
    assert refused is not starts(virt_type, ratio, reserved)
