"""A stand-in for Keystone: one user, one token, one service.

Its documents are keystoneauth's own test fixtures.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from keystoneauth1 import fixture

from tests.servers.process import HOST

PASSWORD = 'right'


@contextlib.contextmanager
def keystone(placement_url: str, token_id: str) -> Iterator[str]:
    """Run it in a thread; give its URL.

    :param token_id: the token that the right password gets
    """
    with ThreadingHTTPServer((HOST, 0), _Handler) as server:
        url = f'http://{HOST}:{server.server_port}'
        token = fixture.V3Token()
        token.set_project_scope()
        token.add_service('placement').add_standard_endpoints(
            public=placement_url
        )
        versions = fixture.DiscoveryList(url, v2=False)
        server.documents = (versions, token)  # type: ignore[attr-defined]
        server.token_id = token_id  # type: ignore[attr-defined]
        thread = threading.Thread(
            target=server.serve_forever, kwargs={'poll_interval': 0.05}
        )
        thread.start()
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self._answer(200, self.server.documents[0])

    def do_POST(self) -> None:
        length = int(self.headers['Content-Length'])
        asked = json.loads(self.rfile.read(length))['auth']
        given = asked['identity']['password']['user']['password']
        if given == PASSWORD:
            self._answer(201, self.server.documents[1])
        else:
            error = {'code': 401, 'message': 'made up', 'title': 'no'}
            self._answer(401, {'error': error})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.send_header('X-Subject-Token', self.server.token_id)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""
