"""Questions to Placement, counted: a diagnosis may take only a few calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import os_resource_classes as orc

from sev_scheduling.placement.answers import (
    Candidates,
    Inventory,
    ResourceProvider,
    Usage,
)
from sev_scheduling.placement.api import Api, per_model
from sev_scheduling.placement.diagnosis.relaxation import in_one_group
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
    :param names: provider uuid -> name, as far as they are known
    :ivar ignored: these
    :ivar names: these
    :ivar calls: calls so far
    :ivar refused: whether Placement does not know a trait or a resource
        class that it was asked about
    """

    def __init__(
        self,
        api: Api,
        ignored: frozenset[str] = frozenset(),
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._api = api
        self.names = names
        self._lock = threading.Lock()
        self.ignored = ignored
        # The version document, unless it is known already.
        self.calls = 1
        self.refused = False

    @property
    def left(self) -> int:
        return MAX_CALLS - self.calls

    def _take(self, number: int = 1) -> bool:
        """Count calls; return whether so many were left."""
        with self._lock:
            if number > self.left:
                return False
            self.calls += number
            return True

    def together(self, *questions: Callable[[], Any]) -> list[Any]:
        """Return the answers to several questions, asked at one time.

        One after the other where not all of them may be asked.
        """
        if len(questions) > self.left:
            return [ask() for ask in questions]
        return self._api.together(questions)

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
        if not self._take(len(queries)):
            return None
        found = Candidates((), {})
        for one in queries:
            try:
                found += self._api.candidates_of(one, limit)
            except UnknownName:
                self.refused = True
                if len(one.models) > 1:
                    # Of one model, which says nothing of the others.
                    return self.candidates(query, limit)
        return found.without(self.ignored) if self.ignored else found

    def any(self, query: PlacementRequest) -> bool | None:
        """Whether there are candidates; None where too few calls are left.

        Mostly there are none here, and Placement says so sooner where it is
        asked for all in one group.
        """
        at_once = in_one_group(query)
        if at_once is not None:
            found = self.candidates(at_once, 1)
            if not found:
                return None if found is None else False
        # The first may be of a host that is ignored.
        limit = MAX_CANDIDATES if self.ignored else 1
        found = self.candidates(query, limit)
        return None if found is None else bool(found)

    def providers(self, **filters: Any) -> list[ResourceProvider] | None:
        """Return resource providers; None where no call is left.

        Those of hosts that are ignored are among them: they may be in
        aggregates, or share.

        :param filters: as :meth:`.Api.resource_providers` takes them
        """
        if not self._take():
            return None
        try:
            return self._api.resource_providers(**filters)
        except UnknownName:
            return []

    def name(self, provider: str) -> str:
        """Return a provider's name; its uuid where no call is left."""
        if provider in self.names:
            return self.names[provider]
        found = self.providers(uuid=provider)
        return found[0].name if found else provider

    def inventories(self, provider: str) -> Mapping[str, Inventory]:
        """Return resource class -> inventory.

        :returns: nothing where no call is left, or the provider is gone
        """
        if not self._take():
            return {}
        return self._api.inventories(provider) or {}

    def trait_names(self) -> frozenset[str]:
        """Return the traits that Placement knows."""
        self.calls += 1
        return self._api.trait_names()

    def class_names(self) -> frozenset[str]:
        """Return the resource classes that Placement knows."""
        self.calls += 1
        return self._api.class_names()

    def aggregates(self, provider: str) -> frozenset[str]:
        """Return uuids of a provider's aggregates; none where it is gone."""
        if not self._take():
            return frozenset()
        return self._api.aggregates(provider) or frozenset()

    def slots(self, provider: str) -> Usage | None:
        """Return a provider's slots, in two calls.

        :returns: None where it has no inventory of slots
        """
        return self.resources(provider).get(orc.MEM_ENCRYPTION_CONTEXT)

    def resources(self, provider: str) -> Mapping[str, Usage]:
        """Return resource class -> usage of a provider, in two calls.

        :returns: nothing where too few calls are left, or it is gone
        """
        inventories = self.inventories(provider)
        if not inventories:
            return {}
        usages = self._api.usages(provider) if self._take() else None
        if usages is None:
            return {}
        return {
            name: Usage(inventory.capacity, usages.get(name, 0))
            for name, inventory in inventories.items()
        }


def host_with_candidate(
    api: Api, query: PlacementRequest, *, hopeful: bool
) -> str | None:
    """Return the root uuid of a host that has a candidate, or None.

    :param hopeful: whether there is likely one; else Placement is first asked
        what it answers sooner where there is none
    """
    at_once = None if hopeful else in_one_group(query)
    if at_once is not None and not api.candidates(at_once, 1):
        return None
    return min(api.candidates(query, 1).roots(), default=None)
