"""Claims on the real Placement: all or nothing, and never too many."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sev_scheduling.exceptions import (
    InputError,
    NoCapacity,
    PlacementConflict,
    PlacementUnavailable,
)
from sev_scheduling.placement import PlacementClient
from tests.contract.placement.requests import STATELESS, host, request

GUESTS = [f'00000000-0000-0000-0000-{n:012}' for n in range(9)]


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr('tenacity.nap.sleep', lambda seconds: None)


def held(client):
    return {claim.instance for claim in client.claims()}


class TestSchedule:
    @pytest.mark.parametrize('layout', ['nested', 'flat'])
    def test_a_guest_holds_what_its_flavor_says(self, world, layout):
        client = world.load(host(layout=layout))
        (placed,) = client.schedule(request(), instances=GUESTS[:1])
        assert (placed.instance, placed.host) == (GUESTS[0], 'epyc')
        assert placed.model == 'amd-sev'
        assert placed.host_uuid == world.uuid('epyc')
        pool = 'epyc' if layout == 'flat' else 'epyc_amd_sev'
        assert placed.provider == world.uuid(pool)
        for name, amount in (
            ('MEM_ENCRYPTION_CONTEXT', 1),
            ('VCPU', 1),
            ('MEMORY_MB', 1024),
            ('DISK_GB', 10),
        ):
            assert world.usages(name) == amount

    def test_a_group_takes_every_slot_there_is(self, world):
        client = world.load(host(count=3))
        placed = client.schedule(request(), 12)
        assert {p.host for p in placed} == {'epyc-1', 'epyc-2', 'epyc-3'}
        assert held(client) == {p.instance for p in placed}
        assert world.usages() == 12

    def test_one_guest_too_many_and_nothing_is_left(self, world):
        client = world.load(host(count=3))
        with pytest.raises(NoCapacity) as caught:
            client.schedule(request(), 13)
        assert (caught.value.fit, caught.value.count) == (12, 13)
        assert held(client) == set()
        for name in ('MEM_ENCRYPTION_CONTEXT', 'VCPU', 'MEMORY_MB'):
            assert world.usages(name) == 0

    def test_memory_may_be_what_ends_first(self, world):
        client = world.load(host(memory_mb=3 * 1024 + 1023))
        with pytest.raises(NoCapacity) as caught:
            client.schedule(request(), 4)
        assert caught.value.fit == 3
        assert len(client.schedule(request(), 3)) == 3

    @pytest.mark.parametrize(
        ('entry', 'codes'),
        [
            (host(pools={}), ['no-pool']),
            (
                host(pools={'amd-sev': {'total': 4, 'used': 4}}),
                ['no-free-slot'],
            ),
            (host(ram_allocation_ratio=1.5), ['memory-overcommitted']),
            (host(memory_mb=512), ['resources-short']),
        ],
    )
    def test_no_capacity_has_its_reasons(self, world, entry, codes):
        with pytest.raises(NoCapacity) as caught:
            world.load(entry).schedule(request())
        explanation = caught.value.explanation
        assert [reason.code for reason in explanation.reasons] == codes
        assert explanation.values['fit'] == 0
        assert explanation.values['total'] == 1
        diagnosed = codes == ['resources-short']
        assert bool(caught.value.diagnosis) is diagnosed
        assert world.client().claims(owner='sev-scheduling') == []

    def test_a_trait_that_placement_never_heard_of_is_no_capacity(self, world):
        client = world.load(host())
        with pytest.raises(NoCapacity) as caught:
            client.schedule(request({'trait:CUSTOM_UNHEARD_OF': 'required'}))
        (constraint,) = caught.value.diagnosis.constraints
        assert constraint.name == 'CUSTOM_UNHEARD_OF'

    def test_of_no_capacity_calls_do_not_grow_with_the_cloud(self, world):
        """It asked for each pool's reserved slots: two calls a host."""
        full = {'amd-sev': {'total': 1, 'used': 1}}
        calls = []
        for count in (3, 60):
            client = world.load(host(count=count, pools=full))
            with pytest.raises(NoCapacity):
                client.schedule(request())
            calls.append(len(world.calls))
        assert calls[0] == calls[1] <= 6

    def test_hosts_that_do_not_agree_are_passed_over(self, world):
        image = {'hw_firmware_type': 'uefi'}
        client = world.load(
            host('a', machine_types={'x86_64': 'pc'}),
            host('b', ram_allocation_ratio=2.0),
            host('c', pools={'amd-sev': {'total': 1}}),
        )
        (placed,) = client.schedule(request(image=image))
        assert placed.host == 'c'
        with pytest.raises(NoCapacity) as caught:
            client.schedule(request(image=image))
        assert caught.value.explanation.values['total'] == 3

    def test_a_guest_that_holds_something_is_refused_at_once(self, world):
        client = world.load(host(count=2))
        client.schedule(request(), instances=GUESTS[:1])
        world.calls.clear()
        with pytest.raises(InputError, match='holds something already'):
            client.schedule(request(), 2, instances=GUESTS[:2])
        assert len(world.calls) < 10
        assert held(client) == set(GUESTS[:1])

    @pytest.mark.parametrize('length', [1, 255])
    def test_an_owner_may_be_that_long(self, world, length):
        client = world.load(host())
        client.schedule(request(), owner='x' * length)
        assert len(client.claims(owner='x' * length)) == 1

    def test_a_guest_without_encryption_leaves_slots_alone(self, world):
        client = world.load(host('a'), host('b', pools={}))
        (placed,) = client.schedule(request(encrypted=False))
        assert (placed.host, placed.model, placed.provider) == (
            'b',
            None,
            None,
        )
        assert world.usages() == 0
        assert client.claims() == []


class TestAnyOfModels:
    MODELS = ('amd-sev-snp', 'amd-sev')

    def cloud(self, world, **kwargs):
        stateless = ['COMPUTE_SECURITY_STATELESS_FIRMWARE']
        return world.load(
            host('a', pools={'amd-sev': {'total': 2}}, traits=stateless),
            host('b', pools={'amd-sev-snp': {'total': 1}}, traits=stateless),
            host('c', pools={'amd-sev-es': {'total': 9}}, traits=stateless),
            **kwargs,
        )

    @pytest.mark.parametrize('newest', ['1.33', '1.36', '1.38', '1.39'])
    def test_the_best_comes_first_on_any_placement(self, world, newest):
        client = self.cloud(world, max_microversion=newest)
        asked = request(models=self.MODELS, image=STATELESS)
        placed = client.schedule(asked, 3)
        assert [(p.model, p.host) for p in placed] == [
            ('amd-sev-snp', 'b'),
            ('amd-sev', 'a'),
            ('amd-sev', 'a'),
        ]
        with pytest.raises(NoCapacity):
            client.schedule(asked)

    def test_the_order_is_the_callers(self, world):
        client = self.cloud(world)
        asked = request(models=self.MODELS[::-1], image=STATELESS)
        assert client.schedule(asked)[0].model == 'amd-sev'


class TestReleaseAndMove:
    def test_what_is_released_can_be_claimed_again(self, world):
        client = world.load(host(pools={'amd-sev': {'total': 1}}))
        for _ in range(3):
            (placed,) = client.schedule(request())
            with pytest.raises(NoCapacity):
                client.schedule(request())
            assert client.release(placed.instance)
        assert not client.release(placed.instance)
        assert world.usages() == 0

    @pytest.mark.parametrize('layouts', [('nested', 'flat'),
                                         ('flat', 'nested')])  # fmt: skip
    def test_a_guest_moves_to_another_host(self, world, layouts):
        client = world.load(
            *(host(f'h{n}', layout=layout) for n, layout in enumerate(layouts))
        )
        (placed,) = client.schedule(request(), owner='me')
        moved = client.move(placed.instance, request())
        assert moved.instance == placed.instance
        assert moved.host != placed.host
        assert world.usages() == 1
        (claim,) = client.claims(owner='me')
        assert (claim.host, claim.provider) == (moved.host, moved.provider)

    def test_with_no_other_host_it_keeps_what_it_has(self, world):
        client = world.load(host())
        (placed,) = client.schedule(request())
        with pytest.raises(NoCapacity):
            client.move(placed.instance, request())
        assert held(client) == {placed.instance}

    def test_a_guest_that_holds_nothing_cannot_move(self, world):
        with pytest.raises(InputError, match='schedule it instead'):
            world.load(host()).move(GUESTS[0], request())


class TestReconcile:
    def test_an_owners_guests_are_shown_and_then_freed(self, world):
        client = world.load(host(count=2))
        mine = client.schedule(request(), 2, owner='mine')
        (other,) = client.schedule(request(), owner='other')
        world.use('epyc-1_amd_sev', MEM_ENCRYPTION_CONTEXT=1)
        shown = client.reconcile('mine')
        assert {claim.instance for claim in shown} == {
            p.instance for p in mine
        }
        assert all(0 <= claim.age < 600 for claim in shown)
        assert world.usages() == 4
        assert client.reconcile('mine', older_than=600, dry_run=False) == []
        freed = client.reconcile('mine', dry_run=False)
        assert {c.instance for c in freed} == {c.instance for c in shown}
        assert world.usages() == 2
        assert [c.instance for c in client.claims(owner='other')] == [
            other.instance
        ]
        assert len(client.claims()) == 2


class Breaking:
    """The real Placement, with faults before or after some calls.

    :param faults: one for each POST of a claim: None, 'before', 'after'
    """

    def __init__(self, adapter, faults):
        self.adapter = adapter
        self.faults = list(faults)

    def request(self, url, method, **kwargs):
        fault = None
        if (method, url) == ('POST', '/allocations') and self.faults:
            fault = self.faults.pop(0)
        if fault == 'before':
            raise PlacementUnavailable('lost')
        answer = self.adapter.request(url, method, **kwargs)
        if fault == 'after':
            raise PlacementUnavailable('lost')
        if fault == 'killed':
            raise KeyboardInterrupt
        return answer


class TestInTheMiddle:
    @pytest.mark.parametrize(
        'faults',
        [
            ['before'],
            ['after'],
            ['before', 'before'],
            ['before', 'after'],
            ['before', 'before', 'before'],
            ['before', 'before', 'after'],
        ],
    )
    def test_a_group_is_whole_and_told_of_or_absent(self, world, faults):
        reader = world.load(host(count=2))
        client = PlacementClient(Breaking(world.adapter, faults))
        try:
            told = {p.instance for p in client.schedule(request(), 6)}
        except PlacementUnavailable as error:
            told = set(error.instances)
            assert len(told) == 6
            assert len(faults) == 3
        assert held(reader) in (set(), told)

    def test_a_client_that_is_killed_leaves_what_reconcile_finds(self, world):
        reader = world.load(host(count=2))
        client = PlacementClient(Breaking(world.adapter, ['killed']))
        with pytest.raises(KeyboardInterrupt):
            client.schedule(request(), 6, owner='killed')
        found = reader.reconcile('killed', dry_run=False)
        assert len(found) == 6
        assert world.usages() == 0

    def test_a_callback_that_raises_leaves_nothing(self, world):
        client = world.load(host(count=2))

        def on_placed(placement):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            client.schedule(request(), 6, on_placed=on_placed)
        assert world.usages() == 0


def test_threads_that_claim_at_once_get_each_slot_once(world):
    """20 claims on 7 slots, on hosts that they all like best."""
    client = world.load(
        host('a'), host('b', pools={'amd-sev': {'total': 3}}, layout='flat')
    )
    start = threading.Barrier(4)

    def claim(number):
        if number < 4:
            start.wait(timeout=60)
        try:
            return client.schedule(request())[0].instance
        except NoCapacity:
            return None

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(claim, range(20)))
    claimed = [instance for instance in got if instance]
    assert len(claimed) == 7
    assert held(client) == set(claimed)
    assert world.usages() == 7


def test_claims_that_rest_on_an_old_answer_are_made_anew(world, monkeypatch):
    """Another claimer takes the slot between question and claim."""
    pools = {'amd-sev': {'total': 1}}
    client = world.load(host('a', pools=pools), host('b', pools=pools))
    other = world.client()
    taken = []
    ask = client.candidates

    def candidates(query, limit=None):
        answer = ask(query, limit)
        if not taken:
            taken.extend(other.schedule(request()))
        return answer

    monkeypatch.setattr(client, 'candidates', candidates)
    (placed,) = client.schedule(request())
    assert {placed.host, taken[0].host} == {'a', 'b'}
    assert world.usages() == 2


def test_conflicts_without_end_end(world):
    class Conflicts(Breaking):
        def request(self, url, method, **kwargs):
            if url == '/allocations':
                kwargs['json'] = {
                    consumer: {**claim, 'consumer_generation': 7}
                    for consumer, claim in kwargs['json'].items()
                }
            return self.adapter.request(url, method, **kwargs)

    world.load(host())
    client = PlacementClient(Conflicts(world.adapter, []), patience=0.2)
    with pytest.raises(PlacementConflict):
        client.schedule(request())


class TestWhatAGuestHolds:
    @pytest.mark.parametrize('newest', ['1.33', '1.38', '1.39'])
    def test_it_is_in_what_schedule_move_and_claims_return(
        self, world, newest
    ):
        client = world.load(host(count=2), max_microversion=newest)
        (placed,) = client.schedule(request(), instances=GUESTS[:1])
        assert placed.allocations == client.allocations(GUESTS[0]).by_provider
        assert placed.allocations[placed.provider] == {
            'MEM_ENCRYPTION_CONTEXT': 1
        }
        moved = client.move(GUESTS[0], request())
        assert moved.allocations == client.allocations(GUESTS[0]).by_provider
        assert moved.allocations.keys().isdisjoint(placed.allocations)
        (claim,) = client.claims()
        assert claim.allocations == moved.allocations
        assert (placed.consumer_type, moved.consumer_type) == (None, None)
        assert claim.consumer_type is None

    @pytest.mark.parametrize(
        ('newest', 'known'),
        [('1.37', None), ('1.38', 'INSTANCE'), ('1.39', 'INSTANCE')],
    )
    def test_the_type_of_another_services_guest_is_kept(
        self, world, newest, known
    ):
        client = world.load(host(count=2), max_microversion=newest)
        client.schedule(request(), instances=GUESTS[:1])
        held = world.ask('GET', f'/allocations/{GUESTS[0]}')
        world.ask(
            'PUT',
            f'/allocations/{GUESTS[0]}',
            json={**held, 'consumer_type': 'INSTANCE'},
        )
        assert client.claims()[0].consumer_type == known
        assert client.move(GUESTS[0], request()).consumer_type == known
        assert client.claims()[0].consumer_type == known
        after = world.ask('GET', f'/allocations/{GUESTS[0]}')
        assert after['consumer_type'] == 'INSTANCE'
