"""The options that say where the hosts are, and the client onto them."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sev_scheduling.exceptions import InputError
from sev_scheduling.text import one_line, quoted

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter
    from keystoneauth1.session import Session
    from openstack.connection import Connection

    from sev_scheduling.cli.openstack import OpenStackCloud
    from sev_scheduling.placement.client import PlacementClient


def add_cloud_option(parser: argparse.ArgumentParser) -> None:
    """Add what a command needs that asks for things by name, not for hosts."""
    if not parser.get_default('connect'):
        parser.add_argument(
            '--os-cloud',
            metavar='NAME',
            help='a cloud of clouds.yaml, for what is given by name or id '
            '(default: OS_CLOUD)',
        )


def add_host_options(parser: argparse.ArgumentParser) -> None:
    if parser.get_default('connect'):
        # The hosts are those of the cloud.
        return
    group = parser.add_argument_group(
        'hosts',
        'a cloud file, a Placement, or (the default) the OpenStack cloud that '
        'clouds.yaml or the OS_ variables configure',
    )
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        '--cloud',
        metavar='FILE',
        help='a cloud file, loaded into a Placement in this process; - for '
        'standard input',
    )
    source.add_argument(
        '--placement-url',
        metavar='URL',
        help='the endpoint of a Placement, such as '
        'http://controller:8778/placement',
    )
    source.add_argument(
        '--os-cloud',
        metavar='NAME',
        help='a cloud of clouds.yaml (default: OS_CLOUD)',
    )
    group.add_argument(
        '--state',
        metavar='FILE',
        type=Path,
        help='keep the database of the Placement in this process, so that '
        'the next command sees the guests of this one; once it is there, '
        '--cloud may be left out',
    )
    group.add_argument(
        '--os-token',
        metavar='TOKEN',
        default=os.environ.get('OS_TOKEN', 'admin'),
        help='for --placement-url (default: OS_TOKEN, else admin, which a '
        'Placement without Keystone takes)',
    )
    group.add_argument(
        '--os-cacert',
        metavar='FILE',
        default=os.environ.get('OS_CACERT'),
        help='certificates to trust, for --placement-url (default: '
        'OS_CACERT, else those of the system)',
    )


@contextlib.contextmanager
def open_client(parsed_args: argparse.Namespace) -> Iterator[PlacementClient]:
    """Give a client onto the Placement that the options name.

    :raises InputError: where they name none, or one that cannot be used
    """
    if parsed_args.connect:
        yield _client(_placement(parsed_args))
        return
    state = parsed_args.state
    embedded = bool(parsed_args.cloud or state)
    if state and (parsed_args.placement_url or parsed_args.os_cloud):
        raise InputError('--state is for --cloud only; leave it out.')
    if embedded and not parsed_args.cloud and not state.exists():
        raise InputError(
            f'State file {str(state)!r} is not there; give --cloud as well.'
        )
    with contextlib.ExitStack() as stack:
        adapter: Adapter | Session
        if embedded:
            adapter = stack.enter_context(_embedded(parsed_args.cloud, state))
        elif parsed_args.placement_url:
            adapter = _at_url(parsed_args)
        else:
            adapter = _placement(parsed_args)
        yield _client(adapter)


def _client(adapter: Adapter | Session) -> PlacementClient:
    from sev_scheduling.placement import PlacementClient

    return PlacementClient(adapter)


@contextlib.contextmanager
def _embedded(cloud_file: str | None, state: Path | None) -> Iterator[Adapter]:
    from sev_scheduling.placement import (
        embedded_placement,
        load_cloud,
        read_cloud_file,
    )

    # Read first: a bad file must leave no state file behind.
    cloud = read_cloud_file(cloud_file) if cloud_file else None
    with embedded_placement(state) as adapter:
        if cloud is not None:
            load_cloud(adapter, cloud)
        yield adapter


def _endpoint(url: str) -> str:
    """Check a URL.

    :raises InputError: where it is no endpoint
    """
    such = 'give such as http://controller:8778/placement.'
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ('http', 'https') and bool(parts.hostname)
        _ = parts.port  # raises
    except ValueError:
        valid = False
    if not valid or re.search(r'[\s?#]', url):
        raise InputError(
            f'--placement-url {quoted(url)} is no http or https URL of an '
            f'endpoint; {such}'
        )
    if '@' in parts.netloc:
        # Not quoted: there may be a password in it.
        raise InputError(
            f'--placement-url has a user in it; use --os-token, and {such}'
        )
    return url


def _at_url(parsed_args: argparse.Namespace) -> Session:
    url = _endpoint(parsed_args.placement_url)
    cacert = parsed_args.os_cacert
    if cacert and not Path(cacert).is_file():
        raise InputError(f'--os-cacert {cacert!r} is no file.')

    from keystoneauth1.session import Session
    from keystoneauth1.token_endpoint import Token

    auth = Token(endpoint=url, token=parsed_args.os_token)
    return Session(auth=auth, verify=cacert or True)


def open_cloud(parsed_args: argparse.Namespace) -> OpenStackCloud:
    """Give the OpenStack cloud that the options, or openstack's, name.

    :raises InputError: where it cannot be used
    """
    from sev_scheduling.cli.openstack import OpenStackCloud

    return OpenStackCloud(_connection(parsed_args))


def _connection(parsed_args: argparse.Namespace) -> Connection:
    """Return the one connection of a command, signed in."""
    connection: Connection
    if parsed_args.connect:
        connection = parsed_args.connect()
    else:
        if not hasattr(parsed_args, 'connection'):
            parsed_args.connection = _configured(parsed_args.os_cloud)
        connection = parsed_args.connection
    return connection


def _placement(parsed_args: argparse.Namespace) -> Adapter:
    """Return an adapter onto the Placement of a cloud."""
    adapter: Adapter = _connection(parsed_args).placement
    name = getattr(parsed_args, 'os_cloud', None)
    try:
        endpoint = adapter.get_endpoint()
    except Exception as error:
        raise _unusable(name, str(error)) from error
    if not endpoint:
        raise _unusable(name, 'its catalog has no Placement')
    return adapter


def _configured(name: str | None) -> Connection:
    """Sign in to the cloud that is configured."""
    try:
        import openstack
    except ImportError as error:
        raise InputError(
            'Say where the hosts are: --cloud FILE or --placement-url URL; '
            f'an OpenStack cloud needs {error.name}: pip install '
            "'sev-scheduling[osc]'."
        ) from None
    name = name or os.environ.get('OS_CLOUD')
    try:
        connection: Connection = openstack.connect(cloud=name)
        # It has done nothing so far.
        connection.authorize()
    except Exception as error:
        # Of what is wrong in clouds.yaml openstacksdk makes any exception.
        raise _unusable(name, str(error)) from error
    return connection


def _unusable(name: str | None, why: str) -> InputError:
    why = one_line(why).rstrip('.')
    cloud = f'cloud {quoted(name)}' if name else 'cloud that is configured'
    return InputError(
        f'The OpenStack {cloud} cannot be used: {why}; -v shows '
        'more. Name '
        'one of clouds.yaml with --os-cloud, or give --cloud FILE or '
        '--placement-url URL.'
    )
