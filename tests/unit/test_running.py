"""What tests/conftest.py promises of how tests run."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(
    'pytest_cov' not in sys.modules and sys.gettrace() is not None,
    reason='something else traces all tests',
)


@pytest.mark.no_cover
def test_what_is_not_measured_is_not_traced():
    assert sys.gettrace() is None


@given(one=st.none())
def test_what_runs_many_examples_is_not_measured(one):
    assert one is None
    assert sys.gettrace() is None
