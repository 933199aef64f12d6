from collections.abc import Iterator
from typing import Any

import pytest

from sev_scheduling.placement import embedded_placement
from tests.contract.fake_placement import strategies


@pytest.fixture(scope='module')
def real() -> Iterator[Any]:
    """The real Placement, in process."""
    with embedded_placement() as adapter:
        strategies.prepare(adapter)
        yield adapter
