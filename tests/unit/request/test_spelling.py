"""Near misses of the keys that are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.problems import Source
from sev_scheduling.request.sources import IMAGE_PROPERTIES
from sev_scheduling.request.spelling import (
    EXTRA_SPECS,
    is_one_edit,
    meant_key,
)

FLAVOR, IMAGE = Source.FLAVOR, Source.IMAGE
SWITCH, PROPERTY = 'hw:mem_encryption', 'hw_mem_encryption'


@pytest.mark.parametrize(
    ('source', 'key', 'meant'),
    [
        pytest.param(FLAVOR, 'hw:mem_encrypton', SWITCH, id='one less'),
        pytest.param(FLAVOR, 'hw:mem_encryptionn', SWITCH, id='one more'),
        pytest.param(FLAVOR, 'hw:mem_encription', SWITCH, id='another'),
        pytest.param(FLAVOR, 'hw:mem_encyrption', SWITCH, id='two swapped'),
        pytest.param(FLAVOR, 'hw:mem-encryption', SWITCH, id='a dash'),
        pytest.param(FLAVOR, PROPERTY, SWITCH, id="the image's in a flavor"),
        pytest.param(IMAGE, SWITCH, PROPERTY, id="the flavor's in an image"),
        pytest.param(IMAGE, 'HW_MEM_ENCRYPTION', PROPERTY, id='upper case'),
        pytest.param(IMAGE, 'hw_mem_encryption ', PROPERTY, id='a space'),
        pytest.param(
            IMAGE, 'hw_firmware_typ', 'hw_firmware_type', id='firmware'
        ),
        pytest.param(
            IMAGE, 'hw_machinetype', 'hw_machine_type', id='machine type'
        ),
        pytest.param(FLAVOR, SWITCH, None, id='right'),
        pytest.param(FLAVOR, 'hw:mem_encrypio', None, id='two edits'),
        pytest.param(FLAVOR, 'hw:pme', None, id='short'),
        pytest.param(FLAVOR, 'h' * 5000, None, id='very long'),
        pytest.param(FLAVOR, '', None, id='empty'),
    ],
)
def test_what_a_key_means(source, key, meant):
    assert meant_key(source, key) == meant


@pytest.mark.parametrize('source', [FLAVOR, IMAGE])
def test_what_is_read_is_no_near_miss(source):
    keys = EXTRA_SPECS if source is FLAVOR else IMAGE_PROPERTIES

    assert {meant_key(source, key) for key in keys} == {None}


LETTERS = st.text('ab_', max_size=6)


@given(LETTERS, LETTERS)
def test_an_edit_is_the_same_from_both_sides(one, two):
    assert is_one_edit(one, two) is is_one_edit(two, one)


@given(LETTERS, st.sampled_from('xyz'), st.data())
def test_any_one_edit_is_found(text, letter, data):
    at = data.draw(st.integers(0, len(text)))
    head, tail = text[:at], text[at:]
    assert is_one_edit(text, head + letter + tail)
    if tail:
        assert is_one_edit(text, head + letter + tail[1:])
        assert is_one_edit(text, head + tail[1:])
    if tail[:1] != tail[1:2] and len(tail) > 1:
        assert is_one_edit(text, head + tail[1] + tail[0] + tail[2:])
    assert not is_one_edit(text, text)
    assert not is_one_edit(text, f'{letter}{text}{letter}')
