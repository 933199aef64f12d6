"""Every exception this package raises on purpose.

::

    SevSchedulingError
    ├── SpecError            a flavor or an image has no usable shape
    ├── InvalidRequest       the request has problems of severity error
    ├── ModelError           a registered encryption model is unusable
    ├── InputError           a file or option cannot be used
    │   └── CloudFileError   a cloud file is wrong, with entry and key
    ├── NoCapacity           no host, or no slot, for a valid request
    └── PlacementError       Placement did not do what was asked
        ├── PlacementUnavailable   no answer in time, or a 5xx
        ├── PlacementDenied        401 or 403
        ├── PlacementTooOld        the microversion needed is missing
        ├── PlacementRefused       a 4xx about the request itself
        ├── PlacementConflict      409 again and again
        └── PlacementAnswerError   an answer that cannot be understood

The message is one line, names the input and its value, and says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class SevSchedulingError(Exception):
    """The root: catch this to catch everything."""


class SpecError(SevSchedulingError):
    """A flavor or an image that has no usable shape."""


class InvalidRequest(SevSchedulingError):
    """A request that cannot be scheduled as it stands.

    :ivar problems: every :class:`.Problem` found, errors first, warnings
        included
    """

    def __init__(self, problems: tuple[Any, ...]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        return ' '.join(p.message for p in self.problems if p.is_error)


class ModelError(SevSchedulingError):
    """An encryption model that a plug-in registered is unusable."""


class InputError(SevSchedulingError):
    """A file, or a command line option, that cannot be used."""


class CloudFileError(InputError):
    """A cloud file that is wrong; names the file, the entry and the key."""


class Explained(Protocol):
    """What an exception needs of an :class:`.Explanation`."""

    @property
    def commands(self) -> tuple[str, ...]: ...

    def operator(self) -> str: ...

    def tenant(self) -> str: ...

    def fault(self, limit: int = ...) -> str: ...

    def claim(self, count: int, fit: int, *, moving: bool) -> str: ...


class Diagnosed(Protocol):
    """What an exception needs of a :class:`.Diagnosis`."""

    @property
    def cause(self) -> str: ...

    @property
    def constraints(self) -> Sequence[object]: ...


class NoCapacity(SevSchedulingError):
    """A valid request that no host can take now.

    :ivar explanation: why, for operators and tenants
    :ivar diagnosis: what empties Placement's answer, where hosts would take
        the guest and Placement offers none
    :ivar count: how many guests were to be placed
    :ivar fit: how many of them would fit
    :ivar moving: whether it was a guest that was to move
    """

    def __init__(
        self,
        explanation: Explained,
        *,
        count: int = 1,
        fit: int = 0,
        moving: bool = False,
        diagnosis: Diagnosed | None = None,
    ) -> None:
        self.explanation = explanation
        self.diagnosis = diagnosis
        self.count = count
        self.fit = fit
        self.moving = moving
        super().__init__(explanation)

    def __str__(self) -> str:
        return self.explanation.claim(self.count, self.fit, moving=self.moving)


class PlacementError(SevSchedulingError):
    """Placement did not do what it was asked.

    :ivar instances: uuids of the guests whose claim may have been made all
        the same, since Placement's answer was lost; release them
    """

    instances: tuple[str, ...] = ()


class PlacementUnavailable(PlacementError):
    """Placement did not answer in time, or answered with a 5xx status."""


class PlacementDenied(PlacementError):
    """Placement refused the credentials (401) or the action (403)."""


class PlacementTooOld(PlacementError):
    """Placement lacks the microversion that the call needs."""


class PlacementRefused(PlacementError):
    """Placement refused the request itself (a 4xx status)."""


class PlacementConflict(PlacementError):
    """Placement answered 409 until the retries were used up."""


class PlacementAnswerError(PlacementError):
    """Placement's answer cannot be understood (type, JSON or shape)."""
