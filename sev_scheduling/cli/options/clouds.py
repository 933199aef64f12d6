"""The options that say where the hosts are, and the client onto them."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sev_scheduling.cli.options.credentials import (
    SESSION,
    add_openstack_options,
    connect,
    given,
    usable,
)
from sev_scheduling.cli.output import no_stdout
from sev_scheduling.exceptions import InputError, needed
from sev_scheduling.text import quoted

LOG = logging.getLogger(__name__)

#: Options of use with the URL of a Placement, as they are parsed.
_AT_URL = (
    'os_token',
    *(name.lstrip('-').replace('-', '_') for name in SESSION),
)

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter
    from keystoneauth1.session import Session
    from openstack.connection import Connection

    from sev_scheduling.cli.openstack import OpenStackCloud
    from sev_scheduling.placement.client import PlacementClient


def add_cloud_option(parser: argparse.ArgumentParser) -> None:
    """Add what a command needs that asks for things by name, not for hosts."""
    if not parser.get_default('connect'):
        group = parser.add_argument_group(
            'cloud', 'for what is given by name or id'
        )
        add_openstack_options(group, group)


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
        type=_endpoint,
        help='the endpoint of a Placement, such as '
        'http://controller:8778/placement',
    )
    group.add_argument(
        '--state',
        metavar='FILE',
        type=_database,
        help='keep the database of the Placement in this process, so that '
        'the next command sees the guests of this one; once it is there, '
        '--cloud may be left out',
    )
    add_openstack_options(group, source)


def _database(text: str) -> Path:
    """Read the file of a database; for argparse."""
    return Path(no_stdout(text))


def asks_cloud(parsed_args: argparse.Namespace) -> bool:
    """Whether the hosts, if any, are those of an OpenStack cloud."""
    return not any(
        getattr(parsed_args, option, None)
        for option in ('cloud', 'state', 'placement_url')
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
    if state and (parsed_args.placement_url or 'os_cloud' in parsed_args):
        raise InputError('--state is for --cloud only; leave it out.')
    if embedded and not parsed_args.cloud and not state.exists():
        raise InputError(
            f'State file {str(state)!r} is not there; give --cloud as well.'
        )
    with contextlib.ExitStack() as stack:
        adapter: Adapter | Session
        if embedded:
            given(parsed_args, '--cloud' if parsed_args.cloud else '--state')
            adapter = stack.enter_context(_embedded(parsed_args.cloud, state))
        elif parsed_args.placement_url:
            adapter = _at_url(parsed_args)
        else:
            adapter = _placement(parsed_args)
        yield _client(adapter, getattr(parsed_args, 'timeout', None))


def _client(
    adapter: Adapter | Session, timeout: float | None = None
) -> PlacementClient:
    with needed('placement', 'Placement'):
        from sev_scheduling.placement import PlacementClient
    if timeout is None:
        return PlacementClient(adapter)
    return PlacementClient(adapter, timeout=timeout)


@contextlib.contextmanager
def _embedded(cloud_file: str | None, state: Path | None) -> Iterator[Adapter]:
    with needed('embedded', '--cloud'):
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
    """Read the URL of an endpoint; for argparse."""
    such = 'give such as http://controller:8778/placement'
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ('http', 'https') and bool(parts.hostname)
        _ = parts.port  # raises
    except ValueError:
        valid = False
    if not valid or re.search(r'[\s?#]', url):
        raise argparse.ArgumentTypeError(
            f'{quoted(url)} is no http or https URL of an endpoint; {such}'
        )
    if '@' in parts.netloc:
        # Not quoted: there may be a password in it.
        raise argparse.ArgumentTypeError(
            f'it has a user in it; use --os-token, and {such}'
        )
    return url


def _at_url(parsed_args: argparse.Namespace) -> Session:
    url = parsed_args.placement_url
    options = given(parsed_args, '--placement-url', _AT_URL)
    for name in ('os_cacert', 'os_cert', 'os_key'):
        if name in options and not Path(options[name]).is_file():
            raise InputError(
                f'--{name.replace("_", "-")} {quoted(options[name])} is no '
                'file.'
            )
    if 'os_key' in options and 'os_cert' not in options:
        raise InputError('--os-key is for --os-cert; give both.')
    with needed('placement', '--placement-url'):
        from keystoneauth1.session import Session
        from keystoneauth1.token_endpoint import Token

    token = options.get('os_token') or os.environ.get('OS_TOKEN', 'admin')
    verify: bool | str = (
        options.get('os_cacert') or os.environ.get('OS_CACERT') or True
    )
    cert = options.get('os_cert')
    if cert and 'os_key' in options:
        cert = (cert, options['os_key'])
    return Session(
        auth=Token(endpoint=url, token=token),
        verify='insecure' not in options and verify,
        cert=cert,
    )


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
            parsed_args.connection = connect(parsed_args)
        connection = parsed_args.connection
    return connection


def _placement(parsed_args: argparse.Namespace) -> Adapter:
    """Return an adapter onto the Placement of a cloud."""
    connection = _connection(parsed_args)
    with usable(parsed_args):
        adapter: Adapter = connection.placement
        # It has done nothing so far; this asks for a token.
        endpoint = adapter.get_endpoint()
        if not endpoint:
            raise InputError('its catalog has no Placement')
    LOG.info('The Placement of the cloud is at %s', endpoint)
    return adapter
