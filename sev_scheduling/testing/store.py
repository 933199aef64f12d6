"""What the in-memory Placement keeps, and what it refuses to keep.

Each refusal has the status that the real Placement gives; the contract tests
hold them together.
"""

from __future__ import annotations

import contextlib
import uuid as uuidlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import os_resource_classes as orc
import os_traits

from sev_scheduling.placement.world import Provider
from sev_scheduling.testing.bodies import inventory_of
from sev_scheduling.testing.refusal import Refusal


class _NoSuchProvider(Refusal):
    """A claim on a provider that does not exist."""


#: Provider uuid -> resource class -> amount.
Amounts = dict[str, dict[str, int]]


@dataclass(slots=True)
class Consumer:
    """A guest, or whatever else holds something."""

    project_id: str
    user_id: str
    consumer_type: str | None = None
    generation: int = 0
    amounts: Amounts = field(default_factory=dict)


def _new_consumer(facts: Mapping[str, Any]) -> Consumer:
    return Consumer(
        facts['project_id'], facts['user_id'], facts.get('consumer_type')
    )


@dataclass(slots=True)
class Store:
    """Providers, consumers and the names that are known."""

    providers: dict[str, Provider] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    traits: set[str] = field(
        default_factory=lambda: set(os_traits.get_traits())
    )
    classes: set[str] = field(default_factory=lambda: set(orc.STANDARDS))

    def provider(self, uuid: str, status: int = 404) -> Provider:
        """:raises Refusal: where there is none"""
        found = self.providers.get(uuid)
        if found is None:
            raise Refusal(status, f'No resource provider with uuid {uuid}')
        return found

    def add_provider(
        self, name: str, uuid: str | None, parent: str | None
    ) -> Provider:
        uuid = str(uuidlib.UUID(uuid) if uuid else uuidlib.uuid4())
        if any(
            name == other.name or uuid == other.uuid
            for other in self.providers.values()
        ):
            raise Refusal(409, f'Resource provider {name} or {uuid} exists.')
        root = uuid
        if parent is not None:
            root = self.provider(parent, status=400).root
        provider = Provider(uuid=uuid, root=root, parent=parent, name=name)
        self.providers[uuid] = provider
        return provider

    def remove_provider(self, uuid: str) -> None:
        provider = self.provider(uuid)
        if any(p.parent == uuid for p in self.providers.values()):
            raise Refusal(409, f'Provider {uuid} has children.')
        if any(provider.used.values()):
            raise Refusal(409, f'Provider {uuid} is in use.')
        del self.providers[uuid]

    def set_inventories(
        self,
        provider: Provider,
        generation: Any,
        inventories: Mapping[str, Mapping[str, Any]],
    ) -> None:
        found = {n: inventory_of(n, facts) for n, facts in inventories.items()}
        _check_generation(provider, generation)
        for name, inventory in found.items():
            if inventory.capacity < 0:
                raise Refusal(400, f'More of {name} is reserved than exists.')
        self.check_classes(found)
        for name in provider.inventories.keys() - found.keys():
            if provider.used.get(name):
                raise Refusal(409, f'Inventory of {name} is in use.')
        provider.inventories = found
        provider.generation += 1

    def check_classes(self, names: Iterable[str]) -> None:
        """:raises Refusal: where a resource class is not known"""
        for name in names:
            if name not in self.classes:
                raise Refusal(400, f'No such resource class {name}.')

    def check_traits(self, names: Iterable[str]) -> None:
        """:raises Refusal: where a trait is not known"""
        unknown = sorted(set(names) - self.traits)
        if unknown:
            raise Refusal(400, f'No such trait(s): {", ".join(unknown)}.')

    def set_traits(
        self, provider: Provider, generation: Any, traits: Iterable[str]
    ) -> None:
        _check_generation(provider, generation)
        wanted = set(traits)
        self.check_traits(wanted)
        if wanted != provider.traits:
            provider.traits = wanted
            provider.generation += 1

    def set_aggregates(
        self, provider: Provider, generation: Any, aggregates: Iterable[str]
    ) -> None:
        _check_generation(provider, generation)
        provider.aggregates = set(aggregates)
        provider.generation += 1

    def allocate(self, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace what consumers hold, for all of them or for none.

        :param wanted: consumer uuid -> the body of ``PUT /allocations``
        """
        try:
            with self._undone_if_refused(wanted):
                self._allocate(wanted)
        except _NoSuchProvider:
            # By then Placement has a record of each consumer, and keeps it.
            for uuid, facts in wanted.items():
                self.consumers.setdefault(uuid, _new_consumer(facts))
            raise

    @contextlib.contextmanager
    def _undone_if_refused(self, wanted: Mapping[str, Any]) -> Iterator[None]:
        touched = self._touched(wanted)
        before = {
            uuid: replace(provider, used=dict(provider.used))
            for uuid, provider in self.providers.items()
            if uuid in touched
        }
        consumers = {
            uuid: replace(consumer, amounts=dict(consumer.amounts))
            for uuid, consumer in self.consumers.items()
            if uuid in wanted
        }
        try:
            yield
        except Refusal:
            self.providers.update(before)
            for uuid in wanted:
                self.consumers.pop(uuid, None)
            self.consumers.update(consumers)
            raise

    def _touched(self, wanted: Mapping[str, Any]) -> set[str]:
        """Return the providers that consumers hold, or are to hold."""
        touched: set[str] = set()
        for uuid, facts in wanted.items():
            touched.update(facts['allocations'])
            if uuid in self.consumers:
                touched.update(self.consumers[uuid].amounts)
        return touched

    def _allocate(self, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        consumers = {
            uuid: self._consumer(uuid, facts) for uuid, facts in wanted.items()
        }
        for facts in wanted.values():
            for provider in facts['allocations']:
                if provider not in self.providers:
                    raise _NoSuchProvider(400, f'No provider {provider}')
        for facts in wanted.values():
            for allocation in facts['allocations'].values():
                self.check_classes(allocation['resources'])
        before = {
            uuid: dict(self.providers[uuid].used)
            for uuid in self._touched(wanted)
        }
        # One that is told to hold nothing, and never did, is remembered.
        unheard_of = {
            uuid
            for uuid, consumer in consumers.items()
            if not (consumer.amounts or wanted[uuid]['allocations'])
        }
        written: set[str] = set()
        for uuid, consumer in consumers.items():
            written.update(wanted[uuid]['allocations'] or consumer.amounts)
            self._give_back(consumer)
        for uuid, consumer in consumers.items():
            for name, allocation in wanted[uuid]['allocations'].items():
                amounts = dict(allocation['resources'])
                self._take(self.providers[name], amounts, before[name])
                consumer.amounts[name] = amounts
            consumer.generation += uuid not in unheard_of
            self.consumers.pop(uuid, None)
            if consumer.amounts or uuid in unheard_of:
                self.consumers[uuid] = consumer
        for name in written:
            self.providers[name].generation += 1

    def _consumer(self, uuid: str, facts: Mapping[str, Any]) -> Consumer:
        consumer = self.consumers.get(uuid)
        expected = None if consumer is None else consumer.generation
        given = facts['consumer_generation']
        if given != expected:
            raise Refusal(
                409,
                f'consumer generation conflict - expected {expected} but '
                f'got {given}',
            )
        if consumer is None:
            consumer = _new_consumer(facts)
        consumer.project_id = facts['project_id']
        consumer.user_id = facts['user_id']
        consumer.consumer_type = (
            facts.get('consumer_type') or consumer.consumer_type
        )
        return consumer

    def _take(
        self,
        provider: Provider,
        amounts: Mapping[str, int],
        before: Mapping[str, int],
    ) -> None:
        for name, amount in amounts.items():
            inventory = provider.inventories.get(name)
            if inventory is None:
                raise Refusal(409, f'No inventory of {name}.')
            if not inventory.gives(amount):
                raise Refusal(409, f'{amount} of {name} cannot be had at once')
            now = provider.used.get(name, 0) + amount
            # A provider with too much in use may get less of it.
            if now > inventory.capacity and now > before.get(name, 0):
                raise Refusal(409, f'The capacity of {name} is exceeded.')
            provider.used[name] = now

    def release(self, uuid: str) -> None:
        """Take all that a consumer holds, whatever its generation."""
        consumer = self.consumers.get(uuid)
        if consumer is None or not consumer.amounts:
            raise Refusal(404, f'No allocations for consumer {uuid}')
        self._give_back(consumer)
        del self.consumers[uuid]

    def _give_back(self, consumer: Consumer) -> None:
        for uuid, amounts in consumer.amounts.items():
            provider = self.providers[uuid]
            for name, amount in amounts.items():
                provider.used[name] -= amount
        consumer.amounts = {}


def _check_generation(provider: Provider, generation: Any) -> None:
    if generation != provider.generation:
        raise Refusal(409, 'resource provider generation conflict')
