"""How much memory a host has, and how much of it guests may take."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.exceptions import InputError
from sev_scheduling.text import quoted

_MEMINFO = '/proc/meminfo'

#: Of cgroup v2, and of v1.
_LIMITS = (
    '/sys/fs/cgroup/machine.slice/memory.max',
    '/sys/fs/cgroup/memory/machine.slice/memory.limit_in_bytes',
)
#: Version 1 writes "no limit" as the largest number of whole pages.
_UNLIMITED = 1 << 62


@dataclass(frozen=True, slots=True)
class HostMemory:
    """A host's memory in MB.

    :ivar total_mb: None where unknown
    :ivar slice_mb: the limit of machine.slice, None where it has none
    """

    total_mb: int | None = None
    slice_mb: int | None = None
    errors: tuple[str, ...] = ()


def parse_meminfo(text: str, origin: str) -> int:
    """Return the memory of a host in MB, from ``/proc/meminfo``.

    :raises InputError: where it has no such number
    """
    found = re.search(r'^MemTotal:\s+([0-9]{1,15}) kB$', text, re.MULTILINE)
    if not found:
        raise InputError(
            f'{origin} has no MemTotal in kB; give the right file.'
        )
    return int(found[1]) // 1024


def parse_limit(text: str, origin: str) -> int | None:
    """Return a memory limit in MB, None for no limit.

    :raises InputError: where it is neither ``max`` nor a number of bytes
    """
    stripped = text.strip()
    if stripped == 'max':
        return None
    if not re.fullmatch('[0-9]{1,20}', stripped):
        raise InputError(
            f'{origin} is {quoted(stripped)}; it must be a number of bytes '
            'or max.'
        )
    limit = int(stripped)
    return None if limit >= _UNLIMITED else limit >> 20


def read_memory(root: HostFilesystem) -> HostMemory:
    """Return the memory of a host, as far as its files have it."""
    errors: list[str] = []
    total = limit = None
    try:
        text = root.read(_MEMINFO)
        if text is not None:
            total = parse_meminfo(text, _MEMINFO)
    except InputError as error:
        errors.append(str(error))
    for path in _LIMITS:
        try:
            text = root.read(path)
            if text is not None:
                limit = parse_limit(text, path)
                break
        except InputError as error:
            errors.append(str(error))
    return HostMemory(total, limit, tuple(errors))
