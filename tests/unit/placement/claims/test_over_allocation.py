"""Claims that Placement accepts although there is no room for them."""

from __future__ import annotations

import pytest

from sev_scheduling.exceptions import (
    NoCapacity,
    PlacementConflict,
    PlacementUnavailable,
)
from tests.unit.placement.claims.test_transaction import (
    CONFLICT,
    POST,
    client_of,
    schedule,
)
from tests.unit.placement.fake_transport import (
    GUEST,
    HELD,
    NOTHING,
    SLOT,
    allocations,
    cloud,
    fault,
    holding,
    sev_request,
    uuid_of,
)

#: The pool of 15 slots.
USAGES = f'GET /resource_providers/{uuid_of(1001)}/usages'
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
    transport = cloud(1, **{USAGES: [EXCESS, FULL], HELD: CLAIMED})
    schedule(transport)
    assert transport.calls.count(POST) == 3
    assert given_back(transport) == [
        {
            GUEST: {
                'allocations': {},
                'project_id': 'a-project',
                'user_id': 'a-user',
                'consumer_generation': 1,
            }
        }
    ]


def test_memory_in_excess_is_given_back_too():
    root = f'GET /resource_providers/{uuid_of(1)}/usages'
    memory = [{'usages': {'MEMORY_MB': n}} for n in (65537, 65536)]
    transport = cloud(1, **{root: memory, HELD: CLAIMED})
    schedule(transport)
    assert len(given_back(transport)) == 1


def test_excess_that_goes_on_is_told_with_numbers_and_the_remedy():
    transport = cloud(1, **{USAGES: EXCESS, HELD: CLAIMED})
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
            HELD: CLAIMED,
            POST: [{}, CONFLICT, {}, {}],
        },
    )
    schedule(transport)
    assert len(given_back(transport)) == 2


def test_a_claim_that_is_gone_by_itself_is_not_given_back():
    transport = cloud(1, **{USAGES: [EXCESS, FULL], HELD: NOTHING})
    schedule(transport)
    assert given_back(transport) == []


@pytest.mark.parametrize('lost', [USAGES, HELD])
def test_where_nobody_answers_the_error_names_the_guest(lost):
    transport = cloud(1, **{USAGES: EXCESS, HELD: CLAIMED, lost: fault(503)})
    with pytest.raises(PlacementUnavailable, match=GUEST) as caught:
        schedule(transport)
    assert caught.value.instances == (GUEST,)


def test_a_guest_that_moved_goes_back_to_what_it_held():
    held = [holding(2), holding(1), holding(2), holding(1)]
    transport = cloud(1, 2, **{USAGES: [EXCESS, FULL], HELD: held})
    client_of(transport).move(GUEST, sev_request())
    _, back, _ = transport.bodies(POST)
    assert back[GUEST]['allocations'] == allocations(2)


def test_no_capacity_is_told_where_others_took_the_slot_meanwhile():
    transport = cloud(1, **{USAGES: EXCESS, HELD: [CLAIMED, NOTHING]})
    offered = transport.routes['GET /allocation_candidates']
    nothing = {'allocation_requests': [], 'provider_summaries': {}}
    transport.routes['GET /allocation_candidates'] = [offered, nothing]
    with pytest.raises(NoCapacity):
        schedule(transport)
    assert len(given_back(transport)) == 1
