"""Every host of a Placement, in few calls.

``GET /allocation_candidates`` tells capacity, usage and traits of whole
trees, so one question about a resource that hosts have left shows their
pools too, full ones included. A host that has nothing left of anything is
asked for by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import os_resource_classes as orc

from sev_scheduling.exceptions import PlacementAnswerError, PlacementRefused
from sev_scheduling.hosts.host import Host
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

_PROVIDER_KEYS = ('name', 'root_provider_uuid', 'uuid')

_T = TypeVar('_T')

Summaries = dict[str, dict[str, Any]]


def list_providers(client: PlacementClient) -> list[Mapping[str, str]]:
    """Return all providers, with name, uuid and root_provider_uuid."""
    url = '/resource_providers'
    with _shaped(url):
        return [
            {key: str(provider[key]) for key in _PROVIDER_KEYS}
            for provider in client.call('GET', url)['resource_providers']
        ]


class Names:
    """Providers' names, asked for once, and anew where one is missing.

    Threads may share it. A provider that is named anew keeps its old name
    here; a compute host's never changes.
    """

    def __init__(self, client: PlacementClient) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def of(self, uuids: Iterable[str]) -> Mapping[str, str]:
        """Return provider uuid -> name, with these if they exist."""
        if not self._known.keys() >= set(uuids):
            self._known = {
                p['uuid']: p['name'] for p in list_providers(self._client)
            }
        return self._known


def root_of(client: PlacementClient, provider: str) -> str:
    """Return the root of a provider's tree; itself where it is gone."""
    url = f'/resource_providers/{provider}'
    try:
        answer = client.call('GET', url)
    except PlacementRefused:
        return provider
    with _shaped(url):
        return str(answer['root_provider_uuid'])


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
    unseen = roots - {s['root_provider_uuid'] for s in summaries.values()}
    summaries |= _ask_one_by_one(client, known, unseen)
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


def _ask_one_by_one(
    client: PlacementClient,
    known: Iterable[Mapping[str, str]],
    roots: set[str],
) -> Summaries:
    """Return the trees that no candidate showed, if they are hosts."""
    summaries: Summaries = {}
    for provider in known:
        if provider['root_provider_uuid'] in roots:
            inventories = inventories_of(client, provider['uuid'])
            summaries[provider['uuid']] = {
                'resources': {
                    name: {
                        'capacity': int(
                            (i['total'] - i['reserved'])
                            * i['allocation_ratio']
                        )
                    }
                    for name, i in inventories.items()
                },
                'root_provider_uuid': provider['root_provider_uuid'],
            }
    trees = _compute_trees(summaries)
    # Not the usages and traits of thousands of bare metal nodes, too.
    summaries = {
        uuid: summary
        for uuid, summary in summaries.items()
        if summary['root_provider_uuid'] in trees
    }
    for uuid, summary in summaries.items():
        used = usages_of(client, uuid)
        for name, amounts in summary['resources'].items():
            amounts['used'] = used.get(name, 0)
        summary['traits'] = _ask(client, uuid, 'traits', [])
    return summaries


def inventories_of(
    client: PlacementClient, provider: str
) -> Mapping[str, Mapping[str, Any]]:
    """Return a provider's inventories: class -> total, reserved, …"""
    inventories: dict[str, dict[str, Any]] = _ask(
        client, provider, 'inventories', {}
    )
    with _shaped(f'/resource_providers/{provider}/inventories'):
        for inventory in inventories.values():
            for key in ('total', 'reserved', 'allocation_ratio'):
                inventory[key] + 0
    return inventories


def usages_of(client: PlacementClient, provider: str) -> Mapping[str, int]:
    """Return what is used of a provider: class -> amount."""
    used: dict[str, int] = _ask(client, provider, 'usages', {})
    with _shaped(f'/resource_providers/{provider}/usages'):
        for amount in used.values():
            amount + 0
    return used


def ram_allocation_ratio(client: PlacementClient, root: str) -> float:
    """Return by how much a host overcommits memory; 1.0 is not at all."""
    memory = inventories_of(client, root).get(orc.MEMORY_MB)
    return float(memory['allocation_ratio']) if memory else 1.0


def _ask(client: PlacementClient, provider: str, what: str, missing: _T) -> _T:
    """Return inventories, usages or traits of a provider.

    :param missing: for a provider that is gone; the answer is of its type
    """
    url = f'/resource_providers/{provider}/{what}'
    try:
        answer = client.call('GET', url).get(what)
    except PlacementRefused:
        return missing
    with _shaped(url):
        if not isinstance(answer, type(missing)):
            raise TypeError
    return answer


@contextlib.contextmanager
def _shaped(url: str) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError):
        raise PlacementAnswerError(
            f'GET {url}: the answer lists no {url.rpartition("/")[2]}, or '
            'strange ones; check the endpoint.'
        ) from None


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
