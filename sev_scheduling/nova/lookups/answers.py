"""What Placement answers one step of a request, or that it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from oslo_utils import timeutils

from sev_scheduling.exceptions import PlacementError
from sev_scheduling.nova.lookups.deadline import Deadline
from sev_scheduling.nova.lookups.lookups import Held, Lookups
from sev_scheduling.nova.lookups.providers import Providers
from sev_scheduling.nova.lookups.slots import Slots
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.warning_log import Warnings

T = TypeVar('T')


class Answers:
    """Look-ups within one step; a failure is logged, and answered as None.

    :param deadline: of the request, its step started
    """

    def __init__(
        self,
        lookups: Lookups,
        deadline: Deadline,
        options: Options,
        warnings: Warnings,
    ) -> None:
        self._lookups = lookups
        self._deadline = deadline
        self._options = options
        self._warnings = warnings
        self._came = timeutils.now()

    def providers(self) -> Providers | None:
        """Return which providers have what, by the last answer if need be.

        A pool keeps its model: old knowledge is better than none, unless
        guests are to be refused without Placement.
        """
        found = self._ask(self._lookups.providers)
        if found is None and not self._options.refuses:
            return self._lookups.last_known()
        return found

    def providers_with(self, provider: str) -> Providers | None:
        """Return providers, asked for anew if this one is not known yet.

        Once in the step, however many are not known.
        """
        return self._ask(self._lookups.providers_with, provider, self._came)

    def slots(self) -> Slots | None:
        """Return the free slots of now."""
        return self._ask(self._lookups.slots)

    def held_models(self, server: str) -> Held | None:
        """Return the models that a server's slot may be of."""
        return self._ask(self._lookups.held_models, server)

    def misleading_models(self, server: str) -> Held | None:
        """Return the models that nova may take a server's slot for."""
        return self._ask(self._lookups.misleading_models, server)

    def _ask(self, look_up: Callable[..., T], *about: object) -> T | None:
        try:
            return look_up(self._deadline, *about)
        except PlacementError as error:
            self._warnings.say(
                'placement',
                'Look-ups for encrypted guests fail, and '
                'on_placement_failure is '
                f'{self._options.on_placement_failure}: {error}',
            )
            return None
