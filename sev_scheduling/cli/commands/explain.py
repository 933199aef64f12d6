"""The command ``explain``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import add_request_options, read_request
from sev_scheduling.cli.output import Words
from sev_scheduling.diagnosis import NO_CANDIDATE, Cause, Feasibility
from sev_scheduling.explain.explanation import Reason, explain, host_rows
from sev_scheduling.hosts.verdict import VerdictCode
from sev_scheduling.problems import Problem
from sev_scheduling.rules.validation import validate

if TYPE_CHECKING:
    pass

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
        validation = validate(read_request(parsed_args))
        tenant = parsed_args.tenant
        if validation.errors:
            self.report(explain(validation), no=True, tenant=tenant)
            return [_problem_row(p) for p in validation.errors]
        from sev_scheduling.placement.feasibility import feasibility

        with open_client(parsed_args) as client:
            found = feasibility(client, validation, client.hosts())
        explanation = explain(found)
        self.report(
            explanation,
            no=not found.fit,
            tenant=tenant,
            more='' if tenant else where_it_fits(found),
        )
        if tenant:
            return [
                _reason_row(r) for r in explanation.reasons if r.for_tenant
            ]
        return [
            (
                verdict.host.name,
                code is None,
                code,
                None if code is None else permanent,
                message,
                fix or None,
            )
            for verdict, code, permanent, message, fix in host_rows(found)
        ]


def _problem_row(problem: Problem) -> Sequence[Any]:
    fix = str(problem.fix)
    return None, False, str(problem.code), True, problem.message, fix


def _reason_row(reason: Reason) -> Sequence[Any]:
    return (
        None,
        False,
        str(reason.code),
        reason.code not in _PASSING,
        reason.tenant_text,
        reason.tenant_fix or None,
    )


def where_it_fits(found: Feasibility) -> str:
    """Return the hosts that can take the guest, in a sentence; or ''."""
    if not found.fit:
        return ''
    names = [
        f'{v.host.name} ({v.free} free)' if v.model else v.host.name
        for v in found.fit[:_MOST_NAMES]
    ]
    more = len(found.fit) - len(names)
    return (
        f'It fits on {", ".join(names)}'
        + (f' and {more} more' if more else '')
        + '.'
    )
