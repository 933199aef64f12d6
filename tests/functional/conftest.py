"""Nova's functional stack, before anything else is imported."""

import os
import warnings

import pytest

# Seconds for one test; nova's base class keeps to it.
os.environ.setdefault('OS_TEST_TIMEOUT', '1200')

with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    # Nova patches the standard library here where its release does so.
    import nova.tests.functional  # noqa: F401


pytest.register_assert_rewrite('tests.functional.cloud')


def pytest_configure(config: pytest.Config) -> None:
    # Nova and its libraries deprecate each other by the hundred.
    for category in ('DeprecationWarning', 'PendingDeprecationWarning'):
        config.addinivalue_line('filterwarnings', f'ignore::{category}')
