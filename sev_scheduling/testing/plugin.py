"""Fixtures for pytest.

Switch them on in the ``conftest.py`` at the top of your tests::

    pytest_plugins = ['sev_scheduling.testing.plugin']
"""

from __future__ import annotations

import pytest

from sev_scheduling.placement import PlacementClient
from sev_scheduling.testing import FakePlacement


@pytest.fixture
def fake_placement() -> FakePlacement:
    """A Placement in memory, without hosts."""
    return FakePlacement()


@pytest.fixture
def placement_client(fake_placement: FakePlacement) -> PlacementClient:
    """A client of ``fake_placement``."""
    return fake_placement.client()
