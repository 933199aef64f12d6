"""One claim: tried anew after conflicts, and never made in silence."""

from __future__ import annotations

import pytest
import requests

from sev_scheduling.exceptions import (
    InputError,
    NoCapacity,
    PlacementConflict,
    PlacementError,
    PlacementUnavailable,
)
from sev_scheduling.placement import PlacementClient
from tests.unit.placement.fake_transport import (
    GUEST,
    HELD,
    NOTHING,
    Answer,
    candidates_answer,
    cloud,
    fault,
    holding,
    inventories_answer,
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
        transport = cloud(1, **{HELD: holding(1)})
        with pytest.raises(InputError, match='holds something already'):
            schedule(transport)
        assert clock.slept == []
        assert POST not in transport.calls

    def test_a_second_guest_that_does_is_found_after_a_conflict(self, clock):
        second = uuid_of(8)
        transport = cloud(
            1, **{POST: CONFLICT, f'GET /allocations/{second}': holding(1)}
        )
        with pytest.raises(InputError, match=second):
            schedule(transport, 2, instances=[GUEST, second])
        assert clock.slept == []

    def test_all_guests_are_asked_for_once_only(self):
        second = uuid_of(8)
        transport = cloud(1, **{POST: [CONFLICT, CONFLICT, CONFLICT, {}]})
        schedule(transport, 2, instances=[GUEST, second])
        assert transport.calls.count(f'GET /allocations/{second}') == 1

    def test_slots_that_others_took_meanwhile_are_no_capacity(self):
        transport = cloud(
            1,
            **{
                CANDIDATES: [candidates_answer(1), candidates_answer()],
                POST: CONFLICT,
            },
        )
        with pytest.raises(NoCapacity):
            schedule(transport)


class TestLostAnswers:
    """The claim may have been made; Placement is asked."""

    def test_one_that_was_made_is_told_of(self):
        transport = cloud(1, **{POST: LOST, HELD: [NOTHING, holding(1)]})
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
            1,
            **{POST: [LOST, CONFLICT], HELD: [NOTHING, NOTHING, holding(1)]},
        )
        assert [p.host for p in schedule(transport)] == ['host-1']

    def test_one_that_comes_later_still_is_found(self, clock):
        """It arrives while a third one, onto another host, is sent."""
        transport = cloud(
            1,
            **{
                POST: [LOST, CONFLICT, CONFLICT],
                HELD: [NOTHING] * 3 + [holding(1)],
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
                HELD: [NOTHING] * 3 + [holding(1)],
                CANDIDATES: [candidates_answer(1), candidates_answer()],
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
        transport = cloud(1, **{POST: [LOST, again], HELD: [NOTHING, after]})
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
            **{
                POST: LOST,
                f'GET /allocations/{instances[0]}': [NOTHING, fault(500)],
            },
        )
        with pytest.raises(PlacementError, match='47 more') as caught:
            schedule(transport, 50, instances=instances)
        assert caught.value.instances == tuple(instances)
        assert len(str(caught.value)) < 500


#: Answers to a claim that do not say whether it was made.
UNCLEAR = {
    'no answer in time': LOST,
    'a status 500': fault(500),
    'a gateway that is down': Answer(502, content=b'bad', own=False),
    'a page instead of an answer': Answer(content=b'<html>', own=False),
    'a yes that is not from Placement': Answer(200, {}, own=False),
    'a no without content that is not': Answer(204, own=False),
    'a 400 that is not': fault(400, own=False),
    'a 403 that is not': Answer(403, content=b'<html>', own=False),
    'a 404 that is not': fault(404, own=False),
    'a 409 that is not': fault(409, own=False),
    'a redirection': Answer(307, own=False),
}


class TestUnclearAnswers:
    @pytest.mark.parametrize('answer', UNCLEAR.values(), ids=UNCLEAR)
    def test_a_claim_that_was_made_is_reported_as_made(self, answer):
        transport = cloud(1, **{POST: answer, HELD: [NOTHING, holding(1)]})
        assert [p.host for p in schedule(transport)] == ['host-1']
        assert transport.calls.count(POST) == 1

    @pytest.mark.parametrize('answer', UNCLEAR.values(), ids=UNCLEAR)
    def test_a_claim_that_was_not_made_is_sent_again(self, answer):
        transport = cloud(1, **{POST: [answer, answer, {}]})
        assert schedule(transport)
        assert transport.calls.count(POST) == 3

    @pytest.mark.parametrize('answer', UNCLEAR.values(), ids=UNCLEAR)
    def test_one_that_may_come_yet_is_reported(self, answer):
        transport = cloud(1, **{POST: answer})
        with pytest.raises(PlacementError) as caught:
            client_of(transport, patience=0).schedule(
                sev_request(), instances=[GUEST]
            )
        assert caught.value.instances == (GUEST,)

    def test_one_that_was_sent_twice_on_the_way_is_found(self, clock):
        """The second answer is a conflict, which hid that it was made."""
        transport = cloud(1, **{POST: CONFLICT, HELD: [NOTHING, holding(1)]})
        assert [p.host for p in schedule(transport)] == ['host-1']
        assert clock.slept == []

    def test_another_owner_s_claim_is_not_taken_for_ones_own(self):
        theirs = holding(1, user_id='somebody')
        transport = cloud(1, **{POST: CONFLICT, HELD: [NOTHING, theirs]})
        with pytest.raises(InputError, match='holds something already'):
            schedule(transport)

    @pytest.mark.parametrize('late', [CONFLICT, fault(400)])
    def test_a_no_after_a_lost_answer_still_reports_the_guest(self, late):
        """The first may be on its way yet."""
        transport = cloud(1, **{POST: [LOST, late]})
        with pytest.raises(PlacementError) as caught:
            client_of(transport, patience=0).schedule(
                sev_request(), instances=[GUEST]
            )
        assert caught.value.instances == (GUEST,)

    def test_no_capacity_after_a_lost_answer_reports_the_guest_too(self):
        transport = cloud(
            1,
            **{
                POST: [LOST, CONFLICT],
                CANDIDATES: [candidates_answer(1), candidates_answer()],
            },
        )
        with pytest.raises(NoCapacity) as caught:
            schedule(transport)
        assert caught.value.instances == (GUEST,)
        assert GUEST in str(caught.value)

    @pytest.mark.parametrize('later', [fault(400), NOTHING])
    def test_a_failure_while_trying_anew_reports_it_too(self, later):
        transport = cloud(
            1,
            **{
                POST: [LOST, CONFLICT],
                HELD: [NOTHING, NOTHING, NOTHING, later],
                CANDIDATES: [candidates_answer(1), fault(503)],
            },
        )
        with pytest.raises(PlacementError) as caught:
            schedule(transport)
        assert caught.value.instances == (GUEST,)
