"""What a query asks for, and how it asks for less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling import Scope, parse, translate
from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.hosts.host import machine_type_trait
from sev_scheduling.placement.diagnosis.relaxation import (
    aggregate_marks,
    anything_left,
    asks_no_more,
    can_be_asked,
    constraints,
    in_one_group,
    probe_classes,
    root_constraints,
    slot_alone,
    slot_constraint,
    ways,
    with_marks,
    without,
)
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.problems import Field, Source
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.testing import make_flavor, make_image

AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
PC, VIRT = map(machine_type_trait, ('pc', 'virt'))
QUERY = replace(
    translate(
        parse(
            make_flavor(
                extra_specs={
                    'hw:mem_encryption': 'true',
                    'trait:CUSTOM_A': 'required',
                    'trait:CUSTOM_B': 'forbidden',
                    'resources1:CUSTOM_NIC': '1',
                    'resources2:CUSTOM_NIC': '1',
                    'group_policy': 'isolate',
                }
            ),
            make_image(),
        )
    ),
    member_of=(frozenset({'x', 'y'}), frozenset({'z'})),
    forbidden_aggregates=frozenset({'q', 'p'}),
    root_required=frozenset({'CUSTOM_R'}),
    root_forbidden=frozenset({'CUSTOM_S', PC, VIRT}),
    in_tree='host',
)
ALL = [
    Constraint(Cause.RESOURCES_SHORT, 'DISK_GB', 20),
    Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 4096),
    Constraint(Cause.RESOURCES_SHORT, 'VCPU', 2),
    Constraint(Cause.TRAIT, 'CUSTOM_A'),
    Constraint(Cause.TRAIT, '!CUSTOM_B'),
    Constraint(Cause.GROUP, '1'),
    Constraint(Cause.GROUP, '2'),
    Constraint(Cause.SLOTS_USED, 'amd-sev'),
    Constraint(Cause.HOST_TRAIT, 'CUSTOM_R'),
    Constraint(Cause.HOST_TRAIT, '!CUSTOM_S'),
    # Hosts have one of them or another.
    Constraint(Cause.MACHINE_TYPE, f'!{PC} and !{VIRT}'),
    Constraint(Cause.AGGREGATE, 'x or y'),
    Constraint(Cause.AGGREGATE, 'z'),
    Constraint(Cause.AGGREGATE, '!p or q'),
    Constraint(Cause.GROUP_POLICY, 'isolate'),
]


@pytest.mark.parametrize(
    ('asker', 'constraint'),
    [
        (Field(Source.REQUEST, 'port', '5e1f'), (Cause.PORT, '5e1f')),
        (
            Field(Source.FLAVOR, 'pci_passthrough:alias'),
            (Cause.DEVICE, 'pci_passthrough:alias'),
        ),
    ],
)
def test_the_groups_of_a_port_or_a_device_are_one_constraint(
    asker, constraint
):
    groups = [
        RequestGroup(suffix, {name: 1}, asker=asker)
        for suffix, name in (('a', 'CUSTOM_X'), ('b', 'CUSTOM_Y'))
    ]
    query = replace(QUERY, groups=(*QUERY.groups, *groups))
    (added,) = set(constraints(query)) - set(ALL)
    assert (added.cause, added.name) == constraint
    assert added.groups == tuple(groups)
    assert without(query, [added]) == QUERY


def test_every_constraint_is_named():
    assert list(constraints(QUERY)) == ALL


@pytest.mark.parametrize('one', ALL, ids=str)
def test_one_that_is_relaxed_is_asked_for_no_more(one):
    less = without(QUERY, [one])
    left = list(constraints(less))
    if one == slot_constraint(QUERY):
        # A provider with the model's trait is asked for still.
        assert left == ALL
        assert less.slot_relaxed
        assert not less.groups[-1].resources
    else:
        assert left == [other for other in ALL if other != one]
    assert can_be_asked(less)


@pytest.mark.parametrize(
    ('of_options', 'causes'),
    [(False, {Cause.MACHINE_TYPE}), (True, {Cause.HOST_TRAIT})],
)
def test_a_machine_type_of_an_option_is_no_matter_of_the_image(
    of_options, causes
):
    """A scheduler's is: it keeps the guest off hosts that default to pc."""
    forbidden = machine_type_trait('pc')
    scope = Scope(root_forbidden=[forbidden], of_options=of_options)
    query = translate(parse(make_flavor(), make_image()), scope=scope)

    found = root_constraints(query)

    assert {c.cause for c in found if forbidden in c.name} == causes


def test_an_amount_may_be_relaxed_to_a_smaller_one():
    memory = ALL[1]
    less = without(QUERY, [memory], {'MEMORY_MB': 100})
    assert less.groups[0].resources == {
        'DISK_GB': 20,
        'MEMORY_MB': 100,
        'VCPU': 2,
    }


def test_traits_and_aggregates_go_with_resources():
    amounts = ALL[:3]
    assert not can_be_asked(without(QUERY, amounts))
    bare = replace(
        without(QUERY, ALL[:5]), member_of=(), forbidden_aggregates=frozenset()
    )
    assert bare.unsuffixed is None
    assert can_be_asked(bare)
    assert not can_be_asked(without(QUERY, ALL))


def test_many_aggregates_count_as_one():
    query = replace(QUERY, member_of=tuple(frozenset({n}) for n in 'abc'))
    assert aggregate_marks(query) == {
        'a and b and c': query.member_of,
        '!p or q': (query.forbidden_aggregates,),
    }
    marked = with_marks(query)
    assert marked.member_of == (frozenset({'a and b and c'}),)
    assert marked.forbidden_aggregates == {'!p or q'}


def test_no_aggregates_have_no_marks():
    query = PlacementRequest((RequestGroup('', {'VCPU': 1}),))
    assert aggregate_marks(query) == {}
    assert with_marks(query) == query


def test_queries_for_hosts_with_the_model():
    slot = QUERY.groups[-1]
    assert slot_alone(QUERY).groups == (slot,)
    found = anything_left(QUERY, 'VCPU')
    assert found.groups[0] == RequestGroup('', {'VCPU': 1})
    assert found.groups[1] == replace(slot, resources={})
    assert found.microversion == '1.36'


@pytest.mark.parametrize(
    ('amounts', 'classes'),
    [
        ({'VCPU': 1, 'MEMORY_MB': 1}, ('MEMORY_MB', 'VCPU')),
        ({'CUSTOM_NIC': 1}, ('CUSTOM_NIC', 'MEMORY_MB')),
        ({'PCPU': 1, 'DISK_GB': 1}, ('DISK_GB', 'PCPU')),
        (None, ('MEMORY_MB', 'VCPU')),
    ],
)
def test_classes_of_which_useful_hosts_have_one_left(amounts, classes):
    groups = (RequestGroup('', amounts),) if amounts else ()
    assert probe_classes(PlacementRequest(groups)) == classes


def test_each_amount_is_left_out_or_one_of_it_asked_for():
    asked = [way.groups[0].resources for way in ways(QUERY, [ALL[0], ALL[2]])]
    assert asked == [
        {'MEMORY_MB': 4096},
        {'DISK_GB': 1, 'MEMORY_MB': 4096},
        {'MEMORY_MB': 4096, 'VCPU': 1},
        {'DISK_GB': 1, 'MEMORY_MB': 4096, 'VCPU': 1},
    ]
    # None is left to go with the traits.
    assert len(list(ways(QUERY, ALL[:3]))) == 7


@pytest.mark.parametrize('one', ALL, ids=str)
def test_with_less_asked_for_every_candidate_stays(one):
    less = without(QUERY, [one])
    slot = one == slot_constraint(QUERY)
    # Whoever gave an amount may have had a trait that is required.
    amount = one.cause is Cause.RESOURCES_SHORT
    assert asks_no_more(less, QUERY) is not (slot or amount)
    assert not asks_no_more(QUERY, less)


def test_with_no_trait_required_an_amount_may_go():
    query = without(QUERY, ALL[3:5])
    assert asks_no_more(without(query, ALL[:2]), query)
    assert not asks_no_more(without(query, ALL[:1], {'DISK_GB': 1}), query)
    alone = PlacementRequest((RequestGroup('1', {'CUSTOM_NIC': 1}),))
    assert asks_no_more(alone, alone)


def test_all_groups_are_one_where_placement_looks_at_amounts_first():
    query = translate(
        parse(
            make_flavor(
                extra_specs={
                    'hw:mem_encryption': 'true',
                    'trait:CUSTOM_GOLD': 'required',
                    'trait:CUSTOM_OLD': 'forbidden',
                    'resources1:CUSTOM_NIC': '1',
                    'resources2:VCPU': '9',
                }
            ),
            make_image(),
        ),
        scope=Scope(member_of=[[AGGREGATE]], root_required=['CUSTOM_ROOT']),
    )
    (group,) = in_one_group(query).groups
    assert group.suffix == ''
    assert group.resources == {
        'VCPU': 9,
        'MEMORY_MB': 4096,
        'DISK_GB': 20,
        'CUSTOM_NIC': 1,
        'MEM_ENCRYPTION_CONTEXT': 1,
    }
    assert set(group.required) == {
        frozenset({'CUSTOM_GOLD'}),
        frozenset({'HW_CPU_X86_AMD_SEV'}),
    }
    # It asks for no more than the query does.
    assert group.forbidden == frozenset()
    assert in_one_group(query).member_of == ()
    assert in_one_group(query).root_required == {'CUSTOM_ROOT'}


@pytest.mark.parametrize(
    'query',
    [
        translate(parse(make_flavor(extra_specs={}), make_image())),
        slot_alone(translate(parse(make_flavor(), make_image()))),
        translate(
            parse(
                make_flavor(), make_image(), models=('amd-sev-es', 'amd-sev')
            )
        ),
    ],
    ids=['plain', 'one group', 'any of two models'],
)
def test_one_group_is_none_where_it_would_not_help(query):
    assert in_one_group(query) is None
