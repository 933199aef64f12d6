"""Every call that the in-memory Placement answers."""

from __future__ import annotations

import re
import uuid as uuidlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sev_scheduling.placement.search import Candidate, Provider
from sev_scheduling.testing import bodies, queries
from sev_scheduling.testing.queries import Params
from sev_scheduling.testing.store import Consumer, Refusal, Store


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    :ivar minor: of the microversion
    """

    store: Store
    minor: int
    params: Params
    body: Any


Answer = tuple[int, Any]
Handler = Callable[..., Answer]


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


def _list_providers(call: Call) -> Answer:
    found = queries.find_providers(call.store, call.params, call.minor)
    return 200, {'resource_providers': [_shown(p) for p in found]}


def _create_provider(call: Call) -> Answer:
    bodies.check_provider(call.body)
    provider = call.store.add_provider(
        call.body['name'],
        call.body.get('uuid'),
        call.body.get('parent_provider_uuid'),
    )
    return 200, _shown(provider)


def _show_provider(call: Call, uuid: str) -> Answer:
    return 200, _shown(call.store.provider(uuid))


def _delete_provider(call: Call, uuid: str) -> Answer:
    call.store.remove_provider(uuid)
    return 204, None


def _show_inventories(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    return _with_generation(
        provider,
        inventories={
            name: asdict(inventory)
            for name, inventory in provider.inventories.items()
        },
    )


def _set_inventories(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    bodies.check_inventories(call.body)
    call.store.set_inventories(
        provider,
        call.body['resource_provider_generation'],
        call.body['inventories'],
    )
    return _show_inventories(call, uuid)


def _show_usages(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    usages = {n: provider.used.get(n, 0) for n in provider.inventories}
    return _with_generation(provider, usages=usages)


def _show_traits(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    return _with_generation(provider, traits=sorted(provider.traits))


def _set_traits(call: Call, uuid: str) -> Answer:
    bodies.check_list(call.body, 'traits')
    provider = call.store.provider(uuid)
    call.store.set_traits(
        provider,
        call.body['resource_provider_generation'],
        call.body['traits'],
    )
    return _show_traits(call, uuid)


def _show_aggregates(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    return _with_generation(provider, aggregates=sorted(provider.aggregates))


def _set_aggregates(call: Call, uuid: str) -> Answer:
    provider = call.store.provider(uuid)
    bodies.check_list(call.body, 'aggregates', uuids=True)
    call.store.set_aggregates(
        provider,
        call.body['resource_provider_generation'],
        call.body['aggregates'],
    )
    return _show_aggregates(call, uuid)


def _list_held(call: Call, uuid: str) -> Answer:
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


def _list_traits(call: Call) -> Answer:
    names = dict(call.params).get('name', 'startswith:')
    how, _, value = names.partition(':')
    if how == 'in':
        found = call.store.traits & set(value.split(','))
    else:
        found = {t for t in call.store.traits if t.startswith(value)}
    return 200, {'traits': sorted(found)}


def _show_trait(call: Call, name: str) -> Answer:
    if name not in call.store.traits:
        raise Refusal(404, f'No such trait(s): {name}.')
    return 204, None


def _create_trait(call: Call, name: str) -> Answer:
    return _create_name(call.store.traits, name), None


def _create_class(call: Call, name: str) -> Answer:
    return _create_name(call.store.classes, name), None


def _create_name(known: set[str], name: str) -> int:
    bodies.check_custom(name)
    status = 204 if name in known else 201
    known.add(name)
    return status


def _show_consumer(call: Call, uuid: str) -> Answer:
    consumer = call.store.consumers.get(uuid)
    if consumer is None:
        return 200, {'allocations': {}}
    return 200, _shown_consumer(call, consumer)


def _shown_consumer(call: Call, consumer: Consumer) -> dict[str, Any]:
    shown = {
        'allocations': {
            uuid: {
                'generation': call.store.providers[uuid].generation,
                'resources': amounts,
            }
            for uuid, amounts in consumer.amounts.items()
        },
        'project_id': consumer.project_id,
        'user_id': consumer.user_id,
        'consumer_generation': consumer.generation,
    }
    if call.minor >= 38:
        shown['consumer_type'] = consumer.consumer_type or 'unknown'
    return shown


def _set_consumer(call: Call, uuid: str) -> Answer:
    try:
        uuid = str(uuidlib.UUID(uuid))
    except ValueError:
        raise Refusal(400, f'Malformed consumer_uuid: {uuid}') from None
    bodies.check_allocations(call.body, call.minor)
    call.store.allocate({uuid: call.body})
    return 204, None


def _delete_consumer(call: Call, uuid: str) -> Answer:
    call.store.release(uuid)
    return 204, None


def _set_consumers(call: Call) -> Answer:
    bodies.check_consumers(call.body, call.minor)
    call.store.allocate(call.body)
    return 204, None


def _list_candidates(call: Call) -> Answer:
    query, limit = queries.read_query(call.params, call.minor)
    found = list(queries.find(call.store, query))[:limit]
    roots = {
        call.store.providers[uuid].root
        for candidate in found
        for uuid, _ in candidate.amounts
    }
    return 200, {
        'allocation_requests': [
            _shown_candidate(call, candidate) for candidate in found
        ],
        'provider_summaries': {
            provider.uuid: _summary(provider)
            for provider in call.store.providers.values()
            if provider.root in roots
        },
    }


def _shown_candidate(call: Call, candidate: Candidate) -> dict[str, Any]:
    allocations: dict[str, Any] = {}
    for (uuid, name), amount in candidate.amounts.items():
        allocation = allocations.setdefault(uuid, {'resources': {}})
        allocation['resources'][name] = amount
    shown: dict[str, Any] = {'allocations': allocations}
    if call.minor >= 34:
        shown['mappings'] = {
            suffix: sorted(uuids)
            for suffix, uuids in candidate.mappings.items()
        }
    return shown


def _summary(provider: Provider) -> dict[str, Any]:
    return {
        'resources': {
            name: {
                'capacity': inventory.capacity,
                'used': provider.used.get(name, 0),
            }
            for name, inventory in provider.inventories.items()
        },
        'traits': sorted(provider.traits),
        'parent_provider_uuid': provider.parent,
        'root_provider_uuid': provider.root,
    }


_ONE = '/resource_providers/([^/]+)'

_PATHS: dict[str, dict[str, Handler]] = {
    '/resource_providers': {
        'GET': _list_providers,
        'POST': _create_provider,
    },
    _ONE: {'GET': _show_provider, 'DELETE': _delete_provider},
    f'{_ONE}/inventories': {
        'GET': _show_inventories,
        'PUT': _set_inventories,
    },
    f'{_ONE}/usages': {'GET': _show_usages},
    f'{_ONE}/traits': {'GET': _show_traits, 'PUT': _set_traits},
    f'{_ONE}/aggregates': {
        'GET': _show_aggregates,
        'PUT': _set_aggregates,
    },
    f'{_ONE}/allocations': {'GET': _list_held},
    '/traits': {'GET': _list_traits},
    '/traits/([^/]+)': {'GET': _show_trait, 'PUT': _create_trait},
    '/resource_classes/([^/]+)': {'PUT': _create_class},
    '/allocations': {'POST': _set_consumers},
    '/allocations/([^/]+)': {
        'GET': _show_consumer,
        'PUT': _set_consumer,
        'DELETE': _delete_consumer,
    },
    '/allocation_candidates': {'GET': _list_candidates},
}

ROUTES = [(re.compile(path), methods) for path, methods in _PATHS.items()]
