"""Answers of Placement that threads share for a while."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from sev_scheduling.hosts.host import Host
from sev_scheduling.nova.lookups.deadline import Budget, too_late

T = TypeVar('T')


class Remembered(Generic[T]):
    """An answer for which one thread asks, while the others wait.

    :param ask: asks Placement
    :param seconds: tells how long to remember
    :ivar last: the last answer, however old; None before the first
    """

    def __init__(
        self,
        ask: Callable[[], T],
        seconds: Callable[[], float],
        budget: Budget,
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at = -math.inf
        self.last: T | None = None

    def get(self) -> T:
        """:raises PlacementError: one of its children"""
        known = self._fresh()
        if known is not None:
            return known
        with self._budget.step():
            if not self._lock.acquire(timeout=self._budget.left()):
                raise too_late()
            try:
                known = self._fresh()
                return self.renew() if known is None else known
            finally:
                self._lock.release()

    def renew(self) -> T:
        """Ask, whatever is remembered.

        :raises PlacementError: one of its children
        """
        with self._budget.step():
            # What happens while Placement answers may be missing.
            asked_at = self._clock()
            answer = self._ask()
        self.last, self._asked_at = answer, asked_at
        return answer

    def forget(self) -> None:
        """Ask the next time; :attr:`last` stays."""
        self._asked_at = -math.inf

    def _fresh(self) -> T | None:
        if self._clock() - self._asked_at < self._seconds():
            return self.last
        return None


class RecentSlots:
    """The slots of hosts, as they were a short time ago.

    :ivar hosts: root uuid -> host, of hosts with any free slot
    """

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self.hosts = hosts
        self._guests: dict[str, int] = {}

    def free(self, state: Any, model: str) -> int:
        """Return how many slots of a model a host has free by now.

        Nova counts the guests of each host state: those that it places
        itself, at once, and those that come and go otherwise, when the host
        reports. What they are since Placement was asked is taken off; which
        of them are encrypted is not known.

        :param state: a ``nova.scheduler.host_manager.HostState``
        """
        guests: int = state.num_instances
        since = guests - self._guests.setdefault(state.uuid, guests)
        host = self.hosts.get(state.uuid)
        pool = host.pools.get(model) if host else None
        if pool is None:
            return 0
        capacity = max(0, pool.total - pool.reserved)
        return min(max(0, pool.free - since), capacity)
