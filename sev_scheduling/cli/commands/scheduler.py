"""The command ``scheduler check``."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sev_scheduling import opts
from sev_scheduling.cli.checks import Checks
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.node import add_config_files
from sev_scheduling.exceptions import InputError, PlacementError
from sev_scheduling.hosts.check import Check as Result
from sev_scheduling.problems import Code
from sev_scheduling.text import printable

if TYPE_CHECKING:
    from sev_scheduling.configuration import Configuration


class Check(Checks):
    """Check what nova-scheduler needs for encrypted guests

    Reads nova.conf as nova-scheduler does, and changes nothing. Where nova is
    installed and nova.conf has its databases, aggregates, servers and hosts
    are checked as well; hosts also by --cloud, --placement-url or --os-cloud.
    What cannot be read or asked is a warning.

    Prints a table, and exits, as nova-status upgrade check does: 0 where
    all is well, 1 for warnings, 2 for failures, 255 for an unexpected error.

    Example::

        # sev-scheduling scheduler check --config-file /etc/nova/nova.conf \\
            --placement-config /etc/placement/placement.conf
    """

    title = 'Memory Encryption Scheduler Check Results'

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_config_files(parser)
        parser.add_argument(
            '--placement-config',
            metavar='FILE',
            type=Path,
            action='append',
            default=[],
            help='a placement.conf; may be repeated, later ones win (default: '
            '/etc/placement/placement.conf where it is there)',
        )
        add_host_options(parser)

    def results(self, parsed_args: argparse.Namespace) -> Sequence[Result]:
        # Registers the words of notes and checks.
        import sev_scheduling.explain.checks  # noqa: F401
        from sev_scheduling.scheduler import settings
        from sev_scheduling.scheduler.checks import check
        from sev_scheduling.scheduler.report import SchedulerReport

        facts: dict[str, Any] = {}
        for name, read, sources in (
            (
                'conf',
                settings.read_scheduler_conf,
                (parsed_args.config_file, parsed_args.config_dir),
            ),
            (
                'placement',
                settings.read_placement_conf,
                (parsed_args.placement_config,),
            ),
        ):
            try:
                facts[name] = read(*sources)
            except InputError as error:
                facts[f'{name}_error'] = str(error)
        facts |= _from_nova(parsed_args, facts.get('conf'))
        if _names_hosts(parsed_args):
            facts |= _from_placement(parsed_args)
        return check(SchedulerReport(**facts))


def _names_hosts(parsed_args: argparse.Namespace) -> bool:
    return bool(
        parsed_args.cloud
        or parsed_args.state
        or parsed_args.placement_url
        or 'os_cloud' in parsed_args
    )


def _from_placement(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """Return the hosts that options name; a wrong option is an error."""
    with open_client(parsed_args) as client:
        try:
            hosts = tuple(client.hosts(details=False))
        except PlacementError as error:
            return {'hosts': None, 'hosts_error': str(error)}
    return {'hosts': hosts, 'hosts_error': None}


def _from_nova(
    parsed_args: argparse.Namespace, conf: Configuration | None
) -> dict[str, Any]:
    """Return what nova's databases and its Placement have.

    :param conf: what nova.conf says; None where it could not be read
    """
    values = conf.values if conf else {}
    if not values.get(('api_database', 'connection')):
        return _errors(
            '[api_database] connection is not set; give the nova.conf of '
            'nova-api with --config-file.'
        )
    try:
        # Of what nova imports.
        with warnings.catch_warnings(action='ignore'):
            from sev_scheduling.nova.servers import facts as nova
            from sev_scheduling.nova.servers import session
    except ImportError as error:
        return _errors(f'{error.name} is not installed here.')
    allowed = values.get((opts.GROUP.name, 'allow_host_devices'))
    facts: dict[str, Any] = {}
    try:
        with session.open_nova(
            map(str, parsed_args.config_file),
            map(str, parsed_args.config_dir),
        ) as (context, client):
            facts['aggregates'] = nova.read_aggregates(context)
            facts['servers'] = nova.read_encrypted(
                context, as_warnings=(Code.HOST_DEVICE,) if allowed else ()
            )
            if not _names_hosts(parsed_args):
                facts['hosts'] = tuple(client.hosts(details=False))
    except (InputError, PlacementError) as error:
        return {**_errors(printable(str(error))), **facts}
    return facts


def _errors(why: str) -> dict[str, Any]:
    names = ('hosts', 'aggregates', 'servers')
    return {f'{name}_error': why for name in names}
