import pytest

from sev_scheduling.exceptions import SpecError
from sev_scheduling.request.server import Unknown, read_server, server_view
from tests.unit.factories import ON, READY, flavor, image

UUID = '4b4c0b3e-37e5-4a3c-8e8c-2f7a3b1c0d9e'

COPY = {'original_name': 'm1', 'vcpus': 4, 'ram': 8192, 'disk': 40,
        'ephemeral': 0, 'swap': 0, 'extra_specs': ON}  # fmt: skip

SERVER = {
    'id': 'cafe', 'name': 'guest', 'status': 'ACTIVE', 'flavor': COPY,
    'image': {'id': UUID, 'properties': READY, 'links': []},
}  # fmt: skip


@pytest.mark.parametrize(
    ('facts', 'expected'),
    [
        # Of each microversion of nova, and of the openstack command.
        ({}, ('m1', UUID, True, True)),
        ({'image': {'id': UUID, 'links': []}}, ('m1', UUID, True, False)),
        ({'image': ''}, ('m1', None, True, False)),
        ({'image': f'ubuntu (a) ({UUID})'}, ('m1', UUID, True, False)),
        ({'image': UUID}, ('m1', UUID, True, False)),
        ({'image': 'N/A (booted from volume)'}, ('m1', None, True, False)),
        ({'image': {}}, ('m1', None, True, False)),
        (
            {'flavor': {k: v for k, v in COPY.items() if k != 'extra_specs'}},
            ('m1', UUID, False, True),
        ),
        ({'flavor': {'id': '7', 'links': []}}, ('7', UUID, False, True)),
        ({'flavor': f'm1 ({UUID})'}, ('m1', UUID, False, True)),
        ({'flavor': UUID}, (UUID, UUID, False, True)),
        ({'flavor': {}}, (None, UUID, False, True)),
    ],
)
def test_a_server_is_read_in_every_shape(facts, expected):
    view = server_view({**SERVER, **facts})

    assert (
        view.flavor_name,
        view.image_id,
        view.flavor is not None,
        view.image is not None,
    ) == expected


def test_fault_machine_type_and_volumes_are_read():
    view = server_view(
        {
            **SERVER,
            'hostId': 'abc',
            'fault': {'message': 'No valid host', 'created': '2026'},
            'os-extended-volumes:volumes_attached': [{'id': 'v'}, {}, 'x'],
        }
    )

    assert view.machine_type == 'q35'
    assert (view.fault, view.fault_time) == ('No valid host', '2026')
    assert (view.volumes, view.placed) == (('v',), True)


@pytest.mark.parametrize(
    'facts',
    [
        {'fault': 'text'},
        {'fault': None},
        {'fault': {'message': ''}},
        {'volumes_attached': 'id=x'},
        {'hostId': ''},
        {'name': None},
    ],
)
def test_what_is_not_there_is_none(facts):
    view = server_view({**SERVER, 'image': '', **facts})

    assert view.machine_type is None
    assert view.fault is None
    assert (view.volumes, view.placed) == ((), False)


@pytest.mark.parametrize('document', [None, [], 'x', {}, {'id': 'cafe'}])
def test_what_is_no_server_is_refused(document):
    with pytest.raises(SpecError, match='openstack server show'):
        server_view(document)


def test_a_name_is_kept_as_it_is_and_stays_on_one_line_in_an_error():
    server = server_view({**SERVER, 'name': 'a\nb', 'flavor': {}})

    assert server.name == 'a\nb'
    with pytest.raises(SpecError, match=r' a\\nb '):
        read_server(server)


def test_the_copies_count_and_not_what_flavor_and_image_are_today():
    requests = read_server(
        server_view(SERVER), flavor(), image({'hw_disk_bus': 'ide'})
    )

    assert requests.copied.encrypted
    assert requests.copied.disk_bus is None
    assert (requests.copied.flavor_name, requests.copied.image_name) == (
        'm1',
        'ubuntu',
    )
    assert not requests.today.encrypted
    assert requests.today.disk_bus == 'ide'
    assert requests.unknown == ()


def test_the_copies_are_enough_where_flavor_and_image_are_gone():
    requests = read_server(server_view(SERVER))

    assert (requests.copied.image_name, requests.today) == (UUID, None)
    assert requests.copied.encrypted


TRAIT = {'trait:CUSTOM_A': 'required'}


@pytest.mark.parametrize(
    ('facts', 'known', 'unknown'),
    [
        ({'image': {'id': UUID}}, image(READY), Unknown.IMAGE_PROPERTIES),
        (
            {'image': ''},
            {'id': 'v', 'volume_image_metadata': READY},
            Unknown.VOLUME_PROPERTIES,
        ),
        ({}, image({**READY, **TRAIT}), Unknown.IMAGE_TRAITS),
        ({}, {'id': 'i', 'properties': TRAIT}, Unknown.IMAGE_TRAITS),
        (
            {'flavor': {'original_name': 'm1', 'vcpus': 1, 'ram': 2}},
            image(READY),
            Unknown.EXTRA_SPECS,
        ),
    ],
)
def test_what_nova_does_not_show_is_taken_as_it_is_today(
    facts, known, unknown
):
    requests = read_server(server_view({**SERVER, **facts}), flavor(ON), known)

    assert requests.unknown == (unknown,)
    assert requests.copied.encrypted
    assert requests.copied.machine_type == 'q35'
    traits = {entry.trait for entry in requests.copied.entries}
    assert traits == ({'CUSTOM_A'} if 'TRAITS' in unknown.name else set())


def test_a_server_that_boots_from_a_volume_has_no_local_root_disk():
    volume = {'id': 'v', 'name': 'v', 'volume_image_metadata': READY}
    requests = read_server(
        server_view({**SERVER, 'image': ''}), flavor(ON), volume
    )

    assert requests.copied.boot_from_volume
    assert 'DISK_GB' not in requests.copied.resources


@pytest.mark.parametrize(
    ('facts', 'noun'),
    [
        ({'flavor': 'm1 (x)'}, 'flavor'),
        ({'image': ''}, 'image'),
        ({'image': {'id': UUID}}, 'image'),
    ],
)
def test_what_is_known_from_nowhere_is_asked_for(facts, noun):
    with pytest.raises(SpecError, match=f'--{noun}'):
        read_server(server_view({**SERVER, **facts}))
