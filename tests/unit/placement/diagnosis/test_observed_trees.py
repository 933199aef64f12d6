"""Trees are observed in few calls, and built where they are needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.placement.diagnosis import observed_trees
from sev_scheduling.placement.diagnosis.observed_trees import ObservedTrees
from sev_scheduling.placement.diagnosis.probe import MAX_CALLS, Probe
from sev_scheduling.placement.diagnosis.relaxation import slot_alone
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
QUERY = translate(parse(make_flavor(), make_image()))
SLOT = slot_alone(QUERY)


@pytest.fixture
def placement():
    return FakePlacement()


def observed(placement, query=QUERY):
    trees = ObservedTrees(Probe(placement), query)
    trees.observe([SLOT])
    return trees


def test_whole_trees_are_observed(placement):
    root = add_host(placement, 'epyc', pools={'amd-sev': 5})
    add_host(placement, 'plain', pools={})
    trees = observed(placement)
    assert trees.roots.keys() == {root}
    assert (trees.hosts, trees.complete) == (1, True)
    built = trees.tree(root)
    assert built[root].left('VCPU') == placement.providers[root].left('VCPU')
    assert built.keys() == placement.providers.keys() - {
        p.uuid for p in placement.providers.values() if p.name == 'plain'
    }


def test_no_tree_is_observed(placement):
    trees = ObservedTrees(Probe(placement), QUERY)
    assert trees.observe([SLOT]) is False
    assert trees.hosts == 0


def test_there_may_be_more_than_one_answer_holds(placement, monkeypatch):
    monkeypatch.setattr(observed_trees, 'MAX_CANDIDATES', 1)
    add_host(placement, 'epyc')
    trees = observed(placement)
    assert (trees.hosts, trees.complete) == (None, False)


@pytest.mark.parametrize('left', [0, 1])
def test_without_calls_there_may_be_more(placement, left):
    """Nor is it known who is in an aggregate."""
    add_host(placement, 'epyc')
    probe = Probe(placement)
    probe.calls = MAX_CALLS - left
    query = replace(QUERY, member_of=(frozenset({AGGREGATE}),))
    trees = ObservedTrees(probe, query)
    assert trees.observe([SLOT]) is bool(left)
    assert not trees.complete


def test_aggregates_are_marks(placement):
    root = add_host(placement, 'epyc', aggregates=[AGGREGATE])
    other = add_host(placement, 'other')
    query = replace(
        QUERY,
        member_of=(frozenset({AGGREGATE}),),
        forbidden_aggregates=frozenset({AGGREGATE}),
    )
    trees = observed(placement, query)
    assert trees.tree(root)[root].aggregates == {AGGREGATE, f'!{AGGREGATE}'}
    assert trees.tree(other)[other].aggregates == set()


def test_trees_of_one_kind_have_equal_answers(placement):
    small, other, large = (
        add_host(placement, name, memory_mb=memory)
        for name, memory in (('a', 100), ('b', 200), ('c', 9999))
    )
    trees = observed(placement)
    kinds = dict(trees.kinds())
    assert kinds[small] == kinds[other] != kinds[large]
    assert trees.most(other, 'MEMORY_MB') == 200
    assert trees.most(other, 'CUSTOM_NIC') == 0
    # The limits of a host that was asked are its own.
    assert trees.ask_inventories([small])
    assert dict(trees.kinds())[small] != kinds[other]


def test_few_hosts_are_asked_for_their_inventories(placement):
    roots = [add_host(placement, f'host-{n}') for n in range(4)]
    trees = observed(placement)
    placement.calls.clear()
    assert not trees.ask_inventories(roots)
    assert placement.calls == []
    assert trees.ask_inventories(roots[:3])
    assert len(placement.calls) == 3
    memory = trees.tree(roots[0])[roots[0]].inventories['MEMORY_MB']
    assert memory.max_unit == 262144


@pytest.mark.parametrize('shares', [True, False])
def test_storage_may_be_shared(placement, shares):
    traits = ['MISC_SHARES_VIA_AGGREGATE'] * shares
    add_host(placement, 'storage', traits=traits)
    assert observed(placement).storage_is_shared() is shares
