"""diagnose(): what empties Placement's answer to a request.

The query is asked again relaxed, at most :data:`.probe.MAX_CALLS` calls in
all. Placement first shows the hosts that have a free slot, whole trees with
what is left; the constraints that each of them fails are worked out from
that in memory, and what is named is then confirmed by Placement: with that
relaxed, it has candidates.

What provider summaries lack is asked for where few hosts are in question
(``min_unit``, ``max_unit``, ``step_size``), or found by relaxing one kind of
constraint after the other (shared storage too, and hosts beyond the bound on
one answer).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis, Shortfall
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis.observed_trees import ObservedTrees
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    can_be_asked,
    constraints,
    probe_classes,
    slot_alone,
    slot_constraint,
    without,
)
from sev_scheduling.placement.diagnosis.slots import (
    Slots,
    find_slots,
    other_models,
)
from sev_scheduling.placement.diagnosis.unmet_constraints import (
    Unmet,
    least_short,
    unmet_constraints,
)
from sev_scheduling.placement.hosts import one_of
from sev_scheduling.prefilter import MICROVERSION_SUBTREE, PlacementRequest
from sev_scheduling.request.request import EncryptionRequest


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

    :ivar best: host that is least short, and what it has left of each class
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
        self.best: dict[Unmet, tuple[str, dict[str, int]]] = {}

    def diagnosis(self) -> Diagnosis:
        if self.probe.any(self.query):
            return self._concluded(Cause.NONE)
        if not self.query.models:
            self.trees.observe(map(one_of, probe_classes(self.query)))
        elif not self.trees.observe([slot_alone(self.query)]):
            return self._without_free_slot()
        if self.trees.storage_is_shared():
            self.trees.complete = False
        slot = slot_constraint(self.query)
        every = [c for c in constraints(self.query) if c != slot]
        alternatives = self._alternatives(every)
        if not alternatives:
            return self._concluded(Cause.UNCLEAR)
        if len(alternatives) > 1:
            return self._concluded(
                Cause.COMBINATION,
                (_as_one(unmet.constraints) for unmet in alternatives),
                roots={root for one in alternatives for root in one.roots},
            )
        return self._named(alternatives[0])

    def _alternatives(self, every: list[Constraint]) -> list[Unmet]:
        """Return what Placement confirms: any one of these would do."""
        found = self._unmet(every)
        hidden = [unmet for unmet in found if not unmet.constraints]
        if hidden and self._asks_inventories(hidden):
            found = self._unmet(every)
        best, confirmed = self._confirmed(found)
        if best and not confirmed and self._asks_inventories(best):
            best, confirmed = self._confirmed(self._unmet(every))
        if confirmed and self.trees.complete:
            return confirmed
        known = {c for unmet in confirmed for c in unmet.constraints}
        other = [
            Unmet(unit, ())
            for unit in _units(every)
            if not unit & known
            and self._asks(unit, self._amounts_of_one(unit))
        ]
        if other and any(len(unmet.constraints) > 1 for unmet in confirmed):
            # Fewer will do than was worked out.
            confirmed = []
        return confirmed + other

    def _unmet(self, every: Iterable[Constraint]) -> list[Unmet]:
        return unmet_constraints(self.query, self.trees, every)

    def _asks_inventories(self, found: Iterable[Unmet]) -> bool:
        """Ask more of the hosts concerned; return whether that was done."""
        self.best.clear()
        return self.trees.ask_inventories(
            root for unmet in found for root in unmet.roots
        )

    def _confirmed(
        self, found: list[Unmet]
    ) -> tuple[list[Unmet], list[Unmet]]:
        """Return what seems least, and of that what Placement confirms."""
        if any(not unmet.constraints for unmet in found):
            return [], []
        best = _least(found)
        return best, [
            unmet for unmet in best if self._confirms(unmet) is not False
        ]

    def _confirms(self, unmet: Unmet) -> bool | None:
        """Whether relaxing it makes candidates; None where unknown."""
        _, amounts = self._best(unmet)
        some = {name: amount for name, amount in amounts.items() if amount}
        answer = self._asks(unmet.constraints, some)
        if answer is False and some:
            answer = self._asks(unmet.constraints, {})
        return answer

    def _asks(
        self, relaxed: frozenset[Constraint], amounts: Mapping[str, int]
    ) -> bool | None:
        less = without(self.query, relaxed, amounts)
        if not can_be_asked(less):
            return None
        if less.slot_relaxed and not self.probe.supports(MICROVERSION_SUBTREE):
            return None
        return self.probe.any(less)

    def _amounts_of_one(self, unit: frozenset[Constraint]) -> dict[str, int]:
        """Ask for one of a class that is the only one, else for none."""
        group = self.query.unsuffixed
        if group is None or len(group.resources) > 1:
            return {}
        return dict.fromkeys((c.name for c in unit if c.requested), 1)

    def _best(self, unmet: Unmet) -> tuple[str, dict[str, int]]:
        if unmet not in self.best:
            self.best[unmet] = least_short(self.query, self.trees, unmet)
        return self.best[unmet]

    def _without_free_slot(self) -> Diagnosis:
        """Return whether no host has the model, or all slots are used."""
        slot = slot_constraint(self.query)
        slots = find_slots(self.probe, self.query)
        if slots.none:
            offered = other_models(self.probe, self.query)
            none = self._concluded(Cause.NO_MODEL, [slot])
            return replace(none, offered=offered)
        if slots.free:
            # One was freed this moment, or is not given out one at a time.
            return self._concluded(Cause.UNCLEAR)
        self.trees.set_summaries(slots.summaries)
        unmet = Unmet(frozenset([slot]), ())
        found = self._unmet(constraints(self.query))
        # Placement would do with the model's trait alone, which hosts
        # without slots may have.
        enough = (
            any(other.constraints == unmet.constraints for other in found)
            or self.trees.storage_is_shared()
        )
        if not enough or self._asks(unmet.constraints, {}) is False:
            for other in _least(found)[:1]:
                if slot in other.constraints and (
                    self._confirms(other) is not False
                ):
                    unmet = other
        if len(unmet.constraints) > 1:
            return self._named(unmet, slots)
        return self._concluded(Cause.SLOTS_USED, [slot], slots=slots)

    def _named(self, unmet: Unmet, slots: Slots | None = None) -> Diagnosis:
        causes = {constraint.cause for constraint in unmet.constraints}
        return self._concluded(
            causes.pop() if len(causes) == 1 else Cause.SEVERAL,
            unmet.constraints,
            unmet=unmet,
            roots=unmet.roots,
            slots=slots,
        )

    def _concluded(
        self,
        cause: Cause,
        named: Iterable[Constraint] = (),
        *,
        unmet: Unmet | None = None,
        roots: Collection[str] = (),
        slots: Slots | None = None,
    ) -> Diagnosis:
        shortfalls = tuple(self._shortfalls(unmet)) if unmet else ()
        but_for = frozenset(roots if self.trees.complete else ())
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

    def _shortfalls(self, unmet: Unmet) -> Iterator[Shortfall]:
        if not unmet.roots:
            return
        root, amounts = self._best(unmet)
        name = ''
        for constraint in sorted(unmet.constraints):
            best = amounts.get(constraint.name, 0)
            if constraint.requested > best:
                name = name or self._name(root)
                yield Shortfall(
                    constraint.name, constraint.requested, best, name
                )

    def _name(self, root: str) -> str:
        found = self.probe.providers(uuid=root)
        return found[0].name if found else root


def _least(found: Iterable[Unmet]) -> list[Unmet]:
    """Return the single constraints, or else one of the smallest sets."""
    ordered = sorted(
        found,
        key=lambda unmet: (
            len(unmet.constraints),
            len({c.cause for c in unmet.constraints}),
            sorted(unmet.constraints),
        ),
    )
    single = list(
        itertools.takewhile(lambda unmet: len(unmet.constraints) == 1, ordered)
    )
    return single or ordered[:1]


def _units(every: Iterable[Constraint]) -> list[frozenset[Constraint]]:
    """Return amounts one by one, and all of every other kind together."""
    kinds: dict[object, set[Constraint]] = {}
    for constraint in every:
        amount = constraint.cause is Cause.RESOURCES_SHORT
        key = constraint if amount else constraint.cause
        kinds.setdefault(key, set()).add(constraint)
    return [frozenset(unit) for unit in kinds.values()]


def _as_one(unit: frozenset[Constraint]) -> Constraint:
    if len(unit) == 1:
        return next(iter(unit))
    names = ' and '.join(sorted(map(str, unit)))
    return Constraint(min(unit).cause, names)
