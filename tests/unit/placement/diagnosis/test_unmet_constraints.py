"""The constraints that hosts fail, as far as Placement showed them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.diagnosis import unmet_constraints
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    constraints,
    slot_constraint,
)
from sev_scheduling.placement.diagnosis.trees.observed import ObservedTrees
from sev_scheduling.placement.diagnosis.unmet_constraints import (
    TooMany,
    UnmetConstraints,
)
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

GOLD = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')
MEMORY = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 8192)
DISK = Constraint(Cause.RESOURCES_SHORT, 'DISK_GB', 100)
AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
SHARES = {
    'inventories': {'DISK_GB': Inventory(1000)},
    'traits': ['MISC_SHARES_VIA_AGGREGATE', 'CUSTOM_GOLD'],
    'aggregates': [AGGREGATE],
}
FLAVOR = make_flavor(
    memory_mb=8192,
    disk_gb=100,
    extra_specs={
        'hw:mem_encryption': 'true',
        'trait:CUSTOM_GOLD': 'required',
    },
)
QUERY = translate(parse(FLAVOR, make_image()))


@pytest.fixture
def placement():
    return FakePlacement()


@pytest.fixture
def unmet(placement):
    """Return the constraints that hosts with a free slot fail."""

    def unmet(query=QUERY, always=frozenset(), **hosts):
        for name, facts in hosts.items():
            add_host(placement, name, **facts)
        trees = ObservedTrees(Probe(placement), query)
        trees.observe_free()
        trees.ask_around()
        every = set(constraints(query)) - {slot_constraint(query)}
        return UnmetConstraints(query, trees, every, always)

    return unmet


def units(found, size):
    return [set(unit) for unit in found.units(size)]


def test_each_host_fails_what_it_lacks(unmet):
    gold = {'traits': ['CUSTOM_GOLD']}
    found = unmet(
        plain={},
        other={},
        small={**gold, 'memory_mb': 8191},
        both={'memory_mb': 1, 'disk_gb': 99},
    )
    assert units(found, 1) == [{MEMORY}, {GOLD}]
    assert found.roots(QUERY) == []


def test_sets_of_few_kinds_come_first(unmet):
    found = unmet(
        a={'memory_mb': 1},
        b={'memory_mb': 1, 'disk_gb': 1, 'traits': ['CUSTOM_GOLD']},
    )
    assert units(found, 1) == []
    assert units(found, 2) == [{DISK, MEMORY}, {MEMORY, GOLD}]


def test_what_must_be_relaxed_is_in_every_set(unmet):
    assert units(unmet(always=frozenset({DISK}), a={}), 2) == [{DISK, GOLD}]


def test_a_host_that_seems_to_serve_the_query(unmet, placement):
    found = unmet(fits={'traits': ['CUSTOM_GOLD']}, plain={})
    (root,) = found.roots(QUERY)
    assert placement.providers[root].name == 'fits'


def test_what_is_shared_counts(unmet, placement):
    placement.add_provider('storage', **SHARES)
    found = unmet(a={'disk_gb': 1, 'aggregates': [AGGREGATE]}, b={})
    # The storage has the trait, too.
    assert len(found.roots(QUERY)) == 1
    assert {GOLD} in units(found, 1)


@pytest.mark.parametrize('number', [1, 2])
def test_nothing_is_shared_with_a_host_that_is_named(unmet, placement, number):
    for n in range(number):
        placement.add_provider(f'storage-{n}', **SHARES)
    root = add_host(
        placement, 'a', disk_gb=1, aggregates=[AGGREGATE],
        traits=['CUSTOM_GOLD'],
    )  # fmt: skip
    query = replace(QUERY, in_tree=root)
    found = unmet(query)
    assert found.roots(query) == []
    assert units(found, 1) == [{DISK}]


def test_of_two_that_share_it_is_not_known_what(unmet, placement):
    for name in ('a', 'b'):
        placement.add_provider(name, **SHARES)
    assert len(unmet(host={'disk_gb': 1}).roots(QUERY)) == 1


def test_what_is_shared_is_in_the_aggregate(unmet, placement):
    placement.add_provider('storage', **SHARES)
    other = AGGREGATE[:-1] + 'b'
    query = replace(QUERY, member_of=(frozenset({other}),))
    found = unmet(
        query,
        a={'disk_gb': 1, 'aggregates': [AGGREGATE, other],
           'traits': ['CUSTOM_GOLD']},
    )  # fmt: skip
    assert units(found, 1) == [{Constraint(Cause.AGGREGATE, other)}, {DISK}]


def test_a_plain_guest_needs_more_than_what_is_shared(placement):
    placement.add_provider('storage', **SHARES)
    add_host(placement, 'a', disk_gb=1, memory_mb=1, aggregates=[AGGREGATE])
    flavor = make_flavor(memory_mb=8192, disk_gb=100, extra_specs={})
    query = translate(parse(flavor, make_image()))
    trees = ObservedTrees(Probe(placement), query)
    trees.observe_any()
    trees.ask_around()
    found = UnmetConstraints(
        query, trees, set(constraints(query)), frozenset()
    )
    assert {MEMORY} in units(found, 1)
    (way, *_) = found.ways(frozenset({MEMORY}))
    assert way.groups[0].resources == {'DISK_GB': 100, 'VCPU': 2}


def test_hosts_that_are_not_shown_may_serve(unmet, placement, monkeypatch):
    monkeypatch.setattr(
        'sev_scheduling.placement.diagnosis.trees.observed.MAX_CANDIDATES', 1
    )
    found = unmet(a={})
    assert found.ways(frozenset({DISK}))
    assert {DISK} in units(found, 1)
    assert found.roots(QUERY) == []


def test_there_are_too_many_sets(unmet, monkeypatch):
    monkeypatch.setattr(unmet_constraints, 'MAX_UNITS', 0)
    with pytest.raises(TooMany):
        unmet(a={}).units(1)
