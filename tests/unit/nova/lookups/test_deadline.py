"""How long requests wait for a Placement that does not answer."""

from __future__ import annotations

import threading

import pytest
from nova.scheduler import request_filter

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups.deadline import (
    OPEN_SECONDS,
    CircuitBreaker,
    Deadline,
)
from tests.unit.nova.factories import (
    ON,
    UEFI,
    load_filter,
    load_weigher,
    passing,
    spec,
    weighed,
)

IN_VAIN = 'within placement_timeout'


@pytest.fixture
def breaker():
    return CircuitBreaker()


def make(breaker, seconds=10.0):
    return Deadline(seconds, breaker)


def call(deadline, clock, seconds):
    """Make a call that takes a while."""
    with deadline.call():
        clock.now += seconds


def refused(deadline):
    with pytest.raises(PlacementUnavailable, match=IN_VAIN):
        deadline.call().__enter__()


def is_open(breaker):
    try:
        breaker.admit()
    except PlacementUnavailable:
        return True
    return False


# The deadline of a request


def test_the_calls_of_a_step_have_one_time_out_together(clock, breaker):
    deadline = make(breaker)
    call(deadline, clock, 6.0)
    assert deadline.left() == 4.0
    call(deadline, clock, 3.0)
    assert deadline.left() == 1.0


@pytest.mark.parametrize('timeout', [0.1, 1.0, 10.0, 60.0])
def test_a_request_waits_in_vain_for_one_time_out_in_all_its_steps(
    clock, breaker, timeout
):
    deadline = make(breaker, timeout)
    started = clock.now
    call(deadline, clock, timeout)
    for _ in range(60):
        deadline.start_step()
        refused(deadline)
    assert clock.now - started == pytest.approx(timeout)
    # Nor does it wait again as the probe, however long it goes on.
    clock.now += OPEN_SECONDS
    deadline.start_step()
    refused(deadline)


def test_what_is_answered_in_time_does_not_count(clock, breaker):
    """A request for many guests takes many steps."""
    deadline = make(breaker)
    for _ in range(100):
        deadline.start_step()
        call(deadline, clock, 7.0)
        assert deadline.left() == 3.0
    assert not is_open(breaker)


def test_a_step_whose_calls_are_each_in_time_but_too_many_is_too_late(
    clock, breaker
):
    deadline = make(breaker)
    for _ in range(4):
        call(deadline, clock, 2.5)
    refused(deadline)
    assert is_open(breaker)


def test_time_between_the_steps_does_not_count(clock, breaker):
    """Nova itself asks Placement, and waits for it as long as it takes."""
    deadline = make(breaker)
    clock.now += 60.0
    deadline.start_step()
    assert deadline.left() == 10.0


# The circuit breaker


def test_requests_that_follow_one_in_vain_do_not_wait(clock, breaker):
    call(make(breaker), clock, 10.0)
    for _ in range(3):
        refused(make(breaker))
    clock.now += OPEN_SECONDS - 0.1
    refused(make(breaker))


def test_half_open_it_lets_one_call_through(clock, breaker):
    breaker.open()
    clock.now += OPEN_SECONDS
    probe = make(breaker)
    with probe.call():
        refused(make(breaker))
    # It was answered.
    call(make(breaker), clock, 1.0)


def test_a_probe_in_vain_keeps_it_open(clock, breaker):
    breaker.open()
    clock.now += OPEN_SECONDS
    call(make(breaker), clock, 10.0)
    refused(make(breaker))
    clock.now += OPEN_SECONDS
    assert not is_open(breaker)


def test_a_probe_that_never_ends_is_followed_by_another(clock, breaker):
    breaker.open()
    for _ in range(2):
        clock.now += OPEN_SECONDS
        assert not is_open(breaker)
        assert is_open(breaker)


@pytest.mark.parametrize(
    ('seconds', 'opens'), [(9.9, False), (10.0, True)], ids=['soon', 'late']
)
def test_a_failure_opens_it_only_where_the_time_is_over(
    clock, breaker, seconds, opens
):
    """A connection that is refused costs no time."""

    def fail():
        with make(breaker).call():
            clock.now += seconds
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fail()
    assert is_open(breaker) is opens


def test_of_threads_that_come_at_once_one_is_the_probe(clock, breaker):
    breaker.open()
    clock.now += OPEN_SECONDS
    together = threading.Barrier(8)
    admitted = []

    def come():
        together.wait(10)
        if not is_open(breaker):
            admitted.append(True)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert admitted == [True]


# A request on its way through the plug-in


@pytest.mark.parametrize('policy', ['protected', 'pass'])
def test_a_request_waits_for_placement_no_longer_than_the_time_out(
    world, configured, connect, clock, policy
):
    world.host('alpha')
    # Nova weighs no host that is alone.
    world.host('beta')
    states = world.hosts_for(spec())
    configured(placement_timeout=10.0, on_placement_failure=policy)

    class Hanging:
        """A client of a Placement that takes calls and does not answer."""

        def __init__(self, deadline):
            self.deadline = deadline

        def __getattr__(self, name):
            def hang(*args, **kwargs):
                with self.deadline.call():
                    clock.now += self.deadline.left()
                    raise PlacementUnavailable('Placement did not answer.')

            return hang

    connect(Hanging)
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

    assert schedule() == pytest.approx(10.0)
    # The next ones do not wait.
    assert schedule() == 0.0
