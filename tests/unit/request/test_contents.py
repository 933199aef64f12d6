"""What has been said before is not read again, and never mixed up."""

import gc
import itertools
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from types import MappingProxyType
from typing import get_args
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling import ModelError, SpecError, parse, validate
from sev_scheduling.models import (
    BUILTIN_MODELS,
    registered_models,
    registry,
)
from sev_scheduling.request import contents, parsing
from sev_scheduling.request.contents import (
    MOST_KNOWN,
    Known,
    key_of,
    unnamed_key_of,
    views,
)
from sev_scheduling.request.parsing import combine
from sev_scheduling.request.sources import NOVA_FIELDS, NOVA_PROPERTIES
from sev_scheduling.rules import encryption, validation
from sev_scheduling.rules.validation import validate_unnamed
from tests.unit.factories import ON, READY
from tests.unit.strategies import plausible_flavors, plausible_images

NAMES = ('m1', 'm2', None)


class Stored:
    """Keeps its fields as oslo.versionedobjects does."""

    fields = ()

    def __init__(self, **held):
        for name, value in held.items():
            setattr(self, f'_obj_{name}', value)

    def obj_attr_is_set(self, name):
        return hasattr(self, f'_obj_{name}')


def nova_flavor(extra_specs=ON, **held):
    sizes = {'vcpus': 2, 'memory_mb': 512, 'root_gb': 1, 'name': 'm1'}
    none = {'ephemeral_gb': 0, 'swap': 0}
    return Stored(
        **{**sizes, **none, 'extra_specs': dict(extra_specs), **held}
    )


def nova_image(properties=READY, **held):
    return Stored(
        **{'name': 'ubuntu', 'properties': Stored(**properties), **held}
    )


def flavor(extra_specs=ON, **more):
    return {
        'name': 'm1',
        'vcpus': 2,
        'ram': 512,
        'extra_specs': dict(extra_specs),
        **more,
    }


def image(properties=READY, **more):
    return {'name': 'ubuntu', 'tags': ['lts'], **properties, **more}


SHAPES = [
    pytest.param(flavor, image, id='json'),
    pytest.param(nova_flavor, nova_image, id='nova'),
]


def whole(request):
    """Return all of a request, what is not compared among it."""
    facts = {one.name: getattr(request, one.name) for one in fields(request)}
    facts['views'] = [
        {one.name: getattr(view, one.name) for one in fields(view)}
        for view in request.views
    ]
    return facts


def unnamed(flavor, image, devices=()):
    return validate_unnamed(flavor, image, False, devices, ())


def read_anew(flavor, image, named=True, **more):
    return combine(*views(flavor, image, named), **more)


@pytest.mark.parametrize(('flavor', 'image'), SHAPES)
def test_what_has_been_said_before_is_not_read_again(flavor, image):
    assert parse(flavor(), image()) is parse(flavor(), image())
    assert validate(parse(flavor(), image())) is validate(
        parse(flavor(), image())
    )
    assert parse(flavor()) is parse(flavor())


OTHERS = {
    'a name': ({'name': 'm2'}, {}),
    'an id': ({'id': 'cafe'}, {}),
    'the name of the image': ({}, {'name': 'debian'}),
    'whose it is': ({'is_public': True}, {}),
    'a size': ({'vcpus': 3}, {}),
    'an extra spec': ({'extra_specs': {**ON, 'hw:mem_page_size': '2M'}}, {}),
    'a disk format': ({}, {'disk_format': 'iso'}),
}


@pytest.mark.parametrize('other', OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize(('flavor', 'image'), SHAPES)
def test_what_differs_in_anything_is_read(flavor, image, other):
    said = flavor(**other[0]), image(**other[1])
    parse(flavor(), image())
    assert whole(parse(*said)) == whole(read_anew(*said))


@pytest.mark.parametrize(
    'name', sorted({*NOVA_FIELDS.values()} - {'extra_specs', 'properties'})
)
def test_each_field_that_is_read_of_an_object_is_in_its_key(name):
    more = {name: 'other'}
    assert {
        key_of(nova_flavor(**more), None) == key_of(nova_flavor(), None),
        key_of(None, nova_image(**more)) == key_of(None, nova_image()),
    } - {True}


def unnamed_key_with(**more):
    return unnamed_key_of(nova_flavor(**more), nova_image(**more))


@pytest.mark.parametrize(
    'name', sorted({*NOVA_FIELDS.values()} - {'extra_specs', 'properties'})
)
def test_what_they_are_called_and_whose_they_are_is_not_in_the_unnamed_key(
    name,
):
    as_before = unnamed_key_with(**{name: 'other'}) == unnamed_key_with()
    assert as_before == (name in {'flavorid', 'id', 'is_public', 'name'})


def test_no_image_is_told_from_an_image_that_says_nothing():
    keys = [unnamed_key_of(nova_flavor(), image) for image in (
        None, nova_image({}), nova_image({}, disk_format='iso'))]  # fmt: skip
    assert None not in keys
    assert len({*keys}) == len(keys)


@pytest.mark.parametrize('name', sorted(NOVA_PROPERTIES.values()))
def test_each_property_that_is_read_is_in_the_key_of_its_image(name):
    other = nova_image({**READY, name: ['OTHER']} if name == (
        'traits_required') else {**READY, name: 'other'})  # fmt: skip
    keys = {
        unnamed_key_of(nova_flavor(), nova_image()),
        unnamed_key_of(nova_flavor(), other),
        key_of(None, nova_image()),
        key_of(None, other),
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    'pair', itertools.permutations([True, 1, 1.0, '1'], 2)
)
def test_what_is_equal_and_reads_otherwise_is_told_apart(pair):
    for value in pair:
        said = flavor({'resources:VGPU': value}, is_public=value), image()
        assert whole(parse(*said)) == whole(read_anew(*said))


@pytest.mark.parametrize(('flavor', 'image'), SHAPES)
def test_what_is_changed_in_place_is_read(flavor, image):
    said = flavor(), image()
    before = parse(*said)
    specs = (
        said[0]['extra_specs']
        if isinstance(said[0], dict)
        else said[0]._obj_extra_specs
    )
    specs['hw:mem_encryption_model'] = 'amd-sev-es'
    assert parse(*said).model.name == 'amd-sev-es'
    # Nor does it change what was read.
    assert before.model.name == 'amd-sev'
    assert parse(flavor(), image()).model.name == 'amd-sev'


def test_a_property_that_is_changed_in_place_is_read():
    said = nova_image()
    assert not parse(nova_flavor(), said).cdrom_bus
    said._obj_properties._obj_hw_cdrom_bus = 'ide'
    assert parse(nova_flavor(), said).cdrom_bus == 'ide'
    said._obj_properties._obj_traits_required = ['CUSTOM_GOLD']
    assert parse(nova_flavor(), said).entries


def test_no_object_is_kept():
    said = nova_flavor(name='kept?'), nova_image()
    parse(*said)
    left = [weakref.ref(one) for one in said]
    del said
    gc.collect()
    assert [one() for one in left] == [None, None]


@pytest.mark.parametrize('read', [parse, unnamed])
def test_a_fault_is_found_each_time(read):
    bad = nova_flavor(vcpus='many')
    for _ in range(2):
        with pytest.raises(SpecError):
            read(bad, None)


class Resource(dict):
    """As a resource of openstacksdk, a dict of other facts."""


@pytest.mark.parametrize(
    'shape',
    [
        pytest.param(MappingProxyType(flavor()), id='another mapping'),
        pytest.param(Resource(flavor()), id='a kind of dict'),
        pytest.param(flavor(links=object()), id='no JSON'),
        pytest.param(
            flavor({f'quota:{n}': '1' for n in range(2000)}), id='large'
        ),
        pytest.param(Stored(name='m1', memory_mb=1), id='a bare object'),
    ],
)
def test_what_has_no_key_is_read_each_time(shape):
    assert key_of(shape, None) is None
    assert unnamed_key_of(shape, None) is None
    try:
        found = parse(shape)
    except SpecError:
        return
    assert found is not parse(shape)
    assert whole(found) == whole(read_anew(shape, None))


def test_an_object_that_keeps_its_fields_elsewhere_is_read_without_names():
    class Elsewhere:
        fields = ('vcpus', 'memory_mb', 'name', 'is_public')
        vcpus, memory_mb, name, is_public = 1, 512, 'm1', True

        def obj_attr_is_set(self, name):
            return True

    found = unnamed(Elsewhere(), None).request
    assert (found.flavor_name, found.flavor_public) == (None, False)
    assert found.resources['MEMORY_MB'] == 512


def test_names_are_left_out_where_they_do_not_count():
    one = unnamed(nova_flavor(name='a', id=1), nova_image(name='x'))
    two = unnamed(nova_flavor(name='b', id=2), nova_image(name='y'))
    assert one is two
    assert one.request.requesters[0].owner is None
    named = parse(nova_flavor(name='a', id=1), nova_image(name='x'))
    assert named.requesters[0].owner == 'a'


def test_what_comes_beside_counts():
    said = flavor(), image()
    for more in (
        {'boot_from_volume': True},
        {'host_devices': ('port 1',)},
        {'models': ('amd-sev-es',)},
        {'models': 'amd-sev-es'},
    ):
        parse(*said)
        assert whole(parse(*said, **more)) == whole(read_anew(*said, **more))
    devices = iter(['port 2'])
    assert parse(*said, host_devices=devices).host_devices[0][1] == 'port 2'


def test_a_model_that_is_registered_counts_from_then_on(monkeypatch):
    said = flavor({**ON, 'hw:mem_encryption_model': 'arm-cca'}), image()
    before = parse(*said)
    assert [p.code for p in validate(before)] == ['unknown-model']
    cca = replace(BUILTIN_MODELS[0], name='arm-cca', trait='CUSTOM_ARM_CCA')
    more = MappingProxyType({**registered_models(), 'arm-cca': cca})
    for module in (registry, parsing, contents, encryption):
        monkeypatch.setattr(module, 'registered_models', lambda: more)
    assert parse(*said).models == (cca,)
    assert not validate(parse(*said)).errors
    # Even the same request is validated anew.
    assert not validate(before).errors


def test_a_model_that_cannot_be_loaded_concerns_only_the_encrypted(
    monkeypatch,
):
    def fail():
        raise ModelError('broken')

    for module in (registry, parsing, contents, encryption):
        monkeypatch.setattr(module, 'registered_models', fail)
    plain = flavor({}, name='never')
    assert not validate(parse(plain, image())).errors
    with pytest.raises(ModelError):
        parse(flavor(name='never'), image())


@pytest.mark.parametrize(('one', 'two'), [({}, []), ('', None)])
def test_what_is_as_empty_is_told_apart(one, two):
    for said in (one, two):
        try:
            expected = whole(read_anew(flavor(), said))
        except SpecError:
            with pytest.raises(SpecError):
                parse(flavor(), said)
        else:
            assert whole(parse(flavor(), said)) == expected


def test_a_request_is_validated_for_what_is_asked():
    found = parse(flavor(), image({'hw_firmware_type': 'uefi'}))
    assert [p.code for p in validate(found)] == ['machine-type-unset']
    assert not validate(found, 'q35')
    assert [p.code for p in validate(found, 'pc')] == ['machine-type-not-q35']
    gpu = parse(flavor({**ON, 'pci_passthrough:alias': 'a'}), image())
    assert validate(gpu).errors
    assert not validate(gpu, as_warnings=['host-device']).errors


def test_requests_that_are_equal_have_fixes_of_their_own():
    """Whether others use a flavor is not compared, and is in the fix."""
    bare = image({})
    for public in (True, False):
        (problem, *_) = validate(parse(flavor(), {**bare, 'visibility': (
            'public' if public else 'private')}))  # fmt: skip
        assert problem.fix.public is public


def test_the_last_that_were_made_are_known():
    known = Known()
    for number in range(1000):
        assert known.get(number, lambda number=number: [number]) == [number]
    made = known.get(999, list)
    assert made == [999]
    assert known.get(1000 - MOST_KNOWN, list) == [1000 - MOST_KNOWN]
    assert known.get(999 - MOST_KNOWN, list) == []


def test_what_could_not_be_made_is_not_known():
    known = Known()
    with pytest.raises(ZeroDivisionError):
        known.get(1, lambda: 1 // 0)
    assert known.get(1, lambda: 2) == 2


def test_threads_are_answered_alike():
    said = [
        (nova_flavor(name=f'm{n % 3}', vcpus=n % 7), nova_image(name=f'{n}'))
        for n in range(60)
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: parse(*pair), said * 20))
    for pair, request in zip(said * 20, found, strict=True):
        assert request.flavor_name == pair[0]._obj_name
        assert request.image_name == pair[1]._obj_name
        assert request.resources.get('VCPU', 0) == pair[0]._obj_vcpus


@given(plausible_flavors(), plausible_images(), st.booleans())
def test_json_is_read_as_if_never_before(flavor, image, volume):
    expected = whole(read_anew(flavor, image, boot_from_volume=volume))
    for _ in range(2):
        found = parse(flavor, image, boot_from_volume=volume)
        assert whole(found) == expected
        anew = read_anew(flavor, image, boot_from_volume=volume)
        fresh = validation._validate(anew, None, ())
        assert validate(found) == fresh
        assert validate(found).models == fresh.models


@given(plausible_flavors(), plausible_images())
def test_what_is_not_looked_for_is_not_there(flavor, image):
    said = views(flavor, image, named=True)
    parts = frozenset(get_args(parsing._Part))
    with mock.patch.object(parsing, '_parts', return_value=parts):
        everything = combine(*said)
    assert whole(combine(*said)) == whole(everything)


@given(plausible_flavors(), plausible_images(), st.sampled_from(NAMES))
def test_objects_are_read_as_if_never_before(flavor, image, name):
    specs = flavor['extra_specs']
    properties = {
        key: value for key, value in image.items() if key.startswith('hw_')
    }
    said = nova_flavor(specs, name=name), nova_image(properties, name=name)
    assert whole(parse(*said)) == whole(read_anew(*said))
    anew = read_anew(*said, named=False)
    for _ in range(2):
        assert whole(unnamed(*said).request) == whole(anew)
        assert unnamed(*said) == validation._validate(anew, None, ())
