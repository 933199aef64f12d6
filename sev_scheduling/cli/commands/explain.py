"""The command ``explain``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import add_request_options, read_request
from sev_scheduling.cli.output import Words
from sev_scheduling.diagnosis import NO_CANDIDATE, Cause
from sev_scheduling.explain.explanation import explain
from sev_scheduling.explain.reasons import Reason
from sev_scheduling.hosts.hostfilter import Verdict, VerdictCode
from sev_scheduling.problems import Problem
from sev_scheduling.rules.validation import validate

if TYPE_CHECKING:
    from sev_scheduling.placement.feasibility import Outlook

#: What may pass without anybody changing anything.
_PASSING = frozenset(
    {
        VerdictCode.NO_FREE_SLOT,
        Cause.SLOTS_USED,
        Cause.RESOURCES_SHORT,
        NO_CANDIDATE,
    }
)

_MOST_NAMES = 8


class Explain(Words):
    """Say what each host says to a request, and what to change

    Answers "why no valid host?" from the very facts that a scheduler has.
    Exit status 1 where no host can take the guest.

    With --tenant, the view that a cloud's users may see: no host names, no
    counts, only what they can change.

    Example::

        $ sev-scheduling explain --cloud examples/cloud.yaml \\
            --flavor flavor.json --image image.json
    """

    columns = ('Host', 'Fits', 'Code', 'Permanent', 'Message', 'Fix')

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_request_options(parser)
        parser.add_argument(
            '--tenant',
            action='store_true',
            help='leave out host names and counts',
        )
        add_host_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        request = read_request(parsed_args)
        tenant = parsed_args.tenant
        problems = validate(request)
        if any(problem.is_error for problem in problems):
            self.report(explain(problems), no=True, tenant=tenant)
            return [_problem_row(p) for p in problems if p.is_error]
        from sev_scheduling.placement.feasibility import Outlook

        with open_client(parsed_args) as client:
            outlook = Outlook(client, request, client.hosts())
        self.report(
            outlook.explanation,
            no=not outlook.fit,
            tenant=tenant,
            more='' if tenant else where_it_fits(outlook),
        )
        if tenant:
            return [
                _reason_row(reason)
                for reason in outlook.explanation.reasons
                if reason.tenant_text
            ]
        return [_row(outlook, verdict) for verdict in outlook.verdicts]


def _problem_row(problem: Problem) -> Sequence[Any]:
    return None, False, str(problem.code), True, problem.message, problem.fix


def _row(outlook: Outlook, verdict: Verdict) -> Sequence[Any]:
    name = verdict.host.name
    if verdict in outlook.lacking:
        return (
            name,
            False,
            NO_CANDIDATE,
            False,
            f'{name} can run the guest, and Placement does not offer it: it '
            'lacks resources, traits or aggregates that are asked for.',
            'Use a flavor that asks for less.',
        )
    return (
        name,
        verdict.fits,
        str(verdict.code) if verdict.code else None,
        None if verdict.fits else verdict.permanent,
        verdict.message,
        verdict.fix or None,
    )


def _reason_row(reason: Reason) -> Sequence[Any]:
    return (
        None,
        False,
        str(reason.code),
        reason.code not in _PASSING,
        reason.tenant_text,
        reason.tenant_fix or None,
    )


def where_it_fits(outlook: Outlook) -> str:
    """Return the hosts that can take the guest, in a sentence; or ''."""
    if not outlook.fit:
        return ''
    names = [
        f'{v.host.name} ({v.free} free)' if v.model else v.host.name
        for v in outlook.fit[:_MOST_NAMES]
    ]
    more = len(outlook.fit) - len(names)
    return (
        f'It fits on {", ".join(names)}'
        + (f' and {more} more' if more else '')
        + '.'
    )
