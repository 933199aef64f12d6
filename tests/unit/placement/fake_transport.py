"""A transport under the real keystoneauth1 that answers as it was told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import requests
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from sev_scheduling import parse
from sev_scheduling.placement.answers import Candidates
from sev_scheduling.placement.api import Api

URL = 'http://placement.test/placement'

SLOT = 'MEM_ENCRYPTION_CONTEXT'
SEV = 'HW_CPU_X86_AMD_SEV'
SNP = 'HW_CPU_X86_AMD_SEV_SNP'
CANDIDATES = 'GET /allocation_candidates'


class Answer:
    """What one call is answered with.

    :param own: whether it has the headers of Placement's own answers
    """

    def __init__(
        self,
        status: int = 200,
        body: Any = None,
        *,
        content: bytes | None = None,
        content_type: str = 'application/json',
        own: bool = True,
        location: str | None = None,
    ) -> None:
        self.own = own
        self.location = location
        self.status = status
        if content is None:
            content = b'' if body is None else json.dumps(body).encode()
        self.content = content
        self.content_type = content_type


def fault(status: int, detail: str = 'because', *, own: bool = True) -> Answer:
    """Answer as Placement does when it refuses."""
    error = {
        'status': status,
        'title': 'Title',
        'detail': f'WebOb says so.\n\n {detail}  ',
        'code': 'placement.undefined_code',
    }
    return Answer(status, {'errors': [error]}, own=own)


#: What Placement says of a consumer that holds nothing.
NOTHING: dict[str, Any] = {'allocations': {}}
ANY_HELD = 'GET /allocations/'

CANDIDATES = 'GET /allocation_candidates'
#: The same query about one host.
TREE = f'{CANDIDATES}?in_tree'
NO_CANDIDATES: dict[str, Any] = {
    'allocation_requests': [],
    'provider_summaries': {},
}

#: An answer, an exception to raise, or the body of a 200.
Step = Answer | Exception | dict[str, Any]


class FakeTransport(requests.adapters.BaseAdapter):
    """A transport that answers by method and path.

    A list is used up one by one, and its last step stays; a callable gets
    the request. What no route knows is answered with Placement's own 404.

    :ivar calls: (method, path) of each call so far
    :ivar requests: the requests themselves
    :ivar timeouts: seconds that each of them may take
    """

    def __init__(
        self, routes: Mapping[str, Step | list[Step] | Callable[..., Step]]
    ) -> None:
        super().__init__()
        versions = {'versions': [{'max_version': '1.39'}]}
        self.routes: dict[str, Any] = {'GET /': versions, **routes}
        self.calls: list[str] = []
        self.requests: list[requests.PreparedRequest] = []
        self.timeouts: list[float] = []

    def send(
        self, request: requests.PreparedRequest, **kwargs: Any
    ) -> requests.Response:
        path = urlsplit(request.url).path.removeprefix('/placement')
        call = f'{request.method} {path}'
        if call == CANDIDATES and 'in_tree=' in request.url:
            call = TREE
        self.calls.append(call)
        self.requests.append(request)
        self.timeouts.append(kwargs['timeout'])
        # Placement knows no consumer that it does not know.
        unknown = NOTHING if call.startswith(ANY_HELD) else fault(404)
        step = self.routes.get(call, unknown)
        if isinstance(step, list):
            step = step.pop(0) if len(step) > 1 else step[0]
        if callable(step):
            step = step(request)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, dict):
            step = Answer(200, step)
        response = requests.Response()
        response.status_code = step.status
        response.headers['content-type'] = step.content_type
        if step.location:
            response.headers['location'] = step.location
        if step.own:
            response.headers['x-openstack-request-id'] = 'req-1'
        response.raw = io.BytesIO(step.content)
        response.request = request
        response.url = request.url
        return response

    def close(self) -> None:
        pass

    def bodies(self, call: str) -> list[Any]:
        """Return what was sent by each of one kind of call."""
        return [
            json.loads(request.body)
            for name, request in zip(self.calls, self.requests, strict=True)
            if name == call
        ]

    def freed(self) -> list[str]:
        """Return the consumers that were asked to hold nothing."""
        return [
            consumer
            for body in self.bodies('POST /allocations')
            for consumer, claim in body.items()
            if not claim['allocations']
        ]

    def session(self, auth: Any = None) -> Session:
        transport = requests.Session()
        transport.mount('http://', self)
        return Session(
            auth=auth or Token(endpoint=URL, token='t'), session=transport
        )

    def adapter(self, **kwargs: Any) -> Adapter:
        return Adapter(
            self.session(), **{'service_type': 'placement', **kwargs}
        )


def uuid_of(number: int) -> str:
    return f'00000000-0000-0000-0000-{number:012}'


def host_tree(
    number: int,
    *,
    free: int = 1,
    total: int = 15,
    trait: str = SEV,
    traits: tuple[str, ...] = ('CUSTOM_HW_MACHINE_TYPE_Q35',),
) -> dict[str, Any]:
    """Return the provider summaries of a host with a nested pool."""
    root, pool = uuid_of(number), uuid_of(1000 + number)
    return {
        root: {
            'resources': {
                'VCPU': {'capacity': 64, 'used': 0},
                'MEMORY_MB': {'capacity': 65536, 'used': 0},
                'DISK_GB': {'capacity': 1000, 'used': 0},
            },
            'traits': list(traits),
            'root_provider_uuid': root,
            'parent_provider_uuid': None,
        },
        pool: {
            'resources': {SLOT: {'capacity': total, 'used': total - free}},
            'traits': [trait],
            'root_provider_uuid': root,
            'parent_provider_uuid': root,
        },
    }


def allocations(number: int) -> dict[str, Any]:
    """Return what a guest takes on that host."""
    return {
        uuid_of(number): {'resources': {'VCPU': 1, 'MEMORY_MB': 512}},
        uuid_of(1000 + number): {'resources': {SLOT: 1}},
    }


def candidates_answer(*hosts: int, **facts: Any) -> dict[str, Any]:
    """Answer with one candidate a host."""
    return {
        'allocation_requests': [
            {'allocations': allocations(n)} for n in hosts
        ],
        'provider_summaries': {
            uuid: summary
            for n in hosts
            for uuid, summary in host_tree(n, **facts).items()
        },
    }


def candidates_of(*answers: dict[str, Any]) -> Candidates:
    """Return answers as the client decodes them, together."""
    found = Candidates((), {})
    for answer in answers:
        found += msgspec.convert(answer, Candidates)
    return found


def providers_answer(*hosts: int) -> dict[str, Any]:
    return {
        'resource_providers': [
            provider
            for n in hosts
            for provider in (
                {
                    'uuid': uuid_of(n),
                    'name': f'host-{n}',
                    'root_provider_uuid': uuid_of(n),
                },
                {
                    'uuid': uuid_of(1000 + n),
                    'name': f'host-{n}_amd_sev',
                    'root_provider_uuid': uuid_of(n),
                },
            )
        ]
    }


def providers(*hosts: int) -> Callable[..., Step]:
    """Return a step that answers about one provider where it is named."""

    def step(request: requests.PreparedRequest) -> Step:
        (uuid,) = parse_qs(urlsplit(request.url).query).get('uuid', [None])
        return {
            'resource_providers': [
                provider
                for provider in providers_answer(*hosts)['resource_providers']
                if uuid in (None, provider['uuid'])
            ]
        }

    return step


def inventories_answer(ratio: float = 1.0) -> dict[str, Any]:
    return {
        'inventories': {
            'VCPU': {'total': 64},
            'MEMORY_MB': {
                'total': 65536,
                'reserved': 0,
                'allocation_ratio': ratio,
            },
        }
    }


def tree(**facts: Any) -> Callable[..., Step]:
    """Return a step that answers about the one host that is named."""

    def step(request: requests.PreparedRequest) -> Step:
        (uuid,) = parse_qs(urlsplit(request.url).query)['in_tree']
        return candidates_answer(int(uuid[-12:]), **facts)

    return step


def sev_request(
    *models: str, machine_type: str | None = 'q35', **extra_specs: str
) -> Any:
    """Return a valid request for a small encrypted guest.

    :param models: any of these, the best first; else amd-sev
    """
    image = {'name': 'debian', 'hw_firmware_type': 'uefi'}
    if machine_type:
        image['hw_machine_type'] = machine_type
    if 'amd-sev-snp' in models:
        image['hw_firmware_stateless'] = 'true'
    return parse(
        {
            'name': 'm1.sev',
            'vcpus': 1,
            'ram': 512,
            'disk': 0,
            'extra_specs': {'hw:mem_encryption': 'true', **extra_specs},
        },
        image,
        models=models,
    )


#: A guest, and what Placement says of it.
GUEST = uuid_of(7)
HELD = f'{ANY_HELD}{GUEST}'


def holding(number: int, **more: Any) -> dict[str, Any]:
    """Return what a guest holds that is on that host."""
    return {
        'allocations': allocations(number),
        'project_id': 'sev-scheduling',
        'user_id': 'sev-scheduling',
        'consumer_generation': 3,
        **more,
    }


def cloud(
    *hosts: int, ratio: float = 1.0, free: int = 5, **routes: Any
) -> FakeTransport:
    """Return hosts with a pool each, where every claim is made."""
    return FakeTransport(
        {
            'GET /resource_providers': providers(*hosts),
            CANDIDATES: candidates_answer(*hosts, free=free),
            TREE: tree(free=free),
            'POST /allocations': {},
            HELD: NOTHING,
            **{
                f'GET /resource_providers/{uuid_of(n)}/inventories': (
                    inventories_answer(ratio)
                )
                for n in hosts
            },
            **{
                f'GET /resource_providers/{uuid_of(1000 + n)}/inventories': {
                    'inventories': {SLOT: {'total': 15}}
                }
                for n in hosts
            },
            **{
                f'GET /resource_providers/{uuid}/{what}': answer
                for n in hosts
                for uuid, summary in host_tree(n).items()
                for what, answer in (
                    ('usages', {'usages': {}}),
                    ('traits', {'traits': summary['traits']}),
                )
            },
            **routes,
        }
    )


EMPTY = {'allocation_requests': [], 'provider_summaries': {}}
UNKNOWN = fault(400, f'No such trait(s): {SNP}.')


def api_of(
    routes: Mapping[str, Any], **kwargs: Any
) -> tuple[Api, FakeTransport]:
    """Return an Api, and the transport that it asks."""
    transport = FakeTransport(routes)
    return Api(transport.adapter(), **kwargs), transport


def queries(transport: FakeTransport) -> list[dict[str, list[str]]]:
    """Return the parameters of each call that has any."""
    parsed = [parse_qs(urlsplit(r.url).query) for r in transport.requests]
    return [query for query in parsed if query]


def versions(newest: str) -> dict[str, Any]:
    return {'GET /': {'versions': [{'max_version': newest}]}}
