"""The command ``capacity``."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from sev_scheduling.cli import STDOUT, metrics, page, terminal
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import add_request_options, read_request
from sev_scheduling.cli.options.scope import add_scope_options, read_scope
from sev_scheduling.cli.output import Cell, Rows
from sev_scheduling.exceptions import InputError
from sev_scheduling.explain.capacity import amounts, in_all, resources
from sev_scheduling.explain.catalogue.hosts import NO_HOSTS, NO_LIMIT
from sev_scheduling.explain.explanation import explain
from sev_scheduling.hosts.capacity import Capacity as GuestCapacity
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.rules.validation import Validation, validate
from sev_scheduling.text import counted

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient
    from sev_scheduling.prefilter import Scope

Row = tuple[Host, str, SlotPool]


class Capacity(Rows):
    """Show the slots of each host and model, full ones included

    The total is what guests can have: reserved slots are no part of it, and
    are not asked for. With --long they are, and the total has them. A host
    whose status is disabled gives none to guests, free or not. "In Use" is
    the percentage of the slots that guests may have. Tables have a line for
    each model below, and bars on a terminal; --sum has the sums in every
    format.

    With --flavor, and --image or --volume: how many more such guests fit, as
    many as "schedule" would place; where the model pins memory, hosts that
    overcommit it are known with --long alone, and count without. A host's
    number is as if it were the only one, so that hosts that share storage may
    have fewer together: the line below a table, and --sum, have the number of
    all. "Bound By" is what keeps one more guest off, "Limits" how many fit by
    each resource class alone, "Code" why a host takes none whatever is free.
    Exit status 1 where none fits.

    Example::

        $ sev-scheduling capacity --cloud examples/cloud.yaml --model amd-sev
        $ sev-scheduling capacity --cloud examples/cloud.yaml --sum -f json
        $ sev-scheduling capacity --cloud examples/cloud.yaml \\
            --flavor flavor.json --image image.json --html capacity.html
    """

    columns: tuple[str, ...] = (
        *('Host', 'Model', 'Total', 'Reserved', 'Used', 'Free', 'Status'),
        'In Use',
    )
    #: With a flavor.
    guest_columns = ('Host', 'Guests', 'Bound By', 'Limits', 'Code')
    nothing = 'No host offers slots.'

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_host_options(parser)
        add_scope_options(parser)
        add_request_options(
            parser,
            required=False,
            model_help='this model only; or, with --flavor, ',
        )
        parser.add_argument(
            '--sum',
            action='store_true',
            help='a row for each model in place of a row for each host: the '
            'same columns, with neither host nor status; pools that report '
            'no limit are left out. With --flavor, one row for all hosts',
        )
        parser.add_argument(
            '--long',
            action='store_true',
            help='ask for the reserved slots, too, and with --flavor which '
            'hosts overcommit memory, where the model pins it: up to two '
            'calls more for each host, where two or three do for most clouds; '
            'not for a large cloud that is asked often',
        )
        parser.add_argument(
            '--prometheus',
            metavar='FILE',
            help="also write the numbers to FILE, for the node exporter's "
            'textfile collector: whole or not at all; - writes them to '
            'standard output, and nothing else; implies --long',
        )
        parser.add_argument(
            '--html',
            metavar='FILE',
            help='also write a page to look at or to print, which needs '
            'nothing else; with --flavor, what binds on each host too; - '
            'writes it to standard output, and nothing else; implies --long',
        )
        parser.add_argument(
            '--earlier',
            metavar='FILE',
            action='append',
            default=[],
            help='with --html: what "capacity -f json" printed before, for '
            'the trend; its time is that of its last change; may be repeated',
        )

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.flavor is not None:
            self.columns = self.guest_columns
            # Why there is no row is explained.
            self.nothing = ''
        return super().run(parsed_args)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        _check(parsed_args)
        self._guests = self._instead = None
        models = parsed_args.models
        validation = None
        if parsed_args.flavor is not None:
            validation = validate(read_request(parsed_args))
            if validation.errors:
                # Before a Placement is started for nothing.
                self.refuse(explain(validation))
                return []
            models = ()
        also = bool(parsed_args.html or parsed_args.prometheus)
        long = parsed_args.long or also
        with open_client(parsed_args) as client:
            scope = read_scope(parsed_args, client)
            if validation is not None:
                self._guests = self._count(client, validation, scope, long)
            hosts: list[Host] = []
            if validation is None or also:
                hosts = client.hosts(details=long, scope=scope)
        self._pools = pools_of(hosts, models)
        self._also_write(parsed_args)
        if self._guests:
            return list(_guest_rows(self._guests, parsed_args.sum))
        if not hosts:
            self.nothing = NO_HOSTS
        if any(pool.unlimited for *_, pool in self._pools):
            print(NO_LIMIT, file=self.app.stderr)
        if parsed_args.sum:
            return list(_sums(self._pools, long))
        return list(_host_rows(self._pools, long))

    _guests: GuestCapacity | None
    #: What standard output gets in place of the rows.
    _instead: str | None

    def _count(
        self,
        client: PlacementClient,
        validation: Validation,
        scope: Scope,
        long: bool,
    ) -> GuestCapacity:
        found = client.capacity(validation, scope=scope, details=long)
        if not found.guests:
            feasibility = client.feasibility(validation, scope=scope)
            self.refuse(explain(feasibility))
        return found

    def _also_write(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.prometheus == STDOUT:
            self._instead = metrics.text(self._pools)
        elif parsed_args.prometheus:
            metrics.write(parsed_args.prometheus, self._pools)
        if parsed_args.html:
            html = page.page_of(
                self._pools, guests=self._guests, earlier=parsed_args.earlier
            )
            if parsed_args.html == STDOUT:
                self._instead = html
            else:
                page.write(parsed_args.html, html)

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Any,
    ) -> int:
        """Add bars and sums to a whole table."""
        stdout = self.app.stdout
        if self._instead is not None:
            stdout.write(self._instead)
            return 0
        if not data or parsed_args.formatter != 'table' or parsed_args.columns:
            return super().produce_output(parsed_args, column_names, data)
        if self._guests:
            super().produce_output(parsed_args, column_names, data)
            if not parsed_args.sum:
                text = terminal.fold(
                    in_all(self._guests), terminal.width(stdout)
                )
                stdout.write(f'{text}\n')
            return 0
        if stdout.isatty():
            rows = [row[:-1] for row in data]
            cells = _cells([column_names[:-1], *rows], stdout)
            data = [(*row[:-1], row[-1].bar(stdout, cells)) for row in data]
        super().produce_output(parsed_args, column_names, data)
        if not parsed_args.sum:
            stdout.write('\n'.join(_sentences(self._pools)) + '\n')
        return 0


def _check(parsed_args: argparse.Namespace) -> None:
    """:raises InputError: where an option needs another"""
    for option, given, needed in (
        ('--image', parsed_args.image, 'flavor'),
        ('--volume', parsed_args.volume, 'flavor'),
        ('--earlier', parsed_args.earlier, 'html'),
    ):
        if given and getattr(parsed_args, needed) is None:
            raise InputError(f'{option} needs --{needed}; give both.')
    if parsed_args.prometheus == parsed_args.html == STDOUT:
        raise InputError(
            '--prometheus and --html are both -; standard output can be only '
            'one of them.'
        )


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
    host: str | Cell,
    model: str,
    slots: _Slots,
    status: str | Cell,
    long: bool,
) -> Sequence[Any]:
    return (
        host,
        model,
        _known(slots.total),
        _known(slots.reserved if long else None),
        slots.used,
        _known(slots.free),
        status,
        _InUse(slots),
    )


def _known(number: int | None) -> int | Cell:
    """Return a number of slots; null, and - for people, where unknown."""
    return Cell(None, '-') if number is None else number


def _host_rows(rows: Iterable[Row], long: bool) -> Iterator[Sequence[Any]]:
    for host, model, pool in rows:
        status = 'disabled' if host.disabled else 'enabled'
        yield _row(host.name, model, _Slots.of([pool]), status, long)


def _sums(rows: Iterable[Row], long: bool) -> Iterator[Sequence[Any]]:
    """Yield a row for each model; rows of one model stand together."""
    for model, of_model in itertools.groupby(rows, lambda row: row[1]):
        slots = _Slots.of(pool for *_, pool in of_model)
        yield _row(Cell(None, 'all'), model, slots, Cell(None, ''), long)


def _guest_rows(
    guests: GuestCapacity, together: bool
) -> Iterator[Sequence[Any]]:
    if together:
        yield (
            Cell(None, 'all'),
            guests.guests,
            Cell([*guests.binding], resources(guests.binding)),
            Cell(dict(guests.limits), amounts(guests.limits)),
            Cell(None, ''),
        )
        return
    for host in sorted(guests.hosts, key=lambda host: _natural(host.name)):
        yield (
            host.name,
            host.guests,
            Cell([*host.binding], resources(host.binding) or '-'),
            Cell(dict(host.limits), amounts(host.limits)),
            Cell(host.code, host.code or ''),
        )


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
