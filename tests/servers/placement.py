"""openstack-placement over HTTP, under gunicorn."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from sev_scheduling.placement.embedded import (
    Cloud,
    EmbeddedAdapter,
    load_cloud,
    parse_cloud,
)
from tests.servers.databases import sqlite
from tests.servers.process import (
    HOST,
    Server,
    ServerMissing,
    free_port,
    run_once,
    server_directory,
)

#: Placement's ``noauth2`` takes the user's name from the token.
ADMIN_TOKEN = 'admin'

_CONFIG = """\
[api]
auth_strategy = noauth2
[placement]
{options}
[placement_database]
connection = {connection}
"""


_KEPT_TABLES = (
    'alembic_version',
    'consumer_types',
    'resource_classes',
    'traits',
)


def adapter_for(url: str, token: str = ADMIN_TOKEN) -> Adapter:
    """Return an adapter onto a Placement at a URL, for threads of one
    process."""
    return Adapter(Session(auth=Token(url, token)), service_type='placement')


class PlacementServer:
    """A running Placement.

    :ivar url: its endpoint
    :ivar database_url: where it keeps its data
    """

    def __init__(self, server: Server, port: int, database_url: str) -> None:
        self.server = server
        self.port = port
        self.url = f'http://{HOST}:{port}'
        self.database_url = database_url

    def adapter(self, token: str = ADMIN_TOKEN) -> Adapter:
        return adapter_for(self.url, token)

    def ready(self) -> bool:
        """Report whether it serves requests that need its database."""
        try:
            return bool(self.adapter().get('/resource_providers').ok)
        except ClientException:
            return False

    def start(self) -> None:
        self.server.start(self.ready)

    def restart(self) -> None:
        """End it, with the calls under way and those that wait; start anew."""
        self.server.stop()
        self.start()

    def load(self, hosts: Sequence[Mapping[str, Any]]) -> Cloud:
        """Put a cloud in place of what Placement holds.

        :param hosts: the entries of a cloud file
        :raises ServerFailed: where Placement has ended meanwhile
        """
        self.server.check()
        cloud = parse_cloud({'hosts': list(hosts)}, 'Cloud of the test')
        engine = sa.create_engine(
            self.database_url, poolclass=sa.pool.NullPool
        )
        _empty(engine)
        # The loader writes into the tables of whatever Placement it is.
        load_cloud(EmbeddedAdapter(Session(), engine=engine), cloud)
        if engine.dialect.name == 'postgresql':
            _move_sequences(engine)
        return cloud


def _empty(engine: sa.Engine) -> None:
    """Remove all but traits and resource classes, which workers cache."""
    metadata = sa.MetaData()
    metadata.reflect(engine)
    with engine.begin() as connection:
        # Children before parents; the key to the root is the row's own.
        connection.execute(
            sa.update(metadata.tables['resource_providers']).values(
                parent_provider_id=None, root_provider_id=None
            )
        )
        for table in reversed(metadata.sorted_tables):
            if table.name not in _KEPT_TABLES:
                connection.execute(sa.delete(table))


def _move_sequences(engine: sa.Engine) -> None:
    """Let PostgreSQL number new rows after those that came with numbers."""
    with engine.begin() as connection:
        for table in sa.inspect(engine).get_table_names():
            columns = sa.inspect(engine).get_columns(table)
            if any(column['name'] == 'id' for column in columns):
                connection.execute(
                    sa.text(
                        f"SELECT setval(pg_get_serial_sequence('{table}', "
                        f"'id'), (SELECT coalesce(max(id), 1) FROM {table}))"
                    )
                )


@contextlib.contextmanager
def placement_server(
    database_url: str | None = None, *, workers: int = 4, **options: object
) -> Iterator[PlacementServer]:
    """Start Placement on an empty database; end it with the block.

    :param database_url: an SQLite file of its own where None
    :param options: of its group ``[placement]``
    :raises ServerMissing: where a Python package is not installed
    """
    for module, package in (
        ('placement', 'openstack-placement'),
        ('gunicorn', 'gunicorn'),
    ):
        if importlib.util.find_spec(module) is None:
            raise ServerMissing(
                f'{module} is not installed; pip install {package}'
            )
    with server_directory('placement') as directory:
        url = database_url or sqlite(directory)
        write_config(directory, url, **options)
        prepare(directory)
        port = free_port()
        command = [
            *(sys.executable, '-m', 'gunicorn', '--name', 'placement'),
            *('--bind', f'{HOST}:{port}', '--workers', str(workers)),
            *('--worker-class', 'gthread', '--threads', '4'),
            *('--worker-tmp-dir', str(directory), '--graceful-timeout', '2'),
            # While it works for others, a client must not find a connection
            # open that is about to be closed.
            *('--keep-alive', '60'),
            'placement.wsgi.api:application',
        ]
        # It may lie where only this user can read it.
        process = Server(
            'placement',
            command,
            directory=directory,
            env=_environment(directory),
            keep_user=True,
            # SIGTERM would wait for connections that clients keep open.
            stop_signal=signal.SIGINT,
        )
        with process:
            server = PlacementServer(process, port, url)
            server.start()
            yield server


def write_config(
    directory: pathlib.Path, database_url: str, **options: object
) -> None:
    """Write ``placement.conf``."""
    (directory / 'placement.conf').write_text(
        _CONFIG.format(
            connection=database_url.replace('%', '%%'),
            options='\n'.join(f'{k} = {v}' for k, v in options.items()),
        )
    )


def prepare(directory: pathlib.Path) -> None:
    """Make and fill the tables, once, before several workers start.

    A worker adds the traits and resource classes that are missing; on SQLite
    one of two that do so at once may fail, and gunicorn ends with it, though
    the other has answered already.

    :param directory: where ``placement.conf`` lies
    :raises ServerFailed: where Placement's own tools fail
    """
    manage = 'import sys, placement.cmd.manage as m; sys.exit(m.main())'
    config = str(directory / 'placement.conf')
    for what, code, arguments in (
        ('placement db sync', manage, ('--config-file', config, 'db', 'sync')),
        ('placement.wsgi.api', 'import placement.wsgi.api', ()),
    ):
        run_once(
            [sys.executable, '-c', code, *arguments],
            directory=directory,
            env={**os.environ, **_environment(directory)},
            what=what,
        )


def _environment(directory: pathlib.Path) -> dict[str, str]:
    """Point Placement's application to its configuration."""
    return {'OS_PLACEMENT_CONFIG_DIR': str(directory)}
