import dataclasses

import pytest

from sev_scheduling.compute.checks import nova_conf
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import NoteCode, Status
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
    return samples.result(finding)


@pytest.mark.parametrize(
    ('facts', 'release', 'status', 'code'),
    [
        pytest.param(
            GENOA, 34, SUCCESS, NoteCode.NOVA_CONF_READ, id='new enough'
        ),
        pytest.param(
            GENOA,
            33,
            WARNING,
            NoteCode.NOVA_CONF_TOO_OLD,
            id='too old for SNP',
        ),
        pytest.param(
            MILAN, 32, SUCCESS, NoteCode.NOVA_CONF_READ, id='new enough for ES'
        ),
        pytest.param(
            MILAN, 31, WARNING, NoteCode.NOVA_CONF_TOO_OLD, id='too old for ES'
        ),
        pytest.param(
            TDX, 33, WARNING, NoteCode.NOVA_CONF_TOO_OLD, id='too old for TDX'
        ),
    ],
)
def test_the_configuration(facts, release, status, code):
    result = found(nova_conf.read, facts, release)

    assert result == (status, code)


def test_the_configuration_must_be_read():
    with pytest.raises(InputError, match='a line'):
        nova_conf.read(HostReport(facts=MILAN, nova_error='a line'))
    finding = nova_conf.read(HostReport(facts=MILAN))

    assert samples.result(finding) == (FAILURE, NoteCode.NOVA_CONF_NOT_READ)


@pytest.mark.parametrize(
    ('value', 'status', 'code'),
    [
        pytest.param('kvm', SUCCESS, NoteCode.VIRT_TYPE_KVM, id='KVM'),
        pytest.param('qemu', WARNING, NoteCode.VIRT_TYPE_QEMU, id='emulated'),
        pytest.param(
            'lxc', FAILURE, NoteCode.VIRT_TYPE_OTHER, id='containers'
        ),
        pytest.param(
            'parallels',
            FAILURE,
            NoteCode.VIRT_TYPE_OTHER,
            id='another hypervisor',
        ),
    ],
)
def test_the_virtualization_type(value, status, code):
    result = found(nova_conf.virt_type, MILAN, virt_type=value)

    assert result == (status, code)


@pytest.mark.parametrize(
    ('facts', 'release', 'value', 'status', 'code'),
    [
        pytest.param(MILAN, 34, None, None, None, id='removed and unset'),
        pytest.param(
            MILAN, 34, 15, WARNING, NoteCode.OPTION_REMOVED, id='removed'
        ),
        pytest.param(
            MILAN, 33, None, SUCCESS, NoteCode.OPTION_UNSET, id='unset'
        ),
        pytest.param(
            NAPLES,
            33,
            None,
            FAILURE,
            NoteCode.OPTION_NEEDED_FOR_LIBVIRT,
            id='unset, and libvirt does not tell',
        ),
        pytest.param(INTEL, 33, None, None, None, id='unset, and no SEV'),
        pytest.param(
            dataclasses.replace(MILAN, capabilities=()),
            33,
            None,
            None,
            None,
            id='unset, and libvirt unknown',
        ),
        pytest.param(MILAN, 33, 0, WARNING, NoteCode.OPTION_ZERO, id='none'),
        pytest.param(
            MILAN, 31, 15, SUCCESS, NoteCode.OPTION_SET, id='a limit'
        ),
        pytest.param(
            MILAN, 31, 410, SUCCESS, NoteCode.OPTION_SET, id='the hardware'
        ),
        pytest.param(
            MILAN,
            31,
            411,
            WARNING,
            NoteCode.OPTION_TOO_HIGH,
            id='one above the hardware',
        ),
        pytest.param(
            NAPLES,
            31,
            15,
            SUCCESS,
            NoteCode.OPTION_SET,
            id='a limit of unknown hardware',
        ),
        pytest.param(
            MILAN, 32, 15, WARNING, NoteCode.OPTION_DEPRECATED, id='deprecated'
        ),
    ],
)
def test_num_memory_encrypted_guests(facts, release, value, status, code):
    result = found(
        nova_conf.sev_guests,
        facts,
        release,
        num_memory_encrypted_guests=value,
    )

    assert result == (status, code)


NO_CGROUP = dataclasses.replace(TDX, capacity=None)


@pytest.mark.parametrize(
    ('facts', 'release', 'value', 'status', 'code'),
    [
        pytest.param(MILAN, 34, 5, None, None, id='no TDX'),
        pytest.param(TDX, 33, 5, None, None, id='a nova without TDX'),
        pytest.param(
            TDX, 34, None, SUCCESS, NoteCode.OPTION_UNSET, id='unset'
        ),
        pytest.param(
            TDX, 34, 31, SUCCESS, NoteCode.OPTION_SET, id='the hardware'
        ),
        pytest.param(
            TDX,
            34,
            32,
            FAILURE,
            NoteCode.OPTION_TOO_HIGH_COUNTS,
            id='one above the hardware',
        ),
        pytest.param(TDX, 34, 0, WARNING, NoteCode.OPTION_ZERO, id='none'),
        pytest.param(
            NO_CGROUP,
            34,
            None,
            FAILURE,
            NoteCode.OPTION_NEEDED_FOR_CGROUP,
            id='unset in a container',
        ),
        pytest.param(
            NO_CGROUP,
            34,
            31,
            SUCCESS,
            NoteCode.OPTION_SET,
            id='set in a container',
        ),
    ],
)
def test_num_intel_tdx_guests(facts, release, value, status, code):
    result = found(
        nova_conf.tdx_guests, facts, release, num_intel_tdx_guests=value
    )

    assert result == (status, code)


@pytest.mark.parametrize(
    ('facts', 'values', 'status', 'code'),
    [
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 1.0},
            SUCCESS,
            NoteCode.NOT_OVERCOMMITTED,
            id='one',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 0.5},
            SUCCESS,
            NoteCode.NOT_OVERCOMMITTED,
            id='below one',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 1.01},
            FAILURE,
            NoteCode.OVERCOMMITTED,
            id='above one',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': float('nan')},
            FAILURE,
            NoteCode.OVERCOMMITTED,
            id='no number',
        ),
        pytest.param(
            MILAN,
            {},
            SUCCESS,
            NoteCode.NOT_OVERCOMMITTED,
            id='unset',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 0.0, 'initial_ram_allocation_ratio': 1.5},
            FAILURE,
            NoteCode.OVERCOMMITTED,
            id='zero, which is unset',
        ),
        pytest.param(
            TDX,
            {'ram_allocation_ratio': 1.5},
            None,
            None,
            id='TDX, which locks nothing',
        ),
    ],
)
def test_memory_overcommit(facts, values, status, code):
    result = found(nova_conf.overcommit, facts, **values)

    assert result == (status, code)


@pytest.mark.parametrize(
    ('value', 'status', 'code'),
    [
        pytest.param(
            ['x86_64=q35'], SUCCESS, NoteCode.MACHINE_TYPE_FIT, id='q35'
        ),
        pytest.param(
            ['x86_64=pc-q35-8.2'],
            SUCCESS,
            NoteCode.MACHINE_TYPE_FIT,
            id='one version',
        ),
        pytest.param(None, WARNING, NoteCode.MACHINE_TYPE_UNFIT, id='unset'),
        pytest.param(
            ['x86_64=pc'], WARNING, NoteCode.MACHINE_TYPE_UNFIT, id='another'
        ),
        pytest.param(
            ['q35'],
            WARNING,
            NoteCode.MACHINE_TYPE_ENTRY,
            id='without an architecture',
        ),
        pytest.param(
            ['x86_64=q35', 'aarch64='],
            WARNING,
            NoteCode.MACHINE_TYPE_ENTRY,
            id='another architecture without a type',
        ),
    ],
)
def test_the_default_machine_type(value, status, code):
    result = found(nova_conf.machine_type, MILAN, hw_machine_type=value)

    assert result == (status, code)


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
    ('facts', 'values', 'status', 'code'),
    [
        pytest.param(
            MILAN, {}, SUCCESS, NoteCode.CPU_MODE_FIT, id='the default'
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'host-passthrough'},
            SUCCESS,
            NoteCode.CPU_MODE_FIT,
            id='passthrough',
        ),
        pytest.param(
            dataclasses.replace(MILAN, capabilities=()),
            {},
            SUCCESS,
            NoteCode.CPU_MODE_FIT,
            id='libvirt unknown',
        ),
        pytest.param(
            UNSUPPORTED,
            {},
            FAILURE,
            NoteCode.CPU_MODE_UNSUPPORTED,
            id='a mode that libvirt lacks',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'none'},
            WARNING,
            NoteCode.CPU_MODE_NONE,
            id='none',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom'},
            FAILURE,
            NoteCode.CPU_MODELS_EMPTY,
            id='custom without models',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['EPYC', 'EPYC-Milan']},
            SUCCESS,
            NoteCode.CPU_MODELS_FIT,
            id='custom with models of EPYC',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['qemu64', 'EPYC']},
            SUCCESS,
            NoteCode.CPU_MODELS_FIT,
            id='custom with one model of EPYC',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['Haswell']},
            WARNING,
            NoteCode.CPU_MODELS_UNFIT,
            id='custom with a model of Intel',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['EPYC', 'Skylake-Server']},
            WARNING,
            NoteCode.CPU_MODELS_PARTLY_UNUSABLE,
            id='custom with an unusable model',
        ),
        pytest.param(
            ALL_UNUSABLE,
            {'cpu_mode': 'custom', 'cpu_models': ['qemu64', 'EPYC']},
            FAILURE,
            NoteCode.CPU_MODELS_UNUSABLE,
            id='custom without a usable model of EPYC',
        ),
        pytest.param(
            TDX,
            {'cpu_mode': 'host-passthrough'},
            SUCCESS,
            NoteCode.CPU_MODE_FIT,
            id='TDX, passthrough',
        ),
        pytest.param(
            TDX, {}, FAILURE, NoteCode.CPU_MODE_NEEDED, id='TDX, the default'
        ),
        pytest.param(INTEL, {}, None, None, id='no model'),
    ],
)
def test_the_cpu_of_guests(facts, values, status, code):
    result = found(nova_conf.cpu_mode, facts, **values)

    assert result == (status, code)


@pytest.mark.parametrize(
    ('values', 'status', 'code'),
    [
        pytest.param(
            {'hw_machine_type': ['x86_64=q35']},
            SUCCESS,
            NoteCode.CONFIG_DRIVE_FIT,
            id='iso9660 on q35',
        ),
        pytest.param(
            {'config_drive_format': 'vfat'},
            SUCCESS,
            NoteCode.CONFIG_DRIVE_FIT,
            id='vfat on pc',
        ),
        pytest.param(
            {}, WARNING, NoteCode.CONFIG_DRIVE_IDE, id='iso9660 on pc'
        ),
        pytest.param(
            {'force_config_drive': True},
            WARNING,
            NoteCode.CONFIG_DRIVE_IDE_FORCED,
            id='iso9660 for all on pc',
        ),
    ],
)
def test_the_config_drive(values, status, code):
    result = found(nova_conf.config_drive, MILAN, **values)

    assert result == (status, code)


@pytest.mark.parametrize(
    ('published', 'status', 'code'),
    [
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_Q35'],
            SUCCESS,
            NoteCode.PUBLISHED,
            id='what holds',
        ),
        pytest.param([], WARNING, NoteCode.PUBLISHED_NOT, id='nothing'),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC'],
            WARNING,
            NoteCode.PUBLISHED_OTHER,
            id='what held once',
        ),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC', 'CUSTOM_HW_MACHINE_TYPE_Q35'],
            WARNING,
            NoteCode.PUBLISHED_OTHER,
            id='both',
        ),
    ],
)
def test_the_published_machine_type(published, status, code):
    finding = nova_conf.published(
        HostReport(
            facts=MILAN,
            nova=NovaSettings(values={'hw_machine_type': ['x86_64=q35']}),
            published=tuple(published),
        )
    )

    assert samples.result(finding) == (status, code)


def test_what_is_published_must_be_readable():
    with pytest.raises(InputError, match='a line'):
        nova_conf.published(HostReport(facts=MILAN, published_error='a line'))
