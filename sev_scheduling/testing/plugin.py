"""Fixtures for pytest, there wherever sev-scheduling is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sev_scheduling.placement import PlacementClient
    from sev_scheduling.testing import FakePlacement


@pytest.fixture
def fake_placement() -> FakePlacement:
    """A Placement in memory, without hosts."""
    from sev_scheduling.testing import FakePlacement

    return FakePlacement()


@pytest.fixture
def placement_client(fake_placement: FakePlacement) -> PlacementClient:
    """A client of ``fake_placement``."""
    return fake_placement.client()
