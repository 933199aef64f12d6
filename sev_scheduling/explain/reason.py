"""The reasons why a request cannot be placed, each with its words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sev_scheduling.diagnosis import (
    NO_CANDIDATE,
    PASSING,
    Cause,
    Constraint,
    Diagnosis,
    HostAnswer,
    lacking,
)
from sev_scheduling.diagnosis.remedies import (
    Remedies,
    of_diagnosis,
    of_verdicts,
)
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.fixes import (
    Step,
    correcting_callers,
    creating,
    enabling,
    how_to,
    steps_of,
    steps_on_hosts,
)
from sev_scheduling.explain.values.causes import (
    but_for,
    cause_case,
    cause_values,
    hosts_of,
    rest_values,
)
from sev_scheduling.explain.values.problems import (
    Count,
    Values,
    problem_text,
    sentence,
    verdict_case,
    verdict_values,
)
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.problems import Fix, Problem, Target
from sev_scheduling.text import printable

#: Bytes that a name may take in a fault where room is short.
_SHORT_NAME = 40

#: Hosts that a group names.
_FIRST_NAMES = 5

_CODES = (*VerdictCode, NO_CANDIDATE)

#: What may pass without anybody changing anything.
_PASSING = frozenset(
    {
        VerdictCode.HOST_DISABLED,
        VerdictCode.NO_FREE_SLOT,
        *PASSING,
        NO_CANDIDATE,
    }
)

#: What hosts do not offer whatever else is changed of a request.
_NOT_OFFERED = frozenset({VerdictCode.NO_POOL, VerdictCode.EXCLUDED_BY_MODEL})


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a request cannot be placed.

    :ivar code: a :class:`.VerdictCode`, a :class:`.Cause` or a
        :class:`.Code`
    :ivar finding: what it is made of: a problem, the verdicts of the hosts
        that give it, or a diagnosis
    :ivar hosts: how many hosts it keeps out; 0 where it is not about hosts
    :ivar for_tenant: whether it helps a tenant
    :ivar for_operator: whether it tells operators more than others do
    :ivar changes: what a tenant can change, all of it together
    :ivar of_hosts: what operators can do in their place
    :ivar partial: changes that solve only a part of it
    :ivar rest: what these leave
    :ivar of_all: every host gives it
    :ivar beside_others: it is about hosts beside others, which have been
        counted: those that would do but for what a diagnosis names
    :ivar unchanged: the guest is to stay as it is, so that changes of its
        flavor and image are left out for operators
    :ivar answers: of the hosts that have been counted
    :ivar asked_for: name of the one host that was asked for, '' where it is
        not known; None where several will do
    :ivar scoped: certain hosts were asked for, one or several
    :ivar waits: False where something else stays in the way, so that waiting
        for it helps nobody
    :ivar nearest: of these, the one against which there is least, where a
        tenant reads of it
    """

    code: str
    finding: Problem | Diagnosis | tuple[Verdict, ...]
    hosts: int = 0
    for_tenant: bool = True
    for_operator: bool = True
    changes: tuple[Fix, ...] = ()
    of_hosts: tuple[Fix, ...] = ()
    partial: tuple[Fix, ...] = ()
    rest: tuple[Constraint, ...] = ()
    of_all: bool = False
    beside_others: bool = False
    unchanged: bool = False
    answers: tuple[HostAnswer, ...] = ()
    asked_for: str | None = None
    scoped: bool = False
    waits: bool = True
    nearest: HostAnswer | None = None

    @property
    def permanent(self) -> bool:
        """Whether it stays until somebody changes something."""
        if isinstance(self.finding, Diagnosis):
            return self.finding.permanent
        return self.code not in _PASSING

    @property
    def stays(self) -> bool:
        """Whether it, or something else against each of its hosts, stays."""
        return self.permanent or (
            bool(self.answers) and all(a.permanent for a in self.answers)
        )

    @property
    def is_diagnosed(self) -> bool:
        """Whether Placement was asked for it, and confirmed it or not."""
        return isinstance(self.finding, Diagnosis) and not self.finding.partial

    @property
    def guests_fit(self) -> int | None:
        """How many of several guests fit; None where it is not about that."""
        if isinstance(self.finding, Diagnosis):
            return self.finding.guests_fit
        return None

    @property
    def _row(self) -> tuple[catalogue.rows.Row, Values]:
        if isinstance(self.finding, Diagnosis):
            row = catalogue.placement.CAUSES[
                self.finding.cause, cause_case(self.finding)
            ]
            return row, cause_values(self.finding)
        assert not isinstance(self.finding, Problem)
        case = verdict_case(self.finding)
        if self.code == VerdictCode.NO_POOL and not self.of_all:
            # Others offer the model that is asked for.
            case = ''
        row = catalogue.hosts.VERDICTS[self.code, case]
        return row, verdict_values(self.finding)

    @property
    def text(self) -> str:
        """For operators, after the count: ``offer no amd-sev slots``."""
        if isinstance(self.finding, Problem):
            return f'{self.finding.severity}: {self.finding.message}'
        row, values = self._row
        text = row.hosts.format_map(values)
        if not isinstance(self.finding, Diagnosis):
            return text
        if self.finding.partial:
            return catalogue.placement.FAILS.format(
                what=text, n=Count(self.hosts)
            )
        text = but_for(self.finding, values, text, self.beside_others)
        count = hosts_of(self.finding)
        return f'{count} {text}' if count and not self.hosts else text

    @property
    def sentence(self) -> str:
        """The same in a sentence that says how many hosts.

        It ends with what else is against these.
        """
        if isinstance(self.finding, Problem):
            return self.finding.message
        if isinstance(self.finding, Diagnosis) and not self.finding.partial:
            alone = replace(self, hosts=0, beside_others=False)
            return f'{sentence(alone.text)}.'
        text = '; '.join((self.text, *self.also))
        return catalogue.hosts.GROUP.format(
            count=self.hosts, n=Count(self.hosts), text=text
        )

    @property
    def names(self) -> str:
        """The first hosts by name and how many more; '' without hosts."""
        if not self.answers:
            return ''
        names = [printable(a.verdict.host.name) for a in self.answers]
        more = len(names) - _FIRST_NAMES
        template = (
            catalogue.hosts.NAMES_MORE if more > 0 else catalogue.hosts.NAMES
        )
        return template.format(
            names=', '.join(names[:_FIRST_NAMES]), more=more
        )

    @property
    def further(self) -> tuple[Reason, ...]:
        """What else is against some of its hosts, the largest group first."""
        if self.is_diagnosed:
            return ()
        found = grouped(
            each
            for answer in self.answers
            for n, each in enumerate(answer.each())
            if n
        )
        return tuple(replace(r, unchanged=self.unchanged) for r in found)

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
        steps = [*self._own_steps]
        if self.code in _NOT_OFFERED:
            # What helps them otherwise brings no slot, and a model that is
            # proposed runs on a host as the request is.
            return tuple(steps)
        of_all = [r for r in self.further if r.hosts == self.hosts]
        if of_all and not steps:
            steps += self._wait
        for other in of_all:
            more = other._own_steps or other._wait
            steps += [step.joined() for step in more] if steps else more
        for other in self.further:
            # Where none is a solution for any, the text is enough.
            if steps and other.hosts < self.hosts:
                more = other._own_steps
                steps += [step.of_some(other.hosts) for step in more]
        return tuple(dict.fromkeys(steps))

    @property
    def _own_steps(self) -> tuple[Step, ...]:
        if isinstance(self.finding, Problem):
            return tuple(steps_of([self.finding.fix]))
        row, values = self._row
        if self.code == VerdictCode.HOST_DISABLED:
            return tuple(self._enabling())
        if isinstance(self.finding, Diagnosis) and self.finding.unknown:
            return tuple(self._for_names(self.finding))
        if isinstance(self.finding, Diagnosis) and self.partial:
            return (
                *steps_of(self.partial),
                *steps_on_hosts(self.of_hosts, other=True),
                *self._for_the_rest(),
            )
        changes = () if self.unchanged else self.changes
        found = [*steps_of(changes)]
        if row.advice:
            text = row.advice.format_map(values)
            found.append(Step(text, other=bool(found)))
            if not changes:
                return tuple(found)
        return (*found, *steps_on_hosts(self.of_hosts, other=bool(found)))

    def _for_names(self, found: Diagnosis) -> Iterator[Step]:
        """Yield how to correct the names that are unknown, or create them."""
        steps = [] if self.unchanged else [*steps_of(self.changes)]
        steps += correcting_callers(found)
        yield from steps
        for n, one in enumerate(found.unknown):
            step = creating(one, found.request)
            yield step._replace(other=True) if n or steps else step

    def _enabling(self) -> Iterator[Step]:
        """Yield how to enable the first of its hosts."""
        row, values = self._row
        for n, answer in enumerate(self.answers[:_FIRST_NAMES]):
            host = answer.verdict.host
            # Without a name there is no service to be named.
            command = '' if host.name == host.uuid else enabling(host.name)
            if not command:
                yield Step(row.advice.format_map(values))
                return
            text = catalogue.hosts.ENABLE.format(host=printable(host.name))
            yield Step(text, command, other=n > 0)

    def _for_the_rest(self, *, tenant: bool = False) -> Iterator[Step]:
        """Yield what to do beside changes that solve only a part."""
        found = self.finding
        assert isinstance(found, Diagnosis)
        rest = tuple(c for c in found.constraints if c in self.rest)
        found = replace(found, constraints=rest)
        values = rest_values(found, tenant=tenant)
        template = catalogue.placement.REST
        if found.permanent:
            template = catalogue.placement.REST_THAT_STAYS
        elif all(c.cause is Cause.SLOTS_USED for c in rest):
            template = catalogue.placement.REST_TO_WAIT_FOR
        yield Step(template.format_map(values)).joined()

    @property
    def targets(self) -> frozenset[Target]:
        """What is to be changed of a guest, all ways taken together."""
        own = {
            way.target
            for fix in (*self.changes, *self.partial)
            for way in (fix, *fix.alternatives)
            if way.target is not None
        }
        return frozenset(own).union(*(r.targets for r in self.further))

    @property
    def _wait(self) -> tuple[Step, ...]:
        """What there is to wait for, where nothing is to be changed."""
        row, values = self._row
        return (Step(row.wait.format_map(values)),) if row.wait else ()

    @property
    def tenant_parts(self) -> tuple[Reason, ...]:
        """All that is in the way of the nearest host, a reason each.

        What a tenant can change comes last.
        """
        if self.nearest is None or self.code in _NOT_OFFERED:
            return (self,)
        others = [*self.nearest.each()][1:]
        parts = [replace(self, nearest=None), *_grouped_alone(others)]
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

    def tenant_steps(self) -> tuple[Step, ...]:
        """Return what a tenant can do; the texts are sentences."""
        if isinstance(self.finding, Problem):
            fixes: Sequence[Fix] = [self.finding.fix]
        else:
            fixes = self.changes
        if steps := tuple(steps_of(fixes, tenant=True)):
            return steps
        if self.partial:
            return (
                *steps_of(self.partial, tenant=True),
                *self._for_the_rest(tenant=True),
            )
        if isinstance(self.finding, Diagnosis) and (
            found := correcting_callers(self.finding)
        ):
            return found
        advice = self._tenant_advice
        return (Step(advice, whole=True),) if advice else ()

    @property
    def _tenant_advice(self) -> str:
        """What a tenant can do where there is nothing to change."""
        row, values = self._row
        template = row.tenant_advice
        if row.tenant_wait and not self.permanent:
            # All else that is in the way has advice of its own.
            template = row.tenant_wait if self.waits else template
        elif not template:
            template = catalogue.rows.ASK_OPERATOR
        return template.format_map(values)

    def of_host(self, answer: HostAnswer) -> Reason:
        """Return what is said of one of its hosts."""
        if self.is_diagnosed:
            return replace(
                self, hosts=1, beside_others=True, answers=(answer,)
            )
        return _reason((answer,), self.of_all)

    @property
    def host_text(self) -> str:
        """What is against its one host, in a sentence."""
        name = printable(self.answers[0].verdict.host.name)
        parts = replace(self, of_all=True).text, *self.also
        return catalogue.hosts.HOST.format(name=name, text='; '.join(parts))

    def host_steps(self) -> tuple[Step, ...]:
        """Return what can be done about its one host."""
        if steps := self.steps():
            return steps
        row, values = self._row
        text = row.host_advice.format_map(values)
        return (Step(text, whole=True),) if text else ()

    @property
    def tenant_text(self) -> str:
        """One sentence without host names and counts, or ''."""
        if not self.for_tenant:
            return ''
        if isinstance(self.finding, Problem):
            return self.finding.message
        row, values = self._row
        if isinstance(self.finding, Diagnosis) and self.finding.partial:
            return catalogue.placement.TENANT_FAILS.format_map(values)
        if not self.scoped or not row.asked:
            return row.tenant.format_map(values)
        hosts = catalogue.hosts.THE_HOSTS
        if self.asked_for is not None:
            hosts = catalogue.hosts.THE_HOST_UNNAMED
        if self.asked_for:
            hosts = catalogue.hosts.THE_HOST.format(
                name=printable(self.asked_for)
            )
        n = Count(2 if self.asked_for is None else 1)
        return catalogue.hosts.ASKED.format(
            hosts=hosts, text=row.asked.format_map({**values, 'n': n})
        )

    @property
    def tenant_fix(self) -> str:
        """What a tenant can do, or ''."""
        if not self.for_tenant:
            return ''
        if isinstance(self.finding, Problem):
            return str(self.finding.fix)
        row, values = self._row
        if row.tenant_advice and self.changes:
            # The command alone, in as few words as there are.
            return row.tenant_advice.format_map(values)
        change = sentence(how_to(self.changes, tenant=True))
        return change or ' '.join(step.line for step in self.tenant_steps())

    def without_asker(self) -> str:
        if isinstance(self.finding, Problem):
            return problem_text(replace(self.finding, requesters=()))
        return self.tenant_text

    def with_short_names(self) -> Reason:
        finding = self.finding
        if isinstance(finding, Problem):
            owner = _shortened(finding.field.owner)
            field = replace(finding.field, owner=owner)
            finding = replace(finding, field=field)
        changes = tuple(
            replace(change, name=_shortened(change.name))
            for change in self.changes
        )
        return replace(self, finding=finding, changes=changes)


def _shortened(name: str | None) -> str | None:
    if name is None or len(name.encode()) <= _SHORT_NAME:
        return name
    data = name.encode()[: _SHORT_NAME - len('…'.encode())]
    return data.decode(errors='ignore') + '…'


def grouped(
    answers: Iterable[HostAnswer], *, of_some: bool = False
) -> tuple[Reason, ...]:
    """Group hosts by why they will not do, the largest group first."""
    groups: defaultdict[tuple[Any, ...], list[HostAnswer]] = defaultdict(list)
    for answer in answers:
        groups[_group(answer)].append(answer)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    of_all = len(groups) == 1 and not of_some
    return tuple(_reason(tuple(group), of_all) for _, group in ordered)


def _grouped_alone(answers: Iterable[HostAnswer]) -> Iterator[Reason]:
    for answer in answers:
        yield from grouped([answer])


def _reason(answers: tuple[HostAnswer, ...], of_all: bool) -> Reason:
    """Return the reason of hosts that have one in common."""
    first = answers[0]
    if first.verdict.code is None and first.unmet:
        reason = diagnosis_reason(lacking(answers))
        return replace(reason, hosts=len(answers), answers=answers)
    verdicts = tuple(answer.verdict for answer in answers)
    code = first.verdict.code or NO_CANDIDATE
    found = of_verdicts(verdicts, first.runnable)
    if code == VerdictCode.NO_POOL and not of_all:
        found = Remedies()
    return Reason(
        code,
        verdicts,
        len(answers),
        changes=found.changes,
        of_hosts=found.of_hosts,
        of_all=of_all,
        answers=answers,
    )


def _group(answer: HostAnswer) -> tuple[Any, ...]:
    """Return what answers of one group share, in the order of judgement."""
    verdict = answer.verdict
    position = _CODES.index(verdict.code or NO_CANDIDATE)
    if verdict.code is None:
        constraints = tuple(str(unmet.constraint) for unmet in answer.unmet)
        return position, '', '', '', constraints
    if verdict.code is VerdictCode.NO_POOL or verdict.model is None:
        return position, '', '', ''
    case = verdict_case([verdict])
    machine_type = verdict.machine_type if case == 'default' else None
    return position, verdict.model.name, case, machine_type or ''


def diagnosis_reason(diagnosis: Diagnosis) -> Reason:
    """Return the reason that a diagnosis gives."""
    found = of_diagnosis(diagnosis)
    return Reason(
        diagnosis.cause,
        diagnosis,
        hosts_of(diagnosis) or 0,
        changes=found.changes,
        of_hosts=found.of_hosts,
        partial=found.partial,
        rest=found.rest,
        asked_for=diagnosis.host,
        scoped=diagnosis.host is not None,
    )
