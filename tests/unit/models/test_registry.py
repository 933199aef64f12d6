import dataclasses
import itertools
import re

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
            {'name': ''}, "has name=''; give text", id='what cannot be used'
        ),
        pytest.param(
            {'kernel_parameters': ('kvm_arm.sev',)},
            "has the kernel parameter 'kvm_arm.sev', whose name is taken by "
            'kvm_amd.sev; choose another.',
            id='a kernel parameter of two modules',
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
def test_a_model_that_is_unusable_or_taken_is_refused(plug_in, changes, says):
    package = plug_in(dataclasses.replace(CCA, **changes))

    with pytest.raises(ModelError) as raised:
        registered_models()

    assert str(raised.value).startswith(
        f'Encryption model {package}:MODEL {says}'
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
