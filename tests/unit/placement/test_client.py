"""The client: microversions, any-of models, and who is told."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.exceptions import (
    InputError,
    PlacementAnswerError,
    PlacementRefused,
    PlacementTooOld,
    PlacementUnavailable,
)
from sev_scheduling.placement import PlacementClient
from tests.unit.placement.fake_transport import (
    SEV,
    FakeTransport,
    allocations,
    candidates_answer,
    fault,
    inventories_answer,
    providers_answer,
    sev_request,
    uuid_of,
)

SNP = 'HW_CPU_X86_AMD_SEV_SNP'
CANDIDATES = 'GET /allocation_candidates'
EMPTY = {'allocation_requests': [], 'provider_summaries': {}}


def any_of():
    """A request for SEV-SNP, or SEV where there is none."""
    return parse(
        {
            'name': 'f',
            'vcpus': 1,
            'ram': 512,
            'disk': 0,
            'extra_specs': {'hw:mem_encryption': 'true'},
        },
        {
            'hw_firmware_type': 'uefi',
            'hw_machine_type': 'q35',
            'hw_firmware_stateless': 'true',
        },
        models=['amd-sev-snp', 'amd-sev'],
    )


def queries(transport):
    """Return the query of each question for candidates."""
    return [
        parse_qs(urlsplit(request.url).query)
        for call, request in zip(
            transport.calls, transport.requests, strict=True
        )
        if call == CANDIDATES
    ]


def versions(newest):
    return {'GET /': {'versions': [{'max_version': newest}]}}


def by_trait(answers):
    """Answer about each model's slots; a step for each trait."""

    def answer(request):
        (required,) = parse_qs(urlsplit(request.url).query)[
            'required_MEM_ENCRYPTION'
        ]
        return answers[required]

    return {CANDIDATES: answer}


class TestMicroversions:
    @pytest.mark.parametrize('newest', ['1.33', '1.36', '1.39', '1.100'])
    def test_from_1_33_on_it_can_be_asked(self, newest):
        transport = FakeTransport({**versions(newest), CANDIDATES: EMPTY})
        assert not PlacementClient(transport.adapter()).candidates(
            translate(sev_request())
        )
        last = transport.requests[-1].headers
        assert last['OpenStack-API-Version'] == 'placement 1.33'

    @pytest.mark.parametrize('newest', ['1.0', '1.32'])
    def test_an_older_one_is_refused_with_its_number(self, newest):
        transport = FakeTransport(versions(newest))
        client = PlacementClient(transport.adapter())
        with pytest.raises(PlacementTooOld, match=rf'up to {newest}; 1.33'):
            client.candidates(translate(sev_request()))
        assert transport.calls == ['GET /']

    def test_it_is_asked_for_once(self):
        transport = FakeTransport({CANDIDATES: EMPTY})
        client = PlacementClient(transport.adapter())
        for _ in range(3):
            client.candidates(translate(sev_request()))
        assert transport.calls == ['GET /', *[CANDIDATES] * 3]

    @pytest.mark.parametrize(
        ('newest', 'cap', 'supported'),
        [('1.39', '1.38', False), ('1.38', '1.39', False),
         ('1.39', '1.39', True), ('1.39', None, True)],
    )  # fmt: skip
    def test_a_later_one_can_be_passed_over(self, newest, cap, supported):
        client = PlacementClient(
            FakeTransport(versions(newest)).adapter(), max_microversion=cap
        )
        assert client.supports('1.39') is supported

    @pytest.mark.parametrize('cap', ['2.0', '1.', 'latest', '1.39 '])
    def test_a_strange_one_is_refused(self, cap):
        with pytest.raises(InputError, match='is not of the form'):
            PlacementClient(FakeTransport({}).adapter(), max_microversion=cap)

    @pytest.mark.parametrize(
        'answer',
        [
            {},
            {'versions': []},
            {'versions': {'id': 'v1.0'}},
            {'versions': [{'max_version': None}]},
            {'versions': [{'max_version': 'v3.14'}]},
            {'versions': 7},
        ],
    )
    def test_another_service_is_no_placement(self, answer):
        client = PlacementClient(FakeTransport({'GET /': answer}).adapter())
        with pytest.raises(PlacementAnswerError, match='endpoint'):
            client.supports('1.33')

    def test_a_failure_to_tell_is_not_remembered(self):
        transport = FakeTransport(
            {'GET /': [fault(503), {'versions': [{'max_version': '1.39'}]}]}
        )
        client = PlacementClient(transport.adapter())
        with pytest.raises(PlacementUnavailable):
            client.supports('1.33')
        assert client.supports('1.33')


class TestAnyOfModels:
    def test_it_is_one_question_from_1_39_on(self):
        transport = FakeTransport({CANDIDATES: EMPTY})
        PlacementClient(transport.adapter()).candidates(translate(any_of()))
        (query,) = queries(transport)
        assert query['required_MEM_ENCRYPTION'] == [f'in:{SEV},{SNP}']

    @pytest.mark.parametrize('newest', ['1.33', '1.38'])
    def test_before_it_is_one_a_model_the_best_first(self, newest):
        transport = FakeTransport({**versions(newest), CANDIDATES: EMPTY})
        PlacementClient(transport.adapter()).candidates(translate(any_of()))
        assert [q['required_MEM_ENCRYPTION'] for q in queries(transport)] == [
            [SNP],
            [SEV],
        ]

    def test_a_model_that_placement_does_not_know_spoils_no_other(self):
        """An older os-traits on the server must not hide slots it has."""
        transport = FakeTransport(
            by_trait(
                {
                    f'in:{SEV},{SNP}': fault(400, f'No such trait(s): {SNP}.'),
                    SNP: fault(400, f'No such trait(s): {SNP}.'),
                    SEV: candidates_answer(1),
                }
            )
        )
        found = PlacementClient(transport.adapter()).candidates(
            translate(any_of())
        )
        assert [c.root for c in found.candidates(any_of().models)] == [
            uuid_of(1)
        ]

    @pytest.mark.parametrize(
        ('limit', 'asked', 'found'), [(1, 1, 1), (2, 2, 2), (3, 2, 3)]
    )
    def test_a_limit_holds_for_all_models_together(self, limit, asked, found):
        transport = FakeTransport(
            {
                **versions('1.38'),
                **by_trait(
                    {
                        SNP: candidates_answer(1, trait=SNP),
                        SEV: candidates_answer(2, 3),
                    }
                ),
            }
        )
        answer = PlacementClient(transport.adapter()).candidates(
            translate(any_of()), limit=limit
        )
        assert len(answer.allocation_requests) == found
        assert [q['limit'] for q in queries(transport)] == [
            [str(limit)]
        ] * asked


class TestUnknownNames:
    def test_what_placement_never_heard_of_no_host_has(self):
        transport = FakeTransport(
            {CANDIDATES: fault(400, 'No such trait(s): X.')}
        )
        client = PlacementClient(transport.adapter())
        assert not client.candidates(translate(sev_request()))

    def test_any_other_refusal_is_told(self):
        transport = FakeTransport({CANDIDATES: fault(400, 'malformed')})
        client = PlacementClient(transport.adapter())
        with pytest.raises(PlacementRefused, match='malformed'):
            client.candidates(translate(sev_request()))


def one_host(**routes):
    return FakeTransport(
        {
            'GET /resource_providers': providers_answer(1),
            CANDIDATES: candidates_answer(1, free=3),
            f'GET /resource_providers/{uuid_of(1)}/inventories': (
                inventories_answer()
            ),
            'POST /allocations': {},
            **routes,
        }
    )


class TestOnPlaced:
    def test_it_is_told_of_each_guest(self):
        told = []
        placed = PlacementClient(one_host().adapter()).schedule(
            sev_request(), 3, on_placed=told.append
        )
        assert tuple(told) == placed
        assert {p.host for p in placed} == {'host-1'}

    def test_where_it_raises_all_are_released(self):
        """Nobody would ever free guests that the caller never heard of."""
        instances = [uuid_of(n) for n in (7, 8)]
        held = {
            'allocations': allocations(1),
            'project_id': 'p',
            'user_id': 'u',
            'consumer_generation': 1,
        }
        transport = one_host(
            **{f'GET /allocations/{i}': held for i in instances},
        )

        def on_placed(placement):
            if placement.instance == instances[1]:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            PlacementClient(transport.adapter()).schedule(
                sev_request(), 2, instances=instances, on_placed=on_placed
            )
        assert transport.bodies('POST /allocations')[1:] == [
            {instance: {**held, 'allocations': {}}} for instance in instances
        ]


def test_a_session_is_enough():
    transport = FakeTransport({CANDIDATES: EMPTY})
    PlacementClient(transport.session()).candidates(translate(sev_request()))
    assert transport.calls == ['GET /', CANDIDATES]


def test_a_question_of_ones_own():
    transport = FakeTransport({'GET /traits': {'traits': []}})
    client = PlacementClient(transport.adapter())
    assert client.call('GET', '/traits', microversion='1.39') == {'traits': []}
    with pytest.raises(PlacementTooOld):
        client.call('GET', '/traits', microversion='1.40')
