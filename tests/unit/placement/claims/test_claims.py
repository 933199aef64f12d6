"""Claims: all or nothing, tried anew, and never made in silence."""

from __future__ import annotations

import pytest
import requests

from sev_scheduling.exceptions import (
    InputError,
    InvalidRequest,
    NoCapacity,
    PlacementAnswerError,
    PlacementConflict,
    PlacementDenied,
    PlacementError,
    PlacementRefused,
    PlacementUnavailable,
)
from sev_scheduling.placement import PlacedInstance, PlacementClient
from tests.unit.placement.fake_transport import (
    SLOT,
    Answer,
    FakeTransport,
    allocations,
    candidates_answer,
    fault,
    inventories_answer,
    providers,
    providers_answer,
    sev_request,
    uuid_of,
)

CANDIDATES = 'GET /allocation_candidates'
POST = 'POST /allocations'
GUEST = uuid_of(7)
HELD = f'GET /allocations/{GUEST}'
LOST = requests.exceptions.ReadTimeout('slow')
CONFLICT = fault(409, 'generation conflict')
NOTHING = {'allocations': {}}
GONE = {
    f'GET /resource_providers/{uuid_of(1001)}/inventories': fault(404),
}


def holding(number, **more):
    return {
        'allocations': allocations(number),
        'project_id': 'a-project',
        'user_id': 'a-user',
        'consumer_generation': 3,
        **more,
    }


def cloud(*hosts, ratio=1.0, free=5, **routes):
    """Hosts with a pool each, and what claims are answered with."""
    return FakeTransport(
        {
            'GET /resource_providers': providers(*hosts),
            CANDIDATES: candidates_answer(*hosts, free=free),
            POST: {},
            HELD: NOTHING,
            **{
                f'GET /resource_providers/{uuid_of(n)}/inventories': (
                    inventories_answer(ratio)
                )
                for n in hosts
            },
            **routes,
        }
    )


def client_of(transport, **kwargs):
    return PlacementClient(transport.adapter(), **kwargs)


def schedule(transport, count=1, **kwargs):
    if count == 1:
        kwargs.setdefault('instances', [GUEST])
    return client_of(transport).schedule(sev_request(), count, **kwargs)


class TestSchedule:
    def test_what_a_guest_gets(self):
        transport = cloud(1)
        assert schedule(transport, owner='me') == (
            PlacedInstance(
                instance=GUEST,
                host='host-1',
                host_uuid=uuid_of(1),
                model='amd-sev',
                provider=uuid_of(1001),
            ),
        )
        assert transport.bodies(POST) == [
            {
                GUEST: {
                    'allocations': allocations(1),
                    'project_id': 'sev-scheduling',
                    'user_id': 'me',
                    'consumer_generation': None,
                }
            }
        ]

    def test_a_group_is_one_call(self):
        transport = cloud(1)
        placed = schedule(transport, 3)
        (body,) = transport.bodies(POST)
        assert list(body) == [p.instance for p in placed]
        assert len(set(body)) == 3

    def test_far_too_many_guests_are_refused_before_they_get_names(self):
        """Uuids for all of them were made up first."""
        transport = cloud(1, **GONE)
        with pytest.raises(NoCapacity, match='Only 5 of 1000000000 guests'):
            schedule(transport, 10**9)

    def test_names_are_asked_for_once_and_anew_for_a_new_host(self):
        transport = cloud(1)
        client = client_of(transport)
        names = 'GET /resource_providers'
        for _ in range(3):
            client.schedule(sev_request())
        assert transport.calls.count(names) == 1
        transport.routes[names] = providers_answer(1, 2)
        transport.routes[CANDIDATES] = candidates_answer(2)
        assert client.schedule(sev_request())[0].host == 'host-2'
        assert transport.calls.count(names) == 2

    @pytest.mark.parametrize('count', [0, -1])
    def test_no_guests_are_refused(self, count):
        with pytest.raises(InputError, match='1 or more'):
            schedule(cloud(1), count)

    @pytest.mark.parametrize(
        ('count', 'instances'),
        [
            (2, [GUEST]),
            (1, [GUEST, uuid_of(8)]),
            (2, [GUEST, GUEST]),
            (2, [GUEST, GUEST, uuid_of(8)]),
            (1, []),
        ],
    )
    def test_uuids_must_be_one_a_guest(self, count, instances):
        transport = cloud(1)
        with pytest.raises(InputError, match='give one each'):
            schedule(transport, count, instances=instances)
        assert transport.calls == []

    @pytest.mark.parametrize(
        'instance', ['', 'web-1', GUEST[:-1], f'{GUEST}/', 'a' * 32,
                     f'{{{GUEST}}}', None, 7]
    )  # fmt: skip
    def test_what_is_no_uuid_is_refused_before_any_call(self, instance):
        transport = cloud(1)
        with pytest.raises(InputError, match='is no uuid'):
            schedule(transport, instances=[instance])
        assert transport.calls == []

    @pytest.mark.parametrize('owner', ['', 'x' * 256, None])
    def test_an_owner_that_placement_would_refuse(self, owner):
        transport = cloud(1)
        with pytest.raises(InputError, match='1 to 255 characters'):
            schedule(transport, owner=owner)
        assert transport.calls == []

    def test_an_invalid_request_is_refused_before_any_call(self):
        transport = cloud(1)
        with pytest.raises(InvalidRequest):
            client_of(transport).schedule(
                sev_request(**{'hw:mem_encryption_model': 'none-such'})
            )
        assert transport.calls == []

    @pytest.mark.parametrize(
        ('error', 'name'),
        [
            (fault(400, 'bad project'), PlacementRefused),
            (fault(401), PlacementDenied),
            (fault(403), PlacementDenied),
        ],
    )
    def test_a_refusal_is_told_at_once(self, error, name):
        transport = cloud(1, **{POST: error})
        with pytest.raises(name) as caught:
            schedule(transport)
        assert transport.calls.count(POST) == 1
        assert caught.value.instances == ()


class TestConflicts:
    def test_one_is_tried_anew_from_a_new_answer(self, clock):
        transport = cloud(
            1,
            **{
                CANDIDATES: [candidates_answer(1), candidates_answer(1)],
                POST: [CONFLICT, CONFLICT, {}],
            },
        )
        schedule(transport)
        assert transport.calls.count(CANDIDATES) == 3
        assert len(clock.slept) == 2

    def test_a_host_is_asked_for_its_memory_once(self):
        transport = cloud(1, **{POST: [CONFLICT, CONFLICT, {}]})
        schedule(transport, instances=None)
        inventories = f'GET /resource_providers/{uuid_of(1)}/inventories'
        assert transport.calls.count(inventories) == 1

    def test_a_storm_ends_with_patience(self, clock):
        transport = cloud(1, **{POST: CONFLICT})
        with pytest.raises(PlacementConflict, match='generation conflict'):
            client_of(transport, patience=10).schedule(sev_request())
        assert 10 <= sum(clock.slept) < 10 + 2
        assert transport.calls.count(POST) == len(clock.slept) + 1

    def test_pauses_grow_and_vary_within_bounds(self, clock):
        transport = cloud(1, **{POST: CONFLICT})
        for _ in range(3):
            with pytest.raises(PlacementConflict):
                client_of(transport, patience=100).schedule(sev_request())
        assert max(clock.slept) <= 2
        assert max(clock.slept) > 1
        assert min(clock.slept) < 0.5
        assert len(set(clock.slept)) > len(clock.slept) / 2

    def test_a_guest_that_holds_something_is_refused_at_once(self, clock):
        """Each answer would be a conflict, until patience ends."""
        transport = cloud(1, **{POST: CONFLICT, HELD: holding(1)})
        with pytest.raises(InputError, match='holds something already'):
            schedule(transport)
        assert clock.slept == []

    def test_other_guests_are_asked_for_once_only(self):
        transport = cloud(1, **{POST: [CONFLICT, CONFLICT, CONFLICT, {}]})
        schedule(transport)
        assert transport.calls.count(HELD) == 1

    def test_slots_that_others_took_meanwhile_are_no_capacity(self):
        transport = cloud(
            1,
            **{
                CANDIDATES: [candidates_answer(1), candidates_answer()],
                POST: CONFLICT,
                **GONE,
            },
        )
        with pytest.raises(NoCapacity):
            schedule(transport)


class TestLostAnswers:
    """The claim may have been made; Placement is asked."""

    def test_one_that_was_made_is_told_of(self):
        transport = cloud(1, **{POST: LOST, HELD: holding(1)})
        assert [p.instance for p in schedule(transport)] == [GUEST]
        assert transport.calls.count(POST) == 1

    @pytest.mark.parametrize(
        'lost', [LOST, fault(500), fault(503), Answer(content=b'<html>')]
    )
    def test_one_that_was_not_made_is_made(self, lost):
        transport = cloud(1, **{POST: [lost, {}]})
        assert [p.instance for p in schedule(transport)] == [GUEST]
        first, second = transport.bodies(POST)
        assert first == second

    def test_one_that_comes_late_is_found(self):
        """It arrives after it was looked for, before it is sent again."""
        transport = cloud(
            1, **{POST: [LOST, CONFLICT], HELD: [NOTHING, holding(1)]}
        )
        assert [p.host for p in schedule(transport)] == ['host-1']

    def test_one_that_comes_later_still_is_found(self, clock):
        """It arrives while a third one, onto another host, is sent."""
        transport = cloud(
            1,
            **{
                POST: [LOST, CONFLICT, CONFLICT],
                HELD: [NOTHING, NOTHING, holding(1)],
                CANDIDATES: [candidates_answer(1), candidates_answer(2)],
                f'GET /resource_providers/{uuid_of(2)}/inventories': (
                    inventories_answer()
                ),
            },
        )
        assert [p.host for p in schedule(transport)] == ['host-1']
        assert len(clock.slept) == 1

    def test_one_that_took_the_last_slot_is_found(self):
        """Of a claim that nobody knows of, NoCapacity would say nothing."""
        transport = cloud(
            1,
            **{
                POST: [LOST, CONFLICT],
                HELD: [NOTHING, NOTHING, holding(1)],
                CANDIDATES: [candidates_answer(1), candidates_answer()],
                **GONE,
            },
        )
        assert [p.host for p in schedule(transport)] == ['host-1']

    def test_one_that_lost_against_others_is_tried_anew(self, clock):
        transport = cloud(1, **{POST: [LOST, CONFLICT, {}]})
        assert [p.instance for p in schedule(transport)] == [GUEST]
        assert len(clock.slept) == 1

    @pytest.mark.parametrize(
        'after', [LOST, fault(500), fault(401), Answer(content=b'[]'),
                  {'allocations': 7}]
    )  # fmt: skip
    @pytest.mark.parametrize('again', [LOST, fault(401), CONFLICT])
    def test_one_that_nobody_can_tell_of_names_the_guest(self, after, again):
        transport = cloud(1, **{POST: [LOST, again], HELD: after})
        with pytest.raises(PlacementUnavailable) as caught:
            schedule(transport)
        assert f'release {GUEST} once' in str(caught.value)
        assert caught.value.instances == (GUEST,)
        assert 'timed out' in str(caught.value)

    def test_a_large_group_is_named_in_full_for_programs(self):
        instances = [uuid_of(n) for n in range(100, 150)]
        transport = cloud(
            1,
            free=50,
            **{POST: LOST, f'GET /allocations/{instances[0]}': fault(500)},
        )
        with pytest.raises(PlacementError, match='47 more') as caught:
            schedule(transport, 50, instances=instances)
        assert caught.value.instances == tuple(instances)
        assert len(str(caught.value)) < 500


class TestMove:
    def move(self, transport, **kwargs):
        return client_of(transport, **kwargs).move(GUEST, sev_request())

    def test_to_another_host_in_one_call(self):
        transport = cloud(1, 2, **{HELD: holding(1)})
        assert self.move(transport).host == 'host-2'
        (body,) = transport.bodies(POST)
        assert body == {GUEST: {**holding(1), 'allocations': allocations(2)}}

    def test_the_host_is_not_where_its_disk_is(self):
        """The first of its allocations was taken to be on its host."""
        shared = {'resources': {'DISK_GB': 1}}
        held = holding(1, allocations={uuid_of(99): shared, **allocations(1)})
        transport = cloud(1, 2, **{HELD: held})
        assert self.move(transport).host == 'host-2'

    def test_from_a_host_that_is_gone(self):
        transport = cloud(2, **{HELD: holding(1)})
        assert self.move(transport).host == 'host-2'

    def test_a_strange_answer_about_its_host_is_refused(self):
        transport = cloud(1, 2, **{HELD: holding(1)})
        transport.routes['GET /resource_providers'] = {}
        with pytest.raises(PlacementAnswerError, match='check the endpoint'):
            self.move(transport)
        assert POST not in transport.calls

    def test_a_guest_that_holds_nothing_cannot_move(self):
        with pytest.raises(InputError, match='holds nothing; schedule it'):
            self.move(cloud(1, 2))

    def test_what_is_no_uuid_is_refused(self):
        with pytest.raises(InputError, match='is no uuid'):
            client_of(cloud(1)).move('web-1', sev_request())

    def test_with_no_other_host_it_keeps_what_it_has(self):
        transport = cloud(1, **{HELD: holding(1)})
        with pytest.raises(NoCapacity, match='No other host'):
            self.move(transport)
        assert POST not in transport.calls

    def test_a_conflict_is_tried_anew_from_what_it_holds_then(self, clock):
        transport = cloud(
            1,
            2,
            3,
            **{
                HELD: [holding(1), holding(2, consumer_generation=4)],
                POST: [CONFLICT, {}],
            },
        )
        assert self.move(transport).host != 'host-2'
        assert [
            body[GUEST]['consumer_generation']
            for body in transport.bodies(POST)
        ] == [3, 4]
        assert len(clock.slept) == 1

    def test_movers_that_collide_do_not_collide_for_ever(self, monkeypatch):
        """After a conflict, hosts are taken in any order."""
        monkeypatch.setattr('random.random', iter([0.9, 0.1] * 9).__next__)
        transport = cloud(1, 2, 3, **{HELD: holding(1), POST: [CONFLICT, {}]})
        assert self.move(transport).host == 'host-3'

    def test_a_lost_answer_is_looked_for(self):
        transport = cloud(
            1, 2, **{HELD: [holding(1), holding(2)], POST: [LOST, {}]}
        )
        assert self.move(transport).host == 'host-2'
        assert transport.calls.count(POST) == 1


class TestRelease:
    def test_what_it_holds_is_freed(self):
        transport = cloud(**{HELD: holding(1)})
        assert client_of(transport).release(GUEST)
        assert transport.bodies(POST) == [{GUEST: holding(1, allocations={})}]

    def test_a_guest_that_holds_nothing(self):
        transport = cloud()
        assert not client_of(transport).release(GUEST)
        assert POST not in transport.calls

    def test_a_conflict_is_tried_anew(self, clock):
        transport = cloud(
            **{
                HELD: [holding(1), holding(1, consumer_generation=4)],
                POST: [CONFLICT, {}],
            }
        )
        assert client_of(transport).release(GUEST)
        assert transport.bodies(POST)[-1][GUEST]['consumer_generation'] == 4
        assert len(clock.slept) == 1

    def test_what_is_no_uuid_is_refused(self):
        with pytest.raises(InputError, match="'web-1' is no uuid"):
            client_of(cloud()).release('web-1')

    @pytest.mark.parametrize(
        'answer',
        [
            {},
            {'allocations': None},
            {'allocations': []},
            {'allocations': {uuid_of(1): None}},
            {'allocations': {uuid_of(1): {'resources': [SLOT]}}},
            {'allocations': allocations(1)},
            {k: v for k, v in holding(1).items() if k != 'user_id'},
            {k: v for k, v in holding(1).items() if k != 'project_id'},
            {
                k: v
                for k, v in holding(1).items()
                if k != 'consumer_generation'
            },
            holding(1, user_id=7),
        ],
    )
    def test_a_strange_answer_is_no_answer(self, answer):
        with pytest.raises(PlacementAnswerError, match='check the endpoint'):
            client_of(cloud(**{HELD: answer})).release(GUEST)
