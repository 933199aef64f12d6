"""Free slots, as Placement counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import os_resource_classes as orc

from sev_scheduling.hosts.host import Host
from sev_scheduling.placement.answers import hosts_of_summaries
from sev_scheduling.placement.api import Api
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup

_ANY_SLOT = PlacementRequest(
    (RequestGroup(resources={orc.MEM_ENCRYPTION_CONTEXT: 1}),)
)


class Slots:
    """The slots of hosts at one moment.

    :ivar hosts: root uuid -> host, of hosts with any free slot; full pools
        of such a host are among its pools
    """

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self.hosts = hosts
        self._guests: dict[str, int] = {}
        self._roomiest: dict[str, str | None] = {}

    def roomiest(self, model: str) -> str | None:
        """Return the root uuid of the host with the most free slots."""
        if model not in self._roomiest:
            free = {
                root: host.pools[model].free
                for root, host in self.hosts.items()
                if model in host.pools
            }
            most = max(free, key=free.__getitem__, default=None)
            self._roomiest[model] = most if most and free[most] else None
        return self._roomiest[model]

    def free(self, state: Any, model: str) -> int | None:
        """Return how many slots of a model a host has free by now.

        Nova counts the guests of each host state: those that it places
        itself, at once, and those that come and go otherwise, when the host
        reports. Those that came since Placement was asked are taken off;
        which of them are encrypted is not known. None where the host reports
        no limit.

        :param state: a ``nova.scheduler.host_manager.HostState``
        """
        guests: int = state.num_instances
        since = guests - self._guests.setdefault(state.uuid, guests)
        host = self.hosts.get(state.uuid)
        pool = host.pools.get(model) if host else None
        if pool is None:
            return 0
        if pool.unlimited:
            return None
        capacity = max(0, pool.total - pool.reserved)
        return min(max(0, pool.free - since), capacity)

    def full(self, model: str, limit: int) -> set[str]:
        """Return the root uuids of hosts without a free slot of a model.

        :param limit: of the guests of the model on each host
        """
        return {
            root
            for root, host in self.hosts.items()
            if (pool := host.pools.get(model)) is not None
            and not pool.free_within(limit)
        }


def ask_slots(api: Api) -> Slots:
    """Ask Placement, in one call.

    :raises PlacementError: one of its children
    """
    hosts = hosts_of_summaries(api.trees(_ANY_SLOT))
    return Slots({host.uuid: host for host in hosts if host.uuid})
