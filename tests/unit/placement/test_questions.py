"""A diagnosis asks few questions, and takes no strange answer."""

from __future__ import annotations

import pytest

from sev_scheduling import translate
from sev_scheduling.exceptions import PlacementAnswerError, PlacementDenied
from sev_scheduling.placement import PlacementClient
from sev_scheduling.placement.questions import MAX_CALLS, Questions
from sev_scheduling.placement.relaxation import amount_of_one
from sev_scheduling.prefilter import PlacementRequest
from tests.unit.placement.fake_transport import (
    SLOT,
    FakeTransport,
    candidates_answer,
    fault,
    providers_answer,
    sev_request,
    uuid_of,
)

ONE = uuid_of(1)
INVENTORIES = f'GET /resource_providers/{ONE}/inventories'
USAGES = f'GET /resource_providers/{ONE}/usages'
UNITS = {'min_unit': 1, 'max_unit': 8, 'step_size': 2}


def questions(**routes):
    return Questions(PlacementClient(FakeTransport(routes).adapter()))


def inventories(name=SLOT, **more):
    inventory = {'total': 8, 'reserved': 1, 'allocation_ratio': 1.0, **UNITS}
    return {'inventories': {name: {**inventory, **more}}}


def test_calls_end():
    asking = questions(
        **{
            'GET /allocation_candidates': candidates_answer(1),
            'GET /resource_providers': providers_answer(1),
            INVENTORIES: inventories(),
        }
    )
    while asking.left:
        assert asking.any(amount_of_one('VCPU'))
    assert asking.calls == MAX_CALLS
    assert asking.any(amount_of_one('VCPU')) is None
    assert asking.candidates(amount_of_one('VCPU')) is None
    assert asking.providers(uuid=ONE) is None
    assert asking.units(ONE) == {}
    assert asking.calls == MAX_CALLS


def test_slots_of_a_provider():
    asking = questions(
        **{INVENTORIES: inventories(), USAGES: {'usages': {SLOT: 3}}}
    )
    assert asking.pool(ONE) == (7, 3)
    assert asking.calls == 3


@pytest.mark.parametrize(
    'routes',
    [
        {INVENTORIES: inventories('VCPU')},
        {INVENTORIES: fault(404)},
        {INVENTORIES: inventories(), USAGES: fault(404)},
    ],
    ids=['other inventories', 'gone', 'gone meanwhile'],
)
def test_a_provider_without_slots(routes):
    assert questions(**routes).pool(ONE) is None


@pytest.mark.parametrize(
    'routes',
    [
        {INVENTORIES: {}},
        {INVENTORIES: {'inventories': {SLOT: {'totla': 1}}}},
        {INVENTORIES: {'inventories': {SLOT: None}}},
        {INVENTORIES: inventories(), USAGES: {}},
        {INVENTORIES: inventories(), USAGES: {'usages': {}}},
    ],
)
def test_strange_slots(routes):
    routes = {USAGES: {'usages': {SLOT: 3}}, **routes}
    with pytest.raises(PlacementAnswerError, match='check the endpoint'):
        questions(**routes).pool(ONE)


def test_units():
    assert questions(**{INVENTORIES: inventories()}).units(ONE) == {
        SLOT: UNITS
    }
    assert questions(**{INVENTORIES: fault(404)}).units(ONE) == {}


@pytest.mark.parametrize(
    'answer',
    [
        {},
        {'inventories': []},
        {'inventories': {SLOT: {}}},
        inventories(max_unit='many'),
    ],
)
def test_strange_units(answer):
    with pytest.raises(PlacementAnswerError, match='check the endpoint'):
        questions(**{INVENTORIES: answer}).units(ONE)


@pytest.mark.parametrize(
    'answer', [{}, {'resource_providers': None}, {'resource_providers': [{}]}]
)
def test_strange_providers(answer):
    with pytest.raises(PlacementAnswerError, match='check the endpoint'):
        questions(**{'GET /resource_providers': answer}).providers(uuid=ONE)


def test_an_unknown_trait_is_one_that_no_provider_has():
    unknown = fault(400, 'No such trait(s): CUSTOM_X.')
    asking = questions(
        **{
            'GET /resource_providers': unknown,
            'GET /allocation_candidates': unknown,
        }
    )
    assert asking.providers(required='CUSTOM_X') == []
    assert asking.any(amount_of_one('CUSTOM_X')) is False
    assert asking.refused


def test_a_model_that_is_unknown_spoils_no_other():
    """It said that there was no candidate, where there was one."""
    asked = sev_request('amd-sev-snp', 'amd-sev')
    query = translate(asked)
    wide = PlacementRequest(
        query.groups, 'none', asked.models, slot_suffix=query.slot_suffix
    )

    def answer(request):
        if 'AMD_SEV_SNP' in request.url:
            return fault(400, 'No such trait(s): HW_CPU_X86_AMD_SEV_SNP.')
        return candidates_answer(1)

    asking = questions(**{'GET /allocation_candidates': answer})
    assert asking.any(wide) is True
    assert asking.calls == 1 + 1 + 2


def test_other_faults_are_told():
    with pytest.raises(PlacementDenied):
        questions(**{INVENTORIES: fault(403)}).pool(ONE)
