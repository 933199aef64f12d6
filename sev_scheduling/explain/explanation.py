"""explain(): verdicts, problems or a diagnosis, in words.

The operator view has counts and says what to change on hosts; the tenant
view has neither host names nor counts, as nova keeps those from tenants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sev_scheduling.diagnosis import (
    NO_CANDIDATE,
    PASSING,
    Cause,
    Diagnosis,
    Feasibility,
)
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.fixes import brief, merge
from sev_scheduling.explain.request_page import RequestPage, commands
from sev_scheduling.explain.values import (
    Count,
    Values,
    cause_case,
    cause_values,
    guest_name,
    machine_type_fix,
    problem_values,
    sentence,
    verdict_case,
    verdict_values,
)
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
from sev_scheduling.problems import Fix, Problem, advice, message
from sev_scheduling.rules.validation import Validation

#: Nova keeps so many bytes of a fault's message.
FAULT_BYTES = 255

#: Bytes that a name may take in a fault where room is short.
_SHORT_NAME = 40
_MORE = ' …'

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

#: Hosts that a sentence names.
_MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a request cannot be placed.

    :ivar code: a :class:`.VerdictCode`, a :class:`.Cause` or a
        :class:`.Code`
    :ivar finding: what it is made of: a problem, the verdicts of the hosts
        that give it, or a diagnosis
    :ivar hosts: how many hosts it keeps out; 0 where it is not about hosts
    :ivar for_tenant: whether it helps a tenant
    :ivar change: what a tenant can change; None where nothing
    """

    code: str
    finding: Problem | Diagnosis | tuple[Verdict, ...]
    hosts: int = 0
    for_tenant: bool = True
    change: Fix | None = None

    @property
    def permanent(self) -> bool:
        """Whether it stays until somebody changes something."""
        return self.code not in _PASSING

    @property
    def _row(self) -> tuple[catalogue.Row, Values]:
        if isinstance(self.finding, Diagnosis):
            row = catalogue.CAUSES[
                self.finding.cause, cause_case(self.finding)
            ]
            return row, cause_values(self.finding)
        assert not isinstance(self.finding, Problem)
        case = verdict_case(self.finding[0])
        row = catalogue.VERDICTS[self.code, case]
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
        text = _but_for(self.finding, values, text)
        count = _hosts_of(self.finding)
        return f'{count} {text}' if count and not self.hosts else text

    @property
    def fix(self) -> str:
        """What an operator can do, or ''."""
        if isinstance(self.finding, Problem):
            return str(self.finding.fix)
        row, values = self._row
        return row.advice.format_map(values)

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
        return row.tenant_advice.format_map(values)

    def _without_asker(self) -> str:
        if isinstance(self.finding, Problem):
            return _problem_text(replace(self.finding, requesters=()))
        return self.tenant_text

    def _with_short_names(self) -> Reason:
        finding = self.finding
        if isinstance(finding, Problem):
            owner = _shortened(finding.field.owner)
            field = replace(finding.field, owner=owner)
            finding = replace(finding, field=field)
        change = self.change
        if change is not None:
            change = replace(change, name=_shortened(change.name))
        return replace(self, finding=finding, change=change)


def _shortened(name: str | None) -> str | None:
    if name is None or len(name.encode()) <= _SHORT_NAME:
        return name
    data = name.encode()[: _SHORT_NAME - len('…'.encode())]
    return data.decode(errors='ignore') + '…'


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request can or cannot be placed.

    :ivar kind: ``errors``, ``warnings`` or ``valid`` of a request, or a key
        of :data:`.catalogue.HEADLINES`
    :ivar values: what the headline is made of: ``guest``, ``fit``, ``total``
    :ivar reasons: why not; for hosts, the largest group first
    :ivar page: what there is to say about the request itself; None where
        it is about hosts
    """

    kind: str
    values: Values
    reasons: tuple[Reason, ...] = ()
    page: RequestPage | None = None

    @property
    def headline(self) -> str:
        """One line for operators."""
        if self.page is not None:
            return self.page.headline
        end = ':' if self.reasons else '.'
        template, _ = catalogue.HEADLINES[self.kind]
        return template.format_map({**self.values, 'end': end})

    @property
    def tenant_headline(self) -> str:
        """One line for tenants."""
        if self.page is not None:
            return self.page.headline
        return catalogue.HEADLINES[self.kind][1].format_map(self.values)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands in its views, to be copied: none may be folded."""
        if self.page is not None:
            return tuple(dict.fromkeys(commands(self.page.problems)))
        fixes = [reason.change for reason in self.reasons if reason.change]
        fixes += [other for fix in fixes for other in fix.alternatives]
        return tuple(filter(None, (fix.command() for fix in fixes)))

    def adding(self, problem: Problem) -> Explanation:
        """Return the same with one more problem, as the last reason."""
        reason = Reason(problem.code, problem, change=problem.fix)
        page = self.page and self.page.adding(problem)
        return replace(self, reasons=(*self.reasons, reason), page=page)

    def operator(self) -> str:
        """Return the view with counts, for operators, in several lines."""
        if self.page is not None:
            return self.page.view(tenant=False)
        width = max((len(str(r.hosts)) for r in self.reasons), default=0)
        lines = [self.headline]
        for reason in self.reasons:
            # What is not about hosts has no count.
            count = str(reason.hosts) if reason.hosts else '-'
            lines.append(f'  {count:>{width}}  {reason.text}')
            if reason.fix:
                lines.append(f'  {"":{width}}  -> {reason.fix}')
        return '\n'.join(lines)

    def tenant(self) -> str:
        """Return the view without host names and counts, for tenants."""
        if self.page is not None:
            return self.page.view(tenant=True)
        lines = [self.tenant_headline]
        for reason in self.reasons:
            if reason.for_tenant:
                lines.append(f'- {reason.tenant_text} {reason.tenant_fix}')
        return '\n'.join(line.rstrip() for line in lines)

    def fault(self, limit: int = FAULT_BYTES) -> str:
        """Return the tenant's view on one line of at most so many bytes.

        The fullest of several wordings that fits: all of it; without who
        asked for encryption; the first reason and the changes to each
        target in brief; the changes alone; the same with names cut short;
        as many of these as there is room for.
        """
        reasons = [r for r in self.reasons if r.for_tenant]
        short = [reason._with_short_names() for reason in reasons]
        wordings = (
            [
                _sentences(
                    r._without_asker() if n else r.tenant_text, r.tenant_fix
                )
                for n, r in enumerate(reasons)
            ],
            [_sentences(r._without_asker(), r.tenant_fix) for r in reasons],
            [r._without_asker() for r in reasons[:1]] + _changes(reasons),
            _changes(reasons),
            [r._without_asker() for r in short[:1]] + _changes(short),
            _changes(short),
        )
        for parts in wordings:
            text = ' '.join(parts)
            if len(text.encode()) <= limit:
                return text
        return _as_many_as_fit(wordings[-1], limit)

    def claim(self, count: int, fit: int, *, moving: bool) -> str:
        """Return in a sentence that guests do not all fit.

        :param count: how many there were to be
        :param fit: how many of them do
        :param moving: whether it was a guest that was to move
        """
        case = 'moving' if moving else 'one' if count == 1 else 'many'
        template = catalogue.NO_CAPACITY['some' if fit else case]
        return template.format(fit=fit, count=count)


def _sentences(*parts: str) -> str:
    return ' '.join(filter(None, parts))


def _changes(reasons: Iterable[Reason]) -> list[str]:
    """Return the changes to each target in a sentence, then all advice."""
    reasons = list(reasons)
    changes = merge(r.change for r in reasons if r.change and r.change.target)
    others = (
        r.tenant_fix or r.tenant_text
        for r in reasons
        if not (r.change and r.change.target)
    )
    return [
        *(f'{sentence(brief(change))}.' for change in changes),
        *dict.fromkeys(others),
    ]


def _as_many_as_fit(parts: Sequence[str], limit: int) -> str:
    """Return whole sentences; a part of the first where none fits."""
    room = limit - len(_MORE.encode())
    text = ''
    for part in parts:
        longer = _sentences(text, part)
        if len(longer.encode()) > room:
            break
        text = longer
    if not text and parts:
        text = parts[0].encode()[: max(0, room)].decode(errors='ignore')
    return text + _MORE if room >= 0 else ''


def explain(
    finding: FilterResult | Diagnosis | Feasibility | Iterable[Problem],
) -> Explanation:
    """Put what was found into words.

    :param finding: what :func:`.filter_hosts`, :func:`.validate`, a
        diagnosis or :meth:`.PlacementClient.feasibility` returned
    """
    if isinstance(finding, FilterResult):
        fit = len(finding.accepted)
        return _hosts(finding, fit, _host_reasons(finding, tenant=not fit))
    if isinstance(finding, Feasibility):
        return _explain_feasibility(finding)
    if isinstance(finding, Diagnosis):
        empty = finding.cause is not Cause.NONE
        kind = 'no-candidate' if empty else 'candidates'
        return Explanation(
            'guests' if finding.cause is Cause.GUESTS else kind,
            {'guest': guest_name(finding.request), 'count': finding.guests},
            (_diagnosis_reason(finding),) if empty else (),
        )
    problems = tuple(finding)
    errors = any(problem.is_error for problem in problems)
    request = finding.request if isinstance(finding, Validation) else None
    return Explanation(
        'errors' if errors else 'warnings' if problems else 'valid',
        {},
        tuple(
            Reason(problem.code, problem, change=problem.fix)
            for problem in problems
        ),
        RequestPage(request, problems),
    )


def host_rows(
    feasibility: Feasibility,
) -> Iterator[tuple[Verdict, str | None, bool, str, str]]:
    """Yield each host's verdict, code, permanence, sentence and fix.

    A host that fits and that Placement does not offer has a reason for it.
    """
    unavailable = {id(verdict) for verdict in feasibility.unavailable}
    row = catalogue.VERDICTS[NO_CANDIDATE, '']
    for verdict in feasibility.result.verdicts:
        if id(verdict) not in unavailable:
            code = str(verdict.code) if verdict.code else None
            text, fix = verdict.message, verdict.fix
            yield verdict, code, verdict.permanent, text, fix
            continue
        values = verdict_values((verdict,))
        text = f'{verdict.host.name} {row.hosts.format_map(values)}.'
        yield verdict, NO_CANDIDATE, False, text, row.host_advice


def where_it_fits(feasibility: Feasibility) -> str:
    """Return the hosts that can take the guest, in a sentence; or ''."""
    fit = feasibility.fit
    if not fit:
        return ''
    names = ', '.join(
        f'{v.host.name} ({v.free} free)'
        if v.model and not v.unlimited
        else v.host.name
        for v in fit[:_MOST_NAMES]
    )
    more = len(fit) - _MOST_NAMES
    template = catalogue.FITS_ON_MORE if more > 0 else catalogue.FITS_ON
    return template.format(names=names, more=more)


def _hosts(
    result: FilterResult, fit: int, reasons: tuple[Reason, ...]
) -> Explanation:
    total = len(result.verdicts)
    return Explanation(
        'hosts' if fit else 'no-host',
        {
            'fit': fit,
            'total': total,
            'n': Count(total),
            'guest': guest_name(result.request),
        },
        reasons,
    )


def _explain_feasibility(feasibility: Feasibility) -> Explanation:
    """Count every host once; what Placement is short of comes last."""
    result, diagnosis = feasibility.result, feasibility.diagnosis
    fit = len(feasibility.fit)
    reasons = list(_host_reasons(result, tenant=not fit))
    lacking = feasibility.unavailable
    why: tuple[Reason, ...] = ()
    if diagnosis is not None and diagnosis.cause is not Cause.NONE:
        # Its hosts have been counted.
        why = (replace(_diagnosis_reason(diagnosis), hosts=0),)
    if lacking:
        # A tenant reads a better reason, or needs none.
        tenant = not why and not fit
        reasons.append(
            Reason(NO_CANDIDATE, lacking, len(lacking), for_tenant=tenant)
        )
    reasons.sort(key=lambda reason: -reason.hosts)
    return _hosts(result, fit, (*reasons, *why))


def _host_reasons(result: FilterResult, *, tenant: bool) -> tuple[Reason, ...]:
    """Group rejections by their words; every rejected host counts once.

    :param tenant: a tenant has something to change
    """
    groups: defaultdict[tuple[Any, ...], list[Verdict]] = defaultdict(list)
    for verdict in result.rejected:
        groups[_group(verdict)].append(verdict)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    # Of hosts that are disabled, or without the model, a tenant is told only
    # where there are no others.
    codes = {group[0].code for group in groups.values()}
    beyond = {VerdictCode.NO_POOL, VerdictCode.HOST_DISABLED}
    if not result.accepted and codes <= beyond:
        beyond = {VerdictCode.NO_POOL} if len(codes) > 1 else set()
    reasons = []
    for _, group in ordered:
        code = group[0].code
        assert code is not None
        change = None
        if code is VerdictCode.MACHINE_TYPE_NOT_Q35:
            change = machine_type_fix(result.request)
        reasons.append(
            Reason(
                code,
                tuple(group),
                len(group),
                tenant and code not in beyond,
                change,
            )
        )
    return tuple(reasons)


def _group(verdict: Verdict) -> tuple[Any, ...]:
    """Return what verdicts of one group share, in the order of judgement."""
    position = _CODES.index(verdict.code or NO_CANDIDATE)
    if verdict.code is VerdictCode.NO_POOL or verdict.model is None:
        return position, '', '', ''
    case = verdict_case(verdict)
    machine_type = verdict.machine_type if case == 'default' else None
    return position, verdict.model.name, case, machine_type or ''


def _diagnosis_reason(diagnosis: Diagnosis) -> Reason:
    change = None
    if diagnosis.cause is Cause.MACHINE_TYPE:
        change = machine_type_fix(diagnosis.request)
    return Reason(
        diagnosis.cause,
        diagnosis,
        _hosts_of(diagnosis) or 0,
        change=change,
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


def _but_for(diagnosis: Diagnosis, values: Values, what: str) -> str:
    if diagnosis.cause in _WHOLE:
        return what
    known = diagnosis.hosts_but_for is not None and values['total']
    template = catalogue.BUT_FOR if known else catalogue.SOME_BUT_FOR
    return template.format_map({**values, 'what': what})


def _problem_text(problem: Problem) -> str:
    row = catalogue.PROBLEMS[problem.code, problem.case]
    values = problem_values(problem)
    template = row.text
    if row.asked and problem.requesters:
        template = f'{catalogue.ASKED}{row.text}'
    return f'{sentence(template.format_map(values))}.'


@message.register
def _(problem: Problem) -> str:
    return _problem_text(problem)


@message.register
def _(verdict: Verdict) -> str:
    values = verdict_values((verdict,))
    if verdict.code is None:
        fits = catalogue.FITS if verdict.model else catalogue.FITS_UNENCRYPTED
        if verdict.unlimited:
            fits = catalogue.FITS_UNLIMITED
        return fits.format_map(values)
    row = catalogue.VERDICTS[verdict.code, verdict_case(verdict)]
    return f'{verdict.host.name} {row.hosts.format_map(values)}.'


@advice.register
def _(verdict: Verdict) -> str:
    if verdict.code is None:
        return ''
    row = catalogue.VERDICTS[verdict.code, verdict_case(verdict)]
    return row.host_advice.format_map(verdict_values((verdict,)))
