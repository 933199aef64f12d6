"""Old and new Placements over HTTP: the same answers from each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sev_scheduling import exceptions, parse, translate
from sev_scheduling.diagnosis import Cause
from sev_scheduling.placement import PlacementClient
from tests.e2e.requests import FLAVOR, IMAGE, hosts, sev_request
from tests.servers import faults
from tests.servers.faults import FaultProxy
from tests.servers.placement import PlacementServer, adapter_for

CLOUD = [
    *hosts(1, 2, name='naples'),
    *hosts(1, 1, name='milan', pools={'amd-sev-es': {'total': 1}}),
    *hosts(1, 1, name='rome', layout='flat'),
    *hosts(1, 0, name='intel', pools={}),
]

#: The best first.
MODELS = ['amd-sev-es', 'amd-sev']


@pytest.fixture(params=[33, 36, 39], ids='1.{}'.format)
def newest(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def proxy(
    placement_on_sqlite: PlacementServer, newest: int
) -> Iterator[FaultProxy]:
    """A Placement that refuses later microversions with 406."""
    placement_on_sqlite.load(CLOUD)
    with FaultProxy(placement_on_sqlite.url) as running:
        running.add(faults.oldest(1, newest))
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> PlacementClient:
    return PlacementClient(adapter_for(proxy.url))


def models_of(client: PlacementClient, count: int) -> list[str]:
    """Place guests for which any model of MODELS will do."""
    request = parse(FLAVOR, IMAGE, models=MODELS)
    return [placed.model for placed in client.schedule(request, count)]


def test_any_of_several_models_the_best_first(client, proxy, newest):
    assert models_of(client, 1) == ['amd-sev-es']
    assert models_of(client, 3) == ['amd-sev'] * 3
    with pytest.raises(exceptions.NoCapacity):
        models_of(client, 1)
    asked = [path for _, path in proxy.calls if 'MEM_ENCRYPTION=' in path]
    alternatives = [path for path in asked if 'in:' in path]
    # One question for all of them where Placement takes it.
    assert alternatives == (asked if newest >= 39 else [])


def test_no_call_needs_more_than_placement_has(client, proxy, newest):
    request = sev_request()
    (placed, _) = client.schedule(request, 2, owner='tester')
    client.move(placed.instance, request)
    client.hosts()
    client.diagnose(request)
    client.diagnose(sev_request(ram=10**7))
    assert client.reconcile('tester')
    assert client.release(placed.instance)
    assert client.claims()
    # The version document is asked for without a microversion.
    assert proxy.calls[0] == ('GET', '/')
    used = proxy.microversions[1:]
    assert (1, 33) <= min(used) <= max(used) <= (1, newest)


def test_hosts_and_claims_are_the_same(client):
    client.schedule(sev_request(), 3, owner='tester')
    assert {
        host.name: [(name, p.total, p.used) for name, p in host.pools.items()]
        for host in client.hosts()
    } == {
        'intel-1': [],
        'milan-1': [('amd-sev-es', 1, 0)],
        'naples-1': [('amd-sev', 2, 2)],
        'rome-1': [('amd-sev', 1, 1)],
    }
    assert [
        (claim.owner, claim.host) for claim in client.claims(owner='tester')
    ] == [('tester', 'naples-1'), ('tester', 'naples-1'), ('tester', 'rome-1')]


def test_a_diagnosis_names_the_same_culprit(client):
    too_large = client.diagnose(sev_request(ram=10**7))
    assert too_large.cause is Cause.RESOURCES_SHORT
    assert [c.name for c in too_large.constraints] == ['MEMORY_MB']
    client.schedule(sev_request(), 3)
    full = client.diagnose(sev_request())
    assert full.cause is Cause.SLOTS_USED
    assert (full.slots_used, full.slots_total) == (3, 3)
    assert full.calls <= 12


def test_a_microversion_of_the_adapter_changes_nothing(placement_on_sqlite):
    """Schedulers share their adapters, which may force one of their own."""
    placement_on_sqlite.load(CLOUD)
    adapter = placement_on_sqlite.adapter()
    adapter.default_microversion = '1.10'
    client = PlacementClient(adapter)
    assert models_of(client, 1) == ['amd-sev-es']
    assert len(client.claims()) == 1


@pytest.mark.parametrize('newest', [33, 36, 39])
def test_a_client_uses_no_later_one_than_allowed(placement_on_sqlite, newest):
    placement_on_sqlite.load(CLOUD)
    with FaultProxy(placement_on_sqlite.url) as proxy:
        client = PlacementClient(
            adapter_for(proxy.url), max_microversion=f'1.{newest}'
        )
        assert models_of(client, 2) == MODELS
        assert len(client.claims()) == 2
        assert max(proxy.microversions) <= (1, newest)


def test_one_before_1_33_is_refused_with_its_number(placement_on_sqlite):
    placement_on_sqlite.load(CLOUD)
    client = PlacementClient(
        placement_on_sqlite.adapter(), max_microversion='1.32'
    )
    with pytest.raises(
        exceptions.PlacementTooOld, match=r'up to 1\.32; 1\.33 is needed'
    ):
        client.candidates(translate(sev_request()))
