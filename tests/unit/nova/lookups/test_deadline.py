"""How long look-ups may take, and how long a request waits for them."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref

import pytest
from nova.scheduler import request_filter

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups.deadline import HURRY, Budget
from sev_scheduling.nova.lookups.lookups import Lookups
from tests.unit.nova.factories import (
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


class Request:
    """What the steps of one request have in common."""


def run_out(of, clock, request=None):
    """Use up the time of a step; return how long it was."""
    with of.step(request):
        left = of.left()
        clock.now += left
        with pytest.raises(PlacementUnavailable, match='placement_timeout'):
            of.left()
    return pytest.approx(left)


def answer(of, clock, seconds, request=None):
    """Let Placement answer after a while; return what a step was given."""
    with of.step(request):
        left = of.left()
        clock.now += seconds
        assert of.left() > 0
    return pytest.approx(left)


def test_the_time_starts_with_the_first_look_up(clock):
    of = budget(clock)
    with of.step():
        clock.now += 9.0
        assert of.left() == 8.0
        clock.now += 7.0
        assert of.left() == 1.0


def test_a_step_within_another_has_no_time_of_its_own(clock):
    of = budget(clock)
    with of.step(Request()):
        assert of.left() == 8.0
        clock.now += 4.0
        with of.step(), of.step(Request()):
            assert of.left() == 4.0
        assert of.left() == 4.0
    with of.step():
        assert of.left() == 8.0


@pytest.mark.parametrize('timeout', [0.1, 1.0, 10.0, 60.0])
def test_the_steps_of_a_request_wait_in_vain_for_one_time_out(clock, timeout):
    of = budget(clock, timeout)
    request = Request()
    started = clock.now
    steps = [run_out(of, clock, request) for _ in range(4)]
    assert steps == [timeout * share for share in (0.8, 0.16, 0.032, 0.0064)]
    for _ in range(60):
        with of.step(request), contextlib.suppress(PlacementUnavailable):
            clock.now += of.left()
    assert clock.now - started <= timeout * 1.000001


def test_a_step_that_waits_too_long_leaves_those_after_it_nothing(clock):
    of = budget(clock)
    request = Request()
    with of.step(request):
        of.left()
        # A call may take longer than it was told to.
        clock.now += 11.0
    with (
        of.step(request),
        pytest.raises(PlacementUnavailable, match='placement_timeout'),
    ):
        of.left()


def test_what_placement_answers_in_time_is_not_counted(clock):
    of = budget(clock)
    request = Request()
    for _ in range(100):
        assert answer(of, clock, 7.0, request) == 8.0


def test_an_answer_does_not_give_back_what_was_waited_in_vain(clock):
    of = budget(clock)
    request = Request()
    assert run_out(of, clock, request) == 8.0
    assert answer(of, clock, 1.0, request) == 1.6
    assert answer(of, clock, 1.0, request) == 1.6


@pytest.mark.parametrize(
    ('timeout', 'hurried'), [(30.0, 3.0), (10.0, 1.0), (4.0, 1.0), (0.5, 0.5)]
)
def test_requests_that_follow_wait_for_a_tenth(clock, timeout, hurried):
    of = budget(clock, timeout)
    run_out(of, clock, Request())
    for _ in range(2):
        request = Request()
        assert run_out(of, clock, request) == 0.8 * hurried
        assert run_out(of, clock, request) == 0.16 * hurried


def test_a_hurry_ends_by_itself_however_often_the_time_is_over(clock):
    of = budget(clock)
    run_out(of, clock)
    started = clock.now
    while clock.now < started + HURRY:
        assert run_out(of, clock) == 0.8
    assert run_out(of, clock) == 8.0


def test_a_hurry_ends_where_placement_answers(clock):
    of = budget(clock)
    run_out(of, clock)
    request = Request()
    assert answer(of, clock, 0.7, request) == 0.8
    assert answer(of, clock, 0.7, request) == 8.0
    assert answer(of, clock, 0.7) == 8.0


def test_a_step_without_a_look_up_says_nothing_of_placement(clock):
    of = budget(clock)
    run_out(of, clock)
    with of.step():
        pass
    assert run_out(of, clock) == 0.8


def test_each_thread_has_its_own_time(clock):
    of = budget(clock)
    left = []
    with of.step():
        of.left()
        clock.now += 5.0

        def other():
            with of.step():
                left.append(of.left())

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert left == [8.0]
        assert of.left() == 3.0


def test_a_request_is_not_kept(clock):
    of = budget(clock)
    request = Request()
    answer(of, clock, 1.0, request)
    kept = weakref.ref(request)
    del request
    assert kept() is None


class Hanging:
    """A client of a Placement that takes calls and does not answer."""

    def __init__(self, budget, clock):
        self.budget = budget
        self.clock = clock

    def call(self, *_, **__):
        self.clock.now += self.budget.left()
        raise PlacementUnavailable('Placement did not answer.')

    supports = allocation_candidates = call


@pytest.mark.parametrize('policy', ['protected', 'pass'])
def test_a_request_waits_for_placement_no_longer_than_the_time_out(
    world, configured, monkeypatch, clock, policy
):
    world.host('alpha')
    # Nova weighs no host that is alone.
    world.host('beta')
    states = world.hosts_for(spec())
    configured(placement_timeout=10.0, on_placement_failure=policy)
    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.shared.Lookups',
        functools.partial(Lookups, clock=clock),
    )
    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.lookups.placement_client',
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

    assert schedule() == pytest.approx(8.0 + 1.6 + 0.32)
    # The next ones wait less.
    assert schedule() == pytest.approx(0.8 + 0.16 + 0.032)
