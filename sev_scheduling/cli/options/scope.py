"""The options that say which of the hosts may take a guest."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import os_traits
from oslo_utils import uuidutils

from sev_scheduling.cli.options.clouds import asks_cloud, open_cloud
from sev_scheduling.exceptions import InputError
from sev_scheduling.prefilter import Scope
from sev_scheduling.request.groups import is_trait
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient


#: Of hosts that no aggregate puts into another, unless nova.conf says so.
_DEFAULT_ZONE = 'nova'


def _words(text: str) -> list[str]:
    """Read names or ids with commas between them; for argparse."""
    words = text.split(',')
    if not all(words):
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} has an empty part; put one comma between two'
        )
    return words


def _one_word(text: str) -> list[str]:
    """Read a name or an id, which may have commas; for argparse."""
    return [text]


def _trait(text: str) -> str:
    if not is_trait(text):
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no trait; give such as CUSTOM_GOLD'
        )
    return text


def add_scope_options(parser: argparse.ArgumentParser) -> None:
    in_openstack = bool(parser.get_default('connect'))
    group = parser.add_argument_group(
        'scope', 'the hosts that are asked; disabled ones take no guest'
    )
    group.add_argument(
        '--availability-zone',
        metavar='ZONE',
        help='hosts in this availability zone; nova is that of hosts that '
        'are in no other'
        if in_openstack
        else 'hosts in this availability zone of the OpenStack cloud; nova is '
        'that of hosts that are in no other. A cloud file and a Placement '
        'have none: give --aggregate',
    )
    group.add_argument(
        '--aggregate',
        metavar='NAME|ID' if in_openstack else 'NAME|ID[,NAME|ID...]',
        type=_one_word if in_openstack else _words,
        action='append',
        default=[],
        dest='aggregates',
        help='hosts in this aggregate; may be repeated, and a host is then '
        'in each'
        if in_openstack
        else 'hosts in any of these aggregates, such as that of an '
        'availability zone; may be repeated, and a host is then in one of '
        'each. Names are those of the OpenStack cloud; with --cloud, --state '
        'or --placement-url, give uuids',
    )
    group.add_argument(
        '--forbidden-aggregate',
        metavar='NAME|ID',
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
        help='hosts whose root resource provider does not have this trait, '
        'whatever its pools have; may be repeated',
    )


def read_scope(
    parsed_args: argparse.Namespace, client: PlacementClient
) -> Scope:
    """Return the scope that the options give.

    :raises InputError: where there is no such host, aggregate or zone, or a
        trait is both required and forbidden
    :raises CloudError: where aggregates are not for this user
    """
    both = {*parsed_args.required} & {*parsed_args.forbidden}
    if both:
        raise InputError(
            f'--required and --forbidden both name {min(both)}; give one.'
        )
    if os_traits.COMPUTE_STATUS_DISABLED in parsed_args.required:
        raise InputError(
            f'--required {os_traits.COMPUTE_STATUS_DISABLED}: a disabled host '
            'takes no guest; leave it out.'
        )
    zone = parsed_args.availability_zone
    find = _Aggregates(parsed_args)
    if zone and not (parsed_args.connect or asks_cloud(parsed_args)):
        raise InputError(
            f'--availability-zone {quoted(zone)}: zones are those of an '
            'OpenStack cloud; with --cloud, --state or --placement-url, give '
            '--aggregate.'
        )
    member_of = [
        [find.uuid(word, '--aggregate') for word in words]
        for words in parsed_args.aggregates
    ]
    forbidden = [
        find.uuid(word, '--forbidden-aggregate')
        for word in parsed_args.forbidden_aggregates
    ]
    if zone:
        inside, outside = _zone(zone, find.known)
        member_of += inside
        forbidden += outside
    return Scope(
        member_of=member_of,
        forbidden_aggregates=forbidden,
        in_tree=_root(parsed_args, client, '--host '),
        root_required=parsed_args.required,
        root_forbidden=parsed_args.forbidden,
        of_options=True,
    )


class _Aggregates:
    """Finds host aggregates; asks nova for them once, if at all."""

    def __init__(self, parsed_args: argparse.Namespace) -> None:
        self._parsed_args = parsed_args

    @functools.cached_property
    def known(self) -> Sequence[Mapping[str, Any]]:
        return open_cloud(self._parsed_args).aggregates()

    def uuid(self, name_or_id: str, option: str) -> str:
        """Return the uuid of an aggregate.

        :raises InputError: where there is none, or no cloud that has names
        """
        parsed_args = self._parsed_args
        if not parsed_args.connect:
            if uuidutils.is_uuid_like(name_or_id):
                return name_or_id
            if not asks_cloud(parsed_args):
                raise InputError(
                    f'{option} {quoted(name_or_id)} is no uuid; names are '
                    'those of an OpenStack cloud.'
                )
        for key in ('uuid', 'id', 'name'):
            for aggregate in self.known:
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


def host_scope(
    parsed_args: argparse.Namespace, client: PlacementClient
) -> Scope:
    """Return the scope of the one host that is named, disabled or not.

    :raises InputError: where there is none
    """
    return Scope(in_tree=_root(parsed_args, client))


def _root(
    parsed_args: argparse.Namespace, client: PlacementClient, option: str = ''
) -> str | None:
    host: str | None = parsed_args.host
    if host is None:
        return None
    by_uuid = uuidutils.is_uuid_like(host)
    found = client.resource_providers(
        uuid=host if by_uuid else None, name=None if by_uuid else host
    )
    roots = {provider.root_provider_uuid for provider in found}
    if not roots:
        in_openstack = parsed_args.connect or asks_cloud(parsed_args)
        listing = 'openstack hypervisor list'
        if not in_openstack:
            listing = 'sev-scheduling capacity'
        raise InputError(
            f'{option}{quoted(host)}: Placement has no such resource '
            f"provider; see '{listing}'."
        )
    return roots.pop()
