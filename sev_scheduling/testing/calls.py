"""A call to the in-memory Placement, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sev_scheduling.testing.queries import Params
from sev_scheduling.testing.store import Store


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    :ivar minor: of the microversion
    """

    store: Store
    minor: int
    params: Params
    body: Any


Answer = tuple[int, Any]
Handler = Callable[..., Answer]
