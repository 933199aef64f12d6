"""Calls about providers, and about the names of traits and classes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from sev_scheduling.placement.world import Provider
from sev_scheduling.testing import bodies, queries
from sev_scheduling.testing.calls import Answer, Call
from sev_scheduling.testing.refusal import Refusal


def _shown(provider: Provider) -> dict[str, Any]:
    return {
        'uuid': provider.uuid,
        'name': provider.name,
        'generation': provider.generation,
        'parent_provider_uuid': provider.parent,
        'root_provider_uuid': provider.root,
    }


def _with_generation(provider: Provider, **facts: Any) -> Answer:
    return 200, facts | {'resource_provider_generation': provider.generation}


def list_providers(call: Call) -> Answer:
    found = queries.find_providers(call.store, call.params, call.minor)
    return 200, {'resource_providers': [_shown(p) for p in found]}


def create_provider(call: Call) -> Answer:
    bodies.check_provider(call.body)
    provider = call.store.add_provider(
        call.body['name'],
        call.body.get('uuid'),
        call.body.get('parent_provider_uuid'),
    )
    return 200, _shown(provider)


def show_provider(call: Call, uuid: str) -> Answer:
    return 200, _shown(call.store.provider(uuid))


def delete_provider(call: Call, uuid: str) -> Answer:
    call.store.remove_provider(uuid)
    return 204, None


def show_inventories(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    return _with_generation(
        provider,
        inventories={
            name: asdict(inventory)
            for name, inventory in provider.inventories.items()
        },
    )


def set_inventories(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    bodies.check_inventories(call.body)
    call.store.set_inventories(
        provider,
        call.body['resource_provider_generation'],
        call.body['inventories'],
    )
    return show_inventories(call, uuid)


def show_usages(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    usages = {n: provider.used.get(n, 0) for n in provider.inventories}
    return _with_generation(provider, usages=usages)


def show_traits(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    return _with_generation(provider, traits=sorted(provider.traits))


def set_traits(call: Call, uuid: str) -> Answer:
    bodies.check_list(call.body, 'traits')
    provider = call.store.provider(uuid)
    call.store.set_traits(
        provider,
        call.body['resource_provider_generation'],
        call.body['traits'],
    )
    return show_traits(call, uuid)


def show_aggregates(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    return _with_generation(provider, aggregates=sorted(provider.aggregates))


def set_aggregates(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    bodies.check_list(call.body, 'aggregates', uuids=True)
    call.store.set_aggregates(
        provider,
        call.body['resource_provider_generation'],
        call.body['aggregates'],
    )
    return show_aggregates(call, uuid)


def list_held(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    return _with_generation(
        provider,
        allocations={
            consumer: {
                'resources': held.amounts[uuid],
                'consumer_generation': held.generation,
            }
            for consumer, held in call.store.consumers.items()
            if uuid in held.amounts
        },
    )


def list_traits(call: Call) -> Answer:
    return 200, {
        'traits': sorted(queries.find_traits(call.store, call.params))
    }


def show_trait(call: Call, name: str) -> Answer:
    if name not in call.store.traits:
        raise Refusal(404, f'No such trait(s): {name}.')
    return 204, None


def create_trait(call: Call, name: str) -> Answer:
    return _create_name(call.store.traits, name), None


def create_class(call: Call, name: str) -> Answer:
    return _create_name(call.store.classes, name), None


def _create_name(known: set[str], name: str) -> int:
    bodies.check_custom(name)
    status = 204 if name in known else 201
    known.add(name)
    return status
