"""Schedule with nova's own SchedulerManager, and time the plug-in in it.

Run by ``benchmarks.nova select`` as ``python -m benchmarks.nova_process
CONFIG HOSTS ROUNDS``, since nova's configuration is global to a process.
"""

from __future__ import annotations

# Before anything of nova, as its own programs have it.
from nova import monkey_patch

monkey_patch.patch(backend='threading')

import collections  # noqa: E402
import functools  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import nova.conf  # noqa: E402
from nova import config, context, objects, rpc  # noqa: E402
from nova.scheduler import manager  # noqa: E402

from sev_scheduling.nova import (  # noqa: E402
    MemoryEncryptionFilter,
    MemoryEncryptionWeigher,
)
from sev_scheduling.nova.request_filter import RequestFilter  # noqa: E402
from tests.servers.nova_agent import request_spec  # noqa: E402
from tests.servers.nova_cloud import guests  # noqa: E402

PARTS = ('request filter', 'filter', 'weigher')


class Timer:
    """Adds up the seconds spent in the parts of the plug-in."""

    def __init__(self) -> None:
        self.spent: collections.Counter[str] = collections.Counter()

    def watch(self, part: str, of: type, method: str) -> None:
        inner: Callable[..., Any] = getattr(of, method)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                self.spent[part] += time.perf_counter() - started

        setattr(of, method, timed)


def main() -> None:
    path, hosts, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    config.parse_args(['nova', '--config-file', path])
    objects.register_all()
    rpc.init(nova.conf.CONF)
    timer = Timer()
    timer.watch('request filter', RequestFilter, '__call__')
    timer.watch('filter', MemoryEncryptionFilter, 'filter_all')
    timer.watch('weigher', MemoryEncryptionWeigher, 'weigh_objects')
    scheduler = manager.SchedulerManager()
    (weigher,) = (
        one
        for one in scheduler.host_manager.weighers
        if isinstance(one, MemoryEncryptionWeigher)
    )
    admin = context.get_admin_context()
    cells = ('guest', 'hosts', 'all (ms)', *PARTS, 'share', 'weigher, most')
    print('  '.join(f'{cell:>14}' for cell in cells))
    for model in ('amd-sev', None):
        totals, parts = [], collections.defaultdict(list)
        # The first one is not counted: it fills the caches of nova, too. The
        # slots that it was weighed by are then forgotten.
        for number in range(rounds + 1):
            if number == 1:
                weigher._lookups._slots.last = None
            asked = guests(1, model)
            spec = request_spec(admin, asked)
            timer.spent.clear()
            started = time.perf_counter()
            scheduler.select_destinations(
                admin,
                spec_obj=spec,
                instance_uuids=asked['instances'],
                return_objects=True,
                return_alternates=True,
            )
            took = time.perf_counter() - started
            if number:
                totals.append(took)
                for part in PARTS:
                    parts[part].append(timer.spent[part])
        # Shares of the time of all requests, not medians: of some look-ups
        # the first request of many pays for the others.
        whole = sum(totals)
        ours = {part: sum(parts[part]) for part in PARTS}
        cells = (
            model or 'plain',
            hosts,
            f'{statistics.median(totals) * 1e3:.1f}',
            *(f'{ours[part] / whole:.2%}' for part in PARTS),
            f'{sum(ours.values()) / whole:.2%}',
            f'{max(parts["weigher"]) / statistics.median(totals):.2%}',
        )
        print('  '.join(f'{cell:>14}' for cell in cells), flush=True)


if __name__ == '__main__':
    main()
