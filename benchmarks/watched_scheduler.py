"""A nova-scheduler that writes how long its selections take, and in what.

Run by ``benchmarks.selection`` as a program of its own, in place of nova's::

    python benchmarks/watched_scheduler.py FILE --config-file NOVA_CONF

It appends a line of JSON to a file for each call of
``select_destinations``: ``model`` (of the guest, None without one),
``whole`` and ``plugin`` (seconds, of the second a part of the first) and
``claims`` (how often Placement was asked to give room).
"""

from __future__ import annotations

import functools
import json
import pathlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

# A program has its own directory first, not the one above.
sys.path[0] = str(pathlib.Path(__file__).parents[1])

# Before anything of nova: it chooses how threads are made.
from nova.cmd import scheduler as nova_scheduler  # noqa: E402
from nova.scheduler import manager, utils  # noqa: E402

from sev_scheduling.nova import (  # noqa: E402
    MemoryEncryptionFilter,
    MemoryEncryptionWeigher,
)
from sev_scheduling.nova.request_filter import RequestFilter  # noqa: E402


class Selection(threading.local):
    """What the selection of a thread has taken so far."""

    plugin = 0.0
    claims = 0


SELECTION = Selection()


def around(of: Any, method: str, note: Callable[..., None]) -> None:
    """Have each call of a method noted, with its seconds."""
    inner: Callable[..., Any] = getattr(of, method)

    @functools.wraps(inner)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            note(time.perf_counter() - started, *args, **kwargs)

    setattr(of, method, timed)


def watch(file: pathlib.Path) -> None:
    """Write each selection of this process, and of those it forks."""

    def add(seconds: float, *args: Any, **kwargs: Any) -> None:
        SELECTION.plugin += seconds

    def count(seconds: float, *args: Any, **kwargs: Any) -> None:
        SELECTION.claims += 1

    def write(seconds: float, *args: Any, **kwargs: Any) -> None:
        specs = kwargs['spec_obj'].flavor.extra_specs
        line = {
            'model': specs.get('hw:mem_encryption_model'),
            'whole': seconds,
            'plugin': SELECTION.plugin,
            'claims': SELECTION.claims,
        }
        SELECTION.plugin, SELECTION.claims = 0.0, 0
        # One write of a file that is only appended to is not torn.
        with file.open('a') as stream:
            stream.write(json.dumps(line) + '\n')

    around(RequestFilter, '__call__', add)
    around(MemoryEncryptionFilter, 'filter_all', add)
    around(MemoryEncryptionWeigher, 'weigh_objects', add)
    around(utils, 'claim_resources', count)
    around(manager.SchedulerManager, 'select_destinations', write)


if __name__ == '__main__':
    watch(pathlib.Path(sys.argv.pop(1)))
    sys.exit(nova_scheduler.main())
