"""Which candidate each guest of a group gets."""

from __future__ import annotations

from collections import Counter

import pytest

from sev_scheduling import parse
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.placement import PlacementClient
from sev_scheduling.placement.candidates import Candidates
from sev_scheduling.placement.choice import Chooser
from tests.unit.placement.script import (
    Script,
    candidates_answer,
    fault,
    inventories_answer,
    providers_answer,
    sev_request,
    uuid_of,
)

ES = 'HW_CPU_X86_AMD_SEV_ES'
NAMES = {uuid_of(n): f'host-{n}' for n in range(1, 9)}
PC = 'CUSTOM_HW_MACHINE_TYPE_PC'


def joined(*answers):
    """Return several hosts' answers as one."""
    found = Candidates((), {})
    for answer in answers:
        found += Candidates.from_answer(answer)
    return found


def chooser(request=None, ratios=None, answer=None):
    script = Script(
        {
            'GET /resource_providers': providers_answer(),
            'GET /allocation_candidates': candidates_answer(),
            **{
                f'GET /resource_providers/{uuid_of(n)}/inventories': (
                    inventories_answer((ratios or {}).get(n, 1.0))
                )
                for n in range(1, 9)
            },
        }
    )
    client = PlacementClient(script.adapter())
    return Chooser(client, request or sev_request(), NAMES), script


def hosts_of(chosen):
    return dict(Counter(NAMES[candidate.root] for candidate in chosen))


def test_the_host_with_most_free_slots_comes_first_then_by_name():
    answer = joined(
        candidates_answer(3, free=2),
        candidates_answer(2, free=5),
        candidates_answer(1, free=2),
    )
    choose = chooser()[0].choose
    assert hosts_of(choose(answer, 1)) == {'host-2': 1}
    assert [NAMES[c.root] for c in choose(answer, 9)] == [
        *['host-2'] * 3,
        *('host-1', 'host-2', 'host-3'),
        *('host-1', 'host-2', 'host-3'),
    ]


def test_a_group_is_spread_so_that_a_host_takes_few_guests_along():
    """All of them went to the host with most free slots."""
    answer = candidates_answer(1, 2, 3, free=10)
    chosen = chooser()[0].choose(Candidates.from_answer(answer), 9)
    assert hosts_of(chosen) == {'host-1': 3, 'host-2': 3, 'host-3': 3}


def test_a_host_takes_no_more_than_its_memory_holds():
    answer = candidates_answer(1, 2, free=10)
    memory = answer['provider_summaries'][uuid_of(1)]['resources']['MEMORY_MB']
    memory['used'] = memory['capacity'] - 2 * 512 - 511
    chosen = chooser()[0].choose(Candidates.from_answer(answer), 9)
    assert hosts_of(chosen) == {'host-1': 2, 'host-2': 7}


def test_the_best_model_comes_first_however_few_slots_it_has():
    request = parse(
        {'name': 'f', 'vcpus': 1, 'ram': 512, 'disk': 0,
         'extra_specs': {'hw:mem_encryption': 'true'}},
        {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'},
        models=['amd-sev-es', 'amd-sev'],
    )  # fmt: skip
    answer = joined(
        candidates_answer(1, free=9), candidates_answer(2, free=1, trait=ES)
    )
    chosen = chooser(request)[0].choose(answer, 3)
    assert hosts_of(chosen) == {'host-1': 2, 'host-2': 1}
    assert [c.model.name for c in chosen] == ['amd-sev-es', *['amd-sev'] * 2]


def test_a_guest_without_a_slot_leaves_hosts_with_slots_alone():
    request = parse(
        {'name': 'f', 'vcpus': 1, 'ram': 512, 'disk': 0, 'extra_specs': {}}
    )
    answer = candidates_answer(1, 2, 3)
    for n in (2, 3):
        answer['provider_summaries'].pop(uuid_of(1000 + n))
    for n, taken in enumerate(answer['allocation_requests'], 1):
        taken['allocations'].pop(uuid_of(1000 + n))
    memory = answer['provider_summaries'][uuid_of(2)]['resources']['MEMORY_MB']
    memory['capacity'] = 3 * 512
    chosen = chooser(request)[0].choose(Candidates.from_answer(answer), 5)
    assert [NAMES[c.root] for c in chosen] == [
        *['host-2'] * 3,
        *['host-3'] * 2,
    ]
    assert {c.model for c in chosen} == {None}


def test_hosts_that_refuse_are_passed_over():
    image = {'hw_firmware_type': 'uefi'}
    flavor = {'name': 'f', 'vcpus': 1, 'ram': 512, 'disk': 0,
              'extra_specs': {'hw:mem_encryption': 'true'}}  # fmt: skip
    answer = joined(
        candidates_answer(1, free=9, traits=(PC,)), candidates_answer(2)
    )
    chosen = chooser(parse(flavor, image))[0].choose(answer, 1)
    assert hosts_of(chosen) == {'host-2': 1}


class TestMemory:
    def test_hosts_that_overcommit_it_are_passed_over(self):
        answer = joined(candidates_answer(1, free=9), candidates_answer(2))
        choosing, script = chooser(ratios={1: 1.5})
        for _ in range(2):
            assert hosts_of(choosing.choose(answer, 1)) == {'host-2': 1}
        # A call a host, once.
        assert len(script.calls) == 3

    def test_hosts_that_are_not_chosen_are_not_asked(self):
        answer = Candidates.from_answer(candidates_answer(*range(1, 9)))
        choosing, script = chooser()
        choosing.choose(answer, 2)
        assert len(script.calls) == 1 + 2

    @pytest.mark.parametrize(
        ('specs', 'asked'),
        [
            ({'hw:mem_page_size': 'large'}, 0),
            ({}, 1),
        ],
    )
    def test_guests_with_pages_of_their_own_do_not_mind(self, specs, asked):
        choosing, script = chooser(sev_request(**specs), ratios={1: 1.5})
        answer = Candidates.from_answer(candidates_answer(1))
        if asked:
            with pytest.raises(NoCapacity):
                choosing.choose(answer, 1)
        else:
            choosing.choose(answer, 1)
        calls = [c for c in script.calls if c.endswith('/inventories')]
        assert len(calls) == asked

    def test_a_host_that_is_gone_does_not_overcommit(self):
        choosing, script = chooser()
        path = f'/resource_providers/{uuid_of(1)}/inventories'
        script.routes[f'GET {path}'] = fault(404)
        answer = Candidates.from_answer(candidates_answer(1))
        assert choosing.choose(answer, 1)


class TestNoCapacity:
    @pytest.mark.parametrize(
        ('count', 'free', 'words'),
        [
            (1, 0, 'No host can take the guest.'),
            (3, 0, 'No host can take any of the 3 guests.'),
            (3, 2, 'Only 2 of 3 guests fit, so none was placed; ask for 2'),
        ],
    )
    def test_how_many_fit_is_told(self, count, free, words):
        hosts = (1,) if free else ()
        answer = Candidates.from_answer(candidates_answer(*hosts, free=free))
        with pytest.raises(NoCapacity, match=words) as caught:
            chooser()[0].choose(answer, count)
        assert '0 of 0 hosts' in caught.value.explanation.operator()

    def test_the_host_that_a_guest_must_leave_will_not_do(self):
        answer = Candidates.from_answer(candidates_answer(1, free=9))
        with pytest.raises(NoCapacity, match='No other host can take'):
            chooser()[0].choose(answer, 1, avoid=uuid_of(1))

    def test_hosts_that_overcommit_memory_are_told_of(self):
        """Their ratio is known by now, and asked for no more."""
        choosing, script = chooser(ratios={1: 1.5})
        script.routes['GET /resource_providers'] = providers_answer(1)
        script.routes['GET /allocation_candidates'] = candidates_answer(1)
        answer = Candidates.from_answer(candidates_answer(1))
        with pytest.raises(NoCapacity) as caught:
            choosing.choose(answer, 1)
        text = caught.value.explanation.operator()
        assert '0 of 1 host can run' in text
        assert 'overcommits memory (ram_allocation_ratio 1.5)' in text
        calls = [c for c in script.calls if c.endswith('/inventories')]
        assert len(calls) == 1


def test_after_a_conflict_hosts_are_taken_in_any_order():
    answer = Candidates.from_answer(candidates_answer(*range(1, 9), free=9))
    choose = chooser()[0].choose
    assert len(hosts_of(choose(answer, 1) * 1)) == 1
    seen = {NAMES[choose(answer, 1, shuffle=True)[0].root] for _ in range(200)}
    assert seen == set(NAMES.values())
