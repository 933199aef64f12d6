import inspect

import pytest

from sev_scheduling import (
    Code,
    InvalidRequest,
    NoCapacity,
    Problem,
    Severity,
    SevSchedulingError,
    exceptions,
)

CHILDREN = [
    error
    for error in vars(exceptions).values()
    if inspect.isclass(error) and issubclass(error, Exception)
]


@pytest.mark.parametrize('error', CHILDREN, ids=lambda error: error.__name__)
def test_the_root_catches_everything(error):
    assert issubclass(error, SevSchedulingError)
    assert error.__name__ in exceptions.__doc__


def test_an_invalid_request_says_its_errors_and_keeps_all_problems():
    problems = tuple(
        Problem(Code.HOST_DEVICE, severity, 'request', message, '')
        for severity, message in (
            (Severity.ERROR, 'One.'),
            (Severity.ERROR, 'Two.'),
            (Severity.WARNING, 'Three.'),
        )
    )
    error = InvalidRequest(problems)

    assert str(error) == 'One. Two.'
    assert error.problems == problems


def test_no_capacity_may_be_explained():
    assert NoCapacity('No.').explanation is None
    assert NoCapacity('No.', 'why').explanation == 'why'
