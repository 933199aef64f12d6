"""Who asks for encryption, and by what model."""

import pytest

from sev_scheduling import parse, validate
from tests.unit.factories import (
    ON,
    SET_FLAVOR,
    SET_IMAGE,
    UNSET_FLAVOR,
    flavor,
    found_rows,
    image,
    rule_cases,
)

MODEL = 'hw:mem_encryption_model'
SLOT = 'resources:MEM_ENCRYPTION_CONTEXT'
SEV, SEV_ES = 'HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES'

UEFI = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}

INVALID_BOOLEAN = [
    pytest.param({}, {}, id='nobody says anything'),
    pytest.param(ON, {'hw_mem_encryption': ' TRUE '}, id='odd but true'),
    pytest.param({'hw:mem_encryption': 'off'}, {}, id='off is a boolean'),
    pytest.param(
        {'hw:mem_encryption': 'maybe'},
        {},
        'error',
        'flavor:hw:mem_encryption',
        SET_FLAVOR + 'hw:mem_encryption=true m1',
        id='the flavor says maybe',
    ),
    pytest.param(
        ON,
        {'hw_mem_encryption': ''},
        'error',
        'image:hw_mem_encryption',
        SET_IMAGE + 'hw_mem_encryption=true ubuntu',
        id='the image says nothing, in so many words',
    ),
    pytest.param(
        {'hw:mem_encryption': 'disabled'},
        {},
        'error',
        'flavor:hw:mem_encryption',
        SET_FLAVOR + 'hw:mem_encryption=false m1',
        id='the flavor says off in a word that is no boolean',
    ),
    pytest.param(
        {'hw:mem_encryption': 'disabled'},
        {'hw_mem_encryption': 'true'},
        'error',
        'flavor:hw:mem_encryption',
        SET_FLAVOR + 'hw:mem_encryption=true m1',
        id='the flavor says so, and the image asks for it',
    ),
]

ENCRYPTION_CONFLICT = [
    pytest.param(ON, {'hw_mem_encryption': 'true'}, id='both ask'),
    pytest.param(
        {'hw:mem_encryption': 'no'},
        {'hw_mem_encryption': 'false'},
        id='both forbid',
    ),
    pytest.param(ON, {'hw_mem_encryption': 'maybe'}, id='no boolean'),
    pytest.param(
        ON,
        {'hw_mem_encryption': 'false'},
        'error',
        'image:hw_mem_encryption',
        SET_IMAGE + 'hw_mem_encryption=true ubuntu',
        id='the image forbids what the flavor asks for',
    ),
    pytest.param(
        {'hw:mem_encryption': '0'},
        {'hw_mem_encryption': 'true'},
        'error',
        'flavor:hw:mem_encryption',
        SET_FLAVOR + 'hw:mem_encryption=true m1',
        id='the flavor forbids what the image asks for',
    ),
]

UNKNOWN_MODEL = [
    pytest.param(ON | {MODEL: 'intel-tdx'}, {}, id='a known model'),
    pytest.param({MODEL: 'nonsense'}, {}, id='nobody asks to encrypt'),
    pytest.param(
        ON | {MODEL: 'AMD-SEV'},
        {},
        'error',
        'flavor:hw:mem_encryption_model',
        SET_FLAVOR + 'hw:mem_encryption_model=amd-sev m1',
        id='in the wrong case, by the flavor',
    ),
    pytest.param(
        ON,
        {'hw_mem_encryption_model': 'sev'},
        'error',
        'image:hw_mem_encryption_model',
        SET_IMAGE + 'hw_mem_encryption_model=amd-sev ubuntu',
        id='by the image',
    ),
]

MODEL_CONFLICT = [
    pytest.param(
        ON | {MODEL: 'amd-sev'},
        {'hw_mem_encryption_model': 'amd-sev'},
        id='the same model',
    ),
    pytest.param(ON | {MODEL: 'amd-sev'}, {}, id='one names a model'),
    pytest.param(
        {MODEL: 'amd-sev'},
        {'hw_mem_encryption_model': 'amd-sev-es'},
        id='nobody asks to encrypt',
    ),
    pytest.param(
        ON | {MODEL: 'amd-sev'},
        {'hw_mem_encryption_model': 'amd-sev-es'},
        'error',
        'image:hw_mem_encryption_model',
        SET_FLAVOR + 'hw:mem_encryption_model=amd-sev-es m1',
        id='different models: the stronger one stays',
    ),
    pytest.param(
        ON | {MODEL: 'amd-sev-snp'},
        {'hw_mem_encryption_model': 'amd-sev'},
        'error',
        'image:hw_mem_encryption_model',
        SET_IMAGE + 'hw_mem_encryption_model=amd-sev-snp ubuntu',
        id='the other way round',
    ),
    pytest.param(
        ON | {MODEL: 'intel-tdx'},
        {'hw_mem_encryption_model': 'amd-sev-snp'},
        'error',
        'image:hw_mem_encryption_model',
        SET_IMAGE + 'hw_mem_encryption_model=intel-tdx ubuntu',
        id='neither of them is the stronger',
    ),
    pytest.param(
        ON | {MODEL: 'snp'},
        {'hw_mem_encryption_model': 'amd-sev'},
        'error',
        'image:hw_mem_encryption_model',
        'openstack image unset --property hw_mem_encryption_model ubuntu',
        id='the weaker one gives way to one that is misspelt',
    ),
    pytest.param(
        ON | {MODEL: 'nonsense'},
        {'hw_mem_encryption_model': 'amd-sev'},
        'error',
        'image:hw_mem_encryption_model',
        'correct-name',
        id='nobody knows what one of them means',
    ),
    pytest.param(
        ON | {MODEL: ''},
        {'hw_mem_encryption_model': 'amd-sev'},
        'error',
        'image:hw_mem_encryption_model',
        UNSET_FLAVOR + 'hw:mem_encryption_model m1',
        id='an empty name is another, as in nova',
    ),
]

MODEL_WITHOUT_ENCRYPTION = [
    pytest.param(ON | {MODEL: 'amd-sev'}, {}, id='encrypted'),
    pytest.param({}, {}, id='no model'),
    pytest.param(
        {MODEL: 'amd-sev'},
        {},
        'warning',
        'flavor:hw:mem_encryption_model',
        SET_FLAVOR + 'hw:mem_encryption=true m1',
        id='by the flavor',
    ),
    pytest.param(
        {'hw:mem_encryption': 'false'},
        {'hw_mem_encryption_model': 'amd-sev'},
        'warning',
        'image:hw_mem_encryption_model',
        SET_IMAGE + 'hw_mem_encryption=true ubuntu',
        id='by the image',
    ),
]

TRAIT_WITHOUT_ENCRYPTION = [
    pytest.param(ON | {f'trait:{SEV}': 'required'}, {}, id='encrypted'),
    pytest.param({f'trait:{SEV}': 'forbidden'}, {}, id='forbidden'),
    pytest.param({'trait:CUSTOM_X': 'required'}, {}, id='no model'),
    pytest.param(
        {f'trait:{SEV}': 'required'},
        {},
        'warning',
        f'flavor:trait:{SEV}',
        SET_FLAVOR + 'hw:mem_encryption=true m1',
        id='by the flavor',
    ),
    pytest.param(
        {},
        {f'trait:{SEV_ES}': 'required'},
        'warning',
        f'image:trait:{SEV_ES}',
        SET_IMAGE + 'hw_mem_encryption=true --property '
        'hw_mem_encryption_model=amd-sev-es ubuntu',
        id='by the image, which is then to name the model',
    ),
]


@rule_cases(
    {
        'invalid-boolean': INVALID_BOOLEAN,
        'encryption-conflict': ENCRYPTION_CONFLICT,
        'unknown-model': UNKNOWN_MODEL,
        'model-conflict': MODEL_CONFLICT,
        'model-without-encryption': MODEL_WITHOUT_ENCRYPTION,
        'trait-without-encryption': TRAIT_WITHOUT_ENCRYPTION,
    }
)
def test_a_rule_finds_what_breaks_it_and_nothing_else(
    code, extra_specs, properties, rows
):
    assert found_rows(extra_specs, properties, code) == rows


def other_ways(extra_specs, properties):
    """Return code, command and condition of each way but the first."""
    found = validate(parse(flavor(extra_specs), image(properties)))
    return [
        (str(problem.code), way.command(), [*map(str, way.caveats)])
        for problem in found
        for way in problem.fix.alternatives
    ]


def test_what_says_off_may_be_meant_whoever_else_asks():
    flavor_off = {'hw:mem_encryption': 'disabled'}
    change = SET_FLAVOR + 'hw:mem_encryption=false m1'

    assert other_ways(flavor_off, {}) == []
    assert other_ways(flavor_off, {**UEFI, 'hw_mem_encryption': 'true'}) == [
        ('invalid-boolean', change, ['unencrypted'])
    ]


OFF = {'hw:mem_encryption': 'false'}
ES_TRAIT = f'trait:{SEV_ES}'


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'ways'),
    [
        pytest.param(
            {MODEL: 'amd-sev'}, {}, [], id='nobody says that it is off'
        ),
        pytest.param(
            OFF | {MODEL: 'amd-sev'},
            {},
            [
                (
                    'model-without-encryption',
                    UNSET_FLAVOR + MODEL + ' m1',
                    ['unencrypted'],
                )
            ],
            id='a model',
        ),
        pytest.param(
            OFF | {ES_TRAIT: 'required'},
            {},
            [
                (
                    'trait-without-encryption',
                    UNSET_FLAVOR + ES_TRAIT + ' m1',
                    ['unencrypted'],
                )
            ],
            id='a required trait',
        ),
        pytest.param(
            {MODEL: 'amd-sev'},
            {'hw_mem_encryption': 'no'},
            [
                (
                    'model-without-encryption',
                    UNSET_FLAVOR + MODEL + ' m1',
                    ['unencrypted'],
                )
            ],
            id='the image says so',
        ),
    ],
)
def test_where_it_is_off_what_asks_for_a_model_can_go(
    extra_specs, properties, ways
):
    assert other_ways(extra_specs, properties) == ways


@pytest.mark.parametrize(
    ('extra_specs', 'value', 'caveats'),
    [
        pytest.param({}, 'true', ['encrypted'], id='nobody asks for it yet'),
        pytest.param(ON, 'true', [], id='the flavor asks for it'),
        pytest.param(ON, 'false', ['unencrypted'], id='it would be off'),
    ],
)
def test_a_misspelt_switch_has_a_condition_where_it_decides(
    extra_specs, value, caveats
):
    properties = {**UEFI, 'hw:mem_encryption': value}

    (problem,) = validate(parse(flavor(extra_specs), image(properties)))

    assert problem.code == 'misspelt-key'
    assert [*map(str, problem.fix.caveats)] == caveats


@pytest.mark.parametrize(
    ('meant', 'other', 'fix'),
    [
        ('amd-sev', 'amd-sev-es', UNSET_FLAVOR + 'hw_mem_encryption_model m1'),
        ('sev', 'amd-sev-snp', UNSET_FLAVOR + 'hw_mem_encryption_model m1'),
        ('amd-sev', 'snp', UNSET_FLAVOR + 'hw_mem_encryption_model m1'),
        ('amd-sev-es', 'amd-sev',
         SET_FLAVOR + 'hw:mem_encryption_model=amd-sev-es m1'),
        ('amd-sev-snp', 'intel-tdx',
         SET_FLAVOR + 'hw:mem_encryption_model=amd-sev-snp m1'),
        ('amd-sev', None, SET_FLAVOR + 'hw:mem_encryption_model=amd-sev m1'),
    ],
)  # fmt: skip
def test_a_misspelt_model_that_is_weaker_than_the_other_one_is_removed(
    meant, other, fix
):
    """Nothing has read it, and the other one decides."""
    properties = {} if other is None else {'hw_mem_encryption_model': other}
    specs = {**ON, 'hw_mem_encryption_model': meant}

    found = validate(parse(flavor(specs), image({**UEFI, **properties})))

    (problem,) = (one for one in found if one.code == 'misspelt-key')
    assert problem.fix.command() == fix
