import pytest

from sev_scheduling import (
    Cause,
    Constraint,
    Diagnosis,
    Feasibility,
    Host,
    Shortfall,
    SlotPool,
    filter_hosts,
)
from sev_scheduling.diagnosis import Matter
from tests.unit.factories import encrypted


@pytest.mark.parametrize(
    ('constraint', 'text'),
    [
        (Constraint(Cause.TRAIT, '!CUSTOM_OLD'), '!CUSTOM_OLD'),
        (Constraint(Cause.RESOURCES_SHORT, 'VCPU', 8), 'VCPU:8'),
        (Constraint(Cause.SLOTS_USED, 'amd-sev'), 'amd-sev'),
    ],
)
def test_a_constraint_is_what_the_query_says(constraint, text):
    assert str(constraint) == text


def test_constraints_are_sorted_by_kind_and_name():
    vcpu = Constraint(Cause.RESOURCES_SHORT, 'VCPU', 8)
    disk = Constraint(Cause.RESOURCES_SHORT, 'DISK_GB', 40)
    gold = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')

    assert sorted([gold, vcpu, disk]) == [disk, vcpu, gold]


def test_what_is_missing():
    assert Shortfall('VCPU', 8, 3, 'epyc-1').missing == 5


def test_causes_are_frozen():
    assert [str(cause) for cause in Cause] == [
        'none',
        'unknown-name',
        'no-model',
        'slots-used',
        'guests',
        'resources-short',
        'trait',
        'host-trait',
        'machine-type',
        'aggregate',
        'host',
        'group',
        'port',
        'device',
        'group-policy',
        'several',
        'combination',
        'unclear',
        'unknown',
    ]


FREE = Host(name='free', uuid='1', pools={'amd-sev': SlotPool(total=1)})
FULL = Host(name='full', uuid='2', pools={'amd-sev': SlotPool(1, used=1)})
PLAIN = Host(name='plain', uuid='3')


@pytest.mark.parametrize(
    ('hosts', 'offered', 'cause', 'matter'),
    [
        ([FREE, FULL], {'1'}, None, Matter.NONE),
        ([FULL, PLAIN], {}, None, Matter.MOMENT),
        ([PLAIN], {}, None, Matter.HOSTS),
        ([], {}, None, Matter.HOSTS),
        ([FREE], {}, Cause.RESOURCES_SHORT, Matter.MOMENT),
        ([FREE], {}, Cause.TRAIT, Matter.HOSTS),
        ([FREE], {}, Cause.UNKNOWN, Matter.MOMENT),
        ([FREE, FULL], {}, Cause.UNKNOWN_NAME, Matter.REQUEST),
        ([FREE, FULL], {}, Cause.TRAIT, Matter.MOMENT),
    ],
)
def test_what_it_is_a_matter_of(hosts, offered, cause, matter):
    request = encrypted()
    found = Feasibility(
        filter_hosts(request, hosts),
        frozenset(offered),
        Diagnosis(request=request, cause=cause) if cause else None,
    )

    assert found.matter is matter


@pytest.mark.parametrize(
    ('fit', 'if_empty', 'matter'),
    [
        pytest.param(3, 3, Matter.NONE, id='all fit'),
        pytest.param(2, 3, Matter.MOMENT, id='all would on empty hosts'),
        pytest.param(2, 2, Matter.HOSTS, id='not even on empty hosts'),
        pytest.param(2, None, Matter.MOMENT, id='it is not known'),
    ],
)
def test_what_it_is_a_matter_of_that_not_all_of_three_fit(
    fit, if_empty, matter
):
    found = Feasibility(
        filter_hosts(encrypted(), [FREE]),
        frozenset({'1'}),
        guests=3,
        guests_fit=fit,
        guests_if_empty=if_empty,
    )

    assert found.matter is matter
    assert found.yes is (matter is Matter.NONE)
