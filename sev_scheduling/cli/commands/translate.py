"""The command ``translate``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cliff.columns import FormattableColumn

from sev_scheduling.cli.options.inputs import (
    add_request_options,
    positive,
    read_request,
)
from sev_scheduling.cli.output import Fields
from sev_scheduling.exceptions import InvalidRequest
from sev_scheduling.explain.explanation import explain
from sev_scheduling.prefilter import translate
from sev_scheduling.request.groups import RequestGroup


class Models(FormattableColumn[list[str]]):
    """Names of models, the best first."""

    def human_readable(self) -> str:
        return ', '.join(self._value)


class Query(FormattableColumn[str]):
    """A query string, with each parameter on a line of its own."""

    def human_readable(self) -> str:
        return '\n&'.join(self._value.split('&'))


class Groups(FormattableColumn[Any]):
    """Request groups: structured for machines, a few lines for people."""

    _value: tuple[RequestGroup, ...]

    def machine_readable(self) -> list[dict[str, Any]]:
        return [
            {
                'suffix': group.suffix,
                'resources': dict(group.resources),
                'required': [sorted(traits) for traits in group.required],
                'forbidden': sorted(group.forbidden),
            }
            for group in self._value
        ]

    def human_readable(self) -> str:
        return '\n'.join(
            line for group in self._value for line in _lines(group)
        )


def _lines(group: RequestGroup) -> list[str]:
    lines = [f'{group.suffix or "(the host)"}:']
    lines += [f'  {amount} {name}' for name, amount in group.resources.items()]
    lines += [f'  trait {" or ".join(sorted(ors))}' for ors in group.required]
    lines += [f'  not trait {name}' for name in sorted(group.forbidden)]
    return lines


class Translate(Fields):
    """Show the query for allocation candidates that Placement is sent

    The slot and the model's trait are a request group of their own, so that
    one resource provider has both. Exit status 1 where the request is
    invalid.

    Example::

        $ sev-scheduling translate --flavor flavor.json --image image.json
    """

    columns = (
        'models',
        'microversion',
        'group_policy',
        'groups',
        'querystring',
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_request_options(parser)
        parser.add_argument(
            '--limit',
            metavar='N',
            type=positive,
            help='how many candidates Placement may answer with',
        )

    def fields(self, parsed_args: argparse.Namespace) -> Sequence[Any] | None:
        try:
            query = translate(read_request(parsed_args))
        except InvalidRequest as error:
            self.say_no(explain(error.problems).operator())
            return None
        return (
            Models([model.name for model in query.models]),
            query.microversion,
            query.group_policy,
            Groups(query.groups),
            Query(query.querystring(parsed_args.limit)),
        )
