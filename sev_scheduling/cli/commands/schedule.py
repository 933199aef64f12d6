"""The command ``schedule``."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sev_scheduling.cli import terminal
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import (
    add_request_options,
    owner,
    read_request,
    whole,
)
from sev_scheduling.cli.options.scope import add_scope_options, read_scope
from sev_scheduling.cli.output import Rows, lines, words
from sev_scheduling.exceptions import Explained, NoCapacity
from sev_scheduling.explain.explanation import explain
from sev_scheduling.rules.validation import Validation, validate

#: From so many guests on, a person at a terminal sees for how long it goes on.
MANY = 20

#: Formats that name their columns.
_SELF_DESCRIBING = frozenset({'json', 'yaml', 'csv'})

#: One claim; Placement takes a minute or two for it.
MOST = 10_000


#: Reads how many guests; for argparse.
guests = whole(1, MOST)


def _why(
    parsed_args: argparse.Namespace,
    validation: Validation,
    explanation: Explained,
    fit: int | None,
) -> list[Sequence[Any]]:
    """Return a row for each reason, where programs can tell it from others.

    :param fit: how many of the guests fit; None where it was not asked
    """
    if parsed_args.formatter not in _SELF_DESCRIBING:
        return []
    model = validation.request.model_name
    return [
        (
            *(
                None,
                None,
                model,
                None,
                code,
                permanent,
                text,
                words(remedy.fix),
            ),
            *(fit, lines(*remedy.caveats), words(remedy.advice)),
        )
        for code, permanent, text, remedy in explanation.rows()
    ]


class Schedule(Rows):
    """Place guests and claim their slots in Placement, all or none

    Prints where each guest has its slot; "release" gives it back. Exit
    status 1 where the request is invalid or the guests do not all fit: then
    nothing is claimed, and json, yaml and csv have the reasons in rows
    without an instance.

    Example::

        $ sev-scheduling schedule --cloud examples/cloud.yaml --count 3 \\
            --flavor flavor.json --image image.json --state placement.db
    """

    placed = ('Instance', 'Host', 'Model', 'Provider')
    columns = (
        *(*placed, 'Code', 'Permanent', 'Message', 'Fix', 'Guests'),
        *('Caveats', 'Advice'),
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_request_options(parser)
        parser.add_argument(
            '--count',
            metavar='N',
            type=guests,
            default=1,
            help=f'how many guests, up to {MOST} (default: 1)',
        )
        parser.add_argument(
            '--owner',
            metavar='NAME',
            type=owner,
            default='sev-scheduling',
            help='who holds the claims: "reconcile" finds them by it '
            '(default: sev-scheduling)',
        )
        add_host_options(parser)
        add_scope_options(parser)

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], list[Sequence[Any]]]:
        columns, rows = super().take_action(parsed_args)
        if self.status or parsed_args.columns:
            return columns, rows
        return self.placed, [row[: len(self.placed)] for row in rows]

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        validation = validate(read_request(parsed_args))
        if validation.errors:
            # Before a Placement is started for nothing.
            self.refuse(explain(validation))
            found = explain(validation.errors)
            return _why(parsed_args, validation, found, None)
        # In words before anything is claimed: a fault would leave it behind.
        warnings = explain(validation)
        count = parsed_args.count
        try:
            with open_client(parsed_args) as client, self._clock(count):
                placed = client.schedule(
                    validation,
                    count,
                    scope=read_scope(parsed_args, client),
                    owner=parsed_args.owner,
                )
        except NoCapacity as error:
            self.refuse(error.explanation, str(error))
            return _why(parsed_args, validation, error.explanation, error.fit)
        if parsed_args.formatter == 'table':
            self.warn(warnings)
        nothing = (None,) * (len(self.columns) - len(self.placed))
        return [
            (p.instance, p.host, p.model, p.provider, *nothing) for p in placed
        ]

    def _clock(self, count: int) -> AbstractContextManager[None]:
        # Placement takes all guests in one step and reports nothing before
        # its end, so that there is no number to count up.
        if count < MANY:
            return contextlib.nullcontext()
        what = f'Placing {count} guests, all or none'
        return terminal.clock(what, self.app.stderr)
