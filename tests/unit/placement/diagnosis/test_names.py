"""Names that Placement does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sev_scheduling import parse, translate
from sev_scheduling.diagnosis import Cause
from sev_scheduling.placement.diagnosis import diagnose
from sev_scheduling.placement.diagnosis.names import unknown_names
from sev_scheduling.prefilter import Scope
from sev_scheduling.problems import Field, Source
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

ON = {'hw:mem_encryption': 'true'}


@pytest.fixture
def placement():
    found = FakePlacement()
    found.known_traits.update(['CUSTOM_GOLD', 'CUSTOM_RACK_EAST'])
    found.known_classes.update(['CUSTOM_FPGA'])
    return found


def request(**extra_specs):
    return parse(make_flavor(extra_specs=ON | extra_specs), make_image())


def names(placement, request, known=(), **scope):
    query = translate(request, scope=Scope(**scope))
    found = unknown_names(placement, query, known)
    return [
        (one.name, one.trait, one.forbidden, one.near, one.constraint.cause)
        for one in found
    ]


@pytest.mark.parametrize(
    ('specs', 'found'),
    [
        ({'trait:CUSTOM_GOLD': 'required'}, []),
        (
            {'trait:CUSTOM_GOLDEN': 'required'},
            [('CUSTOM_GOLDEN', True, False, 'CUSTOM_GOLD', Cause.TRAIT)],
        ),
        (
            {'trait:CUSTOM_RACK_WEST': 'forbidden'},
            [
                (
                    'CUSTOM_RACK_WEST', True, True, 'CUSTOM_RACK_EAST',
                    Cause.TRAIT,
                )
            ],
        ),
        (
            {'trait:CUSTOM_ZEBRA': 'required'},
            [('CUSTOM_ZEBRA', True, False, '', Cause.TRAIT)],
        ),
        (
            {'trait:CUSTOM_HW_CPU_X86_AVX2': 'required'},
            [
                (
                    'CUSTOM_HW_CPU_X86_AVX2', True, False,
                    'HW_CPU_X86_AVX2', Cause.TRAIT,
                )
            ],
        ),
        ({'resources:CUSTOM_FPGA': '1'}, []),
        (
            {'resources:CUSTOM_FPGAS': '1'},
            [
                (
                    'CUSTOM_FPGAS', False, False, 'CUSTOM_FPGA',
                    Cause.RESOURCES_SHORT,
                )
            ],
        ),
        (
            {
                'resources1:CUSTOM_FPGA': '1',
                'trait1:CUSTOM_ZEBRA': 'forbidden',
            },
            [('CUSTOM_ZEBRA', True, True, '', Cause.GROUP)],
        ),
    ],
)  # fmt: skip
def test_what_is_unknown_and_what_is_like_it(placement, specs, found):
    assert names(placement, request(**specs)) == found


@pytest.mark.parametrize(
    ('scope', 'asker', 'forbidden'),
    [
        ({'root_required': ['CUSTOM_ZEBRA']}, 'root_required', False),
        ({'root_forbidden': ['CUSTOM_ZEBRA']}, 'root_forbidden', True),
        (
            {'root_required': ['CUSTOM_ZEBRA'], 'of_options': True},
            '--required',
            False,
        ),
        (
            {'root_forbidden': ['CUSTOM_ZEBRA'], 'of_options': True},
            '--forbidden',
            True,
        ),
    ],
)
def test_the_caller_asks_for_what_a_scope_has(
    placement, scope, asker, forbidden
):
    query = translate(request(), scope=Scope(**scope))
    (found,) = unknown_names(placement, query)

    assert (found.constraint.asker.key, found.forbidden) == (asker, forbidden)


@pytest.mark.parametrize(
    ('specs', 'known', 'calls'),
    [
        ({}, (), []),
        ({'trait:CUSTOM_A': 'required'}, ('CUSTOM_A',), []),
        ({'trait:CUSTOM_A': 'required'}, (), ['trait_names']),
        ({'resources:CUSTOM_A': '1'}, (), ['class_names']),
        (
            {'resources:CUSTOM_A': '1', 'trait:CUSTOM_B': 'forbidden'},
            (),
            ['class_names', 'trait_names'],
        ),
    ],
)
def test_only_what_is_not_shown_is_asked_for(placement, specs, known, calls):
    names(placement, request(**specs), known)

    assert [method for method, _ in placement.calls] == calls


def test_what_the_trees_of_hosts_have_is_not_asked_for(placement):
    add_host(placement, 'epyc', traits=['CUSTOM_PC'])
    asked = request()
    query = translate(asked, scope=Scope(root_forbidden=['CUSTOM_PC']))
    found = diagnose(placement, asked, query)

    assert found.cause is Cause.HOST_TRAIT
    assert 'trait_names' not in [method for method, _ in placement.calls]


def test_a_port_is_named_as_a_whole(placement):
    query = translate(request())
    port = RequestGroup(
        'a', {'CUSTOM_A': 1}, asker=Field(Source.REQUEST, 'port', '5e1f')
    )
    query = replace(query, groups=(*query.groups, port))

    assert unknown_names(placement, query) == ()


def test_a_model_without_a_trait_is_no_matter_of_names(placement):
    placement.known_traits.remove('HW_CPU_X86_AMD_SEV')

    assert names(placement, request()) == []
    assert placement.diagnose(request()).cause is Cause.NO_MODEL


@pytest.mark.parametrize('full', [False, True])
def test_a_diagnosis_names_them_first(placement, full):
    add_host(
        placement, 'epyc', traits=['CUSTOM_GOLD'],
        memory_mb=1 if full else 65536,
    )  # fmt: skip
    asked = request(**{'trait:CUSTOM_GOLDEN': 'required'})
    found = diagnose(placement, asked, translate(asked))

    assert found.cause is Cause.UNKNOWN_NAME
    assert [(one.name, one.near) for one in found.unknown] == [
        ('CUSTOM_GOLDEN', 'CUSTOM_GOLD')
    ]
    assert found.hosts_but_for == (None if full else 1)


def test_a_standard_name_that_is_newer_than_placement(placement):
    add_host(placement, 'epyc')
    placement.known_traits.remove('COMPUTE_SECURITY_TPM_2_0')
    asked = request(**{'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'})
    found = placement.diagnose(asked)

    assert found.cause is Cause.UNKNOWN_NAME
    assert [one.name for one in found.unknown] == ['COMPUTE_SECURITY_TPM_2_0']
