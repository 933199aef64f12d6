"""The slots of each host and model, as Prometheus reads them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.host import Host, SlotPool

_GAUGES = {
    'sev_scheduling_slots': ('total', 'Slots in the inventory.'),
    'sev_scheduling_slots_reserved': (
        'reserved',
        'Slots that are never given to guests.',
    ),
    'sev_scheduling_slots_used': ('used', 'Slots that guests hold.'),
    'sev_scheduling_slots_free': ('free', 'Slots that a guest can have now.'),
}


def write(path: str, pools: Iterable[tuple[Host, str, SlotPool]]) -> None:
    """Write gauges in Prometheus' text format, whole or not at all.

    :param pools: host, model and pool
    :raises InputError: where prometheus-client is not installed, or the
        file cannot be written
    """
    try:
        from prometheus_client import (
            CollectorRegistry,
            Gauge,
            write_to_textfile,
        )
    except ImportError as error:
        raise InputError(
            f'--prometheus needs {error.name}; install it with pip install '
            "'sev-scheduling[metrics]'."
        ) from None
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
        disabled.labels(host.name).set(host.disabled)
        for field, gauge in gauges.items():
            # A number that is not known is left out.
            if not (pool.unlimited and field in ('total', 'free')):
                gauge.labels(host.name, model).set(getattr(pool, field))
    Gauge(
        'sev_scheduling_collected_timestamp_seconds',
        'When the slots were counted.',
        registry=registry,
    ).set_to_current_time()
    # It is renamed into place: not over a device, and not over a link.
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(
            f'--prometheus {path!r} is no regular file; give one.'
        )
    try:
        write_to_textfile(target, registry)
    except OSError as error:
        raise InputError(
            f'--prometheus {path!r} cannot be written: {error.strerror}; '
            'give a file in a folder that exists.'
        ) from None
