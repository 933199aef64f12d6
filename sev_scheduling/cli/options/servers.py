"""The option that names a server, and what is known of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli.options.clouds import open_cloud
from sev_scheduling.cli.options.inputs import read_input
from sev_scheduling.exceptions import CloudError, InputError, SpecError
from sev_scheduling.explain.server import FailedAction
from sev_scheduling.request.server import (
    ServerRequests,
    ServerView,
    read_server,
    server_view,
)
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.cli.openstack import OpenStackCloud


def add_server_option(parser: argparse.ArgumentParser) -> None:
    in_openstack = bool(parser.get_default('connect'))
    parser.add_argument(
        '--server',
        metavar='NAME|ID' if in_openstack else 'FILE|NAME|ID',
        help='a server in place of --flavor: what it asks for by the copies '
        'that it keeps, its fault, and what would be said today'
        + (
            ''
            if in_openstack
            else '; beside a file, which has no image properties, give --image'
        ),
    )


def read_server_requests(
    parsed_args: argparse.Namespace,
) -> tuple[ServerRequests, FailedAction | None]:
    """Read what a server asks for, and how its last action ended.

    :raises InputError: if there is no such server
    :raises CloudError: if the cloud does not show it
    :raises SpecError: if too little is known of it
    """
    document, of_cloud = read_input('server', parsed_args)
    try:
        server = server_view(document)
    except SpecError as error:
        raise InputError(
            f'--server {quoted(parsed_args.server)}: {error}'
        ) from None
    flavor = read_input('flavor', parsed_args)[0]
    image = (
        read_input('image', parsed_args)[0]
        or read_input('volume', parsed_args)[0]
    )
    failed = None
    if of_cloud:
        cloud = open_cloud(parsed_args)
        flavor = flavor or _flavor(cloud, server)
        image = image or _booted(cloud, server)
        failed = _failed_action(cloud, server)
    return read_server(server, flavor, image), failed


def _flavor(
    cloud: OpenStackCloud, server: ServerView
) -> Mapping[str, Any] | None:
    """Return the flavor of today; None where it is not there any more."""
    if server.flavor_name is None:
        return None
    try:
        return cloud.flavor(server.flavor_name)
    except (InputError, CloudError):
        # The copy may be enough; where it is not, that is what is reported.
        return None


def _booted(
    cloud: OpenStackCloud, server: ServerView
) -> Mapping[str, Any] | None:
    """Return the image or volume that a server boots from, as of today."""
    try:
        if server.image_id is not None:
            return cloud.image(server.image_id)
        volumes = [cloud.volume(volume) for volume in server.volumes]
    except (InputError, CloudError):
        return None
    return next((v for v in volumes if v.get('bootable') == 'true'), None)


def _failed_action(
    cloud: OpenStackCloud, server: ServerView
) -> FailedAction | None:
    try:
        actions = cloud.server_actions(server.id)
    except CloudError:
        return None
    last = max(actions, key=_time, default={})
    if last.get('message') is None:
        return None
    return FailedAction(action=str(last.get('action')), time=_time(last))


def _time(action: Mapping[str, Any]) -> str:
    return str(action.get('start_time') or '')
