"""A person's way through a real cloud, typed with the ``openstack`` command.

From a server that nova refuses or that ends in ERROR, over the fault and
``openstack memory encryption``, to the printed fix and a server that is
ACTIVE.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import shlex
import uuid
from collections.abc import Iterator
from subprocess import CompletedProcess
from typing import Any

import pytest

from sev_scheduling.audit import Change, Outcome, plan
from sev_scheduling.cli.openstack import OpenStackCloud, make_changes
from sev_scheduling.exceptions import CloudError, InputError
from tests.contract.test_docs_commands import commands, matches
from tests.servers.openstack import SmallCloud

_NAMES = itertools.count(1)

ROOT = pathlib.Path(__file__).parents[2]

SIZE = ('--ram', '64', '--vcpus', '1', '--disk', '1')
ON = 'hw:mem_encryption=true'


@pytest.fixture
def flavor(openstack: SmallCloud) -> Iterator[str]:
    name = f'm1.sev-{next(_NAMES)}'
    openstack.openstack('flavor', 'create', *SIZE, '--property', ON, name)
    yield name
    for server in openstack.rows('server', 'list'):
        openstack.openstack('server', 'delete', '--wait', server['ID'])


def image(openstack: SmallCloud, *properties: str) -> str:
    """Make an image with properties; return its name."""
    name = f'ubuntu-{next(_NAMES)}'
    make_image(openstack, name, *properties)
    return name


def make_image(openstack: SmallCloud, name: str, *properties: str) -> str:
    """Make an image; return its id."""
    file = openstack.directory / 'disk'
    file.write_bytes(bytes(1024))
    return openstack.openstack(
        *('image', 'create', '--file', str(file), '--disk-format', 'raw'),
        *(word for p in properties for word in ('--property', p)),
        *('-f', 'value', '-c', 'id', '--', name),
    ).strip()


def boot(openstack: SmallCloud, flavor: str, image: str) -> tuple[str, str]:
    """Create a server; return its status and its fault, or nova's refusal."""
    name = f'guest-{next(_NAMES)}'
    made = openstack.run(
        *('openstack', 'server', 'create', '--nic', 'none', '--wait'),
        *('--flavor', flavor, '--image', image, name),
    )
    if 'BadRequest' in made.stderr:
        return 'refused', made.stderr
    shown = openstack.shown('server', 'show', name)
    return shown['status'], (shown.get('fault') or {}).get('message', '')


def ask(
    openstack: SmallCloud, *arguments: str, **env: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run ``openstack memory encryption …``; return status and rows."""
    done = memory_encryption(openstack, *arguments, '-f', 'json', **env)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def memory_encryption(
    openstack: SmallCloud, *arguments: str, **env: str
) -> CompletedProcess[str]:
    return openstack.run(
        'openstack', 'memory', 'encryption', *arguments, **env
    )


def type_in(openstack: SmallCloud, command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == 'openstack', command
    openstack.openstack(*arguments)


def test_the_printed_fixes_lead_from_a_refusal_to_a_running_server(
    openstack: SmallCloud, flavor: str
) -> None:
    disk = image(openstack, 'hw_disk_bus=ide')
    assert boot(openstack, flavor, disk)[0] == 'refused'

    status, problems = ask(
        openstack, 'check', '--flavor', flavor, '--image', disk
    )
    assert status == 1
    assert {row['Code'] for row in problems} >= {
        'firmware-not-uefi',
        'disk-bus-unsupported',
    }
    for row in problems:
        if row['Severity'] == 'error':
            type_in(openstack, row['Fix'])

    assert ask(openstack, 'check', '--flavor', flavor, '--image', disk)[0] == 0
    assert boot(openstack, flavor, disk) == ('ACTIVE', '')


def test_what_nova_accepts_and_the_filter_refuses_says_why_in_the_fault(
    openstack: SmallCloud, flavor: str
) -> None:
    disk = image(openstack, 'hw_firmware_type=uefi', 'hw_disk_bus=ide')

    status, fault = boot(openstack, flavor, disk)

    assert status == 'ERROR'
    assert 'hw_disk_bus' in fault
    command = fault[fault.index('openstack image set') :]
    type_in(openstack, command)
    assert boot(openstack, flavor, disk) == ('ACTIVE', '')


def test_a_machine_type_and_then_a_free_slot_is_what_the_fault_asks_for(
    openstack: SmallCloud, flavor: str
) -> None:
    disk = image(openstack, 'hw_firmware_type=uefi')
    assert [boot(openstack, flavor, disk) for _ in openstack.hosts[:2]] == [
        ('ACTIVE', '')
    ] * 2
    # The third host has a slot, and a default that will not do.
    answer, rows = ask(
        openstack, 'explain', '--flavor', flavor, '--image', disk
    )
    assert answer == 1
    assert sorted(str(row['Code']) for row in rows if row['Host']) == [
        'machine-type-not-q35',
        'no-free-slot',
        'no-free-slot',
    ]

    status, fault = boot(openstack, flavor, disk)
    assert status == 'ERROR'
    type_in(openstack, fault[fault.index('openstack image set') :])
    assert boot(openstack, flavor, disk) == ('ACTIVE', '')

    status, fault = boot(openstack, flavor, disk)
    assert status == 'ERROR'
    assert 'slots are taken' in fault


def test_the_capacity_of_the_cloud_is_what_its_hosts_publish(
    openstack: SmallCloud, flavor: str
) -> None:
    _, rows = ask(openstack, 'capacity', 'list')

    assert [(row['Host'], row['Model'], row['Total']) for row in rows] == [
        (host, 'amd-sev', 1) for host in openstack.hosts
    ]


WALK = ROOT / 'doc/source/user/openstack.rst'


@pytest.fixture
def walkers(openstack: SmallCloud) -> Iterator[None]:
    """What the walk begins with: flavor, image, and a server in ERROR."""
    make = openstack.openstack
    make('flavor', 'create', *SIZE, '--property', ON, 'm1.sev')
    make_image(
        openstack, 'ubuntu-24.04', 'hw_firmware_type=uefi', 'hw_disk_bus=ide'
    )
    make('image', 'set', '--private', 'ubuntu-24.04')
    openstack.run(
        *('openstack', 'server', 'create', '--nic', 'none', '--wait'),
        *('--flavor', 'm1.sev', '--image', 'ubuntu-24.04', 'guest-1'),
    )
    yield
    make('server', 'delete', '--wait', 'guest-1')
    make('image', 'delete', 'ubuntu-24.04')
    make('flavor', 'delete', 'm1.sev')


@pytest.mark.usefixtures('walkers')
def test_the_walk_of_the_documentation_leads_to_a_running_server(
    openstack: SmallCloud,
) -> None:
    walk = commands(WALK)
    assert len(walk) == 4
    assert walk[-1].shown == 'ACTIVE'

    for step in walk:
        program, *arguments = shlex.split(step.line)
        done = openstack.run(program, *arguments)
        assert matches(step.shown, done.stdout), (step, done)


def test_a_server_is_explained_as_matters_stand(
    openstack: SmallCloud, flavor: str
) -> None:
    disk = image(
        openstack,
        *('hw_firmware_type=uefi', 'hw_machine_type=q35', 'hw_disk_bus=ide'),
    )
    boot(openstack, flavor, disk)
    (server,) = openstack.rows('server', 'list')
    # By its copies, it is the request.
    status, rows = ask(openstack, 'explain', '--server', server['ID'])
    assert (status, {row['Matter'] for row in rows}) == (1, {'request'})
    for row in rows:
        type_in(openstack, row['Fix'])

    # The one that is created in its place has room, until others have it.
    name = server['Name']
    assert ask(openstack, 'explain', '--server', name)[0] == 0
    for _ in openstack.hosts:
        assert boot(openstack, flavor, disk) == ('ACTIVE', '')
    status, rows = ask(openstack, 'explain', '--server', name)
    assert (status, {row['Matter'] for row in rows}) == (1, {'moment'})

    running = openstack.rows('server', 'list', '--status', 'ACTIVE')[0]
    done = memory_encryption(openstack, 'explain', '--server', running['ID'])
    assert 'q35' in done.stdout
    assert running['Name'] in done.stdout


@pytest.fixture
def tenant(openstack: SmallCloud) -> Iterator[dict[str, str]]:
    """The ``OS_`` variables of a user who is no administrator."""
    make = openstack.openstack
    make('project', 'create', 'tenants')
    make(
        *('user', 'create', '--project', 'tenants', '--password', 's', 'tina')
    )
    make('role', 'add', '--user', 'tina', '--project', 'tenants', 'member')
    yield {
        'OS_USERNAME': 'tina',
        'OS_PASSWORD': 's',
        'OS_PROJECT_NAME': 'tenants',
    }
    make('user', 'delete', 'tina')
    make('project', 'delete', 'tenants')


def test_a_tenant_gets_what_is_theirs_and_a_line_about_what_is_not(
    openstack: SmallCloud, flavor: str, tenant: dict[str, str]
) -> None:
    disk = image(openstack, 'hw_firmware_type=uefi', 'hw_disk_bus=ide')
    openstack.openstack('image', 'set', '--public', disk)
    asked = '--flavor', flavor, '--image', disk
    assert ask(openstack, 'check', *asked, **tenant)[0] == 1
    openstack.run(
        *('openstack', 'server', 'create', '--nic', 'none', '--wait'),
        *(*asked, 'theirs'),
        **tenant,
    )
    status, rows = ask(openstack, 'explain', '--server', 'theirs', **tenant)
    assert (status, rows[0]['Code']) == (1, 'disk-bus-unsupported')

    openstack.openstack('image', 'set', '--property', 'hw_disk_bus=sata', disk)
    for question in (
        ('explain', '--server', 'theirs'),
        ('explain', *asked),
        ('capacity', 'list'),
        ('capacity', 'list', '--aggregate', 'x'),
        ('host', 'show', openstack.hosts[0]),
    ):
        done = memory_encryption(openstack, *question, **tenant)
        assert done.returncode == 2, question
        assert done.stderr.count('\n') == 1, done.stderr
        assert '403' in done.stderr
        assert (flavor in done.stdout) is (question[0] == 'explain')
        assert not [h for h in openstack.hosts if h in done.stdout]
    openstack.openstack('server', 'delete', '--wait', 'theirs', **tenant)


HOSTILE = ['--help', 'two\nlines', "$(id) it's <script> \u05d0"]


@pytest.mark.parametrize('name', HOSTILE)
def test_the_fix_of_a_hostile_name_is_typed_as_it_is_printed(
    openstack: SmallCloud, flavor: str, name: str
) -> None:
    made = make_image(
        openstack, name, 'hw_firmware_type=uefi', 'hw_disk_bus=ide'
    )
    asked = '--flavor', flavor, f'--image={name}'
    status, rows = ask(openstack, 'check', *asked)
    assert status == 1
    (row,) = [row for row in rows if row['Severity'] == 'error']

    type_in(openstack, row['Fix'])

    assert ask(openstack, 'check', *asked)[0] == 0
    openstack.openstack('image', 'delete', made)


def test_aggregates_and_zones_have_names(openstack: SmallCloud) -> None:
    first, *others = openstack.hosts
    make = openstack.openstack
    make('aggregate', 'create', '--zone', 'rome', 'fast')
    make('aggregate', 'add', 'host', 'fast', first)
    found = {}
    for option, name in (
        ('--aggregate', 'fast'),
        ('--forbidden-aggregate', 'fast'),
        ('--availability-zone', 'rome'),
        ('--availability-zone', 'nova'),
        ('--host', first),
    ):
        _, rows = ask(openstack, 'capacity', 'list', option, name)
        found[option, name] = [row['Host'] for row in rows]
    make('aggregate', 'remove', 'host', 'fast', first)
    make('aggregate', 'delete', 'fast')

    assert [*found.values()] == [[first], others, [first], others, [first]]


def test_the_cloud_is_what_the_unit_tests_take_it_for(
    openstack: SmallCloud, flavor: str
) -> None:
    """Hold tests/unit/cli/openstack_services.py to the real services."""
    disk = image(openstack, 'hw_firmware_type=uefi', 'hw_disk_bus=ide')
    assert boot(openstack, flavor, disk)[0] == 'ERROR'
    (listed,) = openstack.rows('server', 'list')
    sdk = pytest.importorskip('openstack')
    connection = sdk.connection.Connection(session=openstack.session)
    cloud = OpenStackCloud(connection)

    assert cloud.flavor(flavor) == cloud.flavor(cloud.flavor(flavor)['id'])
    assert cloud.flavor(flavor)['extra_specs'] == {'hw:mem_encryption': 'true'}
    assert [one for one in cloud.flavors() if one['name'] == flavor]
    assert cloud.image(disk) == cloud.image(cloud.image(disk)['id'])
    assert cloud.image(disk) in cloud.images()
    server = cloud.server(listed['Name'])
    assert server['id'] == cloud.server(listed['ID'])['id'] == listed['ID']
    assert server['image']['properties']['hw_disk_bus'] == 'ide'
    assert cloud.server_actions(server['id'])[0]['message'] == 'Error'
    assert [one['id'] for one in cloud.servers()] == [listed['ID']]
    assert cloud.servers(host=openstack.hosts[0]) == []
    for missing in ('nothing', str(uuid.uuid4())):
        for noun in ('flavor', 'image', 'server'):
            with pytest.raises(InputError):
                getattr(cloud, noun)(missing)
    with pytest.raises(CloudError, match='no Cinder'):
        cloud.volume('disk')

    # Of the image, and of a flavor that is to change first.
    openstack.openstack(
        *('flavor', 'set', '--property', 'hw:mem_encryption_model=sev-es'),
        flavor,
    )
    planned = plan(
        [cloud.flavor(flavor)], [cloud.image(disk)], accept=lambda _: ['']
    )
    assert len(planned.fixes) == 2
    for outcome in (Outcome.DONE, Outcome.NOT_NEEDED):
        changes = [Change(fix) for fix in planned.fixes]
        make_changes(cloud, changes)
        assert [change.outcome for change in changes] == [outcome] * 2
    openstack.openstack('image', 'delete', disk)
    changes = [Change(fix) for fix in planned.fixes]
    make_changes(cloud, changes)
    assert changes[0].outcome is Outcome.REFUSED


def fixes(
    openstack: SmallCloud, *arguments: str, **env: str
) -> list[dict[str, Any]]:
    """Return the rows of ``audit``, which exits as nova-status does."""
    done = memory_encryption(
        openstack, 'audit', *arguments, '-f', 'json', **env
    )
    assert done.returncode in (0, 1, 2, 255), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_all_fixes_are_made_and_a_second_run_finds_none(
    openstack: SmallCloud, flavor: str
) -> None:
    disk = image(openstack, 'hw_disk_bus=ide', 'hw_cdrom_bus=ide')
    hostile = make_image(openstack, '--help', 'hw_firmware_type=bios')
    accepted = [
        f'--accept={ident}'
        for ident in {row['ID'] for row in fixes(openstack, '--fix')}
    ]
    assert len(accepted) >= 2

    rows = fixes(openstack, '--fix', '--apply', '--yes', *accepted)

    assert {row['Outcome'] for row in rows} == {'done'}
    assert {disk, '--help'} <= {row['Name'] for row in rows}
    assert fixes(openstack, '--fix', '--apply', '--yes', *accepted) == []
    found = fixes(openstack)
    assert not [row for row in found if row['Severity'] == 'error']
    assert boot(openstack, flavor, disk) == ('ACTIVE', '')
    openstack.openstack('image', 'delete', hostile)


@pytest.fixture
def misspelt(openstack: SmallCloud) -> Iterator[str]:
    """A public flavor that can be fixed, by administrators."""
    name = f'm1.misspelt-{next(_NAMES)}'
    model = 'hw:mem_encryption_model=sev-es'
    openstack.openstack(
        *('flavor', 'create', *SIZE, '--property', ON),
        *('--property', model, name),
    )
    yield name
    openstack.openstack('flavor', 'delete', name)


def test_a_tenant_s_fixes_stop_at_what_is_everybody_s(
    openstack: SmallCloud, misspelt: str, tenant: dict[str, str]
) -> None:
    file = openstack.directory / 'disk'
    file.write_bytes(bytes(1024))
    mine = f'mine-{next(_NAMES)}'
    openstack.openstack(
        *('image', 'create', '--file', str(file), '--disk-format', 'raw'),
        *('--private', '--property', 'hw_disk_bus=ide', mine),
        **tenant,
    )

    done = memory_encryption(
        *(openstack, 'audit', '--apply', '--yes', '-f', 'json'),
        *(f'--accept={mine}', f'--accept={misspelt}'),
        **tenant,
    )

    assert done.returncode == 255, done.stderr
    rows = {row['Name']: row for row in json.loads(done.stdout)}
    assert rows[mine]['Outcome'] == 'done'
    assert rows[misspelt]['Outcome'] == 'refused'
    assert '403' in rows[misspelt]['Error']
    assert rows[misspelt]['Error'] in done.stderr
    again = fixes(openstack, '--fix', **tenant)
    assert mine not in {row['Name'] for row in again}
    openstack.openstack('image', 'delete', mine, **tenant)
