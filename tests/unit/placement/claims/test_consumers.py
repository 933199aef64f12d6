"""Who holds slots, how old a claim is, and what a dead owner left."""

from __future__ import annotations

import uuid

import pytest

from sev_scheduling.placement import Claim, PlacementClient
from sev_scheduling.placement.claims import consumers as owners
from tests.unit.placement.fake_transport import (
    SLOT,
    FakeTransport,
    allocations,
    candidates_answer,
    fault,
    providers_answer,
    uuid_of,
)

NOW = 1_800_000_000.0
POOL = uuid_of(1001)
ON_POOL = f'GET /resource_providers/{POOL}/allocations'


@pytest.fixture(autouse=True)
def now(monkeypatch):
    monkeypatch.setattr('time.time_ns', lambda: int(NOW * 10**9))
    monkeypatch.setattr('time.time', lambda: NOW)


@pytest.fixture
def made(monkeypatch):
    """Return the uuid of a guest that was made some seconds ago."""

    def made(seconds):
        with monkeypatch.context() as patch:
            patch.setattr('time.time_ns', lambda: int((NOW - seconds) * 10**9))
            return owners.new_instance()

    return made


def held(owner='dead', number=1, **more):
    return {
        'allocations': allocations(number),
        'project_id': 'sev-scheduling',
        'user_id': owner,
        'consumer_generation': 1,
        **more,
    }


def slots(*instances, resources=None):
    return {
        'allocations': {
            instance: {'resources': resources or {SLOT: 1}}
            for instance in instances
        }
    }


def transport_of(guests, **routes):
    """One host whose slots these guests hold: instance -> answer."""
    return FakeTransport(
        {
            'GET /resource_providers': providers_answer(1),
            'GET /allocation_candidates': candidates_answer(1),
            ON_POOL: slots(*guests),
            **{f'GET /allocations/{i}': held for i, held in guests.items()},
            'POST /allocations': {},
            **routes,
        }
    )


def client_of(transport):
    return PlacementClient(transport.adapter())


class TestInstances:
    def test_a_uuid_tells_when_it_was_made(self):
        made = uuid.UUID(owners.new_instance())
        assert made.version == 7
        assert made.variant == uuid.RFC_4122
        assert made.int >> 80 == int(NOW * 1000)

    def test_no_two_are_the_same_and_their_order_is_times(self, made):
        older, newer = made(10), made(5)
        assert older < newer < owners.new_instance() != owners.new_instance()


class TestClaims:
    def test_all_of_them_by_host_and_instance(self, made):
        guest, other = made(60), str(uuid.uuid4())
        transport = transport_of({guest: held(), other: held('nova')})
        assert sorted(
            client_of(transport).claims(), key=lambda c: c.owner
        ) == [
            Claim(guest, 'dead', 'host-1', POOL, 60.0),
            Claim(other, 'nova', 'host-1', POOL, None),
        ]

    def test_an_owners_are_those_made_here(self, made):
        """A uuid that tells no time was not made by this library."""
        guest, other = made(60), str(uuid.uuid4())
        transport = transport_of({guest: held(), other: held()})
        found = client_of(transport).claims(owner='dead')
        assert [claim.instance for claim in found] == [guest]
        assert f'GET /allocations/{other}' not in transport.calls

    def test_a_guest_that_left_meanwhile_is_left_out(self, made):
        """It stood there with an owner of no name."""
        gone, moved = made(60), made(50)
        transport = transport_of(
            {gone: {'allocations': {}}, moved: held(number=2)}
        )
        assert client_of(transport).claims() == []

    def test_a_pool_that_is_gone_holds_nothing(self, made):
        transport = transport_of({made(60): held()}, **{ON_POOL: fault(404)})
        assert client_of(transport).claims() == []

    def test_a_pool_without_guests_is_not_asked(self):
        transport = transport_of({})
        transport.routes['GET /allocation_candidates'] = candidates_answer(
            1, free=15
        )
        assert client_of(transport).claims() == []
        assert ON_POOL not in transport.calls

    def test_a_guest_that_takes_no_slot_is_left_out(self, made):
        """On a flat provider every guest of the host stands there."""
        transport = transport_of(
            {}, **{ON_POOL: slots(made(60), resources={'VCPU': 1})}
        )
        assert client_of(transport).claims() == []


class TestReconcile:
    def test_it_frees_nothing_unless_told_to(self, made):
        guest = made(60)
        transport = transport_of({guest: held()})
        found = client_of(transport).reconcile('dead')
        assert [claim.instance for claim in found] == [guest]
        assert transport.freed() == []

    @pytest.mark.parametrize(
        ('older_than', 'freed'), [(0, 3), (60, 2), (60.5, 1), (3601, 0)]
    )
    def test_by_age(self, made, older_than, freed):
        transport = transport_of({made(age): held() for age in (3600, 60, 59)})
        found = client_of(transport).reconcile(
            'dead', older_than=older_than, dry_run=False
        )
        assert len(found) == freed
        assert transport.freed() == sorted(c.instance for c in found)

    def test_by_owner(self, made):
        guest, other = made(60), made(50)
        transport = transport_of({guest: held(), other: held('alive')})
        found = client_of(transport).reconcile('dead', dry_run=False)
        assert [claim.instance for claim in found] == [guest]
        assert transport.freed() == [guest]

    def test_a_guest_from_the_future_is_young(self, made):
        transport = transport_of({made(-60): held()})
        assert client_of(transport).reconcile('dead', dry_run=False) == []

    def test_a_guest_that_changed_hands_meanwhile_is_left_alone(self, made):
        guest = made(60)
        transport = transport_of({guest: [held(), held('heir')]})
        client_of(transport).reconcile('dead', dry_run=False)
        assert transport.freed() == []

    @pytest.mark.parametrize('project', ['0b8c5a2e6f', 'p'])
    def test_what_others_have_claimed_is_no_part_of_it(self, made, project):
        """Nova may use uuids of any version one day, and any user's name."""
        guest = made(60)
        transport = transport_of({guest: held(project_id=project)})
        assert client_of(transport).reconcile('dead', dry_run=False) == []
        assert transport.freed() == []

    def test_a_guest_that_others_freed_meanwhile_is_not_reported(self, made):
        guest = made(60)
        gone = {'allocations': {}}
        transport = transport_of({guest: [held(), gone]})
        assert client_of(transport).reconcile('dead', dry_run=False) == []
