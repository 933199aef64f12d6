"""What trees give a guest, with what others share with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.diagnosis.probe import MAX_CALLS, Probe
from sev_scheduling.placement.diagnosis.trees.observed import ObservedTrees
from sev_scheduling.placement.hosts import one_of
from sev_scheduling.testing import (
    add_host,
)
from tests.unit.placement.diagnosis.trees.conftest import (
    AGGREGATE,
    QUERY,
    observed,
)


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
    assert trees.kinds() == [[small, other], [large]]
    assert trees.most(other, 'MEMORY_MB') == 200
    assert trees.most(other, 'CUSTOM_NIC') == 0
    # The limits of a host that was asked are its own.
    assert trees.ask_inventories([small])
    assert trees.kinds() == [[small], [other], [large]]


def share(placement, name='storage', left=1000, **more):
    return placement.add_provider(
        name,
        inventories={'DISK_GB': Inventory(1000, reserved=1000 - left)},
        traits=['MISC_SHARES_VIA_AGGREGATE'],
        **{'aggregates': [AGGREGATE], **more},
    )


def test_what_is_shared_is_part_of_a_tree(placement):
    storage = share(placement)
    root = add_host(placement, 'epyc', aggregates=[AGGREGATE])
    other = add_host(placement, 'other')
    trees = observed(placement)
    assert trees.tree(root)[storage].left('DISK_GB') == 1000
    assert storage not in trees.tree(other)
    assert trees.most(root, 'DISK_GB') >= 1000
    assert trees.is_shared(one_of('DISK_GB'))
    assert trees.may_be_shared(one_of('DISK_GB'))
    assert not trees.may_be_shared(one_of('VCPU'))
    assert trees.kinds() == [[root], [other]]


def test_a_provider_without_aggregates_shares_with_nobody(placement):
    storage = share(placement, aggregates=[])
    root = add_host(placement, 'epyc')
    assert storage not in observed(placement).tree(root)


def test_of_what_is_shared_nothing_may_be_left(placement):
    storage = share(placement, left=0)
    root = add_host(placement, 'epyc', disk_gb=0, aggregates=[AGGREGATE])
    other = add_host(placement, 'other', disk_gb=0)
    trees = observed(placement)

    assert trees.tree(root)[storage].left('DISK_GB') == 0
    assert storage not in trees.tree(other)
    assert trees.shared_by(root, 'DISK_GB') == 'storage'
    assert [*trees.figures([other], 'DISK_GB')] == [(0, 0, '')]


@pytest.mark.parametrize('case', ['two', 'no calls'])
def test_what_is_shared_may_be_unknown(placement, case):
    root = add_host(placement, 'epyc', disk_gb=0)
    storage = share(placement)
    if case == 'two':
        share(placement, 'other')
    probe = Probe(placement)
    if case == 'no calls':
        probe.calls = MAX_CALLS - 3
    trees = ObservedTrees(probe, QUERY)
    trees.observe_free()
    trees.ask_around()
    assert trees.tree(root)[storage].left('VCPU') > 1000
    assert trees.may_be_shared(one_of('VCPU'))
    assert not trees.is_shared(one_of('DISK_GB'))
    # What is left of it is not made up.
    assert trees.given(root, 'DISK_GB') is None
    assert trees.given(root, 'VCPU') > 0
