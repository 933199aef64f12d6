"""The candidates of one answer, in the order in which guests take them."""

from __future__ import annotations

import heapq
import random
import statistics
import time
from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)

import os_resource_classes as orc

from sev_scheduling.hosts.host import is_unlimited
from sev_scheduling.models import EncryptionModel
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidate,
    Candidates,
    Usage,
)
from sev_scheduling.placement.hosts import Summaries

#: Seconds for which an answer serves further claims.
MAX_AGE = 10.0


class Offers:
    """The candidates of one answer, in the order in which they are taken.

    :param models: the best first; empty where guests need no slot
    :param fits: says by the rank of a model and a host's tree whether it
        takes guests
    :param ask_names: finds the names of hosts
    :param avoid: root uuids of hosts that will not do
    :param shuffle: take the hosts of one model in any order
    :ivar answer: the answer
    :ivar reused: whether it has served an earlier claim
    """

    def __init__(
        self,
        answer: Candidates,
        models: Sequence[EncryptionModel],
        *,
        fits: Callable[[int, Summaries], bool],
        ask_names: Callable[[Iterable[str]], Mapping[str, str]],
        avoid: Collection[str] = (),
        shuffle: bool = False,
        asked_at: float = 0.0,
    ) -> None:
        self.answer = answer
        self._models = models
        self._fits = fits
        self.reused = False
        self._shuffle = shuffle
        self._asked_at = asked_at
        self._taken: Counter[tuple[str, str]] = Counter()
        self._fit: set[tuple[int, str]] = set()
        summaries = answer.provider_summaries
        self._trees = answer.trees()
        offers: dict[tuple[int, str], list[AllocationRequest]] = {}
        known: dict[tuple[int, str], int | None] = {}
        for request in answer.allocation_requests:
            root, model, provider = answer.identify(request, models)
            if root in avoid or (models and not model):
                continue
            if model and provider:
                slots = _slots(summaries, provider)
                rank = models.index(model)
                load = None if is_unlimited(slots.capacity) else -slots.left
            else:
                # All slots of the host, which are scarce: leave them to
                # guests that need one.
                load = sum(
                    _slots(summaries, uuid).capacity
                    for uuid in self._trees.get(root, ())
                )
                rank = int(load > 0)
                if is_unlimited(load):
                    load = None
            if (rank, root) in offers:
                offers[rank, root].append(request)
                other = known[rank, root]
                if load is not None and other is not None:
                    load = min(load, other)
                known[rank, root] = other if load is None else load
            else:
                offers[rank, root] = [request]
                known[rank, root] = load
        self._offers = offers
        loads = _with_means(known)
        names = ask_names(root for _, root in offers)
        self._queue = [
            (
                rank,
                self._order(),
                loads[rank, root],
                names.get(root, root),
                root,
            )
            for rank, root in loads
        ]
        heapq.heapify(self._queue)

    @property
    def recent(self) -> bool:
        """Whether hosts that were better meanwhile do not matter yet."""
        return time.monotonic() - self._asked_at < MAX_AGE

    def _order(self) -> float:
        return random.random() if self._shuffle else 0.0

    def pick(self, count: int) -> list[Candidate]:
        """Take a candidate for each guest, as far as they fit."""
        summaries = self.answer.provider_summaries
        queue = self._queue
        chosen: list[Candidate] = []
        while queue and len(chosen) < count:
            rank, _, weight, name, root = heapq.heappop(queue)
            # Few hosts are chosen, so only these are judged.
            if (rank, root) not in self._fit:
                tree = {u: summaries[u] for u in self._trees[root]}
                if not self._fits(rank, tree):
                    continue
                self._fit.add((rank, root))
            given = next(
                (
                    r
                    for r in self._offers[rank, root]
                    if _take(summaries, self._taken, r)
                ),
                None,
            )
            if given is not None:
                chosen.append(self.answer.candidate(given, self._models))
                weight += bool(self._models)
                heapq.heappush(
                    queue, (rank, self._order(), weight, name, root)
                )
        return chosen

    def agree(self, now: Summaries) -> bool:
        """Whether providers are as the answer says, less what was taken."""
        for provider, summary in now.items():
            before = self.answer.provider_summaries.get(provider)
            if before is None or {*before.traits} != {*summary.traits}:
                return False
            expected = {
                name: Usage(
                    usage.capacity, usage.used + self._taken[provider, name]
                )
                for name, usage in before.resources.items()
            }
            if expected != summary.resources:
                return False
        return True


def _with_means(
    known: Mapping[tuple[int, str], int | None],
) -> dict[tuple[int, str], float]:
    """Return the loads, those that are not known as the mean of a rank."""
    of_rank: dict[int, list[int]] = {}
    for (rank, _), load in known.items():
        if load is not None:
            of_rank.setdefault(rank, []).append(load)
    means = {rank: statistics.fmean(loads) for rank, loads in of_rank.items()}
    return {
        (rank, root): means.get(rank, 0.0) if load is None else load
        for (rank, root), load in known.items()
    }


def _slots(summaries: Summaries, provider: str) -> Usage:
    resources = summaries[provider].resources
    return resources.get(orc.MEM_ENCRYPTION_CONTEXT) or Usage(0, 0)


def _take(
    summaries: Summaries,
    taken: Counter[tuple[str, str]],
    request: AllocationRequest,
) -> bool:
    """Take what an allocation request asks for, if it is left."""
    wanted = {
        (provider, name): amount
        for provider, allocation in request.allocations.items()
        for name, amount in allocation.resources.items()
    }
    for (provider, name), amount in wanted.items():
        usage = (
            summaries[provider].resources.get(name)
            if provider in summaries
            else None
        )
        if usage is None or usage.left - taken[provider, name] < amount:
            return False
    taken.update(wanted)
    return True
