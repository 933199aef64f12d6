import dataclasses
import itertools
import re

import os_traits
import pytest
import stevedore

from sev_scheduling import EncryptionModel, ModelError, registered_models
from sev_scheduling.models import (
    BUILTIN_MODELS,
    DEFAULT_MODEL,
    excluding_models,
    find_model,
    model_traits,
    nearest_model,
    weaker_model,
)

NAMES = ('amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx')


@pytest.mark.parametrize(
    ('name', 'trait', 'suffix', 'locks', 'stateless', 'video', 'excluded_by'),
    [
        ('amd-sev', 'AMD_SEV', 'amd_sev', True, False, None, ()),
        (
            'amd-sev-es',
            'AMD_SEV_ES',
            'amd_sev_es',
            True,
            False,
            None,
            ('amd-sev-snp',),
        ),
        ('amd-sev-snp', 'AMD_SEV_SNP', 'amd_sev_snp', False, True, None, ()),
        ('intel-tdx', 'INTEL_TDX', 'intel_tdx', False, True, 'none', ()),
    ],
)
def test_what_each_model_demands(
    name, trait, suffix, locks, stateless, video, excluded_by
):
    model = find_model(name)

    assert (
        dataclasses.asdict(model).items()
        >= {
            'name': name,
            'trait': f'HW_CPU_X86_{trait}',
            'provider_suffix': suffix,
            'firmware_type': 'uefi',
            'machine_type': 'q35',
            'architectures': ('x86_64',),
            'locks_memory': locks,
            'pins_memory': True,
            'stateless_firmware': stateless,
            'video_model': video,
            'excluded_by': excluded_by,
            'exclusion_source': 'CVE-2025-48514' if excluded_by else '',
            'hypervisor_types': ('qemu', 'kvm'),
        }.items()
    )


@pytest.mark.parametrize(
    ('model', 'parameters', 'capacity', 'slots', 'since'),
    list(
        zip(
            BUILTIN_MODELS,
            (
                ('kvm_amd.sev',),
                ('kvm_amd.sev', 'kvm_amd.sev_es'),
                ('kvm_amd.sev', 'kvm_amd.sev_snp'),
                ('kvm_intel.tdx',),
            ),
            ('sev', 'sev_es', 'sev_es', 'tdx'),
            ('maxGuests', 'maxESGuests', 'maxESGuests', ''),
            (31, 32, 34, 34),
            strict=True,
        )
    ),
)
def test_how_a_compute_host_shows_each_model(
    model, parameters, capacity, slots, since
):
    assert model.kernel_parameters == parameters
    assert model.capacity_key == capacity
    assert model.domain_capability_slots == slots
    assert model.firmware_feature == model.name
    assert model.since_nova == since


@pytest.mark.parametrize(
    ('name', 'offered', 'excluding'),
    [
        ('amd-sev-es', ('amd-sev', 'amd-sev-snp'), ('amd-sev-snp',)),
        ('amd-sev-es', ('amd-sev', 'amd-sev-es'), ()),
        ('amd-sev-snp', ('amd-sev-es', 'amd-sev-snp'), ()),
    ],
)
def test_a_model_is_kept_off_hosts_that_offer_another(
    name, offered, excluding
):
    assert excluding_models(find_model(name), offered) == excluding


def test_the_built_in_models_come_first_in_their_order():
    assert tuple(registered_models())[:4] == NAMES
    assert find_model(DEFAULT_MODEL) is BUILTIN_MODELS[0]


def test_a_model_is_its_name_in_words():
    assert [str(model) for model in BUILTIN_MODELS] == [*NAMES]


def test_os_traits_knows_the_traits():
    assert {m.trait for m in BUILTIN_MODELS} <= set(os_traits.get_traits())


def test_models_are_found_by_trait():
    for model in BUILTIN_MODELS:
        assert model_traits()[model.trait] is model


def test_nobody_registered_a_model_that_is_made_up():
    assert find_model('amd-sve') is None


def test_the_registry_cannot_be_changed():
    with pytest.raises(TypeError):
        registered_models()['x'] = BUILTIN_MODELS[0]


CCA = EncryptionModel(
    name='arm-cca',
    trait='CUSTOM_HW_CPU_ARM_CCA',
    provider_suffix='arm_cca',
    machine_type='virt',
    architectures=('aarch64',),
)
_NUMBERS = itertools.count()


def _source(model):
    """Return a model as source text, whose enumeration is its value."""
    return re.sub(r"<SecureBoot\.[A-Z_]+: ('[a-z-]+')>", r'\1', repr(model))


@pytest.fixture
def plug_in(monkeypatch, tmp_path):
    """Install packages that name models in the entry point group."""
    for cached in (registered_models, model_traits):
        cached.cache_clear()
    monkeypatch.setattr(stevedore.ExtensionManager, 'ENTRY_POINT_CACHE', {})
    monkeypatch.syspath_prepend(tmp_path)

    def plug_in(model, name='MODEL'):
        package = f'sev_plugin_{next(_NUMBERS)}'
        info = tmp_path / f'{package}-1.0.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Name: {package}\nVersion: 1.0\n')
        (info / 'entry_points.txt').write_text(
            f'[sev_scheduling.models]\n{package} = {package}:{name}\n'
        )
        (tmp_path / f'{package}.py').write_text(
            'from sev_scheduling import EncryptionModel\n'
            f'MODEL = {_source(model)}\n'
        )
        return package

    yield plug_in
    for cached in (registered_models, model_traits):
        cached.cache_clear()


def test_a_package_adds_a_model(plug_in):
    plug_in(CCA)

    assert tuple(registered_models()) == (*NAMES, 'arm-cca')
    assert find_model('arm-cca') == CCA
    assert model_traits()[CCA.trait] == CCA


def test_packages_add_models_in_the_order_of_their_names(plug_in):
    plug_in(CCA)
    plug_in(
        dataclasses.replace(
            CCA, name='a', trait='CUSTOM_A', provider_suffix='a'
        )
    )

    assert tuple(registered_models())[4:] == ('arm-cca', 'a')


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
            {'kernel_parameters': ('kvm_arm.sev',)},
            "has the kernel parameter 'kvm_arm.sev', whose name is taken by "
            'kvm_amd.sev; choose another.',
            id='a kernel parameter of two modules',
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
        pytest.param(
            {'since_qemu': (8, 0)},
            'has since_qemu=(8, 0); give three numbers such as (8, 0, 0).',
            id='a version of two numbers',
        ),
        pytest.param(
            {'name': 'amd-sev'},
            "has name='amd-sev', which is taken by amd-sev; choose another.",
            id='the name of another',
        ),
        pytest.param(
            {'trait': 'HW_CPU_X86_AMD_SEV'},
            "has trait='HW_CPU_X86_AMD_SEV', which is taken by amd-sev; "
            'choose another.',
            id='the trait of another',
        ),
        pytest.param(
            {'provider_suffix': 'intel_tdx'},
            "has provider_suffix='intel_tdx', which is taken by intel-tdx; "
            'choose another.',
            id='the provider suffix of another',
        ),
    ],
)
def test_a_model_that_is_unusable_is_refused(plug_in, changes, says):
    package = plug_in(dataclasses.replace(CCA, **changes))

    with pytest.raises(ModelError) as raised:
        registered_models()

    assert str(raised.value).startswith(
        f'Encryption model {package}:MODEL {says}'
    )


def test_what_is_no_model_is_refused(plug_in):
    package = plug_in('arm-cca')

    with pytest.raises(ModelError) as raised:
        registered_models()

    assert str(raised.value) == (
        f'Encryption model {package}:MODEL is str, not an EncryptionModel; '
        'let the entry point name an EncryptionModel instance.'
    )


def test_a_package_that_cannot_be_loaded_is_refused(plug_in):
    package = plug_in(CCA, name='NOTHING')

    with pytest.raises(ModelError) as raised:
        registered_models()

    assert package in str(raised.value)
    assert 'cannot be loaded' in str(raised.value)
    assert 'fix or remove the package.' in str(raised.value)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('name', 'model'),
    [
        ('amd-sev-snp', 'amd-sev-snp'),
        ('sev-snp', 'amd-sev-snp'),
        ('SNP', 'amd-sev-snp'),
        ('amd_sev_es', 'amd-sev-es'),
        ('amd-sev-e', 'amd-sev-es'),
        ('sev', 'amd-sev'),
        ('intel-tdxx', 'intel-tdx'),
        ('arm-cca', None),
        ('', None),
        ('x' * 5000, None),
    ],
)
def test_the_nearest_name_of_a_model(name, model):
    assert nearest_model(name) == model


@pytest.mark.parametrize(
    ('one', 'other', 'weaker'),
    [
        ('amd-sev', 'amd-sev-es', 'amd-sev'),
        ('amd-sev-snp', 'amd-sev-es', 'amd-sev-es'),
        ('intel-tdx', 'amd-sev', 'amd-sev'),
        ('intel-tdx', 'amd-sev-snp', None),
        ('amd-sev', 'amd-sev', None),
        ('amd-sev', 'arm-cca', None),
    ],
)
def test_which_of_two_models_protects_less(one, other, weaker):
    assert weaker_model(one, other) == weaker_model(other, one) == weaker
