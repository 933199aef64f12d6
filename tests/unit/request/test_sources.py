import re

import pytest

from sev_scheduling import SpecError
from sev_scheduling.request.sources import (
    FlavorView,
    ImageView,
    facts_of,
    flavor_view,
    image_view,
    nova_facts,
    split_pairs,
    stored_as,
)
from sev_scheduling.text import MAX_AMOUNT


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


SEV = FlavorView(
    'm1.sev',
    vcpus=4,
    memory_mb=8192,
    root_gb=40,
    ephemeral_gb=10,
    swap_mb=512,
    extra_specs={'hw:mem_encryption': 'true', 'hw:numa_nodes': '1'},
)
SPECS = {'hw:mem_encryption': 'true', 'hw:numa_nodes': 1}
API = {
    'id': '853e',
    'name': 'm1.sev',
    'vcpus': 4,
    'ram': 8192,
    'disk': 40,
    'OS-FLV-EXT-DATA:ephemeral': 10,
    'swap': 512,
    'rxtx_factor': 1.0,
    'links': [{'rel': 'self', 'href': 'http://nova'}],
    'extra_specs': SPECS,
}


@pytest.mark.parametrize(
    'flavor',
    [
        pytest.param(API, id='Nova API JSON'),
        pytest.param(
            {
                'original_name': 'm1.sev',
                'vcpus': 4,
                'ram': 8192,
                'disk': 40,
                'ephemeral': 10,
                'swap': 512,
                'extra_specs': SPECS,
            },
            id='the flavor inside a server',
        ),
        pytest.param(
            {
                'name': 'm1.sev',
                'flavorid': '7',
                'vcpus': 4,
                'memory_mb': 8192,
                'root_gb': 40,
                'ephemeral_gb': 10,
                'swap': 512,
                'extra_specs': SPECS,
            },
            id="the names of nova's objects",
        ),
        pytest.param(
            API | {'vcpus': '4', 'ram': ' 8192 ', 'swap': '512'},
            id='numbers as strings',
        ),
        pytest.param(
            API | {'extra_specs': {**SPECS, 'hw:cpu_policy': None}},
            id='an extra spec that is None',
        ),
    ],
)
def test_every_shape_of_a_flavor_gives_the_same_view(flavor):
    assert flavor_view(flavor) == SEV


@pytest.mark.parametrize(
    ('fields', 'view'),
    [
        pytest.param({}, FlavorView(None, 1, 512), id='amounts alone'),
        pytest.param({'swap': ''}, FlavorView(None, 1, 512), id='swap empty'),
        pytest.param({'swap': None}, FlavorView(None, 1, 512), id='swap None'),
        pytest.param({'disk': 0}, FlavorView(None, 1, 512), id='no disk'),
        pytest.param(
            {'extra_specs': None, 'properties': {'a': True, 'b': False}},
            FlavorView(None, 1, 512, extra_specs={'a': 'true', 'b': 'false'}),
            id='booleans become text',
        ),
        pytest.param(
            {'properties': ''}, FlavorView(None, 1, 512), id='empty string'
        ),
        pytest.param(
            {'name': '  ', 'id': 7}, FlavorView('7', 1, 512), id='id as name'
        ),
        pytest.param(
            {'name': ' m1\nrm '},
            FlavorView(r'm1\nrm', 1, 512),
            id='line break',
        ),
        pytest.param(
            {'name': 'm1\nrm', 'id': '7'},
            FlavorView('7', 1, 512),
            id='an id, which a command can carry',
        ),
        pytest.param(
            {'name': 'x' * 999}, FlavorView('x' * 255, 1, 512), id='long name'
        ),
        pytest.param(
            {'vcpus': MAX_AMOUNT},
            FlavorView(None, MAX_AMOUNT, 512),
            id='the greatest amount',
        ),
    ],
)
def test_what_a_flavor_leaves_out_or_writes_oddly(fields, view):
    assert flavor_view({'vcpus': 1, 'ram': 512, **fields}) == view


@pytest.mark.parametrize(
    ('flavor', 'message'),
    [
        pytest.param(
            None,
            'Flavor is NoneType, not a mapping; give the JSON object that '
            '`openstack flavor show -f json` prints.',
            id='None',
        ),
        pytest.param([], 'Flavor is list, not a mapping; give', id='a list'),
        pytest.param({}, 'Flavor has no vcpus; give the flavor', id='empty'),
        pytest.param(
            {'name': 'm1', 'vcpus': 1}, 'Flavor m1 has no ram', id='no ram'
        ),
        pytest.param(
            {'vcpus': '', 'ram': 1},
            'Flavor has no vcpus; give the flavor as',
            id='empty vcpus',
        ),
        pytest.param(
            {'vcpus': 'two', 'ram': 1},
            "Flavor has vcpus='two'; give a whole number from 0 to "
            '2147483647.',
            id='a word for a number',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': -1}, "has ram='-1'; give", id='negative'
        ),
        pytest.param(
            {'vcpus': MAX_AMOUNT + 1, 'ram': 1},
            "has vcpus='2147483648'; give",
            id='one too many',
        ),
        pytest.param(
            {'vcpus': 1 << 99999, 'ram': 1},
            "has vcpus='0x8000",
            id='a number too long for Python to write',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': 1, 'disk': 'big'},
            "has disk='big'; give",
            id='disk',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': 1, 'extra_specs': ['a']},
            'Flavor has extra specs of type list; give a mapping, or a '
            "string such as hw:mem_encryption='true'.",
            id='extra specs in a list',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': 1, 'extra_specs': {1: 'a'}},
            "Flavor has the key '1' in its extra specs; give text.",
            id='a number as key',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': 1, 'extra_specs': {'a': {}}},
            'Flavor has a of type dict; give text of up to 65535 characters.',
            id='a mapping as value',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': 1, 'extra_specs': {'a\n' * 99: []}},
            r'Flavor has a\na\n',
            id='a long key of many lines',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': 1, 'extra_specs': {'a': 'x' * 65536}},
            'Flavor has a of type str; give text of up to 65535',
            id='long text',
        ),
        pytest.param(
            {'vcpus': 1, 'ram': 1, 'properties': 'hw:mem_encryption'},
            "Flavor has extra specs 'hw:mem_encryption', which cannot be "
            "read; give key='value', key='value' or a mapping.",
            id='a string without values',
        ),
        pytest.param(
            {'name': 'ubuntu', 'disk_format': 'qcow2'},
            'Flavor ubuntu is an image; give a flavor here.',
            id='an image',
        ),
        pytest.param(
            {'name': 'ubuntu', 'min_ram': 1024, 'properties': {}},
            'Flavor ubuntu is an image; give a flavor here.',
            id='an image without its format',
        ),
    ],
)
def test_what_is_no_flavor_is_refused_in_one_line(flavor, message):
    with pytest.raises(SpecError) as raised:
        flavor_view(flavor)

    assert str(raised.value).startswith('Flavor ')
    assert message in str(raised.value)
    assert '\n' not in str(raised.value)


PROPERTIES = {'hw_firmware_type': 'uefi', 'trait:CUSTOM_GOLD': 'required'}
UBUNTU = ImageView('ubuntu', PROPERTIES)


@pytest.mark.parametrize(
    'image',
    [
        pytest.param(
            {'id': '1', 'name': 'ubuntu', 'size': 1, 'os_distro': 'ubuntu'}
            | PROPERTIES,
            id='Glance v2, flat',
        ),
        pytest.param(
            {
                'id': '1',
                'name': 'ubuntu',
                'properties': {'os_hidden': False, **PROPERTIES},
            },
            id='CLI, nested',
        ),
        pytest.param(
            {
                'name': 'ubuntu',
                'properties': {
                    'hw_firmware_type': 'uefi',
                    'traits_required': ['CUSTOM_GOLD'],
                },
            },
            id="the dict of nova's ImageMeta",
        ),
        pytest.param(
            {
                'nova_object.data': {
                    'name': 'ubuntu',
                    'properties': {
                        'nova_object.data': {
                            'hw_firmware_type': 'uefi',
                            'traits_required': ('CUSTOM_GOLD',),
                        }
                    },
                }
            },
            id="a nova object's primitive",
        ),
        pytest.param(
            {'name': 'ubuntu', 'hw_disk_bus': None, **PROPERTIES},
            id='a property that is None',
        ),
        pytest.param(
            {'name': 'ubuntu', 7: 'odd key', **PROPERTIES},
            id='a key that is no text',
        ),
    ],
)
def test_every_shape_of_an_image_gives_the_same_view(image):
    assert image_view(image) == UBUNTU


@pytest.mark.parametrize(
    ('image', 'view'),
    [
        pytest.param({}, ImageView(), id='neither name nor id'),
        pytest.param({'properties': None}, ImageView(), id='no properties'),
        pytest.param({'id': 'cafe'}, ImageView('cafe'), id='id as name'),
        pytest.param({'image_id': 'cafe'}, ImageView('cafe'), id='image_id'),
        pytest.param(
            {'hw_firmware_stateless': True},
            ImageView(properties={'hw_firmware_stateless': 'true'}),
            id='a boolean becomes text',
        ),
        pytest.param(
            {'hw_mem_page_size': 2048},
            ImageView(properties={'hw_mem_page_size': '2048'}),
            id='a number becomes text',
        ),
        pytest.param(
            {'hw_machine_type': ' q35 '},
            ImageView(properties={'hw_machine_type': ' q35 '}),
            id='text stays as it is',
        ),
        pytest.param(
            {0: '', None: 'a', 'os_distro': 'debian'},
            ImageView(unread={'os_distro': 'debian'}),
            id='a key that is no text is no property',
        ),
        pytest.param(
            {'architecture': 'x86_64'},
            ImageView(properties={'hw_architecture': 'x86_64'}),
            id='the older name of the architecture',
        ),
        pytest.param(
            {'architecture': 'i686', 'hw_architecture': 'x86_64'},
            ImageView(properties={'hw_architecture': 'x86_64'}),
            id="today's name goes first",
        ),
        pytest.param(
            {'vmware_adaptertype': 'ide'},
            ImageView(properties={'hw_disk_bus': 'ide'}),
            id='IDE by the older name',
        ),
        pytest.param(
            {'vmware_adaptertype': 'lsiLogic'},
            ImageView(
                properties={'hw_disk_bus': 'scsi', 'hw_scsi_model': 'lsiLogic'}
            ),
            id='SCSI by the older name',
        ),
        pytest.param(
            {'vmware_adaptertype': ''},
            ImageView(),
            id='an empty older name says nothing',
        ),
        pytest.param(
            {'vmware_adaptertype': 'lsiLogic', 'hw_scsi_model': 'virtio-scsi'},
            ImageView(
                properties={
                    'hw_disk_bus': 'scsi',
                    'hw_scsi_model': 'virtio-scsi',
                }
            ),
            id="today's controller goes before the older name's",
        ),
        pytest.param(
            {
                'hw_machine_type': 'pc',
                'properties': {'hw_machine_type': 'q35'},
            },
            ImageView(properties={'hw_machine_type': 'q35'}),
            id='nested goes before lifted out',
        ),
    ],
)
def test_what_an_image_leaves_out_or_writes_oddly(image, view):
    found = image_view(image)

    assert found == view
    assert all(isinstance(key, str) for key in found.unread)


@pytest.mark.parametrize(
    ('image', 'of_volume'),
    [
        pytest.param({'image_id': '1'}, True, id='volume image metadata'),
        pytest.param({'id': '1'}, False, id='an image'),
        pytest.param({}, False, id='neither'),
    ],
)
def test_an_image_of_a_volume_is_known_by_its_names(image, of_volume):
    assert image_view(image).of_volume is of_volume


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        pytest.param(
            'ubuntu',
            'Image is str, not a mapping; give the JSON object that '
            '`openstack image show -f json` prints.',
            id='a name',
        ),
        pytest.param(
            {'name': 'm1', 'vcpus': 1},
            'Image m1 is a flavor; give an image here.',
            id='a flavor',
        ),
        pytest.param(
            {'name': 'u', 'properties': 3},
            'Image u has properties of type int; give a mapping',
            id='properties that are a number',
        ),
        pytest.param(
            {'hw_machine_type': ['q35']},
            'Image has hw_machine_type of type list; give text',
            id='a list as value',
        ),
        pytest.param(
            {'hw_mem_encryption': 1 << 999999},
            'Image has hw_mem_encryption of type int; give text',
            id='a number without end',
        ),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(image, message):
    with pytest.raises(SpecError) as raised:
        image_view(image)

    assert message in str(raised.value)
    assert '\n' not in str(raised.value)


def test_properties_of_a_nova_object_are_read():
    properties = NovaObject(hw_disk_bus='sata', hw_input_bus='usb')

    assert image_view({'properties': properties}) == ImageView(
        properties={'hw_disk_bus': 'sata'}
    )


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


@pytest.mark.parametrize(
    'flavor',
    [
        NovaObject(vcpus=2, name='m1', disabled=False),
        OtherObject(['name', 'vcpus', 'extra_specs'], vcpus=2, name='m1'),
    ],
    ids=['in attributes', 'elsewhere'],
)
def test_a_nova_object_has_its_set_fields_only(flavor):
    assert facts_of(flavor) == {'name': 'm1', 'vcpus': 2}


@pytest.mark.parametrize(
    'properties',
    [
        NovaObject(hw_disk_bus='sata'),
        OtherObject(['hw_disk_bus'], hw_disk_bus='sata'),
    ],
    ids=['in attributes', 'elsewhere'],
)
def test_a_nova_object_is_not_asked_for_fields_its_release_lacks(properties):
    assert nova_facts(properties, stored_as('hw_disk_bus', 'hw_new')) == {
        'hw_disk_bus': 'sata'
    }


def test_an_openstacksdk_resource_has_the_names_of_the_api():
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
def test_a_string_that_cannot_be_split_is_refused_from_there(text, rest):
    with pytest.raises(ValueError, match=f'^{re.escape(rest)}$'):
        dict(split_pairs(text))
