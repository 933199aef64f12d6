"""What is around provider trees: aggregates, and who shares with them."""

from __future__ import annotations

from collections.abc import Mapping

import os_resource_classes as orc
import os_traits

from sev_scheduling.placement.answers import (
    Inventory,
    ProviderSummary,
    ResourceProvider,
)
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.relaxation import aggregate_marks
from sev_scheduling.placement.hosts import Summaries
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup

#: Calls to keep for the queries that follow.
RESERVE = 3

SHARES = frozenset({os_traits.MISC_SHARES_VIA_AGGREGATE})


class Surroundings:
    """What no tree shows of itself, asked once for one query.

    Who looks at other trees for the same query needs no call for it.

    :ivar aggregates: provider uuid -> its aggregates, as the marks of
        :func:`.aggregate_marks`
    :ivar served: sharing provider -> roots that it serves, where they are
        known
    :ivar summaries: sharing provider -> its summary, as ``served``
    :ivar limits: provider uuid -> its inventories, as far as asked for
    """

    def __init__(self, query: PlacementRequest) -> None:
        self._query = query
        self._marks: set[str] = set()
        self._sharing: list[ResourceProvider] | None = None
        self.aggregates: dict[str, frozenset[str]] = {}
        self.served: dict[str, frozenset[str]] = {}
        self.summaries: dict[str, ProviderSummary] = {}
        self.limits: dict[str, Mapping[str, Inventory]] = {}

    @property
    def sharing(self) -> list[ResourceProvider]:
        """Providers that share with trees, as far as they are known."""
        return self._sharing or []

    def ask_members(self, probe: Probe) -> bool:
        """Ask who is in the aggregates in question, and who shares at all.

        :returns: False where too few calls are left for the aggregates
        """
        complete = True
        for mark, member_of in aggregate_marks(self._query).items():
            if mark in self._marks:
                continue
            members = probe.providers(member_of=member_of)
            if members is None:
                complete = False
                continue
            self._marks.add(mark)
            for member in members:
                known = self.aggregates.get(member.uuid, frozenset())
                self.aggregates[member.uuid] = known | {mark}
        if self._sharing is None:
            self._sharing = probe.providers(required=[SHARES])
        return complete

    def ask_shared(self, probe: Probe, shown: Summaries) -> None:
        """Ask what a single sharing provider has left, and for which trees.

        :param shown: what Placement showed of providers
        """
        if len(self.sharing) != 1 or probe.left <= RESERVE:
            return
        uuid = self.sharing[0].uuid
        if uuid in self.served:
            return
        summary = shown.get(uuid) or self._ask_summary(probe, uuid)
        if summary is None:
            return
        self.summaries[uuid] = summary
        aggregates = probe.aggregates(uuid)
        members = aggregates and probe.providers(member_of=[aggregates])
        self.served[uuid] = frozenset(
            member.root_provider_uuid for member in members or ()
        )

    def _ask_summary(self, probe: Probe, uuid: str) -> ProviderSummary | None:
        group = self._query.unsuffixed
        name = orc.DISK_GB
        if group and name not in group.resources:
            name = next(iter(group.resources), name)
        shared = PlacementRequest((RequestGroup('', {name: 1}, (SHARES,)),))
        answer = probe.candidates(shared)
        if answer and uuid in answer.provider_summaries:
            return answer.provider_summaries[uuid]
        # It has none left of that, or does not give one.
        resources = probe.left > RESERVE and probe.resources(uuid)
        if not resources:
            return None
        # What traits it has is not asked.
        wanted = (
            ors for group in self._query.groups for ors in group.required
        )
        traits = SHARES.union(*wanted)
        return ProviderSummary(uuid, resources, tuple(sorted(traits)))
