"""The time that look-ups may take."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable

from sev_scheduling.exceptions import PlacementUnavailable

#: The share of what a request may still wait that one step may.
SHARE = 0.8
#: Seconds in which requests are in a hurry, after one has run out of time.
HURRY = 30.0
#: Seconds that they may wait even so, unless the time-out is shorter.
LEAST = 1.0


def _nothing() -> None:
    """What a weak reference to nothing answers."""


class _Thread(threading.local):
    """What a thread is in the middle of.

    :ivar request: refers to the request; steps of none have none in common
    :ivar left: the seconds that the request may still wait; None before its
        first look-up, and where Placement answers again
    :ivar in_a_hurry: whether that is less than the time-out
    :ivar depth: how many steps it is in, one in another
    :ivar started: when the first look-up of the step began
    :ivar end: when the time of the step is over; None before its first look-up
    """

    request: Callable[[], object] = staticmethod(_nothing)
    left: float | None = None
    in_a_hurry = False
    depth = 0
    started = 0.0
    end: float | None = None


class Budget:
    """The time that a thread's look-ups may still take, in seconds.

    A request takes several steps, of several look-ups each. All steps that
    wait in vain take no longer together than the time-out. One of them takes
    four fifths of what is left, so that those after it can find Placement
    recovered. What Placement answers in time costs nothing: a request for
    many guests may take many steps.

    Requests that follow one that waited in vain wait for a tenth of the
    time-out, until Placement answers or half a minute is over.

    :param seconds: tells the time-out
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._thread = _Thread()
        self._hurried_until = -math.inf

    def step(self, request: object | None = None) -> Budget:
        """Return what makes the look-ups within one step: ``with …step():``.

        It starts with the first. Within another step, that one counts.

        :param request: of which it is a step; one of its own where None
        """
        thread = self._thread
        if not thread.depth and (
            request is None or thread.request() is not request
        ):
            thread.request = (
                _nothing if request is None else weakref.ref(request)
            )
            thread.left = None
        return self

    def __enter__(self) -> None:
        self._thread.depth += 1

    def __exit__(self, *_: object) -> None:
        thread = self._thread
        thread.depth -= 1
        if not thread.depth and thread.end is not None:
            self._account(thread.end)
            thread.end = None

    def _account(self, end: float) -> None:
        """Note what a step has told of Placement."""
        thread = self._thread
        now = self._clock()
        if now < end:
            self._hurried_until = -math.inf
            if thread.in_a_hurry:
                thread.left = None
            return
        if not thread.in_a_hurry:
            self._hurried_until = now + HURRY
        assert thread.left is not None, 'a step with an end has some'
        thread.left = max(0.0, thread.left - (now - thread.started))

    def left(self) -> float:
        """Return the seconds that are left of this step.

        :raises PlacementUnavailable: where nothing is
        """
        thread = self._thread
        now = self._clock()
        if thread.end is None:
            if thread.left is None:
                thread.left = self._seconds()
                thread.in_a_hurry = now < self._hurried_until
                if thread.in_a_hurry:
                    hurried = max(LEAST, thread.left / 10)
                    thread.left = min(thread.left, hurried)
            thread.started = now
            thread.end = now + SHARE * thread.left
        left = thread.end - now
        if left <= 0:
            raise too_late()
        return left


def too_late() -> PlacementUnavailable:
    """Return what to raise where the time is over."""
    return PlacementUnavailable(
        'Placement did not answer within placement_timeout.'
    )
