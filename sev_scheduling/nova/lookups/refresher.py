"""Answers renewed beside the requests that use them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sev_scheduling.exceptions import PlacementError
from sev_scheduling.nova.lookups.cache import Cache
from sev_scheduling.nova.lookups.deadline import Deadline
from sev_scheduling.nova.warning_log import Warnings


class Refresher:
    """Renews caches in one thread, so that no request waits for it.

    The thread is there only while there is something to ask: nothing runs
    where nothing is weighed, and nothing is left behind by a fork. It ends
    with the process. Where nova patches threads for eventlet, it is a green
    one.

    :param deadline: returns how long one look-up may take
    """

    def __init__(
        self, deadline: Callable[[], Deadline], warnings: Warnings
    ) -> None:
        self._deadline = deadline
        self._warnings = warnings
        self._lock = threading.Lock()
        self._waiting: list[Cache[Any]] = []
        self._runs = False

    def renew(self, cache: Cache[Any]) -> None:
        """Have a cache renewed, and do not wait for it."""
        with self._lock:
            if cache not in self._waiting:
                self._waiting.append(cache)
            if self._runs:
                return
            self._runs = True
        thread = threading.Thread(
            target=self._work, name='sev_scheduling refresher', daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            # The process ends, or can have no more threads. The request has
            # an answer, and the next one tries again.
            with self._lock:
                self._runs = False
            self._say(error)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._runs = False
                    return
                cache = self._waiting[0]
            try:
                cache.renew(self._deadline())
            except PlacementError as error:
                self._say(error)
            except Exception as error:
                self._warnings.fault(error)
            with self._lock:
                # Asked for while it was renewed, it needs no other time.
                self._waiting.remove(cache)

    def _say(self, error: Exception) -> None:
        self._warnings.say(
            'refresher',
            f'Placement is not asked ahead of guests: {error}',
        )
