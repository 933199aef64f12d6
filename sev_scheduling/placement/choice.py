"""Which of Placement's candidates each guest gets."""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.hostfilter import filter_hosts
from sev_scheduling.hosts import Host
from sev_scheduling.placement import providers
from sev_scheduling.placement.candidates import Candidate, Candidates
from sev_scheduling.placement.outlook import Outlook
from sev_scheduling.request import EncryptionRequest

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient


class Chooser:
    """Chooses among candidates for equal guests.

    :param names: provider uuid -> name
    """

    def __init__(
        self,
        client: PlacementClient,
        request: EncryptionRequest,
        names: Mapping[str, str],
    ) -> None:
        self._client = client
        self._request = request
        self._names = names
        # Root uuid -> ram_allocation_ratio, asked once a host.
        self._ratios: dict[str, float] = {}

    def choose(
        self,
        answer: Candidates,
        count: int,
        *,
        avoid: str | None = None,
        shuffle: bool = False,
    ) -> list[Candidate]:
        """Choose a candidate for each guest.

        The best model first; then the host with most free slots, guest by
        guest, so that one host's failure takes few guests along; then by
        name. A guest without a slot goes to a host without pools while
        there is one.

        :param avoid: root uuid of a host that will not do
        :param shuffle: take the hosts of one model in any order
        :raises NoCapacity: where they do not all fit
        """
        hosts = {host.uuid or '': host for host in answer.hosts()}
        result = filter_hosts(self._request, hosts.values())
        fit = {host.uuid for host in result.accepted} - {avoid}
        models = self._request.models
        room = answer.room()
        offers: dict[tuple[int, str], list[Candidate]] = {}
        for candidate in answer.candidates(models):
            if candidate.root in fit:
                rank = models.index(candidate.model) if candidate.model else 0
                offers.setdefault((rank, candidate.root), []).append(candidate)

        def order() -> float:
            return random.random() if shuffle else 0.0

        queue = [
            (
                rank,
                order(),
                self._load(hosts[root], rank),
                self._names.get(root, root),
                root,
            )
            for rank, root in offers
        ]
        heapq.heapify(queue)
        chosen: list[Candidate] = []
        while queue and len(chosen) < count:
            rank, _, load, name, root = heapq.heappop(queue)
            if self._overcommits_memory(root):
                continue
            taken = next(
                (c for c in offers[rank, root] if _take(room, c)), None
            )
            if taken is not None:
                chosen.append(taken)
                load += bool(models)
                heapq.heappush(queue, (rank, order(), load, name, root))
        if len(chosen) < count:
            raise self._no_capacity(count, len(chosen), moving=bool(avoid))
        return chosen

    def _load(self, host: Host, rank: int) -> int:
        """Return what to keep small: 0 less the free slots."""
        if not self._request.models:
            # Slots are scarce: leave them to guests that need one.
            return sum(pool.total for pool in host.pools.values())
        pool = host.pools.get(self._request.models[rank].name)
        return -pool.free if pool else 0

    def _overcommits_memory(self, root: str) -> bool:
        """Ask for what no candidate tells: one call a host that is chosen."""
        if self._request.mem_page_size or not any(
            model.locks_memory for model in self._request.models
        ):
            return False
        if root not in self._ratios:
            self._ratios[root] = providers.ram_allocation_ratio(
                self._client, root
            )
        return self._ratios[root] > 1.0

    def _no_capacity(self, count: int, fit: int, moving: bool) -> NoCapacity:
        # What is not known of the other hosts does not matter: they are no
        # candidates for another reason.
        hosts = [
            replace(h, ram_allocation_ratio=self._ratios.get(h.uuid or ''))
            for h in self._client.hosts(details=False)
        ]
        outlook = Outlook(self._client, self._request, hosts)
        if fit:
            what = (
                f'Only {fit} of {count} guests fit, so none was placed; ask '
                f'for {fit}, or free slots.'
            )
        elif moving:
            what = 'No other host can take the guest.'
        elif count == 1:
            what = 'No host can take the guest.'
        else:
            what = f'No host can take any of the {count} guests.'
        return NoCapacity(what, outlook.explanation)


def _take(room: dict[str, dict[str, int]], candidate: Candidate) -> bool:
    """Take a candidate's amounts off what is left, if they are left."""
    wanted = [
        (room.get(provider, {}), name, amount)
        for provider, amounts in candidate.allocations.items()
        for name, amount in amounts.items()
    ]
    if any(left.get(name, 0) < amount for left, name, amount in wanted):
        return False
    for left, name, amount in wanted:
        left[name] -= amount
    return True
