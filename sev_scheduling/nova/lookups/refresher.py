"""Answers renewed beside the requests that use them."""

from __future__ import annotations

import _thread
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
    where nothing is weighed, nor when nova forks, which it does before any
    request. It ends with the process. Where nova patches threads for
    eventlet, it is a green one.

    :param deadline: returns how long one look-up may take
    """

    def __init__(
        self, deadline: Callable[[], Deadline], warnings: Warnings
    ) -> None:
        self._deadline = deadline
        self._warnings = warnings
        self._lock = threading.Lock()
        self._waiting: list[Cache[Any]] = []
        self._idle = threading.Event()
        self._idle.set()

    def renew(self, cache: Cache[Any]) -> None:
        """Have a cache renewed, and do not wait for it."""
        with self._lock:
            if cache not in self._waiting:
                self._waiting.append(cache)
            if not self._idle.is_set():
                return
            self._idle.clear()
        thread = threading.Thread(
            target=self._work, name='sev_scheduling refresher', daemon=True
        )
        try:
            # Whoever starts a thread waits until it runs, which the threads
            # of other requests put off: 90 ms were seen with eight of them.
            _thread.start_new_thread(self._start, (thread,))
        except RuntimeError as error:
            self._not_started(error)

    def _start(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError as error:
            self._not_started(error)

    def _not_started(self, error: RuntimeError) -> None:
        """Let the next request try again; this one has an answer.

        The process ends, or can have no more threads.
        """
        self._say(error)
        self._idle.set()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._idle.set()
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
