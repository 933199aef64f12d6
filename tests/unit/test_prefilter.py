from dataclasses import replace

import pytest

from sev_scheduling import (
    InputError,
    InvalidRequest,
    PlacementRequest,
    RequestGroup,
    Scope,
    parse,
    translate,
)
from sev_scheduling.models import BUILTIN_MODELS
from tests.unit.factories import ON, encrypted, flavor, plain

SEV, SEV_ES, SEV_SNP, TDX = BUILTIN_MODELS
BASE = 'resources=DISK_GB:40,MEMORY_MB:8192,VCPU:4'
SLOT = 'resources_MEM_ENCRYPTION=MEM_ENCRYPTION_CONTEXT:1'
STATELESS = 'required=COMPUTE_SECURITY_STATELESS_FIRMWARE'
TRAIT = 'required_MEM_ENCRYPTION=HW_CPU_X86_'
#: Firmware that is not stateless asks for no trait.
STATEFUL = {'hw_firmware_stateless': None}
NIC = 'CUSTOM_NIC'
#: Every query keeps disabled hosts out.
ENABLED = 'root_required=!COMPUTE_STATUS_DISABLED'


def joined(*parts, policy=None):
    """Return a query string of some parts and a group policy."""
    policies = [f'group_policy={policy}'] if policy else []
    return '&'.join([*parts, *policies, ENABLED])


@pytest.mark.parametrize(
    ('extra_specs', 'more', 'policy_of_plain', 'policy'),
    [
        pytest.param({}, [], None, None, id='the flavor alone'),
        pytest.param(
            {'trait:CUSTOM_A': 'required', 'trait:CUSTOM_B': 'forbidden'},
            ['required=CUSTOM_A,!CUSTOM_B'],
            None,
            None,
            id='traits go along',
        ),
        pytest.param(
            {'trait:HW_CPU_X86_AMD_SEV_ES': 'forbidden'},
            ['required=!HW_CPU_X86_AMD_SEV_ES'],
            None,
            None,
            id='another model may be forbidden',
        ),
        pytest.param(
            {'group_policy': 'isolate'},
            [],
            None,
            None,
            id='a policy about nothing is left out',
        ),
        pytest.param(
            {'group_policy': 'none'}, [], None, None, id='so is none'
        ),
        pytest.param(
            {f'resources1:{NIC}': '1', 'trait1:CUSTOM_FAST': 'required'},
            [f'resources1={NIC}:1', 'required1=CUSTOM_FAST'],
            None,
            'none',
            id='a group beside the slot makes a policy necessary',
        ),
        pytest.param(
            {f'resources1:{NIC}': '1', 'group_policy': 'isolate'},
            [f'resources1={NIC}:1'],
            'isolate',
            'none',
            id='isolating one group from none must not isolate the slot',
        ),
        pytest.param(
            {f'resources1:{NIC}': '1', f'resources2:{NIC}': '1'},
            [f'resources1={NIC}:1', f'resources2={NIC}:1'],
            'none',
            'none',
            id='two groups need a policy',
        ),
        pytest.param(
            {
                f'resources1:{NIC}': '1',
                f'resources2:{NIC}': '1',
                'group_policy': 'isolate',
            },
            [f'resources1={NIC}:1', f'resources2={NIC}:1'],
            'isolate',
            'isolate',
            id='isolating two groups',
        ),
    ],
)
def test_groups_and_their_policy(extra_specs, more, policy_of_plain, policy):
    query = translate(plain(extra_specs))

    assert query.querystring() == joined(BASE, *more, policy=policy_of_plain)
    assert query.group_policy == policy_of_plain
    assert (query.models, query.slot_suffix) == ((), '')
    assert query.microversion == '1.35'

    query = translate(encrypted(extra_specs, STATEFUL))

    assert query.querystring() == joined(
        *(BASE, *more, SLOT, f'{TRAIT}AMD_SEV'), policy=policy
    )
    assert query.microversion == '1.35'
    assert query.models == (SEV,)
    assert query.slot_suffix == query.groups[-1].suffix


def test_the_models_own_trait_is_not_asked_of_providers_of_vcpu():
    own = encrypted({'trait:HW_CPU_X86_AMD_SEV': 'required'}, STATEFUL)

    assert translate(own) == translate(encrypted({}, STATEFUL))


def test_a_suffix_that_the_flavor_uses_is_not_used_again():
    used = ('_MEM_ENCRYPTION', '_MEM_ENCRYPTION_')
    specs = {f'resources{suffix}:{NIC}': '1' for suffix in used}
    query = translate(encrypted(specs, STATEFUL))

    assert [group.suffix for group in query.groups] == [
        *('', *used, '_MEM_ENCRYPTION__'),
    ]
    assert query.slot_suffix == '_MEM_ENCRYPTION__'
    assert query.querystring().endswith(
        '&resources_MEM_ENCRYPTION__=MEM_ENCRYPTION_CONTEXT:1'
        '&required_MEM_ENCRYPTION__=HW_CPU_X86_AMD_SEV&group_policy=none'
        f'&{ENABLED}'
    )


def test_slots_that_a_flavor_holds_without_encrypting():
    query = translate(plain({'resources:MEM_ENCRYPTION_CONTEXT': '2'}))

    assert query.querystring() == (
        'resources=DISK_GB:40,MEMORY_MB:8192,MEM_ENCRYPTION_CONTEXT:2,VCPU:4'
        f'&{ENABLED}'
    )
    assert (query.models, query.slot_suffix) == ((), '')


def test_models_that_need_stateless_firmware_ask_for_its_trait():
    request = encrypted({}, {'os_secure_boot': None}, model='intel-tdx')
    query = translate(request)

    assert query.querystring() == joined(
        BASE, STATELESS, SLOT, f'{TRAIT}INTEL_TDX'
    )


@pytest.mark.parametrize(
    ('properties', 'traits', 'microversion', 'models'),
    [
        pytest.param(
            {},
            'in:HW_CPU_X86_AMD_SEV,HW_CPU_X86_AMD_SEV_ES',
            '1.39',
            (SEV_ES, SEV),
            id='any of two needs 1.39',
        ),
        pytest.param(
            {'trait:HW_CPU_X86_AMD_SEV': 'required'},
            'HW_CPU_X86_AMD_SEV',
            '1.35',
            (SEV,),
            id='one that is left does not',
        ),
    ],
)
def test_any_of_several_models(properties, traits, microversion, models):
    query = translate(
        encrypted({}, properties, models=['amd-sev-es', 'amd-sev'])
    )

    assert query.groups[-1].required == (
        frozenset(model.trait for model in models),
    )
    assert f'required_MEM_ENCRYPTION={traits}' in query.querystring()
    assert query.microversion == microversion
    assert query.models == models


DOWNGRADED = {'as_warnings': {'explicit-slot'}}


@pytest.mark.parametrize(
    ('extra_specs', 'parts'),
    [
        pytest.param(
            {'resources:MEM_ENCRYPTION_CONTEXT': '1'},
            [BASE, SLOT, f'{TRAIT}AMD_SEV'],
            id='in the unsuffixed group',
        ),
        pytest.param(
            {'resources_S:MEM_ENCRYPTION_CONTEXT': '3'},
            [BASE, SLOT, f'{TRAIT}AMD_SEV'],
            id='in a group of its own',
        ),
        pytest.param(
            {
                'resources_S:MEM_ENCRYPTION_CONTEXT': '1',
                'trait_S:HW_CPU_X86_AMD_SEV': 'required',
                'trait_S:CUSTOM_A': 'required',
                'trait_S:CUSTOM_B': 'forbidden',
            },
            [BASE, SLOT, f'{TRAIT}AMD_SEV,CUSTOM_A,!CUSTOM_B'],
            id='with traits, which still count',
        ),
        pytest.param(
            {
                'resources_S:MEM_ENCRYPTION_CONTEXT': '1',
                f'resources_S:{NIC}': '1',
                'trait_S:HW_CPU_X86_AMD_SEV': 'required',
            },
            [
                BASE,
                f'resources_S={NIC}:1',
                'required_S=HW_CPU_X86_AMD_SEV',
                SLOT,
                f'{TRAIT}AMD_SEV',
                'group_policy=none',
            ],
            id='beside another resource',
        ),
        pytest.param(
            {'resources_MEM_ENCRYPTION:MEM_ENCRYPTION_CONTEXT': '1'},
            [BASE, SLOT, f'{TRAIT}AMD_SEV'],
            id='by the same suffix',
        ),
    ],
)
def test_exactly_one_slot_is_carried_whatever_the_flavor_repeats(
    extra_specs, parts
):
    request = encrypted(extra_specs, STATEFUL)

    with pytest.raises(InvalidRequest):
        translate(request)
    query = translate(request, **DOWNGRADED)

    assert query.querystring() == joined(*parts)
    assert query.querystring().count('MEM_ENCRYPTION_CONTEXT:') == 1


def test_a_flavor_without_amounts_is_a_slot_alone():
    request = parse(
        flavor(ON, vcpus=0, ram=0, disk=0),
        {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'},
    )

    assert translate(request).querystring() == joined(SLOT, f'{TRAIT}AMD_SEV')


def test_warnings_refuse_nothing():
    assert translate(plain({'hw:mem_encryption_model': 'amd-sev'}))


def test_a_guest_without_a_known_model_is_never_translated():
    request = encrypted(model='arm-cca')

    with pytest.raises(InvalidRequest, match="'arm-cca', which is not known"):
        translate(request, as_warnings={'unknown-model'})


def test_a_limit_on_candidates_is_put_last():
    query = translate(plain())

    assert query.querystring(limit=10) == joined(BASE) + '&limit=10'


def test_aggregates_and_a_tree_narrow_the_query():
    query = PlacementRequest(
        (RequestGroup('', {'VCPU': 1}), RequestGroup('1', {NIC: 1})),
        member_of=(frozenset({'b', 'a'}), frozenset({'c'})),
        in_tree='root',
    )

    assert query.querystring() == (
        'resources=VCPU:1&in_tree=root&member_of=in:a,b&member_of=in:c'
        f'&resources1={NIC}:1&in_tree1=root'
    )


def test_a_group_of_traits_alone_is_written_down():
    query = PlacementRequest(
        (RequestGroup('', required=(frozenset({'CUSTOM_A'}),)),)
    )

    assert query.querystring() == 'required=CUSTOM_A'


def test_what_a_scheduler_asks_of_hosts_narrows_the_query():
    query = PlacementRequest(
        (RequestGroup('', {'VCPU': 1}),),
        root_required=frozenset({'CUSTOM_B', 'CUSTOM_A'}),
        root_forbidden=frozenset({'CUSTOM_C'}),
        forbidden_aggregates=frozenset({'b', 'a'}),
    )

    assert query.querystring() == (
        'resources=VCPU:1&member_of=!in:a,b'
        '&root_required=CUSTOM_A,CUSTOM_B,!CUSTOM_C'
    )
    assert query.microversion == '1.35'


def test_a_slot_that_is_relaxed_leaves_the_trait():
    query = translate(encrypted())
    *others, slot = query.groups
    assert [query.is_slot(group) for group in query.groups] == [False, True]
    assert query.unsuffixed is others[0]

    relaxed = replace(
        query,
        groups=(*others, replace(slot, resources={})),
        slot_relaxed=True,
    )
    assert relaxed.querystring().endswith('&same_subtree=_MEM_ENCRYPTION')
    assert relaxed.microversion == '1.36'


A, B, C = (f'3fd1e6a2-0000-4000-8000-00000000000{n}' for n in 'abc')


def test_a_scope_narrows_the_query_of_any_request():
    scope = Scope(
        member_of=[[A, B.upper()], [C]],
        forbidden_aggregates=[C],
        in_tree=A,
        root_required=['CUSTOM_B'],
        root_forbidden=['CUSTOM_A'],
    )
    for request in (plain(), encrypted()):
        query = translate(request, scope=scope)
        assert query.member_of == (frozenset({A, B}), frozenset({C}))
        assert query.forbidden_aggregates == {C}
        assert query.in_tree == A
        assert query.root_required == {'CUSTOM_B'}
        assert query.root_forbidden == {'CUSTOM_A', 'COMPUTE_STATUS_DISABLED'}
        assert query == replace(
            translate(request),
            member_of=query.member_of,
            forbidden_aggregates=query.forbidden_aggregates,
            in_tree=A,
            root_required=query.root_required,
            root_forbidden=query.root_forbidden,
        )


def test_disabled_hosts_answer_where_they_are_asked_for():
    scope = Scope(root_required=['COMPUTE_STATUS_DISABLED'])

    assert translate(plain(), scope=scope).root_forbidden == frozenset()
    assert bool(scope)
    assert not Scope()
    assert scope == Scope(root_required={'COMPUTE_STATUS_DISABLED'})


@pytest.mark.parametrize(
    ('field', 'value', 'named'),
    [
        ('member_of', A, 'member_of is'),
        ('member_of', [A], r'member_of\[0\] is'),
        ('member_of', None, 'member_of is None'),
        ('member_of', [[]], r'member_of\[0\] is'),
        ('member_of', [[A], ['zone-1']], r"member_of\[1\]\[0\] is 'zone-1'"),
        ('member_of', [[7]], r'member_of\[0\]\[0\] is 7'),
        ('forbidden_aggregates', A, 'forbidden_aggregates is'),
        ('forbidden_aggregates', ['x'], r"forbidden_aggregates\[0\] is 'x'"),
        ('in_tree', 'epyc-1', "in_tree is 'epyc-1'"),
        ('in_tree', '', "in_tree is ''"),
        ('root_required', 'CUSTOM_A', 'root_required is'),
        ('root_required', ['custom_a'], r"root_required\[0\] is 'custom_a'"),
        ('root_required', ['!CUSTOM_A'], r'root_required\[0\]'),
        ('root_required', ['CUSTOM_A,CUSTOM_B'], r'root_required\[0\]'),
        ('root_forbidden', [7], r'root_forbidden\[0\] is 7'),
        ('root_forbidden', True, 'root_forbidden is True'),
    ],
)
def test_a_scope_of_anything_else_is_refused_in_a_line(field, value, named):
    with pytest.raises(InputError, match=named) as caught:
        Scope(**{field: value})
    assert str(caught.value).startswith(f'scope {field}')
    assert '\n' not in str(caught.value)


def test_a_trait_is_not_both_required_and_forbidden():
    with pytest.raises(InputError, match='CUSTOM_B is both'):
        Scope(root_required=['CUSTOM_B'], root_forbidden=['CUSTOM_B'])
