"""Where this library and nova say the same, and where not on purpose."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nova import exception, objects
from nova.scheduler import utils
from nova.virt import hardware

from sev_scheduling import parse, translate, validate
from tests.contract.core.novaobjects import nova_flavor, nova_image
from tests.contract.core.test_shapes import KNOWN
from tests.unit import strategies
from tests.unit.factories import ON, READY

PAGE = Path(__file__).parents[3] / 'doc/source/reference/differences.rst'
REQUESTS = PAGE.read_text().partition('What a compute host offers\n')[0]
ROWS = re.findall(r'^   \* - (.+)$', REQUESTS, re.MULTILINE)[1:]
CODES = {row.strip('`') for row in ROWS if row.startswith('``')}
SEV, SEV_ES = 'HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES'
SLOT = 'MEM_ENCRYPTION_CONTEXT'
OPEN = {**READY, 'hw_machine_type': None}

#: What nova takes without a word, and this library does not.
SAMPLES = [
    ({'hw:mem_encryption': 'maybe'}, {}, 'invalid-boolean'),
    ({}, {'hw_mem_encryption': 'maybe'}, 'invalid-boolean'),
    ({'hw:mem_encryption_model': 'amd-sev'}, {}, 'model-without-encryption'),
    (ON, OPEN, 'machine-type-unset'),
    (
        ON | {'hw:mem_encryption_model': 'amd-sev-es'},
        {'os_secure_boot': 'required'},
        'secure-boot-unsupported',
    ),
    (ON, {'hw_architecture': 'aarch64'}, 'architecture-unsupported'),
    (ON, {'hw_disk_bus': 'ide'}, 'disk-bus-unsupported'),
    (ON, {'hw_disk_bus': 'scsi'}, 'disk-bus-unsupported'),
    (ON, {'hw_cdrom_bus': 'ide'}, 'cdrom-bus-unsupported'),
    (ON | {'pci_passthrough:alias': 'gpu:1'}, {}, 'host-device'),
    (ON | {'resources:VGPU': '1'}, {}, 'host-device'),
    (ON | {'accel:device_profile': 'fpga'}, {}, 'host-device'),
    (ON | {f'trait:{SEV_ES}': 'required'}, {}, 'trait-conflict'),
    (ON | {f'trait:{SEV}': 'forbidden'}, {}, 'trait-conflict'),
    ({f'trait:{SEV}': 'required'}, {}, 'trait-without-encryption'),
    (ON | {f'resources1:{SLOT}': '1'}, {}, 'explicit-slot'),
    ({f'resources:{SLOT}': '1'}, {}, 'explicit-slot'),
    ({'resources:NONSENSE': '1'}, {}, 'invalid-resource-request'),
    ({'trait:NONSENSE': 'required'}, {}, 'invalid-resource-request'),
]


def specified(properties):
    return {k: v for k, v in properties.items() if v is not None}


@pytest.mark.parametrize(('extra_specs', 'properties', 'code'), SAMPLES)
def test_nova_accepts_what_the_table_says(extra_specs, properties, code):
    properties = specified({**READY, **properties})
    flavor, image = nova_flavor(extra_specs), nova_image(properties)
    hardware.get_mem_encryption_constraint(flavor, image)
    resource_request(flavor, image)
    problems = validate(parse(flavor, {'name': 'ubuntu', **properties}))

    assert [str(problem.code) for problem in problems] == [code]


def test_the_table_and_the_samples_list_the_same_differences():
    assert {code for *_, code in SAMPLES} == CODES
    assert [row for row in ROWS if not row.startswith('``')] == [
        'slot group',
        'group policy',
        'forbidden image trait',
    ]
    assert len(ROWS) == len(set(ROWS))


#: Values that nova's ImageMeta takes, also odd ones.
PROPERTIES = strategies.pairs(
    KNOWN
    | {
        'hw_architecture': ('x86_64', 'AMD64', 'i386', 'aarch64'),
        'hw_firmware_stateless': ('true', ' YES', 'false', 'maybe'),
        'hw_firmware_type': ('uefi', 'bios'),
        'hw_machine_type': ('q35', 'pc-q35-8.2', 'pc', 'Q35', ''),
        'hw_mem_encryption': ('true', ' On ', '1', 'false', 'maybe', ''),
        'hw_scsi_model': ('virtio-scsi', 'VIRTIO-SCSI', 'lsilogic'),
    },
    [(f'trait:{trait}', ('required',)) for trait in strategies.TRAITS],
    READY,
)
SPECS = strategies.pairs(
    {
        'hw:mem_encryption': ('true', ' TRUE', 'y', 'false', 'maybe', ''),
        'hw:mem_encryption_model': (*strategies.MODELS, 'AMD-SEV', 'x', ''),
        'pci_passthrough:alias': ('gpu:1',),
    },
    strategies.FLAVOR_ASKS,
    ON,
)


@settings(deadline=None, max_examples=300)
@given(SPECS, PROPERTIES, st.sampled_from([None, 'q35', 'pc']))
def test_the_same_answer_to_encrypted_and_with_which_model(
    extra_specs, properties, default
):
    flavor, image = nova_flavor(extra_specs), nova_image(properties)
    request = parse(flavor, {'name': 'ubuntu', **properties})
    problems = validate(request, machine_type=default)
    errors = {str(p.code) for p in problems if p.is_error}
    try:
        config = hardware.get_mem_encryption_constraint(
            flavor, image, properties.get('hw_machine_type', default)
        )
    except exception.NovaException:
        assert errors, 'nova refuses it'
        return

    assert request.encrypted is (config is not None)
    assert errors <= CODES
    if config:
        assert request.model.name == config.model
        assert request.model.trait == config.required_trait
        assert request.model.locks_memory is config.needs_locked_memory
        assert request.model.machine_type == config.required_machine_type
        assert request.model.firmware_type == config.required_firmware_type
        assert (
            request.model.stateless_firmware is config.needs_stateless_firmware
        )


def resource_request(flavor, image, **fields):
    return utils.ResourceRequest.from_request_spec(
        objects.RequestSpec(
            flavor=flavor,
            image=image,
            requested_resources=[],
            **{'is_bfv': False, **fields},
        )
    )


def nova_groups(flavor, image, **fields):
    """Return suffix -> amounts, required and forbidden traits."""
    found = resource_request(flavor, image, **fields)
    return {
        suffix or '': (
            dict(group.resources),
            set(group.required_traits),
            set(group.forbidden_traits),
        )
        for suffix, group in found._rg_by_id.items()
    }


def our_groups(query):
    assert all(len(ors) == 1 for g in query.groups for ors in g.required)
    return {
        group.suffix: (
            dict(group.resources),
            {trait for ors in group.required for trait in ors},
            set(group.forbidden),
        )
        for group in query.groups
    }


def moved(groups, request):
    """Move nova's slot and trait to where this library asks for them."""
    resources, required, forbidden = groups['']
    amount = resources.pop(SLOT)
    trait = request.model.trait
    groups['_MEM_ENCRYPTION'] = ({SLOT: amount}, {trait}, set())
    groups[''] = (resources, required - {trait}, forbidden)
    if not any(groups['']):
        del groups['']
    return groups


ASKS = [
    (key, values)
    for key, values in strategies.FLAVOR_ASKS
    if '_MEM_ENCRYPTION:' not in key
]
CPUS = re.compile('resources.*:[VP]CPU')


@settings(deadline=None, max_examples=300)
@given(
    strategies.pairs(strategies.SENSE, ASKS, ON),
    PROPERTIES,
    st.tuples(
        st.integers(1, 3),
        *[st.integers(0, 3)] * 2,
        st.sampled_from([0, 1, 1024, 1025]),
    ),
    st.booleans(),
)
def test_the_same_amounts_and_traits(
    extra_specs, properties, amounts, from_volume
):
    vcpus, root, ephemeral, swap = amounts
    flavor = nova_flavor(
        extra_specs,
        vcpus=vcpus,
        root_gb=root,
        ephemeral_gb=ephemeral,
        swap=swap,
    )
    image = nova_image(properties)
    request = parse(flavor, image, boot_from_volume=from_volume)
    ignored = {'host-device', 'trait-conflict'}
    errors = [p for p in validate(request, as_warnings=ignored) if p.is_error]
    # Nova's API refuses a CPU policy beside explicit CPUs.
    policy = 'hw:cpu_policy' in extra_specs or 'hw_cpu_policy' in properties
    assume(not policy or not any(CPUS.match(key) for key in extra_specs))
    assume(not errors)
    try:
        groups = nova_groups(flavor, image, is_bfv=from_volume)
    except (exception.NovaException, ValueError):
        assume(False)
    if request.encrypted:
        groups = moved(groups, request)

    assert our_groups(translate(request, as_warnings=ignored)) == groups


def test_nova_asks_for_the_slot_in_the_unsuffixed_group():
    flavor, image = nova_flavor(ON), nova_image(READY)
    resources, required, _ = nova_groups(flavor, image)['']

    assert resources[SLOT] == 1
    assert SEV in required
    assert our_groups(translate(parse(flavor, image)))['_MEM_ENCRYPTION'] == (
        {SLOT: 1},
        {SEV},
        set(),
    )


def test_nova_sends_no_group_policy_where_placement_demands_one(placement):
    flavor = nova_flavor(
        {'resources1:CUSTOM_NIC': '1', 'resources2:CUSTOM_NIC': '1'}
    )
    image = nova_image()
    nova = resource_request(flavor, image)
    ours = translate(parse(flavor, image))

    assert nova.group_policy is None
    assert ours.group_policy == 'none'
    assert [
        placement.get(
            f'/allocation_candidates?{query}',
            microversion='1.36',
            raise_exc=False,
        ).status_code
        for query in (nova.to_querystring(), ours.querystring())
    ] == [400, 200]


def test_nova_ignores_a_forbidden_trait_of_an_image():
    properties = {'trait:CUSTOM_OLD': 'forbidden'}
    flavor = nova_flavor()

    assert nova_groups(flavor, nova_image(properties))[''][2] == set()
    query = translate(parse(flavor, {'name': 'ubuntu', **properties}))
    assert query.groups[0].forbidden == {'CUSTOM_OLD'}
