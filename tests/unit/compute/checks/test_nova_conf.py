import dataclasses

import pytest

from sev_scheduling.compute.checks import nova_conf as checks_nova
from sev_scheduling.compute.checks.report import HostReport, Status
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.exceptions import InputError
from tests.unit.compute import samples

SUCCESS, WARNING, FAILURE = Status

MILAN = samples.facts(samples.MILAN)
GENOA = samples.facts(samples.GENOA)
TDX = samples.facts(samples.TDX)
INTEL = samples.facts(samples.INTEL)
NAPLES = samples.facts('naples-kernel-5.4-libvirt-7.0')


def found(check, facts, release=34, **values):
    finding = check(
        HostReport(
            facts=facts,
            nova=NovaSettings(
                release=release, values=values, files=('nova.conf',)
            ),
        )
    )
    return (None, '') if finding is None else (finding.status, finding.details)


@pytest.mark.parametrize(
    ('facts', 'release', 'status', 'words'),
    [
        pytest.param(
            GENOA, 34, SUCCESS, 'nova 34, nova.conf', id='new enough'
        ),
        pytest.param(
            GENOA, 33, WARNING, 'amd-sev-snp (nova 34)', id='too old for SNP'
        ),
        pytest.param(MILAN, 32, SUCCESS, 'nova 32', id='new enough for ES'),
        pytest.param(
            MILAN, 31, WARNING, 'amd-sev-es (nova 32)', id='too old for ES'
        ),
        pytest.param(TDX, 33, WARNING, 'intel-tdx', id='too old for TDX'),
    ],
)
def test_the_configuration(facts, release, status, words):
    result, details = found(checks_nova.read, facts, release)

    assert result is status
    assert words in details


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        pytest.param('a line', 'a line', id='unreadable'),
        pytest.param(None, '--config-file', id='not read'),
    ],
)
def test_the_configuration_must_be_read(error, words):
    finding = checks_nova.read(HostReport(facts=MILAN, nova_error=error))

    assert finding.status is FAILURE
    assert words in finding.details


@pytest.mark.parametrize(
    ('value', 'status'),
    [
        pytest.param('kvm', SUCCESS, id='KVM'),
        pytest.param('qemu', WARNING, id='emulated'),
        pytest.param('lxc', FAILURE, id='containers'),
        pytest.param('parallels', FAILURE, id='another hypervisor'),
    ],
)
def test_the_virtualization_type(value, status):
    result, details = found(checks_nova.virt_type, MILAN, virt_type=value)

    assert result is status
    assert value in details


@pytest.mark.parametrize(
    ('facts', 'release', 'value', 'status', 'words'),
    [
        pytest.param(MILAN, 34, None, None, '', id='removed and unset'),
        pytest.param(MILAN, 34, 15, WARNING, 'removed it', id='removed'),
        pytest.param(MILAN, 33, None, SUCCESS, 'libvirt tells', id='unset'),
        pytest.param(
            NAPLES,
            33,
            None,
            FAILURE,
            '2147483647',
            id='unset, and libvirt does not tell',
        ),
        pytest.param(INTEL, 33, None, None, '', id='unset, and no SEV'),
        pytest.param(
            dataclasses.replace(MILAN, capabilities=()),
            33,
            None,
            None,
            '',
            id='unset, and libvirt unknown',
        ),
        pytest.param(MILAN, 33, 0, WARNING, 'no amd-sev slot', id='none'),
        pytest.param(MILAN, 31, 15, SUCCESS, 'is 15', id='a limit'),
        pytest.param(MILAN, 31, 410, SUCCESS, 'is 410', id='the hardware'),
        pytest.param(
            MILAN,
            31,
            411,
            WARNING,
            'hardware has 410',
            id='one above the hardware',
        ),
        pytest.param(
            NAPLES, 31, 15, SUCCESS, 'is 15', id='a limit of unknown hardware'
        ),
        pytest.param(MILAN, 32, 15, WARNING, 'deprecated', id='deprecated'),
    ],
)
def test_num_memory_encrypted_guests(facts, release, value, status, words):
    result, details = found(
        checks_nova.sev_guests,
        facts,
        release,
        num_memory_encrypted_guests=value,
    )

    assert result is status
    assert words in details


NO_CGROUP = dataclasses.replace(TDX, capacity=None)


@pytest.mark.parametrize(
    ('facts', 'release', 'value', 'status', 'words'),
    [
        pytest.param(MILAN, 34, 5, None, '', id='no TDX'),
        pytest.param(TDX, 33, 5, None, '', id='a nova without TDX'),
        pytest.param(TDX, 34, None, SUCCESS, 'not set', id='unset'),
        pytest.param(TDX, 34, 31, SUCCESS, 'is 31', id='the hardware'),
        pytest.param(
            TDX,
            34,
            32,
            FAILURE,
            'takes the larger',
            id='one above the hardware',
        ),
        pytest.param(TDX, 34, 0, WARNING, 'no slot', id='none'),
        pytest.param(
            NO_CGROUP,
            34,
            None,
            FAILURE,
            'misc.capacity',
            id='unset in a container',
        ),
        pytest.param(
            NO_CGROUP, 34, 31, SUCCESS, 'is 31', id='set in a container'
        ),
    ],
)
def test_num_intel_tdx_guests(facts, release, value, status, words):
    result, details = found(
        checks_nova.tdx_guests, facts, release, num_intel_tdx_guests=value
    )

    assert result is status
    assert words in details


@pytest.mark.parametrize(
    ('facts', 'values', 'status', 'words'),
    [
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 1.0},
            SUCCESS,
            'ram_allocation_ratio is 1.0',
            id='one',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 0.5},
            SUCCESS,
            '0.5',
            id='below one',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 1.01},
            FAILURE,
            'overcommitted',
            id='above one',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': float('nan')},
            FAILURE,
            'nan',
            id='no number',
        ),
        pytest.param(
            MILAN,
            {},
            SUCCESS,
            'not set; initial_ram_allocation_ratio is 1.0',
            id='unset',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 0.0, 'initial_ram_allocation_ratio': 1.5},
            FAILURE,
            'initial_ram_allocation_ratio is 1.5',
            id='zero, which is unset',
        ),
        pytest.param(
            TDX,
            {'ram_allocation_ratio': 1.5},
            None,
            '',
            id='TDX, which locks nothing',
        ),
    ],
)
def test_memory_overcommit(facts, values, status, words):
    result, details = found(checks_nova.overcommit, facts, **values)

    assert result is status
    assert words in details


@pytest.mark.parametrize(
    ('value', 'status', 'words'),
    [
        pytest.param(['x86_64=q35'], SUCCESS, 'default to q35', id='q35'),
        pytest.param(
            ['x86_64=pc-q35-8.2'], SUCCESS, 'pc-q35-8.2', id='one version'
        ),
        pytest.param(None, WARNING, 'default to pc', id='unset'),
        pytest.param(['x86_64=pc'], WARNING, 'default to pc', id='another'),
        pytest.param(['q35'], WARNING, "'q35'", id='without an architecture'),
        pytest.param(
            ['x86_64=q35', 'aarch64='],
            WARNING,
            "'aarch64='",
            id='another architecture without a type',
        ),
    ],
)
def test_the_default_machine_type(value, status, words):
    result, details = found(
        checks_nova.machine_type, MILAN, hw_machine_type=value
    )

    assert result is status
    assert words in details


ALL_UNUSABLE = dataclasses.replace(
    MILAN,
    capabilities=(
        dataclasses.replace(MILAN.capabilities[0], cpu_models={'EPYC': False}),
    ),
)
UNSUPPORTED = dataclasses.replace(
    MILAN,
    capabilities=(
        dataclasses.replace(
            MILAN.capabilities[0], cpu_modes={'host-model': False}
        ),
    ),
)


@pytest.mark.parametrize(
    ('facts', 'values', 'status', 'words'),
    [
        pytest.param(MILAN, {}, SUCCESS, 'host-model', id='the default'),
        pytest.param(
            MILAN,
            {'cpu_mode': 'host-passthrough'},
            SUCCESS,
            'host-passthrough',
            id='passthrough',
        ),
        pytest.param(
            dataclasses.replace(MILAN, capabilities=()),
            {},
            SUCCESS,
            'host-model',
            id='libvirt unknown',
        ),
        pytest.param(
            UNSUPPORTED,
            {},
            FAILURE,
            'does not support',
            id='a mode that libvirt lacks',
        ),
        pytest.param(
            MILAN, {'cpu_mode': 'none'}, WARNING, 'default CPU', id='none'
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom'},
            FAILURE,
            'empty',
            id='custom without models',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['EPYC', 'EPYC-Milan']},
            SUCCESS,
            'EPYC, EPYC-Milan',
            id='custom with models of EPYC',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['qemu64', 'EPYC']},
            SUCCESS,
            'EPYC',
            id='custom with one model of EPYC',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['Haswell']},
            WARNING,
            'none has SEV',
            id='custom with a model of Intel',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['EPYC', 'Skylake-Server']},
            WARNING,
            'Skylake-Server, which libvirt cannot use',
            id='custom with an unusable model',
        ),
        pytest.param(
            ALL_UNUSABLE,
            {'cpu_mode': 'custom', 'cpu_models': ['qemu64', 'EPYC']},
            FAILURE,
            'no other EPYC model',
            id='custom without a usable model of EPYC',
        ),
        pytest.param(
            TDX,
            {'cpu_mode': 'host-passthrough'},
            SUCCESS,
            'host-passthrough',
            id='TDX, passthrough',
        ),
        pytest.param(
            TDX, {}, FAILURE, 'host-passthrough', id='TDX, the default'
        ),
        pytest.param(INTEL, {}, None, '', id='no model'),
    ],
)
def test_the_cpu_of_guests(facts, values, status, words):
    result, details = found(checks_nova.cpu_mode, facts, **values)

    assert result is status
    assert words in details


@pytest.mark.parametrize(
    ('values', 'status', 'words'),
    [
        pytest.param(
            {'hw_machine_type': ['x86_64=q35']},
            SUCCESS,
            'SATA',
            id='iso9660 on q35',
        ),
        pytest.param(
            {'config_drive_format': 'vfat'}, SUCCESS, 'virtio', id='vfat on pc'
        ),
        pytest.param(
            {}, WARNING, 'pc attaches on IDE: set', id='iso9660 on pc'
        ),
        pytest.param(
            {'force_config_drive': True},
            WARNING,
            'gives every guest one',
            id='iso9660 for all on pc',
        ),
    ],
)
def test_the_config_drive(values, status, words):
    result, details = found(checks_nova.config_drive, MILAN, **values)

    assert result is status
    assert words in details


@pytest.mark.parametrize(
    ('published', 'status', 'words'),
    [
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_Q35'], SUCCESS, 'Q35', id='what holds'
        ),
        pytest.param([], WARNING, 'not told', id='nothing'),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC'],
            WARNING,
            'default to q35',
            id='what held once',
        ),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC', 'CUSTOM_HW_MACHINE_TYPE_Q35'],
            WARNING,
            'old trait',
            id='both',
        ),
    ],
)
def test_the_published_machine_type(published, status, words):
    finding = checks_nova.published(
        HostReport(
            facts=MILAN,
            nova=NovaSettings(values={'hw_machine_type': ['x86_64=q35']}),
            published=tuple(published),
        )
    )

    assert finding.status is status
    assert words in finding.details


def test_what_is_published_must_be_readable():
    with pytest.raises(InputError, match='a line'):
        checks_nova.published(
            HostReport(facts=MILAN, published_error='a line')
        )
