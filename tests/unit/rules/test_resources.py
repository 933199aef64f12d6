"""Explicit traits, resources and slots of a request."""

from dataclasses import replace

import pytest

from sev_scheduling import parse, validate
from tests.unit.factories import (
    ON,
    READY,
    SET_FLAVOR,
    UNSET_FLAVOR,
    UNSET_IMAGE,
    encrypted,
    fix_of,
    flavor,
    found_rows,
    image,
    rule_cases,
)

UUID = '5f2b0a5e-6f0b-4b53-9d43-9d1f1c0f6b5a'
MODEL = 'hw:mem_encryption_model'
SLOT = 'resources:MEM_ENCRYPTION_CONTEXT'
SEV, SEV_ES = 'HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES'

TRAIT_CONFLICT = [
    pytest.param(ON | {f'trait:{SEV}': 'required'}, {}, id='its own'),
    pytest.param(
        ON | {f'trait:{SEV_ES}': 'forbidden'}, {}, id='another forbidden'
    ),
    pytest.param(ON | {'trait:CUSTOM_X': 'forbidden'}, {}, id='no model'),
    pytest.param(
        ON | {'resources1:VCPU': '1', f'trait1:{SEV_ES}': 'required'},
        {},
        'error',
        f'flavor:trait1:{SEV_ES}',
        SET_FLAVOR + 'hw:mem_encryption_model=amd-sev-es m1',
        id="a stronger model's required, in any group",
    ),
    pytest.param(
        ON | {f'trait:{SEV_ES}': 'required'},
        {'hw_mem_encryption_model': 'amd-sev'},
        'error',
        f'flavor:trait:{SEV_ES}',
        'openstack image set --property hw_mem_encryption_model=amd-sev-es '
        'ubuntu',
        id='the image names the model',
    ),
    pytest.param(
        ON | {f'trait:{SEV}': 'required', MODEL: 'amd-sev-es'},
        {},
        'error',
        f'flavor:trait:{SEV}',
        UNSET_FLAVOR + f'trait:{SEV} m1',
        id="a weaker model's required",
    ),
    pytest.param(
        ON,
        {f'trait:{SEV}': 'forbidden'},
        'error',
        f'image:trait:{SEV}',
        UNSET_IMAGE + 'trait:HW_CPU_X86_AMD_SEV ubuntu',
        id='its own forbidden by the image',
    ),
]

EXPLICIT_SLOT = [
    pytest.param(ON | {SLOT: '0'}, {}, id='no slot'),
    pytest.param(ON | {'resources:VCPU': '1'}, {}, id='another class'),
    pytest.param(
        ON | {SLOT: '1'},
        {},
        'error',
        f'flavor:{SLOT}',
        UNSET_FLAVOR + 'resources:MEM_ENCRYPTION_CONTEXT m1',
        id='beside encryption',
    ),
    pytest.param(
        {'resources_A:MEM_ENCRYPTION_CONTEXT': '1'},
        {},
        'warning',
        'flavor:resources_A:MEM_ENCRYPTION_CONTEXT',
        UNSET_FLAVOR + 'resources_A:MEM_ENCRYPTION_CONTEXT m1',
        id='alone',
    ),
]

INVALID_RESOURCE_REQUEST = [
    pytest.param({'resources:CUSTOM_NIC': '1'}, {}, id='all is well'),
    pytest.param(
        {},
        {'trait:GOLD': 'required'},
        'error',
        'image:trait:GOLD',
        UNSET_IMAGE + 'trait:GOLD ubuntu',
        id='Placement refuses it',
    ),
    *(
        pytest.param(
            {
                **{f'resources{n}:CUSTOM_NIC': '1' for n in range(groups)},
                **({} if policy is None else {'group_policy': policy}),
            },
            {},
            'warning',
            'flavor:group_policy',
            SET_FLAVOR + 'group_policy=none m1',
            id=f'{groups} groups and the policy {policy}',
        )
        for groups, policy in [(2, None), (3, None), (2, 'Isolate'), (1, '')]
    ),
    *(
        pytest.param(
            {
                **{f'resources{n}:CUSTOM_NIC': '1' for n in range(groups)},
                **({} if policy is None else {'group_policy': policy}),
            },
            {},
            id=f'{groups} groups, the policy {policy}',
        )
        for groups, policy in [(1, None), (2, 'none'), (2, 'isolate')]
    ),
    pytest.param(
        {'resources1:CUSTOM_NIC': '1', 'resources2:CUSTOM_NIC': '0'},
        {},
        id='two groups, one of which asks for nothing',
    ),
    pytest.param(
        {'trait1:CUSTOM_GOLD': 'required'},
        {},
        'error',
        'flavor:trait1',
        'add-resources',
        id='a group without resources',
    ),
    pytest.param(
        {'trait:CUSTOM_A': 'required'},
        {'trait:CUSTOM_A': 'forbidden'},
        'error',
        'flavor:trait:CUSTOM_A',
        UNSET_IMAGE + 'trait:CUSTOM_A ubuntu',
        id='required by the flavor, forbidden by the image',
    ),
    pytest.param(
        {'trait:CUSTOM_A': 'forbidden'},
        {'trait:CUSTOM_A': 'required'},
        'error',
        'flavor:trait:CUSTOM_A',
        UNSET_FLAVOR + 'trait:CUSTOM_A m1',
        id='forbidden by the flavor, required by the image',
    ),
    pytest.param(
        {'trait:HW_CPU_HYPERTHREADING': 'forbidden'},
        {'hw_cpu_thread_policy': 'require', 'hw_cpu_policy': 'dedicated'},
        'error',
        'flavor:trait:HW_CPU_HYPERTHREADING',
        UNSET_FLAVOR + 'trait:HW_CPU_HYPERTHREADING m1',
        id='forbidden, and required by a property',
    ),
    pytest.param(
        {'trait:HW_CPU_HYPERTHREADING': 'required'},
        {'hw_cpu_thread_policy': 'isolate', 'hw_cpu_policy': 'dedicated'},
        'error',
        'flavor:trait:HW_CPU_HYPERTHREADING',
        UNSET_IMAGE + 'hw_cpu_thread_policy ubuntu',
        id='required, and forbidden by a property',
    ),
    pytest.param(
        {},
        {
            'trait:HW_CPU_HYPERTHREADING': 'required',
            'hw_cpu_thread_policy': 'isolate',
            'hw_cpu_policy': 'dedicated',
        },
        'error',
        'image:hw_cpu_thread_policy',
        UNSET_IMAGE + 'hw_cpu_thread_policy ubuntu',
        id='required and forbidden by the image alone',
    ),
    pytest.param(
        {
            'resources1:CUSTOM_NIC': '1',
            'trait1:CUSTOM_A': 'forbidden',
            'trait:CUSTOM_A': 'required',
        },
        {'trait:CUSTOM_A': 'required'},
        id='required twice, forbidden in another group',
    ),
    pytest.param(
        {
            'resources:CUSTOM_A': '1',
            'resources1:CUSTOM_NIC': '1',
            'trait1:CUSTOM_A': 'forbidden',
            'trait:CUSTOM_A': 'required',
            'trait:CUSTOM_B': 'required',
        },
        {'trait:CUSTOM_A': 'forbidden'},
        'error',
        'flavor:trait:CUSTOM_A',
        UNSET_IMAGE + 'trait:CUSTOM_A ubuntu',
        id='required and forbidden, among others',
    ),
    pytest.param(
        {
            'trait:CUSTOM_A': 'required',
            'resources1:CUSTOM_NIC': '1',
            'trait1:CUSTOM_A': 'forbidden',
        },
        {},
        id='required here, forbidden there',
    ),
]


@rule_cases(
    {
        'trait-conflict': TRAIT_CONFLICT,
        'explicit-slot': EXPLICIT_SLOT,
        'invalid-resource-request': INVALID_RESOURCE_REQUEST,
    }
)
def test_a_rule_finds_what_breaks_it_and_nothing_else(
    code, extra_specs, properties, rows
):
    assert found_rows(extra_specs, properties, code) == rows


def test_a_request_for_nothing_at_all_is_refused():
    (problem,) = validate(parse(flavor(vcpus=0, ram=0, disk=0)))

    assert problem.is_error
    assert (problem.where, problem.case) == (
        'flavor:resources',
        'no-resources',
    )
    assert problem.fix.advice == 'give-resources'


def test_a_slot_alone_is_a_request():
    nothing = flavor(ON, vcpus=0, ram=0, disk=0)
    ready = image({**READY, 'hw_firmware_stateless': None})

    assert validate(parse(nothing, ready)) == ()


#: What is wrong with an entry -> the remedy beside removing it.
REMEDIES = {
    'not-an-amount': 'correct-amount',
    'not-a-state': 'correct-state',
    'unknown-class': 'correct-name',
    'unknown-trait': 'correct-trait',
    'not-in-capitals': 'use-capitals',
}


@pytest.mark.parametrize(
    ('key', 'written', 'severity', 'case', 'value'),
    [
        ('resources:VCPU', 'many', 'warning', 'not-an-amount', 'many'),
        ('resources:VCPU', '9' * 10, 'error', 'not-an-amount', '9' * 10),
        ('resources:GPU', '1', 'warning', 'unknown-class', 'GPU'),
        ('resources:CUSTOM_ä', '1', 'error', 'unknown-class', 'CUSTOM_ä'),
        ('resources:vcpu', '1', 'warning', 'not-in-capitals', 'vcpu'),
        # In capitals it would contradict the model.
        (
            f'trait:{SEV_ES.lower()}',
            'required',
            'error',
            'not-in-capitals',
            SEV_ES.lower(),
        ),
        ('trait:GOLD', 'required', 'error', 'unknown-trait', 'GOLD'),
        ('trait:CUSTOM_A', 'yes', 'warning', 'not-a-state', 'yes'),
    ],
)
def test_an_entry_that_placement_does_not_know_has_two_remedies(
    key, written, severity, case, value
):
    (problem,) = validate(parse(flavor({key: written})))
    (other,) = problem.fix.alternatives

    assert (problem.severity, problem.case, problem.value) == (
        severity,
        case,
        value,
    )
    assert problem.where == f'flavor:{key}'
    assert problem.fix.unset == (key,)
    assert other.advice == REMEDIES[case]


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'changes'),
    [
        pytest.param(
            {'trait:CUSTOM-a': 'forbidden'},
            {},
            ['trait:CUSTOM-a', {'trait:CUSTOM_A': 'forbidden'}],
            id='a trait of the flavor',
        ),
        pytest.param(
            {'resources7:CUSTOM_a': '2'},
            {},
            ['resources7:CUSTOM_a', {'resources7:CUSTOM_A': '2'}],
            id='an amount of a group',
        ),
        pytest.param(
            {},
            {'trait:custom_a': 'required'},
            ['trait:custom_a', {'trait:CUSTOM_A': 'required'}],
            id='a trait of the image',
        ),
    ],
)
def test_a_name_is_renamed_in_capitals(extra_specs, properties, changes):
    request = parse(flavor(extra_specs), image(properties))
    wrong, meant = validate(request)
    old, new = changes

    assert (wrong.severity, wrong.case) == ('error', 'not-in-capitals')
    assert (meant.severity, meant.case) == ('warning', 'capitals-meant')
    assert (wrong.fix.unset, meant.fix.set) == ((old,), new)
    assert wrong.fix.target == meant.fix.target
    assert wrong.fix.caveats == meant.fix.caveats == ('name-meant',)
    specs, metadata = dict(extra_specs), dict(properties)
    changed = specs if wrong.fix.target == 'flavor' else metadata
    del changed[old]
    changed.update(new)
    assert not validate(parse(flavor(specs), image(metadata)))


@pytest.mark.parametrize(
    ('extra_specs', 'properties'),
    [
        ({'trait:custom_a': 'required', 'trait:CUSTOM_A': 'required'}, {}),
        ({'trait:custom_a': 'required'}, {'trait:CUSTOM_A': 'forbidden'}),
        ({'resources:CUSTOM_a': '1', 'resources:CUSTOM_A': '2'}, {}),
    ],
)
def test_a_name_that_is_there_in_capitals_is_only_removed(
    extra_specs, properties
):
    problems = validate(parse(flavor(extra_specs), image(properties)))
    (wrong,) = [p for p in problems if p.case == 'not-in-capitals']

    assert wrong.fix.unset
    assert not [p for p in problems if p.case == 'capitals-meant']


@pytest.mark.parametrize(
    ('extra_specs', 'models', 'ways'),
    [
        pytest.param(ON, ['amd-sev-snp'], 1, id='the model demands it'),
        pytest.param(
            ON, ['amd-sev-snp', 'intel-tdx'], 1, id='each model demands it'
        ),
        pytest.param(
            ON, ['amd-sev-snp', 'amd-sev'], 2, id='one of them demands it'
        ),
        pytest.param(ON, ['amd-sev'], 2, id='the model does not'),
        pytest.param({}, [], 2, id='without encryption'),
    ],
)
def test_what_contradicts_has_two_ways_out(extra_specs, models, ways):
    trait = 'trait:COMPUTE_SECURITY_STATELESS_FIRMWARE'
    request = parse(
        flavor(extra_specs | {trait: 'forbidden'}),
        image({**READY, 'hw_firmware_stateless': 'true'}),
        models=models,
    )
    problems = [p for p in validate(request) if p.where == f'flavor:{trait}']
    (problem,) = problems

    assert [way.unset for way in problem.fix.ways] == [
        (trait,),
        ('hw_firmware_stateless',),
    ][:ways]


def test_a_guest_that_holds_a_slot_is_encrypted_at_once():
    """Without a slot more that counts twice."""
    ready = image({**READY, 'hw_firmware_stateless': None})
    (problem,) = validate(parse(flavor({SLOT: '1'}), ready))
    (encrypt,) = problem.fix.alternatives

    assert encrypt.set == {'hw:mem_encryption': 'true', SLOT: '0'}
    assert not validate(parse(flavor({SLOT: '1', **encrypt.set}), ready))


def test_of_a_server_no_key_is_renamed():
    request = parse(flavor({'trait:custom_a': 'required'}))
    (problem,) = validate(replace(request, server=UUID))

    assert problem.fix.advice == 'another-flavor'


def test_what_a_model_demands_is_not_to_be_removed():
    trait = 'trait:COMPUTE_SECURITY_STATELESS_FIRMWARE'
    request = encrypted(
        {MODEL: 'amd-sev-snp', trait: 'forbidden'},
        {'hw_firmware_stateless': 'true'},
    )
    (problem,) = validate(request).errors

    assert problem.where == f'flavor:{trait}'
    assert (problem.fix.unset, problem.fix.alternatives) == ((trait,), ())


@pytest.mark.parametrize(
    ('written', 'policy', 'caveats'),
    [
        ('none', 'none', ()),
        ('isolate', 'isolate', ()),
        ('Isolate', 'none', ('shared-provider',)),
    ],
)
def test_a_misspelt_policy_is_told_once(written, policy, caveats):
    extra_specs = {
        'resources1:CUSTOM_NIC': '1',
        'resources2:CUSTOM_NIC': '1',
        'group_polcy': written,
    }
    request = parse(flavor(extra_specs))
    (problem,) = validate(request)

    assert request.lacks_group_policy
    assert problem.code == 'misspelt-key'
    assert problem.fix.set == {'group_policy': policy}
    assert problem.fix.caveats == caveats


@pytest.mark.parametrize(
    ('extra_specs', 'kwargs', 'where', 'device', 'fix'),
    [
        pytest.param(
            {'pci_passthrough:alias': 'gpu:1'},
            {},
            'flavor:pci_passthrough:alias',
            'pci_passthrough:alias=gpu:1',
            UNSET_FLAVOR + 'pci_passthrough:alias m1',
            id='PCI alias',
        ),
        pytest.param(
            {},
            {'host_devices': ['port 5e1f (vnic_type direct)']},
            'request',
            'port 5e1f (vnic_type direct)',
            'leave-device-out',
            id='a port',
        ),
    ],
)
def test_a_device_of_the_host_is_refused(
    extra_specs, kwargs, where, device, fix
):
    (problem,) = validate(encrypted(extra_specs, **kwargs))

    assert (problem.code, problem.where, problem.value, fix_of(problem)) == (
        'host-device',
        where,
        device,
        fix,
    )
