"""The weigher in nova's own weight handler."""

from __future__ import annotations

import pytest

from sev_scheduling.hosts.host import SlotPool
from tests.unit.nova.factories import (
    ES,
    ON_ES,
    SEV,
    aggregate,
    load_weigher,
    spec,
    weighed,
)

AVOID = 'memory_encryption_avoidance_weight_multiplier'
WEIGHT = 'memory_encryption_weight_multiplier'


def states_of(world):
    return list(world.states.values())


@pytest.fixture
def mixed(world):
    """Hosts with slots, with full pools, and without."""
    world.host('sev', pools={SEV: 5})
    world.host('flat', pools={SEV: 5}, nested=False)
    world.host('full', pools={ES: SlotPool(1, used=1)})
    world.host('plain', pools={})
    return world


def test_other_guests_are_kept_off_hosts_with_slots_free_or_not(mixed):
    found = weighed(load_weigher(), states_of(mixed), spec({}, {}))
    assert next(iter(found)) == 'plain'
    assert found == {'plain': 0.0, 'sev': -100.0, 'flat': -100.0,
                     'full': -100.0}  # fmt: skip


@pytest.mark.parametrize(
    ('multiplier', 'weight'), [(0.5, -0.5), (1.0, -1.0), (1e6, -1e6)]
)
def test_how_strongly_is_an_option(mixed, configured, multiplier, weight):
    configured(**{AVOID: multiplier})
    found = weighed(load_weigher(), states_of(mixed), spec({}, {}))
    assert found['sev'] == weight
    assert found['plain'] == 0.0


def test_an_aggregate_can_be_opened_to_all(world):
    """Its hosts with slots are then as good as those without."""
    world.host('open', aggregates=[aggregate(**{AVOID: '0'})])
    world.host('closed')
    world.host('plain', pools={})
    found = weighed(load_weigher(), states_of(world), spec({}, {}))
    assert found == {'open': 0.0, 'plain': 0.0, 'closed': -100.0}


def test_an_aggregate_of_other_hosts_changes_nothing(world):
    world.host('plain', pools={}, aggregates=[aggregate(**{AVOID: '7'})])
    world.host('bare', pools={})
    found = weighed(load_weigher(), states_of(world), spec({}, {}))
    assert found == {'plain': 0.0, 'bare': 0.0}


def test_a_multiplier_that_is_no_number_leaves_the_option(world):
    world.host('odd', aggregates=[aggregate(**{AVOID: 'much'})])
    world.host('plain', pools={})
    found = weighed(load_weigher(), states_of(world), spec({}, {}))
    assert found == {'plain': 0.0, 'odd': -100.0}


@pytest.fixture
def slots(world):
    """Hosts with 1, 2 and 4 free slots of amd-sev."""
    world.host('one', pools={SEV: SlotPool(9, used=8), ES: 50})
    world.host('two', pools={SEV: SlotPool(4, used=1, reserved=1)})
    world.host('four', pools={SEV: 4}, nested=False)
    return world


def test_encrypted_guests_are_spread_by_free_slots_of_their_model(slots):
    found = weighed(load_weigher(), slots.hosts_for(spec()), spec())
    assert found == {'four': 1.0, 'two': 0.5, 'one': 0.25}
    assert next(iter(found)) == 'four'


@pytest.mark.parametrize('multiplier', [1.0, -1.0])
def test_a_host_that_reports_no_limit_is_neither_first_nor_last(
    slots, configured, multiplier
):
    slots.host('unlimited', pools={SEV: 2**31 - 1})
    configured(**{WEIGHT: multiplier})
    found = weighed(load_weigher(), slots.hosts_for(spec()), spec())
    assert found['unlimited'] == pytest.approx(multiplier * 7 / 3 / 4)
    first, *_, last = found
    assert 'unlimited' not in (first, last)


def test_where_no_host_reports_a_limit_all_weigh_the_same(world):
    for name in ('a', 'b'):
        world.host(name, pools={SEV: 2**31 - 1})
    found = weighed(load_weigher(), world.hosts_for(spec()), spec())
    assert set(found.values()) == {0.0}


def test_a_negative_multiplier_stacks_them(slots, configured):
    configured(**{WEIGHT: -2.0})
    found = weighed(load_weigher(), slots.hosts_for(spec()), spec())
    assert list(found) == ['one', 'two', 'four']
    assert found == {'one': -0.5, 'two': -1.0, 'four': -2.0}


def test_an_aggregate_can_stack_while_others_spread(world):
    stack = aggregate(**{WEIGHT: '-1'})
    world.host('a', pools={SEV: 4}, aggregates=[stack])
    world.host('b', pools={SEV: 2}, aggregates=[stack])
    world.host('c', pools={SEV: 1})
    found = weighed(load_weigher(), world.hosts_for(spec()), spec())
    assert found == {'c': 0.25, 'b': -0.5, 'a': -1.0}


def test_free_slots_are_asked_for_afresh_where_nothing_is_remembered(
    slots, configured
):
    configured(slots_cache_seconds=0.0)
    weigher = load_weigher()
    states = slots.hosts_for(spec())
    weighed(weigher, states, spec())
    slots.claim(next(s.uuid for s in states if s.host == 'four'))
    assert weighed(weigher, states, spec())['two'] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ('come', 'weights'),
    [
        (0, {'four': 1.0, 'two': 0.5, 'one': 0.25}),
        (1, {'four': 1.0, 'two': 2 / 3, 'one': 1 / 3}),
        (3, {'four': 0.5, 'two': 1.0, 'one': 0.5}),
        (4, {'four': 0.0, 'two': 1.0, 'one': 0.5}),
        # Others than ours, which take no slot.
        (9, {'four': 0.0, 'two': 1.0, 'one': 0.5}),
        # Those that left had no slot, or it is free again.
        (-1, {'four': 1.0, 'two': 0.5, 'one': 0.25}),
    ],
)
def test_guests_that_came_since_are_taken_off_what_is_remembered(
    slots, come, weights
):
    """Nova counts a guest on its host state as soon as it is placed."""
    weigher = load_weigher()
    states = slots.hosts_for(spec())
    for state in states:
        state.num_instances = 7
    weighed(weigher, states, spec())
    slots.placement.calls.clear()
    for state in states:
        if state.host == 'four':
            state.num_instances += come
    assert weighed(weigher, states, spec()) == pytest.approx(weights)
    assert slots.calls == []


def test_the_guests_of_one_request_are_spread(slots):
    """Nova takes each off its host before it weighs for the next."""
    weigher = load_weigher()
    states = slots.hosts_for(spec())
    request = spec()
    chosen = []
    for _ in range(7):
        first = next(iter(weighed(weigher, states, request)))
        chosen.append(first)
        (state,) = (s for s in states if s.host == first)
        state.num_instances += 1
    assert chosen.count('four') == 4
    assert chosen[:2] == ['four', 'four']
    assert sorted(chosen[2:]) == ['four', 'four', 'one', 'two', 'two']


def test_hosts_without_slots_of_the_model_weigh_nothing(slots):
    found = weighed(load_weigher(), states_of(slots), spec(ON_ES))
    assert found == {'one': 1.0, 'two': 0.0, 'four': 0.0}


def test_where_no_host_has_any_all_weigh_nothing(world):
    world.host('a', pools={ES: SlotPool(1, used=1)})
    world.host('b', pools={})
    found = weighed(load_weigher(), states_of(world), spec(ON_ES))
    assert found == {'a': 0.0, 'b': 0.0}


@pytest.mark.parametrize(
    ('option', 'request_'),
    [(AVOID, spec({}, {})), (WEIGHT, spec())],
    ids=['other guests', 'encrypted guests'],
)
def test_placement_is_asked_nothing_where_the_multiplier_is_zero(
    slots, configured, option, request_
):
    states = slots.hosts_for(spec())
    configured(**{option: 0.0})
    weigher = load_weigher()
    slots.placement.calls.clear()
    assert set(weighed(weigher, states, request_).values()) == {0.0}
    assert slots.calls == []

    # But for an aggregate that has its own.
    states[0].aggregates = [aggregate(**{option: '1'})]
    weighed(weigher, states, request_)
    assert slots.calls


def test_for_other_guests_placement_is_asked_once_a_while(mixed):
    weigher = load_weigher()
    weighed(weigher, states_of(mixed), spec({}, {}))
    mixed.placement.calls.clear()
    weighed(weigher, states_of(mixed), spec({}, {}))
    assert mixed.calls == []


def test_hosts_are_weighed_together_alone():
    with pytest.raises(NotImplementedError):
        load_weigher()._weigh_object(None, None)


@pytest.mark.parametrize(('multiplier', 'weighs'), [(1.0, True), (0.0, False)])
def test_slots_are_asked_ahead_where_encrypted_guests_are_weighed(
    configured, multiplier, weighs
):
    configured(memory_encryption_weight_multiplier=multiplier)
    weigher = load_weigher()
    assert weigher._lookups.weighs is weighs
