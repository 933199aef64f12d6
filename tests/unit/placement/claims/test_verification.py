"""Claims that Placement accepts although there is no room for them."""

from __future__ import annotations

import pytest

from sev_scheduling import translate
from sev_scheduling.exceptions import (
    NoCapacity,
    PlacementConflict,
    PlacementError,
    PlacementUnavailable,
)
from sev_scheduling.placement.claims.verification import find_fault, observe
from sev_scheduling.prefilter import PlacementRequest
from tests.unit.placement.claims.test_transaction import (
    CONFLICT,
    POST,
    client_of,
    schedule,
)
from tests.unit.placement.fake_transport import (
    GUEST,
    HELD,
    NO_CANDIDATES,
    NOTHING,
    SEV,
    SLOT,
    TREE,
    Answer,
    candidates_answer,
    candidates_of,
    fault,
    holding,
    sev_request,
    uuid_of,
)
from tests.unit.placement.fake_transport import (
    cloud as any_cloud,
)


def cloud(*hosts, **routes):
    """Return hosts that no query shows once they have taken a guest."""
    return any_cloud(*hosts, **{TREE: NO_CANDIDATES, **routes})


#: The pool of 15 slots.
USAGES = f'GET /resource_providers/{uuid_of(1001)}/usages'
TRAITS = f'GET /resource_providers/{uuid_of(1001)}/traits'
DISABLED = 'COMPUTE_STATUS_DISABLED'
FULL = {'usages': {SLOT: 15}}
EXCESS = {'usages': {SLOT: 16}}

#: The guest as the claim has left it.
CLAIMED = holding(1, consumer_generation=1)


def given_back(transport):
    """Return what was sent in place of claims."""
    return [
        body
        for body in transport.bodies(POST)
        if body[GUEST]['consumer_generation'] is not None
    ]


def test_the_last_slot_is_no_excess():
    transport = cloud(1, **{USAGES: FULL})
    schedule(transport)
    assert transport.calls.count(POST) == 1


def test_excess_is_given_back_whole_and_claimed_anew():
    transport = cloud(1, **{USAGES: [EXCESS, FULL], HELD: [NOTHING, CLAIMED]})
    schedule(transport)
    assert transport.calls.count(POST) == 3
    assert given_back(transport) == [
        {
            GUEST: {
                'allocations': {},
                'project_id': 'sev-scheduling',
                'user_id': 'sev-scheduling',
                'consumer_generation': 1,
            }
        }
    ]


def test_memory_in_excess_is_given_back_too():
    root = f'GET /resource_providers/{uuid_of(1)}/usages'
    memory = [{'usages': {'MEMORY_MB': n}} for n in (65537, 65536)]
    transport = cloud(1, **{root: memory, HELD: [NOTHING, CLAIMED]})
    schedule(transport)
    assert len(given_back(transport)) == 1


def test_excess_that_goes_on_is_told_with_numbers_and_the_remedy():
    transport = cloud(1, **{USAGES: EXCESS, HELD: [NOTHING, CLAIMED]})
    with pytest.raises(
        PlacementConflict,
        match=r'16 of 15 MEM_ENCRYPTION_CONTEXT .* '
        'allocation_conflict_retry_count = 1',
    ):
        schedule(transport)
    # Each claim but none of their undoings is tried again and again.
    assert transport.calls.count(POST) == 2 * len(given_back(transport))


def test_giving_back_goes_on_after_a_conflict():
    transport = cloud(
        1,
        **{
            USAGES: [EXCESS, FULL],
            HELD: [NOTHING, CLAIMED],
            POST: [{}, CONFLICT, {}, {}],
        },
    )
    schedule(transport)
    assert len(given_back(transport)) == 2


def test_a_claim_that_is_gone_by_itself_is_not_given_back():
    transport = cloud(1, **{USAGES: [EXCESS, FULL], HELD: NOTHING})
    schedule(transport)
    assert given_back(transport) == []


#: What stands between answers, where a gone provider is Placement's 404.
NOT_GONE = {
    'a page': Answer(404, content=b'<html>', own=False),
    'its 404': fault(404, own=False),
    'its 400': fault(400, own=False),
    '400': fault(400),
    '403': fault(403),
    '500': fault(500),
    'no JSON': Answer(content=b'{"usages'),
    'another shape': {'usages': [1]},
}


class TestHostsThatAQueryShows:
    """One call shows all of a host's tree."""

    def test_it_is_all_that_is_asked(self):
        transport = any_cloud(1)
        schedule(transport, instances=None)
        after = transport.calls[transport.calls.index(POST) + 1 :]
        assert after == [TREE]

    def test_excess_is_given_back(self):
        transport = any_cloud(
            1, **{TREE: [candidates_answer(1, free=-1), candidates_answer(1)],
                  HELD: [NOTHING, CLAIMED]}
        )  # fmt: skip
        schedule(transport)
        assert len(given_back(transport)) == 1

    def test_an_inventory_that_shrank_is_seen(self):
        """Capacity was taken from the answer before the claim."""
        smaller = candidates_answer(1, total=3, free=-2)
        transport = any_cloud(
            1, **{TREE: [smaller, candidates_answer(1)],
                  HELD: [NOTHING, CLAIMED]}
        )  # fmt: skip
        schedule(transport)
        assert len(given_back(transport)) == 1

    def test_a_trait_that_is_lost_is_seen(self):
        transport = any_cloud(
            1, **{TREE: [candidates_answer(1, trait='CUSTOM_OTHER'),
                         candidates_answer(1)],
                  HELD: [NOTHING, CLAIMED]}
        )  # fmt: skip
        schedule(transport)
        assert len(given_back(transport)) == 1

    def test_each_host_is_asked_once(self):
        transport = any_cloud(1, 2, 3)
        schedule(transport, 3)
        assert transport.calls.count(TREE) == 3

    @pytest.mark.parametrize(
        'answer', [fault(400), fault(403), fault(404), fault(503, own=False)]
    )
    def test_where_it_fails_the_claim_is_given_back(self, answer):
        transport = any_cloud(1, **{TREE: answer, HELD: [NOTHING, CLAIMED]})
        with pytest.raises(PlacementError, match='was given back'):
            schedule(transport)
        assert len(given_back(transport)) == 1


class TestWhereItCannotBeChecked:
    """The claim is given back, and that is reported: nothing is assumed."""

    @pytest.mark.parametrize('path', [USAGES, TRAITS])
    @pytest.mark.parametrize('answer', NOT_GONE.values(), ids=NOT_GONE)
    def test_it_is_given_back(self, path, answer):
        """Any 4xx was taken for a provider that is gone."""
        transport = cloud(1, **{path: answer, HELD: [NOTHING, CLAIMED]})
        with pytest.raises(PlacementError, match='was given back') as caught:
            schedule(transport)
        assert len(given_back(transport)) == 1
        assert caught.value.instances == ()

    @pytest.mark.parametrize('path', [USAGES, TRAITS])
    def test_one_failure_is_tried_anew(self, path):
        """It was reported as a claim that may be made or not."""
        right = cloud(1).routes[path]
        transport = cloud(1, **{path: [fault(503), fault(503), right]})
        assert schedule(transport)
        assert given_back(transport) == []

    @pytest.mark.parametrize('path', [USAGES, TRAITS])
    def test_a_provider_that_is_gone_keeps_no_claim(self, path):
        transport = cloud(1, **{path: fault(404), HELD: [NOTHING, CLAIMED]})
        with pytest.raises(PlacementConflict, match='is gone'):
            schedule(transport)

    def test_where_it_cannot_be_given_back_the_guest_is_reported(self):
        transport = cloud(
            1,
            **{
                USAGES: fault(503),
                HELD: [NOTHING, CLAIMED],
                POST: [{}, fault(503)],
            },
        )
        with pytest.raises(PlacementUnavailable, match=GUEST) as caught:
            schedule(transport)
        assert caught.value.instances == (GUEST,)
        assert 'was made' in str(caught.value)


class TestTraits:
    """Placement accepts a claim that rests on an old answer about them."""

    def test_a_pool_that_has_lost_its_model_keeps_no_claim(self):
        transport = cloud(
            1,
            **{
                TRAITS: [{'traits': []}, {'traits': [SEV]}],
                HELD: [NOTHING, CLAIMED],
            },
        )
        schedule(transport)
        assert len(given_back(transport)) == 1

    @pytest.mark.parametrize(
        ('traits', 'kept'),
        [([], True), ([DISABLED], False), (['CUSTOM_OTHER'], True)],
    )
    def test_a_host_that_is_disabled_meanwhile_keeps_no_claim(
        self, traits, kept
    ):
        query = PlacementRequest(
            translate(sev_request()).groups,
            root_forbidden=frozenset({DISABLED}),
        )
        transport = cloud(
            1, **{f'GET /resource_providers/{uuid_of(1)}/traits':
                  {'traits': traits}}
        )  # fmt: skip
        answer = candidates_of(candidates_answer(1))
        chosen = list(answer.candidates(sev_request().models))
        before = answer.provider_summaries
        now = observe(client_of(transport), chosen, before)
        found = find_fault(chosen, before, now, query)
        assert (found is None) is kept

    def test_other_traits_may_come_and_go(self):
        transport = cloud(1, **{TRAITS: {'traits': [SEV, 'CUSTOM_NEW']}})
        assert schedule(transport)
        assert given_back(transport) == []


def test_no_capacity_is_told_where_others_took_the_slot_meanwhile():
    transport = cloud(1, **{USAGES: EXCESS, HELD: [NOTHING, CLAIMED, NOTHING]})
    offered = transport.routes['GET /allocation_candidates']
    nothing = {'allocation_requests': [], 'provider_summaries': {}}
    transport.routes['GET /allocation_candidates'] = [offered, nothing]
    with pytest.raises(NoCapacity):
        schedule(transport)
    assert len(given_back(transport)) == 1
