import urllib.parse

import pytest
import yaml

FIELDS = [
    'models',
    'microversion',
    'group_policy',
    'groups',
    'querystring',
]


def test_the_slot_and_the_trait_are_a_group_of_their_own(run, flavor, image):
    ran = run(
        *('translate', '-f', 'json', '--flavor', flavor('m1.sev-snp')),
        *('--image', image('ubuntu-24.04-snp')),
    )

    assert (ran.status, ran.err) == (0, '')
    shown = ran.json()
    assert list(shown) == FIELDS
    assert shown['models'] == ['amd-sev-snp']
    assert shown['microversion'] == '1.35'
    assert shown['groups'] == [
        {
            'suffix': '',
            # 40 + 20 ephemeral + 2048 MiB of swap, in whole GiB
            'resources': {'DISK_GB': 62, 'MEMORY_MB': 16384, 'VCPU': 8},
            'required': [['COMPUTE_SECURITY_STATELESS_FIRMWARE']],
            'forbidden': [],
        },
        {
            'suffix': '_MEM_ENCRYPTION',
            'resources': {'MEM_ENCRYPTION_CONTEXT': 1},
            'required': [['HW_CPU_X86_AMD_SEV_SNP']],
            'forbidden': [],
        },
    ]
    assert dict(urllib.parse.parse_qsl(shown['querystring'])) == {
        'resources': 'DISK_GB:62,MEMORY_MB:16384,VCPU:8',
        'required': 'COMPUTE_SECURITY_STATELESS_FIRMWARE',
        'resources_MEM_ENCRYPTION': 'MEM_ENCRYPTION_CONTEXT:1',
        'required_MEM_ENCRYPTION': 'HW_CPU_X86_AMD_SEV_SNP',
        'root_required': '!COMPUTE_STATUS_DISABLED',
    }


def test_any_of_several_models_needs_the_newer_microversion(
    run, flavor, image
):
    ran = run(
        *('translate', '-f', 'yaml', '--flavor', flavor('m1.sev')),
        *('--image', image('ubuntu-24.04-snp')),
        *('--model', 'amd-sev-snp', '--model', 'amd-sev'),
    )

    shown = yaml.safe_load(ran.out)
    assert shown['models'] == ['amd-sev-snp', 'amd-sev']
    assert shown['microversion'] == '1.39'
    assert shown['groups'][1]['required'] == [
        ['HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_SNP']
    ]


def test_people_read_a_parameter_on_each_line(run, flavor, image, write):
    specs = {
        'hw:mem_encryption': 'true',
        'trait:CUSTOM_GOLD': 'forbidden',
    }
    ran = run(
        *('translate', '--image', image('ubuntu-24.04-sev'), '--flavor'),
        write({'vcpus': 1, 'ram': 512, 'properties': specs}),
    )

    assert '| &resources_MEM_ENCRYPTION=MEM_ENCRYPTION_CONTEXT:1' in (
        ' '.join(ran.out.split())
    )
    assert '  not trait CUSTOM_GOLD ' in ran.out
    assert '  trait HW_CPU_X86_AMD_SEV ' in ran.out
    assert '  1 MEM_ENCRYPTION_CONTEXT ' in ran.out


def test_one_field_can_be_had_bare(run, flavor, image):
    args = (
        *('translate', '-f', 'value', '--flavor', flavor('m1.large')),
        *('--image', image('ubuntu-24.04')),
    )

    assert run(*args, '-c', 'querystring').out == (
        'resources=DISK_GB:80,MEMORY_MB:8192,VCPU:4'
        '&root_required=!COMPUTE_STATUS_DISABLED\n'
    )
    assert run(*args, '-c', 'querystring', '--limit', '7').out == (
        'resources=DISK_GB:80,MEMORY_MB:8192,VCPU:4'
        '&root_required=!COMPUTE_STATUS_DISABLED&limit=7\n'
    )


def test_a_root_disk_on_a_volume_takes_no_space(run, flavor):
    ran = run(
        *('translate', '-f', 'value', '-c', 'querystring'),
        *('--flavor', flavor('m1.large'), '--boot-from-volume'),
    )

    assert ran.out == (
        'resources=MEMORY_MB:8192,VCPU:4'
        '&root_required=!COMPUTE_STATUS_DISABLED\n'
    )


@pytest.mark.parametrize(
    ('options', 'out'),
    [
        pytest.param(['-f', 'json'], '{}\n', id='json'),
        pytest.param(['-f', 'json', '-c', 'models'], '{}\n', id='a field'),
        pytest.param(['-f', 'yaml'], '', id='yaml'),
        pytest.param([], '', id='table'),
    ],
)
def test_an_invalid_request_has_no_query_and_an_explanation(
    run, flavor, image, options, out
):
    ran = run(
        *('translate', *options, '--flavor', flavor('m1.sev')),
        *('--image', image('ubuntu-24.04')),
    )

    assert (ran.status, ran.out) == (1, out)
    assert 'hw_firmware_type=uefi' in ran.err
