from __future__ import annotations

import logging
import threading

from sev_scheduling.nova.warning_log import Warnings


def said(caplog):
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_each_is_said_once_a_minute_by_what_it_is_about(caplog, clock):
    warnings = Warnings()
    with caplog.at_level(logging.WARNING):
        warnings.say('a', 'first')
        warnings.say('a', 'of the same')
        warnings.say('b', 'of another')
        assert said(caplog) == ['first', 'of another']
        clock.now += 59.9
        warnings.say('a', 'too early')
        assert said(caplog) == []
        clock.now += 0.1
        warnings.say('a', 'again')
        assert said(caplog) == ['again']


def test_of_many_threads_one_says_it(caplog, clock):
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


def test_a_percent_sign_is_a_percent_sign(caplog, clock):
    with caplog.at_level(logging.WARNING):
        Warnings().say('a', '100 %s')
    assert said(caplog) == ['100 %s']
