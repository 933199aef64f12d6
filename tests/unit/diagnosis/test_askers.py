"""What of flavor and image makes a constraint, and what can go."""

from dataclasses import replace

import pytest

from sev_scheduling import Cause, Constraint, Diagnosis, Field
from sev_scheduling.diagnosis import UnknownName
from sev_scheduling.diagnosis.askers import (
    askers,
    is_demanded,
    models_without,
    name_askers,
    of_tenants,
    relaxable,
)
from sev_scheduling.problems import Source
from tests.unit.factories import encrypted, plain

STATELESS = Constraint(Cause.TRAIT, 'COMPUTE_SECURITY_STATELESS_FIRMWARE')
GOLD = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')
GROUP = Constraint(Cause.GROUP, '1')
HOST_TRAIT = Constraint(Cause.HOST_TRAIT, 'CUSTOM_GOLD')
AGGREGATE = Constraint(Cause.AGGREGATE, 'az1')
#: Both, in a group of their own and in that of the guest.
SPECS = {
    'resources1:CUSTOM_NIC': '2',
    'trait1:CUSTOM_FAST': 'forbidden',
    'trait:CUSTOM_GOLD': 'required',
}
REQUEST = plain(SPECS)


@pytest.mark.parametrize(
    ('constraint', 'pairs'),
    [
        pytest.param(GOLD, [('trait:CUSTOM_GOLD', 'required')], id='trait'),
        pytest.param(
            HOST_TRAIT, [('trait:CUSTOM_GOLD', 'required')], id='of the host'
        ),
        pytest.param(
            Constraint(Cause.TRAIT, '!CUSTOM_GOLD'),
            [],
            id='the opposite of what the flavor says',
        ),
        pytest.param(
            GROUP,
            [('resources1:CUSTOM_NIC', ''), ('trait1:CUSTOM_FAST', '')],
            id='all of a request group',
        ),
        pytest.param(
            replace(GOLD, asker=Field(Source.OPTION, '--required')),
            [],
            id='the caller asks for it',
        ),
        pytest.param(AGGREGATE, [], id='no property can'),
    ],
)
def test_what_makes_a_constraint(constraint, pairs):
    found = askers(REQUEST, constraint)

    assert [(field.key, value) for field, value in found] == pairs


@pytest.mark.parametrize(
    ('name', 'constraint', 'pairs'),
    [
        ('CUSTOM_GOLD', GOLD, [('trait:CUSTOM_GOLD', 'required')]),
        ('CUSTOM_NIC', GROUP, [('resources1:CUSTOM_NIC', '2')]),
        ('CUSTOM_FAST', GROUP, [('trait1:CUSTOM_FAST', 'forbidden')]),
    ],
)
def test_what_asks_for_a_name_of_a_group_is_not_all_of_it(
    name, constraint, pairs
):
    unknown = UnknownName(name, True, False, constraint)
    found = name_askers(REQUEST, unknown)

    assert [(field.key, value) for field, value in found] == pairs


@pytest.mark.parametrize(
    ('models', 'without', 'demanded'),
    [
        (['amd-sev'], ['amd-sev'], False),
        (['amd-sev-snp', 'amd-sev'], ['amd-sev'], False),
        (['amd-sev-snp'], [], True),
    ],
)
def test_what_every_model_needs_is_demanded(models, without, demanded):
    request = encrypted({}, {'hw_firmware_stateless': 'yes'}, models=models)

    found = models_without(request, STATELESS)
    assert [model.name for model in found] == without
    assert is_demanded(request, STATELESS) is demanded


def test_of_an_unencrypted_guest_nothing_is_demanded():
    request = plain({}, {'hw_firmware_stateless': 'yes'})

    assert not is_demanded(request, STATELESS)


def combination(*constraints, request=REQUEST):
    return Diagnosis(
        request=request, cause=Cause.COMBINATION, constraints=constraints
    )


@pytest.mark.parametrize(
    ('found', 'left'),
    [
        pytest.param(
            combination(GOLD, AGGREGATE, GROUP),
            (GOLD, GROUP),
            id='no aggregate',
        ),
        pytest.param(
            combination(HOST_TRAIT), (HOST_TRAIT,), id='the flavor asks for it'
        ),
        pytest.param(
            combination(replace(HOST_TRAIT, name='CUSTOM_A')),
            (),
            id='the cloud asks for it',
        ),
        pytest.param(
            combination(
                STATELESS, GOLD, request=encrypted(model='amd-sev-snp')
            ),
            (GOLD,),
            id='the model needs it',
        ),
    ],
)
def test_what_a_tenant_can_do_without(found, left):
    assert relaxable(found) == left


def test_a_tenant_reads_of_what_can_be_relaxed():
    found = of_tenants(combination(GOLD, AGGREGATE))
    assert (found.cause, found.constraints) == (Cause.TRAIT, (GOLD,))

    found = of_tenants(combination(GOLD, AGGREGATE, GROUP))
    assert (found.cause, found.constraints) == (
        Cause.COMBINATION,
        (GOLD, GROUP),
    )


@pytest.mark.parametrize(
    'found',
    [
        pytest.param(combination(AGGREGATE), id='nothing is left'),
        pytest.param(
            replace(combination(GOLD, AGGREGATE), cause=Cause.SEVERAL),
            id='all of several',
        ),
    ],
)
def test_else_a_tenant_reads_all_of_it(found):
    assert of_tenants(found) is found
