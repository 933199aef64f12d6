"""The options that say which of the hosts may take a guest."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oslo_utils import uuidutils

from sev_scheduling.cli.options.clouds import open_cloud
from sev_scheduling.exceptions import InputError
from sev_scheduling.prefilter import Scope
from sev_scheduling.request.groups import is_trait
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient


#: Of hosts that no aggregate puts into another, unless nova.conf says so.
_DEFAULT_ZONE = 'nova'


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
    # In openstack, aggregates have names.
    named = bool(parser.get_default('connect'))
    group = parser.add_argument_group(
        'scope', 'the hosts that are asked; disabled ones take no guest'
    )
    if named:
        group.add_argument(
            '--availability-zone',
            metavar='ZONE',
            help='hosts in this availability zone; nova is that of hosts that '
            'are in no other',
        )
    group.add_argument(
        '--aggregate',
        metavar='NAME|ID' if named else 'UUID[,UUID...]',
        type=str if named else _any_of,
        action='append',
        default=[],
        dest='aggregates',
        help='hosts in this aggregate; may be repeated, and a host is then '
        'in each'
        if named
        else 'hosts in any of these aggregates, such as that of an '
        'availability zone; may be repeated, and a host is then in one of '
        'each',
    )
    group.add_argument(
        '--forbidden-aggregate',
        metavar='NAME|ID' if named else 'UUID',
        type=str if named else _uuid,
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

    :raises InputError: where there is no such host, aggregate or zone, or a
        trait is both required and forbidden
    :raises CloudError: where aggregates are not for this user
    """
    member_of = parsed_args.aggregates
    forbidden = parsed_args.forbidden_aggregates
    zone = getattr(parsed_args, 'availability_zone', None)
    if parsed_args.connect and (member_of or forbidden or zone):
        known = open_cloud(parsed_args).aggregates()
        member_of = [[_aggregate(name, known)] for name in member_of]
        forbidden = [_aggregate(name, known) for name in forbidden]
        if zone:
            inside, outside = _zone(zone, known)
            member_of += inside
            forbidden += outside
    return Scope(
        member_of=member_of,
        forbidden_aggregates=forbidden,
        in_tree=_root(parsed_args.host, client, '--host '),
        root_required=parsed_args.required,
        root_forbidden=parsed_args.forbidden,
    )


def _aggregate(name_or_id: str, known: Sequence[Mapping[str, Any]]) -> str:
    """Return the uuid of an aggregate."""
    for key in ('uuid', 'id', 'name'):
        for aggregate in known:
            if str(aggregate[key]) == name_or_id:
                return str(aggregate['uuid'])
    raise InputError(
        f'There is no aggregate {quoted(name_or_id)}; see '
        "'openstack aggregate list'."
    )


def _zone(
    name: str, known: Sequence[Mapping[str, Any]]
) -> tuple[list[list[str]], list[str]]:
    """Return aggregates that a zone's hosts are in, and those they are not."""
    zones = [
        (aggregate['metadata'].get('availability_zone'), aggregate['uuid'])
        for aggregate in known
    ]
    inside = [uuid for zone, uuid in zones if zone == name]
    if inside:
        return [inside], []
    if name != _DEFAULT_ZONE:
        raise InputError(
            f'There is no availability zone {quoted(name)}; see '
            "'openstack availability zone list'."
        )
    return [], [uuid for zone, uuid in zones if zone]


def host_scope(host: str, client: PlacementClient) -> Scope:
    """Return the scope of one host, disabled or not.

    :raises InputError: where there is none
    """
    return Scope(in_tree=_root(host, client))


def _root(
    host: str | None, client: PlacementClient, option: str = ''
) -> str | None:
    if host is None:
        return None
    by_uuid = uuidutils.is_uuid_like(host)
    found = client.resource_providers(
        uuid=host if by_uuid else None, name=None if by_uuid else host
    )
    roots = {provider.root_provider_uuid for provider in found}
    if not roots:
        raise InputError(
            f'{option}{quoted(host)}: Placement has no such resource '
            "provider; see 'openstack hypervisor list'."
        )
    return roots.pop()
