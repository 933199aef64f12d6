"""PostgreSQL and MariaDB on a free loopback port, in a directory."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import secrets
import signal
from collections.abc import Iterator

import sqlalchemy as sa

from tests.servers.process import (
    HOST,
    Server,
    find_program,
    free_port,
    give_away,
    run_once,
    server_directory,
    unprivileged,
)

_USER = 'tester'


class Database:
    """A running database server.

    :ivar kind: ``postgresql`` or ``mariadb``
    :ivar server: its process
    """

    def __init__(self, kind: str, server: Server, admin: sa.URL) -> None:
        self.kind = kind
        self.server = server
        self._admin = admin
        self._numbers = itertools.count(1)

    def ready(self) -> bool:
        """Report whether it answers a query."""
        try:
            self.execute('SELECT 1')
        except sa.exc.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        engine = sa.create_engine(
            self._admin,
            isolation_level='AUTOCOMMIT',
            poolclass=sa.pool.NullPool,
        )
        with engine.connect() as connection:
            connection.execute(sa.text(statement))

    def create(self, name: str) -> str:
        """Make an empty database; return its URL for SQLAlchemy."""
        name = f'{name}_{next(self._numbers)}'
        self.execute(f'CREATE DATABASE {name}')
        url = self._admin.set(database=name)
        return url.render_as_string(hide_password=False)


def _set_up(command: list[str], directory: pathlib.Path) -> None:
    """Run a program that prepares a data directory."""
    run_once(
        command,
        directory=directory,
        env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': str(directory)},
        user=unprivileged(),
        what=command[0],
    )


@contextlib.contextmanager
def postgresql() -> Iterator[Database]:
    """Start PostgreSQL; end it with the block.

    :raises ServerMissing: where it is not installed
    """
    places = 'lib/postgresql/*/bin'
    postgres = find_program('postgres', 'postgresql', places)
    initdb = find_program('initdb', 'postgresql', places)
    password, port = secrets.token_hex(16), free_port()
    with server_directory('postgresql') as directory:
        data = directory / 'data'
        secret = directory / 'password'
        secret.write_text(password)
        give_away(secret)
        _set_up(
            [
                *(initdb, '--pgdata', str(data), '--username', _USER),
                *('--pwfile', str(secret), '--auth', 'scram-sha-256'),
                *('--encoding', 'UTF8', '--no-locale', '--no-sync'),
            ],
            directory,
        )
        settings = {
            'listen_addresses': HOST,
            'port': str(port),
            'unix_socket_directories': '',
            'max_connections': '300',
            # The data need not outlive the test.
            'fsync': 'off',
            'full_page_writes': 'off',
            'synchronous_commit': 'off',
        }
        command = [postgres, '-D', str(data)]
        for name, value in settings.items():
            command += ['-c', f'{name}={value}']
        admin = sa.URL.create(
            'postgresql+psycopg2', _USER, password, HOST, port, 'postgres'
        )
        # SIGTERM would wait for every client to leave.
        with Server(
            'postgresql',
            command,
            directory=directory,
            stop_signal=signal.SIGINT,
        ) as server:
            database = Database('postgresql', server, admin)
            server.start(database.ready)
            yield database


@contextlib.contextmanager
def mariadb() -> Iterator[Database]:
    """Start MariaDB; end it with the block.

    :raises ServerMissing: where it is not installed
    """
    mariadbd = find_program('mariadbd', 'mariadb-server')
    install = find_program('mariadb-install-db', 'mariadb-server')
    password, port = secrets.token_hex(16), free_port()
    with server_directory('mariadb') as directory:
        data = directory / 'data'
        _set_up(
            [
                *(install, '--no-defaults', f'--datadir={data}'),
                *(
                    '--skip-test-db',
                    '--auth-root-authentication-method=socket',
                ),
            ],
            directory,
        )
        init = directory / 'init.sql'
        init.write_text(
            f"CREATE USER '{_USER}'@'{HOST}' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON *.* TO '{_USER}'@'{HOST}';\n"
        )
        give_away(init)
        command = [
            mariadbd,
            '--no-defaults',
            f'--datadir={data}',
            f'--init-file={init}',
            f'--bind-address={HOST}',
            f'--port={port}',
            f'--socket={directory / "socket"}',
            f'--pid-file={directory / "pid"}',
            f'--tmpdir={directory}',
            '--skip-name-resolve',
            '--character-set-server=utf8mb3',
            '--max-connections=300',
            # The data need not outlive the test.
            '--innodb-flush-log-at-trx-commit=0',
            '--innodb-doublewrite=0',
            '--innodb-flush-method=nosync',
        ]
        admin = sa.URL.create(
            'mysql+pymysql', _USER, password, HOST, port, 'mysql'
        )
        with Server('mariadb', command, directory=directory) as server:
            database = Database('mariadb', server, admin)
            server.start(database.ready)
            yield database


def sqlite(directory: pathlib.Path) -> str:
    """Return the URL of an empty SQLite file in a directory."""
    return f'sqlite:///{directory / "placement.sqlite"}'
