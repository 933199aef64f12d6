"""What the ``check`` commands share: they print and exit as nova-status."""

from __future__ import annotations

import abc
import argparse
import contextlib
import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from sev_scheduling.cli import terminal
from sev_scheduling.cli.output import Plain
from sev_scheduling.exceptions import SevSchedulingError, needed
from sev_scheduling.hosts.check import Check
from sev_scheduling.text import printable, printable_lines

#: Another status than any result's.
_UNEXPECTED = 255

#: Of details, as of nova-status.
_COLUMNS = 60

#: A setting, and what stands in quotes: whole, to be copied.
_WHOLE = re.compile(r"""[\w.]+ = \S+|(?<!\w)'[^']*'(?!\w)|"[^"]*\"""")

LOG = logging.getLogger(__name__)


class Checks(Plain):
    """A command whose checks are shown as ``nova-status`` shows its own.

    :cvar title: above the table
    """

    title: str

    @abc.abstractmethod
    def results(self, parsed_args: argparse.Namespace) -> Sequence[Check]:
        """Do the work; return the result of at least one check."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '-f',
            '--format',
            choices=('table', 'json'),
            default='table',
            help='the output format (default: table)',
        )
        parser.add_argument(
            '--json',
            dest='format',
            action='store_const',
            const='json',
            help='print JSON, as nova-status does: -f json',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        try:
            results = self.results(parsed_args)
        except SevSchedulingError:
            raise
        except Exception as error:
            LOG.debug('Unexpected error', exc_info=True)
            print(
                f'Unexpected error: {type(error).__name__}: '
                f'{printable(str(error))}; run again with --debug for more.',
                file=self.app.stderr,
            )
            return _UNEXPECTED
        if parsed_args.format == 'json':
            self.app.stdout.write(as_json(self.title, results) + '\n')
        else:
            # The library prints to sys.stdout.
            with contextlib.redirect_stdout(self.app.stdout):
                print_table(self.title, results)
        return int(max(result.status for result in results))


def as_json(title: str, results: Sequence[Check]) -> str:
    """Return results as ``nova-status upgrade check --json`` prints them."""
    return json.dumps(
        {
            'name': title,
            'checks': [
                {
                    'check': result.name,
                    'result': int(result.status),
                    'details': result.details,
                }
                for result in results
            ],
        }
    )


def print_table(title: str, results: Sequence[Check]) -> None:
    """Print results as ``nova-status upgrade check`` does.

    :raises InputError: where oslo.upgradecheck is not installed
    """
    with needed('node', 'The table', 'Or give -f json.'):
        from oslo_upgradecheck import upgradecheck

    def found(_: Any, result: Check) -> upgradecheck.Result:
        return upgradecheck.Result(
            upgradecheck.Code(int(result.status)), result.details
        )

    class Commands(upgradecheck.UpgradeCommands):
        display_title = title

        def _get_details(self, result: upgradecheck.Result) -> str:
            # The library's own breaks words.
            details = printable_lines(result.details or '')
            whole = _WHOLE.findall(details)
            lines = terminal.fold(details, _COLUMNS, whole)
            return lines.replace('\n', '\n  ')

        _upgrade_checks = tuple(
            (result.name, (found, {'result': result})) for result in results
        )

    Commands().check()
