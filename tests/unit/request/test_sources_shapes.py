import re

import pytest

from sev_scheduling.request.sources import (
    facts_of,
    nova_facts,
    split_pairs,
    stored_as,
)


class NovaObject:
    """What a nova object is: it keeps what is set, and loads the rest."""

    def __init__(self, **values):
        self.fields = dict.fromkeys([*values, 'updated_at'])
        self._changed_fields = set(values)
        for name, value in values.items():
            setattr(self, f'_obj_{name}', value)

    def obj_attr_is_set(self, name):
        return hasattr(self, f'_obj_{name}')

    def __getattr__(self, name):
        raise NotImplementedError(f'Cannot load {name!r}')


class OtherObject:
    """One that keeps them elsewhere."""

    def __init__(self, fields, **values):
        self.fields = dict.fromkeys(fields)
        self._values = values

    def obj_attr_is_set(self, name):
        return name in self._values

    def __getattr__(self, name):
        if name.startswith('_') or name not in self._values:
            raise NotImplementedError(f'Cannot load {name!r}')
        return self._values[name]


class SdkResource(dict):
    """An openstacksdk resource: a dict whose items are not its facts."""

    def _body_mapping(self):
        raise NotImplementedError

    def to_dict(self, *, computed, original_names):
        assert (computed, original_names) == (False, True)
        return {'ram': 512}


def test_a_mapping_is_taken_as_it_is():
    source = {'ram': 512}

    assert facts_of(source) is source


@pytest.mark.parametrize(
    'source',
    [None, 'm1', 7, [], b'{}', object()],
    ids=lambda source: type(source).__name__,
)
def test_what_is_no_mapping_has_no_facts(source):
    assert facts_of(source) is None


def test_a_nova_object_tells_its_set_fields_only():
    flavor = NovaObject(vcpus=2, name='m1', disabled=False)

    assert facts_of(flavor) == {'name': 'm1', 'vcpus': 2}


def test_nor_does_one_that_keeps_its_fields_elsewhere_tell_others():
    flavor = OtherObject(['name', 'vcpus', 'extra_specs'], vcpus=2, name='m1')

    assert facts_of(flavor) == {'name': 'm1', 'vcpus': 2}


def test_a_nova_object_is_not_asked_for_fields_its_release_lacks():
    properties = NovaObject(hw_disk_bus='sata')

    assert nova_facts(properties, stored_as('hw_disk_bus', 'hw_new')) == {
        'hw_disk_bus': 'sata'
    }
    other = OtherObject(['hw_disk_bus'], hw_disk_bus='sata')
    assert nova_facts(other, stored_as('hw_disk_bus', 'hw_new')) == {
        'hw_disk_bus': 'sata'
    }


def test_an_openstacksdk_resource_tells_the_names_of_the_api():
    assert facts_of(SdkResource(memory='wrong')) == {'ram': 512}


def test_a_primitive_of_a_nova_object_is_unwrapped_all_the_way():
    primitive = {
        'nova_object.name': 'ImageMeta',
        'nova_object.data': {
            'name': 'ubuntu',
            'properties': {
                'nova_object.name': 'ImageMetaProps',
                'nova_object.data': {'hw_machine_type': 'q35'},
            },
            'tags': {'plain': 'mapping'},
            'odd': {'nova_object.data': 'no mapping'},
        },
    }

    assert facts_of(primitive) == {
        'name': 'ubuntu',
        'properties': {'hw_machine_type': 'q35'},
        'tags': {'plain': 'mapping'},
        'odd': {'nova_object.data': 'no mapping'},
    }


@pytest.mark.parametrize(
    ('text', 'pairs'),
    [
        pytest.param('', {}, id='nothing'),
        pytest.param('  ', {}, id='spaces'),
        pytest.param("a='1'", {'a': '1'}, id='one pair'),
        pytest.param("a='1', b='2'", {'a': '1', 'b': '2'}, id='two pairs'),
        pytest.param("a=, b='2'", {'b': '2'}, id='None is printed as nothing'),
        pytest.param("a=''", {'a': ''}, id='empty text'),
        pytest.param("a='it's', b='2'", {'a': "it's", 'b': '2'}, id='quote'),
        pytest.param("a='x, y', b='2'", {'a': 'x, y', 'b': '2'}, id='comma'),
        pytest.param("a='x=y'", {'a': 'x=y'}, id='equals sign'),
        pytest.param("a='x\ny'", {'a': 'x\ny'}, id='line break'),
        pytest.param(
            "trait:A='required'", {'trait:A': 'required'}, id='colon'
        ),
    ],
)
def test_the_string_that_openstack_prints_is_split(text, pairs):
    assert dict(split_pairs(text)) == pairs


@pytest.mark.parametrize(
    ('text', 'rest'),
    [
        pytest.param('hw:mem_encryption', 'hw:mem_encryption', id='no value'),
        pytest.param('a=1', 'a=1', id='no quotes'),
        pytest.param("a='1', b", "a='1', b", id='a pair and a word'),
        pytest.param("a='1', b=2, c='3'", "b=2, c='3'", id='bare in between'),
        pytest.param("a='1", "a='1", id='no closing quote'),
    ],
)
def test_a_string_that_cannot_be_split_is_told_from_there(text, rest):
    with pytest.raises(ValueError, match=f'^{re.escape(rest)}$'):
        dict(split_pairs(text))
