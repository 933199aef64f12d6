"""Answers of a Placement of any size, without one.

Real ones take a Placement of 20,000 hosts half a minute each; what is looked
at here is what comes after. Their form is that of Placement 16: each host has
a root of :data:`TRAITS` and a nested pool.
"""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

from os_traits import HW_CPU_X86_AMD_SEV, OWNER_NOVA

MACHINE_TYPE = 'CUSTOM_HW_MACHINE_TYPE_Q35'
#: As many as nova reports of a host of today.
TRAITS = (
    MACHINE_TYPE,
    OWNER_NOVA,
    *(f'COMPUTE_SYNTHETIC_{number}' for number in range(60)),
)
SLOTS = 'MEM_ENCRYPTION_CONTEXT'


class Response:
    """What is read of a response of requests."""

    status_code = 200
    headers = {'content-type': 'application/json'}

    def __init__(self, url: str, content: bytes) -> None:
        self.url = url
        self.content = content


class SyntheticPlacement:
    """Answers GET calls like an adapter, and counts them.

    :ivar calls: how many
    :ivar bytes: how much it has answered
    """

    def __init__(self, hosts: int) -> None:
        self._lock = threading.Lock()
        self._roots = [_uuid(number, 0) for number in range(hosts)]
        self._pools = [_uuid(number, 1) for number in range(hosts)]
        self._answers: dict[str, bytes] = {}
        self.calls = self.bytes = 0

    def request(self, url: str, method: str, **_: Any) -> Response:
        with self._lock:
            if url not in self._answers:
                document = json.dumps(self._answer(url))
                self._answers[url] = document.encode()
            self.calls += 1
            self.bytes += len(self._answers[url])
        return Response(url, self._answers[url])

    def _answer(self, url: str) -> dict[str, Any]:
        path, asked = urlsplit(url).path, parse_qs(urlsplit(url).query)
        if path == '/':
            return {'versions': [{'max_version': '1.39'}]}
        if path == '/traits':
            return {'traits': [MACHINE_TYPE]}
        if path == '/resource_providers':
            roots = [_provider(uuid, uuid) for uuid in self._roots]
            pools = [
                _provider(pool, root)
                for pool, root in zip(self._pools, self._roots, strict=True)
            ]
            of_trait = {MACHINE_TYPE: roots, HW_CPU_X86_AMD_SEV: pools}
            if 'required' in asked:
                found = of_trait.get(asked['required'][0], [])
            else:
                found = [*roots, *pools]
            return {'resource_providers': found}
        return self._candidates(int(asked['limit'][0]))

    def _candidates(self, limit: int) -> dict[str, Any]:
        trees = [*zip(self._roots, self._pools, strict=True)][:limit]
        return {
            'allocation_requests': [
                {
                    'allocations': {pool: {'resources': {SLOTS: 1}}},
                    'mappings': {'': [pool]},
                }
                for _, pool in trees
            ],
            'provider_summaries': {
                uuid: summary
                for root, pool in trees
                for uuid, summary in _tree(root, pool).items()
            },
        }


def _uuid(number: int, kind: int) -> str:
    return f'{number:08x}-0000-4000-8000-{kind:012x}'


def _provider(uuid: str, root: str) -> dict[str, Any]:
    return {
        'uuid': uuid,
        'name': f'compute-{uuid[:8]}',
        'generation': 1,
        'root_provider_uuid': root,
        'parent_provider_uuid': None if uuid == root else root,
    }


def _tree(root: str, pool: str) -> dict[str, Any]:
    amounts = {'VCPU': 256, 'MEMORY_MB': 2**20, 'DISK_GB': 4000}
    return {
        root: {
            'root_provider_uuid': root,
            'parent_provider_uuid': None,
            'traits': TRAITS,
            'resources': {
                name: {'capacity': amount, 'used': 0}
                for name, amount in amounts.items()
            },
        },
        pool: {
            'root_provider_uuid': root,
            'parent_provider_uuid': root,
            'traits': [HW_CPU_X86_AMD_SEV],
            'resources': {SLOTS: {'capacity': 500, 'used': 0}},
        },
    }
