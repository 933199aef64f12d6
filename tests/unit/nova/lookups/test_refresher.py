"""Answers renewed behind the back of requests: who waits, and what runs."""

from __future__ import annotations

import _thread
import logging
import subprocess
import sys
import threading

import pytest

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups.cache import STALE, Cache
from sev_scheduling.nova.lookups.deadline import CircuitBreaker, Deadline
from sev_scheduling.nova.lookups.refresher import Refresher
from sev_scheduling.nova.warning_log import Warnings


def deadline():
    return Deadline(10.0, CircuitBreaker())


def finish(refresher):
    assert refresher._idle.wait(10)


class Placement:
    """Answers each question with its number, held back on demand."""

    def __init__(self):
        self.asked_by = []
        self.asked = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self.error = None

    def __call__(self, deadline):
        self.asked_by.append(threading.current_thread())
        number = len(self.asked_by)
        self.asked.release()
        assert self.go_on.wait(10)
        if self.error:
            raise self.error
        return number


@pytest.fixture
def placement():
    return Placement()


@pytest.fixture
def refresher(placement):
    refresher = Refresher(deadline, Warnings())
    yield refresher
    placement.go_on.set()
    finish(refresher)


@pytest.mark.parametrize(
    ('age', 'answer', 'renewed'),
    [
        (0.0, 1, False),
        (59.9, 1, False),
        (60.0, 1, True),
        (60.0 * STALE - 0.1, 1, True),
        # Too old: this request waits.
        (60.0 * STALE, 2, False),
    ],
)
def test_no_request_waits_while_an_answer_is_good_enough(
    clock, placement, refresher, age, answer, renewed
):
    cache = Cache(placement, 60.0)
    here = threading.current_thread()
    assert cache.get_at_once(deadline(), refresher.renew) == 1
    clock.now += age
    assert cache.get_at_once(deadline(), refresher.renew) == answer
    finish(refresher)
    elsewhere = [one for one in placement.asked_by if one is not here]
    assert len(elsewhere) == renewed
    assert cache.last == (2 if renewed else answer)


def test_without_a_time_each_request_asks(placement, refresher):
    cache = Cache(placement, 0.0)
    found = [cache.get_at_once(deadline(), refresher.renew) for _ in range(3)]
    assert found == [1, 2, 3]
    assert {*placement.asked_by} == {threading.current_thread()}


def test_one_thread_asks_once_for_all_requests_meanwhile(
    clock, placement, refresher
):
    cache, other = Cache(placement, 60.0), Cache(placement, 60.0)
    for one in (cache, other):
        one.get(deadline())
    clock.now += 60.0
    placement.go_on.clear()
    for _ in range(5):
        assert cache.get_at_once(deadline(), refresher.renew) == 1
        assert other.get_at_once(deadline(), refresher.renew) == 2
    placement.go_on.set()
    finish(refresher)
    assert {cache.last, other.last} == {3, 4}
    assert len({*placement.asked_by[2:]}) == 1


def test_the_thread_does_not_outlive_the_process(clock, placement, refresher):
    cache = Cache(placement, 60.0)
    cache.get(deadline())
    clock.now += 60.0
    placement.go_on.clear()
    cache.get_at_once(deadline(), refresher.renew)
    for _ in range(2):
        assert placement.asked.acquire(timeout=10)
    thread = placement.asked_by[1]
    assert (thread.daemon, thread.name) == (True, 'sev_scheduling refresher')


@pytest.mark.parametrize(
    ('error', 'level'),
    [
        (PlacementUnavailable('It is down.'), logging.WARNING),
        (KeyError('a fault of ours'), logging.ERROR),
    ],
)
def test_a_failure_is_logged_and_the_next_request_tries_again(
    clock, placement, refresher, caplog, error, level
):
    cache = Cache(placement, 60.0)
    cache.get(deadline())
    clock.now += 60.0
    placement.error = error
    assert cache.get_at_once(deadline(), refresher.renew) == 1
    finish(refresher)
    assert [record.levelno for record in caplog.records] == [level]
    placement.error = None
    assert cache.get_at_once(deadline(), refresher.renew) == 1
    finish(refresher)
    assert cache.last == 3


def test_no_request_waits_until_the_thread_runs(
    clock, placement, refresher, monkeypatch
):
    """For that, the threads of all others have to let go of Python."""
    go_on, start = threading.Event(), threading.Thread.start

    def late(thread):
        assert go_on.wait(10)
        start(thread)

    cache = Cache(placement, 60.0)
    cache.get(deadline())
    clock.now += 60.0
    monkeypatch.setattr(threading.Thread, 'start', late)
    assert cache.get_at_once(deadline(), refresher.renew) == 1
    go_on.set()
    finish(refresher)
    assert cache.last == 2


@pytest.mark.parametrize(
    ('where', 'name'),
    [(threading.Thread, 'start'), (_thread, 'start_new_thread')],
)
def test_a_process_without_room_for_a_thread_is_tried_again(
    clock, placement, refresher, monkeypatch, caplog, where, name
):
    cache = Cache(placement, 60.0)
    cache.get(deadline())
    clock.now += 60.0

    def full(*args):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(where, name, full)
        assert cache.get_at_once(deadline(), refresher.renew) == 1
        finish(refresher)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    cache.get_at_once(deadline(), refresher.renew)
    finish(refresher)
    assert cache.last == 2


_UNDER_EVENTLET = """
from nova import monkey_patch
monkey_patch.patch(backend='eventlet')
import eventlet.patcher, threading
assert eventlet.patcher.is_monkey_patched('thread')
from sev_scheduling.nova.lookups.cache import Cache
from sev_scheduling.nova.lookups.deadline import CircuitBreaker, Deadline
from sev_scheduling.nova.lookups.refresher import Refresher
from sev_scheduling.nova.warning_log import Warnings

def deadline():
    return Deadline(10.0, CircuitBreaker())

answers = iter('ab')
asking, go_on = threading.Event(), threading.Event()

def ask(deadline):
    answer = next(answers)
    if answer == 'b':
        asking.set()
        assert go_on.wait(10)
    return answer

cache = Cache(ask, 0.001)
refresher = Refresher(deadline, Warnings())
assert cache.get(deadline()) == 'a'
cache._asked_at -= 0.002
assert cache.get_at_once(deadline(), refresher.renew) == 'a'
assert asking.wait(10)
go_on.set()
assert refresher._idle.wait(10)
assert cache.last == 'b'
"""


#: As nova-scheduler does: what it is made of is there before it forks.
_FORKED = """
import os, threading
from sev_scheduling.nova.lookups.cache import Cache
from sev_scheduling.nova.lookups.deadline import CircuitBreaker, Deadline
from sev_scheduling.nova.lookups.refresher import Refresher
from sev_scheduling.nova.warning_log import Warnings

answers = iter('ab')
cache = Cache(lambda deadline: (next(answers), os.getpid()), 0.001)
refresher = Refresher(lambda: Deadline(10.0, CircuitBreaker()), Warnings())
assert threading.active_count() == 1
worker = os.fork()
if not worker:
    deadline = refresher._deadline()
    assert cache.get_at_once(deadline, refresher.renew)[0] == 'a'
    cache._asked_at -= 0.002
    assert cache.get_at_once(deadline, refresher.renew)[0] == 'a'
    assert refresher._idle.wait(10)
    assert cache.last == ('b', os.getpid())
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
assert cache.last is None
"""


@pytest.mark.parametrize('program', [_UNDER_EVENTLET, _FORKED])
def test_it_runs_in_each_kind_of_process_of_nova(program):
    """Nova's choice of threads is for a whole process."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
