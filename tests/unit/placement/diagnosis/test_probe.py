"""A probe makes few calls, and takes a name that is unknown for no match."""

from __future__ import annotations

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.exceptions import PlacementDenied
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement.diagnosis.probe import (
    MAX_CALLS,
    Probe,
    host_with_candidate,
)
from sev_scheduling.placement.hosts import one_of
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

UNKNOWN = (frozenset({'CUSTOM_UNKNOWN'}),)


@pytest.fixture
def placement():
    return FakePlacement()


def any_of(*models):
    return translate(parse(make_flavor(), make_image(), models=models))


def test_calls_end(placement):
    root = add_host(placement, 'epyc')
    probe = Probe(placement)
    while probe.left:
        assert probe.any(one_of('VCPU'))
    placement.calls.clear()
    assert probe.any(one_of('VCPU')) is None
    assert probe.candidates(one_of('VCPU')) is None
    assert probe.providers(uuid=root) is None
    assert probe.inventories(root) == {}
    # As opts.py and the pages say.
    assert probe.calls == MAX_CALLS == 12
    assert placement.calls == []


def test_each_call_counts(placement):
    """The first one is for the version document."""
    pools = {'amd-sev': SlotPool(8, reserved=1, used=3)}
    root = add_host(placement, 'epyc', pools=pools, nested=False)
    probe = Probe(placement)
    slots = probe.slots(root)
    assert (slots.capacity, slots.used) == (7, 3)
    assert probe.calls == 3
    assert probe.inventories(root)['VCPU'].total == 64
    assert [p.uuid for p in probe.providers(name='epyc')] == [root]
    assert probe.calls == 5


def test_a_provider_without_slots(placement):
    root = add_host(placement, 'epyc', pools={})
    probe = Probe(placement)
    assert probe.slots(root) is None
    del placement.providers[root]
    assert probe.slots(root) is None
    assert probe.inventories(root) == {}


def test_a_provider_that_goes_meanwhile_has_no_slots(placement, monkeypatch):
    root = add_host(placement, 'epyc', nested=False)
    monkeypatch.setattr(placement, 'usages', lambda provider: None)
    assert Probe(placement).slots(root) is None


def test_an_unknown_trait_is_one_that_no_provider_has(placement):
    add_host(placement, 'epyc')
    probe = Probe(placement)
    assert probe.providers(required=UNKNOWN) == []
    assert not probe.refused
    assert probe.any(one_of('CUSTOM_UNKNOWN')) is False
    assert probe.refused


@pytest.mark.parametrize('newest', ['1.39', '1.38'])
def test_a_model_that_is_unknown_spoils_no_other(newest):
    """It said that there was no candidate, where there was one."""
    placement = FakePlacement(newest)
    add_host(placement, 'epyc')
    placement.known_traits.remove('HW_CPU_X86_AMD_SEV_ES')
    probe = Probe(placement)
    assert probe.any(any_of('amd-sev-es', 'amd-sev')) is True
    assert probe.calls == 1 + (newest == '1.39') + 2


def test_any_of_models_is_one_call_a_model_where_placement_is_older():
    placement = FakePlacement('1.38')
    probe = Probe(placement)
    probe.calls = MAX_CALLS - 1
    assert probe.any(any_of('amd-sev-es', 'amd-sev')) is None
    assert placement.calls == []


def test_other_faults_are_raised(placement, monkeypatch):
    def denied(*args, **kwargs):
        raise PlacementDenied('no')

    for name in ('resource_providers', 'allocation_candidates', 'inventories'):
        monkeypatch.setattr(placement, name, denied)
    probe = Probe(placement)
    with pytest.raises(PlacementDenied):
        probe.providers()
    with pytest.raises(PlacementDenied):
        probe.any(one_of('VCPU'))
    with pytest.raises(PlacementDenied):
        probe.slots('1')


@pytest.mark.parametrize('hopeful', [True, False])
def test_a_host_that_has_a_candidate_is_named(placement, hopeful):
    query = translate(parse(make_flavor(), make_image()))
    assert host_with_candidate(placement, query, hopeful=hopeful) is None
    # Where there is likely none, what is answered sooner says so.
    assert len(placement.calls) == 1
    root = add_host(placement, 'epyc')
    placement.calls.clear()
    assert host_with_candidate(placement, query, hopeful=hopeful) == root
    assert len(placement.calls) == 1 + (not hopeful)


def test_questions_that_may_all_be_asked_are_asked_at_one_time(placement):
    probe = Probe(placement)
    asked = [lambda: probe.providers(name='a'), lambda: probe.inventories('b')]
    assert probe.together(*asked) == [[], {}]
    probe.calls = MAX_CALLS - 1
    # The first has the last call.
    assert probe.together(*asked) == [[], {}]
    assert [method for method, _ in placement.calls] == [
        *('resource_providers', 'inventories', 'resource_providers')
    ]


def test_a_name_is_asked_where_it_is_not_known(placement):
    root = add_host(placement, 'epyc')
    probe = Probe(placement, names={'1': 'known'})
    assert [probe.name('1'), probe.name(root)] == ['known', 'epyc']
    assert probe.calls == 2
    probe.calls = MAX_CALLS
    assert probe.name(root) == root
