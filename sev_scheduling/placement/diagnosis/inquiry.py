"""diagnose(): what empties Placement's answer to a request.

The query is asked again relaxed, at most :data:`.probe.MAX_CALLS` calls in
all. Placement first shows whole trees of the hosts in question. What they
show rules out most sets of constraints; of each set that is left, the
smallest first, Placement is asked whether it has candidates with that set
relaxed. A set is named where it has, and where it has none with any smaller
one. While a slot is free, the slot is in no set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from sev_scheduling.diagnosis import (
    Cause,
    Constraint,
    Diagnosis,
    Shortfall,
    UnknownName,
)
from sev_scheduling.diagnosis.remedies import as_another_model
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidates,
    Inventory,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis.names import (
    STANDARD_NAMES,
    unknown_names,
)
from sev_scheduling.placement.diagnosis.observed_trees import (
    SHARES,
    ObservedTrees,
    Summaries,
)
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES, Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    asks_no_more,
    can_be_asked,
    constraints,
    slot_constraint,
    ways,
    without,
)
from sev_scheduling.placement.diagnosis.slots import (
    Slots,
    find_slots,
    other_models,
)
from sev_scheduling.placement.diagnosis.unmet_constraints import (
    TooMany,
    Unit,
    UnmetConstraints,
)
from sev_scheduling.prefilter import (
    MICROVERSION_SUBTREE,
    PlacementRequest,
    translate,
)
from sev_scheduling.request.request import EncryptionRequest

#: Root uuid, class -> amount that a guest may have, class -> its provider.
_Left = tuple[str, dict[str, int], dict[str, str]]

#: Providers whose inventories are asked for to tell how much of an amount
#: one guest can have.
MAX_BEST = 2


def diagnose(
    api: Api,
    request: EncryptionRequest,
    query: PlacementRequest,
    ignored: frozenset[str] = frozenset(),
    *,
    is_empty: bool = False,
    trees: Summaries | None = None,
) -> Diagnosis:
    """Return what empties Placement's answer to a request.

    :param query: what Placement was asked for it
    :param ignored: root uuids of hosts that will not do for other reasons
    :param is_empty: whether Placement has just answered it with none
    :param trees: summaries of the trees of all hosts, where they were just
        read: then Placement is not asked which have slots
    :raises PlacementError: one of its children
    """
    inquiry = _Inquiry(Probe(api, ignored), request, query, trees)
    return inquiry.diagnosis(is_empty=is_empty)


class _Unknown(Exception):
    """Placement cannot be asked, or not within the bound on calls."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Placement answered to one relaxed query.

    :ivar requests: (root uuid, candidate), of hosts
    """

    query: PlacementRequest
    found: Candidates
    requests: tuple[tuple[str, AllocationRequest], ...]

    @property
    def roots(self) -> frozenset[str]:
        return frozenset(root for root, _ in self.requests)

    @property
    def complete(self) -> bool:
        return len(self.found.allocation_requests) < MAX_CANDIDATES


class _Inquiry:
    """The diagnosis of one query."""

    def __init__(
        self,
        probe: Probe,
        request: EncryptionRequest,
        query: PlacementRequest,
        known: Summaries | None,
    ) -> None:
        self.probe = probe
        self.request = request
        self.query = query
        self.known = known and {
            uuid: summary
            for uuid, summary in known.items()
            if summary.root_provider_uuid not in probe.ignored
            # Of no other host than the one that is asked for.
            and query.in_tree in (None, summary.root_provider_uuid)
        }
        self.trees = ObservedTrees(probe, query)
        self.slot = slot_constraint(query)
        self.slots: Slots | None = None
        self.answers: dict[str, _Answer] = {}
        #: What was asked while the slots were looked for.
        self.found: dict[str, Candidates] = {}

    def diagnosis(self, *, is_empty: bool) -> Diagnosis:
        if self._observe(is_empty):
            return self._concluded(Cause.NONE)
        # Placement may not have come as far as a name before it was done.
        known = () if self.probe.refused else STANDARD_NAMES
        if unknown := unknown_names(self.probe, self.query, known):
            return self._of_names(unknown)
        host = self.query.in_tree
        if host is not None and self._would_do_unnamed(host):
            return self._concluded(
                Cause.HOST,
                [Constraint(Cause.HOST, host)],
                but_for=frozenset({host}),
            )
        every = frozenset(constraints(self.query))
        always: Unit = frozenset()
        if not self.query.models:
            self.trees.observe_any()
        elif self.trees.roots:
            every -= {self.slot}
        else:
            always = frozenset({self.slot})
            cause = self._look_for_slots()
            if cause is Cause.NO_MODEL:
                offered = other_models(self.probe, self.query)
                return replace(
                    self._concluded(cause, always),
                    offered=offered,
                    runnable=tuple(filter(self._runs_as, offered)),
                    calls=self.probe.calls,
                )
            if cause:
                return self._concluded(
                    cause, always if cause is Cause.SLOTS_USED else ()
                )
        try:
            return self._named(self._least(every, always))
        except (_Unknown, TooMany):
            return self._concluded(Cause.UNCLEAR)

    def _observe(self, is_empty: bool) -> bool:
        """Observe hosts with a free slot; return whether there are candidates.

        What is asked in any case is asked at one time.
        """
        questions: list[Callable[[], object]] = [self.trees.ask_members]
        if not is_empty:
            questions.insert(0, lambda: self.probe.any(self.query))
        if self.query.models:
            questions.append(lambda: self.trees.observe_free(self.known))
        # Asked once, before several need it.
        self.probe.supports(self.query.microversion)
        answers = self.probe.together(*questions)
        return not is_empty and bool(answers[0])

    def _of_names(self, unknown: tuple[UnknownName, ...]) -> Diagnosis:
        """Return that names are unknown, and which hosts would do else."""
        named = frozenset(one.constraint for one in unknown)
        found = self._concluded(
            Cause.UNKNOWN_NAME, named, but_for=self._but_for([named])
        )
        return replace(found, unknown=unknown)

    def _would_do_unnamed(self, host: str) -> bool:
        """Whether the host that is asked for would do if it was not.

        Placement gives it nothing of sharing providers then.
        """
        anywhere = self.probe.candidates(replace(self.query, in_tree=None))
        return anywhere is not None and host in anywhere.roots()

    def _runs_as(self, name: str) -> bool:
        """Whether a host could run the request as another model.

        False where that cannot be asked.
        """
        other = as_another_model(self.request, name)
        if other is None:
            return False
        asked = self.query
        query = translate(other.validation)
        beside = [group for group in asked.groups if group.asker is not None]
        query = replace(
            query,
            groups=(*query.groups, *beside),
            group_policy=asked.group_policy,
            member_of=asked.member_of,
            forbidden_aggregates=asked.forbidden_aggregates,
            in_tree=asked.in_tree,
            root_required=asked.root_required,
            root_forbidden=asked.root_forbidden,
        )
        return bool(self.probe.any(query))

    def _look_for_slots(self) -> Cause | None:
        """Look for hosts whose slots are all used; return what is clear."""
        slots = find_slots(self.probe, self.query, self.known)
        if slots.none:
            return Cause.NO_MODEL
        if slots.free:
            # One was freed this moment, or is not given out alone.
            return Cause.UNCLEAR
        self.slots = slots
        if slots.relaxed is not None:
            way = without(self.query, {self.slot})
            self.found[way.querystring()] = slots.relaxed
        if not self.probe.supports(MICROVERSION_SUBTREE):
            # Whether a free slot would be enough cannot be asked.
            return Cause.SLOTS_USED
        if not slots.summaries and not self._gives_more_than_one(slots):
            # Their hosts have nothing at all left.
            return Cause.SLOTS_USED
        self.trees.set_summaries(slots.summaries, hidden=not slots.complete)
        return None

    def _gives_more_than_one(self, slots: Slots) -> bool:
        """Whether hosts without one of an amount left may give more."""
        return any(
            inventory.min_unit > 1
            for root in sorted(set(slots.roots))[:MAX_BEST]
            for inventory in self.probe.inventories(root).values()
        )

    def _least(self, every: Unit, always: Unit) -> list[Unit]:
        """Return the single constraints, or else one of the smallest sets.

        :param always: what is in all of them
        :raises _Unknown: where Placement cannot be asked for one of them
        :raises TooMany: where there are too many to look at
        """
        self.trees.ask_shared()
        learned = True
        size = 1
        # Placement has refused it already.
        refused = [] if always else [self.query]
        while size <= len(every):
            if learned:
                model = UnmetConstraints(self.query, self.trees, every, always)
            learned = any(self._learns(model.roots(way)) for way in refused)
            refused = []
            if learned:
                continue
            found: list[Unit] = []
            for unit in model.units(size):
                for way in model.ways(unit):
                    if self.trees.is_shared(way) or self._refused(way):
                        continue
                    learned = not model.roots(way) and self.trees.ask_unseen()
                    if learned:
                        break
                    if self._ask(way).requests:
                        found.append(unit)
                        break
                    refused.append(way)
                if learned or refused or (found and size > 1):
                    break
            if learned or refused:
                continue
            if found:
                return found
            size += 1
        raise _Unknown

    def _learns(self, roots: Collection[str]) -> bool:
        """Ask why hosts do not serve that seem to; return whether it was."""
        return bool(roots) and self.trees.ask_inventories(roots)

    def _refused(self, way: PlacementRequest) -> bool:
        """Whether Placement has no candidates for it, by what it answered."""
        asked = self.answers.get(way.querystring())
        if asked:
            return not asked.requests
        return any(
            asks_no_more(answer.query, way)
            for answer in self.answers.values()
            if not answer.requests
            and not self.trees.may_be_shared(answer.query)
        )

    def _ask(self, query: PlacementRequest) -> _Answer:
        """Ask for the candidates of hosts.

        :raises _Unknown: where no call is left, or Placement has no words
            for it
        """
        if not can_be_asked(query):
            raise _Unknown
        key = query.querystring()
        if key not in self.answers:
            found = self.found.pop(key, None)
            if found is None:
                found = self.probe.candidates(query)
            if found is None:
                raise _Unknown
            self.answers[key] = _Answer(
                query, found, tuple(self._of_hosts(query, found))
            )
        return self.answers[key]

    def _of_hosts(
        self, query: PlacementRequest, found: Candidates
    ) -> Iterator[tuple[str, AllocationRequest]]:
        """Yield the root of each candidate, and the candidate.

        Not those of sharing providers alone, and not those where the model's
        trait is that of a provider without slots.

        :raises _Unknown: where what a provider has is not known
        """
        pools = self.slots.pools.keys() if self.slots else set()
        for request in found.allocation_requests:
            slot = request.mappings.get(query.slot_suffix or '-', ())
            if query.slot_relaxed and pools.isdisjoint(slot):
                if self.slots and self.slots.known:
                    continue
                raise _Unknown
            for uuid in (*slot, *request.allocations):
                summary = found.provider_summaries.get(
                    uuid
                ) or self.trees.summary(uuid)
                if summary and SHARES.isdisjoint(summary.traits):
                    if summary.root_provider_uuid not in self.probe.ignored:
                        yield summary.root_provider_uuid, request
                    break

    def _named(self, found: list[Unit]) -> Diagnosis:
        named = frozenset[Constraint]().union(*found)
        if len(found) > 1:
            return self._concluded(
                Cause.COMBINATION, named, but_for=self._but_for(found)
            )
        causes = {constraint.cause for constraint in named}
        shortfalls = tuple(self._shortfalls(named))
        return self._concluded(
            causes.pop() if len(causes) == 1 else Cause.SEVERAL,
            named,
            shortfalls=shortfalls,
            but_for=self._but_for(found),
        )

    def _but_for(self, found: list[Unit]) -> frozenset[str]:
        """Return the hosts with candidates; none where there may be more."""
        roots: set[str] = set()
        try:
            for unit in found:
                asked: list[PlacementRequest] = []
                for way in ways(self.query, unit):
                    if self.trees.is_shared(way) or any(
                        asks_no_more(other, way) for other in asked
                    ):
                        continue
                    answer = self._ask(way)
                    if not answer.complete:
                        return frozenset()
                    roots |= answer.roots
                    asked.append(way)
        except _Unknown:
            return frozenset()
        return frozenset(roots)

    def _concluded(
        self,
        cause: Cause,
        named: Iterable[Constraint] = (),
        *,
        shortfalls: tuple[Shortfall, ...] = (),
        but_for: frozenset[str] = frozenset(),
    ) -> Diagnosis:
        return Diagnosis(
            request=self.request,
            cause=cause,
            # Its name takes a call.
            host=None if self.query.in_tree is None else '',
            constraints=tuple(sorted(named)),
            shortfalls=shortfalls,
            hosts_with_free_slot=self.trees.hosts,
            hosts_but_for=len(but_for) or None,
            roots_but_for=but_for,
            hosts_with_model=self.slots.hosts if self.slots else None,
            slots_total=self.slots.total if self.slots else None,
            slots_used=self.slots.used if self.slots else None,
            calls=self.probe.calls,
        )

    def _shortfalls(self, unit: Unit) -> Iterator[Shortfall]:
        """Yield how short the host is that comes nearest."""
        amounts = {
            c.name: c.requested
            for c in sorted(unit)
            if c.cause is Cause.RESOURCES_SHORT
        }
        if not amounts:
            return
        try:
            nearest = self._nearest(unit, amounts)
            if nearest:
                root, best = self._best(nearest, amounts)
            else:
                root, best = self._nothing_left(unit, amounts)
            if all(best[n] >= amount for n, amount in amounts.items()):
                return
            compared = bool(nearest) and len(best) == 1
            more, host = self.probe.together(
                lambda: compared and self._more(unit, best),
                lambda: self._name(root),
            )
        except _Unknown:
            return
        for name, amount in amounts.items():
            if best[name] < amount and not more:
                yield Shortfall(
                    name,
                    amount,
                    best[name],
                    host,
                    self._capacity({one[0] for one in nearest}, name),
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
        return max(
            (self.trees.capacity(root, name) for root in roots), default=0
        )

    def _nearest(self, unit: Unit, amounts: dict[str, int]) -> list[_Left]:
        """Return what hosts have left that lack nothing but these amounts.

        Where the answer without the amounts shows it, Placement is not asked
        for the hosts that have one left of each.
        """
        known = self.answers.get(without(self.query, unit).querystring())
        if known and known.complete and not self.trees.sharing:
            found = _left_of_trees(known, amounts, self.query)
            if found is not None:
                return found
        answer = self._ask(
            without(self.query, unit, dict.fromkeys(amounts, 1))
        )
        return [
            (root, *_left(request, answer.found, amounts))
            for root, request in answer.requests
        ]

    def _best(
        self, nearest: list[_Left], amounts: dict[str, int]
    ) -> tuple[str, dict[str, int]]:
        """Return the root of the host that is least short, and its amounts.

        What providers have left is shown. How much of that one guest can
        have is asked of few, and whether others give more in one query.

        :raises _Unknown: where that is not enough
        """
        order = {root: n for n, root in enumerate(self.trees.roots)}
        nearest.sort(
            key=lambda way: (-_share(way[1], amounts), order.get(way[0], 0))
        )
        best: dict[str, int] = {}
        host = ''
        asked = 0
        for root, left, givers in nearest:
            if best and _share(left, amounts) <= _share(best, amounts):
                break
            new = {*givers.values()} - self.trees.limits.keys()
            asked += len(new)
            if asked > MAX_BEST or self.probe.left < len(new):
                if len(best) == 1:
                    break  # Others are asked for at once.
                raise _Unknown
            for giver in new:
                self.trees.limits[giver] = self.probe.inventories(giver)
            limits = {
                name: self.trees.limits[giver].get(name)
                for name, giver in givers.items()
            }
            if not all(one and one.gives(1) for one in limits.values()):
                continue
            given = {name: _given(left[name], limits[name]) for name in givers}
            if not best or _share(given, amounts) > _share(best, amounts):
                host, best = root, given
        if not best:
            raise _Unknown
        return host, best

    def _more(self, unit: Unit, best: dict[str, int]) -> bool:
        """Whether any host gives more of an amount."""
        more = {name: amount + 1 for name, amount in best.items()}
        return bool(self._ask(without(self.query, unit, more)).requests)

    def _nothing_left(
        self, unit: Unit, amounts: dict[str, int]
    ) -> tuple[str, dict[str, int]]:
        """Return a root and zeros, where no host has one left.

        :raises _Unknown: where some have, and do not give it
        """
        roots = [
            root
            for root in self.trees.roots
            if root in self._ask(without(self.query, unit)).roots
        ]
        if not roots or any(
            self.trees.most(root, name) for root in roots for name in amounts
        ):
            raise _Unknown
        return roots[0], dict.fromkeys(amounts, 0)

    def _name(self, root: str) -> str:
        found = self.probe.providers(uuid=root)
        return found[0].name if found else root


def _left_of_trees(
    answer: _Answer, amounts: Collection[str], query: PlacementRequest
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
        for name in summary.resources.keys() & amounts:
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


def _given(left: int, inventory: Inventory | None) -> int:
    """Return how much of what is left one guest can have."""
    if inventory is None:
        return 0
    most = min(left, inventory.max_unit)
    amount = most // inventory.step_size * inventory.step_size
    return amount if amount >= inventory.min_unit else 0


def _share(found: dict[str, int], amounts: dict[str, int]) -> float:
    """Return how near what is found comes to what is asked for."""
    return sum(found[name] / amount for name, amount in amounts.items())
