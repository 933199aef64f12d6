"""The commands ``node detect`` and ``node provider-config``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli.options.inputs import a_uuid, machine_type
from sev_scheduling.cli.options.node import (
    LibvirtInput,
    add_config,
    add_libvirt,
    add_output,
    add_root,
    known,
    lines,
    load_compute,
    read_root,
)
from sev_scheduling.cli.output import Plain, Rows
from sev_scheduling.exceptions import InputError

if TYPE_CHECKING:
    from sev_scheduling.compute import Evidence, ModelSupport


class Detect(Rows):
    """Show which encryption models this host offers, and with how many slots

    A model is offered where the processor, the kernel, libvirt and QEMU
    agree; where their numbers differ, the smallest counts. Exit status 1
    where no model is offered, 2 where a source could not be read.

    Example::

        # virsh domcapabilities --machine q35 > domcaps.xml
        # sev-scheduling node detect --domain-capabilities domcaps.xml
    """

    columns: tuple[str, ...] = (
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

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_root(parser)
        add_libvirt(parser)
        add_config(parser)
        parser.add_argument(
            '--long',
            action='store_true',
            help='add the column Read From: where each fact was read',
        )

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.long:
            self.columns = (*self.columns, 'Read From')
        return super().run(parsed_args)

    def rows(self, parsed_args: argparse.Namespace) -> list[tuple[Any, ...]]:
        compute = load_compute()
        root = read_root(compute, parsed_args)
        libvirt = LibvirtInput(parsed_args)
        gathered = compute.gather(
            root,
            capabilities=libvirt.capabilities,
            qemu_version=libvirt.qemu_version,
        )
        errors = [*gathered.errors]
        if libvirt.error:
            errors.append(libvirt.error)
        models = compute.detect(gathered.facts)
        if parsed_args.config_file or parsed_args.config_dir:
            try:
                nova = compute.read_settings(
                    root,
                    parsed_args.config_file,
                    parsed_args.config_dir,
                    parsed_args.nova_release,
                )
                models = compute.detect(gathered.facts, nova)
            except InputError as error:
                errors.append(str(error))
        if errors:
            self.status = 2
        elif not any(model.offered for model in models):
            self.status = 1
            errors.append('This host offers no model of memory encryption.')
        for line in errors:
            print(line, file=self.app.stderr)
        width = len(self.columns)
        return [_detected(model)[:width] for model in models]


def _detected(model: ModelSupport) -> tuple[Any, ...]:
    return (
        model.model,
        model.offered,
        known(model.slots if model.offered else 0),
        *(known(_cell(evidence)) for evidence in model.evidence),
        lines([str(note) for note in model.notes]),
        lines(
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


class ProviderConfig(Plain):
    """Print a provider.yaml that publishes the default machine type

    Nova reads it from [compute] provider_config_location and publishes the
    default machine type of the host as a trait of its resource provider.

    Example::

        # sev-scheduling node provider-config \\
            --output /etc/nova/provider_config/machine-type.yaml
        # systemctl restart nova-compute
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_root(parser)
        add_config(parser)
        parser.add_argument(
            '--machine-type',
            metavar='TYPE',
            type=machine_type,
            help='default machine type of x86_64 guests (default: what '
            "[libvirt] hw_machine_type says, else nova's default, pc)",
        )
        provider = parser.add_mutually_exclusive_group()
        provider.add_argument(
            '--name',
            help='name of the resource provider (default: the file is for '
            'whatever compute node reads it)',
        )
        provider.add_argument(
            '--uuid', type=a_uuid, help='uuid of the resource provider'
        )
        add_output(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        compute = load_compute()
        machine_type = parsed_args.machine_type
        if machine_type is None:
            machine_type = compute.read_settings(
                read_root(compute, parsed_args),
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
                parsed_args.output,
                text,
                force=parsed_args.force,
                parents=parsed_args.parents,
            )
