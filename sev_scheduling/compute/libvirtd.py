"""Ask the running libvirt for its domain capabilities."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from sev_scheduling.compute.domcaps import (
    DomainCapabilities,
    parse_domain_capabilities,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.text import printable

DEFAULT_URI = 'qemu:///system'

#: Nova asks for these two as well; ``<tdx>`` differs between them.
_MACHINES = ('q35', 'pc')


@dataclass(frozen=True, slots=True)
class LibvirtAnswer:
    """What libvirt said.

    :ivar qemu_version: of the emulator
    """

    capabilities: tuple[DomainCapabilities, ...]
    qemu_version: tuple[int, int, int]


def ask_libvirt(
    uri: str = DEFAULT_URI, virt_type: str = 'kvm'
) -> LibvirtAnswer | None:
    """Return what libvirt says of x86_64 guests.

    :returns: None where libvirt-python is not installed
    :raises InputError: where libvirt cannot be asked
    """
    try:
        libvirt: Any = importlib.import_module('libvirt')
    except ImportError:
        return None
    # Its default handler prints each error that is raised as well.
    libvirt.registerErrorHandler(lambda *_: None, None)
    texts: list[str] = []
    refusal = None
    try:
        # Libvirt refuses domain capabilities to a read-only connection
        # (CVE-2019-10167).
        connection = libvirt.open(uri)
        try:
            version = connection.getVersion()
            for machine in _MACHINES:
                # One of the two may be left out of a distribution's QEMU.
                try:
                    texts.append(
                        connection.getDomainCapabilities(
                            None, 'x86_64', machine, virt_type, 0
                        )
                    )
                except libvirt.libvirtError as error:
                    refusal = error
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        refusal = error
    if not texts:
        raise InputError(
            f'libvirt at {printable(uri)} cannot be asked: '
            f'{printable(str(refusal))}; run as root, or give a file with '
            '--domain-capabilities.'
        ) from refusal
    return LibvirtAnswer(
        tuple(
            parse_domain_capabilities(text, f'libvirt at {uri}')
            for text in texts
        ),
        (version // 1_000_000, version // 1000 % 1000, version % 1000),
    )
