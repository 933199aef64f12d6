"""Hosts are added to a Placement as nova-compute reports them."""

from __future__ import annotations

from typing import Any

import os_traits
import pytest

from sev_scheduling import exceptions
from sev_scheduling.hosts import host as hosts
from sev_scheduling.testing import FakePlacement, add_cloud, add_host


def test_a_nested_host_has_its_slots_in_a_child() -> None:
    placement = FakePlacement()
    pool = hosts.SlotPool(15, reserved=1, used=2)
    root = add_host(placement, 'epyc', pools={'amd-sev': pool})
    [host] = placement.client().hosts(details=True)
    assert host.uuid == root
    found = host.pools['amd-sev']
    assert (found.total, found.reserved, found.used) == (15, 1, 2)
    assert found.provider_uuid != root
    assert host.machine_types['x86_64'] == 'q35'


def test_a_flat_host_has_its_slots_on_the_root() -> None:
    placement = FakePlacement()
    root = add_host(placement, 'epyc', nested=False, machine_type=None)
    [host] = placement.client().hosts()
    assert host.pools['amd-sev'].provider_uuid == root
    assert not host.machine_types.get('x86_64')


@pytest.mark.parametrize(
    ('facts', 'words'),
    [
        ({'pools': {'sev': 1}}, "Model 'sev' is not known; use amd-sev"),
        (
            {'pools': {'amd-sev': 1, 'amd-sev-es': 1}, 'nested': False},
            'a flat one holds one',
        ),
    ],
)
def test_a_wrong_host_is_refused_in_words_and_nothing_is_added(
    facts: dict[str, Any], words: str
) -> None:
    placement = FakePlacement()
    with pytest.raises(exceptions.InputError, match=words):
        add_host(placement, 'epyc', **facts)
    assert placement.calls == []


def test_a_host_that_is_there_already_is_refused() -> None:
    placement = FakePlacement()
    add_host(placement, 'epyc')
    with pytest.raises(exceptions.PlacementConflict, match='epyc'):
        add_host(placement, 'epyc', vcpus=1)


def test_a_wrong_cloud_is_refused_with_its_place() -> None:
    with pytest.raises(exceptions.CloudFileError, match='Cloud, host 1'):
        add_cloud(FakePlacement(), {'hosts': [{'name': 'epyc'}]})


def test_a_host_keeps_the_traits_that_are_given() -> None:
    placement = FakePlacement()
    traits = ['CUSTOM_GOLD', os_traits.HW_CPU_X86_AVX2]
    add_host(placement, 'epyc', traits=traits, pools={})
    [host] = placement.client().hosts()
    assert host.traits >= set(traits)
