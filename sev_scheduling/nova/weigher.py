"""MemoryEncryptionWeigher, for ``[filter_scheduler] weight_classes``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import nova.conf
from nova.scheduler import utils, weights
from oslo_log import log as logging

from sev_scheduling import opts
from sev_scheduling.exceptions import PlacementError
from sev_scheduling.nova.lookups import shared_lookups
from sev_scheduling.nova.options import Options, log_start
from sev_scheduling.nova.request_spec import SpecReading
from sev_scheduling.nova.warning_log import Guard

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class MemoryEncryptionWeigher(weights.BaseHostWeigher):  # type: ignore[misc]
    """Keeps other guests off hosts with slots, while others fit.

    Encrypted guests it spreads or stacks, by the free slots of their model.
    One object serves all threads.

    Nova asks for a host's multiplier without the request
    (``weight_multiplier(host_state)``), which has one option for encrypted
    guests and another for the rest. So the weights are multiplied here, and
    nova's multiplier stays 1.0.
    """

    # Nova's normalization, (weight - minval) / (maxval - minval), leaves
    # weights as they are: a host's multiplier then counts for it alone.
    minval = 0
    maxval = 1

    def __init__(self) -> None:
        super().__init__()
        self._options = Options.read(CONF)
        self._lookups = shared_lookups(self._options)
        self._lookups.weighs = bool(
            self._options.memory_encryption_weight_multiplier
        )
        self._warnings = self._lookups.warnings
        self._guard = Guard(self._options, self._warnings)
        log_start(LOG, type(self).__name__, self._options)

    def weigh_objects(
        self, weighed_obj_list: Iterable[Any], weight_properties: Any
    ) -> list[float]:
        """Return a weight for each host state, its multiplier applied."""
        states = [weighed.obj for weighed in weighed_obj_list]
        return self._guard.run(
            lambda: self._weights(states, weight_properties),
            lambda: [0.0] * len(states),
        )

    def _weights(
        self, states: list[Any], weight_properties: Any
    ) -> list[float]:
        reading = SpecReading.of(weight_properties)
        name = opts.AVOIDANCE_MULTIPLIER
        option = self._options.memory_encryption_avoidance_weight_multiplier
        if reading.asks_for_encryption:
            name = opts.WEIGHT_MULTIPLIER
            option = self._options.memory_encryption_weight_multiplier
        multipliers = _multipliers(states, name, option)
        if not any(multipliers):
            return multipliers
        try:
            weigh = (
                self._free_slots
                if reading.asks_for_encryption
                else self._avoidance
            )
            weights = weigh(states, weight_properties, reading)
        except PlacementError as error:
            self._warnings.say(
                'weigher', f'Hosts are not weighed by their slots: {error}'
            )
            return [0.0] * len(states)
        return [m * w for m, w in zip(multipliers, weights, strict=True)]

    def _avoidance(
        self, states: list[Any], spec: Any, reading: SpecReading
    ) -> list[float]:
        """Return -1 for each host that offers slots, as far as is known."""
        lookups = self._lookups
        try:
            providers = lookups.recent_providers(reading.start_step(lookups))
        except PlacementError:
            known = lookups.last_known()
            if known is None:
                raise
            providers = known
        with_slots = providers.with_slots()
        return [-1.0 if s.uuid in with_slots else 0.0 for s in states]

    def _free_slots(
        self, states: list[Any], spec: Any, reading: SpecReading
    ) -> list[float]:
        """Return each host's free slots of the model; 1 for the most.

        A host that reports no limit is neither preferred nor avoided: it has
        the mean of the others.
        """
        model = reading.decision(spec, self._options).request.model
        if model is None:
            return [0.0] * len(states)
        slots = self._lookups.recent_slots(reading.start_step(self._lookups))
        free = [slots.free(state, model.name) for state in states]
        known = [one for one in free if one is not None]
        most = max(known, default=0) or 1
        mean = sum(known) / len(known) if known else 0.0
        return [(mean if one is None else one) / most for one in free]

    def _weigh_object(self, host_state: Any, weight_properties: Any) -> float:
        raise NotImplementedError('weigh_objects() weighs all at once')


def _multipliers(states: list[Any], name: str, option: float) -> list[float]:
    """Return the option, or what an aggregate of the host has."""
    # Nova's states share one object for each aggregate.
    aggregates = {one for state in states for one in state.aggregates}
    if not any(name in aggregate.metadata for aggregate in aggregates):
        return [option] * len(states)
    return [
        utils.get_weight_multiplier(state, name, option) for state in states
    ]
