"""The commands ``release`` and ``reconcile``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import a_uuid, owner
from sev_scheduling.cli.output import Rows
from sev_scheduling.exceptions import NotOwned
from sev_scheduling.text import counted, quoted

_SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}


def duration(text: str) -> int:
    """Read such as 90, 90s, 15m, 2h or 1d into seconds; for argparse."""
    match = re.fullmatch(r'([0-9]{1,9})([smhd]?)', text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is not a time such as 90s, 15m, 2h or 1d'
        )
    return int(match[1]) * _SECONDS[match[2] or 's']


def as_duration(seconds: int) -> str:
    """Return such as 90s, 15m, 2h or 1d."""
    for unit, size in reversed(_SECONDS.items()):
        if seconds and seconds % size == 0:
            return f'{seconds // size}{unit}'
    return '0s'


class Release(Rows):
    """Give back what guests hold in Placement

    Exit status 1 where one of them held nothing, or was not claimed with
    "schedule" or by the library; the others are released. What nova has
    claimed for a server is nova's: with --force it is freed all the same.

    Example::

        $ sev-scheduling release --state placement.db \\
            01982f5e-7b2a-7c44-9f0e-3c1f6f0d9a11
    """

    columns = ('Instance', 'Released')

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            'instances',
            metavar='INSTANCE',
            type=a_uuid,
            nargs='+',
            help='uuid, as "schedule" prints it',
        )
        parser.add_argument(
            '--force',
            action='store_true',
            help='also what nova or another service has claimed, as of a '
            'server that is gone',
        )
        add_host_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        released = {}
        with open_client(parsed_args) as client:
            for uuid in dict.fromkeys(parsed_args.instances):
                try:
                    released[uuid] = client.release(
                        uuid, force=parsed_args.force
                    )
                except NotOwned as error:
                    released[uuid] = False
                    self.say_no(str(error))
                else:
                    if not released[uuid]:
                        self.say_no(f'Nothing was held by {uuid}.')
        return list(released.items())


class Reconcile(Rows):
    """Show the claims of an owner that is dead, and free them with --yes

    By default it shows claims that are older than an hour, and frees none.
    Only claims made with "schedule", or by the library, are
    shown: they tell their age. Nova's are not.

    Example::

        $ sev-scheduling reconcile --owner nightly --older-than 2h
        $ sev-scheduling reconcile --owner nightly --older-than 2h --yes
    """

    columns = ('Instance', 'Host', 'Provider', 'Age', 'Released')

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            '--owner',
            metavar='NAME',
            type=owner,
            required=True,
            help='as given to "schedule"',
        )
        parser.add_argument(
            '--older-than',
            metavar='TIME',
            type=duration,
            default=duration('1h'),
            help='since the claim: 90s, 15m, 2h, 1d (default: 1h)',
        )
        parser.add_argument(
            '--yes',
            action='store_true',
            help='free them; without it they are shown and stay',
        )
        add_host_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        owner, seconds = parsed_args.owner, parsed_args.older_than
        age = as_duration(seconds)
        with open_client(parsed_args) as client:
            claims = client.reconcile(
                owner, older_than=seconds, dry_run=not parsed_args.yes
            )
            if not claims:
                self.nothing = f'{owner} has no claim older than {age}.'
                younger = len(client.claims(owner=owner))
                if younger:
                    self.nothing = (
                        f'{owner} has {counted(younger, "claim")}, and none '
                        f'is older than {age}; --older-than 0s shows every '
                        'one.'
                    )
        if claims and not parsed_args.yes:
            print(
                f'{counted(len(claims), "claim")} of {owner}, older than '
                f'{age}; nothing was freed, as --yes does.',
                file=self.app.stderr,
            )
        return [
            (
                claim.instance,
                claim.host,
                claim.provider,
                None if claim.age is None else int(claim.age),
                parsed_args.yes,
            )
            for claim in claims
        ]
