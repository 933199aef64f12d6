"""An answer of Placement that threads share for a while.

dogpile.cache, which comes with nova, was tried for this: its readers wait
for a first answer without a time limit (four of them 3, 6, 9 and 12 seconds
where each attempt fails after 3), its ages follow the wall clock, and a key
cannot be asked for anew without losing the last answer to it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from oslo_utils import timeutils

from sev_scheduling.nova.lookups.deadline import Deadline

T = TypeVar('T')

#: So many times the time in which it is fresh, an answer is used while a
#: newer one is asked for.
STALE = 10


class Cache(Generic[T]):
    """One answer. One thread asks, the others get the last answer at once.

    :param ask: asks Placement
    :param seconds: how long an answer is fresh enough
    :ivar last: the last answer, however old; None before the first
    """

    def __init__(self, ask: Callable[[Deadline], T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked_at = -math.inf
        self.last: T | None = None

    @property
    def due(self) -> bool:
        """Whether the next request that needs an answer to share asks."""
        return 0 < self._seconds <= timeutils.now() - self._asked_at

    def get(self, deadline: Deadline) -> T:
        """Return an answer that is fresh enough, or being renewed.

        :raises PlacementError: one of its children
        """
        since = timeutils.now() - self._seconds
        if self.last is not None and self._asked_at > since:
            return self.last
        # Without a time in which it is fresh, the last answer is no answer.
        if self.last is not None and self._seconds > 0:
            if not self._lock.acquire(blocking=False):
                return self.last
            try:
                return self.ask(deadline)
            finally:
                self._lock.release()
        return self.ask_since(since, deadline)

    def get_at_once(
        self, deadline: Deadline, renew: Callable[[Cache[T]], None]
    ) -> T:
        """Do what :meth:`get` does, and let no request wait to renew it.

        An answer up to :data:`STALE` times as old as one that is fresh is
        returned at once, and renewed behind the back of the request.

        :param renew: has :meth:`renew` called, and does not wait for it
        :raises PlacementError: one of its children
        """
        answer, age = self.last, timeutils.now() - self._asked_at
        if answer is None or age >= STALE * self._seconds:
            return self.get(deadline)
        if age >= self._seconds:
            renew(self)
        return answer

    def renew(self, deadline: Deadline) -> T:
        """Ask, unless another thread has asked while this one waited.

        :raises PlacementError: one of its children
        """
        return self.ask_since(timeutils.now() - self._seconds, deadline)

    def ask_since(self, since: float, deadline: Deadline) -> T:
        """Return the answer to a question asked after a moment.

        Another thread may have asked it.

        :param since: as :func:`oslo_utils.timeutils.now` counts
        :raises PlacementError: one of its children
        """
        if not self._lock.acquire(timeout=deadline.left()):
            raise deadline.miss()
        try:
            if self.last is not None and self._asked_at > since:
                return self.last
            return self.ask(deadline)
        finally:
            self._lock.release()

    def ask(self, deadline: Deadline) -> T:
        """Ask, whatever is known, and keep the answer.

        :raises PlacementError: one of its children
        """
        # What happens while Placement answers may be missing.
        asked_at = timeutils.now()
        answer = self._ask(deadline)
        self.last, self._asked_at = answer, asked_at
        return answer
