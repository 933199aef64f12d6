"""pytest fixtures for the servers, each started once a run when asked for.

A server that is not installed skips the tests that need it, with the reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeVar

import pytest

from tests.servers.databases import Database, mariadb, postgresql
from tests.servers.process import ServerMissing
from tests.servers.rabbitmq import RabbitMQ, rabbitmq

_T = TypeVar('_T')


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
