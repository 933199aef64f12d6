"""The command ``translate``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from sev_scheduling.cli.options.clouds import add_cloud_option
from sev_scheduling.cli.options.inputs import (
    add_request_options,
    positive,
    read_request,
)
from sev_scheduling.cli.output import Cell, Fields
from sev_scheduling.explain.explanation import explain
from sev_scheduling.prefilter import translate
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.rules.validation import validate


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
        add_cloud_option(parser)
        parser.add_argument(
            '--limit',
            metavar='N',
            type=positive,
            help='how many candidates Placement may answer with',
        )

    def fields(self, parsed_args: argparse.Namespace) -> Sequence[Any] | None:
        validation = validate(read_request(parsed_args))
        if validation.errors:
            self.refuse(explain(validation))
            return None
        query = translate(validation)
        models = [model.name for model in query.models]
        text = query.querystring(parsed_args.limit)
        return (
            Cell(models, ', '.join(models)),
            query.microversion,
            query.group_policy,
            Cell([*map(_group, query.groups)], _lines(query.groups)),
            Cell(text, text.replace('&', '\n&')),
        )


def _group(group: RequestGroup) -> dict[str, Any]:
    return {
        'suffix': group.suffix,
        'resources': dict(group.resources),
        'required': [sorted(traits) for traits in group.required],
        'forbidden': sorted(group.forbidden),
    }


def _lines(groups: Iterable[RequestGroup]) -> str:
    lines = []
    for group in groups:
        lines.append(f'{group.suffix or "(the host)"}:')
        lines += [f'  {n} {name}' for name, n in group.resources.items()]
        lines += [f'  trait {" or ".join(sorted(t))}' for t in group.required]
        lines += [f'  not trait {name}' for name in sorted(group.forbidden)]
    return '\n'.join(lines)
