"""What the ``node`` commands share: options, and how they are read."""

from __future__ import annotations

import argparse
import contextlib
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli import STDOUT
from sev_scheduling.cli.options.inputs import whole
from sev_scheduling.cli.output import Cell
from sev_scheduling.documents import read_text
from sev_scheduling.exceptions import InputError, needed
from sev_scheduling.text import printable, quoted

if TYPE_CHECKING:
    from types import ModuleType

    from sev_scheduling.compute import (
        DomainCapabilities,
        HostFilesystem,
        NovaSettings,
    )

Version = tuple[int, int, int]


def lines(sentences: list[str]) -> Cell:
    """Return a cell: a list to machines, lines to people."""
    return Cell(sentences, '\n'.join(map(printable, sentences)))


def known(value: Any) -> Any:
    """Return a cell of a value: None is null to machines, else a dash."""
    return Cell(None, '-') if value is None else value


def load_compute() -> ModuleType:
    """Return :mod:`sev_scheduling.compute`, which needs an extra.

    :raises InputError: where the extra is not installed
    """
    with needed_by_node():
        from sev_scheduling import compute
    return compute


def needed_by_node() -> AbstractContextManager[None]:
    return needed('node', 'This command')


def add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--root',
        metavar='DIR',
        type=Path,
        default=Path('/'),
        help='read the files of another root: a copied /sys, the mount of '
        'a host in a container (default: /)',
    )


def read_root(
    compute: ModuleType, parsed_args: argparse.Namespace
) -> HostFilesystem:
    """Return what ``--root`` names.

    :raises InputError: if it is no directory, whose host would seem to lack
        everything
    """
    root: Path = parsed_args.root
    if not root.is_dir():
        raise InputError(
            f'--root {quoted(root)} is no directory; name the root of a host.'
        )
    found: HostFilesystem = compute.HostFilesystem(root)
    return found


def add_numbers(
    parser: argparse.ArgumentParser,
    options: dict[str, tuple[str, int | None, str]],
) -> None:
    """Add options that take a number.

    :param options: name -> placeholder, default, help
    """
    for name, (metavar, default, text) in options.items():
        parser.add_argument(
            name, metavar=metavar, type=whole(0), default=default, help=text
        )


def add_config_files(parser: argparse.ArgumentParser) -> None:
    for name, metavar, text in (
        (
            '--config-file',
            'FILE',
            'a nova.conf; may be repeated, later ones win',
        ),
        (
            '--config-dir',
            'DIR',
            'a directory with pieces of nova.conf, named such as '
            '50-libvirt.conf; may be repeated',
        ),
    ):
        parser.add_argument(
            name,
            metavar=metavar,
            type=Path,
            action='append',
            default=[],
            help=text,
        )


def add_config(parser: argparse.ArgumentParser) -> None:
    add_config_files(parser)
    parser.add_argument(
        '--nova-release',
        metavar='MAJOR',
        type=whole(31, 34),
        help='the rules of which nova: 31 (2025.1) to 34 (2026.2); by '
        'default those of the installed one, else of the latest',
    )


def _libvirt_uri(text: str) -> str:
    """Read where to ask libvirt; for argparse."""
    if not re.fullmatch(r'[a-z][a-z0-9+.-]*://\S*', text):
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no URI; give such as qemu:///system'
        )
    return text


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
        type=_libvirt_uri,
        help='where to ask libvirt (default: where nova.conf says, else '
        'qemu:///system)',
    )
    parser.add_argument(
        '--qemu-version',
        metavar='X.Y.Z',
        help='of QEMU, which domain capabilities do not tell',
    )
    parser.add_argument(
        '--libvirt-version',
        metavar='X.Y.Z',
        help='of libvirt, which domain capabilities do not tell; by default '
        "what libvirt answers, else that of the host's library",
    )


class LibvirtInput:
    """What the options say of libvirt, and why not more."""

    def __init__(self, parsed_args: argparse.Namespace) -> None:
        self.qemu_version = _version(
            '--qemu-version', parsed_args.qemu_version
        )
        self.libvirt_version = _version(
            '--libvirt-version', parsed_args.libvirt_version
        )
        self.capabilities: list[DomainCapabilities] = []
        self.error: str | None = None
        try:
            self._read(load_compute(), parsed_args)
        except InputError as error:
            self.error = str(error)

    def _read(
        self, compute: ModuleType, parsed_args: argparse.Namespace
    ) -> None:
        for name in parsed_args.domain_capabilities:
            origin = 'Standard input' if name == '-' else name
            text = read_text(name, compute.MAX_BYTES, pipe=True)
            self.capabilities.append(
                compute.parse_domain_capabilities(text, origin)
            )
        # Another root's libvirt is not the one that runs here.
        if self.capabilities or parsed_args.root != Path('/'):
            return
        uri = parsed_args.libvirt_uri or _novas_uri(compute, parsed_args)
        answer = compute.ask_libvirt(uri)
        if answer is None and parsed_args.libvirt_uri:
            raise InputError(
                f'--libvirt-uri {quoted(uri)} needs libvirt-python, which is '
                'not installed; install it, or give --domain-capabilities.'
            )
        if answer is not None:
            self.capabilities += answer.capabilities
            self.qemu_version = self.qemu_version or answer.qemu_version
            self.libvirt_version = (
                self.libvirt_version or answer.libvirt_version
            )


def _novas_uri(compute: ModuleType, parsed_args: argparse.Namespace) -> str:
    """Return where nova asks libvirt; its default without a nova.conf."""
    fallback: NovaSettings = compute.NovaSettings()
    # What is wrong with nova.conf is reported by what needs it.
    with contextlib.suppress(InputError):
        settings: NovaSettings = compute.read_settings(
            read_root(compute, parsed_args),
            parsed_args.config_file,
            parsed_args.config_dir,
        )
        return settings.libvirt_uri
    return fallback.libvirt_uri


def _version(option: str, text: str | None) -> Version | None:
    if text is None:
        return None
    found = re.fullmatch(
        r'([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?', text
    )
    if not found:
        raise InputError(f'{option} is {quoted(text)}; give it as 8.2.2.')
    return int(found[1]), int(found[2]), int(found[3] or 0)


def _output(text: str) -> Path | None:
    """Read a file to write, None for standard output; for argparse."""
    return None if text == STDOUT else Path(text)


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--output',
        metavar='FILE',
        type=_output,
        help='write the file, whole or not at all, in place of printing it; '
        '- prints it',
    )
    parser.add_argument(
        '--parents',
        action='store_true',
        help='make the directories of FILE that are missing',
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace FILE where it exists',
    )
