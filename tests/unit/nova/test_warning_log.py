from __future__ import annotations

import logging
import threading

import pytest

from sev_scheduling.nova import warning_log
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.warning_log import Guard, Warnings
from tests.unit.nova.factories import ON, Q35, spec


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


def fail():
    raise KeyError('ours')


def fail_otherwise():
    raise ValueError('ours')


def test_a_fault_is_logged_once_a_minute_by_the_line_that_raised_it(
    caplog, clock
):
    guard = Guard(Options(), Warnings())
    assert guard.run(lambda: 1, lambda: 2) == 1
    assert caplog.records == []
    for _ in range(3):
        assert guard.run(fail, lambda: 2) == 2
    assert guard.run(lambda: fail_otherwise(), lambda: 3) == 3
    errors = [str(record.exc_info[1]) for record in caplog.records]
    assert errors == ["'ours'", 'ours']
    assert {record.levelname for record in caplog.records} == {'ERROR'}
    clock.now += 60
    guard.run(fail, lambda: 2)
    assert len(caplog.records) == 3


REFUSE = Options(on_placement_failure='refuse')


@pytest.mark.parametrize(
    ('options', 'request_', 'refused'),
    [
        pytest.param(REFUSE, spec(), True, id='an encrypted guest'),
        pytest.param(
            REFUSE,
            spec(ON, {**Q35, 'hw_mem_encryption': 'false'}),
            True,
            id='one that nova refuses too',
        ),
        pytest.param(REFUSE, spec({}), False, id='another guest'),
        pytest.param(Options(), spec(), False, id='another policy'),
        pytest.param(
            Options(on_placement_failure='pass'), spec(), False, id='pass'
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_where_the_policy_says_so(
    options, request_, refused
):
    assert Guard(options, Warnings()).refuses(request_) is refused


def test_the_reason_is_a_sentence_or_nothing(monkeypatch, caplog):
    guard = Guard(REFUSE, Warnings())
    assert 0 < len(guard.reason(200)) <= 200
    monkeypatch.setattr(warning_log, 'explain', lambda _: fail())
    assert guard.reason(200) == ''
    assert len(caplog.records) == 1
