"""``openstack memory encryption`` on a real Placement.

Nova, Glance and Cinder are in memory. A shell of cliff stands for that of
``openstack``; tests/e2e/test_openstack.py runs that one.
"""

import logging
import shlex
import sys
import types

import pytest
from cliff.app import App
from cliff.commandmanager import CommandManager

from sev_scheduling.cli.options import clouds
from sev_scheduling.placement import (
    embedded_placement,
    load_cloud,
    read_cloud_file,
)
from tests.unit.cli.conftest import Ran
from tests.unit.cli.openstack_services import Connection, services


@pytest.fixture
def known():
    """Nova, Glance and Cinder, of an administrator."""
    with services() as running:
        yield running


@pytest.fixture
def placement(cloud):
    with embedded_placement() as adapter:
        load_cloud(adapter, read_cloud_file(cloud))
        yield adapter


class Shell(App):
    def configure_logging(self):
        logging.basicConfig(
            stream=sys.stderr, format='%(message)s', force=True
        )


@pytest.fixture
def openstack(known, placement, capsys, monkeypatch):
    """Run a command of ``openstack memory encryption``."""
    monkeypatch.setenv('COLUMNS', '100')
    handlers = logging.getLogger().handlers[:]

    def openstack(*args):
        shell = Shell(
            'openstack',
            '1',
            CommandManager('openstack.extension'),
            stdout=sys.stdout,
            stderr=sys.stderr,
            deferred_help=True,
        )
        shell.client_manager = types.SimpleNamespace(
            sdk_connection=Connection(known.connection(), placement)
        )
        try:
            status = shell.run(['memory', 'encryption', *map(str, args)])
        except SystemExit as ended:
            status = ended.code
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    yield openstack
    logging.getLogger().handlers[:] = handlers


def command(row):
    """Return the words of a fix that is a command."""
    return shlex.split(row['Fix'])


@pytest.fixture
def sev(known):
    known.flavor('m1.sev', hw__mem_encryption='true')
    known.image(
        'ubuntu', hw_firmware_type='uefi', hw_machine_type='q35',
        hw_disk_bus='virtio',
    )  # fmt: skip
    return '--flavor', 'm1.sev', '--image', 'ubuntu'


def test_flavor_and_image_are_found_by_name_and_by_id(openstack, known, sev):
    assert openstack('check', *sev).status == 0
    ids = known.flavors[0]['id'], known.images[0]['id']

    ran = openstack('check', '--flavor', ids[0], '--image', ids[1])

    assert (ran.status, ran.err) == (0, '')


def test_a_file_of_that_name_is_not_read(
    openstack, sev, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in sev:
        (tmp_path / name).write_text('no flavor')
    assert openstack('check', *sev).status == 0


def test_the_fix_names_the_volume_that_is_booted_from(openstack, known, sev):
    volume = known.volume('disk', hw_disk_bus='ide', image_name='ubuntu')

    ran = openstack(
        *('check', '--flavor', 'm1.sev', '--volume', 'disk'), '-f', 'json'
    )

    assert ran.status == 1
    commands = [command(row) for row in ran.json() if 'volume' in row['Fix']]
    assert {tuple(words[:3]) for words in commands} == {
        ('openstack', 'volume', 'set')
    }
    assert {words[-1] for words in commands} == {volume['name']}


@pytest.mark.parametrize(
    'name', ['--help', '$(id)', '<script>', "it's", '\u05d0\u05d1']
)
def test_a_hostile_name_is_quoted_in_the_command_that_names_it(
    openstack, known, sev, name
):
    known.image(name, hw_disk_bus='ide')
    ran = openstack(
        *('check', '--flavor', 'm1.sev', f'--image={name}'), '-f', 'json'
    )

    assert ran.status == 1
    for row in ran.json():
        if row['Where'].startswith('image') and row['Fix'].startswith('open'):
            assert command(row)[-1] == name


@pytest.mark.parametrize('name', ['two\nlines', '\u202eevil', ' a '])
def test_a_name_that_no_command_carries_gives_way_to_the_id(
    openstack, known, sev, name
):
    image = known.image(name, hw_disk_bus='ide')
    ran = openstack(
        *('check', '--flavor', 'm1.sev', f'--image={name}'), '-f', 'json'
    )

    assert {
        command(row)[-1]
        for row in ran.json()
        if row['Fix'].startswith('openstack image')
    } == {image['id']}


def test_every_host_says_what_it_thinks_of_a_request(openstack, sev):
    ran = openstack('explain', *sev, '-f', 'json')

    assert ran.status == 0
    assert {row['Host'] for row in ran.json() if row['Fits']} == {
        'epyc-1',
        'epyc-2',
        'default',
    }


def test_capacity_and_hosts_are_those_of_the_cloud(openstack):
    capacity = openstack('capacity', 'list', '-f', 'json').json()
    hosts = openstack('host', 'list', '-f', 'json').json()
    shown = openstack('host', 'show', 'epyc-1', '-f', 'json').json()

    assert {row['Host'] for row in capacity} | {'plain'} == {
        row['Host'] for row in hosts
    }
    assert shown['Slots'] == {
        'amd-sev': {'total': 15, 'reserved': 1, 'used': 12, 'free': 2}
    }
    assert shown['Machine Type'] == {'x86_64': 'q35'}
    assert 'epyc-1' in openstack('host', 'show', shown['UUID']).out


def test_a_host_that_is_not_there_is_an_error(openstack):
    ran = openstack('host', 'show', 'nowhere')

    assert (ran.status, ran.out) == (2, '')
    assert "'nowhere'" in ran.err


@pytest.fixture
def aggregates(known, placement):
    """One aggregate that is a zone, with epyc-1; another with epyc-2."""
    uuids = {}
    for number, (name, host, zone) in enumerate(
        [('fast', 'epyc-1', 'rome'), ('old', 'epyc-2', None)], 1
    ):
        uuid = f'{number:08}-0000-4000-8000-000000000000'
        (found,) = placement.get(f'/resource_providers?name={host}').json()[
            'resource_providers'
        ]
        answer = placement.put(
            f'/resource_providers/{found["uuid"]}/aggregates',
            json={
                'aggregates': [uuid],
                'resource_provider_generation': found['generation'],
            },
            headers={'OpenStack-API-Version': 'placement 1.36'},
        )
        assert answer.ok
        metadata = {'availability_zone': zone} if zone else {}
        known.aggregates.append(
            {'id': number, 'uuid': uuid, 'name': name, 'metadata': metadata}
        )
        uuids[name] = uuid
    return uuids


@pytest.mark.parametrize(
    ('options', 'hosts'),
    [
        (['--aggregate', 'fast'], {'epyc-1'}),
        (['--aggregate', '2'], {'epyc-2'}),
        (['--aggregate', '00000002-0000-4000-8000-000000000000'], {'epyc-2'}),
        (['--aggregate', 'fast', '--aggregate', 'old'], set()),
        (['--forbidden-aggregate', 'fast'],
         {'epyc-2', 'default', 'full', 'genoa'}),
        (['--availability-zone', 'rome'], {'epyc-1'}),
        (['--availability-zone', 'nova'],
         {'epyc-2', 'default', 'full', 'genoa'}),
        (['--host', 'full'], {'full'}),
    ],
)  # fmt: skip
@pytest.mark.usefixtures('aggregates')
def test_aggregates_and_zones_have_names(openstack, options, hosts):
    ran = openstack('capacity', 'list', '-f', 'json', *options)

    assert {row['Host'] for row in ran.json()} == hosts


@pytest.mark.parametrize(
    ('options', 'hosts'),
    [
        (['--aggregate', 'fast'], {'epyc-1'}),
        (['--aggregate', 'fast,2'], {'epyc-1', 'epyc-2'}),
        (['--aggregate', 'fast,00000002-0000-4000-8000-000000000000'],
         {'epyc-1', 'epyc-2'}),
        (['--forbidden-aggregate', 'fast'],
         {'epyc-2', 'default', 'full', 'genoa'}),
        (['--availability-zone', 'rome'], {'epyc-1'}),
        (['--availability-zone', 'nova'],
         {'epyc-2', 'default', 'full', 'genoa'}),
    ],
)  # fmt: skip
@pytest.mark.usefixtures('aggregates')
def test_they_have_names_in_our_own_shell_too(
    run, known, placement, monkeypatch, options, hosts
):
    connection = Connection(known.connection(), placement)
    monkeypatch.setattr(clouds, 'connect', lambda _: connection)

    ran = run('capacity', '-f', 'json', *options)

    assert {row['Host'] for row in ran.json()} == hosts
    ran = run('capacity', '--aggregate', 'fast,nothing')
    assert (ran.status, ran.out) == (2, '')
    assert "'nothing'" in ran.err


@pytest.mark.parametrize(
    'options', [['--aggregate', 'x'], ['--availability-zone', 'x']]
)
@pytest.mark.usefixtures('aggregates')
def test_what_no_aggregate_is_called_is_an_error(openstack, options):
    ran = openstack('capacity', 'list', *options)

    assert (ran.status, ran.out) == (2, '')
    assert "'x'" in ran.err
    assert ran.err.count('\n') == 1


def test_a_tenant_is_told_what_nova_does_not_show(openstack, known):
    known.denied = 'os-aggregates'
    ran = openstack('capacity', 'list', '--aggregate', 'x')

    assert (ran.status, ran.out) == (2, '')
    assert 'list the aggregates' in ran.err


def test_an_unknown_name_is_reported_in_one_line(openstack, sev):
    ran = openstack('check', '--flavor', 'm2.sev')

    assert (ran.status, ran.out) == (2, '')
    assert "'m2.sev'" in ran.err
    assert ran.err.count('\n') == 1


@pytest.mark.parametrize(
    'command',
    ['check', 'explain', 'capacity list', 'host list', 'host show'],
)
def test_no_command_has_the_options_of_openstack_itself(openstack, command):
    ran = openstack(*command.split(), '--help')

    assert ran.status == 0
    for option in ('--os-cloud', '--placement-url', '--cloud FILE', '--state'):
        assert option not in ran.out


IDE = {'hw_firmware_type': 'uefi', 'hw_disk_bus': 'ide'}


@pytest.fixture
def server(known, sev):
    """Create a server of m1.sev and ubuntu, which is not placed."""

    def server(name='guest', **facts):
        flavor, image = known.flavors[0], known.images[0]
        copy = {k: v for k, v in flavor.items() if k not in ('id', 'name')}
        copied = {k: v for k, v in image.items() if k.startswith('hw_')}
        return known.server(
            name,
            **{
                'status': 'ERROR',
                'flavor': {**copy, 'original_name': flavor['name']},
                'image': {'id': image['id'], 'properties': copied},
                'fault': {'message': 'No valid host was found.'},
                **facts,
            },
        )

    return server


@pytest.mark.parametrize('by', ['name', 'id'])
def test_a_server_that_asks_for_what_no_host_has(openstack, known, server, by):
    known.images[0] |= IDE
    made = server()

    ran = openstack('explain', '--server', made[by], '-f', 'json')
    assert ran.status == 1
    (row,) = ran.json()
    assert (row['Code'], row['Matter']) == ('disk-bus-unsupported', 'request')
    assert command(row)[-1] == 'ubuntu'
    text = openstack('explain', '--server', made[by])
    assert 'No valid host was found.' in text.out


def test_a_server_whose_image_was_put_right_since(openstack, known, server):
    known.images[0] |= IDE
    server()
    known.images[0]['hw_disk_bus'] = 'virtio'

    ran = openstack('explain', '--server', 'guest', '-f', 'json')

    assert ran.status == 0
    assert {row['Host'] for row in ran.json() if row['Fits']} == {
        *('epyc-1', 'epyc-2', 'default'),
    }


def test_a_server_that_is_placed_keeps_its_problem(openstack, known, server):
    known.images[0] |= IDE
    server(hostId='abc', status='ACTIVE', fault=None)
    known.images[0]['hw_disk_bus'] = 'virtio'

    ran = openstack('explain', '--server', 'guest', '-f', 'json')
    assert (ran.status, len(ran.json())) == (1, 1)


@pytest.mark.parametrize(
    ('host', 'code', 'matter'),
    [
        ('full', 'no-free-slot', 'moment'),
        ('genoa', 'no-pool', 'hosts'),
        ('epyc-1', None, None),
    ],
)
def test_the_hosts_say_what_it_is_a_matter_of(
    openstack, server, host, code, matter
):
    server()
    ran = openstack(
        *('explain', '--server', 'guest', '--host', host), '-f', 'json'
    )

    (row,) = ran.json()
    assert (row['Code'], row['Matter']) == (code, matter)
    assert ran.status == (code is not None)


def test_a_failed_action_is_told_where_there_is_no_fault(
    openstack, known, server
):
    made = server(fault=None, status='SHELVED_OFFLOADED')
    known.actions[made['id']] = [
        {'action': 'unshelve', 'message': 'Error', 'start_time': '2026-02'},
        {'action': 'create', 'message': None, 'start_time': '2026-01'},
    ]
    text = openstack('explain', '--server', 'guest').out
    assert 'unshelve' in text
    known.actions[made['id']].reverse()
    assert openstack('explain', '--server', 'guest').out == text
    known.actions[made['id']][0] |= {'start_time': '2026-03'}
    assert 'unshelve' not in openstack('explain', '--server', 'guest').out
    known.denied = 'os-instance-actions'
    assert openstack('explain', '--server', 'guest').status == 0


def test_a_server_that_boots_from_a_volume(openstack, known, server):
    disk = known.volume('disk', **IDE)
    server(image='', volumes_attached=[{'id': disk['id']}])

    ran = openstack('explain', '--server', 'guest', '-f', 'json')
    assert ran.status == 1
    assert command(ran.json()[0])[:3] == ['openstack', 'volume', 'set']


@pytest.mark.parametrize('without', ['cinder', 'volume', 'bootable'])
def test_of_a_volume_that_is_not_shown_the_image_is_asked_for(
    openstack, known, server, without
):
    disk = known.volume('disk', **IDE)
    server(image='', volumes_attached=[{'id': disk['id']}])
    if without == 'cinder':
        del known.catalog['block-storage']
    elif without == 'volume':
        known.volumes.clear()
    else:
        disk['bootable'] = 'false'

    ran = openstack('explain', '--server', 'guest')
    assert (ran.status, ran.out) == (2, '')
    assert '--image' in ran.err
    ran = openstack('explain', '--server', 'guest', '--image', 'ubuntu')
    assert ran.status == 0


@pytest.mark.parametrize('gone', ['flavors', 'images', 'extra_specs'])
def test_the_copies_are_enough(openstack, known, server, gone):
    server()
    if gone == 'extra_specs':
        known.denied = 'flavors'
    else:
        getattr(known, gone).clear()

    assert openstack('explain', '--server', 'guest').status == 0


def test_a_flavor_that_nobody_knows_is_asked_for(openstack, server):
    server(flavor={})

    ran = openstack('explain', '--server', 'guest')
    assert (ran.status, ran.out) == (2, '')
    assert '--flavor' in ran.err


def test_a_tenant_is_told_of_the_request_and_that_hosts_are_not_shown(
    openstack, known, placement, server, monkeypatch
):
    server()
    monkeypatch.setattr(
        placement, 'request', _denying(placement.request), raising=False
    )

    for question in (['--server', 'guest'], ['--flavor', 'm1.sev']):
        image = [] if '--server' in question else ['--image', 'ubuntu']
        ran = openstack('explain', *question, *image)
        assert ran.status == 2
        assert 'm1.sev asks' in ran.out
        assert ran.err.count('403') == 1
        ran = openstack('explain', *question, *image, '-f', 'json')
        assert (ran.status, ran.json()) == (2, [])


def _denying(request):
    def denying(*args, **kwargs):
        answer = request(*args, **kwargs)
        answer.status_code = 403
        return answer

    return denying


def test_a_request_or_a_server_has_to_be_given(openstack):
    ran = openstack('explain')

    assert (ran.status, ran.out) == (2, '')
    assert '--server' in ran.err


def test_a_server_may_be_a_file(run, write, cloud, image, server):
    made = server()
    (tmp := write(made, 'server.json'))

    ran = run('explain', '--server', tmp, '--cloud', cloud, '-f', 'json')
    assert ran.status == 0
    del made['image']['properties']
    write(made, 'server.json')
    ran = run('explain', '--server', tmp, '--cloud', cloud)
    assert (ran.status, ran.out) == (2, '')
    ran = run(
        *('explain', '--server', tmp, '--cloud', cloud, '--image'),
        image('debian-13-uefi'),
    )
    assert ran.status == 0


APPLY = 'audit', '--apply', '--yes'


def test_audit_applies_fixes_to_the_cloud_that_is_signed_in_to(
    openstack, known, sev
):
    image = known.image('old', hw_disk_bus='ide')

    ran = openstack(*APPLY, '--accept', 'old', '-f', 'json')

    assert (ran.status, ran.json()[0]['Outcome']) == (0, 'done')
    assert image['hw_firmware_type'] == 'uefi'
    assert openstack(*APPLY, '--accept', 'old', '-f', 'json').json() == []
    checked = 'check', '--flavor', 'm1.sev', '--image', 'old', '--apply'
    assert openstack(*checked, '--yes').status == 0


def test_what_is_refused_is_no_finding_of_the_audit(openstack, known, sev):
    known.image('old', hw_disk_bus='ide')
    assert openstack('audit', '--yes').status == 255
    known.denied = 'PATCH'

    ran = openstack(*APPLY, '--accept', 'old', '-f', 'json')

    assert (ran.status, ran.json()[0]['Outcome']) == (255, 'refused')
