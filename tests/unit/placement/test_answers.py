"""Placement's answers of every shape, and what candidates tell."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from sev_scheduling import translate
from sev_scheduling.exceptions import PlacementAnswerError
from sev_scheduling.models import registered_models
from sev_scheduling.placement import answers, api
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Candidates,
    ProviderSummary,
    Resources,
    Usage,
    main_provider,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.wire import wire
from tests.unit.placement.fake_transport import (
    SLOT,
    FakeTransport,
    allocations,
    candidates_answer,
    candidates_of,
    holding,
    sev_request,
    uuid_of,
)

SEV = registered_models()['amd-sev']
ES = registered_models()['amd-sev-es']
SNP = registered_models()['amd-sev-snp']


def broken(*path, value):
    """Return an answer with one value replaced."""
    answer = candidates_answer(1)
    place = answer
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return answer


ROOT, POOL = uuid_of(1), uuid_of(1001)
SUMMARY = ('provider_summaries', ROOT)
REQUEST = ('allocation_requests', 0)

#: What is asked, with the path of it -> answers of another shape.
SHAPES = {
    ('candidates', '/allocation_candidates'): {
        'nothing': {},
        'no summaries': {'allocation_requests': []},
        'no requests': {'provider_summaries': {}},
        'requests that are a mapping': broken(
            'allocation_requests', value={'a': 1}
        ),
        'requests that are a number': broken('allocation_requests', value=7),
        'summaries that are a list': broken('provider_summaries', value=[]),
        'a request that is null': broken(*REQUEST, value=None),
        'a request without allocations': broken(*REQUEST, value={}),
        'a request that takes nothing': broken(
            *REQUEST, 'allocations', value={}
        ),
        'allocations that are a list': broken(
            *REQUEST, 'allocations', value=[{'resources': {}}]
        ),
        'an allocation without resources': broken(
            *REQUEST, 'allocations', value={ROOT: {}}
        ),
        'an amount that is text': broken(
            *REQUEST, 'allocations', ROOT, 'resources', 'VCPU', value='1'
        ),
        'a summary that is null': broken(*SUMMARY, value=None),
        'a summary without a root': broken(
            *SUMMARY, 'root_provider_uuid', value=None
        ),
        'traits that are null': broken(*SUMMARY, 'traits', value=None),
        'a trait that is a number': broken(*SUMMARY, 'traits', value=[1]),
        'resources that are a list': broken(*SUMMARY, 'resources', value=[]),
        'a capacity that is null': broken(
            *SUMMARY, 'resources', 'VCPU', 'capacity', value=None
        ),
        'a usage that is missing': broken(
            *SUMMARY, 'resources', 'VCPU', value={'capacity': 1}
        ),
    },
    ('resource_providers', '/resource_providers'): {
        'nothing': {},
        'null': {'resource_providers': None},
        'a provider that is null': {'resource_providers': [None]},
        'a provider without a name': {'resource_providers': [{'uuid': ROOT}]},
    },
    ('inventories', f'/resource_providers/{ROOT}/inventories'): {
        'nothing': {},
        'a list': {'inventories': []},
        'an inventory that is null': {'inventories': {'VCPU': None}},
        'an inventory without a total': {'inventories': {'VCPU': {}}},
        'a total that is text': {'inventories': {'VCPU': {'total': '8'}}},
        'a ratio that is null': {
            'inventories': {'VCPU': {'total': 8, 'allocation_ratio': None}}
        },
    },
    ('usages', f'/resource_providers/{ROOT}/usages'): {
        'nothing': {},
        'a list': {'usages': [1]},
        'an amount that is text': {'usages': {'VCPU': '1'}},
    },
    ('traits', f'/resource_providers/{ROOT}/traits'): {
        'nothing': {},
        'a mapping': {'traits': {}},
    },
    ('consumers', f'/resource_providers/{ROOT}/allocations'): {
        'nothing': {},
        'null': {'allocations': None},
        'a list': {'allocations': []},
        'a consumer that is null': {'allocations': {uuid_of(1): None}},
        'a consumer without resources': {'allocations': {uuid_of(1): {}}},
        'a consumer that is no uuid': {
            'allocations': {'web-1': {'resources': {SLOT: 1}}}
        },
    },
    ('allocations', f'/allocations/{ROOT}'): {
        'nothing': {},
        'null': {'allocations': None},
        'a list': {'allocations': []},
        'an allocation that is null': {'allocations': {ROOT: None}},
        'resources that are a list': {
            'allocations': {ROOT: {'resources': [SLOT]}}
        },
        'a user that is a number': holding(1, user_id=7),
        **{
            f'no {key}': {k: v for k, v in holding(1).items() if k != key}
            for key in ('user_id', 'project_id', 'consumer_generation')
        },
    },
}  # fmt: skip
ASKED = {'candidates': translate(sev_request()), 'resource_providers': None}


@pytest.mark.parametrize(
    ('method', 'path', 'answer'),
    [
        pytest.param(method, path, answer, id=f'{method}: {what}')
        for (method, path), answers in SHAPES.items()
        for what, answer in answers.items()
    ],
)
def test_an_answer_of_another_shape_is_refused(method, path, answer):
    transport = FakeTransport({f'GET {path}': answer})
    asked = filter(None, [ASKED.get(method, ROOT)])
    with pytest.raises(PlacementAnswerError, match='check the endpoint') as e:
        getattr(Api(transport.adapter()), method)(*asked)
    assert str(e.value).startswith(f'GET {path}: ')


def test_a_consumer_that_holds_nothing():
    transport = FakeTransport(
        {f'GET /allocations/{ROOT}': {'allocations': {}}}
    )
    assert not Api(transport.adapter()).allocations(ROOT)


def test_the_answers_model_is_the_slots():
    answer = candidates_answer(1, 2)
    answer['provider_summaries'][uuid_of(1002)]['traits'] = [ES.trait]
    found = candidates_of(answer)
    assert [(c.root, c.model) for c in found.candidates([ES, SEV])] == [
        (uuid_of(1), SEV),
        (uuid_of(2), ES),
    ]
    assert [c.slot_provider for c in found.candidates([SEV])] == [POOL]
    assert list(found.candidates([SNP])) == []


def test_of_a_flat_providers_models_the_best_is_taken():
    answer = candidates_answer(1)
    answer['provider_summaries'][POOL]['traits'] = [SEV.trait, ES.trait]
    found = candidates_of(answer)
    assert [c.model for c in found.candidates([ES, SEV])] == [ES]
    assert [c.model for c in found.candidates([SEV, ES])] == [SEV]


def test_without_models_every_candidate_is_yielded():
    (found,) = candidates_of(candidates_answer(1)).candidates(())
    assert found.model is None
    assert found.allocations == {
        provider: taken['resources']
        for provider, taken in allocations(1).items()
    }


def test_a_slot_of_a_provider_that_no_summary_tells_of_has_no_model():
    answer = candidates_answer(1)
    del answer['provider_summaries'][POOL]
    found = candidates_of(answer)
    assert list(found.candidates([SEV])) == []
    assert [c.root for c in found.candidates(())] == [POOL]


@pytest.mark.parametrize(
    ('allocations', 'telling'),
    [
        ({'disk': {'DISK_GB': 1}, 'pool': {SLOT: 1}, 'cpu': {'VCPU': 1}},
         'pool'),
        ({'disk': {'DISK_GB': 1}, 'cpu': {'VCPU': 1}}, 'cpu'),
        ({'disk': {'DISK_GB': 1}, 'cpu': {'PCPU': 1}}, 'cpu'),
        ({'disk': {'DISK_GB': 1}, 'ram': {'MEMORY_MB': 1}}, 'disk'),
    ],
)  # fmt: skip
def test_shared_storage_does_not_tell_the_host(allocations, telling):
    assert main_provider(allocations) == telling


def test_of_a_pool_with_more_reserved_than_there_is_nothing_is_left():
    summary = ProviderSummary(
        POOL, {SLOT: Usage(-1, 0)}, frozenset({SEV.trait})
    )
    (host,) = answers.hosts_of_summaries({POOL: summary})

    assert host.pools['amd-sev'].total == 0


def test_answers_add_up():
    one, two = (candidates_of(candidates_answer(n)) for n in (1, 2))
    both = one + two
    assert [c.root for c in both.candidates([SEV])] == [uuid_of(1), uuid_of(2)]
    assert {host.uuid for host in both.hosts()} == {uuid_of(1), uuid_of(2)}
    assert both
    assert not Candidates((), both.provider_summaries)
    assert len(both.limited_to(1).allocation_requests) == 1
    assert both.limited_to(None) == both


@pytest.mark.parametrize(
    ('providers', 'requests', 'most'),
    [
        pytest.param({}, [], 0, id='no candidate'),
        pytest.param(
            {'a': ('a', {'VCPU': 7})}, [{'a': {'VCPU': 2}}], 3, id='one host'
        ),
        pytest.param(
            {'a': ('a', {'VCPU': 7}), 'b': ('b', {'VCPU': 4})},
            [{'a': {'VCPU': 2}}, {'b': {'VCPU': 2}}],
            5,
            id='two hosts',
        ),
        pytest.param(
            {
                'a': ('a', {'VCPU': 9}),
                'a1': ('a', {'MEM_ENCRYPTION_CONTEXT': 2}),
                'a2': ('a', {'MEM_ENCRYPTION_CONTEXT': 3}),
            },
            [
                {'a': {'VCPU': 1}, pool: {'MEM_ENCRYPTION_CONTEXT': 1}}
                for pool in ('a1', 'a2')
            ],
            5,
            id='two pools of one host',
        ),
        pytest.param(
            {
                'a': ('a', {'VCPU': 9}),
                'b': ('b', {'VCPU': 9}),
                's': ('s', {'DISK_GB': 50}),
            },
            [{h: {'VCPU': 1}, 's': {'DISK_GB': 20}} for h in 'ab'],
            2,
            id='storage that they share',
        ),
        pytest.param(
            {},
            [{'a': {'VCPU': 1}}],
            2**31 - 1,
            id='a provider of which nothing is shown has no bound',
        ),
    ],
)
def test_an_upper_bound_on_equal_guests(providers, requests, most):
    answer = Candidates(
        tuple(
            AllocationRequest({p: Resources(r) for p, r in one.items()})
            for one in requests
        ),
        {
            name: ProviderSummary(
                root, {c: Usage(n, 0) for c, n in left.items()}, ()
            )
            for name, (root, left) in providers.items()
        },
    )
    assert answer.most_guests() == most


def test_every_answer_that_is_asked_for_is_among_the_shapes():
    source = inspect.getsource(api) + inspect.getsource(wire)
    asked = {
        getattr(answers, name)
        for name in re.findall(r'answers\.([A-Z][a-z]\w+)', source)
    }
    assert asked | {Candidates} == set(answers.SHAPES)


_DECODING = """
import importlib, sys, threading
import msgspec
from sev_scheduling.placement import answers

sys.setswitchinterval(1e-6)
SUMMARY = {
    'root_provider_uuid': 'a',
    'traits': ['A'],
    'resources': {'VCPU': {'capacity': 1, 'used': 0}},
}
CONTENT = msgspec.json.encode(
    {
        'allocation_requests': [
            {'allocations': {'a': {'resources': {'VCPU': 1}}}}
        ],
        'provider_summaries': {'a': SUMMARY},
    }
)

def decode(shape, barrier):
    barrier.wait()
    msgspec.json.decode(CONTENT, type=shape)

for _ in range(60):
    # Shapes that no thread has decoded.
    importlib.reload(answers)
    barrier = threading.Barrier(8)
    threads = [
        threading.Thread(target=decode, args=(answers.Candidates, barrier))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_first_answers_that_come_at_one_moment_crash_no_process():
    """It was a segmentation fault in one of ten processes."""
    done = subprocess.run(
        [sys.executable, '-c', _DECODING],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
