"""What a client of the real Placement gets when things break on the way.

Every fault gives its exception within the time that the client promises,
and no claim is left that was not reported.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from sev_scheduling import exceptions, translate
from sev_scheduling.placement import PlacementClient
from sev_scheduling.placement.wire.wire import TIMEOUT as DEFAULT_TIMEOUT
from tests.e2e.requests import hosts, sev_request
from tests.servers import faults
from tests.servers.faults import FaultProxy
from tests.servers.placement import PlacementServer, adapter_for
from tests.servers.process import wait_until

#: Seconds that the client waits for an answer here, and for conflicts.
TIMEOUT = 1.0
PATIENCE = 1.0

#: Seconds that a busy machine may add to what is promised.
SLACK = 5.0

#: Longer than any test: only the client's own limit can end such a wait.
LONG = 600.0
DAY = 86400.0

OPERATIONS = {
    'candidates': lambda client: client.candidates(translate(sev_request())),
    'hosts': lambda client: client.hosts(),
    'claims': lambda client: client.claims(),
    'diagnose': lambda client: client.diagnose(sev_request()),
    'schedule': lambda client: client.schedule(sev_request()),
}

FAULTS = {
    'reset at once': (faults.reset_at_once, 'PlacementUnavailable'),
    'reset in the answer': (faults.reset_in_answer, 'PlacementUnavailable'),
    'status 500': (faults.status(500), 'PlacementUnavailable'),
    'status 502': (faults.status(502), 'PlacementUnavailable'),
    'status 503': (faults.status(503), 'PlacementUnavailable'),
    'status 401': (faults.status(401), 'PlacementDenied'),
    'status 403': (faults.status(403), 'PlacementDenied'),
    'status 400': (faults.status(400), 'PlacementRefused'),
    'conflicts again and again': (faults.conflict(), 'PlacementConflict'),
    'a page instead of JSON': (faults.wrong_type, 'PlacementAnswerError'),
    'JSON of another shape': (faults.wrong_shape, 'PlacementAnswerError'),
    'a JSON list': (faults.json_list, 'PlacementAnswerError'),
    'JSON cut short': (faults.truncated_json, 'PlacementAnswerError'),
    'silence': (faults.stall(LONG), 'PlacementUnavailable'),
    'microversion too old': (faults.oldest(1, 32), 'PlacementTooOld'),
}

#: What may happen to the one call that makes a claim.
CLAIM_FAULTS = {
    'lost on the way there': faults.reset_at_once,
    'lost on the way back': faults.reset_after,
    'cut on the way back': faults.reset_in_answer,
    'made, but answered 500': faults.status_after(500),
    'made, but answered 502': faults.status_after(502),
    'made, but answered 503': faults.status_after(503),
    'not made, answered 503': faults.status(503),
    'made, but answered with a page': faults.wrong_type,
    'made, but answered too late': faults.stall_after(LONG),
    'not made, no answer': faults.stall(LONG),
    'conflict': faults.conflict(),
}

CLAIM = {'method': 'POST', 'path': '/allocations'}


@pytest.fixture
def proxy(placement_on_sqlite: PlacementServer) -> Iterator[FaultProxy]:
    placement_on_sqlite.load(hosts(2, 2))
    with FaultProxy(placement_on_sqlite.url) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> PlacementClient:
    return client_for(proxy.url)


@pytest.fixture
def reader(placement_on_sqlite: PlacementServer) -> PlacementClient:
    """A client that no fault troubles."""
    return PlacementClient(placement_on_sqlite.adapter())


def client_for(url: str, patience: float = PATIENCE) -> PlacementClient:
    # Of a session: an adapter brings a limit of rate that goes by the clock.
    return PlacementClient(
        adapter_for(url).session, timeout=TIMEOUT, patience=patience
    )


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < seconds + SLACK, f'took {took:.1f} s'


def used_slots(reader: PlacementClient) -> int:
    return sum(
        pool.used for host in reader.hosts() for pool in host.pools.values()
    )


@pytest.mark.parametrize('operation', OPERATIONS)
@pytest.mark.parametrize('fault', FAULTS)
def test_every_fault_gives_its_exception_in_time(
    proxy, client, reader, fault, operation
):
    make, expected = FAULTS[fault]
    proxy.add(make)
    with (
        within(TIMEOUT + PATIENCE),
        pytest.raises(exceptions.PlacementError) as caught,
    ):
        OPERATIONS[operation](client)
    assert type(caught.value).__name__ == expected
    assert len(str(caught.value).splitlines()) == 1
    assert used_slots(reader) == 0


@pytest.mark.parametrize('operation', OPERATIONS)
def test_a_port_where_nobody_listens_is_unavailable(operation):
    with (
        faults.closed_port() as url,
        within(TIMEOUT),
        pytest.raises(exceptions.PlacementUnavailable),
    ):
        OPERATIONS[operation](client_for(url))


def test_silence_ends_after_the_thirty_seconds_that_are_the_default(proxy):
    assert DEFAULT_TIMEOUT == 30.0
    proxy.add(faults.stall(LONG))
    started = time.monotonic()
    with (
        within(30.0),
        pytest.raises(exceptions.PlacementUnavailable, match='did not answer'),
    ):
        PlacementClient(adapter_for(proxy.url)).candidates(
            translate(sev_request())
        )
    assert time.monotonic() - started >= 30.0


@pytest.mark.parametrize(
    'stall', [faults.stall, faults.stall_after], ids=['before', 'after']
)
def test_a_claim_that_stalls_for_thirty_seconds_is_made_and_reported(
    proxy, reader, stall
):
    proxy.add(stall(30.0), times=1, **CLAIM)
    with within(30.0):
        placed = PlacementClient(adapter_for(proxy.url)).schedule(
            sev_request(), 3
        )
    assert {claim.instance for claim in reader.claims()} == {
        placement.instance for placement in placed
    }
    assert used_slots(reader) == 3


@pytest.mark.parametrize('fault', CLAIM_FAULTS)
def test_a_claim_that_one_fault_hits_is_made_and_reported(
    proxy, client, reader, fault
):
    proxy.add(CLAIM_FAULTS[fault], times=1, **CLAIM)
    with within(TIMEOUT + PATIENCE):
        placed = client.schedule(sev_request(), 3)
    assert len(placed) == 3
    assert {claim.instance for claim in reader.claims()} == {
        placement.instance for placement in placed
    }


@pytest.mark.parametrize('fault', CLAIM_FAULTS)
def test_a_claim_that_always_fails_is_whole_or_absent_and_reported(
    proxy, client, reader, fault
):
    proxy.add(CLAIM_FAULTS[fault], **CLAIM)
    try:
        with within(4 * TIMEOUT + PATIENCE):
            reported = [p.instance for p in client.schedule(sev_request(), 3)]
    except exceptions.PlacementError:
        reported = []
    assert sorted(claim.instance for claim in reader.claims()) == sorted(
        reported
    )
    assert len(reported) in (0, 3)


@pytest.mark.parametrize('fault', CLAIM_FAULTS)
def test_when_nothing_answers_after_a_claim_the_error_names_the_guest(
    proxy, client, reader, fault
):
    """Only who asks can free it later, so the name must not be lost."""

    def last(exchange):
        proxy.add(faults.reset_at_once)
        CLAIM_FAULTS[fault](exchange)

    proxy.add(last, times=1, **CLAIM)
    with (
        within(5 * TIMEOUT),
        pytest.raises(exceptions.PlacementError) as caught,
    ):
        client.schedule(sev_request())
    for claim in reader.claims():
        assert claim.instance in str(caught.value)
        assert reader.release(claim.instance)
    assert used_slots(reader) == 0


def test_a_claim_that_arrives_after_it_was_given_up_is_not_made_twice(
    proxy, client, reader
):
    """A slow load balancer passes a request on when its sender has left."""

    def late(exchange):
        exchange.stall(2 * TIMEOUT)
        late.status = exchange.forward().status
        exchange.reset()

    proxy.add(late, times=1, **CLAIM)
    placed = client.schedule(sev_request(), 3)
    wait_until(
        lambda: hasattr(late, 'status'), timeout=SLACK + TIMEOUT, what='late'
    )
    assert late.status == 409
    assert {claim.instance for claim in reader.claims()} == {
        placement.instance for placement in placed
    }
    assert used_slots(reader) == 3


@pytest.mark.parametrize(
    'fault', ['lost on the way back', 'made, but answered 503']
)
def test_a_release_with_a_lost_answer_tells_or_frees(
    proxy, client, reader, fault
):
    (placed,) = client.schedule(sev_request())
    proxy.add(CLAIM_FAULTS[fault], times=1, **CLAIM)
    with contextlib.suppress(exceptions.PlacementUnavailable):
        client.release(placed.instance)
    client.release(placed.instance)
    assert used_slots(reader) == 0


def test_a_storm_of_conflicts_ends_when_patience_does(proxy, client, reader):
    proxy.add(faults.conflict(), **CLAIM)
    started = time.monotonic()
    with pytest.raises(exceptions.PlacementConflict):
        client.schedule(sev_request())
    took = time.monotonic() - started
    tries = proxy.calls.count(('POST', '/allocations'))
    assert PATIENCE / 2 < took < PATIENCE + SLACK
    # It waits longer and longer: not a call as fast as it can.
    assert 2 < tries < 40
    assert used_slots(reader) == 0


def test_a_storm_of_conflicts_that_passes_is_not_seen(proxy, reader):
    proxy.add(faults.conflict(), times=3, **CLAIM)
    # A busy machine does not try three times in a second.
    client = client_for(proxy.url, patience=30.0)
    (placed,) = client.schedule(sev_request())
    assert [c.instance for c in reader.claims()] == [placed.instance]


class TestTheClockJumps:
    def test_claims_are_made_and_freed(self, client, reader):
        with faults.wrong_clock(DAY, 0, -DAY), within(TIMEOUT):
            placed = client.schedule(sev_request(), 3)
            for placement in placed:
                assert client.release(placement.instance)
        assert used_slots(reader) == 0

    @pytest.mark.parametrize('seconds', [DAY, -DAY], ids=['on', 'back'])
    def test_patience_is_not_measured_by_it(self, proxy, client, seconds):
        proxy.add(faults.conflict(), **CLAIM)
        with (
            faults.wrong_clock(seconds, 0, -seconds),
            within(PATIENCE),
            pytest.raises(exceptions.PlacementConflict),
        ):
            client.schedule(sev_request())
        assert proxy.calls.count(('POST', '/allocations')) > 1

    def test_a_client_goes_on_after_the_clock_was_set_back(self, client):
        with faults.wrong_clock(-DAY), within(TIMEOUT):
            assert client.candidates(translate(sev_request()))

    def test_a_claim_from_the_future_is_not_taken_for_an_old_one(
        self, client, reader
    ):
        with faults.wrong_clock(DAY):
            client.schedule(sev_request(), owner='tester')
        assert client.reconcile('tester', older_than=60, dry_run=False) == []
        assert used_slots(reader) == 1
