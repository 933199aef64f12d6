import inspect
import pickle

import pytest

from sev_scheduling import (
    InvalidRequest,
    NoCapacity,
    SevSchedulingError,
    exceptions,
    explain,
    filter_hosts,
    validate,
)
from tests.unit.factories import encrypted

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
    problems = validate(
        encrypted({}, {'hw_firmware_type': None, 'hw_machine_type': None})
    )
    error = InvalidRequest(problems)

    assert [p.is_error for p in problems] == [True, False]
    assert str(error) == problems[0].message
    assert error.problems == problems


@pytest.mark.parametrize(
    ('facts', 'says'),
    [
        ({}, 'No host can take the guest.'),
        ({'moving': True}, 'No other host can take the guest.'),
        ({'count': 3}, 'No host can take any of the 3 guests.'),
        (
            {'count': 4, 'fit': 3},
            'Only 3 of 4 guests fit, so none was placed; ask for 3, or free '
            'slots.',
        ),
    ],
)
def test_no_capacity_has_numbers_and_an_explanation(facts, says):
    explanation = explain(filter_hosts(encrypted(), []))
    error = NoCapacity(explanation, **facts)

    assert (error.explanation, error.diagnosis) == (explanation, None)
    assert (error.count, error.fit) == (
        facts.get('count', 1),
        facts.get('fit', 0),
    )
    assert str(error) == says


def test_no_capacity_can_be_sent_to_another_process():
    explanation = explain(filter_hosts(encrypted(), []))
    error = NoCapacity(explanation, count=4, fit=3)
    twin = pickle.loads(pickle.dumps(error))

    assert str(twin) == str(error)
    assert twin.explanation.operator() == explanation.operator()
