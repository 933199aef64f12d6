"""The commands ``host list`` and ``host show``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.node import known, lines
from sev_scheduling.cli.options.scope import (
    add_scope_options,
    host_scope,
    read_scope,
)
from sev_scheduling.cli.output import Cell, Fields, Rows
from sev_scheduling.hosts.host import Host, SlotPool


class ListHosts(Rows):
    """List the hosts, and what each is to an encrypted guest

    Hosts without slots too; "capacity" counts the slots. A machine type is
    the default that the host publishes, for an image that names none.

    Example::

        $ sev-scheduling host list --cloud examples/cloud.yaml
    """

    columns = ('Host', 'Status', 'Models', 'Machine Type', 'RAM Ratio')
    nothing = 'There is no host.'

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_host_options(parser)
        add_scope_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        with open_client(parsed_args) as client:
            scope = read_scope(parsed_args, client)
            hosts = client.hosts(details=True, scope=scope)
        return [
            (
                host.name,
                _status(host),
                lines(sorted(host.pools)),
                _machine_types(host),
                known(host.ram_allocation_ratio),
            )
            for host in hosts
        ]


class ShowHost(Fields):
    """Show what Placement says of a host

    Example::

        $ sev-scheduling host show --cloud examples/cloud.yaml epyc-01
    """

    columns = (
        *('Host', 'UUID', 'Status', 'Slots', 'Machine Type', 'RAM Ratio'),
        'Traits',
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            'host',
            metavar='HOST',
            help='its hypervisor host name, or the uuid of its root resource '
            'provider',
        )
        add_host_options(parser)

    def fields(self, parsed_args: argparse.Namespace) -> Sequence[Any] | None:
        with open_client(parsed_args) as client:
            scope = host_scope(parsed_args, client)
            (host,) = client.hosts(details=True, scope=scope)
        return (
            host.name,
            host.uuid,
            _status(host),
            _slots(host),
            _machine_types(host),
            known(host.ram_allocation_ratio),
            lines(sorted(host.traits)),
        )


def _status(host: Host) -> str:
    return 'disabled' if host.disabled else 'enabled'


def _machine_types(host: Host) -> Any:
    """Return architecture -> machine type, as far as it is published."""
    published = {k: v for k, v in sorted(host.machine_types.items()) if v}
    return Cell(published, ', '.join(published.values()) or '-')


def _slots(host: Host) -> Cell:
    """Return model -> numbers of slots; null where there is no limit."""
    numbers = {
        model: _numbers(pool) for model, pool in sorted(host.pools.items())
    }
    lines = (
        f'{model}: '
        + ', '.join(
            f'{key} {"-" if number is None else number}'
            for key, number in of_model.items()
        )
        for model, of_model in numbers.items()
    )
    return Cell(numbers, '\n'.join(lines))


def _numbers(pool: SlotPool) -> dict[str, int | None]:
    limited = not pool.unlimited
    return {
        'total': pool.total if limited else None,
        'reserved': pool.reserved,
        'used': pool.used,
        'free': pool.free if limited else None,
    }
