"""The servers of the tests stay up, and say so where they do not."""

from __future__ import annotations

import sys

import pytest
import sqlalchemy as sa

from tests.servers.databases import sqlite
from tests.servers.placement import PlacementServer, prepare, write_config
from tests.servers.process import Server, ServerFailed, server_directory


@pytest.mark.parametrize('table', ['traits', 'resource_classes'])
def test_no_worker_of_placement_has_rows_to_add_when_it_starts(table):
    with server_directory('placement') as directory:
        url = sqlite(directory)
        write_config(directory, url)
        prepare(directory)
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            rows = sa.text(f'SELECT count(*) FROM {table}')
            assert connection.execute(rows).scalar_one() > 0


_PAUSING = """
import signal
print('a worker failed to boot', flush=True)
signal.pause()
"""


def test_a_placement_that_ended_is_named_with_its_log():
    with server_directory('placement') as directory:
        process = Server(
            'placement',
            [sys.executable, '-c', _PAUSING],
            directory=directory,
            keep_user=True,
        )
        server = PlacementServer(process, 1, sqlite(directory))
        with process:
            process.start(process.log.read_bytes)
            process.kill()
            with pytest.raises(ServerFailed, match='a worker failed to boot'):
                server.load([])
