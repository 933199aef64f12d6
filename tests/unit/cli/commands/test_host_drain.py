"""``host drain plan``: what it reads, and how it answers."""

import contextlib
import json
import uuid

import pytest

from sev_scheduling.cli.commands import host_drain
from sev_scheduling.exceptions import CloudError
from sev_scheduling.placement.answers import Allocations
from sev_scheduling.testing import FakePlacement, add_host

SERVER = str(uuid.UUID(int=1))
IMAGE = str(uuid.UUID(int=2))
FLAVOR = {'vcpus': 1, 'ram': 64, 'disk': 1}
SPECS = {'hw:mem_encryption': 'true'}
PROPERTIES = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}


class Cloud:
    """Stands for the OpenStack cloud, as its reader shows it."""

    def __init__(self):
        self.asked = []
        self.of_server = {
            'id': SERVER,
            'name': 'web',
            'status': 'ACTIVE',
            'flavor': {**FLAVOR, 'original_name': 'm', 'extra_specs': SPECS},
            'image': {'id': IMAGE, 'properties': PROPERTIES},
            'OS-EXT-SRV-ATTR:host': 'old',
        }

    def servers(self):
        return [self.of_server]

    def flavor(self, name):
        self.asked.append(name)
        return {**FLAVOR, 'name': name, 'extra_specs': SPECS}

    def image(self, name):
        self.asked.append(name)
        raise CloudError('it is gone')

    def volume(self, name):
        self.asked.append(name)
        return {'id': name, 'volume_image_metadata': PROPERTIES}

    def hypervisors(self):
        return [
            {'hypervisor_hostname': name, 'service': {'host': host}}
            for name, host in (('old', 'o'), ('a', 'x'), ('b', 'gone'))
        ]

    def compute_services(self):
        return [
            {'host': h, 'zone': 'nova', 'state': 'up', 'status': 'enabled'}
            for h in ('o', 'x')
        ]

    def server_groups(self):
        return [{'id': 'g', 'policy': 'affinity', 'members': []}]

    def aggregates(self):
        return [{'id': 1, 'uuid': 'u', 'name': 'g', 'metadata': {}}]


@pytest.fixture
def placement():
    fake = FakePlacement()
    root = add_host(fake, 'old', pools={'amd-sev': 2})
    pool = next(p.uuid for p in fake.providers.values() if p.parent)
    held = {
        root: {'VCPU': 1, 'MEMORY_MB': 64},
        pool: {'MEM_ENCRYPTION_CONTEXT': 1},
    }
    fake.post_allocations({SERVER: Allocations(held, 'p', 'u')})
    add_host(fake, 'a', pools={'amd-sev': 1})
    add_host(fake, 'b', pools={'amd-sev': 9})
    return fake


@pytest.fixture
def cloud(monkeypatch, placement):
    found = Cloud()

    @contextlib.contextmanager
    def open_client(parsed_args):
        yield placement

    monkeypatch.setattr(host_drain, 'open_client', open_client)
    monkeypatch.setattr(host_drain, 'open_cloud', lambda _: found)
    return found


def rows(run, *arguments):
    done = run('host', 'drain', 'plan', '-f', 'json', *arguments)
    assert done.status in (0, 1), done.err
    return done.status, done.json()


def test_a_plan_is_rows_with_the_commands_to_type(run, cloud):
    status, found = rows(run, 'old')

    assert status == 0
    assert found == [
        {
            'Order': 1,
            'Server': SERVER,
            'Name': 'web',
            'From': 'old',
            # b has more slots, and no compute service.
            'To': 'x',
            'Code': 'move',
            'Short': [],
            'Unknown': [],
            'Commands': [
                'openstack --os-compute-api-version 2.56 server migrate '
                f'--wait --host x {SERVER}',
                f'openstack server migration confirm {SERVER}',
            ],
        }
    ]
    assert cloud.asked == [IMAGE]


def test_people_get_words(run, cloud):
    done = run('host', 'drain', 'plan', 'old')

    assert (done.status, done.err) == (0, '')
    assert 'server migrate --wait --host x' in done.out


def test_a_plan_in_which_not_all_move_is_status_1(run, cloud):
    cloud.of_server['status'] = 'ERROR'

    status, found = rows(run, 'old')

    assert status == 1
    assert [(r['Order'], r['Code'], r['To']) for r in found] == [
        (None, 'state', None)
    ]


def test_what_nova_does_not_show_is_asked_for_as_it_is_today(run, cloud):
    cloud.of_server |= {
        'flavor': {'original_name': 'm'},
        'image': '',
        'os-extended-volumes:volumes_attached': [{'id': 'v'}],
    }

    _, found = rows(run, 'old')

    assert sorted(cloud.asked) == ['m', 'v']
    assert found[0]['Unknown'] == ['flavor-copy', 'image-copy']


@pytest.fixture
def offline(write):
    files = {
        'cloud': {
            'hosts': [
                {
                    **{'name': n, 'vcpus': 8, 'memory_mb': 1024},
                    **{'disk_gb': 10, 'machine_types': {'x86_64': 'q35'}},
                    'pools': {'amd-sev': {'total': 2, 'used': used}},
                }
                for n, used in (('old', 1), ('a', 0))
            ]
        },
        'servers': [
            {
                **{'ID': SERVER, 'Name': 'web', 'Status': 'ACTIVE'},
                **{'Host': 'old', 'Flavor': 'm', 'Image ID': IMAGE},
            }
        ],
        'flavors': {'name': 'm', **FLAVOR, 'properties': SPECS},
        'images': {'id': IMAGE, 'name': 'u', 'properties': PROPERTIES},
    }
    return [
        part
        for name, document in files.items()
        for part in (f'--{name}', write(document, f'{name}.json'))
    ]


def test_a_cloud_file_and_files_of_servers_do_without_a_cloud(run, offline):
    pytest.importorskip('placement')

    status, found = rows(run, 'old', *offline)

    assert status == 0
    assert [(r['Server'], r['To'], r['Unknown']) for r in found] == [
        (SERVER, 'a', ['flavor-copy', 'image-copy'])
    ]


def test_a_cloud_file_alone_leaves_most_unknown(run, offline):
    pytest.importorskip('placement')

    status, found = rows(run, 'old', *offline[:2])

    # There is room, and what it needs is not known.
    assert status == 1
    assert [(r['To'], r['Unknown'], r['Commands']) for r in found] == [
        ('a', ['server', 'flavor', 'image'], [])
    ]


def test_files_beside_a_cloud_are_refused(run, cloud, offline):
    done = run('host', 'drain', 'plan', 'old', *offline[2:])

    assert done.status == 2
    assert '--servers' in done.err


def test_files_without_servers_are_refused(run, offline):
    pytest.importorskip('placement')
    done = run('host', 'drain', 'plan', 'old', *offline[:2], *offline[4:])

    assert (done.status, done.out, done.err.count('\n')) == (2, '', 1)
    assert '--servers' in done.err


@pytest.mark.parametrize('document', [[], 'text', [1], {'a': 1}, [{'a': 1}]])
def test_a_file_without_servers_is_refused(run, offline, write, document):
    pytest.importorskip('placement')
    path = write(document, 'other.json')

    done = run(
        *('host', 'drain', 'plan', 'old', *offline[:2], '--servers', path)
    )

    assert (done.status, done.err.count('\n')) == (2, 1)


@pytest.mark.parametrize(
    ('without', 'missing'),
    [
        ([], []),
        (['--flavors'], ['--flavors']),
        (['--images'], ['--images']),
        (['--flavors', '--images'], ['--flavors', '--images']),
    ],
)
@pytest.mark.parametrize('server', [SERVER, str(uuid.UUID(int=7))])
def test_a_server_whose_files_are_missing_is_named_with_them(
    run, offline, write, without, missing, server
):
    """Placement may know it by another uuid, and then it stands for none."""
    pytest.importorskip('placement')
    (row,) = json.loads((offline[3]).read_text())
    write([{**row, 'ID': server}], 'servers.json')
    pairs = zip(offline[::2], offline[1::2], strict=True)
    files = [word for pair in pairs if pair[0] not in without for word in pair]

    done = run('-q', 'host', 'drain', 'plan', 'old', '-f', 'json', *files)

    # What is not known is never taken for a yes.
    assert done.status == bool(missing)
    assert [o for o in ('--flavors', '--images') if o in done.err] == missing
    assert (server in done.err) is bool(missing)
    assert done.err.count('\n') == bool(missing)


def test_a_server_of_another_host_is_nobodys_concern(run, offline, write):
    pytest.importorskip('placement')
    (row,) = json.loads((offline[3]).read_text())
    write([{**row, 'ID': 'x', 'Host': 'a'}], 'servers.json')

    done = run('-q', 'host', 'drain', 'plan', 'old', *offline[:4])

    # The guest itself is of no server that is known.
    assert (done.status, done.err) == (1, '')
