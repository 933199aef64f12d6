"""Questions to Placement, counted: a diagnosis may ask only a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

import os_resource_classes as orc

from sev_scheduling.exceptions import PlacementAnswerError, PlacementRefused
from sev_scheduling.placement.answers import Candidates
from sev_scheduling.placement.api import UnknownName, per_model
from sev_scheduling.placement.world import Inventory
from sev_scheduling.prefilter import PlacementRequest

#: Calls to Placement that one diagnosis may take.
MAX_CALLS = 12

#: Candidates that one answer may have; bounds memory and time.
MAX_CANDIDATES = 5000


_UNIT_KEYS = ('min_unit', 'max_unit', 'step_size')
_PROVIDER_KEYS = ('name', 'root_provider_uuid', 'uuid')


class Client(Protocol):
    """What a diagnosis needs of :class:`.PlacementClient`."""

    def call(
        self, method: str, url: str, *, microversion: str = ...
    ) -> Any: ...

    def supports(self, microversion: str) -> bool: ...

    def allocation_candidates(
        self, query: PlacementRequest, limit: int | None = ...
    ) -> Candidates: ...


class Questions:
    """Questions to one Placement.

    :ivar calls: calls so far
    :ivar refused: whether Placement has never heard of a trait or a resource
        class
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        # The version document, unless the client knows it already.
        self.calls = 1
        self.refused = False

    @property
    def left(self) -> int:
        return MAX_CALLS - self.calls

    def supports(self, microversion: str) -> bool:
        return self._client.supports(microversion)

    def _get(self, url: str, microversion: str) -> Any:
        self.calls += 1
        return self._client.call('GET', url, microversion=microversion)

    def _questions(self, query: PlacementRequest) -> list[PlacementRequest]:
        """One question, or one a model where Placement takes no more."""
        old = not self.supports(query.microversion)
        if len(query.models) > 1 and (old or self.refused):
            return list(per_model(query))
        return [query]

    def candidates(
        self, query: PlacementRequest, limit: int = MAX_CANDIDATES
    ) -> Candidates | None:
        """Return candidates; None where no calls are left to ask for them.

        A question about a trait or a resource class that Placement has
        never heard of has none.
        """
        questions = self._questions(query)
        if len(questions) > self.left:
            return None
        found = Candidates((), {})
        for question in questions:
            self.calls += 1
            try:
                answer = self._client.allocation_candidates(question, limit)
            except UnknownName:
                self.refused = True
                if len(question.models) > 1:
                    # Of one model, which says nothing of the others.
                    return self.candidates(query, limit)
                continue
            found += answer
        return found

    def any(self, query: PlacementRequest) -> bool | None:
        """Whether there are candidates; None where no calls are left."""
        found = self.candidates(query, limit=1)
        return None if found is None else bool(found)

    def providers(
        self, **params: str | list[str]
    ) -> list[Mapping[str, str]] | None:
        """Return providers with uuid, name, root_provider_uuid, or None."""
        if not self.left:
            return None
        microversion = '1.33'
        if str(params.get('required', '')).startswith('in:'):
            microversion = '1.39'
        query = urlencode(params, doseq=True, safe=':,!')
        try:
            answer = self._get(f'/resource_providers?{query}', microversion)
            return [
                {key: str(provider[key]) for key in _PROVIDER_KEYS}
                for provider in answer['resource_providers']
            ]
        except UnknownName:
            return []
        except (KeyError, TypeError):
            raise PlacementAnswerError(
                'GET /resource_providers: the answer lists no providers; '
                'check the endpoint.'
            ) from None

    def units(self, provider: str) -> dict[str, dict[str, int]]:
        """Return what one allocation may have: class -> min_unit, …

        :returns: nothing where no calls are left, or it is gone
        """
        if not self.left:
            return {}
        url = f'/resource_providers/{provider}/inventories'
        try:
            return {
                name: {key: int(inventory[key]) for key in _UNIT_KEYS}
                for name, inventory in self._get(url, '1.33')[
                    'inventories'
                ].items()
            }
        except PlacementRefused:
            return {}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise PlacementAnswerError(
                f'GET {url}: the answer lists none; check the endpoint.'
            ) from None

    def pool(self, provider: str) -> tuple[int, int] | None:
        """Return a provider's slots and those in use, in two calls.

        :returns: None where it has no inventory of slots
        """
        url = f'/resource_providers/{provider}'
        name = orc.MEM_ENCRYPTION_CONTEXT
        try:
            slots = self._get(f'{url}/inventories', '1.33')['inventories']
            if name not in slots:
                return None
            usages = self._get(f'{url}/usages', '1.33')['usages']
            inventory = Inventory(**slots[name])
            return inventory.capacity, int(usages[name])
        except PlacementRefused:
            return None  # It is gone.
        except (KeyError, TypeError):
            raise PlacementAnswerError(
                f'GET {url}/inventories, usages: the answer lists none; check '
                'the endpoint.'
            ) from None
