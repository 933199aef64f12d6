from __future__ import annotations

import logging
import threading

import pytest

from sev_scheduling.nova.warning_log import Warnings


@pytest.fixture
def now(monkeypatch):
    now = [5.0]
    monkeypatch.setattr(
        'sev_scheduling.nova.warning_log.time.monotonic', lambda: now[0]
    )
    return now


def said(caplog):
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_each_is_said_once_a_minute_by_what_it_is_about(caplog, now):
    warnings = Warnings()
    with caplog.at_level(logging.WARNING):
        warnings.say('a', 'first')
        warnings.say('a', 'of the same')
        warnings.say('b', 'of another')
        assert said(caplog) == ['first', 'of another']
        now[0] = 64.9
        warnings.say('a', 'too early')
        assert said(caplog) == []
        now[0] = 65.0
        warnings.say('a', 'again')
        assert said(caplog) == ['again']


def test_of_many_threads_one_says_it(caplog, now):
    warnings = Warnings()
    together = threading.Barrier(8)

    def say():
        together.wait(10)
        warnings.say('a', 'once')

    with caplog.at_level(logging.WARNING):
        threads = [threading.Thread(target=say) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said(caplog) == ['once']


def test_a_percent_sign_is_a_percent_sign(caplog, now):
    with caplog.at_level(logging.WARNING):
        Warnings().say('a', '100 %s')
    assert said(caplog) == ['100 %s']
