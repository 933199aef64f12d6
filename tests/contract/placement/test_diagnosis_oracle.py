"""The diagnosis against brute force, on clouds that are drawn by seed.

Most on the Placement in memory, which the contract tests hold against the
real one; of the real one ``--clouds``, which take a second each.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.placement.oracle import (
    KINDS,
    FakeWorld,
    RealWorld,
    Score,
    World,
    score,
)

pytestmark = pytest.mark.long

#: Of a kind, on the Placement in memory.
IN_MEMORY = 25
#: One in so many may stay unclear, of the kinds that take the most calls; of
#: plain clouds none.
UNCLEAR = 4


def scores(world: World, kind: str, number: int) -> Iterator[Score]:
    for seed in range(number):
        found = score(world, seed, kind)
        assert not found.wrong, f'{kind} {seed}: {found}'
        yield found


def unclear(found: list[Score]) -> int:
    return sum(one.unclear for one in found)


@pytest.fixture
def clouds(request: pytest.FixtureRequest) -> int:
    """How many clouds of a kind."""
    wanted = request.config.getoption('--clouds', None) or len(KINDS)
    return max(1, wanted // len(KINDS))


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_named_in_memory_is_what_is_in_the_way(kind: str):
    found = list(scores(FakeWorld(), kind, IN_MEMORY))
    assert unclear(found) <= (kind != 'plain') * IN_MEMORY // UNCLEAR


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_named_is_what_is_in_the_way(world, kind: str, clouds: int):
    found = list(scores(RealWorld(world), kind, clouds))
    assert unclear(found) <= (kind != 'plain') * max(1, clouds // UNCLEAR)
