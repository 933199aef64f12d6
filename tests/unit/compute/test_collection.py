import os
import struct

import pytest

from sev_scheduling.compute.collection import gather
from sev_scheduling.compute.detection import HostFacts
from sev_scheduling.compute.files import Root

SEV = 'sys/module/kvm_amd/parameters/sev'
SEV_ES = 'sys/module/kvm_amd/parameters/sev_es'
CAPACITY = 'sys/fs/cgroup/misc.capacity'


def put(root, name, data):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_an_empty_root_has_no_facts(tmp_path):
    gathered = gather(Root(tmp_path))

    assert gathered.facts == HostFacts()
    assert gathered.errors == ()


def test_the_facts_of_a_host_are_read(tmp_path):
    put(tmp_path, SEV, b'Y\n')
    put(tmp_path, SEV_ES, b'N\n')
    put(tmp_path, 'sys/module/kvm_intel/parameters/tdx', b'N\n')
    put(tmp_path, CAPACITY, b'sev 509\n')

    facts = gather(Root(tmp_path), qemu_version=(8, 2, 2)).facts

    assert facts.switches == {'sev': True, 'sev_es': False, 'tdx': False}
    assert facts.capacity == {'sev': 509}
    assert facts.qemu_version == (8, 2, 2)


def test_cpuid_is_read_where_the_driver_has_it(tmp_path):
    # A leaf's number is its place in the driver's file.
    path = tmp_path / 'dev/cpu/0/cpuid'
    path.parent.mkdir(parents=True)
    with path.open('wb') as file:
        for place, registers in (
            (0x80000000, (0x80000028, 0, 0, 0)),
            (0x8000001F, (0b01010, 0, 509, 100)),
        ):
            os.pwrite(file.fileno(), struct.pack('<4I', *registers), place)

    leaf = gather(Root(tmp_path)).facts.leaf

    assert (leaf.sev_slots, leaf.es_slots) == (410, 99)


@pytest.mark.parametrize(
    ('name', 'data', 'words'),
    [
        pytest.param(SEV, b'maybe', 'Y, N, 1 or 0', id='no boolean'),
        pytest.param(SEV, b'\xff', 'not UTF-8', id='no text'),
        pytest.param(SEV, b'Y' * (1 << 21), 'larger than', id='too large'),
        pytest.param(CAPACITY, b'sev -1', 'sev capacity', id='no number'),
    ],
)
def test_one_bad_file_does_not_keep_others_from_being_read(
    tmp_path, name, data, words
):
    put(tmp_path, SEV_ES, b'Y')
    put(tmp_path, name, data)

    gathered = gather(Root(tmp_path))

    (error,) = gathered.errors
    assert words in error
    assert gathered.facts.switches['sev_es'] is True
    assert gathered.facts.switches.get('sev') is None
    assert gathered.facts.capacity is None


def test_a_directory_where_a_file_belongs_is_told(tmp_path):
    (tmp_path / SEV).mkdir(parents=True)

    (error,) = gather(Root(tmp_path)).errors

    assert 'directory' in error
