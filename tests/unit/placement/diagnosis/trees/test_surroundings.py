"""Aggregates and sharing providers are asked for once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.diagnosis.probe import MAX_CALLS, Probe
from sev_scheduling.placement.diagnosis.trees.surroundings import Surroundings
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
QUERY = replace(
    translate(parse(make_flavor(), make_image())),
    member_of=(frozenset({AGGREGATE}),),
)


@pytest.fixture
def placement():
    return FakePlacement()


def around(placement, calls=1, found=None):
    probe = Probe(placement)
    probe.calls = calls
    found = found or Surroundings(QUERY)
    complete = found.ask_members(probe)
    found.ask_shared(probe, {})
    return found, complete


def share(placement, name='storage'):
    return placement.add_provider(
        name,
        inventories={'DISK_GB': Inventory(1000)},
        traits=['MISC_SHARES_VIA_AGGREGATE'],
        aggregates=[AGGREGATE],
    )


def test_nothing_is_asked_twice(placement):
    storage = share(placement)
    root = add_host(placement, 'epyc', aggregates=[AGGREGATE])
    found, complete = around(placement)
    assert complete
    assert found.aggregates == {storage: {AGGREGATE}, root: {AGGREGATE}}
    assert found.served == {storage: {storage, root}}
    assert found.summaries.keys() == {storage}
    placement.calls.clear()
    assert around(placement, found=found) == (found, True)
    assert placement.calls == []


def test_what_was_not_asked_is_asked_by_the_next(placement):
    share(placement)
    found, complete = around(placement, calls=MAX_CALLS)
    assert (complete, found.sharing, found.aggregates) == (False, [], {})
    _, complete = around(placement, found=found)
    assert complete
    assert found.served.keys() == {one.uuid for one in found.sharing} != set()


def test_of_several_that_share_it_is_not_asked_what_they_have(placement):
    share(placement)
    share(placement, 'other')
    found, _ = around(placement)
    assert len(found.sharing) == 2
    assert (found.served, found.summaries) == ({}, {})
