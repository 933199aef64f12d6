"""The command ``node reserve``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli.options.inputs import whole
from sev_scheduling.cli.options.node import (
    add_numbers,
    add_output,
    add_root,
    known,
    lines,
    load_compute,
    read_root,
)
from sev_scheduling.cli.output import Cell, Fields
from sev_scheduling.exceptions import InputError

if TYPE_CHECKING:
    from types import ModuleType

    from sev_scheduling.compute import (
        HostFilesystem,
        HostMemory,
        Reservation,
    )


_NUMBERS = {
    '--base': ('MB', 512, 'what the host needs for itself (default: 512)'),
    '--video': ('MB', 0, 'video memory of a guest (hw_video_ram)'),
    '--padding': (
        'KIB',
        256,
        'spare for a guest, at least 256 KiB (the default)',
    ),
    '--host-memory': (
        'MB',
        None,
        'memory of the host (default: from /proc/meminfo)',
    ),
    '--flavor-memory': (
        'MB',
        None,
        'RAM of the smallest flavor of encrypted guests, to see whether '
        'slots or memory run out first',
    ),
    '--slots': ('N', None, 'slots of the host (default: those it offers)'),
}


class Reserve(Fields):
    """Show how much memory to keep back from encrypted guests

    Their memory is pinned, with all that QEMU needs beside it. With --for,
    prints the result as a file: reserved_host_memory_mb of nova.conf, or a
    systemd drop-in that limits machine.slice; with -f as well, its fields.

    Example::

        # sev-scheduling node reserve --guests 15 --base 8192 --for systemd \\
            --parents --output /etc/systemd/system/machine.slice.d/memory.conf
    """

    columns = (
        'guests',
        'guest_kib',
        'guest_mb',
        'base_mb',
        'host_mb',
        'reserved_host_memory_mb',
        'machine_slice_mb',
        'slots',
        'guests_by_memory',
        'binds',
        'arithmetic',
        'file',
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_root(parser)
        parser.add_argument(
            '--guests',
            metavar='N',
            type=whole(0),
            required=True,
            help='encrypted guests that run at once',
        )
        add_numbers(parser, _NUMBERS)
        parser.add_argument(
            '--for',
            dest='target',
            choices=('nova', 'systemd'),
            help='print the file: a piece of nova.conf with '
            'reserved_host_memory_mb, or a drop-in of systemd that limits '
            'machine.slice',
        )
        add_output(parser)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.set_defaults(formatter=None)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.formatter is None:
            if parsed_args.target is not None and not parsed_args.columns:
                return self._print_file(parsed_args)
            parsed_args.formatter = self.formatter_default
        return super().run(parsed_args)

    def _print_file(self, parsed_args: argparse.Namespace) -> int:
        compute = load_compute()
        root = read_root(compute, parsed_args)
        reservation = self._reservation(compute, root, parsed_args)
        text = _file(compute, reservation, parsed_args)
        if parsed_args.output is None:
            self.app.stdout.write(text or '')
        return 0

    def _reservation(
        self,
        compute: ModuleType,
        root: HostFilesystem,
        parsed_args: argparse.Namespace,
    ) -> Reservation:
        host_mb = parsed_args.host_memory
        if host_mb is None:
            host_mb = self._host_memory(compute.read_memory(root), parsed_args)
        reservation: Reservation = compute.reserve(
            parsed_args.guests,
            base_mb=parsed_args.base,
            video_mb=parsed_args.video,
            padding_kib=parsed_args.padding,
            host_mb=host_mb,
            models=compute.HostReport(
                facts=compute.gather(root).facts
            ).switched_on,
        )
        return reservation

    def fields(self, parsed_args: argparse.Namespace) -> Sequence[Any]:
        compute = load_compute()
        root = read_root(compute, parsed_args)
        reservation = self._reservation(compute, root, parsed_args)
        return (
            reservation.guests,
            reservation.guest_kib,
            reservation.guest_mb,
            reservation.base_mb,
            known(reservation.host_mb),
            reservation.reserved_host_memory_mb,
            known(reservation.machine_slice_mb),
            *map(known, _limits(compute, root, reservation, parsed_args)),
            lines(compute.arithmetic(reservation)),
            _text(_file(compute, reservation, parsed_args)),
        )

    def _host_memory(
        self, memory: HostMemory, parsed_args: argparse.Namespace
    ) -> int | None:
        """Return the memory of the host; None where it is not known.

        :raises InputError: where the file needs it
        """
        if memory.total_mb is None:
            why, *_ = memory.errors or ('/proc/meminfo is missing.',)
            if parsed_args.target == 'systemd':
                raise InputError(f'{why} Give --host-memory.')
            print(
                f'{why} Give --host-memory for what depends on it.',
                file=self.app.stderr,
            )
        return memory.total_mb


def _text(file: str | None) -> Cell:
    return Cell(file, '-' if file is None else file)


def _limits(
    compute: ModuleType,
    root: Any,
    reservation: Reservation,
    parsed_args: argparse.Namespace,
) -> tuple[int | None, int | None, str | None]:
    """Return slots, guests by memory, and which of the two binds."""
    if parsed_args.flavor_memory is None:
        return None, None, None
    slots = parsed_args.slots
    if slots is None:
        slots = _slots(compute, root)
    fit = compute.fit(reservation, parsed_args.flavor_memory, slots)
    return fit.slots, fit.by_memory, fit.binds


def _file(
    compute: ModuleType,
    reservation: Reservation,
    parsed_args: argparse.Namespace,
) -> str | None:
    """Return the text of the file, written where that was asked."""
    if parsed_args.target is None:
        if parsed_args.output is not None:
            raise InputError(
                '--output needs to know what the file is for; give --for '
                'nova or --for systemd.'
            )
        return None
    text: str = (
        compute.nova_conf(reservation)
        if parsed_args.target == 'nova'
        else compute.systemd_drop_in(reservation)
    )
    if parsed_args.output is not None:
        compute.write_text(
            parsed_args.output,
            text,
            force=parsed_args.force,
            parents=parsed_args.parents,
        )
    return text


def _slots(compute: ModuleType, root: Any) -> int | None:
    models = compute.detect(compute.gather(root).facts)
    numbers = [model.slots for model in models if model.offered]
    return sum(numbers) if numbers and None not in numbers else None
