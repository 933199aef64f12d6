"""The commands ``node detect``, ``reserve`` and ``provider-config``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from sev_scheduling.exceptions import InputError
from sev_scheduling.specs import shown

if TYPE_CHECKING:
    from types import ModuleType

    from sev_scheduling.compute import (
        DomainCapabilities,
        Evidence,
        ModelSupport,
        Reservation,
    )

_STDIN = '-'


class Lines(FormattableColumn[list[str]]):
    """Sentences: a list to machines, lines to people."""

    def human_readable(self) -> str:
        return '\n'.join(self._value)


def load_compute() -> ModuleType:
    """Return :mod:`sev_scheduling.compute`, which needs an extra.

    :raises InputError: where the extra is not installed
    """
    try:
        from sev_scheduling import compute
    except ImportError as error:
        raise missing_extra(error) from error
    return compute


def missing_extra(error: ImportError) -> InputError:
    return InputError(
        f'The node commands need {error.name}; install sev-scheduling[node].'
    )


def add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--root',
        metavar='DIR',
        type=Path,
        default=Path('/'),
        help='read the files of another root: a copied /sys, the mount of '
        'a host in a container (default: /)',
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--config-file',
        metavar='FILE',
        type=Path,
        action='append',
        default=[],
        help='a nova.conf; may be repeated, later ones win',
    )
    parser.add_argument(
        '--config-dir',
        metavar='DIR',
        type=Path,
        action='append',
        default=[],
        help='a directory of nova.conf pieces (*.conf); may be repeated',
    )
    parser.add_argument(
        '--nova-release',
        metavar='MAJOR',
        type=int,
        choices=(31, 32, 33, 34),
        help='the rules of which nova: 31 (2025.1) to 34 (2026.2); by '
        'default those of the installed one, else of the latest',
    )


def add_libvirt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--domain-capabilities',
        metavar='FILE',
        action='append',
        default=[],
        help='what "virsh domcapabilities --machine q35" printed (- for '
        'standard input); may be repeated; by default libvirt-python is '
        'asked where it is installed',
    )
    parser.add_argument(
        '--libvirt-uri',
        metavar='URI',
        default='qemu:///system',
        help='where to ask libvirt (default: qemu:///system)',
    )
    parser.add_argument(
        '--qemu-version',
        metavar='X.Y.Z',
        help='of QEMU, which domain capabilities do not tell',
    )


class LibvirtInput:
    """What the options say of libvirt, and why not more."""

    def __init__(self, parsed_args: argparse.Namespace) -> None:
        compute = load_compute()
        self.qemu_version = _version(parsed_args.qemu_version)
        self.capabilities: list[DomainCapabilities] = []
        self.error: str | None = None
        try:
            if parsed_args.domain_capabilities:
                for name in parsed_args.domain_capabilities:
                    text, origin = _read(compute, name)
                    self.capabilities.append(
                        compute.parse_domain_capabilities(text, origin)
                    )
            # Another root's libvirt is not the one that runs here.
            elif parsed_args.root == Path('/'):
                answer = compute.ask_libvirt(parsed_args.libvirt_uri)
                if answer is not None:
                    self.capabilities += answer.capabilities
                    self.qemu_version = (
                        self.qemu_version or answer.qemu_version
                    )
        except InputError as error:
            self.error = str(error)


def _version(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(
        r'([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?', text
    )
    if not found:
        raise InputError(f'--qemu-version is {shown(text)}; give it as 8.2.2.')
    return int(found[1]), int(found[2]), int(found[3] or 0)


def _read(compute: ModuleType, name: str) -> tuple[str, str]:
    if name != _STDIN:
        return compute.read_text(name), name
    origin = 'standard input'
    data = sys.stdin.buffer.read(compute.MAX_BYTES + 1)
    return compute.decode(data, origin), origin


class Detect(Lister):
    """Show which encryption models this host offers, and with how many slots

    A model is offered where the processor, the kernel, libvirt and QEMU
    agree; where their numbers differ, the smallest counts. Exit status 1
    where no model is offered, 2 where a source could not be read.
    """

    _COLUMNS = (
        'Model',
        'Offered',
        'Slots',
        'CPUID',
        'Kernel',
        'Cgroup',
        'Libvirt',
        'nova.conf',
        'Notes',
    )

    status = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_root(parser)
        add_libvirt(parser)
        add_config(parser)
        parser.add_argument(
            '--long',
            action='store_true',
            help='show where each fact was read',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
        compute = load_compute()
        libvirt = LibvirtInput(parsed_args)
        root = compute.Root(parsed_args.root)
        gathered = compute.gather(
            root,
            capabilities=libvirt.capabilities,
            qemu_version=libvirt.qemu_version,
        )
        errors = [*gathered.errors]
        if libvirt.error:
            errors.append(libvirt.error)
        nova = None
        if parsed_args.config_file or parsed_args.config_dir:
            try:
                nova = compute.read_settings(
                    root,
                    parsed_args.config_file,
                    parsed_args.config_dir,
                    parsed_args.nova_release,
                )
            except InputError as error:
                errors.append(str(error))
        models = compute.detect(gathered.facts, nova)
        if errors:
            self.status = 2
        elif not any(model.offered for model in models):
            self.status = 1
            errors.append('This host offers no model of memory encryption.')
        for line in errors:
            print(line, file=self.app.stderr)
        columns = (*self._COLUMNS, 'Read From')
        rows = [_detected(model) for model in models]
        if not parsed_args.long:
            return self._COLUMNS, [row[:-1] for row in rows]
        return columns, rows

    def run(self, parsed_args: argparse.Namespace) -> int:
        super().run(parsed_args)
        return self.status


def _detected(model: ModelSupport) -> tuple[Any, ...]:
    return (
        model.model,
        model.offered,
        model.slots if model.offered else 0,
        *(_cell(evidence) for evidence in model.evidence),
        Lines(list(model.notes)),
        Lines(
            [
                f'{evidence.source}: {evidence.detail}'
                for evidence in model.evidence
                if evidence.detail
            ]
        ),
    )


def _cell(evidence: Evidence) -> int | str | None:
    if evidence.supported is False:
        return 'no'
    if evidence.slots is not None:
        return evidence.slots
    return 'yes' if evidence.supported else None


class Reserve(ShowOne):
    """Show how much memory to keep back from encrypted guests

    Their memory is locked, with all that QEMU needs beside it. Writes the
    result as reserved_host_memory_mb of nova.conf, or as a systemd drop-in
    that limits machine.slice.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_root(parser)
        parser.add_argument(
            '--guests',
            metavar='N',
            type=int,
            required=True,
            help='encrypted guests that run at once',
        )
        parser.add_argument(
            '--base',
            metavar='MB',
            type=int,
            default=512,
            help='what the host needs for itself (default: 512, as nova)',
        )
        parser.add_argument(
            '--video',
            metavar='MB',
            type=int,
            default=0,
            help='video memory of a guest (hw_video_ram)',
        )
        parser.add_argument(
            '--padding',
            metavar='KIB',
            type=int,
            default=256,
            help='spare for a guest, at least 256 KiB (the default)',
        )
        parser.add_argument(
            '--host-memory',
            metavar='MB',
            type=int,
            help='memory of the host (default: from /proc/meminfo)',
        )
        parser.add_argument(
            '--flavor-memory',
            metavar='MB',
            type=int,
            help='RAM of the smallest flavor of encrypted guests, to see '
            'whether slots or memory run out first',
        )
        parser.add_argument(
            '--slots',
            metavar='N',
            type=int,
            help='slots of the host (default: those that it offers)',
        )
        parser.add_argument(
            '--for',
            dest='target',
            choices=('nova', 'systemd'),
            help='show the file: a piece of nova.conf with '
            'reserved_host_memory_mb, or a drop-in of systemd that limits '
            'machine.slice',
        )
        add_output(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        compute = load_compute()
        root = compute.Root(parsed_args.root)
        host_mb = parsed_args.host_memory
        if host_mb is None:
            memory = compute.read_memory(root)
            host_mb = memory.total_mb
        reservation: Reservation = compute.reserve(
            parsed_args.guests,
            base_mb=parsed_args.base,
            video_mb=parsed_args.video,
            padding_kib=parsed_args.padding,
            host_mb=host_mb,
        )
        columns = {
            'guests': reservation.guests,
            'guest_kib': reservation.guest_kib,
            'guest_mb': reservation.guest_mb,
            'base_mb': reservation.base_mb,
            'host_mb': reservation.host_mb,
            'reserved_host_memory_mb': reservation.reserved_host_memory_mb,
            'machine_slice_mb': reservation.machine_slice_mb,
            'arithmetic': Lines(compute.arithmetic(reservation)),
        }
        if parsed_args.flavor_memory is not None:
            slots = parsed_args.slots
            if slots is None:
                slots = _slots(compute, root)
            fit = compute.fit(reservation, parsed_args.flavor_memory, slots)
            columns['slots'] = fit.slots
            columns['guests_by_memory'] = fit.by_memory
            columns['binds'] = fit.binds
        if parsed_args.target is not None:
            text = (
                compute.nova_conf(reservation)
                if parsed_args.target == 'nova'
                else compute.systemd_drop_in(reservation)
            )
            columns['file'] = text
            if parsed_args.output is not None:
                compute.write_text(
                    parsed_args.output, text, force=parsed_args.force
                )
        elif parsed_args.output is not None:
            raise InputError(
                '--output needs to know what the file is for; give --for '
                'nova or --for systemd.'
            )
        return tuple(columns), tuple(columns.values())


def _slots(compute: ModuleType, root: Any) -> int | None:
    models: list[ModelSupport] = [
        model
        for model in compute.detect(compute.gather(root).facts)
        if model.offered
    ]
    numbers = [model.slots for model in models]
    if not numbers or None in numbers:
        return None
    return sum(number or 0 for number in numbers)


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--output',
        metavar='FILE',
        type=Path,
        help='write the file, whole or not at all',
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace FILE where it exists',
    )


class ProviderConfig(Command):
    """Print a provider.yaml that tells the scheduler the machine type

    Nova reads it from [compute] provider_config_location and publishes the
    default machine type of the host as a trait of its resource provider.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_root(parser)
        add_config(parser)
        parser.add_argument(
            '--machine-type',
            metavar='TYPE',
            help='default machine type of x86_64 guests (default: what '
            "[libvirt] hw_machine_type says, else nova's default, pc)",
        )
        provider = parser.add_mutually_exclusive_group()
        provider.add_argument(
            '--name',
            help='name of the resource provider (default: the file is for '
            'whatever compute node reads it)',
        )
        provider.add_argument('--uuid', help='uuid of the resource provider')
        add_output(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        compute = load_compute()
        machine_type = parsed_args.machine_type
        if machine_type is None:
            machine_type = compute.read_settings(
                compute.Root(parsed_args.root),
                parsed_args.config_file,
                parsed_args.config_dir,
                parsed_args.nova_release,
            ).machine_type
        text = compute.render(
            compute.provider_config(
                machine_type, name=parsed_args.name, uuid=parsed_args.uuid
            )
        )
        if parsed_args.output is None:
            self.app.stdout.write(text)
        else:
            compute.write_text(
                parsed_args.output, text, force=parsed_args.force
            )
