"""diagnose() on a Placement in memory; the contract tests ask a real one."""

from __future__ import annotations

import pytest

from sev_scheduling import InvalidRequest, Scope, parse, translate
from sev_scheduling.diagnosis import Cause, Constraint, Shortfall
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.diagnosis import MAX_CALLS, diagnose
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

SLOT = Constraint(Cause.SLOTS_USED, 'amd-sev')
FULL = {'amd-sev': SlotPool(4, used=4)}
AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
OTHER = '3fd1e6a2-0000-4000-8000-00000000000b'
HUGE = make_flavor(memory_mb=300_000)
MEMORY = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 300_000)


@pytest.fixture
def placement():
    return FakePlacement()


def ask(placement, flavor=None, **more):
    placement.calls.clear()
    request = parse(flavor or make_flavor(), make_image())
    scope = Scope(**more)
    found = diagnose(placement, request, translate(request, scope=scope))
    assert found.calls - 1 == len(placement.calls) < MAX_CALLS
    return found


def with_traits(**traits):
    return make_flavor(
        extra_specs={
            'hw:mem_encryption': 'true',
            **{f'trait:{name}': value for name, value in traits.items()},
        }
    )


def test_there_are_candidates(placement):
    add_host(placement, 'epyc')
    found = ask(placement)
    assert (found.cause, found.constraints) == (Cause.NONE, ())
    assert found.calls == 2


def test_no_host_has_the_model(placement):
    add_host(placement, 'plain', pools={})
    found = ask(placement)
    assert (found.cause, found.constraints) == (Cause.NO_MODEL, (SLOT,))


@pytest.mark.parametrize('nested', [True, False])
def test_all_slots_are_used(placement, nested):
    add_host(placement, 'a', pools=FULL, nested=nested)
    add_host(placement, 'b', pools=FULL, nested=nested)
    add_host(placement, 'plain', pools={})
    found = ask(placement)
    assert (found.cause, found.constraints) == (Cause.SLOTS_USED, (SLOT,))
    assert (found.slots_used, found.slots_total) == (8, 8)
    assert (found.hosts_with_model, found.hosts_with_free_slot) == (2, 0)


def test_a_free_slot_would_not_help(placement):
    add_host(placement, 'epyc', pools=FULL)
    found = ask(placement, HUGE)
    assert found.cause is Cause.SEVERAL
    assert set(found.constraints) == {SLOT, MEMORY}
    assert found.shortfalls == (
        Shortfall('MEMORY_MB', 300_000, 262_144, 'epyc'),
    )


def test_memory_is_short(placement):
    add_host(placement, 'small', memory_mb=1024)
    add_host(placement, 'best', memory_mb=299_999)
    add_host(placement, 'full', pools=FULL, memory_mb=400_000)
    found = ask(placement, HUGE)
    assert found.constraints == (MEMORY,)
    assert found.shortfalls[0].best_host == 'best'
    assert found.shortfalls[0].missing == 1
    assert (found.hosts_but_for, found.hosts_with_free_slot) == (2, 2)


def test_an_amount_is_not_given_out(placement):
    """Summaries lack ``step_size``: the host's inventories are asked for."""
    root = add_host(placement, 'epyc')
    placement.providers[root].inventories['MEMORY_MB'] = Inventory(
        262_144, step_size=1000
    )
    found = ask(placement)
    assert found.constraints == (
        Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 4096),
    )
    assert found.shortfalls == ()


@pytest.mark.parametrize(
    ('flavor', 'name'),
    [
        (with_traits(CUSTOM_GOLD='required'), 'CUSTOM_GOLD'),
        (with_traits(CUSTOM_OLD='forbidden'), '!CUSTOM_OLD'),
    ],
)
def test_a_trait(placement, flavor, name):
    add_host(placement, 'old', traits=['CUSTOM_OLD'])
    add_host(placement, 'gold', pools={}, traits=['CUSTOM_GOLD'])
    found = ask(placement, flavor)
    assert found.constraints == (Constraint(Cause.TRAIT, name),)


def test_either_of_two_would_do(placement):
    add_host(placement, 'small', memory_mb=1024, traits=['CUSTOM_GOLD'])
    add_host(placement, 'plain')
    found = ask(placement, with_traits(CUSTOM_GOLD='required'))
    assert found.cause is Cause.COMBINATION
    assert set(found.constraints) == {
        Constraint(Cause.TRAIT, 'CUSTOM_GOLD'),
        Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 4096),
    }


@pytest.mark.parametrize(
    ('more', 'cause', 'name'),
    [
        ({'member_of': [[OTHER]]}, Cause.AGGREGATE, OTHER),
        (
            {'member_of': [[AGGREGATE], [OTHER]]},
            Cause.AGGREGATE,
            OTHER,
        ),
        (
            {'forbidden_aggregates': [AGGREGATE]},
            Cause.AGGREGATE,
            f'!{AGGREGATE}',
        ),
        (
            {'root_required': ['COMPUTE_NODE']},
            Cause.HOST_TRAIT,
            'COMPUTE_NODE',
        ),
        ({'root_forbidden': ['CUSTOM_A']}, Cause.HOST_TRAIT, '!CUSTOM_A'),
        ({'in_tree': OTHER}, Cause.HOST, OTHER),
    ],
)
def test_what_a_scheduler_adds(placement, more, cause, name):
    add_host(placement, 'epyc', aggregates=[AGGREGATE], traits=['CUSTOM_A'])
    found = ask(placement, **more)
    assert found.constraints == (Constraint(cause, name),)


def test_every_host_is_disabled(placement):
    add_host(placement, 'epyc', traits=['COMPUTE_STATUS_DISABLED'])
    found = ask(placement)
    assert found.cause is Cause.HOST_TRAIT
    assert [c.name for c in found.constraints] == ['!COMPUTE_STATUS_DISABLED']


def test_a_request_with_errors_is_refused(placement):
    request = parse(make_flavor(), make_image(hw_machine_type='pc'))
    with pytest.raises(InvalidRequest):
        placement.diagnose(request)
    assert placement.calls == []
