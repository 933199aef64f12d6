"""A person's way through a real cloud, typed with the ``openstack`` command.

From a server that nova refuses or that ends in ERROR, over the fault and
``sev-scheduling``, to the printed fix and a server that is ACTIVE.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator

import pytest

from tests.servers.openstack import SmallCloud

_NAMES = itertools.count(1)


@pytest.fixture
def flavor(openstack: SmallCloud) -> Iterator[str]:
    name = f'm1.sev-{next(_NAMES)}'
    size = ('--ram', '64', '--vcpus', '1', '--disk', '1')
    openstack.openstack('flavor', 'create', *size, name)
    openstack.openstack(
        *('flavor', 'set', '--property', 'hw:mem_encryption=true', name)
    )
    yield name
    for server in openstack.rows('server', 'list'):
        openstack.openstack('server', 'delete', '--wait', server['ID'])


def image(openstack: SmallCloud, *properties: str) -> str:
    """Make an image with properties; return its name."""
    name = f'ubuntu-{next(_NAMES)}'
    file = openstack.directory / 'disk'
    file.write_bytes(bytes(1024))
    openstack.openstack(
        *('image', 'create', '--file', str(file), '--disk-format', 'raw'),
        *(word for p in properties for word in ('--property', p)),
        name,
    )
    return name


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
    openstack: SmallCloud, command: str, flavor: str, image: str
) -> tuple[int, list[dict[str, str]]]:
    """Run a command about a flavor and an image of the cloud."""
    files = {}
    for noun, name in (('flavor', flavor), ('image', image)):
        files[noun] = openstack.directory / f'{noun}.json'
        files[noun].write_text(
            openstack.openstack(noun, 'show', '-f', 'json', name)
        )
    done = openstack.run(
        *('sev-scheduling', command, '-f', 'json'),
        *('--flavor', str(files['flavor']), '--image', str(files['image'])),
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def type_in(openstack: SmallCloud, command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == 'openstack', command
    openstack.openstack(*arguments)


def test_the_printed_fixes_lead_from_a_refusal_to_a_running_server(
    openstack: SmallCloud, flavor: str
) -> None:
    disk = image(openstack, 'hw_disk_bus=ide')
    assert boot(openstack, flavor, disk)[0] == 'refused'

    status, problems = ask(openstack, 'check', flavor, disk)
    assert status == 1
    assert {row['Code'] for row in problems} >= {
        'firmware-not-uefi',
        'disk-bus-unsupported',
    }
    for row in problems:
        if row['Severity'] == 'error':
            type_in(openstack, row['Fix'])

    assert ask(openstack, 'check', flavor, disk)[0] == 0
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
    answer, rows = ask(openstack, 'explain', flavor, disk)
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
    done = openstack.run('sev-scheduling', 'capacity', '-f', 'json')

    assert [
        (row['Host'], row['Model'], row['Total'])
        for row in json.loads(done.stdout)
    ] == [(host, 'amd-sev', 1) for host in openstack.hosts]
