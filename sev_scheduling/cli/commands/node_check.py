"""The command ``node check``."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli.options.node import (
    LibvirtInput,
    add_config,
    add_libvirt,
    add_numbers,
    add_root,
    load_compute,
    missing_extra,
    read_root,
)
from sev_scheduling.cli.output import Plain
from sev_scheduling.exceptions import SevSchedulingError
from sev_scheduling.text import printable

if TYPE_CHECKING:
    from sev_scheduling.compute import Check as Result

TITLE = 'Memory Encryption Check Results'

#: Another status than any result's.
_UNEXPECTED = 255

LOG = logging.getLogger(__name__)


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


class Check(Plain):
    """Check whether this host is ready for encrypted guests

    Prints a table, and exits, as nova-status upgrade check does: 0 where
    all is well, 1 for warnings, 2 for failures, 255 for an unexpected error.

    Example::

        # virsh domcapabilities --machine q35 > domcaps.xml
        # sev-scheduling node check --domain-capabilities domcaps.xml
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_root(parser)
        add_libvirt(parser)
        add_config(parser)
        add_numbers(parser, _NUMBERS)
        parser.add_argument(
            '--model',
            metavar='MODEL',
            action='append',
            default=[],
            help='a model that guests are to have, such as amd-sev-snp; may '
            'be repeated (default: all that the host has switched on and '
            'nova knows)',
        )
        parser.add_argument(
            '-f',
            '--format',
            choices=('table', 'json'),
            default='table',
            help='the output format (default: table)',
        )
        parser.add_argument(
            '--json',
            dest='format',
            action='store_const',
            const='json',
            help='print JSON, as nova-status does: -f json',
        )

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        compute = load_compute()
        root = read_root(compute, parsed_args)
        libvirt = LibvirtInput(parsed_args)
        try:
            results = compute.check(
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
        except SevSchedulingError:
            raise
        except Exception as error:
            LOG.debug('Unexpected error', exc_info=True)
            print(
                f'Unexpected error: {type(error).__name__}: '
                f'{printable(str(error))}; run again with --debug for more.',
                file=self.app.stderr,
            )
            return _UNEXPECTED
        if parsed_args.format == 'json':
            self.app.stdout.write(as_json(results) + '\n')
        else:
            # The library prints to sys.stdout.
            with contextlib.redirect_stdout(self.app.stdout):
                print_table(results)
        return int(max(result.status for result in results))


def as_json(results: Sequence[Result]) -> str:
    """Return results as ``nova-status upgrade check --json`` prints them."""
    return json.dumps(
        {
            'name': TITLE,
            'checks': [
                {
                    'check': result.name,
                    'result': int(result.status),
                    'details': result.details,
                }
                for result in results
            ],
        }
    )


def print_table(results: Sequence[Result]) -> None:
    """Print results as ``nova-status upgrade check`` does.

    :raises InputError: where the extra is not installed
    """
    try:
        from oslo_upgradecheck import upgradecheck
    except ImportError as error:
        raise missing_extra(error) from error

    def found(_: Any, result: Result) -> upgradecheck.Result:
        return upgradecheck.Result(
            upgradecheck.Code(int(result.status)), result.details
        )

    class Commands(upgradecheck.UpgradeCommands):
        display_title = TITLE
        _upgrade_checks = tuple(
            (result.name, (found, {'result': result})) for result in results
        )

    Commands().check()
