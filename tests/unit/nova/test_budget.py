"""How long look-ups may take, and how long a request waits for them."""

from __future__ import annotations

import functools
import threading

import pytest
from nova.scheduler import request_filter

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.budget import HURRY, Budget
from sev_scheduling.nova.lookups import Lookups
from tests.unit.nova.world import (
    ON,
    UEFI,
    load_filter,
    load_weigher,
    passing,
    spec,
    weighed,
)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def budget(clock, seconds=10.0):
    return Budget(lambda: seconds, clock)


def run_out(of, clock):
    """Use up the time of a step; return how long it was."""
    with of:
        left = of.left()
        clock.now += left
        with pytest.raises(PlacementUnavailable, match='placement_timeout'):
            of.left()
    return left


def test_the_time_starts_with_the_first_look_up(clock):
    of = budget(clock)
    with of:
        clock.now += 9.0
        assert of.left() == 10.0
        clock.now += 9.0
        assert of.left() == 1.0


def test_a_step_within_another_has_no_time_of_its_own(clock):
    of = budget(clock)
    with of:
        assert of.left() == 10.0
        clock.now += 4.0
        with of:
            assert of.left() == 6.0
        assert of.left() == 6.0
    with of:
        assert of.left() == 10.0


@pytest.mark.parametrize(
    ('timeout', 'hurried'), [(30.0, 3.0), (10.0, 1.0), (4.0, 1.0), (0.5, 0.5)]
)
def test_after_a_time_out_a_tenth_is_left(clock, timeout, hurried):
    of = budget(clock, timeout)
    assert run_out(of, clock) == timeout
    assert run_out(of, clock) == hurried
    assert run_out(of, clock) == hurried


def test_a_hurry_ends_by_itself_however_often_the_time_is_over(clock):
    of = budget(clock)
    run_out(of, clock)
    started = clock.now
    while clock.now < started + HURRY:
        assert run_out(of, clock) == 1.0
    assert run_out(of, clock) == 10.0


def test_a_hurry_ends_where_placement_answers(clock):
    of = budget(clock)
    run_out(of, clock)
    with of:
        assert of.left() == 1.0
        clock.now += 0.9
    with of:
        assert of.left() == 10.0


def test_a_step_without_a_look_up_says_nothing_of_placement(clock):
    of = budget(clock)
    run_out(of, clock)
    with of:
        pass
    assert run_out(of, clock) == 1.0


def test_each_thread_has_its_own_time(clock):
    of = budget(clock)
    left = []
    with of:
        of.left()
        clock.now += 5.0

        def other():
            with of:
                left.append(of.left())

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert left == [10.0]
        assert of.left() == 5.0


class Hanging:
    """A client of a Placement that takes calls and does not answer."""

    def __init__(self, budget, clock):
        self.budget = budget
        self.clock = clock

    def call(self, *_, **__):
        self.clock.now += self.budget.left()
        raise PlacementUnavailable('Placement did not answer.')

    supports = call


@pytest.mark.parametrize('policy', ['protected', 'pass'])
def test_a_request_waits_for_placement_once_and_not_for_each_step(
    world, configured, monkeypatch, clock, policy
):
    world.host('alpha')
    # Nova weighs no host that is alone.
    world.host('beta')
    states = world.hosts_for(spec())
    configured(placement_timeout=10.0, on_placement_failure=policy)
    monkeypatch.setattr(
        'sev_scheduling.nova.shared.Lookups',
        functools.partial(Lookups, clock=clock),
    )
    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.placement_client',
        lambda budget: Hanging(budget, clock),
    )
    plugin, weigher = load_filter(), load_weigher()
    ask = request_filter.ALL_REQUEST_FILTERS[-1]

    def schedule():
        started = clock.now
        # Whether hosts publish q35 is looked up, as the image names no type.
        request = spec(ON, UEFI)
        ask(None, request)
        assert passing(plugin, states, request) == ['alpha', 'beta']
        assert not any(weighed(weigher, states, request).values())
        return clock.now - started

    assert schedule() == 12.0
    # Nor do the next ones.
    assert schedule() == 3.0
