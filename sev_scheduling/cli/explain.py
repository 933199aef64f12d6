"""The command ``explain``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli.base import Words
from sev_scheduling.cli.clouds import add_host_options, open_client
from sev_scheduling.cli.inputs import add_request_options, read_request
from sev_scheduling.diagnosis import Cause
from sev_scheduling.explanation import Explanation, explain
from sev_scheduling.hostfilter import (
    FilterResult,
    Verdict,
    VerdictCode,
    filter_hosts,
)
from sev_scheduling.hosts import Host
from sev_scheduling.prefilter import translate
from sev_scheduling.problems import Problem
from sev_scheduling.request import EncryptionRequest
from sev_scheduling.validation import validate

if TYPE_CHECKING:
    from sev_scheduling.placement import PlacementClient

#: The code of a host that could run the guest, were it not for something
#: that has nothing to do with encryption.
NO_CANDIDATE = 'no-candidate'

#: What may pass without anybody changing anything.
_PASSING = frozenset(
    {VerdictCode.NO_FREE_SLOT, Cause.SLOTS_USED, Cause.RESOURCES_SHORT}
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
            explanation = explain(problems)
            text = explanation.tenant() if tenant else explanation.operator()
            self.tell(explanation, text, no=True)
            return [_problem_row(p) for p in problems if p.is_error]
        with open_client(parsed_args) as client:
            findings = Findings(client, request, client.hosts())
        self.tell(
            findings.explanation,
            findings.tenant() if tenant else findings.operator(),
            no=not findings.fit,
        )
        if tenant:
            return findings.tenant_rows()
        return [findings.row(verdict) for verdict in findings.result.verdicts]


def _problem_row(problem: Problem) -> Sequence[Any]:
    return None, False, str(problem.code), True, problem.message, problem.fix


class Findings:
    """What the hosts say, and what Placement says of those that agree.

    :ivar result: what the hosts say
    :ivar fit: those that agree and are candidates of Placement
    :ivar explanation: what keeps the guest out, the hosts or the rest
    """

    def __init__(
        self,
        client: PlacementClient,
        request: EncryptionRequest,
        hosts: Iterable[Host],
    ) -> None:
        self.result: FilterResult = filter_hosts(request, hosts)
        self.explanation: Explanation = explain(self.result)
        self.fit: tuple[Verdict, ...] = ()
        self._diagnosis: Explanation | None = None
        if not self.result.accepted:
            return
        answer = client.candidates(translate(request))
        offered = {host.uuid for host in answer.hosts()}
        self.fit = tuple(
            verdict
            for verdict in self.result.verdicts
            if verdict.fits and verdict.host.uuid in offered
        )
        if not answer:
            self._diagnosis = explain(client.diagnose(request))

    def operator(self) -> str:
        lines = [self.explanation.operator()]
        able = len(self.result.accepted)
        if self.fit:
            lines.append(f'It fits on {_names(self.fit)}.')
        if len(self.fit) < able:
            lines.append(
                f'Placement offers {len(self.fit)} of the {able} hosts that '
                'can run it; the others lack something else that it asks for.'
            )
        if self._diagnosis:
            lines.append(self._diagnosis.operator())
        return '\n'.join(lines)

    def tenant(self) -> str:
        return (self._diagnosis or self.explanation).tenant()

    def row(self, verdict: Verdict) -> Sequence[Any]:
        name = verdict.host.name
        if verdict.fits and verdict not in self.fit:
            return (
                name,
                False,
                NO_CANDIDATE,
                False,
                f'{name} can run the guest, and Placement does not offer it: '
                'it lacks resources, traits or aggregates that are asked for.',
                'Use a smaller flavor, or one that asks for less.',
            )
        code = None if verdict.code is None else str(verdict.code)
        permanent = None if verdict.fits else verdict.permanent
        return (
            name,
            verdict.fits,
            code,
            permanent,
            verdict.message,
            verdict.fix or None,
        )

    def tenant_rows(self) -> list[Sequence[Any]]:
        """Return one row for each reason that a tenant may know."""
        explanation = self._diagnosis or self.explanation
        return [
            (
                None,
                False,
                str(reason.code),
                reason.code not in _PASSING,
                reason.tenant_text,
                reason.tenant_fix or None,
            )
            for reason in explanation.reasons
            if reason.tenant_text
        ]


def _names(verdicts: Sequence[Verdict]) -> str:
    names = [
        f'{v.host.name} ({v.free} free)' if v.model else v.host.name
        for v in verdicts[:_MOST_NAMES]
    ]
    more = len(verdicts) - len(names)
    return ', '.join(names) + (f' and {more} more' if more else '')
