"""The commands ``server check`` and ``server repair``."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from sev_scheduling.cli import EXIT_NO
from sev_scheduling.cli.options.inputs import a_file, a_uuid
from sev_scheduling.cli.options.node import known, lines
from sev_scheduling.cli.output import Rows
from sev_scheduling.exceptions import needed


def load_servers() -> tuple[ModuleType, ModuleType]:
    """Return the modules of :mod:`sev_scheduling.nova.servers`.

    :raises InputError: where nova is not installed
    """
    elsewhere = 'Or run it where nova is installed.'
    with (
        needed('nova,placement', 'This command', elsewhere),
        # Of what nova imports.
        warnings.catch_warnings(action='ignore'),
    ):
        from sev_scheduling.nova.servers import check, session
    return check, session


class Check(Rows):
    """List servers whose encryption and slot disagree

    Reads nova's databases and Placement, as nova-manage does, and changes
    nothing. Exit status 1 where there are any.

    Example::

        # sev-scheduling server check --config-file /etc/nova/nova.conf
    """

    columns: tuple[str, ...] = (
        'Server',
        'Host',
        'Code',
        'Model',
        'Held',
        'Remedy',
    )
    nothing = 'Every server holds the slot that it needs.'

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            'servers',
            metavar='SERVER',
            type=a_uuid,
            nargs='*',
            help='uuid; all servers where none is given',
        )
        parser.add_argument(
            '--config-file',
            metavar='FILE',
            type=a_file,
            action='append',
            default=[],
            help="nova's configuration, with its databases and [placement] "
            '(default: where nova looks for it); repeatable',
        )

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        check, session = load_servers()
        with session.open_nova(parsed_args.config_file) as (context, api):
            found = check.check_servers(context, api, parsed_args.servers)
        if found:
            self.status = EXIT_NO
        return [_cells(one) for one in found]


class Repair(Check):
    """Set servers right whose encryption and slot disagree

    Look first with --dry-run, or with "server check". What nothing safe does
    stays as it is: no slot is free, or the values from before a refused
    rebuild are lost. Exit status 1 where any server was found; a second run
    finds those that are left.

    Example::

        # sev-scheduling server repair --config-file /etc/nova/nova.conf \\
            --dry-run
    """

    columns = (*Check.columns, 'Done')

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            '--dry-run',
            action='store_true',
            help='show what would be done and change nothing',
        )

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        check, session = load_servers()
        with session.open_nova(parsed_args.config_file) as (context, api):
            found = check.check_servers(context, api, parsed_args.servers)
            done = [
                not parsed_args.dry_run and check.repair(context, api, one)
                for one in found
            ]
        if found:
            self.status = EXIT_NO
        return [
            (*_cells(one), repaired)
            for one, repaired in zip(found, done, strict=True)
        ]


def _cells(finding: Any) -> tuple[Any, ...]:
    return (
        finding.server,
        finding.host,
        str(finding.disagreement),
        known(finding.model),
        lines(list(finding.held)),
        str(finding.remedy),
    )
