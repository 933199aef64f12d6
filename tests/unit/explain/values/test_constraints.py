"""What a constraint, and what asks for it, is called."""

import pytest

from sev_scheduling import Cause, Constraint, Diagnosis, Field, RequestGroup
from sev_scheduling.diagnosis import UnknownName
from sev_scheduling.explain.values.constraints import (
    asked_beside,
    label,
    properties,
    tenant_name,
    unknown_name,
)
from sev_scheduling.problems import Source
from tests.unit.factories import encrypted

OPTION = Field(Source.OPTION, '--required')
GOLD = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')
NIC = Constraint(
    Cause.PORT,
    '',
    groups=(
        RequestGroup(
            '_a',
            {'NET_BW_EGR_KILOBIT_PER_SEC': 1000, 'CUSTOM_NIC': 2},
            (frozenset({'CUSTOM_A', 'CUSTOM_B'}),),
            frozenset({'CUSTOM_C'}),
        ),
    ),
)
GROUP = Constraint(Cause.GROUP, '1', groups=NIC.groups)
DISABLED = Constraint(Cause.HOST_TRAIT, '!COMPUTE_STATUS_DISABLED')
REQUEST = encrypted({'trait:CUSTOM_GOLD': 'required', 'resources1:VGPU': '1'})
FLAVORS_GOLD = 'extra spec trait:CUSTOM_GOLD=required of flavor m1'


@pytest.mark.parametrize(
    ('constraint', 'operators', 'tenants'),
    [
        (GOLD, 'trait CUSTOM_GOLD', FLAVORS_GOLD),
        (
            Constraint(Cause.TRAIT, 'CUSTOM_A'),
            'trait CUSTOM_A',
            'trait CUSTOM_A',
        ),
        (
            Constraint(Cause.HOST_TRAIT, 'CUSTOM_A'),
            'host trait CUSTOM_A',
            'what the cloud asks of hosts',
        ),
        (
            Constraint(Cause.HOST_TRAIT, '!CUSTOM_A', asker=OPTION),
            'host trait !CUSTOM_A',
            '--required CUSTOM_A',
        ),
        (
            DISABLED,
            'host trait !COMPUTE_STATUS_DISABLED',
            'hosts in service',
        ),
        (
            Constraint(Cause.RESOURCES_SHORT, 'VCPU', 4),
            'VCPU:4',
            'VCPU',
        ),
        (NIC, 'a port', 'a port'),
        (
            GROUP,
            'request group 1 (2 CUSTOM_NIC, 1000 kbit/s egress, '
            'trait !CUSTOM_C, trait CUSTOM_A or CUSTOM_B)',
            'extra spec resources1:VGPU of flavor m1',
        ),
    ],
)
def test_a_constraint_is_named_for_operators_and_tenants(
    constraint, operators, tenants
):
    assert label(constraint) == operators
    assert tenant_name(REQUEST, constraint) == tenants


def test_what_asks_for_several_is_named_once():
    host_trait = Constraint(Cause.HOST_TRAIT, 'CUSTOM_GOLD')

    assert properties(REQUEST, GOLD, host_trait) == FLAVORS_GOLD
    assert properties(REQUEST, DISABLED) == ''


@pytest.mark.parametrize(
    ('unknown', 'text'),
    [
        (
            UnknownName('CUSTOM_GOLD', True, False, GOLD),
            f'trait CUSTOM_GOLD (for {FLAVORS_GOLD})',
        ),
        (
            UnknownName('VGPU', False, False, GROUP),
            'resource class VGPU (for extra spec resources1:VGPU=1 of '
            'flavor m1)',
        ),
        (
            UnknownName(
                'CUSTOM_A',
                True,
                False,
                Constraint(Cause.HOST_TRAIT, 'CUSTOM_A', asker=OPTION),
            ),
            'trait CUSTOM_A (for --required)',
        ),
        (
            UnknownName(
                'CUSTOM_A', True, False, Constraint(Cause.TRAIT, 'CUSTOM_A')
            ),
            'trait CUSTOM_A',
        ),
    ],
)
def test_an_unknown_name_is_named_with_what_asks_for_it(unknown, text):
    assert unknown_name(REQUEST, unknown) == text


@pytest.mark.parametrize(
    ('constraints', 'values'),
    [
        ((), {'amounts': '', 'traits': '(no traits)'}),
        (
            (NIC, GROUP),
            {
                'amounts': '4 CUSTOM_NIC, 2000 kbit/s egress',
                'traits': '(CUSTOM_A, CUSTOM_B)',
            },
        ),
    ],
)
def test_what_ports_ask_for_is_summed_up(constraints, values):
    found = Diagnosis(
        request=REQUEST, cause=Cause.PORT, constraints=constraints
    )

    assert asked_beside(found) == values
