"""The command ``check``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from sev_scheduling.cli.options.clouds import add_cloud_option
from sev_scheduling.cli.options.inputs import add_request_options, read_request
from sev_scheduling.cli.output import Words
from sev_scheduling.explain.explanation import explain
from sev_scheduling.rules.validation import validate


class Check(Words):
    """Say whether a flavor and an image can run encrypted, and what to change

    Names every problem at once, each with its fix. No host is asked. Exit
    status 1 where a problem is an error; warnings do not count.

    Example::

        $ openstack flavor show -f json m1.sev > flavor.json
        $ openstack image show -f json ubuntu-24.04 > image.json
        $ sev-scheduling check --flavor flavor.json --image image.json
        $ openstack memory encryption check --flavor m1.sev \\
            --image ubuntu-24.04
    """

    columns = ('Code', 'Severity', 'Where', 'Message', 'Fix')

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_request_options(parser)
        add_cloud_option(parser)
        parser.add_argument(
            '--machine-type',
            metavar='TYPE',
            help="the hosts' default machine type, where it is known: what "
            'an image without hw_machine_type gets',
        )

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        validation = validate(
            read_request(parsed_args), parsed_args.machine_type
        )
        self.report(explain(validation), no=bool(validation.errors))
        return [
            (str(p.code), str(p.severity), p.where, p.message, str(p.fix))
            for p in validation
        ]
