"""diagnose(): what empties Placement's answer to a request.

The query is asked again relaxed, at most :data:`.questions.MAX_CALLS` calls
in all. Placement first shows the hosts that have a free slot, whole trees
with what is left; the constraints that each of them fails are worked out
from that in memory, and what is named is then confirmed by Placement: with
that given up, it has candidates.

What provider summaries do not tell is asked for where few hosts are in
question (``min_unit``, ``max_unit``, ``step_size``), or found by giving up one
kind of constraint after the other (shared storage too, and hosts beyond the
bound on one answer).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis, Shortfall
from sev_scheduling.placement.lacks import Lack, lacks, least_short
from sev_scheduling.placement.questions import Client, Questions
from sev_scheduling.placement.relaxation import (
    amount_of_one,
    can_be_asked,
    constraints,
    probe_classes,
    slot_alone,
    slot_constraint,
    without,
)
from sev_scheduling.placement.seen import Seen
from sev_scheduling.placement.slots import Slots, find_slots
from sev_scheduling.placement.trees import Trees
from sev_scheduling.prefilter import PlacementRequest, translate
from sev_scheduling.request.request import EncryptionRequest


def diagnose(
    client: Client,
    request: EncryptionRequest,
    *,
    query: PlacementRequest | None = None,
    member_of: Iterable[Iterable[str]] = (),
    forbidden_aggregates: Iterable[str] = (),
    root_required: Iterable[str] = (),
    root_forbidden: Iterable[str] = (),
    in_tree: str | None = None,
) -> Diagnosis:
    """Say what empties Placement's answer to a request.

    :param client: a :class:`.PlacementClient`
    :param query: what was asked; by default the request's translation
    :param member_of: aggregates that the host must be in, AND of ORs of
        uuids, beside those of the query
    :param forbidden_aggregates: uuids of aggregates that must not hold it
    :param root_required: traits that the host's root provider must have
    :param root_forbidden: traits that it must not have
    :param in_tree: uuid of a provider whose tree must answer
    :raises InvalidRequest: where the request has errors, and no query is
        given
    :raises PlacementError: one of its children
    """
    asked = query or translate(request)
    wide = PlacementRequest(
        groups=asked.groups,
        group_policy=asked.group_policy,
        models=asked.models,
        slot_suffix=asked.slot_suffix,
        member_of=(*asked.member_of, *(frozenset(ors) for ors in member_of)),
        in_tree=in_tree or asked.in_tree,
        root_required=frozenset(root_required),
        root_forbidden=frozenset(root_forbidden),
        forbidden_aggregates=frozenset(forbidden_aggregates),
    )
    return _Inquiry(Questions(client), request, wide).diagnosis()


class _Inquiry:
    def __init__(
        self,
        questions: Questions,
        request: EncryptionRequest,
        query: PlacementRequest,
    ) -> None:
        self.questions = questions
        self.request = request
        self.query = query
        self.seen = Seen(questions, query)
        self.best: dict[Lack, tuple[str, dict[str, int]]] = {}

    def diagnosis(self) -> Diagnosis:
        if self.questions.any(self.query):
            return self._told(Cause.NONE)
        if not self.query.models:
            self.seen.look(map(amount_of_one, probe_classes(self.query)))
        elif not self.seen.look([slot_alone(self.query)]):
            return self._without_free_slot()
        self.seen.learn_aggregates()
        if self.seen.storage_is_shared():
            self.seen.complete = False
        slot = slot_constraint(self.query)
        every = [c for c in constraints(self.query) if c != slot]
        return self._conclude(self._alternatives(every))

    def _alternatives(self, every: list[Constraint]) -> list[Lack]:
        """Return what Placement confirms: any one of these would do."""
        found = lacks(self.query, self.seen.trees, every)
        hidden = [lack for lack in found if not lack.constraints]
        if hidden and self._learns_units(hidden):
            found = lacks(self.query, self.seen.trees, every)
        best, confirmed = self._confirmed(found)
        if best and not confirmed and self._learns_units(best):
            found = lacks(self.query, self.seen.trees, every)
            best, confirmed = self._confirmed(found)
        if confirmed and self.seen.complete:
            return confirmed
        known = {c for lack in confirmed for c in lack.constraints}
        other = [
            Lack(unit, ())
            for unit in _units(every)
            if not unit & known and self._ask(unit, self._amounts_of_one(unit))
        ]
        if other and any(len(lack.constraints) > 1 for lack in confirmed):
            # Fewer will do than was worked out.
            confirmed = []
        return confirmed + other

    def _learns_units(self, found: list[Lack]) -> bool:
        """Learn more of the hosts concerned; False where nothing is new."""
        self.best.clear()
        return self.seen.learn_units(found)

    def _confirmed(self, found: list[Lack]) -> tuple[list[Lack], list[Lack]]:
        """Return what seems least, and of that what Placement confirms."""
        if any(not lack.constraints for lack in found):
            return [], []
        best = _least(found)
        return best, [
            lack for lack in best if self._confirms(lack) is not False
        ]

    def _confirms(self, lack: Lack) -> bool | None:
        """Whether giving it up makes candidates; None where unknown."""
        _, amounts = self._best(lack)
        some = {name: amount for name, amount in amounts.items() if amount}
        answer = self._ask(lack.constraints, some)
        if answer is False and some:
            answer = self._ask(lack.constraints, {})
        return answer

    def _ask(
        self, given_up: frozenset[Constraint], amounts: Mapping[str, int]
    ) -> bool | None:
        less = without(self.query, given_up, amounts)
        if not can_be_asked(less):
            return None
        if less.slot_relaxed and not self.questions.supports('1.36'):
            return None
        return self.questions.any(less)

    def _amounts_of_one(self, unit: frozenset[Constraint]) -> dict[str, int]:
        """Ask for one of a class that is the only one, else for none."""
        group = self.query.unsuffixed
        if group is None or len(group.resources) > 1:
            return {}
        return dict.fromkeys((c.name for c in unit if c.requested), 1)

    def _best(self, lack: Lack) -> tuple[str, dict[str, int]]:
        """Return the host that is least short, and what it has left."""
        if lack not in self.best:
            self.best[lack] = least_short(self.query, self.seen.trees, lack)
        return self.best[lack]

    def _conclude(self, alternatives: list[Lack]) -> Diagnosis:
        if not alternatives:
            return self._told(Cause.UNCLEAR)
        if len(alternatives) > 1:
            together = (_as_one(lack.constraints) for lack in alternatives)
            return self._told(Cause.COMBINATION, together)
        lack = alternatives[0]
        causes = {constraint.cause for constraint in lack.constraints}
        return self._told(
            causes.pop() if len(causes) == 1 else Cause.SEVERAL,
            lack.constraints,
            lack=lack,
        )

    def _without_free_slot(self) -> Diagnosis:
        """Say whether no host has the model, or all slots are used."""
        slot = slot_constraint(self.query)
        slots = find_slots(self.questions, self.query)
        if slots.none:
            return self._told(Cause.NO_MODEL, [slot])
        if slots.free:
            # One was freed this moment, or is not given out one at a time.
            return self._told(Cause.UNCLEAR)
        self.seen.hosts = 0
        lack = Lack(frozenset([slot]), ())
        self.seen.trees = Trees(slots.summaries)
        self.seen.learn_aggregates()
        found = lacks(self.query, self.seen.trees, constraints(self.query))
        # Placement would do with the model's trait alone, which hosts
        # without slots may have.
        enough = (
            any(other.constraints == lack.constraints for other in found)
            or self.seen.storage_is_shared()
        )
        if not enough or self._ask(lack.constraints, {}) is False:
            for other in _least(found)[:1]:
                if slot in other.constraints:
                    refuted = self._confirms(other) is False
                    lack = lack if refuted else other
        if len(lack.constraints) > 1:
            return self._told(
                Cause.SEVERAL, lack.constraints, lack=lack, slots=slots
            )
        return self._told(Cause.SLOTS_USED, [slot], slots=slots)

    def _told(
        self,
        cause: Cause,
        named: Iterable[Constraint] = (),
        *,
        lack: Lack | None = None,
        slots: Slots | None = None,
    ) -> Diagnosis:
        shortfalls = tuple(self._shortfalls(lack)) if lack else ()
        but_for = len(lack.roots) if lack and self.seen.complete else None
        return Diagnosis(
            request=self.request,
            cause=cause,
            constraints=tuple(sorted(named)),
            shortfalls=shortfalls,
            hosts_with_free_slot=self.seen.hosts,
            hosts_but_for=but_for or None,
            hosts_with_model=slots.hosts if slots else None,
            slots_total=slots.total if slots else None,
            slots_used=slots.used if slots else None,
            calls=self.questions.calls,
        )

    def _shortfalls(self, lack: Lack) -> Iterator[Shortfall]:
        if not lack.roots:
            return
        root, amounts = self._best(lack)
        name = ''
        for constraint in sorted(lack.constraints):
            best = amounts.get(constraint.name, 0)
            if constraint.requested > best:
                name = name or self._name(root)
                yield Shortfall(
                    constraint.name, constraint.requested, best, name
                )

    def _name(self, root: str) -> str:
        found = self.questions.providers(uuid=root)
        return found[0]['name'] if found else root


def _least(found: Iterable[Lack]) -> list[Lack]:
    """Return the single constraints, or else one of the smallest sets."""
    ordered = sorted(
        found,
        key=lambda lack: (
            len(lack.constraints),
            len({c.cause for c in lack.constraints}),
            sorted(lack.constraints),
        ),
    )
    single = list(
        itertools.takewhile(lambda lack: len(lack.constraints) == 1, ordered)
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
