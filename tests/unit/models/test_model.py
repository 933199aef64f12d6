import dataclasses

import os_traits
import pytest

from sev_scheduling.models import BUILTIN_MODELS, find_model

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


def test_a_model_is_its_name_in_words():
    assert [str(model) for model in BUILTIN_MODELS] == [*NAMES]


def test_os_traits_knows_the_traits():
    assert {m.trait for m in BUILTIN_MODELS} <= set(os_traits.get_traits())
