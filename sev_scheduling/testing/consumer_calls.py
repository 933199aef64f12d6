"""Calls about what consumers hold, and what they could hold."""

from __future__ import annotations

import uuid as uuidlib
from typing import Any

from sev_scheduling.placement.world import Candidate, Provider
from sev_scheduling.testing import bodies, queries
from sev_scheduling.testing.calls import Answer, Call
from sev_scheduling.testing.refusal import Refusal
from sev_scheduling.testing.store import Consumer


def show_consumer(call: Call, uuid: str) -> Answer:
    consumer = call.store.consumers.get(uuid)
    if consumer is None or not consumer.amounts:
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


def set_consumer(call: Call, uuid: str) -> Answer:
    try:
        uuid = str(uuidlib.UUID(uuid))
    except ValueError:
        raise Refusal(400, f'Malformed consumer_uuid: {uuid}') from None
    bodies.check_allocations(call.body, call.minor)
    call.store.allocate({uuid: call.body})
    return 204, None


def delete_consumer(call: Call, uuid: str) -> Answer:
    call.store.release(uuid)
    return 204, None


def set_consumers(call: Call) -> Answer:
    bodies.check_consumers(call.body, call.minor)
    call.store.allocate(call.body)
    return 204, None


def list_candidates(call: Call) -> Answer:
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
