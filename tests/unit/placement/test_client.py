"""The client: who is told of guests that were placed."""

from __future__ import annotations

import pytest

from sev_scheduling.placement import PlacementClient
from tests.unit.placement.fake_transport import (
    cloud,
    holding,
    sev_request,
    uuid_of,
)


class TestOnPlaced:
    def test_it_is_told_of_each_guest(self):
        told = []
        placed = PlacementClient(cloud(1).adapter()).schedule(
            sev_request(), 3, on_placed=told.append
        )
        assert tuple(told) == placed
        assert {p.host for p in placed} == {'host-1'}

    def test_where_it_raises_all_are_released(self):
        """Nobody would ever free guests that the caller never heard of."""
        instances = [uuid_of(n) for n in (7, 8)]
        held = holding(1)
        transport = cloud(
            1, **{f'GET /allocations/{i}': held for i in instances}
        )

        def on_placed(placement):
            if placement.instance == instances[1]:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            PlacementClient(transport.adapter()).schedule(
                sev_request(), 2, instances=instances, on_placed=on_placed
            )
        assert transport.bodies('POST /allocations')[1:] == [
            {instance: {**held, 'allocations': {}}} for instance in instances
        ]
