"""The command ``explain``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import add_request_options, read_request
from sev_scheduling.cli.options.scope import add_scope_options, read_scope
from sev_scheduling.cli.output import Words
from sev_scheduling.explain.explanation import (
    explain,
    host_rows,
    where_it_fits,
)
from sev_scheduling.rules.validation import validate


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
        add_scope_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        tenant = parsed_args.tenant
        validation = validate(read_request(parsed_args))
        if validation.errors:
            self.report(explain(validation), no=True, tenant=tenant)
            return [
                (None, False, str(p.code), True, p.message, str(p.fix))
                for p in validation.errors
            ]
        with open_client(parsed_args) as client:
            found = client.feasibility(
                validation, scope=read_scope(parsed_args, client)
            )
        explanation = explain(found)
        if tenant:
            self.report(explanation, no=not found.fit, tenant=True)
            return [
                (
                    None,
                    False,
                    str(reason.code),
                    reason.permanent,
                    reason.tenant_text,
                    reason.tenant_fix or None,
                )
                for reason in explanation.reasons
                if reason.for_tenant
            ]
        self.report(explanation, no=not found.fit, more=where_it_fits(found))
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
