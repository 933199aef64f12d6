"""Trees are observed in few calls, and built where they are needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.placement.diagnosis.probe import MAX_CALLS, Probe
from sev_scheduling.placement.diagnosis.trees import observed as module
from sev_scheduling.placement.diagnosis.trees.observed import ObservedTrees
from sev_scheduling.placement.hosts import one_of
from sev_scheduling.testing import (
    add_host,
    make_flavor,
    make_image,
)
from tests.unit.placement.diagnosis.trees.conftest import (
    AGGREGATE,
    QUERY,
    observed,
)


def test_whole_trees_are_observed(placement):
    root = add_host(placement, 'epyc', pools={'amd-sev': 5})
    add_host(placement, 'plain', pools={})
    trees = observed(placement)
    assert trees.roots.keys() == {root}
    assert (trees.hosts, trees.unseen) == (1, None)
    built = trees.tree(root)
    assert built[root].left('VCPU') == placement.providers[root].left('VCPU')
    assert built.keys() == placement.providers.keys() - {
        p.uuid for p in placement.providers.values() if p.name == 'plain'
    }


def test_no_tree_is_observed(placement):
    trees = ObservedTrees(Probe(placement), QUERY)
    assert trees.observe_free() is False
    assert trees.hosts == 0


def test_free_slots_are_looked_for_where_all_trees_are_known(placement):
    root = add_host(placement, 'epyc')
    add_host(placement, 'full', pools={'amd-sev': 0})
    add_host(placement, 'other', pools={'amd-sev-es': 5})
    add_host(placement, 'flat', nested=False, pools={})
    trees = ObservedTrees(Probe(placement), QUERY)
    trees.observe_known(placement.trees(one_of('VCPU')))
    assert (trees.roots.keys(), trees.hosts) == ({root}, 1)


def test_there_may_be_more_than_one_answer_holds(placement, monkeypatch):
    monkeypatch.setattr(module, 'MAX_CANDIDATES', 1)
    add_host(placement, 'epyc')
    trees = observed(placement)
    assert trees.hosts is None
    assert trees.unseen


@pytest.mark.parametrize('left', [0, 1])
def test_without_calls_there_may_be_more(placement, left):
    """Nor is it known who is in an aggregate."""
    add_host(placement, 'epyc')
    probe = Probe(placement)
    probe.calls = MAX_CALLS - left
    query = replace(QUERY, member_of=(frozenset({AGGREGATE}),))
    trees = ObservedTrees(probe, query)
    assert trees.observe_free() is bool(left)
    trees.ask_around()
    assert trees.unseen


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


def test_no_host_is_asked_twice(placement):
    root = add_host(placement, 'epyc')
    trees = observed(placement)
    assert trees.ask_inventories([root])
    assert not trees.ask_inventories([root])


def plain(**amounts):
    flavor = make_flavor(memory_mb=4096, vcpus=2, extra_specs={})
    query = translate(parse(flavor, make_image()))
    group = replace(query.groups[0], resources=amounts)
    return replace(query, groups=(group,) if amounts else ())


def test_hosts_for_a_plain_guest(placement):
    """Those with enough of anything; others, of which one is left."""
    root = add_host(placement, 'epyc')
    small = add_host(placement, 'small', memory_mb=10, vcpus=0, disk_gb=1)
    trees = ObservedTrees(
        Probe(placement), plain(MEMORY_MB=4096, VCPU=1, DISK_GB=20)
    )
    trees.observe_any()
    assert (trees.roots.keys(), trees.hosts) == ({root}, 1)
    (unseen,) = trees.unseen.values()
    assert unseen.left('MEMORY_MB') == 4095
    assert trees.ask_unseen()
    assert (trees.roots.keys(), trees.hosts) == ({root, small}, 2)
    assert trees.unseen is None
    assert not trees.ask_unseen()


def test_a_plain_guest_of_nothing_but_groups(placement):
    root = add_host(placement, 'epyc')
    trees = ObservedTrees(Probe(placement), plain())
    trees.observe_any()
    assert trees.roots.keys() == {root}


@pytest.mark.parametrize('hidden', [True, False])
def test_hosts_with_nothing_left_may_be_others(placement, hidden):
    trees = ObservedTrees(Probe(placement), replace(QUERY, in_tree=AGGREGATE))
    trees.set_full({}, hidden=hidden)
    assert bool(trees.unseen) is hidden
    if hidden:
        (unseen,) = trees.unseen.values()
        assert (unseen.uuid, unseen.root) == (AGGREGATE, AGGREGATE)
        assert not unseen.takes('MEMORY_MB', 1)
        assert unseen.takes('MEMORY_MB', 2)
