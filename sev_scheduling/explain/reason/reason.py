"""One reason, and the views that are the same whatever it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from sev_scheduling.diagnosis import HostAnswer
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.fixes import Step, steps_of
from sev_scheduling.explain.values.problems import problem_text
from sev_scheduling.hosts.verdict import VerdictCode
from sev_scheduling.problems import Fix, Problem, Target
from sev_scheduling.text import printable

#: Bytes that a name may take in a fault where room is short.
_SHORT_NAME = 40

#: Hosts that a group names.
FIRST_NAMES = 5

#: What hosts do not offer whatever else is changed of a request.
NOT_OFFERED = frozenset({VerdictCode.NO_POOL, VerdictCode.EXCLUDED_BY_MODEL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(ABC):
    """One reason why a request cannot be placed.

    :ivar code: a :class:`.VerdictCode`, a :class:`.Cause` or a
        :class:`.Code`
    :ivar hosts: how many hosts it keeps out; 0 where it is not about hosts
    :ivar for_tenant: whether it helps a tenant
    :ivar for_operator: whether it tells operators more than others do
    :ivar changes: what a tenant can change, all of it together
    :ivar of_hosts: what operators can do in their place
    :ivar unchanged: the guest is to stay as it is, so that changes of its
        flavor and image are left out for operators
    :ivar answers: of the hosts that have been counted
    :ivar further: what else is against some of these, the largest group first
    :ivar asked_for: name of the one host that was asked for, '' where it is
        not known; None where several will do
    :ivar scoped: certain hosts were asked for, one or several
    :ivar waits: False where something else stays in the way, so that waiting
        for it helps nobody
    :ivar helps: False where nothing done about it makes room for more guests
    :ivar beside: what else is against the one of its hosts of which a tenant
        reads, a reason each; None where a tenant reads of none
    """

    code: str
    hosts: int = 0
    for_tenant: bool = True
    for_operator: bool = True
    changes: tuple[Fix, ...] = ()
    of_hosts: tuple[Fix, ...] = ()
    unchanged: bool = False
    answers: tuple[HostAnswer, ...] = ()
    further: tuple[Reason, ...] = ()
    asked_for: str | None = None
    scoped: bool = False
    waits: bool = True
    helps: bool = True
    beside: tuple[Reason, ...] | None = None

    @property
    @abstractmethod
    def permanent(self) -> bool:
        """Whether it stays until somebody changes something."""

    @property
    @abstractmethod
    def text(self) -> str:
        """For operators, after the count: ``offer no amd-sev slots``."""

    @property
    @abstractmethod
    def sentence(self) -> str:
        """The same in a sentence that says how many hosts.

        It ends with what else is against these.
        """

    @property
    @abstractmethod
    def own_steps(self) -> tuple[Step, ...]:
        """What operators can do against it alone."""

    @property
    def wait(self) -> tuple[Step, ...]:
        """What there is to wait for, where nothing is to be changed."""
        return ()

    @abstractmethod
    def tenant_steps(self) -> tuple[Step, ...]:
        """Return what a tenant can do; the texts are sentences."""

    @property
    @abstractmethod
    def _to_tenant(self) -> tuple[str, str]:
        """What a tenant reads where it helps one: what is, what to do."""

    @property
    def is_diagnosed(self) -> bool:
        """Whether Placement was asked for it, and confirmed it or not."""
        return False

    @property
    def guests_fit(self) -> int | None:
        """How many of several guests fit; None where it is not about that."""
        return None

    @property
    def stays(self) -> bool:
        """Whether it, or something else against each of its hosts, stays."""
        return self.permanent or (
            bool(self.answers) and all(a.permanent for a in self.answers)
        )

    @property
    def names(self) -> str:
        """The first hosts by name and how many more; '' without hosts."""
        if not self.answers:
            return ''
        names = [printable(a.verdict.host.name) for a in self.answers]
        more = len(names) - FIRST_NAMES
        template = (
            catalogue.hosts.NAMES_MORE if more > 0 else catalogue.hosts.NAMES
        )
        return template.format(names=', '.join(names[:FIRST_NAMES]), more=more)

    @property
    def also(self) -> tuple[str, ...]:
        """What else is against its hosts, a line each."""
        return tuple(
            (
                catalogue.hosts.SOME_ALSO
                if other.hosts < self.hosts
                else catalogue.hosts.ALL_ALSO
            ).format(count=other.hosts, text=other.text)
            for other in self.further
        )

    def details(self) -> Iterator[str]:
        """Yield the lines below its text, for operators."""
        if self.names:
            yield self.names
        yield from self.also
        for step in self.steps():
            yield from step.lines('-> ')

    def steps(self) -> tuple[Step, ...]:
        """Return what operators can do against all that is in the way."""
        if not self.helps:
            return ()
        steps = [*self.own_steps]
        if self.code in NOT_OFFERED:
            # What helps them otherwise brings no slot, and a model that is
            # proposed runs on a host as the request is.
            return tuple(steps)
        of_all = [r for r in self.further if r.hosts == self.hosts]
        if of_all and not steps:
            steps += self.wait
        for other in of_all:
            more = other.own_steps or other.wait
            steps += [step.joined() for step in more] if steps else more
        for other in self.further:
            # Where none is a solution for any, the text is enough.
            if steps and other.hosts < self.hosts:
                more = other.own_steps
                steps += [step.of_some(other.hosts) for step in more]
        return tuple(dict.fromkeys(steps))

    def host_steps(self) -> tuple[Step, ...]:
        """Return the same, for programs."""
        return self.steps()

    def without_changes(self) -> Self:
        """Return the same of a guest that is to stay as it is."""
        further = tuple(other.without_changes() for other in self.further)
        return replace(self, unchanged=True, further=further)

    @property
    def _ways(self) -> Iterable[Fix]:
        return self.changes

    @property
    def targets(self) -> frozenset[Target]:
        """What is to be changed of a guest, all ways taken together."""
        own = {
            way.target
            for fix in self._ways
            for way in (fix, *fix.alternatives)
            if way.target is not None
        }
        return frozenset(own).union(*(r.targets for r in self.further))

    @property
    def tenant_parts(self) -> tuple[Reason, ...]:
        """All that is in the way of the nearest host, a reason each.

        What a tenant can change comes last.
        """
        if self.beside is None or self.code in NOT_OFFERED:
            return (self,)
        parts = [replace(self, beside=None), *self.beside]
        # What a tenant can neither change nor wait for.
        stays = any(part.permanent and not part.changes for part in parts)
        return tuple(
            sorted(
                (
                    replace(
                        part,
                        asked_for=self.asked_for,
                        scoped=self.scoped,
                        waits=not stays,
                    )
                    for part in parts
                ),
                key=lambda part: bool(part.changes),
            )
        )

    @property
    def tenant_text(self) -> str:
        """One sentence without host names and counts, or ''."""
        return self._to_tenant[0] if self.for_tenant else ''

    @property
    def tenant_fix(self) -> str:
        """What a tenant can do, or ''."""
        return self._to_tenant[1] if self.for_tenant else ''

    def without_asker(self) -> str:
        """Return what a tenant reads without who asked for encryption."""
        return self.tenant_text

    def with_short_names(self) -> Self:
        """Return the same with the names of what is changed cut short."""
        changes = tuple(
            replace(change, name=_shortened(change.name))
            for change in self.changes
        )
        return replace(self, changes=changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemReason(Reason):
    """A problem of the request.

    :ivar finding: the problem
    """

    finding: Problem

    @property
    def permanent(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return f'{self.finding.severity}: {self.finding.message}'

    @property
    def sentence(self) -> str:
        return self.finding.message

    @property
    def own_steps(self) -> tuple[Step, ...]:
        return tuple(steps_of([self.finding.fix]))

    def tenant_steps(self) -> tuple[Step, ...]:
        return tuple(steps_of([self.finding.fix], tenant=True))

    @property
    def _to_tenant(self) -> tuple[str, str]:
        return self.finding.message, str(self.finding.fix)

    def without_asker(self) -> str:
        return problem_text(replace(self.finding, requesters=()))

    def with_short_names(self) -> Self:
        field = self.finding.field
        field = replace(field, owner=_shortened(field.owner))
        finding = replace(self.finding, field=field)
        short = super(ProblemReason, self).with_short_names()
        return replace(short, finding=finding)


def problem_reason(problem: Problem) -> Reason:
    """Return the reason that a problem gives."""
    return ProblemReason(
        code=problem.code, finding=problem, changes=(problem.fix,)
    )


def _shortened(name: str | None) -> str | None:
    if name is None or len(name.encode()) <= _SHORT_NAME:
        return name
    data = name.encode()[: _SHORT_NAME - len('…'.encode())]
    return data.decode(errors='ignore') + '…'
