"""Every host of a Placement, in few calls.

``GET /allocation_candidates`` tells capacity, usage and traits of whole
trees, so one question about a resource that hosts have left shows their
pools too, full ones included. A host that has nothing left of anything is
asked for by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import os_resource_classes as orc

from sev_scheduling.exceptions import PlacementAnswerError
from sev_scheduling.hosts import Host
from sev_scheduling.models import model_traits
from sev_scheduling.placement.candidates import Candidates

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient

# The commonest first: most clouds are known after one of them.
_ASKED = (
    orc.VCPU,
    orc.PCPU,
    orc.MEMORY_MB,
    orc.MEM_ENCRYPTION_CONTEXT,
    orc.DISK_GB,
)
#: A tree with none of these is no host (shared storage, network).
_HOST_CLASSES = frozenset({orc.VCPU, orc.PCPU, orc.MEMORY_MB})

Summaries = dict[str, dict[str, Any]]


def list_providers(client: PlacementClient) -> list[Mapping[str, Any]]:
    """Return all providers, with name, uuid and root_provider_uuid."""
    answer = client.call('GET', '/resource_providers')
    try:
        return [
            {
                'uuid': str(provider['uuid']),
                'name': str(provider['name']),
                'root_provider_uuid': str(provider['root_provider_uuid']),
            }
            for provider in answer['resource_providers']
        ]
    except (KeyError, TypeError):
        raise PlacementAnswerError(
            'GET /resource_providers: the answer lists no providers; check '
            'the endpoint.'
        ) from None


def names(client: PlacementClient) -> dict[str, str]:
    """Return provider uuid -> name."""
    return {p['uuid']: p['name'] for p in list_providers(client)}


def hosts(client: PlacementClient, *, details: bool) -> list[Host]:
    """See :meth:`.PlacementClient.hosts`."""
    known = list_providers(client)
    roots = {provider['root_provider_uuid'] for provider in known}
    summaries: Summaries = {}
    for name in _ASKED:
        seen = {s['root_provider_uuid'] for s in summaries.values()}
        if roots <= seen:
            break
        answer = client.call(
            'GET', f'/allocation_candidates?resources={name}:1'
        )
        for uuid, s in Candidates.from_answer(
            answer
        ).provider_summaries.items():
            summaries.setdefault(uuid, dict(s))
    seen = {s['root_provider_uuid'] for s in summaries.values()}
    for provider in known:
        if provider['root_provider_uuid'] not in seen:
            summaries[provider['uuid']] = _ask_provider(client, provider)
    trees = _compute_trees(summaries)
    ratios: dict[str, float] = {}
    if details:
        ratios = _add_details(client, summaries, trees)
    return sorted(
        Host.from_provider_summaries(
            {
                uuid: summary
                for uuid, summary in summaries.items()
                if summary['root_provider_uuid'] in trees
            },
            names={p['uuid']: p['name'] for p in known},
            ram_allocation_ratios=ratios,
        ),
        key=lambda host: host.name,
    )


def _compute_trees(summaries: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {
        summary['root_provider_uuid']
        for summary in summaries.values()
        if not _HOST_CLASSES.isdisjoint(summary['resources'])
    }


def _ask_provider(
    client: PlacementClient, provider: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a summary of a provider that no candidate showed."""
    url = f'/resource_providers/{provider["uuid"]}'
    inventories = inventories_of(client, provider['uuid'])
    resources = {}
    if inventories:
        usages = client.call('GET', f'{url}/usages').get('usages', {})
        resources = {
            name: {
                'capacity': int(
                    (i['total'] - i['reserved']) * i['allocation_ratio']
                ),
                'used': usages.get(name, 0),
            }
            for name, i in inventories.items()
        }
    return {
        'resources': resources,
        'traits': client.call('GET', f'{url}/traits').get('traits', []),
        'root_provider_uuid': provider['root_provider_uuid'],
    }


def inventories_of(
    client: PlacementClient, provider: str
) -> Mapping[str, Mapping[str, Any]]:
    """Return a provider's inventories: class -> total, reserved, …"""
    url = f'/resource_providers/{provider}/inventories'
    inventories = client.call('GET', url).get('inventories')
    if not isinstance(inventories, dict):
        raise PlacementAnswerError(
            f'GET {url}: the answer has no inventories; check the endpoint.'
        )
    return inventories


def _add_details(
    client: PlacementClient, summaries: Summaries, trees: Iterable[str]
) -> dict[str, float]:
    """Add total and reserved to pools; return root uuid -> ratio."""
    pools = {
        uuid: summary
        for uuid, summary in summaries.items()
        if orc.MEM_ENCRYPTION_CONTEXT in summary['resources']
        and not model_traits().keys().isdisjoint(summary['traits'])
    }
    ratios = {}
    inventories = {uuid: inventories_of(client, uuid) for uuid in pools}
    for uuid, summary in pools.items():
        slots = inventories[uuid].get(orc.MEM_ENCRYPTION_CONTEXT)
        if slots:
            summary['resources'][orc.MEM_ENCRYPTION_CONTEXT] |= {
                'total': slots['total'],
                'reserved': slots['reserved'],
            }
        root = summary['root_provider_uuid']
        if root not in inventories:
            inventories[root] = inventories_of(client, root)
        memory = inventories[root].get(orc.MEMORY_MB)
        if memory:
            ratios[root] = float(memory['allocation_ratio'])
    return ratios
