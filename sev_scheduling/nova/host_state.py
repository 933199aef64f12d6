"""A host state of nova as a Host: what traits, aggregates and options say.

A trait on the host's resource provider goes before its aggregates, and these
before the options.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sev_scheduling.hosts.host import (
    DEFAULT_ARCHITECTURE,
    Host,
    SlotPool,
    common_machine_type,
)
from sev_scheduling.nova.lookups import Providers
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.warning_log import Warnings
from sev_scheduling.text import printable, quoted, whole_number

#: Keys of aggregate metadata.
MACHINE_TYPE_KEY = 'sev_scheduling:hw_machine_type'
MAX_GUESTS_KEY = 'sev_scheduling:max_guests'

Metadata = Mapping[str, str]


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


class AggregateFacts:
    """Facts of host states, by their aggregates and the options.

    Made for one call of a filter.
    """

    def __init__(self, options: Options, warnings: Warnings) -> None:
        self._warnings = warnings
        self._options = options
        # Few aggregates, many hosts: each is read once.
        self._aggregates: dict[int, Metadata] = {}
        #: Architecture -> machine type that the option gives every host; {}
        #: where it is no list.
        self.default_machine_types: Mapping[str, str] = {}
        try:
            self.default_machine_types = parse_machine_types(
                options.default_machine_type
            )
        except ValueError as error:
            warnings.say(
                'option', f'[sev_scheduling] default_machine_type: {error}.'
            )

    def machine_types(self, state: Any) -> Mapping[str, str]:
        """Return architecture -> machine type, by aggregates and options.

        Where aggregates contradict each other, it is unknown; ``q35`` and
        ``pc-q35-8.2`` are no contradiction.
        """
        found: dict[str, str] = {}
        disputed = set()
        for name, metadata in self._metadata(state):
            text = metadata.get(MACHINE_TYPE_KEY)
            if text is None:
                continue
            try:
                theirs = parse_machine_types(text.split(','))
            except ValueError as error:
                self._complain(name, MACHINE_TYPE_KEY, str(error))
                continue
            for architecture, machine_type in theirs.items():
                known = found.setdefault(architecture, machine_type)
                common = common_machine_type((known, machine_type))
                if common is None:
                    disputed.add(architecture)
                    self._complain(
                        name,
                        MACHINE_TYPE_KEY,
                        f'another aggregate of {state.host} says '
                        f'{quoted(known)}',
                    )
                else:
                    found[architecture] = common
        found = {**self.default_machine_types, **found}
        return {a: found[a] for a in found if a not in disputed}

    def max_guests(self, state: Any, model: str) -> int | None:
        """Return how many guests of a model a host takes; None: no limit.

        Of several aggregates, the least. A limit of the model goes before a
        general one.
        """
        for key in (f'{MAX_GUESTS_KEY}:{model}', MAX_GUESTS_KEY):
            limits = list(self._limits(state, key))
            if limits:
                return min(limits)
        return self._options.limit(model)

    def _limits(self, state: Any, key: str) -> Iterator[int]:
        for name, metadata in self._metadata(state):
            text = metadata.get(key)
            if text is None:
                continue
            limit = whole_number(text)
            if limit is None:
                self._complain(
                    name, key, f'{quoted(text)} is not a whole number'
                )
            else:
                yield limit

    def concerns(self, aggregate: Any) -> bool:
        """Say whether the metadata of an aggregate have facts of hosts."""
        return bool(self._facts_of(aggregate))

    def _metadata(self, state: Any) -> Iterator[tuple[str, Metadata]]:
        for aggregate in state.aggregates:
            known = self._facts_of(aggregate)
            if known:
                yield aggregate.name, known

    def _facts_of(self, aggregate: Any) -> Metadata:
        known = self._aggregates.get(id(aggregate))
        if known is None:
            known = self._aggregates[id(aggregate)] = {
                key: value
                for key, value in aggregate.metadata.items()
                if key.startswith('sev_scheduling:')
            }
        return known

    def _complain(self, aggregate: str, key: str, why: str) -> None:
        self._warnings.say(
            f'{aggregate} {key}',
            f'Metadata {key} of aggregate {printable(aggregate)} is not '
            f'used: {why}.',
        )


@dataclass(slots=True, kw_only=True)
class ForcedHost:
    """A host that an administrator forces, as nova has a host state.

    Nova runs no filter on it, and the request filter has no host states.
    """

    uuid: str
    host: str = ''
    nodename: str = ''
    ram_allocation_ratio: float | None = None
    hypervisor_type: str | None = None
    aggregates: Sequence[Any] = ()
    allocation_candidates: list[Any] = field(default_factory=list)


def host_of(
    state: Any,
    pools: Mapping[str, SlotPool],
    facts: AggregateFacts,
    providers: Providers | None,
) -> Host:
    """Return a ``HostState`` of nova as a host.

    :param pools: model name -> slots
    :param providers: None where Placement did not answer
    """
    published: Mapping[str, str] = {}
    if providers is not None:
        published = providers.machine_types.get(state.uuid, {})
    return Host(
        name=state.nodename or state.host,
        uuid=state.uuid,
        pools=pools,
        machine_types={**facts.machine_types(state), **published},
        ram_allocation_ratio=state.ram_allocation_ratio or None,
        hypervisor_type=state.hypervisor_type,
    )
