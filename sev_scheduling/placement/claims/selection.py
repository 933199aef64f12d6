"""Which of Placement's candidates each guest gets."""

from __future__ import annotations

import heapq
import random
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

import os_resource_classes as orc

from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.explain.explanation import explain
from sev_scheduling.hosts.capacity import Key, Left, Option, pack
from sev_scheduling.hosts.host import Host, is_unlimited
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidate,
    Candidates,
    Usage,
    host_summaries,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.feasibility import feasibility
from sev_scheduling.placement.hosts import (
    Summaries,
    list_hosts,
    ram_allocation_ratio,
)
from sev_scheduling.prefilter import ANYWHERE, Scope, translate
from sev_scheduling.rules.validation import Validation

#: Candidates to ask for at first, as many as nova does
#: (``[scheduler] max_placement_results``), and a few for each guest.
FEW = 1000
FEW_PER_GUEST = 4


class CandidateSelection:
    """Selects among candidates for equal guests.

    :param scope: the hosts that may take them
    :raises InvalidRequest: where a problem is an error
    """

    def __init__(
        self, api: Api, validation: Validation, scope: Scope = ANYWHERE
    ) -> None:
        self._api = api
        self._validation = validation
        self._scope = scope
        self.query = translate(validation, scope=scope)
        self._models = self.query.models
        # What to ask a host of each model by itself.
        self._about = [
            Validation(validation.request, models=(model,))
            for model in self._models
        ]
        #: Root uuid -> ram_allocation_ratio, asked once a host.
        self.ratios: dict[str, float] = {}
        #: Root uuid -> name, of the hosts of the last answer.
        self.names: Mapping[str, str] = {}

    def choose(
        self, count: int, *, avoid: Collection[str] = (), shuffle: bool = False
    ) -> tuple[list[Candidate], Candidates]:
        """Ask Placement, and choose as :meth:`pick` does.

        Of a large cloud it is asked for some candidates only, and for all
        where these are too few, or may lack better ones.

        :returns: a candidate for each guest, and Placement's answer
        :raises NoCapacity: where they do not all fit
        """
        # Who leaves slots to others must see who has none.
        few = max(FEW, FEW_PER_GUEST * count) if self._models else None
        answer = self._api.candidates(self.query, few)
        chosen = self.pick(answer, count, avoid=avoid, shuffle=shuffle)
        if (
            few is not None
            and len(answer.allocation_requests) >= few
            and (
                len(chosen) < count
                or any(c.model != self._models[0] for c in chosen)
            )
        ):
            answer = self._api.candidates(self.query)
            chosen = self.pick(answer, count, avoid=avoid, shuffle=shuffle)
        if len(chosen) < count:
            raise self._no_capacity(count, len(chosen), moving=bool(avoid))
        return chosen, answer

    def pick(
        self,
        answer: Candidates,
        count: int,
        *,
        avoid: Collection[str] = (),
        shuffle: bool = False,
    ) -> list[Candidate]:
        """Pick a candidate for each guest, as far as they fit.

        The best model first; then the host with most free slots, guest by
        guest, so that one host's failure takes few guests along; then by
        name. A guest without a slot goes to a host without pools while
        there is one. A pool without a limit counts as the mean of the others.

        :param avoid: root uuids of hosts that will not do
        :param shuffle: take the hosts of one model in any order
        """
        summaries = answer.provider_summaries
        trees = answer.trees()
        offers: dict[tuple[int, str], list[AllocationRequest]] = {}
        known: dict[tuple[int, str], int | None] = {}
        for request in answer.allocation_requests:
            root, model, provider = answer.identify(request, self._models)
            if root in avoid or (self._models and not model):
                continue
            if model and provider:
                slots = _slots(summaries, provider)
                rank = self._models.index(model)
                load = None if is_unlimited(slots.capacity) else -slots.left
            else:
                # All slots of the host, which are scarce: leave them to
                # guests that need one.
                load = sum(
                    _slots(summaries, uuid).capacity
                    for uuid in trees.get(root, ())
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
        loads = _with_means(known)
        names = self.names = self._api.names(root for _, root in offers)

        def order() -> float:
            return random.random() if shuffle else 0.0

        queue = [
            (rank, order(), loads[rank, root], names.get(root, root), root)
            for rank, root in loads
        ]
        heapq.heapify(queue)
        chosen: list[Candidate] = []
        taken: Counter[tuple[str, str]] = Counter()
        fit: set[tuple[int, str]] = set()
        while queue and len(chosen) < count:
            rank, _, weight, name, root = heapq.heappop(queue)
            # Few hosts are chosen, so only these are judged.
            if (rank, root) not in fit:
                if not self._fits(
                    rank, {u: summaries[u] for u in trees[root]}
                ):
                    continue
                fit.add((rank, root))
            given = next(
                (r for r in offers[rank, root] if _take(summaries, taken, r)),
                None,
            )
            if given is not None:
                chosen.append(answer.candidate(given, self._models))
                weight += bool(self._models)
                heapq.heappush(queue, (rank, order(), weight, name, root))
        return self._at_least(count, chosen, answer, avoid)

    def _at_least(
        self,
        count: int,
        chosen: list[Candidate],
        answer: Candidates,
        avoid: Collection[str],
    ) -> list[Candidate]:
        """Look for a way in which more guests fit, where too few do.

        One by one, a guest may take of a shared provider what it could have
        had of its host's own.
        """
        if len(chosen) >= count:
            return chosen
        requests = [
            request
            for root, request in self.usable(answer)
            if root not in avoid
        ]
        packing = pack(*packing_of(answer, requests))
        if packing.guests <= len(chosen):
            return chosen
        return [
            answer.candidate(request, self._models)
            for request, guests in zip(requests, packing.counts, strict=True)
            for _ in range(guests)
        ][:count]

    def usable(
        self, answer: Candidates
    ) -> Iterator[tuple[str, AllocationRequest]]:
        """Yield the candidates of hosts that take guests, with their root."""
        trees = answer.trees()
        fit: dict[tuple[int, str], bool] = {}
        for request in answer.allocation_requests:
            root, model, _ = answer.identify(request, self._models)
            if self._models and not model:
                continue
            key = self._models.index(model) if model else 0, root
            if key not in fit:
                tree = {u: answer.provider_summaries[u] for u in trees[root]}
                fit[key] = self._fits(key[0], tree)
            if fit[key]:
                yield root, request

    def _fits(self, rank: int, tree: Summaries) -> bool:
        """Whether a host takes guests of a model, by its own account."""
        if not self._models:
            return True
        (host,) = Host.from_provider_summaries(host_summaries(tree))
        return judge(
            self._about[rank], host
        ).fits and not self._overcommits_memory(str(host.uuid))

    def _overcommits_memory(self, root: str) -> bool:
        """Ask for what no candidate shows: one call a host that is chosen."""
        if self._validation.request.mem_page_size or not any(
            model.pins_memory for model in self._models
        ):
            return False
        if root not in self.ratios:
            self.ratios[root] = ram_allocation_ratio(self._api, root)
        return self.ratios[root] > 1.0

    def _no_capacity(self, count: int, fit: int, moving: bool) -> NoCapacity:
        # What is not known of the other hosts does not matter: they are no
        # candidates for another reason.
        hosts = [
            replace(h, ram_allocation_ratio=self.ratios.get(h.uuid or ''))
            for h in list_hosts(self._api, details=False, scope=self._scope)
        ]
        found = feasibility(self._api, self._validation, hosts, self._scope)
        return NoCapacity(
            explain(found),
            count=count,
            fit=fit,
            moving=moving,
            diagnosis=found.diagnosis,
        )


def packing_of(
    answer: Candidates, requests: Iterable[AllocationRequest]
) -> tuple[Left, list[Option]]:
    """Return what :func:`.pack` takes, of some of an answer's candidates."""
    left: dict[Key, int] = {}
    options = []
    for request in requests:
        amounts = {
            (provider, name): amount
            for provider, taken in request.allocations.items()
            for name, amount in taken.resources.items()
        }
        for provider, name in amounts:
            summary = answer.provider_summaries.get(provider)
            usage = summary.resources.get(name) if summary else None
            left[provider, name] = usage.left if usage else 0
        options.append(Option(answer.identify(request, ())[0], amounts))
    return left, options


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
