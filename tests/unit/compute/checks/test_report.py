from sev_scheduling.compute.checks.report import (
    Check,
    HostReport,
    Status,
    failure,
    run_checks,
    success,
    warning,
)
from sev_scheduling.compute.detection import HostFacts
from sev_scheduling.exceptions import InputError


def bad_input(report):
    raise InputError('one line')


def test_checks_run_in_order_whatever_one_of_them_meets():
    results = run_checks(
        HostReport(facts=HostFacts()),
        [
            ('a', lambda report: success('fine')),
            ('b', bad_input),
            ('c', lambda report: None),
            ('d', lambda report: report.settings and success('never')),
            ('e', lambda report: warning('look')),
            ('f', lambda report: failure('bad')),
        ],
    )

    assert results == (
        Check('a', Status.SUCCESS, 'fine'),
        Check('b', Status.FAILURE, 'one line'),
        Check('e', Status.WARNING, 'look'),
        Check('f', Status.FAILURE, 'bad'),
    )
