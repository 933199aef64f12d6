"""The command ``explain``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sev_scheduling.cli import EXIT_USAGE
from sev_scheduling.cli.commands.schedule import guests
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import add_request_options, read_request
from sev_scheduling.cli.options.scope import add_scope_options, read_scope
from sev_scheduling.cli.options.servers import (
    add_server_option,
    read_server_requests,
)
from sev_scheduling.cli.output import Words, lines, words
from sev_scheduling.diagnosis import Cause, Feasibility, Matter
from sev_scheduling.exceptions import InputError, PlacementDenied
from sev_scheduling.explain.explanation import (
    Explanation,
    explain,
)
from sev_scheduling.explain.fixes import cells, steps_of
from sev_scheduling.explain.host_rows import host_rows, where_it_fits
from sev_scheduling.explain.server import ServerExplanation
from sev_scheduling.problems import Problem
from sev_scheduling.rules.validation import Validation, validate

Row = Sequence[Any]


class Explain(Words):
    """Say what each host says to a request, and what to change

    Answers "why no valid host?" from the very facts that a scheduler has.
    Exit status 1 where no host can take the guest.

    With --server, what a server asks for by the copies of flavor and image
    that it keeps, with its fault, and whether it is a matter of the request,
    of the hosts or of the moment.

    Each group of hosts names the first five, and what else is against them;
    in the other formats "Faults" has every code of a host.

    With --tenant, the view that a cloud's users may see: no host names, no
    counts, only what they can change. Where Placement shows its hosts to
    administrators alone, others read what there is to say of the request;
    the exit status is then 2.

    Example::

        $ sev-scheduling explain --cloud examples/cloud.yaml \\
            --flavor flavor.json --image image.json
        $ openstack memory encryption explain --server guest-1
    """

    columns = (
        *('Host', 'Fits', 'Code', 'Permanent', 'Message', 'Fix'),
        *('Matter', 'Faults', 'Guests', 'Caveats', 'Advice'),
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_request_options(parser, required=False)
        add_server_option(parser)
        parser.add_argument(
            '--count',
            metavar='N',
            type=guests,
            default=1,
            help='how many guests (default: 1); the column Guests says how '
            'many of them fit',
        )
        parser.add_argument(
            '--tenant',
            action='store_true',
            help='leave out host names and counts',
        )
        add_host_options(parser)
        add_scope_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Row]:
        if parsed_args.server is not None:
            return self._server_rows(parsed_args)
        if parsed_args.flavor is None:
            raise InputError('Give --flavor, or --server.')
        validation = validate(read_request(parsed_args))
        found = self._ask(parsed_args, validation)
        self._say(parsed_args, explain(found or validation), found, validation)
        return _rows(found, validation, tenant=parsed_args.tenant)

    def _server_rows(self, parsed_args: argparse.Namespace) -> Iterable[Row]:
        requests, failed = read_server_requests(parsed_args)
        server = requests.server
        validation = validate(requests.copied)
        changed = False
        if requests.today is not None:
            today = validate(requests.today)
            changed = bool(validation.errors) and not today.errors
            if not server.placed:
                # Where it goes is for the one that is created in its place.
                validation = today
        found = self._ask(parsed_args, validation)
        explanation = ServerExplanation(
            server=server,
            about=explain(found or validation),
            matter=_matter(found, validation),
            changed=changed,
            failed=failed,
            unknown=requests.unknown,
        )
        self._say(parsed_args, explanation, found, validation)
        return _rows(found, validation, tenant=parsed_args.tenant)

    def _ask(
        self, parsed_args: argparse.Namespace, validation: Validation
    ) -> Feasibility | None:
        """Ask the hosts; None where there is no use, or they are not shown."""
        if validation.errors:
            return None
        with open_client(parsed_args) as client:
            try:
                scope = read_scope(parsed_args, client)
                return client.feasibility(
                    validation, scope=scope, count=parsed_args.count
                )
            except PlacementDenied as error:
                self.say_no(str(error))
                self.status = EXIT_USAGE
                return None

    def _say(
        self,
        parsed_args: argparse.Namespace,
        explanation: Explanation | ServerExplanation,
        found: Feasibility | None,
        validation: Validation,
    ) -> None:
        tenant = parsed_args.tenant
        self.report(
            explanation,
            no=bool(validation.errors) or bool(found and not found.yes),
            tenant=tenant,
            more=where_it_fits(found) if found and not tenant else '',
        )
        if found is None or parsed_args.formatter != 'text':
            return
        if found.fit:
            self.warn(explain(validation), tenant=tenant)
            return
        left_out = explain(validation.of_left_out_models())
        # The answer may say how to take one of them.
        if not {*left_out.commands} & {*explanation.commands}:
            self.warn(left_out, tenant=tenant)


def _matter(found: Feasibility | None, validation: Validation) -> Matter:
    if found is not None:
        return found.matter
    return Matter.REQUEST if validation.errors else Matter.UNKNOWN


def _rows(
    found: Feasibility | None, validation: Validation, *, tenant: bool
) -> list[Row]:
    if found is None:
        return [_problem_row(p, tenant=tenant) for p in validation.errors]
    rows = list(_tenant_rows(found) if tenant else _host_rows(found))
    return rows if rows or found.yes else [_empty_row(found, tenant=tenant)]


def _empty_row(found: Feasibility, *, tenant: bool) -> Row:
    """Return the row where there is no host."""
    said = explain(found)
    text = said.tenant_headline if tenant else said.headline
    return (
        *(None, False, None, None, text, None),
        *(str(Matter.HOSTS), lines(), None, lines(), None),
    )


def _problem_row(problem: Problem, *, tenant: bool) -> Row:
    remedy = cells([*steps_of([problem.fix], tenant=tenant)])
    return (
        *(None, False, str(problem.code), True, problem.message),
        *(words(remedy.fix), str(Matter.REQUEST), lines(problem.code), None),
        *(lines(*remedy.caveats), words(remedy.advice)),
    )


def _tenant_rows(found: Feasibility) -> Iterator[Row]:
    for reason in explain(found).reasons:
        if reason.for_tenant:
            parts = reason.tenant_parts
            texts = [part.tenant_text for part in parts]
            steps = [step for part in parts for step in part.tenant_steps()]
            remedy = cells([*dict.fromkeys(steps)])
            # What the text begins with; all of it keeps the guest off.
            first = str(parts[0].code)
            permanent = reason.stays or any(part.permanent for part in parts)
            yield (
                *(None, False, first, permanent),
                *(' '.join(texts), words(remedy.fix)),
                _matter_of(first, permanent),
                *(lines(*(p.code for p in parts)), reason.guests_fit),
                *(lines(*remedy.caveats), words(remedy.advice)),
            )


def _host_rows(found: Feasibility) -> Iterator[Row]:
    for row in host_rows(found):
        matter = None
        if row.permanent is not None:
            matter = _matter_of(row.code, row.permanent)
        yield (
            *(row.host, row.fits, row.code, row.permanent, row.text),
            *(words(row.remedy.fix), matter, lines(*row.codes)),
            found.guests_fit if row.host is None else None,
            *(lines(*row.remedy.caveats), words(row.remedy.advice)),
        )


def _matter_of(code: str | None, permanent: bool) -> str:
    if code == Cause.UNKNOWN_NAME:
        return str(Matter.REQUEST)
    return str(Matter.HOSTS if permanent else Matter.MOMENT)
