"""What a Placement is asked: any-of models, providers, claims."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from sev_scheduling import exceptions, translate
from sev_scheduling.placement.answers import Allocations
from sev_scheduling.placement.api import (
    MAX_CANDIDATES,
    per_model,
)
from sev_scheduling.placement.wire.faults import UnknownName
from tests.unit.placement.fake_transport import (
    CANDIDATES,
    EMPTY,
    SEV,
    SNP,
    UNKNOWN,
    api_of,
    candidates_answer,
    fault,
    providers_answer,
    queries,
    sev_request,
    uuid_of,
    versions,
)

ANY_OF = sev_request('amd-sev-snp', 'amd-sev')


def by_trait(answers):
    """Answer about each model's slots; a step for each trait."""

    def answer(request):
        (required,) = parse_qs(urlsplit(request.url).query)[
            'required_MEM_ENCRYPTION'
        ]
        return answers[required]

    return {CANDIDATES: answer}


class TestCandidates:
    @pytest.mark.parametrize(
        ('newest', 'asked'),
        [
            ('1.33', [SNP, SEV]),
            ('1.38', [SNP, SEV]),
            ('1.39', [f'in:{SEV},{SNP}']),
        ],
    )
    def test_any_of_models_is_one_question_from_1_39_on(self, newest, asked):
        """Before, it is one a model, the best first."""
        api, transport = api_of({**versions(newest), CANDIDATES: EMPTY})
        api.candidates(translate(ANY_OF))
        assert [q['required_MEM_ENCRYPTION'] for q in queries(transport)] == [
            [traits] for traits in asked
        ]
        limits = {q['limit'][0] for q in queries(transport)}
        assert limits == {str(MAX_CANDIDATES)}

    def test_a_model_that_placement_does_not_know_spoils_no_other(self):
        """An older os-traits on the server must not hide slots it has."""
        api, _ = api_of(
            by_trait(
                {
                    f'in:{SEV},{SNP}': UNKNOWN,
                    SNP: UNKNOWN,
                    SEV: candidates_answer(1),
                }
            )
        )
        found = api.candidates(translate(ANY_OF))
        assert [c.root for c in found.candidates(ANY_OF.models)] == [
            uuid_of(1)
        ]

    @pytest.mark.parametrize(
        ('limit', 'asked', 'found'), [(1, 1, 1), (2, 2, 2), (3, 2, 3)]
    )
    def test_a_limit_holds_for_all_models_together(self, limit, asked, found):
        api, transport = api_of(
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
        answer = api.candidates(translate(ANY_OF), limit=limit)
        assert len(answer.allocation_requests) == found
        limits = [query['limit'] for query in queries(transport)]
        assert limits == [[str(limit)]] * asked

    def test_other_traits_of_the_slots_group_are_asked_of_each_model(self):
        """They were left out."""
        specs = {
            'resources1:MEM_ENCRYPTION_CONTEXT': '1',
            'trait1:CUSTOM_X': 'required',
        }
        request = sev_request('amd-sev-es', 'amd-sev', **specs)
        query = translate(request, as_warnings=['explicit-slot'])
        for one in per_model(query):
            required = one.groups[-1].required
            trait = one.models[0].trait
            assert set(required) == {
                frozenset([trait]),
                frozenset(['CUSTOM_X']),
            }

    def test_what_placement_does_not_know_no_host_has(self):
        api, _ = api_of({CANDIDATES: UNKNOWN})
        assert not api.candidates(translate(sev_request()))
        with pytest.raises(UnknownName):
            api.allocation_candidates(translate(sev_request()))

    def test_any_other_refusal_is_raised(self):
        api, _ = api_of({CANDIDATES: fault(400, 'malformed')})
        with pytest.raises(exceptions.PlacementRefused, match='malformed'):
            api.candidates(translate(sev_request()))


class TestTrees:
    def test_they_are_those_of_the_candidates(self):
        api, transport = api_of({CANDIDATES: candidates_answer(1, 2)})
        query = translate(sev_request())
        assert api.trees(query) == api.candidates(query).provider_summaries
        of_trees, of_candidates = queries(transport)
        assert of_trees == of_candidates

    def test_what_placement_does_not_know_no_host_has(self):
        api, _ = api_of({CANDIDATES: UNKNOWN})
        assert api.trees(translate(sev_request())) == {}

    def test_any_other_refusal_is_raised(self):
        api, _ = api_of({CANDIDATES: fault(400, 'malformed')})
        with pytest.raises(exceptions.PlacementRefused, match='malformed'):
            api.trees(translate(sev_request()))


A, B, C = map(uuid_of, (1, 2, 3))


class TestProviders:
    @pytest.mark.parametrize(
        ('asked', 'query', 'microversion'),
        [
            ({}, {}, '1.33'),
            ({'name': 'a b'}, {'name': ['a b']}, '1.33'),
            ({'uuid': A}, {'uuid': [A]}, '1.33'),
            ({'in_tree': A}, {'in_tree': [A]}, '1.33'),
            (
                {'required': [frozenset('A'), frozenset('B')]},
                {'required': ['A', 'B']},
                '1.33',
            ),
            (
                {'required': [frozenset('BA')]},
                {'required': ['in:A,B']},
                '1.39',
            ),
            (
                {'member_of': [frozenset({B, A}), frozenset({C})]},
                {'member_of': [f'in:{A},{B}', f'in:{C}']},
                '1.33',
            ),
        ],
    )  # fmt: skip
    def test_what_is_asked(self, asked, query, microversion):
        api, transport = api_of(
            {'GET /resource_providers': providers_answer(1)}
        )
        found = api.resource_providers(**asked)
        assert [p.name for p in found] == ['host-1', 'host-1_amd_sev']
        assert queries(transport) == ([query] if query else [])
        headers = transport.requests[-1].headers
        sent = headers['OpenStack-API-Version']
        assert sent == f'placement {microversion}'

    def test_names_are_asked_for_once_and_anew_for_a_new_one(self):
        name = 'GET /resource_providers'
        api, transport = api_of({name: providers_answer(1)})
        for _ in range(3):
            assert api.names([uuid_of(1)])[uuid_of(1)] == 'host-1'
        assert transport.calls == ['GET /', name]
        transport.routes[name] = providers_answer(1, 2)
        assert api.names([uuid_of(2)])[uuid_of(2)] == 'host-2'

    @pytest.mark.parametrize(
        ('method', 'gone'),
        [('inventories', None), ('usages', None), ('traits', None),
         ('consumers', {})],
    )  # fmt: skip
    def test_one_that_is_gone(self, method, gone):
        api, _ = api_of({})
        assert getattr(api, method)(uuid_of(1)) == gone

    def test_traits_that_hosts_have_are_in_order(self):
        api, transport = api_of({'GET /traits': {'traits': ['X_B', 'X_A']}})
        assert api.associated_traits('X_') == ['X_A', 'X_B']
        assert queries(transport) == [
            {'associated': ['true'], 'name': ['startswith:X_']}
        ]


def test_what_consumers_are_to_hold_is_one_call():
    api, transport = api_of({'POST /allocations': {}})
    some = Allocations({'rp': {'VCPU': 2}}, 'project', 'user')
    api.post_allocations({A: some, B: Allocations({}, 'p', 'u', 3)})
    assert transport.bodies('POST /allocations') == [
        {
            A: {
                'allocations': {'rp': {'resources': {'VCPU': 2}}},
                'project_id': 'project',
                'user_id': 'user',
                'consumer_generation': None,
            },
            B: {
                'allocations': {},
                'project_id': 'p',
                'user_id': 'u',
                'consumer_generation': 3,
            },
        }
    ]
