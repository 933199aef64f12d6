"""What is known of a write, whatever becomes of its answer."""

from __future__ import annotations

import pytest
import requests

from sev_scheduling.exceptions import PlacementError
from sev_scheduling.placement.answers import Allocations
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims.writes import SENDS, holds, write
from tests.unit.placement.fake_transport import (
    GUEST,
    HELD,
    NOTHING,
    cloud,
    fault,
    holding,
    uuid_of,
)

POST = 'POST /allocations'
LOST = requests.exceptions.ReadTimeout('slow')
CONFLICT = fault(409)
WANTED = Allocations({uuid_of(1): {'VCPU': 1}}, 'p', 'u')
EARLIER = Allocations({uuid_of(2): {'VCPU': 1}}, 'p', 'u')


def held(wanted):
    return holding(
        1,
        allocations={
            uuid: {'resources': amounts}
            for uuid, amounts in wanted.by_provider.items()
        },
        project_id='p',
        user_id='u',
    )


def outcome(answers, looked_up, *before):
    """Return which write was made, or the error; and the calls."""
    transport = cloud(**{POST: answers, HELD: looked_up})
    before = [{GUEST: allocations} for allocations in before]
    try:
        made = write(Api(transport.adapter()), {GUEST: WANTED}, *before)
    except PlacementError as error:
        return error, transport
    return made[GUEST], transport


@pytest.mark.parametrize(
    ('answers', 'looked_up', 'before', 'made', 'sends'),
    [
        pytest.param({}, NOTHING, [], WANTED, 1, id='a yes'),
        pytest.param(LOST, held(WANTED), [], WANTED, 1, id='lost, made'),
        pytest.param(
            CONFLICT, held(WANTED), [], WANTED, 1, id='sent twice, made'
        ),
        pytest.param(
            [LOST, {}], NOTHING, [], WANTED, 2, id='lost, not made, sent again'
        ),
        pytest.param(
            [LOST, CONFLICT],
            [NOTHING, held(WANTED)],
            [],
            WANTED,
            2,
            id='lost, came late',
        ),
        pytest.param(
            [LOST, CONFLICT],
            [fault(503), held(WANTED)],
            [],
            WANTED,
            2,
            id='lost, looked up in vain',
        ),
        pytest.param(
            CONFLICT,
            held(EARLIER),
            [EARLIER],
            EARLIER,
            1,
            id='an earlier one came late',
        ),
    ],
)
def test_one_that_was_made_is_found(answers, looked_up, before, made, sends):
    found, transport = outcome(answers, looked_up, *before)
    assert found is made
    assert transport.calls.count(POST) == sends


@pytest.mark.parametrize(
    ('answers', 'looked_up', 'before', 'reported', 'sends'),
    [
        pytest.param(CONFLICT, NOTHING, [], False, 1, id='a plain conflict'),
        pytest.param(
            CONFLICT, held(EARLIER), [], False, 1, id='others hold it'
        ),
        pytest.param(fault(403), NOTHING, [], False, 1, id='a plain refusal'),
        pytest.param(
            fault(403), NOTHING, [EARLIER], True, 1, id='refused, one is out'
        ),
        pytest.param(
            CONFLICT, NOTHING, [EARLIER], True, 1, id='conflict, one is out'
        ),
        pytest.param(
            CONFLICT, fault(503), [], True, SENDS, id='nobody can tell'
        ),
        pytest.param(LOST, NOTHING, [], True, SENDS, id='lost every time'),
        pytest.param(
            [LOST, fault(403)], NOTHING, [], True, 2, id='lost, refused'
        ),
        pytest.param(
            [LOST, CONFLICT], NOTHING, [], True, 2, id='lost, conflict'
        ),
    ],
)
def test_one_that_may_be_made_is_reported(
    answers, looked_up, before, reported, sends
):
    error, transport = outcome(answers, looked_up, *before)
    assert error.instances == ((GUEST,) if reported else ())
    assert transport.calls.count(POST) == sends


@pytest.mark.parametrize(
    ('held', 'wanted', 'same'),
    [
        (WANTED, WANTED, True),
        (EARLIER, WANTED, False),
        (Allocations(WANTED.by_provider, 'p', 'other'), WANTED, False),
        (Allocations(WANTED.by_provider, 'other', 'u'), WANTED, False),
        (Allocations(), Allocations({}, 'p', 'u', 3), True),
        (WANTED, Allocations({}, 'p', 'u', 3), False),
    ],
)
def test_what_is_held_is_told_from_what_others_claimed(held, wanted, same):
    assert holds(held, wanted) is same
