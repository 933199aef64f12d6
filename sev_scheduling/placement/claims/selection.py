"""Which of Placement's candidates each guest gets."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping

import os_traits

from sev_scheduling.diagnosis import Limit
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.explain.explanation import explain
from sev_scheduling.hosts.capacity import (
    Key,
    Left,
    Option,
    binding,
    limits_of,
    pack,
)
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidate,
    Candidates,
    hosts_of_summaries,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims.offers import Offers
from sev_scheduling.placement.feasibility import feasibility
from sev_scheduling.placement.hosts import (
    Summaries,
    pins_memory,
    ram_allocation_ratios,
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
    :param details: leave out hosts that overcommit memory, where a model
        pins it; without, Placement is not asked which do
    :raises InvalidRequest: where a problem is an error
    """

    def __init__(
        self,
        api: Api,
        validation: Validation,
        scope: Scope = ANYWHERE,
        *,
        details: bool = True,
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
        self._asks_ratios = details and pins_memory(validation)
        #: Root uuid -> ram_allocation_ratio, asked once a host.
        self.ratios: dict[str, float] = {}
        # What was chosen from last, and what may be once more.
        self._offers: Offers | None = None
        self._settled: Offers | None = None
        #: Root uuid -> name, of the hosts of the last answer.
        self.names: Mapping[str, str] = {}

    def serves(self, validation: Validation, scope: Scope) -> bool:
        """Whether the same would be selected for another request."""
        return (
            self._validation == validation
            and self._validation.request == validation.request
            and self._models == validation.models
            and self._scope == scope
        )

    @property
    def settled(self) -> bool:
        """Whether the last answer goes on to serve."""
        return self._settled is not None

    def choose(
        self, count: int, *, avoid: Collection[str] = (), shuffle: bool = False
    ) -> tuple[list[Candidate], Candidates]:
        """Choose as :meth:`pick` does, from an answer of Placement.

        It is the last one while that holds (:meth:`settle`) and has room.
        Of a large cloud Placement is asked for some candidates only, and for
        all where these are too few, or may lack better ones.

        :returns: a candidate for each guest, and Placement's answer
        :raises NoCapacity: where they do not all fit
        """
        chosen, offers = self._choose(count, avoid, shuffle)
        if len(chosen) < count:
            raise self._no_capacity(
                count, len(chosen), offers.answer, moving=bool(avoid)
            )
        self._offers = None if avoid or shuffle else offers
        return chosen, offers.answer

    def room(self, count: int) -> tuple[int, tuple[Limit, ...]]:
        """Return how many of so many guests fit, and what keeps others off."""
        chosen, offers = self._choose(count)
        if len(chosen) == count:
            return count, ()
        return len(chosen), self._limits(len(chosen), offers.answer)

    def _choose(
        self, count: int, avoid: Collection[str] = (), shuffle: bool = False
    ) -> tuple[list[Candidate], Offers]:
        offers, self._settled = self._settled, None
        if offers is not None:
            chosen = offers.pick(count) if offers.recent else []
            if len(chosen) == count and all(map(self._is_best, chosen)):
                offers.reused = True
                return chosen, offers
            self.ratios.clear()
        # Who leaves slots to others must see who has none.
        few = max(FEW, FEW_PER_GUEST * count) if self._models else None
        offers = self._ask(few, avoid, shuffle)
        chosen = self._pick(offers, count, avoid)
        if (
            few is not None
            and len(offers.answer.allocation_requests) >= few
            and not (len(chosen) == count and all(map(self._is_best, chosen)))
        ):
            offers = self._ask(None, avoid, shuffle)
            chosen = self._pick(offers, count, avoid)
        return chosen, offers

    def _pick(
        self, offers: Offers, count: int, avoid: Collection[str]
    ) -> list[Candidate]:
        chosen = offers.pick(count)
        return self._at_least(count, chosen, offers.answer, avoid)

    def _is_best(self, candidate: Candidate) -> bool:
        return not self._models or candidate.model == self._models[0]

    def _ask(
        self, limit: int | None, avoid: Collection[str], shuffle: bool
    ) -> Offers:
        asked_at = time.monotonic()
        answer = self._api.candidates(self.query, limit)
        return self._offers_of(answer, avoid, shuffle, asked_at)

    def _offers_of(
        self,
        answer: Candidates,
        avoid: Collection[str],
        shuffle: bool,
        asked_at: float = 0.0,
    ) -> Offers:
        return Offers(
            answer,
            self._models,
            fits=self.fits,
            ask_names=self.ask_names,
            avoid=avoid,
            shuffle=shuffle,
            asked_at=asked_at,
        )

    def settle(self, now: Summaries) -> str | None:
        """Note that a claim of what was chosen last was made.

        The answer goes on to serve where its hosts are as it says, less what
        was claimed.

        :param now: what the claim's hosts are like
        :returns: why the claim must not stand, if so
        :raises PlacementError: one of its children
        """
        offers, self._offers = self._offers, None
        if offers is None:
            return None
        if offers.agree(now):
            # Nothing of an answer shows that aggregates have changed.
            if not (self.query.member_of or self.query.forbidden_aggregates):
                self._settled = offers
            return None
        if not offers.reused:
            return None
        for root in {summary.root_provider_uuid for summary in now.values()}:
            # It may be from before others changed the host.
            if self.ratios.pop(root, None) and self._overcommits_memory(root):
                return f'provider {root} overcommits memory by now'
        return None

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
        chosen = self._offers_of(answer, avoid, shuffle).pick(count)
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
        found = [
            (*answer.identify(request, self._models)[:2], request)
            for request in answer.allocation_requests
        ]
        # At once, as there may be many.
        self.ask_ratios(root for root, model, _ in found if model)
        fit: dict[tuple[int, str], bool] = {}
        for root, model, request in found:
            if self._models and not model:
                continue
            key = self._models.index(model) if model else 0, root
            if key not in fit:
                tree = {u: answer.provider_summaries[u] for u in trees[root]}
                fit[key] = self.fits(key[0], tree)
            if fit[key]:
                yield root, request

    def ask_names(self, roots: Iterable[str]) -> Mapping[str, str]:
        """Return root uuid -> name, of the hosts of an answer."""
        self.names = self._api.names(roots)
        return self.names

    def fits(self, rank: int, tree: Summaries) -> bool:
        """Whether a host takes guests of a model, by its own account."""
        if not self._models:
            return True
        (host,) = hosts_of_summaries(tree)
        return judge(
            self._about[rank], host
        ).fits and not self._overcommits_memory(str(host.uuid))

    def _overcommits_memory(self, root: str) -> bool:
        """Ask for what no candidate shows: one call a host that is chosen."""
        self.ask_ratios([root])
        return self.ratios.get(root, 1.0) > 1.0

    def ask_ratios(self, roots: Iterable[str]) -> None:
        """Ask by how much hosts overcommit memory, where that matters."""
        if self._asks_ratios:
            asked = set(roots) - self.ratios.keys()
            self.ratios.update(ram_allocation_ratios(self._api, asked))

    def _no_capacity(
        self, count: int, fit: int, answer: Candidates, moving: bool
    ) -> NoCapacity:
        found = feasibility(
            self._api,
            self._validation,
            None,
            self._scope,
            count=1 if moving else count,
            fit=None if moving else fit,
            limits=() if moving else self._limits(fit, answer),
            ratios=self.ratios,
            answer=answer,
        )
        return NoCapacity(
            explain(found),
            count=count,
            fit=fit,
            moving=moving,
            diagnosis=found.diagnosis,
        )

    def _limits(self, fit: int, answer: Candidates) -> tuple[Limit, ...]:
        """Return what keeps one more guest off, where some fit."""
        if not fit:
            return ()
        requests = [request for _, request in self.usable(answer)]
        left, options = packing_of(answer, requests)
        names = binding(left, options, fit, limits_of(left, options))
        return tuple(
            self._limit(name, left, options, answer) for name in names
        )

    def _limit(
        self, name: str, left: Left, options: list[Option], answer: Candidates
    ) -> Limit:
        each = sum(n for k, n in options[0].amounts.items() if k[1] == name)
        givers = {
            provider
            for option in options
            for provider, taken in option.amounts
            if taken == name
        }
        shared_by = ''
        if len(givers) == 1:
            (uuid,) = givers
            summary = answer.provider_summaries.get(uuid)
            shares = os_traits.MISC_SHARES_VIA_AGGREGATE
            if summary and shares in summary.traits:
                shared_by = self._api.names(givers).get(uuid, uuid)
        in_all = sum(left[provider, name] for provider in givers)
        return Limit(name, each, in_all, shared_by)


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
