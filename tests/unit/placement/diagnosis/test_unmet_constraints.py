"""The constraints that each host fails, and how short it is."""

from __future__ import annotations

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.placement.diagnosis.observed_trees import ObservedTrees
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    constraints,
    slot_alone,
    slot_constraint,
)
from sev_scheduling.placement.diagnosis.unmet_constraints import (
    Unmet,
    least_short,
    unmet_constraints,
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


@pytest.fixture
def unmet():
    """Return name of host -> constraints, and the trees."""

    def unmet(**hosts):
        placement = FakePlacement()
        names = {
            add_host(placement, name, **facts): name
            for name, facts in hosts.items()
        }
        flavor = make_flavor(
            memory_mb=8192,
            disk_gb=100,
            extra_specs={
                'hw:mem_encryption': 'true',
                'trait:CUSTOM_GOLD': 'required',
            },
        )
        query = translate(parse(flavor, make_image()))
        trees = ObservedTrees(Probe(placement), query)
        trees.observe([slot_alone(query)])
        relaxable = [
            c for c in constraints(query) if c != slot_constraint(query)
        ]
        found = unmet_constraints(query, trees, relaxable)
        return query, trees, names, found

    return unmet


def test_each_host_fails_what_it_lacks(unmet):
    gold = {'traits': ['CUSTOM_GOLD']}
    _, _, names, found = unmet(
        fits=gold,
        plain={},
        other={},
        small={**gold, 'memory_mb': 8191},
        both={'memory_mb': 1, 'disk_gb': 99},
    )
    by_host = {
        one.constraints: sorted(names[root] for root in one.roots)
        for one in found
    }
    assert by_host == {
        frozenset(): ['fits'],
        frozenset({GOLD}): ['other', 'plain'],
        frozenset({MEMORY}): ['small'],
        frozenset({GOLD, MEMORY, DISK}): ['both'],
    }


def test_the_host_that_is_least_short_is_found(unmet):
    sizes = {'a': 1000, 'b': 8191, 'c': 4000}
    query, trees, names, found = unmet(
        **{
            name: {'memory_mb': memory, 'traits': ['CUSTOM_GOLD']}
            for name, memory in sizes.items()
        }
    )
    (one,) = found
    root, amounts = least_short(query, trees, one)
    assert (names[root], amounts) == ('b', {'MEMORY_MB': 8191})


def test_the_limit_of_one_allocation_counts(unmet):
    """Overcommitted memory seems enough, until inventories are asked for."""
    query, trees, names, found = unmet(
        a={'memory_mb': 5000, 'ram_allocation_ratio': 2.0,
           'traits': ['CUSTOM_GOLD']},
    )  # fmt: skip
    assert [one.constraints for one in found] == [frozenset()]
    assert trees.ask_inventories(names)
    (one,) = unmet_constraints(query, trees, constraints(query))
    assert one.constraints == {MEMORY}
    assert least_short(query, trees, one)[1] == {'MEMORY_MB': 5000}


def test_a_host_that_serves_nothing_else_has_nothing_left(unmet):
    query, trees, names, _ = unmet(a={'disk_gb': 0})
    only = Unmet(frozenset({MEMORY}), tuple(names))
    assert least_short(query, trees, only)[1] == {'MEMORY_MB': 0}
