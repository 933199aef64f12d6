"""Warnings that do not flood the log: each at most once a minute."""

from __future__ import annotations

import threading
import time

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: Seconds in which a warning is not said again.
INTERVAL = 60.0


class Warnings:
    """Says each warning once in a while, whatever thread has it to say."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}

    def say(self, about: str, message: str) -> None:
        """Log a warning.

        :param about: what it is about; few different ones, as they are
            remembered
        """
        now = time.monotonic()
        with self._lock:
            said = self._said.get(about)
            if said is not None and now - said < INTERVAL:
                return
            self._said[about] = now
        LOG.warning(message)
