"""The slots of each host and model, as Prometheus reads them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sev_scheduling.exceptions import InputError, needed
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.text import printable

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

COLLECTED = 'sev_scheduling_collected_timestamp_seconds'

_GAUGES = {
    'sev_scheduling_slots': ('total', 'Slots in the inventory.'),
    'sev_scheduling_slots_reserved': (
        'reserved',
        'Slots that are never given to guests.',
    ),
    'sev_scheduling_slots_used': ('used', 'Slots that guests hold.'),
    'sev_scheduling_slots_free': ('free', 'Slots that a guest can have now.'),
}


Pools = Iterable[tuple[Host, str, SlotPool]]


def registry_of(pools: Pools) -> CollectorRegistry:
    """Return the gauges of pools, counted now.

    :param pools: host, model and pool
    """
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    gauges = {
        field: Gauge(name, text, ('host', 'model'), registry=registry)
        for name, (field, text) in _GAUGES.items()
    }
    disabled = Gauge(
        'sev_scheduling_host_disabled',
        '1 where the compute service is disabled: no guest gets its slots.',
        ('host',),
        registry=registry,
    )
    for host, model, pool in pools:
        # The format itself escapes line breaks alone.
        name = printable(host.name)
        disabled.labels(name).set(host.disabled)
        for field, gauge in gauges.items():
            # A number that is not known is left out.
            if not (pool.unlimited and field in ('total', 'free')):
                gauge.labels(name, model).set(getattr(pool, field))
    Gauge(
        COLLECTED,
        'When the slots were counted.',
        registry=registry,
    ).set_to_current_time()
    return registry


class Snapshot:
    """The answer to the last question, as a collector of prometheus_client.

    Slots are shown while they are fresh alone: not after a question that was
    not answered, and not longer than ``max_age`` after the last answer.
    Threads may share it.

    :param max_age: seconds
    :param clock: seconds, of any origin
    """

    def __init__(
        self, max_age: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_age = max_age
        self._clock = clock
        #: When it was answered, and what; replaced as a whole.
        self._answer: tuple[float, CollectorRegistry] | None = None
        self._collected: float | None = None
        self._failures = 0

    def answered(self, pools: Pools) -> None:
        self._answer = self._clock(), registry_of(pools)
        self._collected = time.time()

    def failed(self) -> None:
        self._answer = None
        self._failures += 1

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        answer = self._answer
        if answer and self._clock() - answer[0] > self._max_age:
            answer = None
        yield GaugeMetricFamily(
            'sev_scheduling_placement_up',
            '1 where Placement answered the last question in time.',
            float(answer is not None),
        )
        yield CounterMetricFamily(
            'sev_scheduling_placement_failures',
            'Questions that Placement did not answer.',
            self._failures,
        )
        if answer:
            yield from answer[1].collect()
        elif self._collected is not None:
            yield GaugeMetricFamily(
                COLLECTED, 'When the slots were counted.', self._collected
            )


def text(pools: Pools) -> str:
    """Return the gauges of pools in Prometheus' text format.

    :raises InputError: where prometheus-client is not installed
    """
    with needed('metrics', '--prometheus'):
        from prometheus_client import generate_latest
    return generate_latest(registry_of(pools)).decode()


def write(path: str, pools: Pools) -> None:
    """Write gauges in Prometheus' text format, whole or not at all.

    :param pools: host, model and pool
    :raises InputError: where prometheus-client is not installed, or the
        file cannot be written
    """
    with needed('metrics', '--prometheus'):
        from prometheus_client import write_to_textfile
    # It is renamed into place: not over a device, and not over a link.
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(
            f'--prometheus {path!r} is no regular file; give one.'
        )
    try:
        write_to_textfile(target, registry_of(pools))
    except OSError as error:
        raise InputError(
            f'--prometheus {path!r} cannot be written: {error.strerror}; '
            'give a file in a folder that exists.'
        ) from None
