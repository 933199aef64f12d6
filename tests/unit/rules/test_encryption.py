import pytest

from sev_scheduling import parse, validate
from tests.unit.factories import ON, READY, flavor, image, plain

ASKED = (
    'Memory encryption is requested by extra spec hw:mem_encryption of '
    'flavor m1, but '
)
BY_IMAGE = (
    'Memory encryption is requested by property hw_mem_encryption of image '
    'ubuntu, but '
)
SET_FLAVOR = 'openstack flavor set --property '
SET_IMAGE = 'openstack image set --property '
MODEL = 'hw:mem_encryption_model'
SLOT = 'resources:MEM_ENCRYPTION_CONTEXT'
SEV, SEV_ES = 'HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES'


def found(extra_specs, properties, code):
    """Return what one rule finds, as rows."""
    problems = validate(plain(extra_specs, {**READY, **properties}))
    return [
        (str(p.severity), p.where, p.message, p.fix)
        for p in problems
        if p.code == code
    ]


INVALID_BOOLEAN = [
    pytest.param({}, {}, [], id='nobody says anything'),
    pytest.param(ON, {'hw_mem_encryption': ' TRUE '}, [], id='odd but true'),
    pytest.param({'hw:mem_encryption': 'off'}, {}, [], id='off is a boolean'),
    pytest.param(
        {'hw:mem_encryption': 'maybe'},
        {},
        [
            (
                'error',
                'flavor:hw:mem_encryption',
                "Extra spec hw:mem_encryption of flavor m1 is 'maybe', which "
                'is neither true nor false.',
                SET_FLAVOR + 'hw:mem_encryption=true m1',
            )
        ],
        id='the flavor says maybe',
    ),
    pytest.param(
        ON,
        {'hw_mem_encryption': ''},
        [
            (
                'error',
                'image:hw_mem_encryption',
                "Property hw_mem_encryption of image ubuntu is '', which is "
                'neither true nor false.',
                SET_IMAGE + 'hw_mem_encryption=true ubuntu',
            )
        ],
        id='the image says nothing, in so many words',
    ),
]

ENCRYPTION_CONFLICT = [
    pytest.param(ON, {'hw_mem_encryption': 'true'}, [], id='both ask'),
    pytest.param(
        {'hw:mem_encryption': 'no'},
        {'hw_mem_encryption': 'false'},
        [],
        id='both forbid',
    ),
    pytest.param(ON, {'hw_mem_encryption': 'maybe'}, [], id='no boolean'),
    pytest.param(
        ON,
        {'hw_mem_encryption': 'false'},
        [
            (
                'error',
                'image:hw_mem_encryption',
                ASKED + 'property hw_mem_encryption of image ubuntu forbids '
                'it.',
                SET_IMAGE + 'hw_mem_encryption=true ubuntu',
            )
        ],
        id='the image forbids what the flavor asks for',
    ),
    pytest.param(
        {'hw:mem_encryption': '0'},
        {'hw_mem_encryption': 'true'},
        [
            (
                'error',
                'flavor:hw:mem_encryption',
                BY_IMAGE + 'extra spec hw:mem_encryption of flavor m1 '
                'forbids it.',
                SET_FLAVOR + 'hw:mem_encryption=true m1',
            )
        ],
        id='the flavor forbids what the image asks for',
    ),
]

UNKNOWN_MODEL = [
    pytest.param(ON | {MODEL: 'intel-tdx'}, {}, [], id='a known model'),
    pytest.param({MODEL: 'nonsense'}, {}, [], id='nobody asks to encrypt'),
    pytest.param(
        ON | {MODEL: 'AMD-SEV'},
        {},
        [
            (
                'error',
                'flavor:hw:mem_encryption_model',
                ASKED + "flavor m1 names the model 'AMD-SEV', which is not "
                'known.',
                SET_FLAVOR + 'hw:mem_encryption_model=amd-sev m1 (or another '
                'of amd-sev, amd-sev-es, amd-sev-snp, intel-tdx)',
            )
        ],
        id='in the wrong case, by the flavor',
    ),
    pytest.param(
        ON,
        {'hw_mem_encryption_model': 'sev'},
        [
            (
                'error',
                'image:hw_mem_encryption_model',
                ASKED + "image ubuntu names the model 'sev', which is not "
                'known.',
                SET_IMAGE + 'hw_mem_encryption_model=amd-sev ubuntu (or '
                'another of amd-sev, amd-sev-es, amd-sev-snp, intel-tdx)',
            )
        ],
        id='by the image',
    ),
]

MODEL_CONFLICT = [
    pytest.param(
        ON | {MODEL: 'amd-sev'},
        {'hw_mem_encryption_model': 'amd-sev'},
        [],
        id='the same model',
    ),
    pytest.param(ON | {MODEL: 'amd-sev'}, {}, [], id='one names a model'),
    pytest.param(
        {MODEL: 'amd-sev'},
        {'hw_mem_encryption_model': 'amd-sev-es'},
        [],
        id='nobody asks to encrypt',
    ),
    pytest.param(
        ON | {MODEL: 'amd-sev'},
        {'hw_mem_encryption_model': 'amd-sev-es'},
        [
            (
                'error',
                'image:hw_mem_encryption_model',
                ASKED + "flavor m1 names the model 'amd-sev' and image "
                "ubuntu names 'amd-sev-es'.",
                SET_IMAGE + 'hw_mem_encryption_model=amd-sev ubuntu',
            )
        ],
        id='different models',
    ),
    pytest.param(
        ON | {MODEL: ''},
        {'hw_mem_encryption_model': 'amd-sev'},
        [
            (
                'error',
                'image:hw_mem_encryption_model',
                ASKED + "flavor m1 names the model '' and image ubuntu names "
                "'amd-sev'.",
                'openstack flavor unset --property hw:mem_encryption_model m1',
            )
        ],
        id='an empty name is another, as in nova',
    ),
]

MODEL_WITHOUT_ENCRYPTION = [
    pytest.param(ON | {MODEL: 'amd-sev'}, {}, [], id='encrypted'),
    pytest.param({}, {}, [], id='no model'),
    pytest.param(
        {MODEL: 'amd-sev'},
        {},
        [
            (
                'warning',
                'flavor:hw:mem_encryption_model',
                "The model 'amd-sev' is named by flavor m1, but nobody asks "
                'for memory encryption, so the guest is not encrypted.',
                SET_FLAVOR + 'hw:mem_encryption=true m1',
            )
        ],
        id='by the flavor',
    ),
    pytest.param(
        {'hw:mem_encryption': 'false'},
        {'hw_mem_encryption_model': 'amd-sev'},
        [
            (
                'warning',
                'image:hw_mem_encryption_model',
                "The model 'amd-sev' is named by image ubuntu, but nobody "
                'asks for memory encryption, so the guest is not encrypted.',
                SET_IMAGE + 'hw_mem_encryption=true ubuntu',
            )
        ],
        id='by the image',
    ),
]

TRAIT_CONFLICT = [
    pytest.param(ON | {f'trait:{SEV}': 'required'}, {}, [], id='its own'),
    pytest.param(
        ON | {f'trait:{SEV_ES}': 'forbidden'}, {}, [], id='another forbidden'
    ),
    pytest.param(ON | {'trait:CUSTOM_X': 'forbidden'}, {}, [], id='no model'),
    pytest.param(
        ON | {'resources1:VCPU': '1', f'trait1:{SEV_ES}': 'required'},
        {},
        [
            (
                'error',
                f'flavor:trait1:{SEV_ES}',
                ASKED + f'flavor m1 requires trait {SEV_ES}, which '
                'contradicts amd-sev.',
                f'openstack flavor unset --property trait1:{SEV_ES} m1',
            )
        ],
        id="another model's required, in any group",
    ),
    pytest.param(
        ON,
        {f'trait:{SEV}': 'forbidden'},
        [
            (
                'error',
                f'image:trait:{SEV}',
                ASKED + f'image ubuntu forbids trait {SEV}, which '
                'contradicts amd-sev.',
                f'openstack image unset --property trait:{SEV} ubuntu',
            )
        ],
        id='its own forbidden by the image',
    ),
]

TRAIT_WITHOUT_ENCRYPTION = [
    pytest.param(ON | {f'trait:{SEV}': 'required'}, {}, [], id='encrypted'),
    pytest.param({f'trait:{SEV}': 'forbidden'}, {}, [], id='forbidden'),
    pytest.param({'trait:CUSTOM_X': 'required'}, {}, [], id='no model'),
    pytest.param(
        {f'trait:{SEV}': 'required'},
        {},
        [
            (
                'warning',
                f'flavor:trait:{SEV}',
                f'Flavor m1 requires trait {SEV}, but nobody asks for memory '
                'encryption, so the guest runs on such a host unencrypted.',
                SET_FLAVOR + 'hw:mem_encryption=true m1',
            )
        ],
        id='by the flavor',
    ),
    pytest.param(
        {},
        {f'trait:{SEV_ES}': 'required'},
        [
            (
                'warning',
                f'image:trait:{SEV_ES}',
                f'Image ubuntu requires trait {SEV_ES}, but nobody asks for '
                'memory encryption, so the guest runs on such a host '
                'unencrypted.',
                SET_FLAVOR + 'hw:mem_encryption=true --property '
                'hw:mem_encryption_model=amd-sev-es m1',
            )
        ],
        id='by the image, with the model that the fix must name',
    ),
]

EXPLICIT_SLOT = [
    pytest.param(ON | {SLOT: '0'}, {}, [], id='no slot'),
    pytest.param(ON | {'resources:VCPU': '1'}, {}, [], id='another class'),
    pytest.param(
        ON | {SLOT: '1'},
        {},
        [
            (
                'error',
                f'flavor:{SLOT}',
                ASKED + f'flavor m1 asks for a slot by {SLOT} as well, which '
                'counts it twice.',
                f'openstack flavor unset --property {SLOT} m1',
            )
        ],
        id='beside encryption',
    ),
    pytest.param(
        {'resources_A:MEM_ENCRYPTION_CONTEXT': '1'},
        {},
        [
            (
                'warning',
                'flavor:resources_A:MEM_ENCRYPTION_CONTEXT',
                'Flavor m1 holds a slot by '
                'resources_A:MEM_ENCRYPTION_CONTEXT, but nobody asks for '
                'memory encryption, so the guest is not encrypted.',
                'openstack flavor unset --property '
                'resources_A:MEM_ENCRYPTION_CONTEXT m1 and openstack flavor '
                'set --property hw:mem_encryption=true m1',
            )
        ],
        id='alone',
    ),
]

INVALID_RESOURCE_REQUEST = [
    pytest.param({'resources:CUSTOM_NIC': '1'}, {}, [], id='all is well'),
    pytest.param(
        {'resources:VCPU': 'many'},
        {},
        [
            (
                'warning',
                'flavor:resources:VCPU',
                "Extra spec 'resources:VCPU' of flavor m1 is 'many', which "
                'is no amount.',
                'Give a whole number from 0 to 2147483647, or remove it: '
                'openstack flavor unset --property resources:VCPU m1',
            )
        ],
        id='nova ignores it',
    ),
    pytest.param(
        {},
        {'trait:GOLD': 'required'},
        [
            (
                'error',
                'image:trait:GOLD',
                "Property 'trait:GOLD' of image ubuntu names a trait that "
                'os-traits does not know.',
                'Correct the name, use a CUSTOM_ trait, update os-traits, or '
                'remove it: openstack image unset --property trait:GOLD '
                'ubuntu',
            )
        ],
        id='Placement refuses it',
    ),
    pytest.param(
        {'trait1:CUSTOM_GOLD': 'required'},
        {},
        [
            (
                'error',
                'flavor:trait1',
                'Flavor m1 has traits, but no resources, in request group '
                "'1'.",
                'Add a resources1: extra spec, or remove the trait1: ones.',
            )
        ],
        id='a group without resources',
    ),
    pytest.param(
        {'trait:CUSTOM_A': 'required'},
        {'trait:CUSTOM_A': 'forbidden'},
        [
            (
                'error',
                'flavor:trait:CUSTOM_A',
                'Trait CUSTOM_A is both required and forbidden by flavor m1 '
                'and image ubuntu.',
                'Remove one of the two from flavor m1 or image ubuntu.',
            )
        ],
        id='required and forbidden',
    ),
    pytest.param(
        {
            'trait:CUSTOM_A': 'required',
            'resources1:CUSTOM_NIC': '1',
            'trait1:CUSTOM_A': 'forbidden',
        },
        {},
        [],
        id='required here, forbidden there',
    ),
]


def cases(**tables):
    return [
        pytest.param(code, *case.values, id=f'{code}: {case.id}')
        for code, table in (
            (name.replace('_', '-'), table) for name, table in tables.items()
        )
        for case in table
    ]


@pytest.mark.parametrize(
    ('code', 'extra_specs', 'properties', 'rows'),
    cases(
        invalid_boolean=INVALID_BOOLEAN,
        encryption_conflict=ENCRYPTION_CONFLICT,
        unknown_model=UNKNOWN_MODEL,
        model_conflict=MODEL_CONFLICT,
        model_without_encryption=MODEL_WITHOUT_ENCRYPTION,
        trait_conflict=TRAIT_CONFLICT,
        trait_without_encryption=TRAIT_WITHOUT_ENCRYPTION,
        explicit_slot=EXPLICIT_SLOT,
        invalid_resource_request=INVALID_RESOURCE_REQUEST,
    ),
)
def test_a_rule_finds_what_breaks_it_and_nothing_else(
    code, extra_specs, properties, rows
):
    assert found(extra_specs, properties, code) == rows


def test_a_request_for_nothing_at_all_is_refused():
    (problem,) = validate(parse(flavor(vcpus=0, ram=0, disk=0)))

    assert problem.is_error
    assert problem.where == 'flavor:resources'
    assert problem.message == 'Flavor m1 asks for no resources at all.'
    assert problem.fix == (
        'Give it vcpus, ram or disk, or a resources: extra spec.'
    )


def test_a_slot_alone_is_a_request():
    nothing = flavor(ON, vcpus=0, ram=0, disk=0)
    ready = image({**READY, 'hw_firmware_stateless': None})

    assert validate(parse(nothing, ready)) == ()
