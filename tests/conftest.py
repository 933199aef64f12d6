"""How tests run: how many at one time, generated from what, measured or not.

Tracing takes more time than the code it traces, and it traces nova's and
Placement's too. Coverage is of the unit tests, and of those contract tests
that run the commands and load clouds. What runs thousands of examples, or
nova's own code for seconds, is left out: other tests reach the same lines.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test is timed, and where CI is set each run has the same examples: the
# oldest hypothesis that is supported does neither by itself.
settings.register_profile(
    'tests',
    settings(),
    deadline=None,
    derandomize='CI' in os.environ,
)
settings.load_profile('tests')

_TESTS = Path(__file__).parent
_MEASURED = [
    _TESTS / name
    for name in (
        'contract/cli_placement',
        'contract/test_embedded_placement.py',
        'unit',
    )
]
_UNMEASURED = [
    _TESTS / name
    for name in (
        'contract/cli_placement/test_hostile_names.py',
        'unit/audit/test_audit.py',
        'unit/audit/test_pair.py',
        'unit/nova/servers/test_image_record.py',
        'unit/nova/test_faults.py',
        'unit/nova/test_rebuild_refused.py',
    )
]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run one test more than there are cores: some wait for processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let a worker of xdist measure once.

    pytest-cov 7.1 measures since the worker's start, and starts another one
    after this: ``no_cover`` would stop the second alone.
    """
    config = session.config
    if config.pluginmanager.hasplugin('pytest_cov') and hasattr(
        config, 'workerinput'
    ):
        import coverage

        running = coverage.Coverage.current()
        if running is not None:
            running.stop()


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if not config.pluginmanager.hasplugin('pytest_cov'):
        return
    for item in items:
        test = getattr(item, 'obj', None)
        generated = getattr(test, 'is_hypothesis_test', False)
        long = item.get_closest_marker('long')
        if generated or long or not _is_measured(item.path):
            item.add_marker(pytest.mark.no_cover)


@functools.cache
def _is_measured(file: Path) -> bool:
    below = file.is_relative_to
    return any(map(below, _MEASURED)) and not any(map(below, _UNMEASURED))
