"""How short the host is that comes nearest to a request."""

from __future__ import annotations

import operator
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any

import msgspec

from sev_scheduling.diagnosis import Cause, Shortfall
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidates,
    ProviderSummary,
)
from sev_scheduling.placement.diagnosis.relaxation import without
from sev_scheduling.placement.diagnosis.relaxed_answers import (
    Answer,
    RelaxedAnswers,
    Unanswered,
)
from sev_scheduling.placement.diagnosis.unmet_constraints import Unit
from sev_scheduling.prefilter import PlacementRequest

#: Providers whose inventories are asked for to tell how much of an amount
#: one guest can have.
MAX_BEST = 2


class _Left(msgspec.Struct, frozen=True, gc=False):
    """What a host has left of the amounts in question, in their order.

    :ivar left: what a guest may have of each
    :ivar givers: uuids of the providers that have it
    """

    root: str
    left: tuple[int, ...]
    givers: tuple[str, ...]


def shortfalls(answers: RelaxedAnswers, unit: Unit) -> tuple[Shortfall, ...]:
    """Return how short the host is that lacks nothing but these constraints.

    None where it is not clear, and where none of them is an amount.

    :param unit: constraints without which there are candidates
    """
    amounts = {
        c.name: c.requested
        for c in sorted(unit)
        if c.cause is Cause.RESOURCES_SHORT
    }
    if not amounts:
        return ()
    try:
        return tuple(_Nearest(answers, unit, amounts).shortfalls())
    except Unanswered:
        return ()


class _Nearest:
    """The host that comes nearest to a request.

    :ivar amounts: resource class -> amount that no host has
    """

    def __init__(
        self, answers: RelaxedAnswers, unit: Unit, amounts: dict[str, int]
    ) -> None:
        self.answers = answers
        self.query = answers.query
        self.probe = answers.probe
        self.trees = answers.trees
        self.unit = unit
        self.amounts = amounts

    def shortfalls(self) -> Iterator[Shortfall]:
        """Yield a shortfall for each amount.

        :raises Unanswered: where it is not clear which host is the nearest
        """
        nearest = self._hosts()
        root, best = self._best(nearest) if nearest else self._nothing_left()
        if all(best[n] >= amount for n, amount in self.amounts.items()):
            return
        compared = bool(nearest) and len(best) == 1
        questions: list[Callable[[], Any]] = [
            lambda: compared and self._more(best),
            lambda: self.probe.name(root),
        ]
        if compared and root not in self.probe.names:
            more, host = self.probe.together(*questions)
        else:
            more, host = [ask() for ask in questions]
        for name, amount in self.amounts.items():
            if best[name] < amount and not more:
                yield Shortfall(
                    name,
                    amount,
                    best[name],
                    host,
                    self._capacity({one.root for one in nearest}, name),
                    self.trees.shared_by(root, name),
                )

    def _capacity(self, roots: Collection[str], name: str) -> int | None:
        """Return what a host has of an amount at the most, used or not.

        Of those that would do with less of it, and of all that are known
        where none has any left; None where there may be others.
        """
        known = self.trees.roots.keys()
        roots = roots or known
        if self.trees.hosts is None or not known >= set(roots):
            return None
        return self.trees.most_capacity(roots, name)

    def _hosts(self) -> list[_Left]:
        """Return what hosts have left that lack nothing but these amounts.

        Where the answer without the amounts shows it, Placement is not asked
        for the hosts that have one left of each.
        """
        known = self.answers.given(without(self.query, self.unit))
        if known and known.complete and not self.trees.around.sharing:
            found = _left_of_trees(known, self.amounts, self.query)
            if found is not None:
                return found
        answer = self.answers.ask(
            without(self.query, self.unit, dict.fromkeys(self.amounts, 1))
        )
        return [
            _left(root, request, answer.found, self.amounts)
            for root, request in answer.requests
        ]

    def _best(self, nearest: list[_Left]) -> tuple[str, dict[str, int]]:
        """Return the root of the host that is least short, and its amounts.

        What providers have left is shown. How much of that one guest can
        have is asked of few, and whether others give more in one query.

        :raises Unanswered: where that is not enough
        """
        order = {root: n for n, root in enumerate(self.trees.roots)}
        nearest.sort(
            key=lambda way: (
                -self._share(way.left),
                order.get(way.root, 0),
            )
        )
        best: dict[str, int] = {}
        host = ''
        asked = 0
        for one in nearest:
            if best and self._share(one.left) <= self._share(best.values()):
                break
            new = {*one.givers} - self.trees.limits.keys()
            asked += len(new)
            if asked > MAX_BEST or self.probe.left < len(new):
                if len(best) == 1:
                    break  # Others are asked for at once.
                raise Unanswered
            for giver in new:
                self.trees.limits[giver] = self.probe.inventories(giver)
            given: dict[str, int] = {}
            for name, most, giver in zip(
                self.amounts, one.left, one.givers, strict=True
            ):
                limit = self.trees.limits[giver].get(name)
                if limit and limit.gives(1):
                    given[name] = limit.most_of(most)
            if len(given) < len(self.amounts):
                continue
            if not best or (
                self._share(given.values()) > self._share(best.values())
            ):
                host, best = one.root, given
        if not best:
            raise Unanswered
        return host, best

    def _more(self, best: dict[str, int]) -> bool:
        """Whether any host gives more of an amount."""
        more = {name: amount + 1 for name, amount in best.items()}
        return bool(
            self.answers.ask(without(self.query, self.unit, more)).requests
        )

    def _nothing_left(self) -> tuple[str, dict[str, int]]:
        """Return the host that is least short, where none has one of each.

        :raises Unanswered: where one has, and does not give it
        """
        serving = self.answers.ask(without(self.query, self.unit)).roots
        left = {
            root: {name: self.trees.most(root, name) for name in self.amounts}
            for root in self.trees.roots
            if root in serving
        }
        if not left or any(all(found.values()) for found in left.values()):
            raise Unanswered
        best = max(left, key=lambda root: self._share(left[root].values()))
        # How much of it one guest can have.
        self.trees.ask_inventories([best])
        given: dict[str, int] = {}
        for name in self.amounts:
            amount = self.trees.given(best, name)
            if amount is None:
                raise Unanswered
            given[name] = amount
        return best, given

    def _share(self, found: Iterable[int]) -> float:
        """Return how near what is found comes to what is asked for."""
        share = 0.0
        for one, amount in zip(found, self.amounts.values(), strict=True):
            share += min(one / amount, 1.0)
        return share


def _left_of_trees(
    answer: Answer, amounts: Collection[str], query: PlacementRequest
) -> list[_Left] | None:
    """Return what the hosts of an answer have left of other amounts.

    Not of hosts that have none. None where it is not clear which provider
    would give them: each tree must have one alone, which serves the group
    already, so that its traits have been looked at.
    """
    groups = [name for group in query.groups for name in group.resources]
    if any(groups.count(name) > 1 for name in amounts):
        return None
    summaries = answer.found.provider_summaries
    roots = [root for root, _ in answer.requests]
    serving = [one.mappings.get('', ()) for _, one in answer.requests]
    givers, left = [], []
    for name in amounts:
        giver_of = _only_provider(summaries, name)
        uuids = [giver_of.get(root, '') for root in roots]
        if not all(map(operator.contains, serving, uuids)):
            return None
        givers.append(uuids)
        left.append([summaries[uuid].resources[name].left for uuid in uuids])
    return [
        _Left(*one)
        for one in zip(
            roots,
            zip(*left, strict=True),
            zip(*givers, strict=True),
            strict=True,
        )
        if min(one[1]) > 0
    ]


def _only_provider(
    summaries: Mapping[str, ProviderSummary], name: str
) -> dict[str, str]:
    """Return root uuid -> the provider of the tree with a class.

    '' where there are several.
    """
    found: dict[str, str] = {}
    for uuid, summary in summaries.items():
        if name in summary.resources:
            root = summary.root_provider_uuid
            found[root] = '' if root in found else uuid
    return found


def _left(
    root: str,
    request: AllocationRequest,
    found: Candidates,
    amounts: Iterable[str],
) -> _Left:
    """Return what is left for the guest on the host of a candidate."""
    left: dict[str, int] = {}
    givers: dict[str, str] = {}
    group = request.mappings.get('') or tuple(request.allocations)
    for name in amounts:
        for uuid in group:
            taken = request.allocations[uuid].resources
            if name not in taken:
                continue
            usage = found.provider_summaries[uuid].resources[name]
            amount = usage.left - taken[name] + 1
            if amount > left.get(name, -1):
                left[name], givers[name] = amount, uuid
    return _Left(root, tuple(left.values()), tuple(givers.values()))
