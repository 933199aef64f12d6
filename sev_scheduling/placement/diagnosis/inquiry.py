"""diagnose(): what empties Placement's answer to a request.

The query is asked again relaxed, at most :data:`.probe.MAX_CALLS` calls in
all. Placement first shows whole trees of the hosts in question. What they
show rules out most sets of constraints; of each set that is left, the
smallest first, Placement is asked whether it has candidates with that set
relaxed. A set is named where it has, and has none with any smaller one.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import os_resource_classes as orc
import os_traits

from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis, Shortfall
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidates,
    ProviderSummary,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis.observed_trees import ObservedTrees
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES, Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    anything_left,
    can_be_asked,
    constraints,
    probe_classes,
    slot_alone,
    slot_constraint,
    without,
)
from sev_scheduling.placement.diagnosis.slots import Slots, find_slots
from sev_scheduling.placement.diagnosis.unmet_constraints import (
    UnmetConstraints,
)
from sev_scheduling.placement.hosts import one_of
from sev_scheduling.prefilter import MICROVERSION_SUBTREE, PlacementRequest
from sev_scheduling.request.request import EncryptionRequest

Unit = frozenset[Constraint]

#: Hosts whose inventories are asked for to tell how much one guest can have.
MAX_BEST = 2


def diagnose(
    api: Api,
    request: EncryptionRequest,
    query: PlacementRequest,
    ignored: frozenset[str] = frozenset(),
) -> Diagnosis:
    """Return what empties Placement's answer to a request.

    :param query: what Placement was asked for it
    :param ignored: root uuids of hosts that will not do for other reasons
    :raises PlacementError: one of its children
    """
    return _Inquiry(Probe(api, ignored), request, query).diagnosis()


class _Inquiry:
    """The diagnosis of one query.

    :ivar every: its constraints; the slot last
    :ivar answers: what Placement answered with these relaxed; None where it
        cannot be asked
    :ivar free: roots of the trees with a free slot
    :ivar met: constraint -> roots that meet it by themselves, as far as asked
    """

    def __init__(
        self,
        probe: Probe,
        request: EncryptionRequest,
        query: PlacementRequest,
    ) -> None:
        self.probe = probe
        self.request = request
        self.query = query
        self.trees = ObservedTrees(probe, query)
        self.slot = slot_constraint(query)
        self.every = [c for c in constraints(query) if c != self.slot]
        self.answers: dict[Unit, Candidates | None] = {}
        self.met: dict[Constraint, frozenset[str]] = {}
        self.free: frozenset[str] = frozenset()

    def diagnosis(self) -> Diagnosis:
        if self.probe.any(self.query):
            return self._concluded(Cause.NONE)
        if not self.query.models:
            self.trees.observe(map(one_of, probe_classes(self.query)))
            self.trees.ask_sharing()
            return self._named(self._least(range(1, len(self.every) + 1)))
        if self.trees.observe([slot_alone(self.query)]):
            self.free = frozenset(self.trees.roots)
            self.trees.ask_sharing()
            found = self._least([1])
            if found is None or found:
                return self._named(found)
        return self._with_slots()

    def _with_slots(self) -> Diagnosis:
        """Go on with hosts whose slots are all used, and the slot relaxed."""
        slots = find_slots(self.probe, self.query)
        any_free = bool(self.free)
        if not any_free:
            if slots.none:
                return self._concluded(Cause.NO_MODEL, [self.slot])
            if slots.free:
                # One was freed this moment, or is not given out one at a time.
                return self._concluded(Cause.UNCLEAR)
        self.trees.add_summaries(slots.summaries)
        new = self.trees.roots.keys() - self.free
        for constraint in self.met:
            self.met[constraint] |= new
        if slots.hosts is None or slots.hosts > len(self.trees.roots):
            self.trees.complete = False
        if not any_free:
            self.trees.ask_sharing()
        self.every.append(self.slot)
        found = self._least(range(1, len(self.every) + 1))
        if not (found or any_free) and not self.probe.supports(
            MICROVERSION_SUBTREE
        ):
            # Whether a free slot is enough cannot be asked; it is needed.
            found = [frozenset([self.slot])]
        return self._named(found, slots)

    def _least(self, sizes: Iterable[int]) -> list[Unit] | None:
        """Return the single constraints, or else one of the smallest sets.

        :returns: None where Placement cannot be asked for all smaller ones
        """
        unmet = self._unmet()
        if self.trees.shared != frozenset() or unmet.may_do(frozenset()):
            unmet = self._asked_amounts()
        for size in sizes:
            found: list[Unit] = []
            for unit in _ordered(self.every, size):
                if unit not in self.answers:
                    if self._refuted(unit) or not unmet.may_do(unit):
                        continue
                    self.answers[unit] = self._answer(unit)
                    if self.answers[unit] is not None and not (
                        self.answers[unit] or self.met
                    ):
                        unmet = self._asked_amounts()
                answer = self.answers[unit]
                if answer is None:
                    return None
                if answer:
                    found.append(unit)
                    if size > 1:
                        return found
            if found:
                return found
        return []

    def _unmet(self) -> UnmetConstraints:
        return UnmetConstraints(self.query, self.trees, self.every, self.met)

    def _refuted(self, unit: Unit) -> bool:
        """Whether Placement has no candidates with more than this relaxed."""
        return any(
            unit <= other
            for other, answer in self.answers.items()
            if answer is not None and not answer
        )

    def _asked_amounts(self) -> UnmetConstraints:
        """Ask for each amount by itself: who gives it, by any means."""
        for constraint in self.every:
            if constraint.cause is Cause.RESOURCES_SHORT:
                roots = self._meeting(constraint)
                if roots is not None:
                    self.met[constraint] = roots
        return self._unmet()

    def _meeting(self, constraint: Constraint) -> frozenset[str] | None:
        name, amount = constraint.name, constraint.requested
        if constraint in self.met or not self.query.models:
            return self.met.get(constraint)
        if (
            not self.probe.supports(MICROVERSION_SUBTREE)
            or self.probe.left < RESERVE
        ):
            return None
        asked = anything_left(self.query, name, amount)
        others: set[str] = set()
        if self.trees.shared is None or name in self.trees.shared:
            # Of what a sharing provider gives alone, Placement finds no tree
            # that gives nothing: the tree must give the slot.
            if not self.free:
                return None
            alone = slot_alone(self.query)
            asked = replace(alone, groups=(asked.groups[0], *alone.groups))
            others = self.trees.roots.keys() - self.free
        answer = self.probe.candidates(asked)
        if answer is None or len(answer.allocation_requests) >= MAX_CANDIDATES:
            return None
        return frozenset(self._roots(answer) | others)

    def _answer(self, unit: Unit) -> Candidates | None:
        """Return the candidates with these relaxed; None where unknown."""
        amounts = [c.name for c in unit if c.cause is Cause.RESOURCES_SHORT]
        dropped = without(self.query, unit)
        if dropped.slot_relaxed and not self.probe.supports(
            MICROVERSION_SUBTREE
        ):
            return None
        answer = None
        if can_be_asked(dropped):
            answer = self._candidates(dropped)
            group = dropped.unsuffixed
            if answer is None or answer or not amounts:
                return answer
            if group is None or not group.required:
                return answer
        # Without the amount, the provider with a trait may be none of those
        # that serve the guest.
        one = self._candidates(
            without(self.query, unit, dict.fromkeys(amounts, 1))
        )
        if one or one is None or answer is None:
            return one or None
        traits = {
            c
            for c in self.every
            if c.cause is Cause.TRAIT and not c.name.startswith('!')
        }
        weaker = without(self.query, unit | traits)
        if can_be_asked(weaker) and self._candidates(weaker):
            return None
        return answer

    def _candidates(self, query: PlacementRequest) -> Candidates | None:
        answer = self.probe.candidates(query)
        if answer is None or not query.slot_relaxed:
            return answer
        # The model's trait may be that of a provider without slots.
        return Candidates(
            tuple(
                request
                for request in answer.allocation_requests
                if any(
                    orc.MEM_ENCRYPTION_CONTEXT in summary.resources
                    for summary in self._summaries(
                        request.mappings.get(query.slot_suffix, ()), answer
                    )
                )
            ),
            answer.provider_summaries,
        )

    def _roots(self, answer: Candidates) -> set[str]:
        return {
            self._root(request, answer)
            for request in answer.allocation_requests
        }

    def _summaries(
        self, providers: Iterable[str], answer: Candidates
    ) -> list[ProviderSummary]:
        """Return summaries; an answer may lack providers that give nothing."""
        known = (
            answer.provider_summaries.get(uuid) or self.trees.summary(uuid)
            for uuid in providers
        )
        return [summary for summary in known if summary]

    def _root(self, request: AllocationRequest, answer: Candidates) -> str:
        """Return the root of a candidate's host."""
        providers = [
            *request.mappings.get(self.query.slot_suffix or '-', ()),
            *request.allocations,
        ]
        summaries = self._summaries(providers, answer)
        for summary in summaries:
            if os_traits.MISC_SHARES_VIA_AGGREGATE not in summary.traits:
                return summary.root_provider_uuid
        return summaries[0].root_provider_uuid

    def _named(
        self, found: list[Unit] | None, slots: Slots | None = None
    ) -> Diagnosis:
        if not found:
            return self._concluded(Cause.UNCLEAR, slots=slots)
        if len(found) > 1:
            return self._concluded(
                Cause.COMBINATION,
                itertools.chain.from_iterable(found),
                but_for=frozenset[str]().union(*map(self._but_for, found)),
            )
        (unit,) = found
        causes = {constraint.cause for constraint in unit}
        return self._concluded(
            causes.pop() if len(causes) == 1 else Cause.SEVERAL,
            unit,
            shortfalls=tuple(self._shortfalls(unit)),
            but_for=self._but_for(unit),
            slots=slots if self.slot in unit else None,
        )

    def _but_for(self, unit: Unit) -> frozenset[str]:
        """Return the hosts with candidates; none where there may be more."""
        answer = self.answers.get(unit)
        if (
            answer is None
            or self.slot in unit
            or len(answer.allocation_requests) >= MAX_CANDIDATES
        ):
            return frozenset()
        return frozenset(self._roots(answer))

    def _concluded(
        self,
        cause: Cause,
        named: Iterable[Constraint] = (),
        *,
        shortfalls: tuple[Shortfall, ...] = (),
        but_for: frozenset[str] = frozenset(),
        slots: Slots | None = None,
    ) -> Diagnosis:
        return Diagnosis(
            request=self.request,
            cause=cause,
            constraints=tuple(sorted(named)),
            shortfalls=shortfalls,
            hosts_with_free_slot=self.trees.hosts,
            hosts_but_for=len(but_for) or None,
            roots_but_for=but_for,
            hosts_with_model=slots.hosts if slots else None,
            slots_total=slots.total if slots else None,
            slots_used=slots.used if slots else None,
            calls=self.probe.calls,
        )

    def _shortfalls(self, unit: Unit) -> Iterator[Shortfall]:
        """Yield how short the host is that comes nearest."""
        amounts = {
            c.name: c.requested
            for c in unit
            if c.cause is Cause.RESOURCES_SHORT
        }
        answer = amounts and self._candidates(
            without(self.query, unit, dict.fromkeys(amounts, 1))
        )
        if answer:
            root, best = self._best(answer, amounts)
        elif amounts and answer is not None:
            root, best = self._nothing_left(unit, amounts)
        else:
            return
        if not best:
            return
        name = self._name(root)
        for resource_class, requested in sorted(amounts.items()):
            if best[resource_class] < requested:
                yield Shortfall(
                    resource_class, requested, best[resource_class], name
                )

    def _best(
        self, answer: Candidates, amounts: dict[str, int]
    ) -> tuple[str, dict[str, int]]:
        """Return the candidate's root that is least short, and its amounts.

        What providers have left is shown; how much of it one guest can have
        is asked of few, and nothing is returned where that is too few.
        """
        bounds = sorted(
            (
                (self._left(request, answer, amounts), i, request)
                for i, request in enumerate(answer.allocation_requests)
            ),
            key=lambda item: _share(item[0][0], amounts),
            reverse=True,
        )
        asked: dict[str, dict[str, tuple[int, int, int]]] = {}
        best: dict[str, int] = {}
        root = ''
        for (left, givers), _, request in bounds:
            if best and _share(left, amounts) <= _share(best, amounts):
                return root, best
            for giver in givers.values():
                if giver in asked:
                    continue
                if len(asked) >= MAX_BEST or self.probe.left < 2:
                    return '', {}
                asked[giver] = {
                    name: (one.min_unit, one.max_unit, one.step_size)
                    for name, one in self.probe.inventories(giver).items()
                }
            given = {}
            for name, giver in givers.items():
                least, most, step = asked[giver].get(name, (1, 0, 1))
                amount = min(left[name], most) // step * step
                given[name] = amount if amount >= least else 0
            if not best or _share(given, amounts) > _share(best, amounts):
                root, best = self._root(request, answer), given
        return root, best

    def _left(
        self,
        request: AllocationRequest,
        answer: Candidates,
        amounts: Collection[str],
    ) -> tuple[dict[str, int], dict[str, str]]:
        """Return class -> amount left for the guest, and the provider."""
        left: dict[str, int] = {}
        givers: dict[str, str] = {}
        group = request.mappings.get('') or tuple(request.allocations)
        for name in amounts:
            for uuid in group:
                taken = request.allocations.get(uuid)
                if taken is None or name not in taken.resources:
                    continue
                usage = answer.provider_summaries[uuid].resources[name]
                amount = usage.left - taken.resources[name] + 1
                if amount > left.get(name, -1):
                    left[name], givers[name] = amount, uuid
        return left, givers

    def _nothing_left(
        self, unit: Unit, amounts: Collection[str]
    ) -> tuple[str, dict[str, int]]:
        """Return a root and zeros, where no host has one left."""
        answer = self.answers[unit]
        if self.trees.shared == frozenset() and answer and len(amounts) == 1:
            (name,) = amounts
            roots = self._roots(answer)
            if all(
                root in self.trees.roots and not self.trees.most(root, name)
                for root in roots
            ):
                return min(roots), {name: 0}
        return '', {}

    def _name(self, root: str) -> str:
        found = self.probe.providers(uuid=root)
        return found[0].name if found else root


#: Calls to keep for the questions that follow those about amounts.
RESERVE = 4


def _ordered(every: Iterable[Constraint], size: int) -> list[Unit]:
    """Return the sets of a size, those of few kinds first."""
    return sorted(
        map(frozenset, itertools.combinations(every, size)),
        key=lambda unit: (len({c.cause for c in unit}), sorted(unit)),
    )


def _share(found: dict[str, int], amounts: dict[str, int]) -> float:
    """Return how near what is found comes to what is asked for."""
    return sum(
        min(1.0, found.get(name, 0) / amount)
        for name, amount in amounts.items()
    )
