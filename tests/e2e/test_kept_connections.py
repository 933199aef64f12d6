"""Connections that a server closes as they are used again."""

from __future__ import annotations

import contextlib
import select
import signal
import sys

import pytest
import urllib3

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.placement.client import PlacementClient
from tests.servers.placement import adapter_for
from tests.servers.process import HOST, Server, free_port


@pytest.fixture(scope='module')
def kept_alive_for_a_second(tmp_path_factory):
    """A gunicorn that closes connections which were idle for long."""
    directory = tmp_path_factory.mktemp('gunicorn')
    (directory / 'versions.py').write_text(VERSIONS)
    port = free_port()
    server = Server(
        'gunicorn',
        [
            *(sys.executable, '-m', 'gunicorn', '--bind', f'{HOST}:{port}'),
            *('--worker-class', 'gthread', '--keep-alive', '1'),
            *('--worker-tmp-dir', str(directory), 'versions:application'),
        ],
        directory=directory,
        keep_user=True,
        # SIGTERM would wait for connections that clients keep open.
        stop_signal=signal.SIGINT,
    )
    client = PlacementClient(adapter_for(f'http://{HOST}:{port}', 'admin'))

    def ready():
        with contextlib.suppress(PlacementUnavailable):
            return client.call('GET', '/')

    with server:
        server.start(ready)
        yield client


VERSIONS = """
BODY = b'{"versions": [{"max_version": "1.39"}]}'


def application(environ, start_response):
    start_response(
        '200 OK',
        [
            ('Content-Type', 'application/json'),
            ('Content-Length', str(len(BODY))),
            ('OpenStack-API-Version', 'placement 1.39'),
        ],
    )
    return [BODY]
"""


@pytest.mark.parametrize('method', ['GET', 'PUT'])
def test_a_connection_that_is_closed_as_it_is_used(
    kept_alive_for_a_second, monkeypatch, method
):
    """Only what changes nothing is sent once more.

    urllib3 looks whether a kept connection was closed, and may look a moment
    too early.
    """
    looked = []

    def wait_and_say_open(connection):
        looked.append(connection)
        # Until the server has closed it.
        select.select([connection.sock], [], [], 30)
        return False

    client = kept_alive_for_a_second
    client.call('GET', '/')
    monkeypatch.setattr(
        urllib3.connectionpool, 'is_connection_dropped', wait_and_say_open
    )
    if method == 'GET':
        assert client.call('GET', '/')['versions']
    else:
        with pytest.raises(PlacementUnavailable):
            client.call('PUT', '/traits/CUSTOM_GOLD')
    assert len(looked) == 1
