"""The command ``capacity``."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from sev_scheduling.cli import metrics, terminal
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.scope import add_scope_options, read_scope
from sev_scheduling.cli.output import Cell, Rows
from sev_scheduling.exceptions import InputError
from sev_scheduling.explain.catalogue import NO_LIMIT
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.models import registered_models

Row = tuple[Host, str, SlotPool]


class Capacity(Rows):
    """Show the slots of each host and model, full ones included

    Used and reserved slots make up the total where none is free. A host
    whose status is disabled gives none to guests, free or not. On a
    terminal, tables have bars, and the sums of each model follow.

    Example::

        $ sev-scheduling capacity --cloud examples/cloud.yaml --model amd-sev
    """

    columns = ('Host', 'Model', 'Total', 'Reserved', 'Used', 'Free', 'Status')
    nothing = 'No host offers slots.'

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_host_options(parser)
        add_scope_options(parser)
        parser.add_argument(
            '--model',
            metavar='MODEL',
            action='append',
            default=[],
            dest='models',
            help='show this model only; may be repeated',
        )
        parser.add_argument(
            '--prometheus',
            metavar='FILE',
            help="also write the numbers to FILE, for the node exporter's "
            'textfile collector: whole or not at all',
        )

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        for name in parsed_args.models:
            if name not in registered_models():
                raise InputError(
                    f'--model {name!r} is not known; choose from '
                    f'{", ".join(registered_models())}.'
                )
        with open_client(parsed_args) as client:
            hosts = client.hosts(scope=read_scope(parsed_args, client))
        self._pools = pools_of(hosts, parsed_args.models)
        if parsed_args.prometheus:
            metrics.write(parsed_args.prometheus, self._pools)
        if any(pool.unlimited for *_, pool in self._pools):
            print(NO_LIMIT, file=self.app.stderr)
        return [
            (
                host.name,
                model,
                _known(pool, pool.total),
                pool.reserved,
                pool.used,
                _known(pool, pool.free),
                'disabled' if host.disabled else 'enabled',
            )
            for host, model, pool in self._pools
        ]

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Any,
    ) -> int:
        """Add bars and sums to a whole table on a terminal."""
        stdout = self.app.stdout
        if (
            not data
            or parsed_args.formatter != 'table'
            or parsed_args.columns
            or not stdout.isatty()
        ):
            return super().produce_output(parsed_args, column_names, data)
        cells = _cells((column_names, *data), stdout)
        barred = [
            (
                *row,
                ''
                if pool.unlimited
                else terminal.bar(pool.used, pool.capacity, stdout, cells),
            )
            for row, (*_, pool) in zip(data, self._pools, strict=True)
        ]
        super().produce_output(parsed_args, (*column_names, 'In Use'), barred)
        stdout.write('\n'.join(_sums(self._pools)) + '\n')
        return 0


def _known(pool: SlotPool, number: int) -> int | Cell:
    """Return a number of slots; null, and - for people, without a limit."""
    return Cell(None, '-') if pool.unlimited else number


def pools_of(hosts: Iterable[Host], models: Sequence[str] = ()) -> list[Row]:
    """Return the pools, by model, then by host as people count."""
    rows = [
        (host, model, pool)
        for host in hosts
        for model, pool in host.pools.items()
        if not models or model in models
    ]
    return sorted(rows, key=lambda row: (row[1], _natural(row[0].name)))


def _cells(rows: Sequence[Sequence[Any]], stream: TextIO) -> int:
    """Return how many cells bars may have for a table to fit the terminal.

    :returns: 20 at most; 0, which leaves the percentage, for less than 5
    """
    columns = zip(*rows, strict=True)
    widths = [max(len(str(cell)) for cell in column) for column in columns]
    # A cell has a line and two spaces; a last line ends the table.
    taken = sum(width + 3 for width in widths) + 3 + len(' 100%') + 1
    cells = min(20, (terminal.width(stream) or 0) - taken)
    return cells if cells >= 5 else 0


def _natural(name: str) -> list[tuple[int, str]]:
    """Order epyc-2 before epyc-10."""
    parts = re.split(r'([0-9]+)', name)
    return [(int(p), '') if p.isdigit() else (-1, p) for p in parts]


def _sums(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line for each model; rows of one model stand together."""
    for model, of_model in itertools.groupby(rows, lambda row: row[1]):
        by_host = [(host, pool) for host, _, pool in of_model]
        limited = [pool for _, pool in by_host if not pool.unlimited]
        used = sum(pool.used for pool in limited)
        usable = sum(pool.capacity for pool in limited)
        full = sum(pool.free == 0 for _, pool in by_host)
        disabled = sum(host.disabled for host, _ in by_host)
        yield (
            f'{model}: {used} of {usable} slots in use; {full} of '
            f'{len(by_host)} hosts full'
            + (f', {disabled} disabled' if disabled else '')
        )
