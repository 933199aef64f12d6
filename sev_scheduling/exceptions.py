"""Every exception this package raises on purpose.

::

    SevSchedulingError
    ├── SpecError            a flavor or an image has no usable shape
    ├── InvalidRequest       the request has problems of severity error
    ├── ModelError           a registered encryption model is unusable
    ├── InputError           a file or option cannot be used
    │   ├── CloudFileError   a cloud file is wrong, with entry and key
    │   └── NotOwned         nova, or another service, has the claim
    ├── NoCapacity           no host, or no slot, for a valid request
    ├── CloudError           Nova, Glance or Cinder did not do what was asked
    │   └── CloudDenied      the user's role does not suffice (401, 403)
    └── PlacementError       Placement did not do what was asked
        ├── PlacementUnavailable   no answer in time, or a 5xx
        ├── PlacementDenied        401 or 403
        ├── PlacementTooOld        the microversion needed is missing
        ├── PlacementRefused       a 4xx about the request itself
        ├── PlacementConflict      409 again and again
        └── PlacementAnswerError   an answer that cannot be used

The message is one line, names the input and its value, and says what to do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

#: Uuids that a message names; an exception has all of them.
_MOST_NAMES = 3


def some(instances: Sequence[str]) -> str:
    """Return the first uuids, for a message, and how many more there are."""
    text = ', '.join(instances[:_MOST_NAMES])
    more = len(instances) - _MOST_NAMES
    if more > 0:
        text += f' and {more} more (reconcile finds them by their owner)'
    return text


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
        errors = [p for p in self.problems if p.is_error]
        # Who asked for encryption is said once.
        others = [replace(p, requesters=()) for p in errors[1:]]
        return ' '.join(p.message for p in (*errors[:1], *others))


class ModelError(SevSchedulingError):
    """An encryption model that a plug-in registered is unusable."""


class InputError(SevSchedulingError):
    """A file, or a command line option, that cannot be used."""


class CloudFileError(InputError):
    """A cloud file that is wrong; names the file, the entry and the key."""


class NotOwned(InputError):
    """What is to be released was not claimed by this library."""


class Explained(Protocol):
    """What an exception needs of an :class:`.Explanation`."""

    @property
    def commands(self) -> tuple[str, ...]: ...

    def operator(self) -> str: ...

    def tenant(self) -> str: ...

    def fault(self, limit: int = ...) -> str: ...

    def rows(self) -> Iterator[tuple[str | None, bool, str, Any]]: ...

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
    :ivar instances: as of :class:`PlacementError`; empty unless the answer to
        a claim was lost before
    """

    instances: tuple[str, ...] = ()

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
        text = self.explanation.claim(self.count, self.fit, moving=self.moving)
        if self.instances:
            text += (
                ' An earlier claim, whose answer was lost, may still be made; '
                f'release {some(self.instances)} then.'
            )
        return text


class CloudError(SevSchedulingError):
    """Nova, Glance or Cinder did not do what was asked.

    :ivar changed: the keys of a flavor, image or volume that had been changed
        before, of a change that takes several calls
    :ivar unclear: whether the service may have done it all the same
    """

    changed: tuple[str, ...] = ()
    unclear: bool = False


class CloudDenied(CloudError):
    """A service refused the credentials (401) or the action (403)."""


class PlacementError(SevSchedulingError):
    """Placement did not do what it was asked.

    :ivar instances: uuids of the guests that may hold something, or more
        than they are to hold, since Placement's answer was lost or what was
        claimed could not be given back; release them
    :ivar unclear: whether Placement may have done it all the same
    """

    instances: tuple[str, ...] = ()
    unclear: bool = False


class PlacementUnavailable(PlacementError):
    """Placement did not answer in time, or answered with a 5xx status."""

    unclear = True


class PlacementDenied(PlacementError):
    """Placement refused the credentials (401) or the action (403)."""


class PlacementTooOld(PlacementError):
    """Placement lacks the microversion that the call needs."""


class PlacementRefused(PlacementError):
    """Placement refused the request itself (a 4xx status)."""


class PlacementConflict(PlacementError):
    """Placement answered 409 until the retries were used up."""


class PlacementAnswerError(PlacementError):
    """Placement's answer cannot be used.

    Its type, JSON or shape is another, it is too large, or it is not from
    Placement.
    """

    unclear = True


@contextlib.contextmanager
def needed(extra: str, what: str, otherwise: str = '') -> Iterator[None]:
    """Report imports that fail for want of an extra; put it around them.

    :param extra: its name in pyproject.toml, or several with commas
    :param what: what needs it: the beginning of the message
    :param otherwise: a sentence that ends the message
    :raises InputError: where a library is not installed; names it and the
        command that installs it
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or '').partition('.')[0]
        if library == __name__.partition('.')[0]:
            raise
        text = (
            f'{what} needs {library}, which is not installed; install it '
            f"with pip install 'sev-scheduling[{extra}]', or in the source "
            f"tree with pip install '.[{extra}]'."
        )
        raise InputError(f'{text} {otherwise}'.rstrip()) from error
