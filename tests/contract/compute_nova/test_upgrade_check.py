"""``node check`` prints and exits as oslo.upgradecheck does."""

import contextlib
import io
import json
import types

import pytest

from sev_scheduling.compute import (
    Check,
    CheckKind,
    Note,
    NoteCode,
    Status,
)

upgradecheck = pytest.importorskip(
    'oslo_upgradecheck.upgradecheck',
    reason='oslo.upgradecheck is not installed',
)
checks = pytest.importorskip(
    'sev_scheduling.cli.checks', reason='cliff is not installed'
)


TITLE = 'Memory Encryption Check Results'


def result(kind, status, code, **values):
    return Check(kind, status, Note(code, values))


RESULTS = (
    result(
        CheckKind.KERNEL,
        Status.SUCCESS,
        NoteCode.KERNEL_ON,
        models=('amd-sev',),
    ),
    result(
        CheckKind.CONFIG_DRIVE,
        Status.WARNING,
        NoteCode.UNUSABLE_INPUT,
        error='It is on IDE. ' * 9,
    ),
    result(CheckKind.SLOTS, Status.FAILURE, NoteCode.HOST_SLOTS, slots=()),
)


def commands(results):
    def result(status, details):
        return lambda self: upgradecheck.Result(
            upgradecheck.Code(int(status)), details
        )

    made = upgradecheck.UpgradeCommands()
    made.display_title = TITLE
    # Bound as nova-status does it: functions of the class.
    made._upgrade_checks = tuple(
        (r.name, result(r.status, r.details)) for r in results
    )
    return made


def printed(function, *arguments):
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        function(*arguments)
    return stream.getvalue()


def test_the_table_is_the_same():
    ours = printed(checks.print_table, TITLE, RESULTS)

    assert ours == printed(commands(RESULTS).check)
    assert 'Result: Warning' in ours


def test_the_json_is_the_same(monkeypatch):
    monkeypatch.setattr(
        upgradecheck,
        'CONF',
        types.SimpleNamespace(command=types.SimpleNamespace(json=True)),
    )

    theirs = json.loads(printed(commands(RESULTS).check))

    assert json.loads(checks.as_json(TITLE, RESULTS)) == theirs


def test_the_statuses_are_the_same():
    assert {status.name: int(status) for status in Status} == {
        code.name: int(code) for code in upgradecheck.Code
    }


@pytest.mark.parametrize('count', [1, 2, 3])
def test_the_worst_status_is_the_exit_status(count):
    results = RESULTS[:count]

    with contextlib.redirect_stdout(io.StringIO()):
        status = commands(results).check()

    assert status == max(result.status for result in results)
