import dataclasses

import pytest

from sev_scheduling.compute.checks import nova_conf
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Status
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
        pytest.param(GENOA, 34, SUCCESS, 'nova-conf-read', id='new enough'),
        pytest.param(
            GENOA,
            33,
            SUCCESS,
            'nova-conf-not-applicable',
            id='too old for SNP',
        ),
        pytest.param(
            MILAN, 32, SUCCESS, 'nova-conf-read', id='new enough for ES'
        ),
        pytest.param(
            MILAN,
            31,
            SUCCESS,
            'nova-conf-not-applicable',
            id='too old for ES',
        ),
        pytest.param(
            TDX,
            33,
            SUCCESS,
            'nova-conf-not-applicable',
            id='too old for TDX',
        ),
    ],
)
def test_the_configuration(facts, release, status, code):
    result = found(nova_conf.read, facts, release)

    assert result == (status, code)


@pytest.mark.parametrize(
    ('wanted', 'status', 'code'),
    [
        ('amd-sev-es', WARNING, 'nova-conf-too-old'),
        ('amd-sev', SUCCESS, 'nova-conf-read'),
    ],
)
def test_what_this_nova_lacks_is_a_warning_where_it_is_wanted(
    wanted, status, code
):
    report = HostReport(
        facts=MILAN, nova=NovaSettings(release=31), wanted=(wanted,)
    )

    assert samples.result(nova_conf.read(report)) == (status, code)


def test_the_configuration_must_be_read():
    with pytest.raises(InputError, match='a line'):
        nova_conf.read(HostReport(facts=MILAN, nova_error='a line'))
    finding = nova_conf.read(HostReport(facts=MILAN))

    assert samples.result(finding) == (FAILURE, 'nova-conf-not-read')


@pytest.mark.parametrize(
    ('value', 'status', 'code'),
    [
        pytest.param('kvm', SUCCESS, 'virt-type-kvm', id='KVM'),
        pytest.param('qemu', WARNING, 'virt-type-qemu', id='emulated'),
        pytest.param('lxc', FAILURE, 'virt-type-other', id='containers'),
        pytest.param(
            'parallels', FAILURE, 'virt-type-other', id='another hypervisor'
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
        pytest.param(MILAN, 34, 15, WARNING, 'option-removed', id='removed'),
        pytest.param(MILAN, 33, None, SUCCESS, 'option-unset', id='unset'),
        pytest.param(
            NAPLES,
            33,
            None,
            FAILURE,
            'option-needed-for-libvirt',
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
        pytest.param(MILAN, 33, 0, WARNING, 'option-zero', id='none'),
        pytest.param(MILAN, 31, 15, SUCCESS, 'option-set', id='a limit'),
        pytest.param(MILAN, 31, 410, SUCCESS, 'option-set', id='the hardware'),
        pytest.param(
            MILAN,
            31,
            411,
            WARNING,
            'option-too-high',
            id='one above the hardware',
        ),
        pytest.param(
            NAPLES,
            31,
            15,
            SUCCESS,
            'option-set',
            id='a limit of unknown hardware',
        ),
        pytest.param(
            MILAN, 32, 15, WARNING, 'option-deprecated', id='deprecated'
        ),
    ],
)
def test_num_memory_encrypted_guests(facts, release, value, status, code):
    result = found(
        nova_conf.sev_guests, facts, release, num_memory_encrypted_guests=value
    )

    assert result == (status, code)


NO_CGROUP = dataclasses.replace(TDX, capacity=None)


@pytest.mark.parametrize(
    ('facts', 'release', 'value', 'status', 'code'),
    [
        pytest.param(MILAN, 34, 5, None, None, id='no TDX'),
        pytest.param(TDX, 33, 5, None, None, id='a nova without TDX'),
        pytest.param(TDX, 34, None, SUCCESS, 'option-unset', id='unset'),
        pytest.param(TDX, 34, 31, SUCCESS, 'option-set', id='the hardware'),
        pytest.param(
            TDX,
            34,
            32,
            FAILURE,
            'option-too-high-counts',
            id='one above the hardware',
        ),
        pytest.param(TDX, 34, 0, WARNING, 'option-zero', id='none'),
        pytest.param(
            NO_CGROUP,
            34,
            None,
            FAILURE,
            'option-needed-for-cgroup',
            id='unset in a container',
        ),
        pytest.param(
            NO_CGROUP, 34, 31, SUCCESS, 'option-set', id='set in a container'
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
            'not-overcommitted',
            id='one',
        ),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 0.5},
            SUCCESS,
            'not-overcommitted',
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
            'overcommitted',
            id='no number',
        ),
        pytest.param(MILAN, {}, SUCCESS, 'not-overcommitted', id='unset'),
        pytest.param(
            MILAN,
            {'ram_allocation_ratio': 0.0, 'initial_ram_allocation_ratio': 1.5},
            FAILURE,
            'overcommitted',
            id='zero, which is unset',
        ),
        pytest.param(
            TDX,
            {'ram_allocation_ratio': 1.5},
            FAILURE,
            'overcommitted',
            id='TDX, whose memory is in guest_memfd',
        ),
        pytest.param(
            INTEL, {'ram_allocation_ratio': 1.5}, None, None, id='no model'
        ),
    ],
)
def test_memory_overcommit(facts, values, status, code):
    result = found(nova_conf.overcommit, facts, **values)

    assert result == (status, code)


@pytest.mark.parametrize(
    ('value', 'status', 'code'),
    [
        pytest.param(['x86_64=q35'], SUCCESS, 'machine-type-fit', id='q35'),
        pytest.param(
            ['x86_64=pc-q35-8.2'],
            SUCCESS,
            'machine-type-fit',
            id='one version',
        ),
        pytest.param(None, WARNING, 'machine-type-unfit', id='unset'),
        pytest.param(
            ['x86_64=pc'], WARNING, 'machine-type-unfit', id='another'
        ),
        pytest.param(
            ['q35'],
            WARNING,
            'machine-type-entry',
            id='without an architecture',
        ),
        pytest.param(
            ['x86_64=q35', 'aarch64='],
            WARNING,
            'machine-type-entry',
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
        pytest.param(MILAN, {}, SUCCESS, 'cpu-mode-fit', id='the default'),
        pytest.param(
            MILAN,
            {'cpu_mode': 'host-passthrough'},
            SUCCESS,
            'cpu-mode-fit',
            id='passthrough',
        ),
        pytest.param(
            dataclasses.replace(MILAN, capabilities=()),
            {},
            SUCCESS,
            'cpu-mode-fit',
            id='libvirt unknown',
        ),
        pytest.param(
            UNSUPPORTED,
            {},
            FAILURE,
            'cpu-mode-unsupported',
            id='a mode that libvirt lacks',
        ),
        pytest.param(
            MILAN, {'cpu_mode': 'none'}, WARNING, 'cpu-mode-none', id='none'
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom'},
            FAILURE,
            'cpu-models-empty',
            id='custom without models',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['EPYC', 'EPYC-Milan']},
            SUCCESS,
            'cpu-models-fit',
            id='custom with models of EPYC',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['qemu64', 'EPYC']},
            SUCCESS,
            'cpu-models-fit',
            id='custom with one model of EPYC',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['Haswell']},
            WARNING,
            'cpu-models-unfit',
            id='custom with a model of Intel',
        ),
        pytest.param(
            MILAN,
            {'cpu_mode': 'custom', 'cpu_models': ['EPYC', 'Skylake-Server']},
            WARNING,
            'cpu-models-partly-unusable',
            id='custom with an unusable model',
        ),
        pytest.param(
            ALL_UNUSABLE,
            {'cpu_mode': 'custom', 'cpu_models': ['qemu64', 'EPYC']},
            FAILURE,
            'cpu-models-unusable',
            id='custom without a usable model of EPYC',
        ),
        pytest.param(
            TDX,
            {'cpu_mode': 'host-passthrough'},
            SUCCESS,
            'cpu-mode-fit',
            id='TDX, passthrough',
        ),
        pytest.param(
            TDX, {}, FAILURE, 'cpu-mode-needed', id='TDX, the default'
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
            'config-drive-fit',
            id='iso9660 on q35',
        ),
        pytest.param(
            {'config_drive_format': 'vfat'},
            SUCCESS,
            'config-drive-fit',
            id='vfat on pc',
        ),
        pytest.param({}, WARNING, 'config-drive-ide', id='iso9660 on pc'),
        pytest.param(
            {'force_config_drive': True},
            WARNING,
            'config-drive-ide-forced',
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
            'published',
            id='what holds',
        ),
        pytest.param([], WARNING, 'published-not', id='nothing'),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC'],
            WARNING,
            'published-other',
            id='what held once',
        ),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC', 'CUSTOM_HW_MACHINE_TYPE_Q35'],
            WARNING,
            'published-other',
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
