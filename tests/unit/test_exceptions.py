import inspect
import pickle

import pytest

from sev_scheduling import (
    InputError,
    InvalidRequest,
    NoCapacity,
    SevSchedulingError,
    exceptions,
    explain,
    filter_hosts,
    validate,
)
from sev_scheduling.exceptions import needed
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
            '3 of 4 guests fit, so none was placed; ask for 3.',
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


@pytest.mark.parametrize('module', ['no_such_library', 'no_such_library.part'])
def test_a_missing_library_is_named_with_the_extra_that_brings_it(module):
    with (
        pytest.raises(InputError) as caught,
        needed('embedded', 'The demo'),
    ):
        __import__(module)

    assert str(caught.value) == (
        'The demo needs no_such_library, which is not installed; install it '
        "with pip install 'sev-scheduling[embedded]', or in the source tree "
        "with pip install '.[embedded]'."
    )


def test_another_way_ends_the_message():
    with (
        pytest.raises(InputError, match=r"\[nova\]'\. Or go where it is\.$"),
        needed('nova', 'It', 'Or go where it is.'),
    ):
        import no_such_library  # noqa: F401


def test_a_missing_module_of_our_own_is_a_defect():
    with pytest.raises(ModuleNotFoundError), needed('cli', 'It'):
        import sev_scheduling.no_such_module  # noqa: F401


def test_a_library_that_lacks_a_name_is_not_taken_for_missing():
    with pytest.raises(ImportError, match='cannot import'), needed('x', 'It'):
        from json import no_such_name  # noqa: F401
