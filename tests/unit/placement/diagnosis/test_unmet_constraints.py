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


@pytest.fixture
def unmet():
    """Return a function: hosts -> what may be relaxed for them."""

    def unmet(met=None, shared=frozenset(), complete=True, **hosts):
        placement = FakePlacement()
        names = {
            name: add_host(placement, name, **facts)
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
        trees.shared = shared
        trees.complete = complete
        relaxable = [
            c for c in constraints(query) if c != slot_constraint(query)
        ]
        known = {
            constraint: frozenset(names[name] for name in by)
            for constraint, by in (met or {}).items()
        }
        return UnmetConstraints(query, trees, relaxable, known)

    return unmet


ALL_GOLD = {'traits': ['CUSTOM_GOLD']}


@pytest.mark.parametrize(
    ('hosts', 'relaxed', 'expected'),
    [
        ({'a': ALL_GOLD}, (), True),
        ({'a': {}}, (), False),
        ({'a': {}}, [GOLD], True),
        ({'a': {}}, [MEMORY], False),
        ({'a': {**ALL_GOLD, 'memory_mb': 8191}}, (), False),
        ({'a': {**ALL_GOLD, 'memory_mb': 8191}}, [MEMORY], True),
        ({'a': {**ALL_GOLD, 'memory_mb': 8192}}, (), True),
        ({'a': {'memory_mb': 1, 'disk_gb': 99}}, [GOLD, MEMORY], False),
        ({'a': {'memory_mb': 1, 'disk_gb': 99}}, [GOLD, MEMORY, DISK], True),
        ({'a': {**ALL_GOLD, 'disk_gb': 0}, 'b': {}}, [GOLD], True),
        ({}, [GOLD, MEMORY, DISK], False),
    ],
)
def test_what_a_host_fails_must_be_relaxed(unmet, hosts, relaxed, expected):
    assert unmet(**hosts).may_do(frozenset(relaxed)) is expected


def test_of_more_hosts_than_are_shown_anything_may_do(unmet):
    assert unmet(complete=False).may_do(frozenset())


@pytest.mark.parametrize('shared', [frozenset({'DISK_GB'}), None])
def test_what_may_be_shared_counts_as_met(unmet, shared):
    small = {**ALL_GOLD, 'disk_gb': 0}
    assert unmet(shared=shared, a=small).may_do(frozenset())
    assert not unmet(shared=frozenset(), a=small).may_do(frozenset())


def test_an_amount_that_placement_was_asked_about_is_known(unmet):
    """Limits of one allocation no summary shows."""
    found = unmet(met={MEMORY: ['b']}, a=ALL_GOLD, b={})
    assert not found.may_do(frozenset())
    assert found.may_do(frozenset([MEMORY]))
    assert found.may_do(frozenset([GOLD]))
