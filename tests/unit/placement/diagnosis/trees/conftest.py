"""Trees of a Placement in memory, observed for an ordinary guest."""

from __future__ import annotations

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.trees.observed import ObservedTrees
from sev_scheduling.testing import FakePlacement, make_flavor, make_image

AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
QUERY = translate(parse(make_flavor(), make_image()))


@pytest.fixture
def placement():
    return FakePlacement()


def observed(placement, query=QUERY):
    trees = ObservedTrees(Probe(placement), query)
    trees.observe_free()
    trees.ask_around()
    return trees
