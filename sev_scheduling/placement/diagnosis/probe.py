"""Questions to Placement, counted: a diagnosis may take only a few calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import os_resource_classes as orc

from sev_scheduling.placement.answers import (
    Candidates,
    Inventory,
    ResourceProvider,
    Usage,
)
from sev_scheduling.placement.api import Api, per_model
from sev_scheduling.placement.wire.faults import UnknownName
from sev_scheduling.prefilter import PlacementRequest

#: Calls to Placement that one diagnosis may take.
MAX_CALLS = 12

#: Candidates that one answer may have; bounds memory and time.
MAX_CANDIDATES = 5000


class Probe:
    """Counts the calls to one Placement, and makes none beyond the bound.

    :param ignored: root uuids of hosts that will not do, whatever Placement
        says of them
    :ivar ignored: these
    :ivar calls: calls so far
    :ivar refused: whether Placement does not know a trait or a resource
        class that it was asked about
    """

    def __init__(
        self, api: Api, ignored: frozenset[str] = frozenset()
    ) -> None:
        self._api = api
        self.ignored = ignored
        # The version document, unless it is known already.
        self.calls = 1
        self.refused = False

    @property
    def left(self) -> int:
        return MAX_CALLS - self.calls

    def supports(self, microversion: str) -> bool:
        return self._api.supports(microversion)

    def candidates(
        self, query: PlacementRequest, limit: int = MAX_CANDIDATES
    ) -> Candidates | None:
        """Return candidates; None where too few calls are left.

        A query about a trait or a resource class that Placement does not
        know has none. Where Placement takes no query for any of several
        models, that is one call a model.
        """
        old = not self.supports(query.microversion)
        queries = [query]
        if len(query.models) > 1 and (old or self.refused):
            queries = list(per_model(query))
        if len(queries) > self.left:
            return None
        found = Candidates((), {})
        for one in queries:
            self.calls += 1
            try:
                found += self._api.candidates_of(one, limit)
            except UnknownName:
                self.refused = True
                if len(one.models) > 1:
                    # Of one model, which says nothing of the others.
                    return self.candidates(query, limit)
        return found.without(self.ignored) if self.ignored else found

    def any(self, query: PlacementRequest) -> bool | None:
        """Whether there are candidates; None where too few calls are left."""
        # The first may be of a host that is ignored.
        limit = MAX_CANDIDATES if self.ignored else 1
        found = self.candidates(query, limit)
        return None if found is None else bool(found)

    def providers(self, **filters: Any) -> list[ResourceProvider] | None:
        """Return resource providers; None where no call is left.

        :param filters: as :meth:`.Api.resource_providers` takes them
        """
        if not self.left:
            return None
        self.calls += 1
        try:
            found = self._api.resource_providers(**filters)
        except UnknownName:
            return []
        return [p for p in found if p.root_provider_uuid not in self.ignored]

    def inventories(self, provider: str) -> Mapping[str, Inventory]:
        """Return resource class -> inventory.

        :returns: nothing where no call is left, or the provider is gone
        """
        if not self.left:
            return {}
        self.calls += 1
        return self._api.inventories(provider) or {}

    def aggregates(self, provider: str) -> frozenset[str]:
        """Return uuids of a provider's aggregates; none where it is gone."""
        self.calls += 1
        return self._api.aggregates(provider) or frozenset()

    def slots(self, provider: str) -> Usage | None:
        """Return a provider's slots, in two calls.

        :returns: None where it has no inventory of slots
        """
        name = orc.MEM_ENCRYPTION_CONTEXT
        inventory = self.inventories(provider).get(name)
        if inventory is None:
            return None
        self.calls += 1
        usages = self._api.usages(provider)
        if usages is None:
            return None
        return Usage(inventory.capacity, usages.get(name, 0))
