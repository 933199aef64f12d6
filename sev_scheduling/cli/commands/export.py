"""The command ``export``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping

from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.output import Plain, no_stdout
from sev_scheduling.exceptions import InputError
from sev_scheduling.text import CUSTOM_NAME, quoted


def custom_name(text: str) -> str:
    """Read a custom trait or resource class; for argparse."""
    if not CUSTOM_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no custom trait or resource class; give such '
            'as CUSTOM_GOLD'
        )
    return text


class Export(Plain):
    """Write a Placement as a cloud file, to replay a case elsewhere

    Every command with --cloud answers on the file as on the live Placement:
    the same candidates and the same explanation. The file has every resource
    provider with its inventories, traits and aggregates, and how much guests
    hold; not who they are. Four calls for each provider are made, and what
    changes meanwhile is read again.

    --anonymous replaces the names and uuids of providers, the uuids of
    aggregates, and custom traits and resource classes, as any of them may
    name a place or a customer. Amounts stay.

    Example::

        $ sev-scheduling export --cloud examples/cloud.yaml --anonymous
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            '--anonymous',
            action='store_true',
            help='replace what may name places and customers',
        )
        parser.add_argument(
            '--keep',
            metavar='NAME',
            type=custom_name,
            action='append',
            default=[],
            help='with --anonymous: leave this custom trait or resource '
            'class, which the flavor of the case asks for; may be repeated',
        )
        parser.add_argument(
            '--names',
            metavar='FILE',
            type=no_stdout,
            help='with --anonymous: write which name became which to FILE, '
            'as JSON that only you can read; keep it to yourself',
        )
        add_host_options(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if not parsed_args.anonymous:
            for option in ('keep', 'names'):
                if getattr(parsed_args, option):
                    raise InputError(
                        f'--{option} is for --anonymous only; leave it out.'
                    )
        with open_client(parsed_args) as client:
            from sev_scheduling.placement.embedded import (
                anonymous,
                document,
                export_cloud,
            )

            cloud = export_cloud(client)
        if parsed_args.anonymous:
            cloud, names = anonymous(cloud, parsed_args.keep)
            if parsed_args.names:
                _write(parsed_args.names, names)
        self.app.stdout.write(document(cloud))


def _write(path: str, names: Mapping[str, str]) -> None:
    try:
        # Not what somebody else has put there, nor for others to read.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(
            f'--names {quoted(path)} cannot be written: {error.strerror}; '
            'give a new file in a folder that exists.'
        ) from None
    with open(number, 'w', encoding='utf-8') as stream:
        json.dump(names, stream, indent=1)
        stream.write('\n')
