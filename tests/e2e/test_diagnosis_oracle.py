"""The diagnosis against brute force, on a hundred clouds of the real thing."""

from __future__ import annotations

import pytest

from sev_scheduling.placement import embedded_placement
from tests.contract.placement.conftest import World
from tests.contract.placement.oracle import KINDS, RealWorld, score

#: Clouds of a kind; other ones than those of the contract tests.
SEEDS = range(100, 100 + 100 // len(KINDS))


@pytest.fixture(scope='module')
def real():
    with embedded_placement() as adapter:
        yield RealWorld(World(adapter))


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_named_is_what_is_in_the_way(real: RealWorld, kind: str):
    found = {seed: score(real, seed, kind) for seed in SEEDS}
    assert {n: one.wrong for n, one in found.items() if one.wrong} == {}
    unclear = sum(one.unclear for one in found.values())
    assert unclear <= (kind != 'plain') * len(SEEDS) // 3
