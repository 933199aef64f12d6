"""Hosts of a real cloud are emptied as ``host drain plan`` says."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.openstack import SmallCloud
from tests.servers.process import wait_until

_SIZE = ('--ram', '64', '--vcpus', '1', '--disk', '1')


@pytest.fixture(scope='module')
def cloud(openstack: SmallCloud) -> SmallCloud:
    """The cloud with two more slots on each of the first two hosts.

    The third one's default machine type is pc.
    """
    for host in openstack.hosts[:2]:
        openstack.resize_pool(f'{host}_amd_sev', 3)
    openstack.openstack('flavor', 'create', *_SIZE, 'm1.sev')
    openstack.openstack(
        *('flavor', 'set', '--property', 'hw:mem_encryption=true', 'm1.sev')
    )
    disk = openstack.directory / 'disk'
    disk.write_bytes(bytes(1024))
    for name, machine_type in (('any', ''), ('q35', 'q35')):
        openstack.openstack(
            *('image', 'create', '--file', str(disk), '--disk-format', 'raw'),
            *('--property', 'hw_firmware_type=uefi'),
            *(
                ('--property', f'hw_machine_type={machine_type}')
                if machine_type
                else ()
            ),
            name,
        )
    return openstack


@pytest.fixture(autouse=True)
def empty(cloud: SmallCloud) -> Iterator[None]:
    yield
    left = [server['ID'] for server in cloud.rows('server', 'list')]
    if left:
        cloud.openstack('server', 'delete', '--wait', *left)


def boot(cloud: SmallCloud, name: str, host: str, image: str) -> str:
    shown = cloud.shown(
        *('server', 'create', '--nic', 'none', '--wait'),
        *('--os-compute-api-version', '2.74', '--host', host),
        *('--flavor', 'm1.sev', '--image', image, name),
    )
    assert shown['status'] == 'ACTIVE', shown
    ident: str = shown['id']
    return ident


def plan(cloud: SmallCloud, *hosts: str) -> tuple[int, list[dict[str, Any]]]:
    done = cloud.run(
        *('sev-scheduling', 'host', 'drain', 'plan', '-f', 'json', *hosts)
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def type_in(cloud: SmallCloud, row: dict[str, Any]) -> None:
    """Type the commands of a row, each once nova has done the one before."""
    for command in row['Commands']:
        program, *arguments = shlex.split(command)
        assert program == 'openstack'
        if 'confirm' in arguments:
            wait_until(
                lambda: (
                    cloud.shown('server', 'show', row['Server'])['status']
                    == 'VERIFY_RESIZE'
                ),
                timeout=60,
                what='a migrated server',
            )
        cloud.openstack(*arguments)
    wait_until(
        lambda: (
            cloud.shown('server', 'show', row['Server'])['status'] == 'ACTIVE'
        ),
        timeout=60,
        what='a confirmed server',
    )


def hosts_of(cloud: SmallCloud) -> dict[str, str]:
    return {
        row['Name']: row['Host']
        for row in cloud.rows('server', 'list', '--long')
    }


def test_all_guests_end_where_the_plan_sends_them(cloud: SmallCloud) -> None:
    first, second, third = cloud.hosts
    boot(cloud, 'a', first, 'any')
    boot(cloud, 'b', first, 'q35')
    boot(cloud, 'c', first, 'any')
    boot(cloud, 'd', second, 'any')

    status, rows = plan(cloud, first)

    # Two slots are left on the second host; the third one's takes the guest
    # alone whose image names a machine type.
    assert status == 0, rows
    targets = {row['Name']: row['To'] for row in rows}
    assert targets == {'a': second, 'b': third, 'c': second}
    for row in rows:
        assert row['Code'] == 'move'
        type_in(cloud, row)
    assert hosts_of(cloud) == {**targets, 'd': second}
    assert plan(cloud, first) == (0, [])


def test_what_has_no_place_stays_and_says_what_binds(
    cloud: SmallCloud,
) -> None:
    first, second, _ = cloud.hosts
    for name in 'abc':
        boot(cloud, name, first, 'any')
    for name in 'de':
        boot(cloud, name, second, 'any')

    status, rows = plan(cloud, first)

    assert status == 1
    assert sorted(row['Code'] for row in rows) == ['move', 'taken', 'taken']
    stays = [row for row in rows if row['Code'] == 'taken']
    assert all(row['Short'] == ['MEM_ENCRYPTION_CONTEXT'] for row in stays)
    # Both hosts at once: each takes no guest of the other.
    status, rows = plan(cloud, first, second)
    assert status == 1
    assert {row['Code'] for row in rows} == {'no-host'}
    assert len(rows) == 5


def test_members_of_an_anti_affinity_group_go_to_different_hosts(
    cloud: SmallCloud,
) -> None:
    first, second, third = cloud.hosts
    group = cloud.shown(
        'server', 'group', 'create', '--policy', 'anti-affinity', 'apart'
    )['id']
    for name, host in (('a', first), ('b', second)):
        cloud.openstack(
            *('server', 'create', '--nic', 'none', '--wait'),
            *('--os-compute-api-version', '2.74', '--host', host),
            *('--hint', f'group={group}'),
            *('--flavor', 'm1.sev', '--image', 'q35', name),
        )
    try:
        status, rows = plan(cloud, first)

        assert status == 0
        assert [(row['Name'], row['To']) for row in rows] == [('a', third)]
        type_in(cloud, rows[0])
        assert hosts_of(cloud) == {'a': third, 'b': second}
    finally:
        cloud.openstack('server', 'group', 'delete', group)
