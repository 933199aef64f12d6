"""Answers that threads share: who asks, who waits, and for how long."""

from __future__ import annotations

import threading

import pytest

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups.cache import Cache
from sev_scheduling.nova.lookups.deadline import CircuitBreaker, Deadline


def deadline(seconds=10.0):
    return Deadline(seconds, CircuitBreaker())


class Placement:
    """Answers each question with its number, held back on demand."""

    def __init__(self):
        self.asked = 0
        self.asking, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.error = None

    def __call__(self, deadline):
        self.asked += 1
        number = self.asked
        self.asking.set()
        assert self.go_on.wait(10)
        if self.error:
            raise self.error
        return number

    def hold(self):
        self.asking.clear()
        self.go_on.clear()


@pytest.fixture
def placement():
    return Placement()


def start(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_an_answer_is_given_until_it_is_too_old(clock, placement):
    cache = Cache(placement, 60.0)
    for passed, answer in ((0.0, 1), (59.9, 1), (0.1, 2), (1.0, 2)):
        clock.now += passed
        assert cache.get(deadline()) == answer
    assert cache.last == 2


def test_without_a_time_each_asks(placement):
    cache = Cache(placement, 0.0)
    assert [cache.get(deadline()) for _ in range(3)] == [1, 2, 3]


def test_a_failure_leaves_the_last_answer(clock, placement):
    cache = Cache(placement, 60.0)
    cache.get(deadline())
    clock.now += 60.0
    placement.error = PlacementUnavailable('It is down.')
    with pytest.raises(PlacementUnavailable):
        cache.get(deadline())
    assert cache.last == 1
    placement.error = None
    assert cache.get(deadline()) == 3


def test_one_asks_while_the_others_wait_for_the_first_answer(placement):
    cache = Cache(placement, 60.0)
    placement.hold()
    answers = []
    threads = [
        start(lambda: answers.append(cache.get(deadline()))) for _ in range(8)
    ]
    assert placement.asking.wait(10)
    placement.go_on.set()
    for thread in threads:
        thread.join(10)
    assert answers == [1] * 8


def test_one_asks_while_the_others_get_the_last_answer_at_once(
    clock, placement
):
    cache = Cache(placement, 60.0)
    cache.get(deadline())
    clock.now += 60.0
    placement.hold()
    answers = []
    thread = start(lambda: answers.append(cache.get(deadline())))
    assert placement.asking.wait(10)
    assert [cache.get(deadline()) for _ in range(3)] == [1, 1, 1]
    placement.go_on.set()
    thread.join(10)
    assert answers == [2]


def test_who_needs_a_newer_answer_waits_for_it(clock, placement):
    """Another thread may have asked by then, and too early."""
    cache = Cache(placement, 60.0)
    placement.hold()
    thread = start(lambda: cache.get(deadline()))
    assert placement.asking.wait(10)
    clock.now += 1.0
    since = clock.now
    clock.now += 1.0
    answers = []
    waiting = start(lambda: answers.append(cache.ask_since(since, deadline())))
    placement.go_on.set()
    for one in (thread, waiting):
        one.join(10)
    assert answers == [2]
    # By now there is one.
    assert cache.ask_since(since, deadline()) == 2


def test_who_waits_for_another_thread_waits_no_longer_than_the_time_out(
    placement,
):
    cache = Cache(placement, 60.0)
    placement.hold()
    thread = start(lambda: cache.get(deadline()))
    assert placement.asking.wait(10)
    patience = deadline(0.05)
    with pytest.raises(PlacementUnavailable, match='placement_timeout'):
        cache.get(patience)
    # And not a second time.
    patience.start_step()
    with pytest.raises(PlacementUnavailable):
        patience.left()
    placement.go_on.set()
    thread.join(10)
    assert cache.get(deadline()) == 1
