"""The Placement in memory as an adapter, and the fixtures."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import pytest
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.adapter import Adapter

from sev_scheduling import exceptions, parse
from sev_scheduling.placement import PlacementClient
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)
from sev_scheduling.testing.plugin import fake_placement, placement_client

__all__ = ['fake_placement', 'placement_client']

ROOT = Path(__file__).parents[3]


def test_the_fixtures_belong_together(
    fake_placement: FakePlacement, placement_client: PlacementClient
) -> None:
    assert isinstance(fake_placement, Adapter)
    add_host(fake_placement, 'epyc')
    assert [host.name for host in placement_client.hosts()] == ['epyc']


def test_the_example_of_the_documentation_passes() -> None:
    run = subprocess.run(
        [
            sys.executable,
            '-m',
            'pytest',
            '-q',
            '-p',
            'no:cacheprovider',
            'doc/source/user/example_tests',
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert '2 passed' in run.stdout


def test_the_code_of_the_documentation_runs() -> None:
    page = (ROOT / 'doc/source/user/testing.rst').read_text()
    blocks = re.findall(
        r'\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)', page
    )
    assert blocks
    for block in blocks:
        exec(re.sub('^   ', '', block, flags=re.MULTILINE), {})


@pytest.mark.parametrize('word', ['', '1', '2.0', '1.x', 'latest'])
def test_a_microversion_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(exceptions.InputError, match=r'not of the form 1\.39'):
        FakePlacement(word)


def test_an_older_placement_is_too_old() -> None:
    client = FakePlacement('1.32').client()
    with pytest.raises(exceptions.PlacementTooOld, match=r'up to 1\.32'):
        client.hosts()


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


@pytest.mark.parametrize(
    ('method', 'url', 'status'),
    [
        ('GET', '/colours', 404),
        ('POST', '/reshaper', 404),
        ('PATCH', '/resource_providers', 405),
        ('POST', '/', 404),
    ],
)
def test_calls_that_it_lacks_are_refused(
    method: str, url: str, status: int
) -> None:
    placement = FakePlacement()
    response = placement.request(url, method, microversion='1.39')
    assert response.status_code == status
    assert response.json()['errors'][0]['status'] == status
    assert placement.calls == [(method, url)]


def test_a_refusal_is_raised_where_that_is_asked_for() -> None:
    placement = FakePlacement()
    url = '/resource_providers/4e8e5957-649f-477b-9e5b-f1f75b21c03c'
    with pytest.raises(ks_exceptions.NotFound):
        placement.get(url, microversion='1.39', raise_exc=True)


def test_a_call_without_a_microversion_is_too_old() -> None:
    assert FakePlacement().get('/resource_providers').status_code == 406


def test_a_microversion_can_come_with_the_headers() -> None:
    headers = {'openstack-api-version': 'placement latest'}
    response = FakePlacement().get('/resource_providers', headers=headers)
    assert response.json() == {'resource_providers': []}


def test_what_an_answer_holds_is_not_what_placement_holds() -> None:
    placement = FakePlacement()
    uuid = add_host(placement, 'epyc', pools={'amd-sev': 1})
    url = f'/resource_providers/{uuid}/inventories'
    placement.get(url, microversion='1.39').json()['inventories'].clear()
    assert placement.get(url, microversion='1.39').json()['inventories']


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
