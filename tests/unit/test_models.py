import dataclasses
import itertools

import os_traits
import pytest
import stevedore

from sev_scheduling import EncryptionModel, ModelError, registered_models
from sev_scheduling.models import (
    BUILTIN_MODELS,
    DEFAULT_MODEL,
    find_model,
    model_traits,
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
    assert find_model(name) == EncryptionModel(
        name=name,
        trait=f'HW_CPU_X86_{trait}',
        provider_suffix=suffix,
        firmware_type='uefi',
        machine_type='q35',
        architectures=('x86_64',),
        locks_memory=locks,
        stateless_firmware=stateless,
        video_model=video,
        excluded_by=excluded_by,
        exclusion_source='CVE-2025-48514' if excluded_by else '',
        hypervisor_types=('qemu', 'kvm'),
    )


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
            f'from sev_scheduling import EncryptionModel\nMODEL = {model!r}\n'
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
    assert 'mend or remove the package.' in str(raised.value)
    assert '\n' not in str(raised.value)
