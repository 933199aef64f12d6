import dataclasses

import pytest

from sev_scheduling import EncryptionModel, ModelError
from sev_scheduling.models import BUILTIN_MODELS
from sev_scheduling.models.checks import checked_model

CCA = EncryptionModel(
    name='arm-cca',
    trait='CUSTOM_HW_CPU_ARM_CCA',
    provider_suffix='arm_cca',
    machine_type='virt',
    architectures=('aarch64',),
)


@pytest.mark.parametrize(
    ('changes', 'says'),
    [
        pytest.param(
            {'name': 'Arm CCA'},
            "has the name 'Arm CCA'; use lower case words joined by dashes, "
            'such as arm-cca.',
            id='a name in words',
        ),
        pytest.param(
            {'name': ''},
            "has name=''; give text that is not empty.",
            id='no name',
        ),
        pytest.param(
            {'provider_suffix': 'arm-cca'},
            "has the provider suffix 'arm-cca'; use lower case words joined "
            'by underscores, such as arm_cca.',
            id='a suffix with a dash',
        ),
        pytest.param(
            {'trait': 'HW_CPU_ARM_CCA'},
            "has the trait 'HW_CPU_ARM_CCA', which os-traits does not know; "
            'use a CUSTOM_ trait.',
            id='a trait that os-traits does not know',
        ),
        pytest.param(
            {'trait': 'CUSTOM_cca'},
            "has the trait 'CUSTOM_cca', which",
            id='a custom trait in lower case',
        ),
        pytest.param(
            {'trait': None},
            'has trait=None; give text that is not empty.',
            id='no trait',
        ),
        pytest.param(
            {'architectures': 'aarch64'},
            "has architectures='aarch64'; give a tuple of texts.",
            id='text for a tuple',
        ),
        pytest.param(
            {'architectures': ()},
            'has architectures=(); give a tuple of texts.',
            id='no architecture',
        ),
        pytest.param(
            {'hypervisor_types': (1,)},
            'has hypervisor_types=(1,); give',
            id='a number for a hypervisor',
        ),
        pytest.param(
            {'excluded_by': ['amd-sev']},
            "has excluded_by=['amd-sev']; give",
            id='a list for a tuple',
        ),
        pytest.param(
            {'kernel_parameters': ('../etc/shadow',)},
            "has the kernel parameter '../etc/shadow'; give the module and "
            'its parameter, such as kvm_amd.sev.',
            id='a path as a kernel parameter',
        ),
        pytest.param(
            {'capacity_parameter': '../etc/shadow'},
            "has the kernel parameter '../etc/shadow'; give the module and "
            'its parameter, such as kvm_amd.sev.',
            id='a path as the parameter of a share',
        ),
        pytest.param(
            {'capacity_parameter': 1},
            'has capacity_parameter=1; give text.',
            id='a number as the parameter of a share',
        ),
        pytest.param(
            {'domain_capability': 'a b'},
            "has domain_capability='a b'; give a name, or leave it out.",
            id='an element with a blank',
        ),
        pytest.param(
            {'since_nova': '34'},
            "has since_nova='34'; give a number such as 34.",
            id='text for a release',
        ),
        pytest.param(
            {'pins_memory': 'no'},
            "has pins_memory='no'; give True or False.",
            id='text for a truth',
        ),
        pytest.param(
            {'video_model': ''},
            "has video_model=''; give text, or None.",
            id='an empty video model',
        ),
        pytest.param(
            {'exclusion_source': None},
            'has exclusion_source=None; give text.',
            id='nothing for a source',
        ),
        pytest.param(
            {'cpuid_bit': True},
            'has cpuid_bit=True; give the number of a bit, or leave it out.',
            id='a truth for a bit',
        ),
        *(
            pytest.param(
                {'since_nova': release},
                f'has since_nova={release}; give a number such as 34.',
                id=f'release {release}',
            )
            for release in (-1, 1000)
        ),
        pytest.param(
            {'since_qemu': (8, 0)},
            'has since_qemu=(8, 0); give three numbers such as (8, 0, 0).',
            id='a version of two numbers',
        ),
    ],
)
def test_a_model_that_is_unusable_is_refused(changes, says):
    model = dataclasses.replace(CCA, **changes)

    with pytest.raises(ModelError) as raised:
        checked_model(model, 'Model x')

    assert str(raised.value).startswith(f'Model x {says}')


def test_what_is_no_model_is_refused():
    with pytest.raises(ModelError) as raised:
        checked_model('arm-cca', 'Model x')

    assert str(raised.value) == (
        'Model x is str, not an EncryptionModel; let the entry point name an '
        'EncryptionModel instance.'
    )


@pytest.mark.parametrize('model', [CCA, *BUILTIN_MODELS], ids=str)
def test_a_model_that_can_be_used_is_returned(model):
    assert checked_model(model, 'Model x') is model
