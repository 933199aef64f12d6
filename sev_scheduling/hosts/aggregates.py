"""What the metadata of nova's host aggregates say of their hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sev_scheduling.hosts.host import (
    DEFAULT_ARCHITECTURE,
    common_machine_type,
)
from sev_scheduling.text import quoted

#: Keys of aggregate metadata; that of one model's limit ends in its name:
#: ``sev_scheduling:max_guests:amd-sev``.
PREFIX = 'sev_scheduling:'
MACHINE_TYPE_KEY = f'{PREFIX}hw_machine_type'
MAX_GUESTS_KEY = f'{PREFIX}max_guests'

Metadata = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A host aggregate.

    :ivar hosts: names of the compute services in it
    """

    name: str
    hosts: frozenset[str] = frozenset()
    metadata: Metadata = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, order=True)
class Contradiction:
    """Two machine types for hosts of one architecture.

    :ivar first: aggregate and machine type
    :ivar second: those that are no version of the first
    """

    architecture: str
    first: tuple[str, str]
    second: tuple[str, str]


@dataclass(frozen=True, slots=True)
class MachineTypes:
    """What the aggregates of one host say of its default machine type.

    :ivar found: architecture -> machine type, where they do not contradict
        each other
    :ivar unusable: name of an aggregate, and why its value is not used
    """

    found: Mapping[str, str] = field(default_factory=dict, hash=False)
    contradictions: tuple[Contradiction, ...] = ()
    unusable: tuple[tuple[str, str], ...] = ()


def parse_machine_types(entries: Iterable[str]) -> dict[str, str]:
    """Read nova's ``hw_machine_type`` list format.

    >>> parse_machine_types(['x86_64=q35', 'aarch64=virt'])
    {'x86_64': 'q35', 'aarch64': 'virt'}
    >>> parse_machine_types(['q35'])
    {'x86_64': 'q35'}

    :returns: architecture -> machine type
    :raises ValueError: where an entry is not of that format
    """
    found: dict[str, str] = {}
    for entry in entries:
        architecture, equals, machine_type = entry.strip().partition('=')
        if not equals:
            architecture, machine_type = DEFAULT_ARCHITECTURE, architecture
        architecture = architecture.strip()
        machine_type = machine_type.strip()
        if not architecture or not machine_type or '=' in machine_type:
            raise ValueError(
                f'{quoted(entry)} is not of the form x86_64=q35 or q35'
            )
        if found.setdefault(architecture, machine_type) != machine_type:
            raise ValueError(f'{quoted(architecture)} stands there twice')
    return found


def machine_types_of(
    metadata: Iterable[tuple[str, Metadata]],
) -> MachineTypes:
    """Return what the aggregates of one host say together.

    ``q35`` and ``pc-q35-8.2`` are no contradiction.

    :param metadata: name and metadata of each of its aggregates
    """
    found: dict[str, tuple[str, str]] = {}
    contradictions: list[Contradiction] = []
    unusable: list[tuple[str, str]] = []
    for name, theirs in metadata:
        text = theirs.get(MACHINE_TYPE_KEY)
        if text is None:
            continue
        try:
            machine_types = parse_machine_types(text.split(','))
        except ValueError as error:
            unusable.append((name, str(error)))
            continue
        for architecture, machine_type in machine_types.items():
            this = name, machine_type
            known = found.setdefault(architecture, this)
            common = common_machine_type((known[1], machine_type))
            if common is None:
                contradictions.append(Contradiction(architecture, known, this))
            else:
                found[architecture] = known[0], common
    disputed = {one.architecture for one in contradictions}
    return MachineTypes(
        {a: found[a][1] for a in found if a not in disputed},
        tuple(contradictions),
        tuple(unusable),
    )
