"""The command ``check``."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sev_scheduling.audit.pair import plan_pair
from sev_scheduling.cli import EXIT_NO
from sev_scheduling.cli.fixing import Fixing, fixes_asked_for
from sev_scheduling.cli.options.clouds import add_cloud_option, open_cloud
from sev_scheduling.cli.options.inputs import (
    add_request_options,
    machine_type,
    read_input,
    read_request,
)
from sev_scheduling.cli.output import lines, words
from sev_scheduling.exceptions import InputError
from sev_scheduling.explain.explanation import explain
from sev_scheduling.explain.fixes import cells, steps_of
from sev_scheduling.problems import Problem, Severity
from sev_scheduling.rules.validation import validate


class Check(Fixing):
    """Say whether a flavor and an image can run encrypted, and what to change

    Names every problem at once, each with its fix. No host is asked. Exit
    status 1 where a problem is an error; warnings do not count. With --apply
    it is about what is left once all changes are made.

    Example::

        $ openstack flavor show -f json m1.sev > flavor.json
        $ openstack image show -f json ubuntu-24.04 > image.json
        $ sev-scheduling check --flavor flavor.json --image image.json
        $ openstack memory encryption check --flavor m1.sev \\
            --image ubuntu-24.04
    """

    columns: tuple[str, ...] = (
        *('Code', 'Severity', 'Where', 'Message', 'Fix', 'Caveats', 'Advice'),
    )
    statuses: Mapping[Severity | None, int] = {
        None: 0,
        Severity.WARNING: 0,
        Severity.ERROR: EXIT_NO,
    }

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_request_options(parser)
        add_cloud_option(parser)
        parser.add_argument(
            '--machine-type',
            metavar='TYPE',
            type=machine_type,
            help="the hosts' default machine type, where it is known: what "
            'an image without hw_machine_type gets',
        )
        self.add_fix_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        if fixes_asked_for(parsed_args):
            return self._fixes(parsed_args)
        validation = validate(
            read_request(parsed_args), parsed_args.machine_type
        )
        self.report(explain(validation), no=bool(validation.errors))
        return [*map(_row, validation)]

    def _fixes(
        self, parsed_args: argparse.Namespace
    ) -> Iterable[Sequence[Any]]:
        booted = 'image' if parsed_args.image is not None else 'volume'
        found = {}
        for noun in ('flavor', booted):
            found[noun], of_cloud = read_input(noun, parsed_args)
            if parsed_args.apply and not of_cloud:
                option = 'image' if noun == 'volume' else noun
                raise InputError(
                    '--apply changes what is in a cloud; give the name or '
                    f'the id of --{option}.'
                )
        return self.fixes(
            parsed_args,
            functools.partial(
                plan_pair,
                *(found['flavor'], found[booted]),
                boot_from_volume=parsed_args.boot_from_volume,
                models=parsed_args.models,
            ),
            open_cloud(parsed_args) if parsed_args.apply else None,
        )


def _row(problem: Problem) -> Sequence[Any]:
    remedy = cells([*steps_of([problem.fix], public=True)])
    return (
        *(str(problem.code), str(problem.severity), problem.where),
        *(problem.message, words(remedy.fix)),
        *(lines(*remedy.caveats), words(remedy.advice)),
    )
