"""RequestSpecs read: who asks for encryption, and validations cached."""

from __future__ import annotations

import pytest
from nova import objects
from nova.scheduler import utils

from sev_scheduling.nova import request_spec
from sev_scheduling.nova.lookups import StoredServer
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.request_spec import (
    Operation,
    SpecReading,
    operation,
    value_of,
)
from tests.unit.nova.factories import (
    ON,
    ON_ES,
    Q35,
    SERVER,
    UEFI,
    flavor,
    image,
    move_spec,
    rebuild_spec,
    spec,
)


def read(request, raw=None, **options):
    """Return the validation of a RequestSpec."""
    return SpecReading.of(request).validation(request, Options(**options), raw)


def errors(request, raw=None, **options):
    return [p.code for p in read(request, raw, **options).errors]


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
    reading = SpecReading.of(request)
    assert reading.asks_for_encryption is asks
    assert reading.mentions_encryption is mentions
    # As nova sees it: encryption by the API's own check.
    if 'maybe' not in str(extra_specs):
        assert read(request).request.encrypted is asks


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
    reading = SpecReading.of(request)
    assert reading.image_encryption is None
    assert not reading.asks_for_encryption
    assert not reading.mentions_encryption
    assert errors(spec(ON, image=image_)) == ['firmware-not-uefi']


def test_a_spec_that_never_had_an_image():
    request = objects.RequestSpec(flavor=flavor())
    assert SpecReading.of(request).asks_for_encryption
    assert read(request).request.encrypted


def test_a_flavor_without_extra_specs_asks_for_nothing():
    """Nova cannot load them either, and asks for nothing."""
    reading = SpecReading.of(spec(flavor=objects.Flavor(name='m1')))
    assert not reading.asks_for_encryption
    assert not reading.mentions_encryption


def test_a_field_that_nova_can_load_is_loaded():
    request = objects.RequestSpec(flavor=flavor())
    assert 'request_level_params' not in request
    assert value_of(request, 'request_level_params').root_required == set()


def test_objects_that_keep_their_fields_elsewhere(monkeypatch):
    monkeypatch.setattr(request_spec, 'fields_of', request_spec.ask_fields)
    plain, encrypted = spec({}), spec(ON)
    assert not SpecReading.of(plain).mentions_encryption
    assert SpecReading.of(encrypted).asks_for_encryption
    assert read(encrypted).request.model.name == 'amd-sev'
    assert read(spec(ON_ES)).request.model.name == 'amd-sev-es'
    assert read(spec(ON_ES, image=None)).request.image_name is None


def test_the_disk_of_a_volume_takes_no_local_space():
    local = read(spec()).request
    volume = read(spec(is_bfv=True)).request
    assert local.resources['DISK_GB'] == 20
    assert 'DISK_GB' not in volume.resources


def test_an_equal_request_is_validated_once():
    assert read(spec()) is read(spec())


def decide(request, raw=None):
    return SpecReading.of(request).decision(request, Options(), raw)


@pytest.mark.parametrize(
    'other',
    [
        pytest.param(lambda: spec(image=image(name='debian')), id='image'),
        pytest.param(
            lambda: spec(flavor=flavor(name='m2', flavorid='2', id=2)),
            id='flavor',
        ),
    ],
)
def test_a_decision_holds_whatever_flavor_and_image_are_called(other):
    assert decide(other()) is decide(spec())
    assert decide(spec()).request.image_name is None
    assert read(other()) is not read(spec())


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
            lambda: spec(image=image(disk_format='iso')), id='a disk format'
        ),
        pytest.param(
            lambda: spec(flavor=flavor(memory_mb=1)), id="the flavor's size"
        ),
        pytest.param(lambda: spec(is_bfv=True), id='boot from volume'),
        pytest.param(lambda: spec(image=None), id='no image'),
    ],
)
def test_a_decision_is_about_all_else(other):
    assert decide(other()) is not decide(spec())


@pytest.mark.parametrize(
    'properties',
    [
        pytest.param({}, id='a property is missing'),
        pytest.param({**Q35, 'trait:X': 'required'}, id='a trait is wrong'),
        pytest.param(Q35, id='nothing is wrong'),
    ],
)
def test_a_decision_finds_what_a_validation_does(properties):
    request = spec(ON, properties)
    assert [p.code for p in decide(request)] == [p.code for p in read(request)]
    assert decide(request).models == read(request).models


def test_a_decision_is_made_anew_where_its_objects_have_changed():
    request = spec()
    before = decide(request)
    request.flavor.extra_specs['hw:mem_encryption_model'] = 'amd-sev-es'
    # Another request, with objects that nova has cached.
    again = spec(flavor=request.flavor, image=request.image)
    models = [found.request.model.name for found in (before, decide(again))]
    assert models == ['amd-sev', 'amd-sev-es']


def test_a_text_of_the_owner_makes_a_decision_anew():
    request = spec({}, {'hw_mem_encryption': 'maybe'})
    assert not decide(request).errors
    assert decide(request, 'maybe').errors
    assert not decide(request).errors


def test_what_is_known_of_a_request_travels_with_it():
    request = spec()
    assert SpecReading.of(request) is SpecReading.of(request)
    # Not to the cells, nor into a copy.
    assert SpecReading.of(request.obj_clone()) is not SpecReading.of(request)
    assert 'sev_scheduling' not in str(request.obj_to_primitive())


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
def test_a_request_that_differs_in_anything_is_validated_anew(other):
    assert read(other()) is not read(spec())


def test_the_option_and_the_written_value_count_too():
    gpu = {**ON, 'pci_passthrough:alias': 'gpu:1'}
    assert errors(spec(gpu)) == ['host-device']
    assert errors(spec(gpu), allow_host_devices=True) == []
    # It hides no other error.
    assert errors(spec(gpu, {}), allow_host_devices=True) == [
        'firmware-not-uefi'
    ]

    plain = spec({}, {'hw_mem_encryption': 'maybe'})
    assert errors(plain) == []
    assert errors(plain, 'maybe') == ['invalid-boolean']


def test_a_spec_that_gets_another_flavor_is_read_anew():
    """As in a resize; nova changes no flavor of a spec in place."""
    request = spec()
    before = read(request)
    request.flavor = flavor(ON_ES)
    models = [v.request.model.name for v in (before, read(request))]
    assert models == ['amd-sev', 'amd-sev-es']


@pytest.mark.parametrize(
    ('request_', 'found'),
    [
        pytest.param(spec, Operation.BUILD, id='a new server'),
        pytest.param(
            lambda: spec(
                requested_destination=objects.Destination(
                    host='alpha', node=None
                )
            ),
            Operation.BUILD,
            id='a new server, on a host that is named',
        ),
        pytest.param(
            lambda: spec(requested_destination=objects.Destination()),
            Operation.BUILD,
            id="what nova's request filters add for a zone",
        ),
        pytest.param(
            lambda: spec(force_hosts=['alpha']),
            Operation.BUILD,
            id='a new server, forced onto a host',
        ),
        pytest.param(move_spec, Operation.MOVE, id='within its cell'),
        pytest.param(
            lambda: spec(
                requested_destination=objects.Destination(
                    host='alpha', cell=None, allow_cross_cell_move=True
                )
            ),
            Operation.MOVE,
            id='to a host that is named, in any cell',
        ),
        pytest.param(
            lambda: spec(
                requested_destination=objects.Destination(
                    cell=None, allow_cross_cell_move=False
                )
            ),
            Operation.BUILD,
            id='neither',
        ),
        pytest.param(rebuild_spec, Operation.REBUILD, id='a new image'),
        pytest.param(
            lambda: move_spec(
                scheduler_hints={'_nova_check_type': ['rebuild']}
            ),
            Operation.REBUILD,
            id='a new image; the conductor names the cell too',
        ),
    ],
)
def test_what_a_server_is_scheduled_for(request_, found):
    assert operation(request_()) is found


IDE = {**Q35, 'hw_disk_bus': 'ide'}
GPU = {**ON, 'pci_passthrough:alias': 'gpu:1'}
MAYBE = {'hw:mem_encryption': 'maybe'}


@pytest.mark.parametrize(
    ('had', 'wanted', 'properties', 'refused', 'tolerated'),
    [
        pytest.param(ON, ON, Q35, [], [], id='nothing is wrong'),
        pytest.param(
            ON, ON, IDE, [], ['disk-bus-unsupported'], id='the image'
        ),
        pytest.param(GPU, GPU, Q35, [], ['host-device'], id='the flavor'),
        pytest.param(
            MAYBE, MAYBE, Q35, [], ['invalid-boolean'], id='not encrypted'
        ),
        pytest.param(
            GPU,
            {**GPU, 'hw:mem_page_size': 'large'},
            IDE,
            [],
            ['disk-bus-unsupported', 'host-device'],
            id='a resize that changes neither',
        ),
        pytest.param(
            ON,
            GPU,
            IDE,
            ['host-device'],
            ['disk-bus-unsupported'],
            id='a resize that brings a problem',
        ),
        pytest.param(
            GPU,
            {**GPU, 'pci_passthrough:alias': 'gpu:2'},
            Q35,
            ['host-device'],
            [],
            id='a resize that changes it',
        ),
        pytest.param(ON, MAYBE, Q35, ['invalid-boolean'], [], id='maybe'),
        pytest.param(
            {}, ON, IDE, ['disk-bus-unsupported'], [], id='plain to encrypted'
        ),
        pytest.param(
            None, GPU, IDE, [],
            ['disk-bus-unsupported', 'host-device'], id='a server unread',
        ),
    ],
)  # fmt: skip
def test_a_move_is_refused_only_for_what_a_resize_brings(
    world, had, wanted, properties, refused, tolerated
):
    if had is not None:
        world.servers[SERVER] = StoredServer(flavor(had), None)
    request = move_spec(wanted, properties)
    found = read(request)
    assert [p.code for p in found.errors] == refused
    reading = SpecReading.of(request)
    assert [p.code for p in reading.tolerated] == tolerated
    assert world.servers_read == bool(refused or tolerated)
    if not refused and found.request.encrypted:
        assert found.models == found.request.models != ()
    # A new server is refused for all of it.
    assert sorted(errors(spec(wanted, properties))) == sorted(
        refused + tolerated
    )


def test_fixes_of_a_move_change_the_server(world):
    (problem,) = [p for p in read(move_spec(ON, IDE))]
    assert problem.fix.argv()[-1] == SERVER
    (problem,) = [p for p in read(spec(ON, IDE))]
    assert problem.fix.argv()[-1] == 'ubuntu'


@pytest.mark.parametrize(
    ('recorded', 'properties', 'found'),
    [
        pytest.param('pc-q35-8.2', UEFI, 'pc-q35-8.2', id='recorded'),
        pytest.param(None, UEFI, None, id='not recorded, or not gone by'),
        pytest.param('pc-q35-8.2', Q35, 'q35', id="the image's own"),
    ],
)
def test_the_machine_type_of_a_move(world, recorded, properties, found):
    world.servers[SERVER] = StoredServer(flavor(), recorded)
    assert read(move_spec(ON, properties)).request.machine_type == found
    # Read only where the image does not decide.
    assert world.servers_read == ('hw_machine_type' not in properties)


def test_a_move_costs_no_look_up_where_nothing_is_wrong(world):
    read(move_spec({}, {}))
    read(move_spec({'hw:mem_encryption': 'false'}, {}))
    request = move_spec(ON, IDE)
    for _ in range(3):
        read(request)
    assert world.servers_read == 1


def test_nova_that_knows_no_models_holds_slots_of_the_first(
    world, monkeypatch
):
    monkeypatch.setattr(request_spec, '_KNOWS_MODELS', False)
    assert read(move_spec(ON_ES)).request.model.name == 'amd-sev'
    assert read(spec(ON_ES)).request.model.name == 'amd-sev-es'


@pytest.mark.parametrize(
    'hints',
    [
        None,
        {},
        {'_nova_check_type': ['rebuild']},
        {'_nova_check_type': ['rebuild', 'other']},
        {'_nova_check_type': ['other']},
        {'group': ['a']},
    ],
)
def test_a_rebuild_is_what_nova_takes_for_one(hints):
    asked = objects.RequestSpec()
    if hints is not None:
        asked.scheduler_hints = hints

    assert request_spec.is_rebuild(asked) is utils.request_is_rebuild(asked)
