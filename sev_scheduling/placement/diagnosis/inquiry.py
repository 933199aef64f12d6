"""diagnose(): what empties Placement's answer to a request.

The query is asked again relaxed, at most :data:`.probe.MAX_CALLS` calls in
all. Placement first shows whole trees of the hosts in question. What they
show rules out most sets of constraints; of each set that is left, the
smallest first, Placement is asked whether it has candidates with that set
relaxed. A set is named where it has, and where it has none with any smaller
one. While a slot is free, the slot is in no set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from sev_scheduling.diagnosis import (
    Cause,
    Constraint,
    Diagnosis,
    Shortfall,
    UnknownName,
)
from sev_scheduling.diagnosis.other_models import as_another_model
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis.names import (
    STANDARD_NAMES,
    names_diagnosis,
    unknown_names,
)
from sev_scheduling.placement.diagnosis.probe import Probe
from sev_scheduling.placement.diagnosis.relaxation import (
    asks_no_more,
    constraints,
    never_met,
    slot_constraint,
    ways,
    without,
)
from sev_scheduling.placement.diagnosis.relaxed_answers import (
    RelaxedAnswers,
    Unanswered,
)
from sev_scheduling.placement.diagnosis.shortfalls import (
    MAX_BEST,
    shortfalls,
)
from sev_scheduling.placement.diagnosis.slots import (
    Slots,
    find_slots,
    other_models,
)
from sev_scheduling.placement.diagnosis.trees.observed import ObservedTrees
from sev_scheduling.placement.diagnosis.trees.surroundings import Surroundings
from sev_scheduling.placement.diagnosis.unmet_constraints import (
    TooMany,
    Unit,
    UnmetConstraints,
)
from sev_scheduling.placement.hosts import HostTrees, Summaries
from sev_scheduling.prefilter import (
    MICROVERSION_SUBTREE,
    PlacementRequest,
    translate,
)
from sev_scheduling.request.request import EncryptionRequest


def diagnose(
    api: Api,
    request: EncryptionRequest,
    query: PlacementRequest,
    ignored: frozenset[str] = frozenset(),
    *,
    is_empty: bool = False,
    trees: HostTrees | None = None,
    around: Surroundings | None = None,
) -> Diagnosis:
    """Return what empties Placement's answer to a request.

    :param query: what Placement was asked for it
    :param ignored: root uuids of hosts that will not do for other reasons
    :param is_empty: whether Placement has just answered it with none
    :param trees: those of all hosts, where they were just read: then
        Placement is not asked which have slots, nor what they are called
    :param around: of the same query, where others ask for it, too
    :raises PlacementError: one of its children
    """
    probe = Probe(api, ignored, trees.names if trees else {})
    known = trees.every if trees else None
    inquiry = _Inquiry(probe, request, query, known, around)
    return inquiry.diagnosis(is_empty=is_empty)


class _Inquiry:
    """The diagnosis of one query."""

    def __init__(
        self,
        probe: Probe,
        request: EncryptionRequest,
        query: PlacementRequest,
        known: Summaries | None,
        around: Surroundings | None,
    ) -> None:
        self.probe = probe
        self.request = request
        self.query = query
        if known is not None and (probe.ignored or query.in_tree):
            known = {
                uuid: summary
                for uuid, summary in known.items()
                if summary.root_provider_uuid not in probe.ignored
                # Of no other host than the one that is asked for.
                and query.in_tree in (None, summary.root_provider_uuid)
            }
        self.known = known
        self.trees = ObservedTrees(probe, query, around)
        self.slot = slot_constraint(query)
        self.answers = RelaxedAnswers(probe, query, self.trees)

    def diagnosis(self, *, is_empty: bool) -> Diagnosis:
        if self._observe(is_empty):
            return self._concluded(Cause.NONE)
        # Placement may not have come as far as a name before it was done.
        known = () if self.probe.refused else STANDARD_NAMES
        shown = self.trees.summaries.values()
        if unknown := unknown_names(self.probe, self.query, known, shown):
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
            always |= never_met(self.query)
            return self._named(self._least(every, always))
        except (Unanswered, TooMany):
            return self._concluded(Cause.UNCLEAR)

    def _observe(self, is_empty: bool) -> bool:
        """Observe hosts with a free slot; return whether there are candidates.

        What is asked in any case is asked at one time.
        """
        questions: list[Callable[[], object]] = [self.trees.ask_members]
        if not is_empty:
            questions.insert(0, lambda: self.probe.any(self.query))
        if self.query.models and self.known is None:
            questions.append(self.trees.observe_free)
        # Asked once, before several need it.
        self.probe.supports(self.query.microversion)
        answers = self.probe.together(*questions)
        if self.query.models and self.known is not None:
            self.trees.observe_known(self.known)
        return not is_empty and bool(answers[0])

    def _of_names(self, unknown: tuple[UnknownName, ...]) -> Diagnosis:
        """Return that names are unknown, and which hosts would do else."""
        named = frozenset(one.constraint for one in unknown)
        roots = self._but_for([named])
        return replace(
            names_diagnosis(self.request, unknown, roots),
            host=self._host,
            calls=self.probe.calls,
        )

    @property
    def _host(self) -> str | None:
        """The host that is asked for, without its name: that takes a call."""
        return None if self.query.in_tree is None else ''

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
        self.answers.slots = slots
        if slots.relaxed is not None:
            way = without(self.query, {self.slot})
            self.answers.know(way, slots.relaxed)
        if not self.probe.supports(MICROVERSION_SUBTREE):
            # Whether a free slot would be enough cannot be asked.
            return Cause.SLOTS_USED
        if not slots.summaries and not self._gives_more_than_one(slots):
            # Their hosts have nothing at all left.
            return Cause.SLOTS_USED
        self.trees.set_full(slots.summaries, hidden=not slots.complete)
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
        :raises Unanswered: where Placement cannot be asked for one of them
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
                    if self.trees.is_shared(way) or self.answers.refused(way):
                        continue
                    learned = not model.roots(way) and self.trees.ask_unseen()
                    if learned:
                        break
                    if self.answers.ask(way).requests:
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
        raise Unanswered

    def _learns(self, roots: Collection[str]) -> bool:
        """Ask why hosts do not serve that seem to; return whether it was."""
        return bool(roots) and self.trees.ask_inventories(roots)

    def _named(self, found: list[Unit]) -> Diagnosis:
        named = frozenset[Constraint]().union(*found)
        if len(found) > 1:
            return self._concluded(
                Cause.COMBINATION, named, but_for=self._but_for(found)
            )
        causes = {constraint.cause for constraint in named}
        return self._concluded(
            causes.pop() if len(causes) == 1 else Cause.SEVERAL,
            named,
            shortfalls=shortfalls(self.answers, named),
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
                    answer = self.answers.ask(way)
                    if not answer.complete:
                        return frozenset()
                    roots |= answer.roots
                    asked.append(way)
        except Unanswered:
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
        slots = self.answers.slots
        return Diagnosis(
            request=self.request,
            cause=cause,
            host=self._host,
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
