import pytest

from sev_scheduling.request.features import feature_resources, feature_traits
from sev_scheduling.request.sources import FlavorView
from sev_scheduling.text import MAX_AMOUNT

STATELESS = 'COMPUTE_SECURITY_STATELESS_FIRMWARE'
SECURE_BOOT = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'
TPM = 'COMPUTE_SECURITY_TPM_'
THREADS = 'HW_CPU_HYPERTHREADING'


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'traits'),
    [
        pytest.param({}, {}, {}, id='nothing'),
        pytest.param(
            {}, {'os_secure_boot': 'required'}, {SECURE_BOOT}, id='secure boot'
        ),
        pytest.param(
            {'os:secure_boot': 'required'}, {}, {SECURE_BOOT}, id='by flavor'
        ),
        pytest.param(
            {'os:secure_boot': 'optional'}, {}, {}, id='optional secure boot'
        ),
        pytest.param(
            {'hw:tpm_version': '2.0'},
            {},
            {f'{TPM}2_0', f'{TPM}TIS'},
            id='a TPM is TIS by default',
        ),
        pytest.param(
            {'hw:tpm_version': '2.0'},
            {'hw_tpm_model': 'tpm-crb'},
            {f'{TPM}2_0', f'{TPM}CRB'},
            id='a TPM of model CRB',
        ),
        pytest.param(
            {'hw:tpm_version': '1.2'},
            {},
            {f'{TPM}1_2', f'{TPM}TIS'},
            id='an old TPM',
        ),
        pytest.param({'hw:tpm_version': '3'}, {}, {}, id='no such TPM'),
        pytest.param(
            {'hw:tpm_version': '2.0', 'hw:tpm_model': 'x'},
            {},
            {f'{TPM}2_0'},
            id='no such TPM model',
        ),
        pytest.param({'hw:tpm_model': 'tpm-crb'}, {}, {}, id='no TPM version'),
        pytest.param(
            {'hw:maxphysaddr_mode': 'emulate'},
            {},
            {'COMPUTE_ADDRESS_SPACE_EMULATED'},
            id='width of addresses',
        ),
        pytest.param(
            {},
            {'hw_maxphysaddr_mode': 'passthrough'},
            {'COMPUTE_ADDRESS_SPACE_PASSTHROUGH'},
            id="the host's width of addresses",
        ),
        pytest.param(
            {'hw:pci_numa_affinity_policy': 'socket'},
            {},
            {'COMPUTE_SOCKET_PCI_NUMA_AFFINITY'},
            id='PCI affinity by socket',
        ),
        pytest.param(
            {}, {'hw_pci_numa_affinity_policy': 'legacy'}, {}, id='by legacy'
        ),
        pytest.param(
            {'hw:cpu_thread_policy': 'require'}, {}, {THREADS}, id='threads'
        ),
        pytest.param(
            {}, {'hw_cpu_thread_policy': 'prefer'}, {}, id='threads preferred'
        ),
        pytest.param(
            {'hw:cpu_thread_policy': 'isolate'},
            {},
            {f'!{THREADS}'},
            id='isolated threads forbid a trait',
        ),
    ],
)
def test_traits_that_other_extra_specs_ask_for(
    extra_specs, properties, traits
):
    found = feature_traits(extra_specs, properties, stateless_firmware=False)

    assert {f'{"" if on else "!"}{trait}' for trait, on in found.items()} == (
        {*traits}
    )


@pytest.mark.parametrize(
    ('firmware', 'stateless', 'traits'),
    [
        pytest.param('uefi', True, {STATELESS: True}, id='stateless UEFI'),
        pytest.param('uefi', False, {}, id='UEFI'),
        pytest.param('bios', True, {}, id='nova ignores it for BIOS'),
    ],
)
def test_stateless_firmware_needs_a_trait(firmware, stateless, traits):
    properties = {'hw_firmware_type': firmware}

    assert (
        feature_traits({}, properties, stateless_firmware=stateless) == traits
    )


DEDICATED = {'hw:cpu_policy': 'dedicated'}
MIXED = {'hw:cpu_policy': 'mixed'}


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'vcpu', 'pcpu'),
    [
        pytest.param({}, {}, 8, 0, id='shared'),
        pytest.param(DEDICATED, {}, 0, 8, id='dedicated'),
        pytest.param(
            {}, {'hw_cpu_policy': 'dedicated'}, 0, 8, id='by the image'
        ),
        pytest.param(
            DEDICATED | {'hw:emulator_threads_policy': 'isolate'},
            {},
            0,
            9,
            id='a CPU for the emulator',
        ),
        pytest.param(
            DEDICATED | {'hw:emulator_threads_policy': 'share'},
            {},
            0,
            8,
            id='no CPU for the emulator',
        ),
        pytest.param(MIXED, {}, 8, 0, id='mixed without a mask'),
        pytest.param(
            MIXED | {'hw:cpu_realtime': 'yes', 'hw:cpu_realtime_mask': '^0-1'},
            {},
            2,
            6,
            id='realtime CPUs are dedicated',
        ),
        pytest.param(
            MIXED | {'hw:cpu_realtime': 'yes', 'hw:cpu_realtime_mask': '^0-1'},
            {'hw_cpu_realtime_mask': '0'},
            7,
            1,
            id="the image's realtime mask goes first",
        ),
        pytest.param(
            MIXED | {'hw:cpu_realtime': 'yes'}, {}, 0, 8, id='all realtime'
        ),
        pytest.param(
            MIXED | {'hw:emulator_threads_policy': 'isolate'},
            {},
            8,
            1,
            id='a CPU for the emulator alone, as nova has it',
        ),
        pytest.param(
            MIXED | {'hw:cpu_realtime_mask': '0'}, {}, 8, 0, id='not realtime'
        ),
    ],
)
def test_cpus_by_policy(extra_specs, properties, vcpu, pcpu):
    flavor = FlavorView('m1', 8, 512, extra_specs=extra_specs)
    found = feature_resources(flavor, properties)

    assert (found['VCPU'], found.get('PCPU', 0)) == (vcpu, pcpu)


@pytest.mark.parametrize(
    ('mask', 'count'),
    [
        ('', 0),
        ('0', 1),
        ('7', 1),
        ('8', 0),
        ('0-2', 3),
        ('0-7', 8),
        ('0-8', 8),
        ('2-0', 0),
        ('0,2', 2),
        ('0,0,0-1', 2),
        ('0-3,^1', 3),
        ('0-3,^1-2', 2),
        ('^0', 7),
        (' ^0-1 , ^7', 5),
        ('^0,3', 7),
        ('^9', 8),
        ('1,^1', 0),
        (',,1,', 1),
        ('a', 0),
        ('1-b', 0),
        ('-1', 0),
        ('1-', 0),
        ('^', 8),
        ('1' * 5000, 0),
        ('²', 0),
        ('0-99999999999', 8),
    ],
)
def test_cpus_of_a_mask_are_counted(mask, count):
    flavor = FlavorView(
        'm1', 8, 512, extra_specs=MIXED | {'hw:cpu_dedicated_mask': mask}
    )

    assert feature_resources(flavor, {}).get('PCPU', 0) == count


def test_a_mask_of_a_flavor_without_cpus_has_none():
    flavor = FlavorView(
        'm1', 0, 512, extra_specs=MIXED | {'hw:cpu_dedicated_mask': '^0'}
    )

    assert feature_resources(flavor, {}) == {'VCPU': 0, 'PCPU': 0}


def test_a_mask_of_an_absurd_flavor_costs_nothing():
    flavor = FlavorView(
        'm1',
        MAX_AMOUNT,
        512,
        extra_specs=MIXED | {'hw:cpu_dedicated_mask': '^0'},
    )

    assert feature_resources(flavor, {}) == {'VCPU': 1, 'PCPU': MAX_AMOUNT - 1}


@pytest.mark.parametrize(
    ('labels', 'amounts'),
    [
        pytest.param('', {}, id='none'),
        pytest.param('6GB', {'CUSTOM_PMEM_NAMESPACE_6GB': 1}, id='one'),
        pytest.param(
            '6GB, 16GB,6GB,,',
            {'CUSTOM_PMEM_NAMESPACE_6GB': 2, 'CUSTOM_PMEM_NAMESPACE_16GB': 1},
            id='several',
        ),
    ],
)
def test_persistent_memory_is_asked_for(labels, amounts):
    flavor = FlavorView('m1', 8, 512, extra_specs={'hw:pmem': labels})

    assert feature_resources(flavor, {}) == {'VCPU': 8, **amounts}
