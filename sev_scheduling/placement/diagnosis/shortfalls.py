"""How short the host is that comes nearest to a request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from sev_scheduling.diagnosis import Cause, Shortfall
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidates,
)
from sev_scheduling.placement.diagnosis.relaxation import without
from sev_scheduling.placement.diagnosis.relaxed_answers import (
    Answer,
    RelaxedAnswers,
    Unanswered,
)
from sev_scheduling.placement.diagnosis.unmet_constraints import Unit
from sev_scheduling.prefilter import PlacementRequest

#: Root uuid, class -> amount that a guest may have, class -> its provider.
_Left = tuple[str, dict[str, int], dict[str, str]]

#: Providers whose inventories are asked for to tell how much of an amount
#: one guest can have.
MAX_BEST = 2


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
        more, host = self.probe.together(
            lambda: compared and self._more(best), lambda: self._name(root)
        )
        for name, amount in self.amounts.items():
            if best[name] < amount and not more:
                yield Shortfall(
                    name,
                    amount,
                    best[name],
                    host,
                    self._capacity({one[0] for one in nearest}, name),
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
        if known and known.complete and not self.trees.sharing:
            found = _left_of_trees(known, self.amounts, self.query)
            if found is not None:
                return found
        answer = self.answers.ask(
            without(self.query, self.unit, dict.fromkeys(self.amounts, 1))
        )
        return [
            (root, *_left(request, answer.found, self.amounts))
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
                -self._share(way[1]),
                order.get(way[0], 0),
            )
        )
        best: dict[str, int] = {}
        host = ''
        asked = 0
        for root, left, givers in nearest:
            if best and self._share(left) <= self._share(best):
                break
            new = {*givers.values()} - self.trees.limits.keys()
            asked += len(new)
            if asked > MAX_BEST or self.probe.left < len(new):
                if len(best) == 1:
                    break  # Others are asked for at once.
                raise Unanswered
            for giver in new:
                self.trees.limits[giver] = self.probe.inventories(giver)
            limits = {
                name: self.trees.limits[giver].get(name)
                for name, giver in givers.items()
            }
            if not all(one and one.gives(1) for one in limits.values()):
                continue
            given = {
                name: limit.most_of(left[name]) if limit else 0
                for name, limit in limits.items()
            }
            if not best or self._share(given) > self._share(best):
                host, best = root, given
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
        best = max(left, key=lambda root: self._share(left[root]))
        # How much of it one guest can have.
        self.trees.ask_inventories([best])
        given: dict[str, int] = {}
        for name in self.amounts:
            amount = self.trees.given(best, name)
            if amount is None:
                raise Unanswered
            given[name] = amount
        return best, given

    def _share(self, found: dict[str, int]) -> float:
        """Return how near what is found comes to what is asked for."""
        share = 0.0
        for name, amount in self.amounts.items():
            share += min(found[name] / amount, 1.0)
        return share

    def _name(self, root: str) -> str:
        found = self.probe.providers(uuid=root)
        return found[0].name if found else root


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
    having: dict[tuple[str, str], list[str]] = {}
    summaries = answer.found.provider_summaries
    for uuid, summary in summaries.items():
        for name in amounts:
            if name in summary.resources:
                root = summary.root_provider_uuid
                having.setdefault((root, name), []).append(uuid)
    found: list[_Left] = []
    for root, request in answer.requests:
        group = request.mappings.get('', ())
        left: dict[str, int] = {}
        givers: dict[str, str] = {}
        for name in amounts:
            having_it = having.get((root, name), ())
            if len(having_it) != 1 or having_it[0] not in group:
                return None
            givers[name] = having_it[0]
            left[name] = summaries[givers[name]].resources[name].left
        if min(left.values()) > 0:
            found.append((root, left, givers))
    return found


def _left(
    request: AllocationRequest, found: Candidates, amounts: Iterable[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """Return class -> amount that is left for the guest, and its provider."""
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
    return left, givers
