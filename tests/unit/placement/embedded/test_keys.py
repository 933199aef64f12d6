"""What the keys of a cloud file may have."""

import pytest

from sev_scheduling.exceptions import CloudFileError
from sev_scheduling.placement.embedded.keys import (
    AMOUNTS,
    HOST_KEYS,
    MACHINE_TYPES,
    NAME,
    TRAIT,
    UUID,
    check,
    check_value,
    whole_number,
)

KNOWN = {'total': whole_number(1), 'used': whole_number(0)}


@pytest.mark.parametrize(
    ('mapping', 'fault'),
    [
        ({'total': 0}, "pools total '0' is not a whole number from 1 to"),
        ({'used': 1}, 'pools total is missing; give a whole number from 1'),
        ({'total': 1, 7: 1}, "pools '7' is not known; use total, used."),
        ({7: 1, 'total': 0}, "pools '7' is not known"),
    ],
)
def test_the_first_fault_of_a_mapping_is_named(mapping, fault):
    with pytest.raises(CloudFileError) as raised:
        check('x, host 1', 'pools ', mapping, KNOWN, required=['total'])

    assert str(raised.value).startswith(f'x, host 1: {fault}')


def test_of_many_keys_the_first_are_proposed():
    known = {f'key{n}': whole_number(0) for n in range(99)}

    with pytest.raises(CloudFileError) as raised:
        check('x', '', {'key': 1}, known)

    assert str(raised.value).endswith('key8, key9.')


def test_what_has_every_key_is_in_order():
    check('x', '', {'total': 1, 'used': 0}, KNOWN, required=KNOWN)
    check('x', '', {}, KNOWN)


@pytest.mark.parametrize(
    ('allowed', 'good', 'bad'),
    [
        (whole_number(0), [0, 1, 2**31 - 1], [-1, 2**31, True, 1.0, '1']),
        (AMOUNTS, [{}, {'total': 1}], [None, [], 15]),
        (TRAIT, ['CUSTOM_A', 'HW_CPU_X86_AMD_SEV'], ['A', 'custom_a', None]),
        (NAME, ['A', 'NEWER_1'], ['', 'a', 'A' * 256, 7]),
        (
            UUID,
            ['11111111-0000-4000-8000-000000000001'],
            ['1', '', None, 7],
        ),
        (MACHINE_TYPES['aarch64'], ['virt', 'virt-8.2'], ['', '-', 'a b', 7]),
        (HOST_KEYS['layout'], ['nested', 'flat'], ['', None, ['flat']]),
        (
            HOST_KEYS['ram_allocation_ratio'],
            [1, 0.5, 1000],
            [0, -1, 1001, True, float('nan')],
        ),
    ],
    ids=lambda value: getattr(value, 'what', ''),
)
def test_what_a_key_may_have(allowed, good, bad):
    for value in good:
        check_value('x', value, allowed)
    for value in bad:
        with pytest.raises(CloudFileError) as raised:
            check_value('x', value, allowed)
        assert str(raised.value).endswith(f' is not {allowed.what}.')
