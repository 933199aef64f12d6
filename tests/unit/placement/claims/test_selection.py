"""Which candidate each guest of a group gets."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qsl, urlsplit

import pytest

from sev_scheduling import parse, validate
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.placement import PlacementClient
from sev_scheduling.placement.api import MAX_CANDIDATES
from sev_scheduling.placement.claims.selection import (
    CandidateSelection,
)
from tests.unit.placement.fake_transport import (
    FakeTransport,
    candidates_answer,
    candidates_of,
    fault,
    inventories_answer,
    providers_answer,
    sev_request,
    uuid_of,
)

ES = 'HW_CPU_X86_AMD_SEV_ES'
NAMES = {uuid_of(n): f'host-{n}' for n in range(1, 9)}
#: A request for a guest without encryption.
PLAIN = parse(
    {'name': 'f', 'vcpus': 1, 'ram': 512, 'disk': 0, 'extra_specs': {}}
)
PC = 'CUSTOM_HW_MACHINE_TYPE_PC'


def selection(request=None, ratios=None, answer=None):
    """Return one, and the Placement that it asks.

    :param answer: to questions for candidates
    """
    transport = FakeTransport(
        {
            'GET /resource_providers': providers_answer(*range(1, 9)),
            'GET /allocation_candidates': answer or candidates_answer(),
            **{
                f'GET /resource_providers/{uuid_of(n)}/inventories': (
                    inventories_answer((ratios or {}).get(n, 1.0))
                )
                for n in range(1, 9)
            },
        }
    )
    request = request or sev_request()
    client = PlacementClient(transport.adapter())
    return CandidateSelection(client, validate(request)), transport


def asked_of_memory(transport):
    return [call for call in transport.calls if call.endswith('/inventories')]


def limits(transport):
    """Return how many candidates each question asked for."""
    return [
        int(dict(parse_qsl(urlsplit(r.url).query))['limit'])
        for c, r in zip(transport.calls, transport.requests, strict=True)
        if c == 'GET /allocation_candidates'
    ]


def hosts_of(chosen):
    return dict(Counter(NAMES[candidate.root] for candidate in chosen))


def test_the_host_with_most_free_slots_comes_first_then_by_name():
    answer = candidates_of(
        candidates_answer(3, free=2),
        candidates_answer(2, free=5),
        candidates_answer(1, free=2),
    )
    pick = selection()[0].pick
    assert hosts_of(pick(answer, 1)) == {'host-2': 1}
    assert [NAMES[c.root] for c in pick(answer, 9)] == [
        *['host-2'] * 3,
        *('host-1', 'host-2', 'host-3'),
        *('host-1', 'host-2', 'host-3'),
    ]


@pytest.mark.parametrize(
    ('free', 'guests', 'chosen'),
    [
        pytest.param(
            {1: 2**31 - 1, 2: 8, 3: 2},
            6,
            {'host-1': 2, 'host-2': 4},
            id='as many as the mean of the others',
        ),
        pytest.param(
            {1: 2**31 - 1, 2: 2**31 - 5},
            4,
            {'host-1': 2, 'host-2': 2},
            id='of none is a limit known',
        ),
        pytest.param(
            {1: 2**31 - 1, 2: 0}, 3, {'host-1': 3}, id='the only one'
        ),
    ],
)
def test_a_pool_without_a_limit_is_not_the_best(free, guests, chosen):
    answer = candidates_of(
        *(
            candidates_answer(n, free=slots, total=max(slots, 15))
            for n, slots in free.items()
        )
    )
    found = selection()[0].pick(answer, guests)
    assert hosts_of(found) == chosen


def test_a_group_is_spread_so_that_a_host_takes_few_guests_along():
    """All of them went to the host with most free slots."""
    answer = candidates_answer(1, 2, 3, free=10)
    chosen = selection()[0].pick(candidates_of(answer), 9)
    assert hosts_of(chosen) == {'host-1': 3, 'host-2': 3, 'host-3': 3}


def test_a_host_takes_no_more_than_its_memory_holds():
    answer = candidates_answer(1, 2, free=10)
    memory = answer['provider_summaries'][uuid_of(1)]['resources']['MEMORY_MB']
    memory['used'] = memory['capacity'] - 2 * 512 - 511
    chosen = selection()[0].pick(candidates_of(answer), 9)
    assert hosts_of(chosen) == {'host-1': 2, 'host-2': 7}


def test_the_best_model_comes_first_however_few_slots_it_has():
    request = sev_request('amd-sev-es', 'amd-sev')
    answer = candidates_of(
        candidates_answer(1, free=9), candidates_answer(2, free=1, trait=ES)
    )
    chosen = selection(request)[0].pick(answer, 3)
    assert hosts_of(chosen) == {'host-1': 2, 'host-2': 1}
    assert [c.model.name for c in chosen] == ['amd-sev-es', *['amd-sev'] * 2]


def test_a_guest_without_a_slot_leaves_hosts_with_slots_alone():
    answer = candidates_answer(1, 2, 3)
    for n in (2, 3):
        answer['provider_summaries'].pop(uuid_of(1000 + n))
    for n, taken in enumerate(answer['allocation_requests'], 1):
        taken['allocations'].pop(uuid_of(1000 + n))
    memory = answer['provider_summaries'][uuid_of(2)]['resources']['MEMORY_MB']
    memory['capacity'] = 3 * 512
    chosen = selection(PLAIN)[0].pick(candidates_of(answer), 5)
    assert [NAMES[c.root] for c in chosen] == [
        *['host-2'] * 3,
        *['host-3'] * 2,
    ]
    assert {c.model for c in chosen} == {None}


def test_hosts_that_refuse_are_passed_over():
    answer = candidates_of(
        candidates_answer(1, free=9, traits=(PC,)), candidates_answer(2)
    )
    chosen = selection(sev_request(machine_type=None))[0].pick(answer, 1)
    assert hosts_of(chosen) == {'host-2': 1}


class TestMemory:
    def test_hosts_that_overcommit_it_are_passed_over(self):
        answer = candidates_of(
            candidates_answer(1, free=9), candidates_answer(2)
        )
        selecting, transport = selection(ratios={1: 1.5})
        for _ in range(2):
            assert hosts_of(selecting.pick(answer, 1)) == {'host-2': 1}
        # A call a host, once.
        assert len(asked_of_memory(transport)) == 2

    def test_hosts_that_are_not_chosen_are_not_asked(self):
        answer = candidates_of(candidates_answer(*range(1, 9)))
        selecting, transport = selection()
        selecting.pick(answer, 2)
        assert len(asked_of_memory(transport)) == 2

    @pytest.mark.parametrize(
        ('specs', 'asked'),
        [
            ({'hw:mem_page_size': 'large'}, 0),
            ({}, 1),
        ],
    )
    def test_guests_with_pages_of_their_own_do_not_mind(self, specs, asked):
        selecting, transport = selection(sev_request(**specs), ratios={1: 1.5})
        answer = candidates_of(candidates_answer(1))
        assert bool(selecting.pick(answer, 1)) is not bool(asked)
        assert len(asked_of_memory(transport)) == asked

    def test_a_host_that_is_gone_does_not_overcommit(self):
        selecting, transport = selection()
        path = f'/resource_providers/{uuid_of(1)}/inventories'
        transport.routes[f'GET {path}'] = fault(404)
        answer = candidates_of(candidates_answer(1))
        assert selecting.pick(answer, 1)


class TestNoCapacity:
    @pytest.mark.parametrize(('count', 'free'), [(1, 0), (3, 0), (3, 2)])
    def test_it_has_how_many_fit(self, count, free):
        hosts = (1,) if free else ()
        selecting, transport = selection()
        transport.routes['GET /allocation_candidates'] = [
            candidates_answer(*hosts, free=free),
            candidates_answer(),
        ]
        transport.routes['GET /resource_providers'] = providers_answer()
        with pytest.raises(NoCapacity) as caught:
            selecting.choose(count)
        error = caught.value
        assert (error.count, error.fit, error.moving) == (count, free, False)
        assert error.explanation.values['total'] == 0
        assert error.diagnosis is None

    def test_the_host_that_a_guest_must_leave_will_not_do(self):
        selecting, transport = selection(answer=candidates_answer(1, free=9))
        transport.routes['GET /resource_providers'] = providers_answer(1)
        with pytest.raises(NoCapacity) as caught:
            selecting.choose(1, avoid=uuid_of(1))
        assert caught.value.moving

    def test_hosts_that_overcommit_memory_are_among_the_reasons(self):
        """Their ratio is known by now, and asked for no more."""
        selecting, transport = selection(
            ratios={1: 1.5}, answer=candidates_answer(1)
        )
        transport.routes['GET /resource_providers'] = providers_answer(1)
        with pytest.raises(NoCapacity) as caught:
            selecting.choose(1)
        (reason,) = caught.value.explanation.reasons
        assert (reason.code, reason.hosts) == ('memory-overcommitted', 1)
        (verdict,) = reason.finding
        assert verdict.ram_allocation_ratio == 1.5
        assert len(asked_of_memory(transport)) == 1


def test_after_a_conflict_hosts_are_taken_in_any_order():
    answer = candidates_of(candidates_answer(*range(1, 9), free=9))
    pick = selection()[0].pick
    assert hosts_of(pick(answer, 1)) == {'host-1': 1}
    seen = {NAMES[pick(answer, 1, shuffle=True)[0].root] for _ in range(200)}
    assert seen == set(NAMES.values())


class TestFew:
    """Of a large cloud, not all candidates are asked for at first."""

    @pytest.fixture(autouse=True)
    def small_limit(self, monkeypatch):
        monkeypatch.setattr('sev_scheduling.placement.claims.selection.FEW', 3)

    def choose(self, answers, count=1, request=None, **kwargs):
        selecting, transport = selection(request)
        transport.routes['GET /allocation_candidates'] = list(answers)
        chosen, _ = selecting.choose(count, **kwargs)
        return hosts_of(chosen), limits(transport)

    def test_where_they_will_do_nothing_more_is_asked(self):
        assert self.choose([candidates_answer(1, 2, 3, 4)]) == (
            {'host-1': 1},
            [4],
        )

    def test_of_a_small_cloud_they_are_all_there_are(self):
        with pytest.raises(NoCapacity) as caught:
            self.choose([candidates_answer(1, 2, 3, free=1)], 4)
        assert caught.value.fit == 3

    def test_a_group_asks_for_several_a_guest(self):
        hosts, asked = self.choose([candidates_answer(*range(1, 9))], 3)
        assert asked == [12]
        assert len(hosts) == 3

    @pytest.mark.parametrize(
        ('few', 'kwargs'),
        [
            (candidates_answer(1, 2, 3, 4, traits=(PC,)), {}),
            (candidates_answer(1, 1, 1, 1), {'avoid': uuid_of(1)}),
        ],
    )
    def test_where_none_of_them_will_do_all_are_asked_for(self, few, kwargs):
        answers = [few, candidates_answer(5)]
        request = sev_request(machine_type=None)
        assert self.choose(answers, request=request, **kwargs) == (
            {'host-5': 1},
            [4, MAX_CANDIDATES],
        )

    def test_the_best_model_may_be_beyond_them(self):
        request = sev_request('amd-sev-es', 'amd-sev')
        answers = [
            candidates_answer(1, 2, 3, 4),
            candidates_answer(5, free=1, trait=ES),
        ]
        assert self.choose(answers, request=request) == (
            {'host-5': 1},
            [4, MAX_CANDIDATES],
        )

    def test_a_guest_without_a_slot_looks_at_all(self):
        answers = [candidates_answer(1)]
        assert self.choose(answers, request=PLAIN)[1] == [MAX_CANDIDATES]


def test_a_model_that_a_host_must_not_run_is_not_taken_there():
    """Its other model spoke for the host (CVE-2025-48514)."""
    answer = candidates_answer(1)
    tree = answer['provider_summaries']
    for n, trait in ((2001, ES), (3001, 'HW_CPU_X86_AMD_SEV_SNP')):
        tree[uuid_of(n)] = {**tree[uuid_of(1001)], 'traits': [trait]}
    es = answer['allocation_requests'][0]['allocations'].copy()
    es[uuid_of(2001)] = es.pop(uuid_of(1001))
    answer['allocation_requests'].append({'allocations': es})
    request = sev_request('amd-sev-es', 'amd-sev')
    (chosen,) = selection(request)[0].pick(candidates_of(answer), 1)
    assert chosen.model.name == 'amd-sev'


def test_after_a_conflict_slots_are_still_left_to_guests_that_need_one():
    answer = candidates_answer(1, 2)
    answer['provider_summaries'].pop(uuid_of(1002))
    for n, taken in enumerate(answer['allocation_requests'], 1):
        taken['allocations'].pop(uuid_of(1000 + n))
    pick = selection(PLAIN)[0].pick
    found = candidates_of(answer)
    picked = [pick(found, 1, shuffle=True) for _ in range(50)]
    assert {NAMES[c.root] for (c,) in picked} == {'host-2'}


def with_storage(answer, *hosts):
    """Let hosts take 10 GB of a storage that has 10, and one of its own."""
    storage = uuid_of(9)
    summaries = answer['provider_summaries']
    disk = {'DISK_GB': {'capacity': 10, 'used': 0}}
    summaries[storage] = {
        'root_provider_uuid': storage,
        'parent_provider_uuid': None,
        'resources': disk,
        'traits': ['MISC_SHARES_VIA_AGGREGATE'],
    }
    summaries[uuid_of(hosts[0])]['resources'] |= disk
    requests = answer['allocation_requests']
    for one in list(requests):
        own = {
            uuid: {'resources': dict(amounts['resources'])}
            for uuid, amounts in one['allocations'].items()
        }
        one['allocations'][storage] = {'resources': {'DISK_GB': 10}}
        if uuid_of(hosts[0]) in own:
            own[uuid_of(hosts[0])]['resources']['DISK_GB'] = 10
            requests.append({'allocations': own})
    return answer


def test_what_is_shared_is_left_to_those_that_have_nothing_else():
    answer = with_storage(candidates_answer(1, 2, free=1), 1)
    other = candidates_answer(3, trait=ES)
    chosen = selection()[0].pick(candidates_of(answer, other), 2)
    assert hosts_of(chosen) == {'host-1': 1, 'host-2': 1}
    taken = {
        NAMES[candidate.root]: uuid_of(9) in candidate.allocations
        for candidate in chosen
    }
    assert taken == {'host-1': False, 'host-2': True}
    assert len(selection()[0].pick(candidates_of(answer), 1)) == 1


def test_a_plain_guest_passes_over_slots_without_a_limit():
    answer = with_storage(
        candidates_answer(1, free=2**31 - 1, total=2**31 - 1), 1
    )
    plain = candidates_answer(2)
    plain['provider_summaries'].pop(uuid_of(1002))
    for one in (answer, plain):
        for taken in one['allocation_requests']:
            for slots in (1001, 1002):
                taken['allocations'].pop(uuid_of(slots), None)
    chosen = selection(PLAIN)[0].pick(candidates_of(answer, plain), 1)
    assert hosts_of(chosen) == {'host-2': 1}
    # Nor is it known to be the worst, where there is no other.
    assert selection(PLAIN)[0].pick(candidates_of(answer), 1)
