import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.compute.sources.kernel import (
    MAX_COUNT,
    EncryptionLeaf,
    parse_capacity,
    parse_count,
    parse_leaves,
    parse_share,
    parse_switch,
)
from sev_scheduling.exceptions import InputError
from tests.unit.compute.samples import outcome


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        pytest.param('Y\n', True, id='a boolean that is on'),
        pytest.param('N\n', False, id='a boolean that is off'),
        pytest.param('1\n', True, id='an old integer that is on'),
        pytest.param('0\n', False, id='an old integer that is off'),
        pytest.param('Y', True, id='without the end of the line'),
    ],
)
def test_a_module_parameter_is_read(text, value):
    assert parse_switch(text, 'sev') is value


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('', id='nothing'),
        pytest.param('2\n', id='a number that is no boolean'),
        pytest.param('maybe', id='a word'),
        pytest.param('Y\nN\n', id='two lines'),
        pytest.param('\x1b[31mY', id='a control sequence'),
    ],
)
def test_another_module_parameter_is_an_error(text):
    with pytest.raises(InputError, match='Y, N, 1 or 0') as caught:
        parse_switch(text, '/sys/sev')

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ('text', 'counts'),
    [
        pytest.param('', {}, id='nothing to share'),
        pytest.param(
            'sev 410\nsev_es 99\n',
            {'sev': 410, 'sev_es': 99},
            id='both of AMD',
        ),
        pytest.param('tdx 31\n', {'tdx': 31}, id='that of Intel'),
        pytest.param(
            'sgx_epc 99999999999\nsev 15\n',
            {'sev': 15},
            id='a resource of another kind',
        ),
        pytest.param('sev 0\n', {'sev': 0}, id='none'),
        pytest.param(
            f'sev {MAX_COUNT}\n', {'sev': MAX_COUNT}, id='as many as can be'
        ),
    ],
)
def test_the_capacity_is_read(text, counts):
    assert parse_capacity(text, 'misc.capacity') == counts


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('sev\n', id='no number'),
        pytest.param('sev 1 2\n', id='two numbers'),
        pytest.param('sev -1\n', id='a negative number'),
        pytest.param('sev max\n', id='no limit'),
        pytest.param('sev 1_5\n', id='an underscore'),
        pytest.param('sev \u0661\u0665\n', id='digits of another script'),
        pytest.param(f'sev {MAX_COUNT + 1}\n', id='one too many'),
        pytest.param(f'sev {"9" * 5000}\n', id='an absurd number'),
        pytest.param('sev 1\nsev 2\n', id='the same twice'),
    ],
)
def test_another_capacity_is_an_error(text):
    with pytest.raises(InputError) as caught:
        parse_capacity(text, 'misc.capacity')

    assert str(caught.value).startswith('misc.capacity')
    assert len(str(caught.value)) < 200


@given(st.text())
def test_any_text_is_a_capacity_or_one_line_of_error(text):
    counts, error = outcome(parse_capacity, text, 'misc.capacity')

    assert error.isprintable()
    assert error or all(0 <= n <= MAX_COUNT for n in counts.values())


@given(st.none() | st.text())
def test_any_text_is_a_count_or_one_line_of_error(text):
    count, error = outcome(parse_count, text, '<maxGuests>')

    assert error.isprintable()
    assert error or str(count) == (text.strip().lstrip('0') or '0')


def leaf(eax, ecx, edx):
    return struct.pack('<4I', eax, 51 | 1 << 6, ecx, edx)


EXTENDED = struct.pack('<4I', 0x80000028, 0, 0, 0)


@pytest.mark.parametrize(
    ('encryption', 'sev_slots', 'es_slots'),
    [
        pytest.param(leaf(0b00010, 15, 0), 15, 0, id='Naples, no SEV-ES'),
        pytest.param(
            leaf(0b01010, 509, 1),
            509,
            0,
            id='the BIOS leaves no ASID to SEV-ES',
        ),
        pytest.param(leaf(0b01010, 509, 100), 410, 99, id='Milan'),
        pytest.param(leaf(0b11010, 1006, 253), 754, 252, id='Genoa'),
        pytest.param(
            leaf(0b11010, 1006, 1007),
            0,
            1006,
            id='the BIOS leaves no ASID to SEV',
        ),
        pytest.param(
            leaf(0b11010, 1006, 2**32 - 1),
            0,
            1006,
            id='a first ASID beyond the last',
        ),
        pytest.param(leaf(0, 0, 0), 0, 0, id='no encryption'),
    ],
)
def test_cpuid_has_the_slots(encryption, sev_slots, es_slots):
    found = parse_leaves(EXTENDED, encryption)

    assert (found.sev_slots, found.es_slots) == (sev_slots, es_slots)


def test_cpuid_has_the_models():
    assert parse_leaves(EXTENDED, leaf(0b11010, 1006, 253)) == EncryptionLeaf(
        sev=True, sev_es=True, sev_snp=True, guests=1006, first_sev_asid=253
    )
    assert parse_leaves(EXTENDED, leaf(0b00001, 0, 0)) == EncryptionLeaf(
        sev=False, sev_es=False, sev_snp=False, guests=0, first_sev_asid=0
    )


@pytest.mark.parametrize(
    ('extended', 'encryption'),
    [
        pytest.param(b'', leaf(2, 15, 0), id='the highest leaf is unread'),
        pytest.param(EXTENDED, b'', id='the leaf is unread'),
        pytest.param(EXTENDED, b'\xff' * 15, id='the leaf is cut off'),
        pytest.param(
            struct.pack('<4I', 0x80000008, 0, 0, 0),
            leaf(0xFFFFFFFF, 7, 7),
            id='Intel answers with another leaf',
        ),
    ],
)
def test_cpuid_without_the_leaf_has_nothing(extended, encryption):
    assert parse_leaves(extended, encryption) is None


@given(st.binary(min_size=16, max_size=16))
def test_any_leaf_gives_possible_numbers(encryption):
    found = parse_leaves(EXTENDED, encryption)

    assert 0 <= found.sev_slots <= MAX_COUNT
    assert 0 <= found.es_slots <= found.guests <= MAX_COUNT
    assert found.sev_slots + found.es_slots <= found.guests


@pytest.mark.parametrize(
    ('text', 'share'),
    [
        ('0\n', 0),
        ('50\n', 50),
        # An unsigned parameter that was given -1, and that nothing used.
        ('4294967295\n', MAX_COUNT),
    ],
)
def test_a_share_of_slots_is_an_unsigned_number(text, share):
    assert parse_share(text, 'f') == share


@pytest.mark.parametrize('text', ['', '-1', 'max', '4294967296', '1_0', '٣'])
def test_another_share_is_refused(text):
    with pytest.raises(InputError, match='number of slots'):
        parse_share(text, 'f')
