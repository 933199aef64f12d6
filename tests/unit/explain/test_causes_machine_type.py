"""Placement was asked for hosts that default to q35, and has none."""

from __future__ import annotations

from sev_scheduling import explain, parse
from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis

REQUEST = parse(
    {
        'name': 'm1.sev',
        'vcpus': 1,
        'ram': 1024,
        'disk': 1,
        'extra_specs': {'hw:mem_encryption': 'true'},
    },
    {'name': 'debian', 'hw_firmware_type': 'uefi'},
)
MACHINE_TYPE = Constraint(Cause.HOST_TRAIT, 'CUSTOM_HW_MACHINE_TYPE_Q35')
SERVICE = Constraint(Cause.HOST_TRAIT, '!COMPUTE_STATUS_DISABLED')
COMMAND = 'openstack image set --property hw_machine_type=q35 debian'


def told(*constraints: Constraint, cause: Cause = Cause.HOST_TRAIT):
    return explain(
        Diagnosis(
            request=REQUEST,
            cause=cause,
            constraints=constraints,
            hosts_with_free_slot=3,
            hosts_but_for=2,
        )
    )


def test_the_image_that_leaves_it_open_can_name_it():
    text = told(MACHINE_TYPE)
    assert (
        'The image names no machine type, and no host with a free amd-sev '
        f'slot defaults to q35. Set it: {COMMAND}'
    ) in text.tenant()
    assert 'but for their default machine type' in text.operator()
    assert COMMAND in text.operator()


def test_a_host_out_of_service_is_still_the_operators_affair():
    assert 'is in service' in told(SERVICE).tenant()
    assert 'is in service' in told(MACHINE_TYPE, SERVICE).tenant()


def test_beside_something_else_it_is_named_without_the_trait():
    text = told(
        MACHINE_TYPE,
        Constraint(Cause.RESOURCES_SHORT, 'VCPU', 8),
        cause=Cause.COMBINATION,
    )
    assert 'the default machine type' in text.tenant()
    assert 'CUSTOM' not in text.tenant()
