"""The client: who is told of guests that were placed."""

from __future__ import annotations

import pytest

from sev_scheduling.placement import PlacementClient
from tests.unit.placement.fake_transport import (
    ANY_HELD,
    NOTHING,
    cloud,
    fault,
    holding,
    sev_request,
    uuid_of,
)

GUESTS = [uuid_of(n) for n in (7, 8)]


class TestOnPlaced:
    def test_it_is_told_of_each_guest(self):
        told = []
        placed = PlacementClient(cloud(1).adapter()).schedule(
            sev_request(), 3, on_placed=told.append
        )
        assert tuple(told) == placed
        assert {p.host for p in placed} == {'host-1'}

    def placed_and_failing(self, **routes):
        """Let the second of two callbacks fail; return what was raised."""
        transport = cloud(1, **routes)

        def on_placed(placement):
            if placement.instance == GUESTS[1]:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            PlacementClient(transport.adapter()).schedule(
                sev_request(), 2, instances=GUESTS, on_placed=on_placed
            )
        return transport, caught.value

    def test_where_it_raises_all_are_released_in_one_call(self):
        """Nobody would ever free guests that the caller never heard of."""
        held = [NOTHING, holding(1)]
        transport, error = self.placed_and_failing(
            **{f'{ANY_HELD}{GUESTS[0]}': held, f'{ANY_HELD}{GUESTS[1]}': held}
        )
        assert transport.bodies('POST /allocations')[1:] == [
            {guest: holding(1, allocations={}) for guest in GUESTS}
        ]
        assert not hasattr(error, '__notes__')

    def test_what_cannot_be_released_is_noted_on_what_it_raised(self, caplog):
        """A 503 took the place of the caller's own exception, and the other
        guests were not released."""
        _, error = self.placed_and_failing(
            **{
                'POST /allocations': [{}, fault(503)],
                f'{ANY_HELD}{GUESTS[0]}': [NOTHING, holding(1)],
            }
        )
        (note,) = error.__notes__
        assert all(guest in note for guest in GUESTS)
        assert note in caplog.text

    def test_an_answer_that_is_lost_then_is_looked_up(self):
        held = [NOTHING, holding(1), NOTHING]
        transport, error = self.placed_and_failing(
            **{
                'POST /allocations': [{}, fault(503)],
                f'{ANY_HELD}{GUESTS[0]}': held,
                f'{ANY_HELD}{GUESTS[1]}': [holding(1), NOTHING],
            }
        )
        assert len(transport.bodies('POST /allocations')) == 2
        assert not hasattr(error, '__notes__')
