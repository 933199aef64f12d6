"""The command ``capacity``."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from sev_scheduling.cli import metrics, terminal
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.scope import add_scope_options, read_scope
from sev_scheduling.cli.output import Cell, Rows
from sev_scheduling.exceptions import InputError
from sev_scheduling.explain.catalogue import NO_HOSTS, NO_LIMIT
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.text import counted

Row = tuple[Host, str, SlotPool]

#: As a file's name: standard output.
STDOUT = '-'


class Capacity(Rows):
    """Show the slots of each host and model, full ones included

    Used and reserved slots make up the total where none is free. A host
    whose status is disabled gives none to guests, free or not. "In Use" is
    the percentage of the slots that guests may have. Tables have a line for
    each model below, and bars on a terminal; --sum has the sums in every
    format.

    Example::

        $ sev-scheduling capacity --cloud examples/cloud.yaml --model amd-sev
        $ sev-scheduling capacity --cloud examples/cloud.yaml --sum -f json
    """

    columns = (
        *('Host', 'Model', 'Total', 'Reserved', 'Used', 'Free', 'Status'),
        'In Use',
    )
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
            '--sum',
            action='store_true',
            help='a row for each model in place of a row for each host: the '
            'same columns, with neither host nor status; pools that report '
            'no limit are left out',
        )
        parser.add_argument(
            '--prometheus',
            metavar='FILE',
            help="also write the numbers to FILE, for the node exporter's "
            'textfile collector: whole or not at all; - writes them to '
            'standard output, and nothing else',
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
        if not hosts:
            self.nothing = NO_HOSTS
        self._pools = pools_of(hosts, parsed_args.models)
        self._metrics = ''
        if parsed_args.prometheus == STDOUT:
            self._metrics = metrics.text(self._pools)
        elif parsed_args.prometheus:
            metrics.write(parsed_args.prometheus, self._pools)
        if any(pool.unlimited for *_, pool in self._pools):
            print(NO_LIMIT, file=self.app.stderr)
        if parsed_args.sum:
            return list(_sums(self._pools))
        return list(_host_rows(self._pools))

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Any,
    ) -> int:
        """Add bars and sums to a whole table."""
        stdout = self.app.stdout
        if self._metrics:
            stdout.write(self._metrics)
            return 0
        if not data or parsed_args.formatter != 'table' or parsed_args.columns:
            return super().produce_output(parsed_args, column_names, data)
        if stdout.isatty():
            rows = [row[:-1] for row in data]
            cells = _cells([column_names[:-1], *rows], stdout)
            data = [(*row[:-1], row[-1].bar(stdout, cells)) for row in data]
        super().produce_output(parsed_args, column_names, data)
        if not parsed_args.sum:
            stdout.write('\n'.join(_sentences(self._pools)) + '\n')
        return 0


@dataclass(frozen=True, slots=True)
class _Slots:
    """The slots of one pool, or of several together.

    :ivar total: and ``free``, ``usable`` by guests: None without a limit
    """

    total: int | None
    reserved: int
    used: int
    free: int | None
    usable: int | None

    @classmethod
    def of(cls, pools: Iterable[SlotPool]) -> _Slots:
        """Add up the pools that have a limit, if any has."""
        pools = list(pools)
        limited = [pool for pool in pools if not pool.unlimited]
        counted = limited or pools
        return cls(
            total=sum(p.total for p in limited) if limited else None,
            reserved=sum(p.reserved for p in counted),
            used=sum(p.used for p in counted),
            free=sum(p.free for p in limited) if limited else None,
            usable=sum(p.capacity for p in limited) if limited else None,
        )

    @property
    def percent(self) -> int | None:
        if self.usable is None:
            return None
        return terminal.percent(self.used, self.usable)


class _InUse(Cell):
    """A percentage, which may be drawn."""

    def __init__(self, slots: _Slots) -> None:
        self._slots = slots
        percent = slots.percent
        super().__init__(percent, '-' if percent is None else f'{percent}%')

    def bar(self, stream: TextIO, cells: int) -> str:
        usable = self._slots.usable
        if usable is None:
            return ''
        return terminal.bar(self._slots.used, usable, stream, cells)


def _row(
    host: str | Cell, model: str, slots: _Slots, status: str | Cell
) -> Sequence[Any]:
    return (
        host,
        model,
        _known(slots.total),
        slots.reserved,
        slots.used,
        _known(slots.free),
        status,
        _InUse(slots),
    )


def _known(number: int | None) -> int | Cell:
    """Return a number of slots; null, and - for people, without a limit."""
    return Cell(None, '-') if number is None else number


def _host_rows(rows: Iterable[Row]) -> Iterator[Sequence[Any]]:
    for host, model, pool in rows:
        status = 'disabled' if host.disabled else 'enabled'
        yield _row(host.name, model, _Slots.of([pool]), status)


def _sums(rows: Iterable[Row]) -> Iterator[Sequence[Any]]:
    """Yield a row for each model; rows of one model stand together."""
    for model, of_model in itertools.groupby(rows, lambda row: row[1]):
        slots = _Slots.of(pool for *_, pool in of_model)
        yield _row(Cell(None, 'all'), model, slots, Cell(None, ''))


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


def _sentences(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line for each model; rows of one model stand together."""
    for model, of_model in itertools.groupby(rows, lambda row: row[1]):
        by_host = [(host, pool) for host, _, pool in of_model]
        slots = _Slots.of(pool for _, pool in by_host)
        full = sum(pool.free == 0 for _, pool in by_host)
        disabled = sum(host.disabled for host, _ in by_host)
        yield (
            f'{model}: {_in_use(slots)}; {full} of '
            f'{counted(len(by_host), "host")} full'
            + (f', {disabled} disabled' if disabled else '')
        )


def _in_use(slots: _Slots) -> str:
    if slots.usable is None:
        return f'{counted(slots.used, "slot")} in use, without a limit'
    of = counted(slots.usable, 'slot')
    return f'{slots.used} of {of} in use ({slots.percent}%)'
