"""The time that look-ups may take."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from sev_scheduling.exceptions import PlacementUnavailable

#: Seconds in which look-ups are in a hurry, after some have run out of time.
HURRY = 30.0
#: Seconds that they may take even so, unless the time-out is shorter.
LEAST = 1.0


class _Step(threading.local):
    """What a thread is in the middle of."""

    depth = 0
    end: float | None = None
    in_a_hurry = False


class Budget:
    """The time that a thread's look-ups may still take, in seconds.

    A context manager for a step of them, which starts with the first. Within
    another step, that one counts: a step of many look-ups takes no longer
    than a step of one.

    A request takes several steps. Where Placement hangs, the first one waits
    for the whole time-out, and those after it only for a tenth, so that a
    request, and those that follow, wait once and not for each step. A look-up
    that succeeds ends the hurry.

    :param seconds: tells the time-out
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._step = _Step()
        self._hurried_until = -math.inf

    def __enter__(self) -> None:
        self._step.depth += 1

    def __exit__(self, *_: object) -> None:
        step = self._step
        step.depth -= 1
        if step.depth or step.end is None:
            return
        now = self._clock()
        if now < step.end:
            self._hurried_until = -math.inf
        elif not step.in_a_hurry:
            self._hurried_until = now + HURRY
        step.end = None

    def left(self) -> float:
        """Return the seconds that are left of this step.

        :raises PlacementUnavailable: where nothing is
        """
        step = self._step
        now = self._clock()
        if step.end is None:
            seconds = self._seconds()
            step.in_a_hurry = now < self._hurried_until
            if step.in_a_hurry:
                seconds = min(seconds, max(LEAST, seconds / 10))
            step.end = now + seconds
        left = step.end - now
        if left <= 0:
            raise too_late()
        return left


def too_late() -> PlacementUnavailable:
    """Return what to raise where the time is over."""
    return PlacementUnavailable(
        'Placement did not answer within placement_timeout.'
    )
