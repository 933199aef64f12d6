"""What else of a host decides over its encrypted guests: small facts."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.exceptions import InputError

DEVICE = '/dev/sev'
#: Where QEMU asks for quotes of TDX guests (libvirt's default).
QUOTE_SOCKET = '/run/tdx-qgs/qgs.socket'
#: Libvirt keeps the definitions of guests here.
DOMAINS = '/etc/libvirt/qemu'

_COMMAND_LINE = '/proc/cmdline'
_MEMINFO = '/proc/meminfo'
_QEMU_CONF = '/etc/libvirt/qemu.conf'
_NO_NAMESPACES = re.compile(r'^\s*namespaces\s*=\s*\[\s*\]', re.MULTILINE)
_SEV = re.compile(r'launchSecurity\stype=.sev[^-]')
_POLICY = re.compile(r'<policy>(0x[0-9A-Fa-f]{1,8})</policy>')
#: Bit of the guest policy: SEV-ES is required (AMD, SEV API, 2.3).
_POLICY_ES = 0x4


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """None stands for unknown, as in a copy without ``/dev`` or ``/run``.

    :ivar command_line: words of the kernel's command line
    :ivar device: whether the host has ``/dev/sev``
    :ivar device_closed: whether only root may open it, and libvirt gives
        QEMU none of its own
    :ivar quote_socket: whether the quote generation service listens
    :ivar swap_mb: size of swap
    :ivar huge_mb: memory in huge pages
    :ivar es_guests: names of libvirt's guests with SEV-ES, those at least
        whose definition can be read
    """

    command_line: tuple[str, ...] | None = None
    device: bool | None = None
    device_closed: bool = False
    quote_socket: bool | None = None
    swap_mb: int | None = None
    huge_mb: int | None = None
    es_guests: tuple[str, ...] | None = None


def read_system(root: HostFilesystem) -> SystemFacts:
    """Return the facts that can be read; the others stay unknown."""
    line = _text(root, _COMMAND_LINE)
    mode = _mode(root, DEVICE)
    meminfo = _text(root, _MEMINFO) or ''
    swap = re.search(r'^SwapTotal:\s+([0-9]{1,15}) kB$', meminfo, re.M)
    pages = re.search(r'^HugePages_Total:\s+([0-9]{1,12})$', meminfo, re.M)
    size = re.search(r'^Hugepagesize:\s+([0-9]{1,9}) kB$', meminfo, re.M)
    return SystemFacts(
        command_line=None if line is None else tuple(line.split()),
        device=None if _mode(root, '/dev') is None else mode is not None,
        device_closed=(
            mode is not None
            and not mode & (stat.S_IRGRP | stat.S_IROTH)
            and bool(_NO_NAMESPACES.search(_text(root, _QEMU_CONF) or ''))
        ),
        quote_socket=None
        if _mode(root, '/run') is None
        else _mode(root, QUOTE_SOCKET) is not None,
        swap_mb=int(swap[1]) // 1024 if swap else None,
        huge_mb=int(pages[1]) * int(size[1]) // 1024
        if pages and size
        else None,
        es_guests=_es_guests(root),
    )


def _text(root: HostFilesystem, name: str) -> str | None:
    try:
        return root.read(name)
    except InputError:
        return None


def _mode(root: HostFilesystem, name: str) -> int | None:
    try:
        return os.lstat(root.locate(name)).st_mode
    except (InputError, OSError):
        return None


def _es_guests(root: HostFilesystem) -> tuple[str, ...] | None:
    try:
        if not os.path.isdir(root.locate(DOMAINS)):
            return None
        names = [n for n in root.names(DOMAINS) if n.endswith('.xml')]
    except InputError:
        return None
    texts = {n: _text(root, f'{DOMAINS}/{n}') for n in names}
    found = tuple(
        name.removesuffix('.xml')
        for name, text in texts.items()
        if text is not None
        and _SEV.search(text)
        and (policy := _POLICY.search(text))
        and int(policy[1], 16) & _POLICY_ES
    )
    # Those that cannot be read may have it.
    return None if not found and None in texts.values() else found
