import pytest

from sev_scheduling import Host, SlotPool
from sev_scheduling.hosts.host import (
    machine_type_trait,
    machine_types_from_traits,
)
from sev_scheduling.models import BUILTIN_MODELS

SLOT = 'MEM_ENCRYPTION_CONTEXT'
SEV, SEV_ES, SNP = (model.trait for model in BUILTIN_MODELS[:3])
Q35, PC = 'CUSTOM_HW_MACHINE_TYPE_Q35', 'CUSTOM_HW_MACHINE_TYPE_PC'


def provider(root='root', *, slots=None, traits=(), **resources):
    """Return a provider summary; slots are (capacity, used)."""
    if slots:
        resources[SLOT] = slots
    return {
        'root_provider_uuid': root,
        'parent_provider_uuid': None,
        'traits': [*traits],
        'resources': {
            name: {'capacity': capacity, 'used': used}
            for name, (capacity, used) in resources.items()
        },
    }


def pools(**summaries):
    (host,) = Host.from_provider_summaries(summaries)
    return host.pools


@pytest.mark.parametrize(
    ('slots', 'free'),
    [
        (SlotPool(15), 15),
        (SlotPool(15, 1), 14),
        (SlotPool(15, 1, 13), 1),
        (SlotPool(15, 1, 14), 0),
        (SlotPool(15, 1, 15), 0),
        (SlotPool(0), 0),
        (SlotPool(1, 2), 0),
    ],
)
def test_slots_that_a_guest_can_have_are_never_negative(slots, free):
    assert slots.free == free


@pytest.mark.parametrize(
    ('summaries', 'expected'),
    [
        pytest.param(
            {'root': provider(VCPU=(8, 0))}, {}, id='a host without slots'
        ),
        pytest.param(
            {'root': provider(slots=(-1, 0), traits=[SEV])},
            {'amd-sev': SlotPool(0, 0, 0, 'root')},
            id='more reserved than there is',
        ),
        pytest.param(
            {'root': provider(slots=(15, 3), traits=[SEV])},
            {'amd-sev': SlotPool(15, 0, 3, 'root')},
            id='flat',
        ),
        pytest.param(
            {
                'root': provider(VCPU=(8, 0)),
                'sev': provider(slots=(15, 3), traits=[SEV]),
                'es': provider(slots=(9, 1), traits=[SEV_ES]),
            },
            {
                'amd-sev': SlotPool(15, 0, 3, 'sev'),
                'amd-sev-es': SlotPool(9, 0, 1, 'es'),
            },
            id='nested',
        ),
        pytest.param(
            {
                'root': provider(VCPU=(8, 0), traits=[SEV]),
                'es': provider(slots=(9, 1), traits=[SEV_ES]),
            },
            {'amd-sev-es': SlotPool(9, 0, 1, 'es')},
            id='a stale trait on the root',
        ),
        pytest.param(
            {
                'root': provider(slots=(15, 15), traits=[SEV]),
                'sev': provider(slots=(15, 3), traits=[SEV]),
            },
            {'amd-sev': SlotPool(15, 0, 3, 'sev')},
            id='both at once: the nested one has more free slots',
        ),
        pytest.param(
            {
                'root': provider(slots=(15, 0), traits=[SEV]),
                'sev': provider(slots=(15, 15), traits=[SEV]),
            },
            {'amd-sev': SlotPool(15, 0, 0, 'root')},
            id='both at once: the flat one has more free slots',
        ),
        pytest.param(
            {'root': provider(slots=(15, 3), traits=[SEV, SEV_ES])},
            {
                'amd-sev': SlotPool(15, 0, 3, 'root'),
                'amd-sev-es': SlotPool(15, 0, 3, 'root'),
            },
            id='flat, shared by two models',
        ),
        pytest.param(
            {'root': provider(slots=(15, 3))}, {}, id='slots of no model'
        ),
        pytest.param(
            {'root': provider(traits=[SEV])}, {}, id='a trait without slots'
        ),
        pytest.param({'root': {}}, {}, id='a summary without facts'),
    ],
)
def test_pools_are_found_in_any_layout(summaries, expected):
    assert pools(**summaries) == expected


def test_total_and_reserved_are_kept_where_they_are_given():
    summary = provider(slots=(14, 3), traits=[SEV])
    summary['resources'][SLOT] |= {'total': 15, 'reserved': 1}

    assert pools(root=summary) == {'amd-sev': SlotPool(15, 1, 3, 'root')}


def test_hosts_keep_the_order_in_which_their_trees_appear():
    hosts = Host.from_provider_summaries(
        {
            'b-sev': provider('b', slots=(1, 0), traits=[SEV]),
            'a': provider('a', traits=['CUSTOM_GOLD', Q35]),
            'b': provider('b', traits=[PC]),
        },
        names={'a': 'alpha'},
        ram_allocation_ratios={'a': 1.5},
    )

    assert hosts == [
        Host(
            name='b',
            uuid='b',
            pools={'amd-sev': SlotPool(1, 0, 0, 'b-sev')},
            machine_types={'x86_64': 'pc'},
            traits=frozenset({PC}),
        ),
        Host(
            name='alpha',
            uuid='a',
            machine_types={'x86_64': 'q35'},
            ram_allocation_ratio=1.5,
            traits=frozenset({'CUSTOM_GOLD', Q35}),
        ),
    ]


def test_a_root_that_was_left_out_still_names_its_host():
    (host,) = Host.from_provider_summaries(
        {'sev': provider('root', slots=(1, 0), traits=[SEV])}
    )

    assert (host.name, host.uuid, host.traits) == ('root', 'root', frozenset())
    assert host.pools == {'amd-sev': SlotPool(1, 0, 0, 'sev')}


def test_models_to_look_for_can_be_given():
    (host,) = Host.from_provider_summaries(
        {'root': provider(slots=(1, 0), traits=[SEV, SNP])},
        models=[BUILTIN_MODELS[2]],
    )

    assert [*host.pools] == ['amd-sev-snp']


def test_hosts_can_be_put_into_sets():
    host = Host(name='a', pools={'amd-sev': SlotPool(1)})

    assert {host} == {Host(name='a', pools={'amd-sev': SlotPool(1)})}


@pytest.mark.parametrize(
    ('machine_type', 'trait'),
    [
        ('q35', Q35),
        ('pc-q35-8.2', 'CUSTOM_HW_MACHINE_TYPE_PC_Q35_8_2'),
        ('pc-i440fx-rhel7.6.0', 'CUSTOM_HW_MACHINE_TYPE_PC_I440FX_RHEL7_6_0'),
    ],
)
def test_a_machine_type_is_published_as_a_trait(machine_type, trait):
    assert machine_type_trait(machine_type) == trait


@pytest.mark.parametrize(
    ('traits', 'machine_types'),
    [
        pytest.param([], {}, id='none is published'),
        pytest.param([Q35], {'x86_64': 'q35'}, id='q35'),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC_Q35_8_2'],
            {'x86_64': 'pc-q35-8.2'},
            id='a version of q35',
        ),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC_Q35_RHEL9_4_0'],
            {'x86_64': 'pc-q35-rhel9.4.0'},
            id='a version of a distribution',
        ),
        pytest.param(
            ['CUSTOM_HW_MACHINE_TYPE_PC_Q35_8_2', Q35],
            {'x86_64': 'q35'},
            id='two that all models take or do not take',
        ),
        pytest.param(
            [PC, 'CUSTOM_HW_MACHINE_TYPE_PC_I440FX_8_2'],
            {'x86_64': 'pc'},
            id='two that no model takes',
        ),
        pytest.param([PC, Q35], {}, id='of these either may be the default'),
        pytest.param(['CUSTOM_HW_MACHINE_TYPE_'], {}, id='one without a name'),
        pytest.param(
            ['HW_ARCH_AARCH64', 'CUSTOM_HW_MACHINE_TYPE_VIRT'],
            {'aarch64': 'virt'},
            id='of another architecture',
        ),
    ],
)
def test_machine_types_are_read_from_traits(traits, machine_types):
    assert machine_types_from_traits(traits) == machine_types


@pytest.mark.parametrize('machine_type', ['q35', 'pc-q35-8.2', 'pc', 'virt'])
def test_what_was_published_meets_the_same_demand(machine_type):
    read = machine_types_from_traits([machine_type_trait(machine_type)])

    assert ('q35' in read['x86_64']) == ('q35' in machine_type)


@pytest.mark.parametrize(
    ('total', 'unlimited'),
    [(0, False), (2**16, False), (2**16 + 1, True), (2**31 - 1, True)],
)
def test_more_slots_than_any_processor_has_are_no_number(total, unlimited):
    assert SlotPool(total).unlimited is unlimited
    assert SlotPool(total, used=1).free == max(0, total - 1)


@pytest.mark.parametrize(
    ('limit', 'free'), [(0, 0), (4, 0), (5, 1), (9, 5), (10, 6), (99, 6)]
)
def test_a_limit_of_guests_counts_like_a_smaller_inventory(limit, free):
    assert SlotPool(10, reserved=1, used=3).free_within(limit) == free
    assert SlotPool(min(10, limit), reserved=1, used=3).free == free


@pytest.mark.parametrize(
    ('flat', 'nested', 'chosen'),
    [
        ((2**31 - 1, 0), (15, 0), 15),
        ((2**31 - 1, 0), (15, 15), 2**31 - 1),
        ((3, 0), (15, 0), 15),
    ],
)
def test_of_two_pools_the_one_with_a_known_limit_is_used(flat, nested, chosen):
    summaries = {
        uuid: {
            'root_provider_uuid': 'root',
            'traits': ['HW_CPU_X86_AMD_SEV'],
            'resources': {
                'MEM_ENCRYPTION_CONTEXT': {'capacity': total, 'used': used}
            },
        }
        for uuid, (total, used) in (('root', flat), ('pool', nested))
    }
    (found,) = Host.from_provider_summaries(summaries)
    assert found.pools['amd-sev'].total == chosen
