import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.compute.sources.firmware import (
    Descriptor,
    parse_descriptor,
)
from sev_scheduling.exceptions import InputError
from tests.unit.compute import descriptors, samples
from tests.unit.compute.descriptors import found_in

FLASH = {
    'device': 'flash',
    'executable': {'filename': '/fw/CODE.fd', 'format': 'raw'},
    'nvram-template': {'filename': '/fw/VARS.fd', 'format': 'raw'},
}


def descriptor(**changes):
    return {
        'description': 'OVMF',
        'interface-types': ['uefi'],
        'mapping': FLASH,
        'targets': [{'architecture': 'x86_64', 'machines': ['pc-q35-*']}],
        'features': ['amd-sev'],
        'tags': [],
        **changes,
    }


def parsed(**changes):
    return parse_descriptor(json.dumps(descriptor(**changes)), '/x/50-a.json')


def test_a_descriptor_is_read():
    assert parsed() == Descriptor(
        path='/x/50-a.json',
        uefi=True,
        device='flash',
        mode='split',
        files=('/fw/CODE.fd', '/fw/VARS.fd'),
        targets=(('x86_64', 'pc-q35-*'),),
        features=frozenset({'amd-sev'}),
        formats=('raw', 'raw'),
    )
    assert parsed().name == '50-a.json'


@pytest.mark.parametrize(
    ('mapping', 'files', 'stateless'),
    [
        pytest.param(FLASH, 2, False, id='flash, as it was before modes'),
        pytest.param({**FLASH, 'mode': 'split'}, 2, False, id='split flash'),
        pytest.param(
            {**FLASH, 'mode': 'combined'}, 1, False, id='one flash for both'
        ),
        pytest.param(
            {**FLASH, 'mode': 'stateless'},
            1,
            True,
            id='flash without variables',
        ),
        pytest.param(
            {'device': 'memory', 'filename': '/fw/A.fd'}, 1, True, id='memory'
        ),
        pytest.param(
            {'device': 'kernel', 'filename': '/fw/A.fd'},
            1,
            False,
            id='a kernel',
        ),
    ],
)
def test_only_flash_with_variables_keeps_a_state(mapping, files, stateless):
    found = parsed(mapping=mapping)

    assert len(found.files) == files
    assert found.stateless is stateless


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param('', 'not JSON', id='nothing'),
        pytest.param('{', 'not JSON', id='the beginning only'),
        pytest.param('[' * 100_000, 'not JSON', id='deep nesting'),
        pytest.param('1' * 5000, 'not JSON', id='an absurd number'),
        pytest.param('[]', 'no usable interface-types', id='a list'),
        pytest.param('{}', 'no usable interface-types', id='no mapping'),
        pytest.param('null', 'no usable', id='null'),
    ],
)
def test_another_file_is_an_error(text, words):
    with pytest.raises(InputError, match=words) as caught:
        parse_descriptor(text, '/x/50-a.json')
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    'changes',
    [
        pytest.param({'features': 'amd-sev'}, id='text as features'),
        pytest.param({'features': {}}, id='a mapping as features'),
        pytest.param({'interface-types': None}, id='null as interfaces'),
        pytest.param({'targets': [{'machines': []}]}, id='no architecture'),
        pytest.param({'targets': 'x'}, id='text as targets'),
        pytest.param({'mapping': {'device': 'flash'}}, id='no executable'),
        pytest.param({'mapping': {'device': 'memory'}}, id='no file'),
        pytest.param({'mapping': {'device': 7}}, id='a number as a device'),
        pytest.param({'mapping': 'flash'}, id='text as a mapping'),
        pytest.param(
            {'mapping': {**FLASH, 'mode': []}}, id='a list as a mode'
        ),
    ],
)
def test_another_shape_is_an_error(changes):
    with pytest.raises(InputError, match=r'has (no usable|[a-z-]+ .*, which)'):
        parsed(**changes)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(sorted(descriptor())), _JSON)
def test_any_value_is_read_or_an_error_of_one_line(key, value):
    data = copy.deepcopy(descriptor())
    data[key] = value

    _, error = samples.outcome(parse_descriptor, json.dumps(data), '/x/a.json')

    assert error.isprintable()


@given(st.text())
def test_any_text_is_an_error_of_one_line(text):
    _, error = samples.outcome(parse_descriptor, text, '/x/a.json')

    assert error
    assert error.isprintable()


def test_the_files_that_are_there_are_known(tmp_path):
    (tmp_path / 'fw').mkdir()
    (tmp_path / 'fw/amdsev.fd').touch()
    name = 'variables kept by the host, with a template'
    found = found_in(
        tmp_path,
        descriptors.SETS[name] | descriptors.share(x=descriptors.AMDSEV),
    )

    assert found.present == {'/fw/amdsev.fd'}
