"""Objects of the real libraries ask for what their JSON asks for."""

import json
from pathlib import Path

import openstack.compute.v2.flavor
import openstack.image.v2.image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nova import objects
from nova.objects import base

from sev_scheduling import parse
from tests.contract.core.novaobjects import nova_flavor, nova_image
from tests.unit import strategies

EXAMPLES = Path(__file__).parents[3] / 'examples'
FLAVORS = sorted(EXAMPLES.glob('flavors/*.json'))
IMAGES = sorted(EXAMPLES.glob('images/*.json'))
FLAVOR = {'name': 'm1', 'vcpus': 1, 'ram': 512}


def stem(path):
    return path.stem


def sdk_flavor(api):
    return openstack.compute.v2.flavor.Flavor.existing(**api)


def sdk_image(api):
    return openstack.image.v2.image.Image.existing(**api)


def as_nova(api):
    """Return the flavor that nova's API shows so."""
    return nova_flavor(
        api['extra_specs'],
        name=api['name'],
        vcpus=api['vcpus'],
        memory_mb=api['ram'],
        root_gb=api['disk'],
        ephemeral_gb=api['OS-FLV-EXT-DATA:ephemeral'],
        swap=api['swap'] or 0,
    )


@pytest.mark.parametrize('path', FLAVORS, ids=stem)
def test_a_flavor_in_every_shape(path):
    cli = json.loads(path.read_text())
    api = dict(cli)
    api['extra_specs'] = api.pop('properties')
    nova = as_nova(api)
    request = parse(cli)

    assert request.flavor_name == path.stem
    for flavor in (api, sdk_flavor(api), nova, nova.obj_to_primitive()):
        assert parse(flavor) == request


@pytest.mark.parametrize('path', IMAGES, ids=stem)
def test_an_image_in_every_shape(path):
    cli = json.loads(path.read_text())
    flat = {k: v for k, v in cli.items() if k != 'properties'}
    flat |= cli['properties']
    nova = nova_image(cli['properties'], name=cli['name'], id=cli['id'])
    volume = {
        'image_id': cli['id'],
        'image_name': cli['name'],
        **{k: str(v) for k, v in cli['properties'].items()},
    }
    request = parse(FLAVOR, cli)

    assert request.image_name == cli['name']
    for image in (
        flat,
        sdk_image(flat),
        nova,
        nova.obj_to_primitive(),
        base.obj_to_primitive(nova),
        volume,
    ):
        assert parse(FLAVOR, image) == request


def test_properties_that_openstacksdk_lifts_out_are_found():
    body = {
        **{'id': 'x', 'name': 'u', 'architecture': 'amd64'},
        **{key: 'x' for key in strategies.PROPERTIES if key[:3] == 'hw_'},
        'hw_mem_encryption': 'true',
        'hw_architecture': None,
        'trait:CUSTOM_GOLD': 'required',
    }
    request = parse(FLAVOR, sdk_image(body))

    assert request == parse(FLAVOR, body)
    assert request.encrypted
    assert request.architecture == 'x86_64'
    assert len(request.entries) == 1


def test_fields_that_nova_has_not_set_are_not_loaded():
    flavor = objects.Flavor(vcpus=1, memory_mb=512)
    image = objects.ImageMeta(properties=objects.ImageMetaProps())

    request = parse(flavor, image)

    assert (request.flavor_name, request.image_name) == (None, None)
    assert not request.encrypted
    assert parse(flavor, objects.ImageMeta()) == request


def test_boot_from_volume_leaves_an_image_without_id_and_name():
    image = objects.ImageMeta.from_dict(
        {'properties': {'hw_mem_encryption': 'true'}}
    )

    (field,) = parse(nova_flavor(), image).requesters

    assert str(field) == 'image:hw_mem_encryption'
    assert field.owner is None


#: Values that nova's ImageMeta takes, written as it gives them back.
KNOWN = {
    'hw_architecture': ('x86_64', 'aarch64'),
    'hw_cdrom_bus': ('ide', 'sata'),
    'hw_cpu_policy': ('dedicated', 'shared'),
    'hw_cpu_thread_policy': ('isolate', 'require'),
    'hw_disk_bus': ('virtio', 'scsi', 'ide'),
    'hw_firmware_stateless': ('true', 'false'),
    'hw_firmware_type': ('uefi', 'bios'),
    'hw_machine_type': ('q35', 'pc'),
    'hw_mem_encryption': ('true', 'false'),
    'hw_mem_encryption_model': strategies.MODELS,
    'hw_mem_page_size': ('large', '2048'),
    'hw_scsi_model': ('virtio-scsi', 'lsilogic'),
    'hw_tpm_model': ('tpm-tis', 'tpm-crb'),
    'hw_tpm_version': ('1.2', '2.0'),
    'hw_video_model': ('none', 'virtio'),
    'os_secure_boot': ('required', 'optional'),
}
KNOWN_PROPERTIES = strategies.pairs(
    KNOWN,
    [(f'trait:{trait}', ('required',)) for trait in strategies.TRAITS],
    {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'},
)
SMALL = st.integers(0, 9)


@st.composite
def api_flavors(draw):
    return {
        'name': 'm1',
        **{key: draw(SMALL) for key in ('vcpus', 'ram', 'disk')},
        'OS-FLV-EXT-DATA:ephemeral': draw(SMALL),
        'swap': draw(st.sampled_from(['', 1, 2048])),
        'extra_specs': draw(strategies.PLAUSIBLE_SPECS),
    }


@settings(deadline=None, max_examples=100)
@given(api_flavors(), KNOWN_PROPERTIES)
def test_the_same_facts_in_any_shape_give_an_equal_request(flavor, properties):
    image = {'name': 'ubuntu', **properties}
    request = parse(flavor, image)

    assert parse(as_nova(flavor), nova_image(properties)) == request
    assert parse(sdk_flavor(flavor), sdk_image(image)) == request
