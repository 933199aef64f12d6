"""The Placement in memory."""

from __future__ import annotations

import re
from concurrent import futures
from pathlib import Path

import pytest

from sev_scheduling import exceptions, parse
from sev_scheduling.placement.answers import Allocations, Inventory
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

ROOT = Path(__file__).parents[3]
GUEST = '4e8e5957-649f-477b-9e5b-f1f75b21c03c'


def test_the_code_of_the_documentation_runs() -> None:
    page = (ROOT / 'doc/source/user/testing.rst').read_text()
    blocks = re.findall(
        r'\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)', page
    )
    assert blocks
    for block in blocks:
        exec(re.sub('^   ', '', block, flags=re.MULTILINE), {})


@pytest.mark.parametrize('word', ['1', '2.0', '1.x', 'latest'])
def test_a_microversion_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(exceptions.InputError, match=r'^max_microversion is '):
        FakePlacement(word)


def test_an_older_placement_is_too_old() -> None:
    client = FakePlacement('1.32').client()
    with pytest.raises(exceptions.PlacementTooOld, match=r'up to 1\.32'):
        client.hosts()


def test_it_has_no_microversion_that_the_contract_tests_do_not_hold() -> None:
    assert FakePlacement().supports('1.39')
    assert not FakePlacement('1.99').supports('1.40')


def test_any_of_models_is_asked_one_by_one_of_an_older_placement() -> None:
    answers = []
    for newest in ('1.36', '1.39'):
        placement = FakePlacement(newest)
        add_host(placement, 'milan', pools={'amd-sev': 1, 'amd-sev-es': 1})
        models = ['amd-sev-es', 'amd-sev']
        request = parse(make_flavor(), make_image(), models=models)
        placed = placement.client().schedule(request, 2)
        answers.append([p.model for p in placed])
    assert answers == [['amd-sev-es', 'amd-sev']] * 2


def test_it_answers_no_http() -> None:
    placement = FakePlacement()
    with pytest.raises(exceptions.InputError, match='embedded_placement'):
        placement.call('GET', '/reshaper')
    assert placement.calls == []


def test_calls_are_listed() -> None:
    placement = FakePlacement()
    root = add_host(placement, 'epyc', pools={})
    placement.inventories(root)
    placement.allocations(GUEST)
    placement.associated_traits('HW_')
    placement.resource_providers(name='epyc')
    assert [what for what, _ in placement.calls] == [
        'inventories',
        'allocations',
        'associated_traits',
        'resource_providers',
    ]
    assert placement.calls[0] == ('inventories', root)
    assert placement.calls[-1][1]['name'] == 'epyc'


def test_a_provider_of_any_shape_is_added() -> None:
    placement = FakePlacement()
    root = placement.add_provider('host', traits=['CUSTOM_A'])
    child = placement.add_provider(
        'nic', parent=root, inventories={'CUSTOM_NIC': Inventory(2)}
    )
    [found] = placement.resource_providers(name='nic')
    assert (found.uuid, found.root_provider_uuid) == (child, root)
    assert placement.usages(child) == {'CUSTOM_NIC': 0}
    assert placement.traits(root) == {'CUSTOM_A'}
    for name, uuid in (('nic', None), ('other', root)):
        with pytest.raises(exceptions.PlacementConflict, match=name):
            placement.add_provider(name, uuid=uuid)


def test_what_an_answer_holds_is_not_what_placement_holds() -> None:
    placement = FakePlacement()
    root = add_host(placement, 'epyc', pools={'amd-sev': 1})
    dict(placement.inventories(root) or {}).clear()
    held = {root: {'VCPU': 1}}
    placement.post_allocations({GUEST: Allocations(held, 'p', 'u')})
    held[root].clear()
    assert placement.allocations(GUEST).by_provider == {root: {'VCPU': 1}}
    assert placement.inventories(root)


def test_threads_claim_each_slot_once() -> None:
    placement = FakePlacement()
    add_host(placement, 'epyc', pools={'amd-sev': 5}, memory_mb=1 << 20)
    request = parse(make_flavor(), make_image())

    def claim(_: int) -> bool:
        try:
            placement.client().schedule(request)
        except exceptions.NoCapacity:
            return False
        return True

    with futures.ThreadPoolExecutor(8) as threads:
        made = list(threads.map(claim, range(16)))
    assert sum(made) == 5
    [host] = placement.client().hosts()
    assert host.pools['amd-sev'].used == 5
