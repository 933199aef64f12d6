"""The options that say which of the hosts may take a guest."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from oslo_utils import uuidutils

from sev_scheduling.exceptions import InputError
from sev_scheduling.prefilter import Scope
from sev_scheduling.request.groups import is_trait
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient


def _uuid(text: str) -> str:
    if not uuidutils.is_uuid_like(text):
        raise argparse.ArgumentTypeError(f'{quoted(text)} is no uuid')
    return text


def _any_of(text: str) -> list[str]:
    return [_uuid(part) for part in text.split(',')]


def _trait(text: str) -> str:
    if not is_trait(text):
        raise argparse.ArgumentTypeError(f'{quoted(text)} is no trait')
    return text


def add_scope_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        'scope', 'the hosts that are asked; disabled ones take no guest'
    )
    group.add_argument(
        '--aggregate',
        metavar='UUID[,UUID...]',
        type=_any_of,
        action='append',
        default=[],
        dest='aggregates',
        help='hosts in any of these aggregates, such as that of an '
        'availability zone; may be repeated, and a host is then in one of '
        'each',
    )
    group.add_argument(
        '--forbidden-aggregate',
        metavar='UUID',
        type=_uuid,
        action='append',
        default=[],
        dest='forbidden_aggregates',
        help='hosts that are not in this aggregate; may be repeated',
    )
    group.add_argument(
        '--host',
        metavar='NAME|UUID',
        help='this host alone: its hypervisor host name, or the uuid of its '
        'root resource provider',
    )
    group.add_argument(
        '--required',
        metavar='TRAIT',
        type=_trait,
        action='append',
        default=[],
        help='hosts whose root resource provider has this trait; may be '
        'repeated',
    )
    group.add_argument(
        '--forbidden',
        metavar='TRAIT',
        type=_trait,
        action='append',
        default=[],
        help='hosts whose root resource provider does not have this trait; '
        'may be repeated',
    )


def read_scope(
    parsed_args: argparse.Namespace, client: PlacementClient
) -> Scope:
    """Return the scope that the options give.

    :raises InputError: where there is no such host, or a trait is both
        required and forbidden
    """
    return Scope(
        member_of=parsed_args.aggregates,
        forbidden_aggregates=parsed_args.forbidden_aggregates,
        in_tree=_root(parsed_args.host, client),
        root_required=parsed_args.required,
        root_forbidden=parsed_args.forbidden,
    )


def _root(host: str | None, client: PlacementClient) -> str | None:
    if host is None:
        return None
    by_uuid = uuidutils.is_uuid_like(host)
    found = client.resource_providers(
        uuid=host if by_uuid else None, name=None if by_uuid else host
    )
    roots = {provider.root_provider_uuid for provider in found}
    if not roots:
        raise InputError(
            f'--host {quoted(host)}: Placement has no such resource provider; '
            "see 'openstack hypervisor list'."
        )
    return roots.pop()
