"""Why not: what the hosts and Placement say together."""

import dataclasses

import pytest

from sev_scheduling import (
    Cause,
    Constraint,
    Diagnosis,
    Feasibility,
    Host,
    SlotPool,
    explain,
    filter_hosts,
)
from sev_scheduling.diagnosis import Unmet
from sev_scheduling.explain.host_rows import host_rows
from tests.unit.factories import encrypted

POOL = {'amd-sev': SlotPool(15)}
HOSTS = [
    Host(name='a', uuid='1', pools=POOL),
    Host(name='b', uuid='2', pools=POOL),
    Host(name='c', uuid='3'),
]
FULL = {'amd-sev': SlotPool(15, used=15)}
RESULT = filter_hosts(encrypted(), HOSTS)
SHORT = Diagnosis(
    request=encrypted(),
    cause=Cause.TRAIT,
    constraints=(Constraint(Cause.TRAIT, 'CUSTOM_GOLD'),),
    hosts_with_free_slot=2,
    hosts_but_for=2,
    roots_but_for=frozenset({'1', '2'}),
)


@pytest.mark.parametrize(
    ('offered', 'diagnosis', 'reasons', 'tenant'),
    [
        pytest.param(
            {'1', '2'}, None, [('no-pool', 1)],
            'This amd-sev guest can be placed.', id='all that fit are offered',
        ),
        pytest.param(
            {'1'}, None, [('no-pool', 1), ('no-candidate', 1)],
            'This amd-sev guest can be placed.', id='one is not offered',
        ),
        pytest.param(
            {}, SHORT, [('trait', 2), ('no-pool', 1)],
            'No host can run this amd-sev guest:\n'
            '- No host with a free amd-sev slot meets the traits asked for: '
            'CUSTOM_GOLD. Remove or change what asks for them in the flavor '
            'or the image.', id='none, for a known cause',
        ),
        pytest.param(
            {}, dataclasses.replace(SHORT, cause=Cause.NONE),
            [('no-candidate', 2), ('no-pool', 1)],
            'No host can run this amd-sev guest:\n'
            '- Hosts that could run it are too small or too full, or lack '
            'something else that is asked for. Use a flavor that asks for '
            'less.', id='none, for a cause that is gone',
        ),
    ],
)  # fmt: skip
def test_every_host_counts_once_and_a_confirmed_cause_leads(
    offered, diagnosis, reasons, tenant
):
    found = Feasibility(RESULT, frozenset(offered), diagnosis)
    explanation = explain(found)

    assert [(str(r.code), r.hosts) for r in explanation.reasons] == reasons
    assert explanation.tenant() == tenant
    assert explanation.headline == (
        f'{len(offered)} of 3 hosts can run this amd-sev guest:'
    )
    assert len(found.fit) + len(found.unavailable) == 2


@pytest.mark.parametrize(
    ('capacity', 'step', 'permanent'),
    [
        pytest.param(
            8191, '-> and ask for less of the rest (now MEMORY_MB:8192)', True,
            id='too small when empty',
        ),
        pytest.param(
            8192, '-> and ask for less of the rest (now MEMORY_MB:8192), or '
            'wait for it', False, id='enough when empty',
        ),
        pytest.param(
            None, '-> and ask for less of the rest (now MEMORY_MB:8192), or '
            'wait for it', False, id='not known',
        ),
    ],
)  # fmt: skip
def test_nobody_waits_for_what_a_host_never_has(capacity, step, permanent):
    request = encrypted({'trait:CUSTOM_GOLD': 'required'})
    memory = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 8192)
    gold = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')

    def found(*unmet):
        result = filter_hosts(request, HOSTS[:1])
        return Feasibility(result, unmet={'1': unmet})

    short = Unmet(memory, 4096, capacity)
    text = explain(found(short, Unmet(gold))).operator()
    assert text.splitlines()[-1].strip() == step
    (reason,) = explain(found(short)).reasons
    assert (reason.code, reason.permanent) == ('resources-short', permanent)


def test_what_is_not_confirmed_comes_last():
    unclear = Diagnosis(request=encrypted(), cause=Cause.UNCLEAR)
    reasons = explain(Feasibility(RESULT, frozenset(), unclear)).reasons

    assert [(str(r.code), r.hosts) for r in reasons] == [
        ('no-candidate', 2), ('no-pool', 1), ('unclear', 0),
    ]  # fmt: skip


def test_hosts_that_lack_more_than_what_is_named_are_counted_apart():
    one = dataclasses.replace(
        SHORT, hosts_but_for=1, roots_but_for=frozenset({'2'})
    )
    found = Feasibility(RESULT, frozenset(), one)

    assert explain(found).operator().splitlines()[1:] == [
        '  1  would do but for the traits asked for: CUSTOM_GOLD',
        '     b',
        '     -> change the traits of the flavor or image, or those of the '
        'hosts',
        '  1  offers no amd-sev slots',
        '     c',
        '  1  lacks something else that is asked for (resources, traits, '
        'aggregates)',
        '     a',
    ]
    assert [row[:4] for row in host_rows(found)] == [
        (None, False, 'trait', True),
        ('a', False, 'no-candidate', False),
        ('b', False, 'trait', True),
        ('c', False, 'no-pool', True),
    ]


#: A full host, one that defaults to pc, and one that fits but for a trait.
MIXED = filter_hosts(
    encrypted({}, {'hw_machine_type': None}),
    [
        Host(name='a', uuid='1', pools=POOL),
        Host(name='b', uuid='2', pools=FULL),
        Host(name='c', uuid='3', pools=POOL, machine_types={'x86_64': 'pc'}),
        Host(name='d', uuid='4', pools=POOL, ram_allocation_ratio=2.0),
    ],
)
LACKS = dataclasses.replace(SHORT, roots_but_for=frozenset({'1'}))


@pytest.mark.parametrize(
    ('suitable', 'told'),
    [
        pytest.param(
            None, ['trait', 'machine-type-not-q35', 'no-free-slot'],
            id='not known',
        ),
        pytest.param(set(), ['trait'], id='none'),
        pytest.param({'2', '4'}, ['trait', 'no-free-slot'], id='a full one'),
        pytest.param(
            {'2', '3'}, ['machine-type-not-q35'], id='one of type pc',
        ),
    ],
)  # fmt: skip
def test_a_tenant_is_told_only_what_would_help(suitable, told):
    """Beside a cause that is confirmed, not what operators may mend."""
    if suitable is not None:
        suitable = frozenset(suitable)
    found = Feasibility(MIXED, frozenset(), LACKS, suitable)
    reasons = explain(found).reasons

    assert [str(r.code) for r in reasons if r.for_tenant] == told
    assert sum(r.hosts for r in reasons) == 4


def test_a_full_host_of_type_pc_is_no_help_beside_a_cause():
    pc = Host(name='a', uuid='1', pools=FULL, machine_types={'x86_64': 'pc'})
    request = encrypted({}, {'hw_machine_type': None})
    result = filter_hosts(request, [pc, Host(name='b', uuid='2', pools=POOL)])
    found = Feasibility(result, frozenset(), LACKS, frozenset({'1'}))

    assert [str(r.code) for r in explain(found).reasons if r.for_tenant] == [
        'trait'
    ]


def test_of_full_hosts_that_lack_more_nobody_is_told_to_wait():
    result = filter_hosts(encrypted(), [Host(name='b', uuid='2', pools=FULL)])
    slot = Constraint(Cause.SLOTS_USED, 'amd-sev')
    both = dataclasses.replace(
        SHORT,
        cause=Cause.SEVERAL,
        constraints=(slot, *SHORT.constraints),
        roots_but_for=frozenset({'2'}),
    )
    found = Feasibility(result, frozenset(), both, frozenset())

    assert [str(r.code) for r in explain(found).reasons] == ['several']
    assert [row[2] for row in host_rows(found)] == ['several', 'several']

    # No matter why, where that is not known.
    found = dataclasses.replace(found, diagnosis=None)
    (row,) = host_rows(found)
    assert row.remedy.fix == (
        'Wait until a guest on b is deleted, or add hosts. And use a flavor '
        'that asks for less.'
    )


def test_slots_are_those_of_the_hosts_that_are_named():
    """Not all of the model's: others are told by themselves."""
    one = {'amd-sev': SlotPool(1, used=1)}
    result = filter_hosts(
        encrypted(),
        [
            Host(name='a', uuid='1', pools=one),
            Host(name='b', uuid='2', pools=FULL),
        ],
    )
    both = dataclasses.replace(
        SHORT,
        cause=Cause.SEVERAL,
        constraints=(
            Constraint(Cause.SLOTS_USED, 'amd-sev'),
            *SHORT.constraints,
        ),
        roots_but_for=frozenset({'2'}),
        hosts_with_model=2,
        slots_used=16,
        slots_total=16,
    )
    found = Feasibility(result, frozenset(), both, frozenset())
    (reason,) = [r for r in explain(found).reasons if r.is_diagnosed]

    assert 'a free amd-sev slot (15 of 15 in use)' in reason.text


@pytest.mark.parametrize('suitable', [None, frozenset()])
def test_without_a_cause_the_hosts_own_reasons_are_told(suitable):
    result = filter_hosts(encrypted(), [Host(name='b', uuid='2', pools=FULL)])
    reasons = explain(Feasibility(result, suitable=suitable)).reasons

    assert [(str(r.code), r.for_tenant) for r in reasons] == [
        ('no-free-slot', True)
    ]


DISABLED = Host(
    name='c',
    uuid='3',
    pools=POOL,
    traits=frozenset({'COMPUTE_STATUS_DISABLED'}),
)


@pytest.mark.parametrize(
    ('roots', 'constraints', 'codes'),
    [
        ({'3'}, ('!COMPUTE_STATUS_DISABLED',), ['host-disabled']),
        # Its verdict says nothing of that.
        (
            {'1', '3'},
            ('!COMPUTE_STATUS_DISABLED',),
            ['host-trait', 'host-disabled'],
        ),
        (
            {'3'},
            ('!COMPUTE_STATUS_DISABLED', 'OWNER_NOVA'),
            ['host-trait', 'host-disabled'],
        ),
        (
            set(),
            ('!COMPUTE_STATUS_DISABLED',),
            ['host-trait', 'host-disabled'],
        ),
    ],
)
def test_what_hosts_out_of_service_say_is_told_once(roots, constraints, codes):
    result = filter_hosts(encrypted(), [DISABLED])
    diagnosis = dataclasses.replace(
        SHORT,
        cause=Cause.HOST_TRAIT,
        constraints=tuple(
            Constraint(Cause.HOST_TRAIT, name) for name in constraints
        ),
        hosts_but_for=1,
        roots_but_for=frozenset(roots),
    )
    found = Feasibility(result, frozenset(), diagnosis, frozenset({'3'}))
    told = explain(found)

    assert [row.code for row in told.rows()] == codes
    assert [row.code for row in host_rows(found)] == codes
    assert ('being in service' in told.operator()) is (len(codes) > 1)
    assert 'in service' in told.tenant()


def test_what_else_is_against_hosts_is_in_their_sentence():
    twice = {'ram_allocation_ratio': 2.0}
    hosts = [
        Host(name='a', pools=FULL, **twice),
        Host(name='b', pools=POOL, **twice),
        dataclasses.replace(DISABLED, pools=FULL),
    ]
    told = explain(filter_hosts(encrypted(), hosts))

    assert [row.text for row in told.rows()] == [
        '2 hosts overcommit memory (ram_allocation_ratio 2); amd-sev pins '
        'it; 1 of them also has no free amd-sev slot (15 of 15 in use).',
        '1 host is disabled; also has no free amd-sev slot (15 of 15 in use).',
    ]
