"""explain(): verdicts, problems or a diagnosis, in words.

The operator view has counts and says what to change on hosts; the tenant
view has neither host names nor counts, as nova keeps those from tenants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sev_scheduling.diagnosis import Diagnosis
from sev_scheduling.explain.causes import diagnosis_reason
from sev_scheduling.explain.reasons import Reason, guest_name, host_reasons
from sev_scheduling.hosts.hostfilter import FilterResult
from sev_scheduling.problems import Problem


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request can or cannot be placed.

    :ivar headline: one line for operators
    :ivar tenant_headline: one line for tenants
    :ivar reasons: why not; for hosts, the largest group first
    """

    headline: str
    tenant_headline: str
    reasons: tuple[Reason, ...] = ()

    def operator(self) -> str:
        """Return the view with counts, for operators, in several lines."""
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
        lines = [self.tenant_headline]
        for reason in self.reasons:
            if reason.tenant_text:
                line = f'- {reason.tenant_text} {reason.tenant_fix}'.rstrip()
                lines.append(line)
        return '\n'.join(lines)


def explain(
    finding: FilterResult | Diagnosis | Iterable[Problem],
) -> Explanation:
    """Put what was found into words.

    :param finding: what :func:`.filter_hosts`, :func:`.validate` or a
        diagnosis returned
    """
    if isinstance(finding, FilterResult):
        return _explain_hosts(finding)
    if isinstance(finding, Diagnosis):
        return _explain_diagnosis(finding)
    return _explain_problems(tuple(finding))


def _explain_hosts(result: FilterResult) -> Explanation:
    total = len(result.verdicts)
    fit = total - len(result.rejected)
    guest = guest_name(result.request)
    end = ':' if result.rejected else '.'
    return Explanation(
        f'{fit} of {total} host{"s" if total != 1 else ""} can run this '
        f'{guest}{end}',
        _tenant_headline(guest, fits=fit > 0),
        # A tenant whose guest fits somewhere has nothing to change.
        host_reasons(result, for_tenant=not fit),
    )


def _explain_diagnosis(diagnosis: Diagnosis) -> Explanation:
    guest = guest_name(diagnosis.request)
    reason = diagnosis_reason(diagnosis)
    if reason is None:
        return Explanation(
            f'Placement has candidates for this {guest}.',
            _tenant_headline(guest, fits=True),
        )
    return Explanation(
        f'Placement has no candidate for this {guest}:',
        _tenant_headline(guest, fits=False),
        (reason,),
    )


def _tenant_headline(guest: str, *, fits: bool) -> str:
    if fits:
        return f'This {guest} can be placed.'
    return f'No host can run this {guest}:'


def _explain_problems(problems: tuple[Problem, ...]) -> Explanation:
    errors = sum(problem.is_error for problem in problems)
    if errors:
        headline = 'This request cannot be scheduled:'
    elif problems:
        headline = 'This request can be scheduled, with warnings:'
    else:
        headline = 'This request can be scheduled.'
    return Explanation(
        headline,
        headline,
        tuple(
            Reason(
                code=problem.code,
                hosts=0,
                text=f'{problem.severity}: {problem.message}',
                fix=problem.fix,
                tenant_text=problem.message,
                tenant_fix=problem.fix,
            )
            for problem in problems
        ),
    )
