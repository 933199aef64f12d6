"""RequestSpecs read: who asks for encryption, and readings remembered."""

from __future__ import annotations

import pytest
from nova import objects

from sev_scheduling.nova.request_spec import (
    _field,
    asks_for_encryption,
    image_encryption,
    image_property,
    mentions_encryption,
    read_spec,
)
from tests.unit.nova.factories import CONF, ON, ON_ES, Q35, flavor, image, spec


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'asks', 'mentions'),
    [
        pytest.param({}, {}, False, False, id='nobody'),
        pytest.param(ON, {}, True, True, id='the flavor'),
        pytest.param(
            {'hw:mem_encryption': 'YES'}, {}, True, True, id='in other words'
        ),
        pytest.param(
            {'hw:mem_encryption': '0'}, {}, False, True, id='flavor forbids'
        ),
        pytest.param(
            {'hw:mem_encryption': ''}, {}, False, True, id='an empty value'
        ),
        pytest.param(
            {'hw:mem_encryption': 'maybe'}, {}, False, True, id='maybe'
        ),
        pytest.param(
            {}, {'hw_mem_encryption': 'true'}, True, True, id='the image'
        ),
        pytest.param(
            {},
            {'hw_mem_encryption': 'false'},
            False,
            True,
            id='the image forbids',
        ),
        pytest.param(
            {'hw:mem_encryption': 'false'},
            {'hw_mem_encryption': 'true'},
            True,
            True,
            id='they say the opposite',
        ),
    ],
)
def test_who_asks(extra_specs, properties, asks, mentions):
    request = spec(extra_specs, properties)
    assert asks_for_encryption(request) is asks
    assert mentions_encryption(request) is mentions
    # As nova sees it: encryption by the API's own check.
    if 'maybe' not in str(extra_specs):
        assert read_spec(request, CONF.sev_scheduling).request.encrypted is (
            asks
        )


@pytest.mark.parametrize(
    'image_',
    [
        pytest.param(None, id='no image'),
        pytest.param(objects.ImageMeta(), id='an image of nothing'),
        pytest.param(
            objects.ImageMeta(properties=objects.ImageMetaProps()),
            id='an image of a volume without properties',
        ),
    ],
)
def test_an_image_without_properties_asks_for_nothing(image_):
    request = spec({}, image=image_)
    assert image_encryption(request) is None
    assert image_property(request, 'hw_cpu_policy') is None
    assert not asks_for_encryption(request)
    assert not mentions_encryption(request)
    encrypted = spec(ON, image=image_)
    codes = [p.code for p in read_spec(encrypted, CONF.sev_scheduling).errors]
    assert codes == ['firmware-not-uefi']


def test_a_spec_that_has_never_had_an_image():
    request = objects.RequestSpec(flavor=flavor())
    assert asks_for_encryption(request)
    assert read_spec(request, CONF.sev_scheduling).request.encrypted


def test_a_flavor_whose_extra_specs_were_not_loaded_asks_for_nothing():
    bare = objects.Flavor(name='m1')
    assert not asks_for_encryption(spec(flavor=bare))
    assert not mentions_encryption(spec(flavor=bare))


def test_the_disk_of_a_volume_takes_no_local_space():
    local = read_spec(spec(), CONF.sev_scheduling).request
    volume = read_spec(spec(is_bfv=True), CONF.sev_scheduling).request
    assert local.resources['DISK_GB'] == 20
    assert 'DISK_GB' not in volume.resources


def test_an_equal_request_is_read_once():
    first = read_spec(spec(), CONF.sev_scheduling)
    assert read_spec(spec(), CONF.sev_scheduling) is first


@pytest.mark.parametrize(
    'other',
    [
        pytest.param(
            lambda: spec({**ON, 'hw:mem_page_size': 'large'}),
            id='an extra spec',
        ),
        pytest.param(
            lambda: spec(ON, {**Q35, 'hw_disk_bus': 'ide'}), id='a property'
        ),
        pytest.param(
            lambda: spec(image=image(name='debian')), id="the image's name"
        ),
        pytest.param(
            lambda: spec(flavor=flavor(memory_mb=1)), id="the flavor's size"
        ),
        pytest.param(lambda: spec(is_bfv=True), id='boot from volume'),
        pytest.param(lambda: spec(image=None), id='no image'),
        pytest.param(
            lambda: spec(
                pci_requests=objects.InstancePCIRequests(
                    requests=[objects.InstancePCIRequest(alias_name=None)]
                )
            ),
            id='a passthrough port',
        ),
    ],
)
def test_a_request_that_differs_in_anything_is_read_anew(other):
    first = read_spec(spec(), CONF.sev_scheduling)
    assert read_spec(other(), CONF.sev_scheduling) != first


def test_the_option_and_the_written_value_count_too(configured):
    gpu = {**ON, 'pci_passthrough:alias': 'gpu:1'}
    refused = read_spec(spec(gpu), CONF.sev_scheduling)
    assert [p.code for p in refused.errors] == ['host-device']
    configured(allow_host_devices=True)
    assert read_spec(spec(gpu), CONF.sev_scheduling).errors == ()

    plain = spec({}, {'hw_mem_encryption': 'maybe'})
    assert read_spec(plain, CONF.sev_scheduling).errors == ()
    written = read_spec(plain, CONF.sev_scheduling, 'maybe')
    assert [p.code for p in written.errors] == ['invalid-boolean']


def test_a_spec_that_gets_another_flavor_is_read_anew():
    """As in a resize; nova changes no flavor of a spec in place."""
    request = spec()
    before = read_spec(request, CONF.sev_scheduling)
    request.flavor = flavor(ON_ES)
    after = read_spec(request, CONF.sev_scheduling)
    assert (before.request.model.name, after.request.model.name) == (
        'amd-sev',
        'amd-sev-es',
    )


@pytest.mark.parametrize('of', ['spec', 'flavor', 'image', 'properties'])
def test_fields_are_where_they_are_looked_for(of):
    asked = spec(ON, {**Q35, 'hw_disk_bus': 'virtio'})
    thing = {
        'spec': asked,
        'flavor': asked.flavor,
        'image': asked.image,
        'properties': asked.image.properties,
    }[of]
    set_ones = [name for name in thing.fields if name in thing]
    assert 0 < len(set_ones) < len(thing.fields)
    for name in thing.fields:
        expected = getattr(thing, name) if name in set_ones else None
        assert _field(thing, name) == expected


def test_an_option_that_lets_devices_pass_hides_no_other_error(configured):
    configured(allow_host_devices=True)
    gpu = {**ON, 'pci_passthrough:alias': 'gpu:1'}
    refused = read_spec(spec(gpu, {}), CONF.sev_scheduling)
    assert [p.code for p in refused.errors] == ['firmware-not-uefi']
