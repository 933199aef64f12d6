"""Read a host's facts: the only input of detection, at the rim."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sev_scheduling.compute.detection import CAPACITY, SWITCHES, HostFacts
from sev_scheduling.compute.domcaps import (
    DomainCapabilities,
)
from sev_scheduling.compute.files import Root
from sev_scheduling.compute.kernel import (
    LEAF_BYTES,
    LEAF_ENCRYPTION,
    LEAF_EXTENDED,
    parse_capacity,
    parse_leaves,
    parse_switch,
)
from sev_scheduling.exceptions import InputError

_CPUID = '/dev/cpu/0/cpuid'


@dataclass(frozen=True, slots=True)
class Gathered:
    """A host's facts, and one line for each that could not be had."""

    facts: HostFacts
    errors: tuple[str, ...] = ()


def gather(
    root: Root,
    *,
    capabilities: Iterable[DomainCapabilities] = (),
    qemu_version: tuple[int, int, int] | None = None,
) -> Gathered:
    """Return what the kernel of a host says, beside what libvirt said.

    One unusable file does not keep the others from being read.
    """
    errors: list[str] = []
    switches: dict[str, bool | None] = {}
    for name, path in SWITCHES.items():
        try:
            text = root.read(path)
            if text is not None:
                switches[name] = parse_switch(text, path)
        except InputError as error:
            switches[name] = None
            errors.append(str(error))
    capacity = None
    try:
        text = root.read(CAPACITY)
        if text is not None:
            capacity = parse_capacity(text, CAPACITY)
    except InputError as error:
        errors.append(str(error))
    return Gathered(
        HostFacts(
            switches=switches,
            capacity=capacity,
            leaf=parse_leaves(
                root.read_at(_CPUID, LEAF_EXTENDED, LEAF_BYTES) or b'',
                root.read_at(_CPUID, LEAF_ENCRYPTION, LEAF_BYTES) or b'',
            ),
            capabilities=tuple(capabilities),
            qemu_version=qemu_version,
        ),
        tuple(errors),
    )
