"""How long requests wait for a Placement that does not answer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from oslo_utils import timeutils

from sev_scheduling.exceptions import PlacementUnavailable

#: Seconds in which nothing is asked, after a call ran out of time.
OPEN_SECONDS = 30.0


class CircuitBreaker:
    """Keeps calls off a Placement that does not answer in time.

    Closed, it lets every call through. A call that runs out of time opens
    it: for :data:`OPEN_SECONDS` calls fail at once. Then it is half-open:
    one call goes through as a probe, and closes it by any answer in time.
    One breaker serves all threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: timeutils.StopWatch | None = None

    def admit(self) -> None:
        """Let a call through.

        :raises PlacementUnavailable: while the breaker is open
        """
        with self._lock:
            if self._open is None:
                return
            if self._open.leftover() > 0.0:
                raise PlacementUnavailable(
                    'Placement did not answer within placement_timeout; it '
                    f'is not asked for {OPEN_SECONDS:.0f} seconds.'
                )
            # The probe. Should it never end, there is another one later.
            self._open.restart()

    def open(self) -> None:
        with self._lock:
            self._open = timeutils.StopWatch(OPEN_SECONDS).start()

    def close(self) -> None:
        if self._open is not None:
            with self._lock:
                self._open = None


class Deadline:
    """The time that one request may wait for Placement in vain.

    A request takes several steps: request filter, filter and weigher, the
    last two for each of its guests. Each step has the whole time-out for
    look-ups that are answered, so that a request for many guests does not
    fail for their number; the first step that runs out of time leaves those
    after it nothing. One thread at a time starts steps; several may call.

    :param seconds: the time-out
    """

    def __init__(self, seconds: float, breaker: CircuitBreaker) -> None:
        self._watch = timeutils.StopWatch(seconds).start()
        self._breaker = breaker
        self._missed = False

    def start_step(self) -> None:
        """Start the time of a step."""
        self._watch.restart()

    def left(self) -> float:
        """Return the seconds that are left of a step.

        :raises PlacementUnavailable: where nothing is
        """
        left: float = 0.0 if self._missed else self._watch.leftover()
        if left <= 0.0:
            raise self.miss()
        return left

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Make one call to Placement within.

        :raises PlacementUnavailable: where there is no time left, or the
            circuit breaker is open
        """
        self.left()
        self._breaker.admit()
        try:
            yield
        finally:
            if self._watch.leftover() <= 0.0:
                self.miss()
            else:
                self._breaker.close()

    def miss(self) -> PlacementUnavailable:
        """Let no step wait any more; return what to raise."""
        if not self._missed:
            self._missed = True
            self._breaker.open()
        return PlacementUnavailable(
            'Placement did not answer within placement_timeout.'
        )
