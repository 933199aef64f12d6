import dataclasses
import os
import shutil
import struct
from pathlib import Path

import pytest

import sev_scheduling.compute
from sev_scheduling.compute import (
    Status,
    check,
    parse_domain_capabilities,
    survey,
)
from sev_scheduling.compute.checks import host, nova_conf
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import FirmwareSearch
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.compute.survey import gather, read_settings
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Check, Note, NoteCode
from tests.unit.compute import samples


def report(root, name, **options):
    caps = parse_domain_capabilities(samples.capabilities_text(name), name)
    # That nova 34 can leave the choice of firmware to.
    options = {
        'libvirt_version': (12, 0, 0),
        'qemu_version': (10, 1, 0),
        **options,
    }
    return survey(root, capabilities=[caps], **options)


@pytest.mark.parametrize('name', [samples.MILAN, samples.GENOA, samples.TDX])
def test_a_host_that_is_ready_has_nothing_to_correct(name):
    results = check(report(samples.root(name), name))

    # The TDX firmware that distributions ship has Secure Boot.
    expected = {NoteCode.FIRMWARE_SECURE_BOOT_ONLY: Status.WARNING}
    assert {
        result.code: result.status
        for result in results
        if result.status is not Status.SUCCESS
    } == (expected if name == samples.TDX else {})
    assert len(results) >= 12


@pytest.mark.parametrize('name', samples.OFFERS)
def test_every_sample_gets_its_results(name):
    results = check(report(samples.root(name), name))

    assert all(result.details.isprintable() for result in results)
    assert all(len(result.details) < 500 for result in results)


def test_an_unreadable_configuration_is_reported_once(tmp_path):
    root = tmp_path / 'host'
    shutil.copytree(samples.DIRECTORY / samples.MILAN, root)
    (root / 'etc/nova/nova.conf').write_bytes(b'\xff')

    results = check(report(HostFilesystem(root), samples.MILAN))

    failed = [r for r in results if r.status is Status.FAILURE]
    assert [r.name for r in failed] == ['Nova configuration']
    assert 'not UTF-8' in failed[0].details
    assert 'UEFI firmware for amd-sev' in [r.name for r in results]


def test_one_bad_value_fails_only_the_checks_that_need_it(tmp_path):
    root = tmp_path / 'host'
    shutil.copytree(samples.DIRECTORY / samples.MILAN, root)
    with (root / 'etc/nova/nova.conf').open('a') as conf:
        conf.write('cpu_mode = $gone\n')

    results = check(report(HostFilesystem(root), samples.MILAN))

    failed = [r for r in results if r.status is Status.FAILURE]
    assert [r.name for r in failed] == ['CPU model of guests']
    assert "'$gone'" in failed[0].details


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        pytest.param(
            'etc/nova/provider_config/machine-type.yaml',
            'Published machine type',
            id='provider.yaml',
        ),
        pytest.param(
            'sys/module/kvm_amd/parameters/sev_es',
            'Kernel module',
            id='a module parameter',
        ),
        pytest.param('proc/meminfo', 'Memory for the host', id='meminfo'),
    ],
)
def test_one_bad_file_fails_its_own_check(tmp_path, path, name):
    root = tmp_path / 'host'
    shutil.copytree(samples.DIRECTORY / samples.MILAN, root)
    (root / path).write_bytes(b'\xff')

    results = check(report(HostFilesystem(root), samples.MILAN))

    failed = {r.name: r.details for r in results if r.status is Status.FAILURE}
    assert name in failed
    assert 'UTF-8' in failed[name]
    assert len(results) - len(failed) >= 9


def test_one_odd_descriptor_is_one_warning(tmp_path):
    root = tmp_path / 'host'
    shutil.copytree(samples.DIRECTORY / samples.MILAN, root)
    (root / 'usr/share/qemu/firmware/10-odd.json').write_text('{}')

    results = check(report(HostFilesystem(root), samples.MILAN))

    (odd,) = [r for r in results if r.status is not Status.SUCCESS]
    assert (odd.code, odd.status) == (
        NoteCode.DESCRIPTORS_PASSED_OVER,
        Status.WARNING,
    )
    assert '10-odd.json' in odd.details


def test_an_unusable_location_of_provider_configuration_is_reported(tmp_path):
    conf = tmp_path / 'nova.conf'
    conf.write_text('[compute]\nprovider_config_location = $gone\n')

    found = survey(HostFilesystem(tmp_path), config_files=[conf])

    assert '$gone' in found.published_error


def test_an_empty_host_fails_without_an_error(tmp_path):
    results = check(survey(HostFilesystem(tmp_path)))

    assert {r.name: r.status for r in results} == {
        'Processor': Status.FAILURE,
        'Kernel module': Status.FAILURE,
        'Libvirt and QEMU': Status.WARNING,
        'Libvirt and QEMU versions': Status.WARNING,
        'Encryption slots': Status.FAILURE,
        'Nova configuration': Status.FAILURE,
    }


def test_a_wanted_model_must_be_known(tmp_path):
    with pytest.raises(InputError, match="--model 'sev' is unknown"):
        survey(HostFilesystem(tmp_path), models=['amd-sev', 'sev'])


def test_the_release_is_given_or_installed_or_the_latest(monkeypatch):
    root = samples.root(samples.MILAN)

    assert read_settings(root).release == 34
    monkeypatch.setattr(
        'sev_scheduling.compute.sources.nova_conf.installed_release',
        lambda: 32,
    )
    assert read_settings(root).release == 32
    assert read_settings(root, release=31).release == 31


NAMES = [
    Check(e.kind, Status.SUCCESS, Note(NoteCode.KERNEL_ON, e.subject)).name
    for e in (*host.entries(), *nova_conf.entries())
]


def test_every_check_is_documented():
    page = (
        Path(sev_scheduling.compute.__file__).parents[2]
        / 'doc/source/operator/compute-host.rst'
    ).read_text()

    for name in NAMES:
        shown = name if not name.startswith('UEFI') else 'UEFI firmware for'
        assert f'``{shown}' in page, name


def test_names_of_checks_are_unique():
    assert len(NAMES) == len(set(NAMES))


def test_the_interface_is_what_it_says():
    for name in sev_scheduling.compute.__all__:
        assert getattr(sev_scheduling.compute, name).__doc__ or name.isupper()


SEV = 'sys/module/kvm_amd/parameters/sev'
SEV_ES = 'sys/module/kvm_amd/parameters/sev_es'
CAPACITY = 'sys/fs/cgroup/misc.capacity'
HIDING = 'sys/module/kvm_amd/parameters/ciphertext_hiding_asids'


def put(root, name, data):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_an_empty_root_has_no_facts(tmp_path):
    gathered = gather(HostFilesystem(tmp_path))

    assert gathered.facts == HostEvidence()
    assert gathered.errors == ()


def test_the_facts_of_a_host_are_read(tmp_path):
    put(tmp_path, SEV, b'Y\n')
    put(tmp_path, SEV_ES, b'N\n')
    put(tmp_path, 'sys/module/kvm_intel/parameters/tdx', b'N\n')
    put(tmp_path, CAPACITY, b'sev 509\n')
    put(tmp_path, HIDING, b'50\n')

    facts = gather(HostFilesystem(tmp_path), qemu_version=(8, 2, 2)).facts

    assert facts.switches == {'sev': True, 'sev_es': False, 'tdx': False}
    assert facts.capacity == {'sev': 509}
    assert facts.shares == {'ciphertext_hiding_asids': 50}
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

    leaf = gather(HostFilesystem(tmp_path)).facts.leaf

    assert (leaf.sev_slots, leaf.es_slots) == (410, 99)


@pytest.mark.parametrize(
    ('name', 'data', 'words'),
    [
        pytest.param(SEV, b'maybe', 'Y, N, 1 or 0', id='no boolean'),
        pytest.param(SEV, b'\xff', 'not UTF-8', id='no text'),
        pytest.param(SEV, b'Y' * (1 << 21), 'has more than', id='too large'),
        pytest.param(CAPACITY, b'sev -1', 'sev capacity', id='no number'),
        pytest.param(HIDING, b'max', 'number of slots', id='no share'),
    ],
)
def test_one_bad_file_does_not_keep_others_from_being_read(
    tmp_path, name, data, words
):
    put(tmp_path, SEV_ES, b'Y')
    put(tmp_path, name, data)

    gathered = gather(HostFilesystem(tmp_path))

    (error,) = gathered.errors
    assert words in error
    assert gathered.facts.switches['sev_es'] is True
    assert gathered.facts.switches.get('sev') is None
    assert gathered.facts.capacity is None


def test_a_directory_where_a_file_belongs_is_reported(tmp_path):
    (tmp_path / SEV).mkdir(parents=True)

    (error,) = gather(HostFilesystem(tmp_path)).errors

    assert 'directory' in error


def test_a_model_of_a_plug_in_is_checked_like_any_other(arm_cca):
    results = check(arm_cca)

    assert {r.name: r.code for r in results if r.status} == {
        'Published machine type': NoteCode.PUBLISHED_NOT
    }
    assert 'UEFI firmware for arm-cca' in [r.name for r in results]
    assert arm_cca.default_machine_type == 'virt'
    assert 'q35' not in ' '.join(r.details for r in results)


def test_what_a_model_of_a_plug_in_lacks_is_said_in_its_own_terms(arm_cca):
    bare = dataclasses.replace(
        arm_cca,
        facts=dataclasses.replace(arm_cca.facts, capabilities=()),
        firmware=FirmwareSearch(),
        nova=NovaSettings(values={'hw_machine_type': ['aarch64=sbsa']}),
    )

    results = check(bare)

    assert {r.code for r in results if r.status} == {
        NoteCode.LIBVIRT_UNKNOWN,
        NoteCode.FIRMWARE_NONE,
        NoteCode.MACHINE_TYPE_UNFIT,
        NoteCode.CONFIG_DRIVE_IDE,
        NoteCode.PUBLISHED_NOT,
        NoteCode.MEMORY_NOT_RESERVED,
    }
    said = ' '.join(r.details for r in results)
    assert 'aarch64=virt' in said
    assert 'q35' not in said
