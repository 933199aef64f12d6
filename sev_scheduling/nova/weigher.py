"""MemoryEncryptionWeigher, for ``[filter_scheduler] weight_classes``."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import nova.conf
from nova.scheduler import utils, weights

from sev_scheduling import opts
from sev_scheduling.exceptions import PlacementError
from sev_scheduling.nova.lookups.lookups import Lookups
from sev_scheduling.nova.lookups.shared import shared_lookups
from sev_scheduling.nova.request_spec import asks_for_encryption, read_spec
from sev_scheduling.nova.warning_log import Warnings

CONF = nova.conf.CONF


class MemoryEncryptionWeigher(weights.BaseHostWeigher):  # type: ignore[misc]
    """Keeps other guests off hosts with slots, while others fit.

    Encrypted guests it spreads or stacks, by the free slots of their model.
    """

    # Weights are from -1 to 1, and nova's normalization is to leave them so:
    # a host's own multiplier then counts for that host alone.
    minval = 0
    maxval = 1

    def __init__(self) -> None:
        super().__init__()
        opts.register_opts(CONF)
        # One weigher object serves all threads; nova tells the multiplier
        # nothing but the host.
        self._local = threading.local()
        self._warnings = Warnings()

    def weight_multiplier(self, host_state: Any) -> float:
        """Return the option, or what an aggregate of the host has."""
        name = getattr(self._local, 'option', opts.WEIGHT_MULTIPLIER)
        value: float = utils.get_weight_multiplier(
            host_state, name, CONF.sev_scheduling[name]
        )
        return value

    def weigh_objects(
        self, weighed_obj_list: Iterable[Any], weight_properties: Any
    ) -> list[float]:
        """Return a weight for each host state."""
        states = [weighed.obj for weighed in weighed_obj_list]
        encrypted = asks_for_encryption(weight_properties)
        self._local.option = (
            opts.WEIGHT_MULTIPLIER if encrypted else opts.AVOIDANCE_MULTIPLIER
        )
        if not any(map(self.weight_multiplier, states)):
            return [0.0] * len(states)
        lookups = shared_lookups()
        try:
            with lookups.step(weight_properties):
                if encrypted:
                    return self._free_slots(lookups, states, weight_properties)
                shared = lookups.providers().with_slots()
        except PlacementError as error:
            self._warnings.say(
                'weigher', f'Hosts are not weighed by their slots: {error}'
            )
            return [0.0] * len(states)
        return [-1.0 if state.uuid in shared else 0.0 for state in states]

    def _free_slots(
        self, lookups: Lookups, states: list[Any], spec: Any
    ) -> list[float]:
        """Return each host's free slots of the model; 1 for the most."""
        model = read_spec(spec, CONF.sev_scheduling).request.model
        if model is None:
            return [0.0] * len(states)
        slots = lookups.recent_slots()
        free = [slots.free(state, model.name) for state in states]
        most = max(free, default=0) or 1
        return [one / most for one in free]

    def _weigh_object(self, host_state: Any, weight_properties: Any) -> float:
        raise NotImplementedError('weigh_objects() weighs all at once')
