"""A host state of nova as a Host: what traits, aggregates and options say.

A trait on the host's resource provider goes before its aggregates, and these
before the options.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sev_scheduling.hosts.aggregates import (
    MACHINE_TYPE_KEY,
    MAX_GUESTS_KEY,
    PREFIX,
    Metadata,
    machine_types_of,
    parse_machine_types,
)
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.nova.lookups import Providers
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.warning_log import Warnings
from sev_scheduling.text import printable, quoted, whole_number

#: The ``nova.objects.Aggregate`` of a host, in their order; hosts in the same
#: ones share the objects.
Aggregates = tuple[Any, ...]


class AggregateFacts:
    """Facts of host states, by their aggregates and the options.

    Made for one call of a filter.
    """

    def __init__(self, options: Options, warnings: Warnings) -> None:
        self._warnings = warnings
        self._options = options
        # Few aggregates, many hosts: each is read once, and so is each set
        # of them that hosts are in.
        self._metadata: dict[int, Metadata] = {}
        self._types: dict[Aggregates, Mapping[str, str]] = {}
        self._max_guests: dict[tuple[str, Aggregates], int | None] = {}
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

    def machine_types(self, aggregates: Aggregates) -> Mapping[str, str]:
        """Return architecture -> machine type of hosts in aggregates.

        Where these contradict each other, it is unknown; ``q35`` and
        ``pc-q35-8.2`` are no contradiction.
        """
        known = self._types.get(aggregates)
        if known is None:
            known = self._types[aggregates] = self._machine_types(aggregates)
        return known

    def _machine_types(self, aggregates: Aggregates) -> Mapping[str, str]:
        theirs = machine_types_of(
            (one.name, self._metadata_of(one)) for one in aggregates
        )
        for name, why in theirs.unusable:
            self._complain(name, MACHINE_TYPE_KEY, why)
        for one in theirs.contradictions:
            name, machine_type = one.first
            self._complain(
                one.second[0],
                MACHINE_TYPE_KEY,
                f'aggregate {printable(name)}, which has hosts in common '
                f'with it, says {quoted(machine_type)}',
            )
        disputed = {one.architecture for one in theirs.contradictions}
        found = {**self.default_machine_types, **theirs.found}
        return {a: found[a] for a in found if a not in disputed}

    def max_guests(self, aggregates: Aggregates, model: str) -> int | None:
        """Return how many guests of a model a host in aggregates takes.

        Of several aggregates, the least. A limit of the model goes before a
        general one. None where there is no limit.
        """
        key = model, aggregates
        if key not in self._max_guests:
            self._max_guests[key] = self._least_limit(aggregates, model)
        return self._max_guests[key]

    def _least_limit(self, aggregates: Aggregates, model: str) -> int | None:
        for key in (f'{MAX_GUESTS_KEY}:{model}', MAX_GUESTS_KEY):
            limits = list(self._limits(aggregates, key))
            if limits:
                return min(limits)
        return self._options.limit(model)

    def _limits(self, aggregates: Aggregates, key: str) -> Iterator[int]:
        for aggregate in aggregates:
            text = self._metadata_of(aggregate).get(key)
            if text is None:
                continue
            limit = whole_number(text)
            if limit is None:
                self._complain(
                    *(aggregate.name, key),
                    f'{quoted(text)} is not a whole number',
                )
            else:
                yield limit

    @staticmethod
    def concern(aggregates: Iterable[Any]) -> bool:
        """Say whether the metadata of any aggregate have facts of hosts."""
        for one in aggregates:
            for key in one.metadata:
                if key.startswith(PREFIX):
                    return True
        return False

    def _metadata_of(self, aggregate: Any) -> Metadata:
        known = self._metadata.get(id(aggregate))
        if known is None:
            known = self._metadata[id(aggregate)] = {
                key: value
                for key, value in aggregate.metadata.items()
                if key.startswith(PREFIX)
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
    types = dict(facts.machine_types(tuple(state.aggregates)))
    if providers is not None:
        types |= providers.machine_types.get(state.uuid, {})
    return Host(
        name=state.nodename or state.host,
        uuid=state.uuid,
        pools=pools,
        machine_types=types,
        ram_allocation_ratio=state.ram_allocation_ratio or None,
        hypervisor_type=state.hypervisor_type,
    )
