"""Servers for the suites with real processes, each started when asked for.

A server that is not installed skips the tests that need it, with the reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeVar

import os_traits
import pytest

from tests.servers.databases import Database, mariadb, postgresql
from tests.servers.nova import Conductor
from tests.servers.nova_cloud import NovaCloud, nova_cloud
from tests.servers.openstack import SmallCloud, small_cloud
from tests.servers.placement import PlacementServer, placement_server
from tests.servers.process import ServerMissing
from tests.servers.rabbitmq import RabbitMQ, rabbitmq

WORKERS = 2

SEV = os_traits.HW_CPU_X86_AMD_SEV
_TYPE = 'CUSTOM_HW_MACHINE_TYPE'

_T = TypeVar('_T')


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        '--all-faults',
        action='store_true',
        help='every kind of fault at every stage of a claim, not a sample',
    )
    parser.addoption(
        '--kill-seconds',
        type=float,
        default=60.0,
        help='how long claimers are killed at random, for each database',
    )


@contextlib.contextmanager
def or_skip(
    server: contextlib.AbstractContextManager[_T],
) -> Iterator[_T]:
    """Enter a server; skip the test where it is not installed."""
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except ServerMissing as missing:
            pytest.skip(str(missing))
        yield running


@pytest.fixture(scope='session')
def postgresql_server() -> Iterator[Database]:
    with or_skip(postgresql()) as database:
        yield database


@pytest.fixture(scope='session')
def mariadb_server() -> Iterator[Database]:
    with or_skip(mariadb()) as database:
        yield database


@pytest.fixture(scope='session')
def rabbitmq_server() -> Iterator[RabbitMQ]:
    with or_skip(rabbitmq()) as broker:
        yield broker


@pytest.fixture(scope='session')
def placement_on_sqlite() -> Iterator[PlacementServer]:
    with or_skip(placement_server(workers=WORKERS)) as server:
        yield server


@pytest.fixture(scope='session')
def placement_on_postgresql(
    postgresql_server: Database,
) -> Iterator[PlacementServer]:
    url = postgresql_server.create('placement')
    with or_skip(placement_server(url, workers=WORKERS)) as server:
        yield server


@pytest.fixture(scope='session')
def placement_on_mariadb(
    mariadb_server: Database,
) -> Iterator[PlacementServer]:
    url = mariadb_server.create('placement')
    with or_skip(placement_server(url, workers=WORKERS)) as server:
        yield server


@pytest.fixture(params=['postgresql', 'mariadb'])
def placement(request: pytest.FixtureRequest) -> PlacementServer:
    """Placement on a server database, one test for each kind."""
    server: PlacementServer = request.getfixturevalue(
        f'placement_on_{request.param}'
    )
    return server


@pytest.fixture(scope='session')
def deployed(
    mariadb_server: Database,
    rabbitmq_server: RabbitMQ,
) -> Iterator[NovaCloud]:
    # Else Placement itself oversells when claims collide, as the operator's
    # documentation says.
    server = placement_server(
        mariadb_server.create('placement'),
        workers=WORKERS,
        allocation_conflict_retry_count=1,
    )
    with (
        or_skip(server) as placement,
        or_skip(
            nova_cloud(mariadb_server, rabbitmq_server, placement)
        ) as cloud,
    ):
        yield cloud


@pytest.fixture
def cloud(deployed: NovaCloud) -> NovaCloud:
    """A nova without a scheduler, and nothing placed in it."""
    deployed.clear()
    return deployed


@pytest.fixture(scope='session')
def conductor(deployed: NovaCloud) -> Iterator[Conductor]:
    with Conductor(deployed.nova) as running:
        yield running


@pytest.fixture(scope='module')
def openstack(
    mariadb_server: Database, rabbitmq_server: RabbitMQ
) -> Iterator[SmallCloud]:
    """A real cloud of three hosts; one amd-sev slot on each of the first two.

    The third defaults to machine type pc. It ends with the module, as its
    services would slow down tests of time.
    """
    with or_skip(small_cloud(mariadb_server, rabbitmq_server)) as cloud:
        first, second, third = cloud.hosts
        for host in (first, second):
            cloud.publish(host, {'amd_sev': (SEV, 1)}, [f'{_TYPE}_Q35'])
        cloud.publish(third, {'amd_sev': (SEV, 1)}, [f'{_TYPE}_PC'])
        yield cloud
