"""Warnings that do not flood the log: each at most once a minute."""

from __future__ import annotations

import threading

from oslo_log import log as logging
from oslo_utils import timeutils

LOG = logging.getLogger(__name__)

#: Seconds in which a warning is not logged again.
INTERVAL = 60.0


class Warnings:
    """Logs each warning once in a while, whatever thread has it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}

    def say(self, about: str, message: str) -> None:
        """Log a warning.

        :param about: what it is about; few different ones, as they are kept
        """
        now = timeutils.now()
        with self._lock:
            logged = self._logged.get(about)
            if logged is not None and now - logged < INTERVAL:
                return
            self._logged[about] = now
        LOG.warning(message)
