"""The reasons why a request cannot be placed, each with its words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sev_scheduling.diagnosis import (
    NO_CANDIDATE,
    PASSING,
    Cause,
    Diagnosis,
    Feasibility,
)
from sev_scheduling.diagnosis.remedies import (
    Remedies,
    of_diagnosis,
    of_verdicts,
)
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.fixes import brief, how_to
from sev_scheduling.explain.values import (
    Count,
    Values,
    cause_case,
    cause_values,
    problem_values,
    sentence,
    verdict_case,
    verdict_values,
)
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
from sev_scheduling.problems import Fix, Problem, advice, message
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

#: Of hosts that are rejected so, a tenant is told only where there are no
#: others.
_OF_OPERATORS = frozenset({VerdictCode.NO_POOL, VerdictCode.HOST_DISABLED})


#: What a tenant can change, or wait for, beside a cause that is confirmed.
_OF_TENANTS = frozenset(
    {VerdictCode.MACHINE_TYPE_NOT_Q35, VerdictCode.NO_FREE_SLOT}
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a request cannot be placed.

    :ivar code: a :class:`.VerdictCode`, a :class:`.Cause` or a
        :class:`.Code`
    :ivar finding: what it is made of: a problem, the verdicts of the hosts
        that give it, or a diagnosis
    :ivar hosts: how many hosts it keeps out; 0 where it is not about hosts
    :ivar for_tenant: whether it helps a tenant
    :ivar changes: what a tenant can change, all of it together
    :ivar of_hosts: what operators can do in their place
    :ivar of_all: every host gives it
    :ivar beside_others: it is about hosts beside others, which have been
        counted: those that would do but for what a diagnosis names
    :ivar verdicts: of the hosts that have been counted
    """

    code: str
    finding: Problem | Diagnosis | tuple[Verdict, ...]
    hosts: int = 0
    for_tenant: bool = True
    changes: tuple[Fix, ...] = ()
    of_hosts: tuple[Fix, ...] = ()
    of_all: bool = False
    beside_others: bool = False
    verdicts: tuple[Verdict, ...] = ()

    @property
    def permanent(self) -> bool:
        """Whether it stays until somebody changes something."""
        return self.code not in _PASSING

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
        text = _but_for(self.finding, values, text, self.beside_others)
        count = _hosts_of(self.finding)
        return f'{count} {text}' if count and not self.hosts else text

    @property
    def sentence(self) -> str:
        """The same in a sentence that says how many hosts."""
        if isinstance(self.finding, Problem):
            return self.finding.message
        if isinstance(self.finding, Diagnosis):
            alone = replace(self, hosts=0, beside_others=False)
            return f'{sentence(alone.text)}.'
        return catalogue.hosts.GROUP.format(
            count=self.hosts, n=Count(self.hosts), text=self.text
        )

    @property
    def fix(self) -> str:
        """What an operator can do, or ''."""
        if isinstance(self.finding, Problem):
            return str(self.finding.fix)
        row, values = self._row
        if row.advice:
            return row.advice.format_map(values)
        change = how_to(self.changes)
        hosts = ' and '.join(map(brief, self.of_hosts))
        if change and hosts:
            return catalogue.fixes.ON_HOSTS.format(change=change, hosts=hosts)
        return change or hosts

    @property
    def names(self) -> str:
        """The first hosts by name and how many more; '' without hosts."""
        if not self.verdicts:
            return ''
        names = [printable(verdict.host.name) for verdict in self.verdicts]
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
        others = (
            replace(verdict, code=code, also=())
            for verdict in self.verdicts
            for code in verdict.also
        )
        return _grouped(others)

    def details(self) -> Iterator[str]:
        """Yield the lines below its text, for operators."""
        if self.names:
            yield self.names
        for other in self.further:
            some = other.hosts < self.hosts
            template = (
                catalogue.hosts.SOME_ALSO if some else catalogue.hosts.ALL_ALSO
            )
            yield template.format(count=other.hosts, text=other.text)
        fixes = [self.fix, *(other.fix for other in self.further)]
        for fix in dict.fromkeys(filter(None, fixes)):
            yield f'-> {fix}'

    @property
    def tenant_text(self) -> str:
        """One sentence without host names and counts, or ''."""
        if not self.for_tenant:
            return ''
        if isinstance(self.finding, Problem):
            return self.finding.message
        row, values = self._row
        return row.tenant.format_map(values)

    @property
    def tenant_fix(self) -> str:
        """What a tenant can do, or ''."""
        if not self.for_tenant:
            return ''
        if isinstance(self.finding, Problem):
            return str(self.finding.fix)
        row, values = self._row
        if row.tenant_advice:
            return row.tenant_advice.format_map(values)
        change = sentence(how_to(self.changes, tenant=True))
        return change or catalogue.rows.ASK_OPERATOR

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


def host_reasons(
    verdicts: Iterable[Verdict], told: Collection[str]
) -> tuple[Reason, ...]:
    """Group hosts by why they will not do, the largest group first.

    :param verdicts: hosts that are rejected, or that fit and are not offered
    :param told: the codes that help a tenant
    """
    return tuple(
        replace(reason, for_tenant=reason.code in told)
        for reason in _grouped(verdicts)
    )


def _grouped(verdicts: Iterable[Verdict]) -> tuple[Reason, ...]:
    """Group hosts by why they will not do, the largest group first."""
    groups: defaultdict[tuple[Any, ...], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[_group(verdict)].append(verdict)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    of_all = len(groups) == 1
    reasons = []
    for _, group in ordered:
        code = group[0].code or NO_CANDIDATE
        found = of_verdicts(group)
        if code == VerdictCode.NO_POOL and not of_all:
            found = Remedies()
        reasons.append(
            Reason(
                code,
                tuple(group),
                len(group),
                changes=found.changes,
                of_hosts=found.of_hosts,
                of_all=of_all,
                verdicts=tuple(group),
            )
        )
    return tuple(reasons)


def codes_for_tenants(result: FilterResult) -> frozenset[str]:
    """Return the codes of rejected hosts that help a tenant."""
    codes = frozenset(str(verdict.code) for verdict in result.rejected)
    if not result.accepted and codes <= _OF_OPERATORS:
        return codes - ({VerdictCode.NO_POOL} if len(codes) > 1 else set())
    return codes - _OF_OPERATORS


def feasibility_reasons(found: Feasibility) -> tuple[Reason, ...]:
    """Return why not, every host counted once; a confirmed cause leads.

    A tenant is not told what it outweighs: what could be changed, or waited
    for, on hosts that lack something else as well.
    """
    result, diagnosis = found.result, found.diagnosis
    told: frozenset[str] = frozenset()
    if not found.fit:
        told = codes_for_tenants(result)
        if diagnosis is None or diagnosis.cause is Cause.NONE:
            told |= {NO_CANDIDATE}
    confirmed = diagnosis is not None and diagnosis.confirmed
    suiting = [v for v in result.rejected if found.suits(v)]
    helping = told & {str(v.code) for v in suiting}
    # To set the machine type is all that it takes.
    needs_no_more = found.suitable is not None and any(
        v.faults == (VerdictCode.MACHINE_TYPE_NOT_Q35,) for v in suiting
    )
    if confirmed and needs_no_more:
        told = frozenset({VerdictCode.MACHINE_TYPE_NOT_Q35})
    elif confirmed and found.suitable is not None:
        told = helping & {VerdictCode.NO_FREE_SLOT}
    elif confirmed:
        told = helping & _OF_TENANTS
    elif helping:
        told = helping
    counted = frozenset(map(id, found.but_for))
    others = host_reasons(
        [
            verdict
            for verdict in (*result.rejected, *found.unavailable)
            if id(verdict) not in counted
        ],
        told,
    )
    if found.too_many is not None:
        return (diagnosis_reason(found.too_many), *others)
    if diagnosis is None or diagnosis.cause is Cause.NONE:
        return others
    reason = replace(
        diagnosis_reason(diagnosis),
        hosts=len(counted),
        for_tenant=not needs_no_more,
        beside_others=bool(counted),
        verdicts=tuple(found.but_for),
    )
    return (reason, *others) if confirmed else (*others, reason)


def _group(verdict: Verdict) -> tuple[Any, ...]:
    """Return what verdicts of one group share, in the order of judgement."""
    position = _CODES.index(verdict.code or NO_CANDIDATE)
    if verdict.code in (None, VerdictCode.NO_POOL) or verdict.model is None:
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
        _hosts_of(diagnosis) or 0,
        changes=found.changes,
        of_hosts=found.of_hosts,
    )


#: Causes that are about Placement as a whole, not about hosts that would do
#: but for one thing.
_WHOLE = (
    Cause.NO_MODEL,
    Cause.SLOTS_USED,
    Cause.GUESTS,
    Cause.UNCLEAR,
    Cause.UNKNOWN,
)


def _hosts_of(diagnosis: Diagnosis) -> int | None:
    """Return the number of hosts that a diagnosis is about."""
    if diagnosis.cause in (Cause.NO_MODEL, Cause.GUESTS):
        return None
    if diagnosis.cause is Cause.SLOTS_USED:
        return diagnosis.hosts_with_model
    if diagnosis.cause is Cause.UNCLEAR:
        return diagnosis.hosts_with_free_slot
    total = cause_values(diagnosis)['total']
    close = diagnosis.hosts_but_for
    return total if close is None or not total else close


def _but_for(
    diagnosis: Diagnosis, values: Values, what: str, beside_others: bool
) -> str:
    if diagnosis.cause in _WHOLE:
        return what
    if beside_others:
        return catalogue.placement.THESE_BUT_FOR.format(what=what)
    known = diagnosis.hosts_but_for is not None and values['total']
    template = (
        catalogue.placement.BUT_FOR
        if known
        else catalogue.placement.SOME_BUT_FOR
    )
    return template.format_map({**values, 'what': what})


def problem_text(problem: Problem) -> str:
    row = catalogue.request.PROBLEMS[problem.code, problem.case]
    values = problem_values(problem)
    template = row.text
    if row.asked and problem.requesters:
        template = f'{catalogue.request.ASKED}{row.text}'
    return f'{sentence(template.format_map(values))}.'


@message.register
def _(problem: Problem) -> str:
    return problem_text(problem)


@message.register
def _(verdict: Verdict) -> str:
    values = verdict_values((verdict,))
    if verdict.code is None:
        fits = (
            catalogue.hosts.FITS
            if verdict.model
            else catalogue.hosts.FITS_UNENCRYPTED
        )
        if verdict.unlimited:
            fits = catalogue.hosts.FITS_UNLIMITED
        return fits.format_map(values)
    row = catalogue.hosts.VERDICTS[verdict.code, verdict_case([verdict])]
    return f'{verdict.host.name} {row.hosts.format_map(values)}.'


@advice.register
def _(verdict: Verdict) -> str:
    if verdict.code is None:
        return ''
    row = catalogue.hosts.VERDICTS[verdict.code, verdict_case([verdict])]
    return row.host_advice.format_map(verdict_values((verdict,)))
