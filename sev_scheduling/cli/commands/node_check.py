"""The command ``node check``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sev_scheduling.cli.checks import Checks
from sev_scheduling.cli.options.inputs import model
from sev_scheduling.cli.options.node import (
    LibvirtInput,
    add_config,
    add_libvirt,
    add_numbers,
    add_root,
    load_compute,
    read_root,
)

if TYPE_CHECKING:
    from sev_scheduling.compute import Check as Result

_NUMBERS = {
    '--guests': (
        'N',
        None,
        'encrypted guests to reserve memory for (default: as many as the '
        'host has slots)',
    ),
    '--base': (
        'MB',
        512,
        'memory that the host needs for itself (default: 512)',
    ),
}


class Check(Checks):
    """Check whether this host is ready for encrypted guests

    Prints a table, and exits, as nova-status upgrade check does: 0 where
    all is well, 1 for warnings, 2 for failures, 255 for an unexpected error.

    Example::

        # virsh domcapabilities --machine q35 > domcaps.xml
        # sev-scheduling node check --domain-capabilities domcaps.xml
    """

    title = 'Memory Encryption Check Results'

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_root(parser)
        add_libvirt(parser)
        add_config(parser)
        add_numbers(parser, _NUMBERS)
        parser.add_argument(
            '--model',
            metavar='MODEL',
            type=model,
            action='append',
            default=[],
            help='a model that guests are to have, such as amd-sev-snp; may '
            'be repeated (default: all that the host has switched on and '
            'nova knows)',
        )

    def results(self, parsed_args: argparse.Namespace) -> Sequence[Result]:
        compute = load_compute()
        root = read_root(compute, parsed_args)
        libvirt = LibvirtInput(parsed_args)
        found: Sequence[Result] = compute.check(
            compute.survey(
                root,
                capabilities=libvirt.capabilities,
                qemu_version=libvirt.qemu_version,
                libvirt_version=libvirt.libvirt_version,
                libvirt_error=libvirt.error,
                config_files=parsed_args.config_file,
                config_dirs=parsed_args.config_dir,
                release=parsed_args.nova_release,
                guests=parsed_args.guests,
                base_mb=parsed_args.base,
                models=parsed_args.model,
            )
        )
        return found
