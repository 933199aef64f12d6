"""explain(): verdicts, problems or a diagnosis, in words.

The operator view has counts and says what to change on hosts; the tenant
view has neither host names nor counts, as nova keeps those from tenants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sev_scheduling.diagnosis import (
    Cause,
    Diagnosis,
    Feasibility,
)
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.feasibility import (
    answers_for_tenants,
    feasibility_reasons,
    host_reasons,
    rejected,
)
from sev_scheduling.explain.fixes import Cells, brief, cells
from sev_scheduling.explain.reason.grouping import diagnosis_reason
from sev_scheduling.explain.reason.hosts import RowReason
from sev_scheduling.explain.reason.reason import Reason, problem_reason
from sev_scheduling.explain.request_page import RequestPage, commands
from sev_scheduling.explain.values.naming import (
    Count,
    guest_name,
    owner,
    sentence,
)
from sev_scheduling.explain.values.problems import Values
from sev_scheduling.hosts.verdict import FilterResult
from sev_scheduling.problems import Problem, Source, Target, merge
from sev_scheduling.rules.validation import Validation

#: Nova keeps so many bytes of a fault's message.
FAULT_BYTES = 255

_MORE = ' …'


class ReasonRow(NamedTuple):
    """One reason, for programs.

    :ivar permanent: whether it stays until somebody changes something
    :ivar remedy: what an operator can do
    """

    code: str | None
    permanent: bool
    text: str
    remedy: Cells


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request can or cannot be placed.

    :ivar kind: ``errors``, ``warnings`` or ``valid`` of a request, or a key
        of :data:`.catalogue.hosts.HEADLINES`
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
        template, _ = catalogue.hosts.HEADLINES[self.kind]
        return template.format_map({**self.values, 'end': end})

    @property
    def tenant_headline(self) -> str:
        """One line for tenants."""
        if self.page is not None:
            return self.page.headline
        return catalogue.hosts.HEADLINES[self.kind][1].format_map(self.values)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands in its views, to be copied: none may be folded."""
        if self.page is not None:
            return tuple(dict.fromkeys(commands(self.page.problems)))
        steps = [step for r in self.reasons for step in r.steps()]
        steps += [
            step
            for reason in self.reasons
            for part in reason.tenant_parts
            for step in part.tenant_steps()
        ]
        return tuple(dict.fromkeys(s.command for s in steps if s.command))

    @property
    def _of_operators(self) -> tuple[Reason, ...]:
        return tuple(one for one in self.reasons if one.for_operator)

    @property
    def targets(self) -> frozenset[Target]:
        """What its views offer to change."""
        return frozenset().union(*(one.targets for one in self.reasons))

    def adding(self, problem: Problem) -> Explanation:
        """Return the same with one more problem, as the last reason."""
        reason = problem_reason(problem)
        page = self.page and self.page.adding(problem)
        return replace(self, reasons=(*self.reasons, reason), page=page)

    def of_hosts(self) -> Explanation:
        """Return the same without changes of the guest, for operators."""
        reasons = tuple(one.without_changes() for one in self.reasons)
        return replace(self, reasons=reasons)

    def operator(self) -> str:
        """Return the view with counts, for operators, in several lines."""
        if self.page is not None:
            return self.page.view(tenant=False)
        reasons = self._of_operators
        width = max((len(str(r.hosts)) for r in reasons), default=0)
        lines = [self.headline]
        for reason in reasons:
            # What is not about hosts has no count.
            count = str(reason.hosts) if reason.hosts else '-'
            lines.append(f'  {count:>{width}}  {reason.text}')
            lines += (f'  {"":{width}}  {more}' for more in reason.details())
        return '\n'.join(lines)

    def tenant(self) -> str:
        """Return the view without host names and counts, for tenants."""
        if self.page is not None:
            return self.page.view(tenant=True)
        lines = [self.tenant_headline]
        for reason in self.reasons:
            if reason.for_tenant:
                for n, part in enumerate(reason.tenant_parts):
                    first, *others = _tenant_lines(part, also=n > 0)
                    lines.append(f'{" " if n else "-"} {first}')
                    lines += (f'  {line}' for line in others)
        return '\n'.join(lines)

    def rows(self) -> Iterator[ReasonRow]:
        """Yield a row for each reason.

        Without hosts there is no reason of any, and a row without a code.
        """
        if self.kind in ('empty', 'left-out') and not self.reasons:
            yield ReasonRow(None, True, self.headline, Cells(None, (), None))
        for reason in self._of_operators:
            found = cells(reason.host_steps())
            yield ReasonRow(
                str(reason.code), reason.stays, reason.sentence, found
            )

    def fault(self, limit: int = FAULT_BYTES) -> str:
        """Return the tenant's view on one line of at most so many bytes.

        The fullest of several wordings that fits: all of it; without who
        asked for encryption; the first reason and the changes to each
        target in brief; where hosts are the reason, it and as many changes as
        there is room for; the changes alone, which say what a request lacks;
        the same with names cut short; as many as there is room for.
        """
        reasons = [
            part
            for reason in self.reasons
            if reason.for_tenant
            for part in reason.tenant_parts
        ]
        short = [reason.with_short_names() for reason in reasons]
        brief = [r.without_asker() for r in reasons[:1]] + _changes(reasons)
        with_reason = (
            [
                _sentences(
                    r.without_asker() if n else r.tenant_text, r.tenant_fix
                )
                for n, r in enumerate(reasons)
            ],
            [_sentences(r.without_asker(), r.tenant_fix) for r in reasons],
            brief,
        )
        without = (
            _changes(reasons),
            [r.without_asker() for r in short[:1]] + _changes(short),
            _changes(short),
        )
        text = _first_that_fits(with_reason, limit)
        if text is not None:
            return text
        if _fits_with_more(reasons[:1], limit):
            return _as_many_as_fit(brief, limit)
        return _first_that_fits(without, limit) or _as_many_as_fit(
            without[-1], limit
        )

    def claim(self, count: int, fit: int, *, moving: bool) -> str:
        """Return in a sentence that guests do not all fit.

        :param count: how many there were to be
        :param fit: how many of them do
        :param moving: whether it was a guest that was to move
        """
        case = 'moving' if moving else 'one' if count == 1 else 'many'
        template = catalogue.hosts.NO_CAPACITY['some' if fit else case]
        return template.format(fit=Count(fit), count=Count(count))


def _tenant_lines(part: Reason, *, also: bool) -> Iterator[str]:
    """Yield what is in the way and what to do, commands on their lines."""
    text = part.tenant_text
    if also:
        text = catalogue.hosts.TENANT_ALSO.format(text=text)
    line = text
    for step in part.tenant_steps():
        if not step.command:
            line = _sentences(line, step.line)
            continue
        yield _sentences(line, f'{sentence(step.words)}:')
        yield f'  {step.command}'
        line = ''
    if line:
        yield line


def _sentences(*parts: str) -> str:
    return ' '.join(filter(None, parts))


def _changes(reasons: Iterable[Reason]) -> list[str]:
    """Return the changes to each target in a sentence, then all advice."""
    reasons = list(reasons)
    changes = merge(c for r in reasons for c in r.changes if c.target)
    others = (
        r.tenant_fix or r.tenant_text
        for r in reasons
        if not any(change.target for change in r.changes)
    )
    return [
        *(f'{sentence(brief(change))}.' for change in changes),
        *dict.fromkeys(others),
    ]


def _first_that_fits(
    wordings: Iterable[Sequence[str]], limit: int
) -> str | None:
    texts = (' '.join(parts) for parts in wordings)
    return next((t for t in texts if len(t.encode()) <= limit), None)


def _fits_with_more(reasons: Iterable[Reason], limit: int) -> bool:
    """Return whether hosts are a reason that must not be left out."""
    return any(
        isinstance(reason, RowReason)
        and len((reason.without_asker() + _MORE).encode()) <= limit
        for reason in reasons
    )


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
        answers = rejected(finding)
        told = () if fit else answers_for_tenants(answers)
        reasons = host_reasons(answers, told, fit=bool(fit))
        return _hosts(finding, fit, reasons)
    if isinstance(finding, Feasibility):
        found = _hosts(
            finding.result, len(finding.fit), feasibility_reasons(finding)
        )
        if finding.scope:
            asked = catalogue.hosts.ASKED_FOR
            found = replace(found, values={**found.values, 'a_host': asked})
        if not finding.result.verdicts:
            kind = 'left-out' if finding.left_out else 'empty'
            count = finding.left_out
            values = {**found.values, 'count': count, 'n': Count(count)}
            return replace(found, kind=kind, values=values)
        if finding.left_out:
            text = catalogue.hosts.LEFT_OUT.format(count=finding.left_out)
            values = {**found.values, 'left_out': f' {text}'}
            found = replace(found, values=values)
        if finding.too_many is None:
            return found
        values = {
            **found.values,
            'guests': Count(finding.guests),
            'guests_fit': Count(finding.guests_fit or 0),
        }
        return replace(found, kind='some-guests', values=values)
    if isinstance(finding, Diagnosis):
        empty = finding.cause is not Cause.NONE
        kind = 'no-candidate' if empty else 'candidates'
        return Explanation(
            'guests' if finding.cause is Cause.GUESTS else kind,
            {
                'guest': guest_name(finding.request),
                'count': Count(finding.guests),
            },
            (diagnosis_reason(finding),) if empty else (),
        )
    problems = tuple(finding)
    errors = any(problem.is_error for problem in problems)
    request = finding.request if isinstance(finding, Validation) else None
    return Explanation(
        'errors' if errors else 'warnings' if problems else 'valid',
        {},
        tuple(map(problem_reason, problems)),
        RequestPage(request, problems),
    )


def _hosts(
    result: FilterResult, fit: int, reasons: tuple[Reason, ...]
) -> Explanation:
    total = len(result.verdicts)
    flavor = result.request.field(Source.FLAVOR, '')
    return Explanation(
        'hosts' if fit else 'no-host',
        {
            'fit': fit,
            'total': total,
            'n': Count(total),
            'guest': guest_name(result.request),
            'left_out': '',
            'a_host': catalogue.hosts.A_HOST,
            'once': catalogue.hosts.ONCE.format(owner=owner(flavor))
            if result.request.lacks_group_policy
            else '',
        },
        reasons,
    )
