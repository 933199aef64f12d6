"""What a host's aggregates and the options tell of it.

A trait on its resource provider goes before its aggregates, and these before
the options.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from sev_scheduling.hosts.host import DEFAULT_ARCHITECTURE
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


class HostFacts:
    """Reads facts of host states; made for one call of a filter.

    :param conf: the options, ``CONF.sev_scheduling``
    """

    def __init__(self, conf: Any, warnings: Warnings) -> None:
        self._warnings = warnings
        self._conf = conf
        # Few aggregates, many hosts: each is read once.
        self._aggregates: dict[int, Metadata] = {}

    @functools.cached_property
    def default_machine_types(self) -> Mapping[str, str]:
        """What the option tells of every host; {} where it is no list."""
        try:
            return parse_machine_types(self._conf.default_machine_type)
        except ValueError as error:
            self._warnings.say(
                'option', f'[sev_scheduling] default_machine_type: {error}.'
            )
            return {}

    def machine_types(self, state: Any) -> Mapping[str, str]:
        """Return architecture -> machine type, by aggregates and options.

        Aggregates that contradict each other tell nothing.
        """
        told: dict[str, str] = {}
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
                known = told.setdefault(architecture, machine_type)
                if known != machine_type:
                    disputed.add(architecture)
                    self._complain(
                        name,
                        MACHINE_TYPE_KEY,
                        f'another aggregate of {state.host} says '
                        f'{quoted(known)}',
                    )
        return {
            architecture: machine_type
            for architecture, machine_type in (
                {**self.default_machine_types, **told}
            ).items()
            if architecture not in disputed
        }

    def max_guests(self, state: Any, model: str) -> int | None:
        """Return how many guests of a model a host takes; None: no limit.

        Of several aggregates, the least.
        """
        general: list[int] = []
        own: list[int] = []
        for name, metadata in self._metadata(state):
            for limits, key in (
                (general, MAX_GUESTS_KEY),
                (own, f'{MAX_GUESTS_KEY}:{model}'),
            ):
                text = metadata.get(key)
                if text is None:
                    continue
                limit = whole_number(text)
                if limit is None:
                    self._complain(
                        name, key, f'{quoted(text)} is not a whole number'
                    )
                else:
                    limits.append(limit)
        for limits in (own, general):
            if limits:
                return min(limits)
        return self._limit_of_options(model)

    def _limit_of_options(self, model: str) -> int | None:
        per_model: Mapping[str, int] = self._conf.max_guests_per_model
        general: int | None = self._conf.max_guests
        return per_model.get(model, general)

    def limits_every_host(self, model: str) -> bool:
        """Say whether the options limit a model, whatever aggregates say."""
        return self._limit_of_options(model) is not None

    def tells(self, aggregate: Any) -> bool:
        """Say whether an aggregate tells anything of its hosts."""
        return bool(self._facts_of(aggregate))

    def _metadata(self, state: Any) -> Iterable[tuple[str, Metadata]]:
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
