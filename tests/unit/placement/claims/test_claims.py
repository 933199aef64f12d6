"""Guests are given room, moved and released."""

from __future__ import annotations

import contextlib

import pytest
import requests

from sev_scheduling.exceptions import (
    InputError,
    InvalidRequest,
    NoCapacity,
    PlacementAnswerError,
    PlacementDenied,
    PlacementRefused,
    PlacementUnavailable,
)
from sev_scheduling.placement import PlacedInstance, PlacementClient
from tests.unit.placement.fake_transport import (
    GUEST,
    HELD,
    NOTHING,
    allocations,
    cloud,
    fault,
    holding,
    sev_request,
    uuid_of,
)

CANDIDATES = 'GET /allocation_candidates'
POST = 'POST /allocations'
LOST = requests.exceptions.ReadTimeout('slow')
CONFLICT = fault(409, 'generation conflict')


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
        transport = cloud(1)
        with pytest.raises(NoCapacity) as caught:
            schedule(transport, 10**9)
        assert (caught.value.fit, caught.value.count) == (5, 10**9)

    @pytest.mark.parametrize('hosts', [(1, 2), ()])
    def test_each_rule_runs_once(self, rule_calls, hosts):
        """Also where no host fits, and Placement is asked why."""
        with contextlib.suppress(NoCapacity):
            client_of(cloud(*hosts)).schedule(
                sev_request('amd-sev-es', 'amd-sev'), 3
            )
        assert set(rule_calls.values()) == {1}

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
        with pytest.raises(NoCapacity):
            self.move(transport)
        assert POST not in transport.calls

    def test_a_conflict_is_tried_anew_from_what_it_holds_then(self, clock):
        transport = cloud(
            1,
            2,
            3,
            **{
                HELD: [holding(1), holding(3, consumer_generation=4)],
                POST: [CONFLICT, {}],
            },
        )
        assert self.move(transport).host == 'host-2'
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

    def test_one_that_was_sent_twice_is_not_undone(self, clock):
        """It was taken for another mover's, and the guest moved back to the
        host that it must leave."""
        made = holding(2, consumer_generation=4)
        transport = cloud(
            1, 2, **{HELD: [holding(1), made], POST: [CONFLICT, {}]}
        )
        assert self.move(transport).host == 'host-2'
        assert transport.calls.count(POST) == 1

    def test_one_that_came_late_is_not_undone(self, clock):
        """It was absent when it was looked for, and there at the next try."""
        made = holding(2, consumer_generation=4)
        transport = cloud(
            1,
            2,
            **{
                HELD: [*[holding(1)] * 3, made],
                POST: [LOST, CONFLICT, {}],
            },
        )
        assert self.move(transport).host == 'host-2'
        assert transport.calls.count(POST) == 2

    def test_never_back_to_where_it_was(self, clock):
        """Another mover was faster, and there is no third host."""
        transport = cloud(
            1,
            2,
            **{
                HELD: [holding(1), holding(2, user_id='other')],
                POST: CONFLICT,
            },
        )
        with pytest.raises(NoCapacity):
            self.move(transport)
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
        'answer', [CONFLICT, LOST, fault(503), fault(400, own=False)]
    )
    def test_one_whose_answer_hides_that_it_freed_has_freed(
        self, clock, answer
    ):
        """It said that nothing had been held."""
        transport = cloud(**{HELD: [holding(1), NOTHING], POST: answer})
        assert client_of(transport).release(GUEST)
        assert transport.calls.count(POST) == 1

    def test_a_guest_that_was_claimed_anew_meanwhile_is_left_alone(
        self, clock
    ):
        """It was freed, and then claimed by who was told so."""
        anew = holding(2, consumer_generation=1)
        transport = cloud(**{HELD: [holding(1), anew], POST: CONFLICT})
        assert client_of(transport).release(GUEST)
        assert transport.calls.count(POST) == 1

    def test_one_that_nobody_can_tell_of_names_the_guest(self):
        transport = cloud(**{HELD: [holding(1), fault(503)], POST: fault(503)})
        with pytest.raises(PlacementUnavailable) as caught:
            client_of(transport).release(GUEST)
        assert caught.value.instances == (GUEST,)

    @pytest.mark.parametrize('force', [False, True])
    def test_what_others_have_claimed_takes_force(self, force):
        theirs = holding(1, project_id='0b8c5a2e6f')
        transport = cloud(**{HELD: theirs})
        client = client_of(transport)
        if force:
            assert client.release(GUEST, force=True)
            assert transport.freed() == [GUEST]
            return
        with pytest.raises(InputError, match='0b8c5a2e6f'):
            client.release(GUEST)
        assert transport.freed() == []
