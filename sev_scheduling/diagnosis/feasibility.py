"""What is against each host, from verdicts and Placement together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sev_scheduling.diagnosis.facts import (
    NOT_DISABLED,
    PASSING,
    Cause,
    Constraint,
    Diagnosis,
    Limit,
    Matter,
    Shortfall,
)
from sev_scheduling.hosts.verdict import NO_CANDIDATE as NO_CANDIDATE
from sev_scheduling.hosts.verdict import PASSING as PASSING_CODES
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
from sev_scheduling.prefilter import ANYWHERE, Scope
from sev_scheduling.records import maker


@dataclass(frozen=True, slots=True, order=True)
class Unmet:
    """A constraint that a host does not meet, by what Placement shows of it.

    :ivar left: of an amount, what one of its providers has left at the most
    :ivar capacity: of an amount, what one of them has, used or not
    :ivar shared_by: as in :class:`.Shortfall`
    """

    constraint: Constraint
    left: int | None = None
    capacity: int | None = None
    shared_by: str = ''

    @property
    def permanent(self) -> bool:
        """Whether the host does not meet it with all of it free, either."""
        constraint = self.constraint
        return constraint.cause not in PASSING or (
            self.capacity is not None and self.capacity < constraint.requested
        )


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """All that is known to be against one host.

    :ivar verdict: by what has to do with encryption
    :ivar unmet: what it lacks beside that
    :ivar lacks_more: it lacks something else, and it is not known what
    :ivar runnable: as in :class:`Feasibility`
    """

    verdict: Verdict
    unmet: tuple[Unmet, ...] = ()
    lacks_more: bool = False
    runnable: frozenset[str] | None = None

    @property
    def faults(self) -> frozenset[object]:
        """Everything against it, to be compared with another host's."""
        more = {NO_CANDIDATE} if self.lacks_more else set()
        constraints = (unmet.constraint for unmet in self.unmet)
        return frozenset({*self.verdict.faults, *constraints, *more})

    @property
    def permanent(self) -> bool:
        """Whether anything against it stays until somebody changes it."""
        return any(
            code not in PASSING_CODES for code in self.verdict.faults
        ) or any(unmet.permanent for unmet in self.unmet)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all that, in the order of judging."""
        causes = (str(unmet.constraint.cause) for unmet in self.unmet)
        more = (NO_CANDIDATE,) if self.lacks_more else ()
        codes = map(str, self.verdict.faults)
        return tuple(dict.fromkeys((*codes, *causes, *more)))

    def others(self) -> Iterator[HostAnswer]:
        """Yield what is against it beside the first code, an answer each."""
        if self.verdict.code is None:
            return
        for code in self.verdict.also:
            verdict = replace(self.verdict, code=code, also=())
            yield HostAnswer(verdict, runnable=self.runnable)
        if self.unmet or self.lacks_more:
            verdict = replace(self.verdict, code=None, also=())
            yield _answer(verdict, self.unmet, self.lacks_more, self.runnable)


_answer = maker(HostAnswer)

#: What Placement does not offer hosts for, whatever else is asked.
_NEVER_OFFERED = frozenset({VerdictCode.NO_POOL, VerdictCode.HOST_DISABLED})


@dataclass(frozen=True, slots=True)
class Feasibility:
    """Every host's answer to a request, from all that a scheduler knows.

    :ivar result: the hosts' verdicts
    :ivar offered: root uuids of the hosts that Placement offers; empty where
        no host fits, and Placement was not asked
    :ivar diagnosis: what keeps hosts that fit, or would with a free slot,
        from being offered, where none is offered
    :ivar guests: how many guests there are to be
    :ivar guests_fit: of these, how many fit; None where it was not counted
    :ivar guests_if_empty: as in :class:`.Diagnosis`
    :ivar limits: what keeps one more of them off, where some fit
    :ivar suitable: root uuids of hosts that meet all that Placement knows of
        but a free slot, where none is offered; None where it is not known
    :ivar unmet: root uuid -> what hosts lack beside what the verdicts say,
        as far as Placement shows it
    :ivar runnable: other models that hosts offer, as which some host could
        run the request; None where it was not asked
    :ivar scope: the hosts that were asked for
    :ivar left_out: how many hosts it leaves out
    """

    result: FilterResult
    offered: frozenset[str] = frozenset()
    diagnosis: Diagnosis | None = None
    suitable: frozenset[str] | None = None
    guests: int = 1
    guests_fit: int | None = None
    guests_if_empty: int | None = None
    limits: tuple[Limit, ...] = ()
    unmet: Mapping[str, tuple[Unmet, ...]] = field(
        default_factory=dict, hash=False
    )
    runnable: frozenset[str] | None = None
    scope: Scope = ANYWHERE
    left_out: int = 0

    @property
    def too_many(self) -> Diagnosis | None:
        """What says that some of the guests fit, and not all."""
        if not self.guests_fit or self.guests_fit >= self.guests:
            return None
        return Diagnosis(
            request=self.result.request,
            cause=Cause.GUESTS,
            guests=self.guests,
            guests_fit=self.guests_fit,
            guests_if_empty=self.guests_if_empty,
            limits=self.limits,
        )

    @property
    def never_all(self) -> Diagnosis | None:
        """What says that none of several fits, and never all of them."""
        most = self.guests_if_empty
        # Where not one would, hosts say why.
        if self.fit or not most or most >= self.guests:
            return None
        return Diagnosis(
            request=self.result.request,
            cause=Cause.GUESTS,
            guests=self.guests,
            guests_fit=0,
            guests_if_empty=most,
        )

    @property
    def yes(self) -> bool:
        """Whether there is a host for every guest."""
        return bool(self.fit) and self.too_many is None

    @property
    def fit(self) -> tuple[Verdict, ...]:
        """Hosts that fit, and that Placement offers."""
        if not self.offered:
            return ()
        return tuple(
            v
            for v in self.result.verdicts
            if v.fits and v.host.uuid in self.offered
        )

    @property
    def matter(self) -> Matter:
        """What it is a matter of that not all guests are placed."""
        if self.fit:
            too_many = self.too_many
            if too_many is None:
                return Matter.NONE
            return Matter.HOSTS if too_many.permanent else Matter.MOMENT
        found = self.diagnosis
        if found is not None and found.cause is Cause.UNKNOWN_NAME:
            return Matter.REQUEST
        if self.never_all is not None:
            return Matter.HOSTS
        passes = found is not None and (
            found.cause is not Cause.NONE and not found.permanent
        )
        busy = any(
            not answer.permanent and not answer.lacks_more
            for answer in self.answers
        )
        return Matter.MOMENT if passes or busy else Matter.HOSTS

    @property
    def usable_if_empty(self) -> frozenset[str]:
        """Root uuids of hosts that fit, or may without anybody's change.

        As other guests end or hosts come back.
        """
        waiting = (
            answer.verdict
            for answer in self.answers
            if not answer.permanent and not answer.lacks_more
        )
        uuids = (verdict.host.uuid for verdict in (*self.fit, *waiting))
        return frozenset(filter(None, uuids))

    @property
    def unavailable(self) -> tuple[Verdict, ...]:
        """Hosts that fit, and that Placement does not offer."""
        return tuple(
            v
            for v in self.result.verdicts
            if v.fits and v.host.uuid not in self.offered
        )

    @property
    def but_for(self) -> tuple[Verdict, ...]:
        """Hosts that lack nothing but what the diagnosis names."""
        if self.diagnosis is None or not self.diagnosis.confirmed:
            return ()
        if self.is_told_by_hosts:
            return ()
        roots = self.diagnosis.roots_but_for
        return tuple(
            v
            for v in self.result.verdicts
            if v.host.uuid in roots
            and v.code in (None, VerdictCode.NO_FREE_SLOT)
        )

    @property
    def is_told_by_hosts(self) -> bool:
        """Whether hosts say by themselves what a confirmed diagnosis says.

        That is those that are out of service, and those of a combination,
        which lack one thing or another.
        """
        found = self.diagnosis
        if found is None or not found.confirmed or not found.roots_but_for:
            return False
        if found.cause is Cause.COMBINATION:
            return found.roots_but_for <= self._roots_with_faults
        disabled = {
            v.host.uuid
            for v in self.result.verdicts
            if v.code is VerdictCode.HOST_DISABLED
        }
        names = {one.name for one in found.constraints}
        return (
            NOT_DISABLED in names
            and disabled.issuperset(found.roots_but_for)
            # What they lack beside that is known.
            and (len(names) == 1 or found.roots_but_for <= self.unmet.keys())
        )

    @property
    def _roots_with_faults(self) -> frozenset[str]:
        """Root uuids of hosts of which it is known what is against them."""
        rejected = {
            verdict.host.uuid or '' for verdict in self.result.rejected
        }
        return frozenset(rejected | self.unmet.keys())

    def with_figures(self) -> Feasibility:
        """Return the same, with what hosts of a combination are short of.

        Where one amount is short, no host has more of it left for a guest
        than the nearest one.
        """
        found = self.diagnosis
        if found is None:
            return self
        if found.cause is not Cause.COMBINATION:
            if len(found.shortfalls) == 1:
                return self._bounded(found.shortfalls[0])
            return self
        short: list[Shortfall] = []
        answers = self.answers
        for constraint in found.constraints:
            lacking_it = [
                replace(answer, unmet=(unmet,))
                for answer in answers
                if answer.verdict.host.uuid in found.roots_but_for
                for unmet in answer.unmet
                if unmet.constraint == constraint
            ]
            if lacking_it:
                short += lacking(lacking_it).shortfalls
        return replace(self, diagnosis=replace(found, shortfalls=tuple(short)))

    def _bounded(self, nearest: Shortfall) -> Feasibility:
        """Return the same, no host with more left than the nearest one.

        How much of it one guest may have (``max_unit``) is asked of few
        hosts; that none gives more which lacks nothing else is known.
        """
        unmet = dict(self.unmet)
        for host in self.result.accepted:
            root = host.uuid or ''
            if len(unmet.get(root, ())) != 1:
                continue
            (one,) = unmet[root]
            if (
                one.constraint.name == nearest.resource_class
                and one.left is not None
                and one.left > nearest.best
            ):
                unmet[root] = (replace(one, left=nearest.best),)
        return replace(self, unmet=unmet)

    @property
    def answers(self) -> tuple[HostAnswer, ...]:
        """What is against each host that cannot take the guest."""
        return tuple(
            [
                _answer(
                    verdict,
                    self.unmet.get(verdict.host.uuid or '', ()),
                    self.lacks_more(verdict),
                    self.runnable,
                )
                for verdict in self.unfit
            ]
        )

    @property
    def unfit(self) -> tuple[Verdict, ...]:
        """The verdicts of the hosts that cannot take the guest."""
        return (*self.result.rejected, *self.unavailable)

    def lacks_more(self, verdict: Verdict) -> bool:
        """Whether a host lacks something else, and it is not known what."""
        if self.unmet.get(verdict.host.uuid or ''):
            return False
        return verdict.fits or (
            not self.suits(verdict)
            and _NEVER_OFFERED.isdisjoint(verdict.faults)
        )

    def suits(self, verdict: Verdict) -> bool:
        """Whether nothing that Placement knows of keeps a guest off a host.

        A slot apart; True where it is not known.
        """
        return self.suitable is None or verdict.host.uuid in self.suitable


def lacking(answers: Sequence[HostAnswer]) -> Diagnosis:
    """Return as a diagnosis what hosts lack, the same all of them."""
    alone = len(answers) == 1
    constraints = [unmet.constraint for unmet in answers[0].unmet]
    shortfalls = []
    for n, constraint in enumerate(constraints):
        known = [a for a in answers if a.unmet[n].left is not None]
        if known:
            nearest = max(known, key=lambda a: a.unmet[n].left or 0)
            capacities = [a.unmet[n].capacity for a in answers]
            shortfalls.append(
                Shortfall(
                    constraint.name,
                    constraint.requested,
                    nearest.unmet[n].left or 0,
                    '' if alone else nearest.verdict.host.name,
                    None
                    if None in capacities
                    else max(filter(None, capacities), default=0),
                    nearest.unmet[n].shared_by,
                )
            )
    causes = {constraint.cause for constraint in constraints}
    return Diagnosis(
        request=answers[0].verdict.request,
        cause=causes.pop() if len(causes) == 1 else Cause.SEVERAL,
        constraints=tuple(constraints),
        shortfalls=tuple(shortfalls),
        hosts_but_for=len(answers),
        partial=True,
    )


def of_one_host(
    diagnosis: Diagnosis, answer: HostAnswer, *, known: bool
) -> Diagnosis:
    """Return a diagnosis with the figures of one of its hosts.

    :param known: what its hosts are short of is known: the one that has
        enough of it does not give so much at once
    """
    verdict = answer.verdict
    if verdict.code is VerdictCode.NO_FREE_SLOT:
        used, total = verdict.used, verdict.capacity
        diagnosis = replace(diagnosis, slots_used=used, slots_total=total)
    if not known:
        return diagnosis
    short = lacking((answer,)).shortfalls if answer.unmet else ()
    return replace(diagnosis, shortfalls=short)
