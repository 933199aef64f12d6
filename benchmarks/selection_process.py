"""Schedule with nova's own SchedulerManager, and time the plug-in in it.

Run by ``benchmarks.selection`` as ``python -m benchmarks.selection_process
CONFIG ROUNDS``, since nova's configuration is global to a process. It writes
a line of JSON for each kind of guest: the seconds of each selection in the
plug-in, and those in all else. The first one asks what is cached later.
"""

from __future__ import annotations

# Before anything of nova, as its own programs have it.
from nova import monkey_patch

monkey_patch.patch(backend='threading')

import functools  # noqa: E402
import json  # noqa: E402
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


class Timer:
    """Adds up the seconds spent in the plug-in."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, of: type, method: str) -> None:
        inner: Callable[..., Any] = getattr(of, method)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started

        setattr(of, method, timed)


def main() -> None:
    path, rounds = sys.argv[1], int(sys.argv[2])
    config.parse_args(['nova', '--config-file', path])
    objects.register_all()
    rpc.init(nova.conf.CONF)
    timer = Timer()
    timer.watch(RequestFilter, '__call__')
    timer.watch(MemoryEncryptionFilter, 'filter_all')
    timer.watch(MemoryEncryptionWeigher, 'weigh_objects')
    scheduler = manager.SchedulerManager()
    admin = context.get_admin_context()
    for model in ('amd-sev', None):
        taken = []
        for _ in range(rounds):
            asked = guests(1, model)
            spec = request_spec(admin, asked)
            timer.seconds = 0.0
            started = time.perf_counter()
            scheduler.select_destinations(
                admin,
                spec_obj=spec,
                instance_uuids=asked['instances'],
                return_objects=True,
                return_alternates=True,
            )
            whole = time.perf_counter() - started
            taken.append((timer.seconds, whole - timer.seconds))
        print(json.dumps({'guest': model or 'plain', 'rounds': taken}))


if __name__ == '__main__':
    main()
