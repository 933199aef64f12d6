"""Faults between a client and the real Placement.

:class:`FaultProxy` passes requests on, except those that a fault takes. A
fault is a function that gets the :class:`Exchange` and does with it what a
broken network, load balancer or server would do.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import itertools
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from tests.servers.process import HOST

MICROVERSION = 'OpenStack-API-Version'
_UPSTREAM_TIMEOUT = 60

#: Headers of an answer that each hop writes anew.
_OF_ONE_HOP = {'connection', 'content-length', 'date', 'server'}

# With no time to linger the kernel sends RST instead of FIN.
_RESET = struct.pack('ii', 1, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client."""

    status: int
    body: bytes = b''
    headers: dict[str, str] = field(default_factory=dict)


class Exchange(BaseHTTPRequestHandler):
    """One request, its ``command``, ``path`` and ``headers``, and its ends."""

    protocol_version = 'HTTP/1.1'
    server: _Server

    @property
    def microversion(self) -> tuple[int, int]:
        """The one that the client asks for; 1.0 where it asks for none."""
        value = self.headers.get(MICROVERSION, '1.0').split()[-1]
        if value == 'latest':
            return (1, 999)
        major, _, minor = value.partition('.')
        return (int(major), int(minor))

    def forward(self) -> Answer:
        """Let the real service do it; return its answer."""
        upstream = http.client.HTTPConnection(
            self.server.proxy.upstream, timeout=_UPSTREAM_TIMEOUT
        )
        with contextlib.closing(upstream):
            headers = {**self.headers, 'Connection': 'close'}
            upstream.request(self.command, self.path, self.body, headers)
            response = upstream.getresponse()
            kept = {
                name: value
                for name, value in response.getheaders()
                if name.lower() not in _OF_ONE_HOP
            }
            return Answer(response.status, response.read(), kept)

    def reply(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header('Content-Length', str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def reset(self, answer: Answer | None = None) -> None:
        """Break the connection, in the middle of an answer where given."""
        if answer is not None:
            half = answer.body[: len(answer.body) // 2]
            self.send_response(answer.status)
            if half:
                self.send_header('Content-Length', str(len(answer.body)))
                self.end_headers()
                self.wfile.write(half)
            else:
                # Nothing but the beginning of the head.
                self.flush_headers()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = True

    def stall(self, seconds: float) -> None:
        """Wait, but no longer than the proxy runs."""
        self.server.proxy.closing.wait(seconds)

    def _handle(self) -> None:
        length = int(self.headers.get('Content-Length', 0))
        self.body = self.rfile.read(length)
        self.server.proxy.fault_for(self)(self)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _handle  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


Fault = Callable[[Exchange], None]


def no_fault(exchange: Exchange) -> None:
    exchange.reply(exchange.forward())


def reset_at_once(exchange: Exchange) -> None:
    """The request never reaches the service."""
    exchange.reset()


def reset_in_answer(exchange: Exchange) -> None:
    """The service has done it, half of the answer arrives."""
    exchange.reset(exchange.forward())


def reset_after(exchange: Exchange) -> None:
    """The service has done it, nothing of the answer arrives."""
    exchange.forward()
    exchange.reset()


def status(code: int) -> Fault:
    """Something in front of the service answers instead of it."""
    return lambda exchange: exchange.reply(_error(code, f'made up {code}'))


def status_after(code: int) -> Fault:
    """The service has done it, but the load balancer says otherwise."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.reply(_error(code, f'made up {code}'))

    return fault


def conflict(code: str = 'placement.concurrent_update') -> Fault:
    """Another client is always faster; Placement itself says so."""
    answer = _error(409, 'made up conflict', code=code)
    own = {**answer.headers, 'x-openstack-request-id': 'req-made-up'}
    return lambda exchange: exchange.reply(replace(answer, headers=own))


def twice(exchange: Exchange) -> None:
    """A load balancer sends it again, and passes on the second answer."""
    exchange.forward()
    exchange.reply(exchange.forward())


def yes(code: int, body: bytes = b'') -> Fault:
    """Something in front of the service says that it is done."""
    return lambda exchange: exchange.reply(
        Answer(code, body, {'Content-Type': 'application/json'})
    )


def page(code: int, *, after: bool) -> Fault:
    """A gateway's own page, before or after the service has done it."""

    def fault(exchange: Exchange) -> None:
        if after:
            exchange.forward()
        body = b'<html>the gateway says no</html>'
        exchange.reply(Answer(code, body, {'Content-Type': 'text/html'}))

    return fault


def trickle(*, head: bool, pause: float = 0.05) -> Fault:
    """The service has done it; the answer comes byte by byte, for ever."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        with contextlib.suppress(OSError):
            if not head:
                exchange.send_response(200)
                exchange.send_header('Content-Length', '1000000')
                exchange.end_headers()
            while not exchange.server.proxy.closing.wait(pause):
                exchange.wfile.write(b'H')
                exchange.wfile.flush()

    return fault


def large(*, compressed: bool) -> Fault:
    """The service has done it; the answer has no end worth reading."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        body = b' ' * 40_000_000
        headers = {'Content-Type': 'application/json'}
        if compressed:
            body = gzip.compress(body, 1)
            headers['Content-Encoding'] = 'gzip'
        with contextlib.suppress(OSError):
            exchange.reply(Answer(200, body, headers))

    return fault


def redirect(code: int, *, after: bool) -> Fault:
    """The endpoint is elsewhere, and elsewhere is here."""

    def fault(exchange: Exchange) -> None:
        if after:
            exchange.forward()
        exchange.reply(Answer(code, b'', {'Location': exchange.path}))

    return fault


def wrong_type(exchange: Exchange) -> None:
    """A captive portal or a wrong endpoint: a page, not an answer."""
    answer = exchange.forward()
    page = b'<!DOCTYPE html><title>Welcome</title>\n'
    code = 200 if answer.status == 204 else answer.status
    exchange.reply(Answer(code, page, {'Content-Type': 'text/html'}))


def json_instead(body: bytes) -> Fault:
    """JSON, but not what was asked for."""

    def fault(exchange: Exchange) -> None:
        headers = exchange.forward().headers
        json_type = {'Content-Type': 'application/json'}
        exchange.reply(Answer(200, body, headers | json_type))

    return fault


wrong_shape = json_instead(b'{"sorry": ["nothing", 1]}')
json_list = json_instead(b'[[], null]')


def truncated_json(exchange: Exchange) -> None:
    """Cut short, with a length that agrees."""
    answer = exchange.forward()
    exchange.reply(replace(answer, body=answer.body[:-7] or b'{"half'))


def stall(seconds: float) -> Fault:
    """Connected, but silent."""

    def fault(exchange: Exchange) -> None:
        exchange.stall(seconds)
        exchange.reset()

    return fault


def stall_after(seconds: float) -> Fault:
    """Done, but the answer comes too late."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.stall(seconds)
        with contextlib.suppress(OSError):
            exchange.reply(answer)

    return fault


def oldest(major: int, minor: int) -> Fault:
    """An older Placement, which knows microversions up to this one."""
    newest = f'{major}.{minor}'

    def fault(exchange: Exchange) -> None:
        if exchange.microversion == (1, 999):
            exchange.headers.replace_header(
                MICROVERSION, f'placement {newest}'
            )
        if exchange.microversion > (major, minor):
            asked = exchange.headers[MICROVERSION]
            detail = f'Unacceptable version header: {asked}'
            exchange.reply(
                _error(406, detail, max_version=newest, min_version='1.0')
            )
            return
        answer = exchange.forward()
        if exchange.path.rstrip('/') == '':
            document = json.loads(answer.body)
            for version in document['versions']:
                version['max_version'] = newest
            answer = replace(answer, body=json.dumps(document).encode())
        exchange.reply(answer)

    return fault


def _error(number: int, detail: str, **more: str) -> Answer:
    title = http.client.responses[number]
    error = {'status': number, 'title': title, 'detail': detail, **more}
    body = json.dumps({'errors': [error]}).encode()
    return Answer(number, body, {'Content-Type': 'application/json'})


@dataclass(slots=True)
class _Rule:
    fault: Fault
    method: str | None
    path: str
    left: float
    end: str = ''
    skip: int = 0

    def takes(self, exchange: Exchange) -> bool:
        return (
            self.left > 0
            and self.method in (None, exchange.command)
            and exchange.path.startswith(self.path)
            and exchange.path.partition('?')[0].endswith(self.end)
        )


class FaultProxy:
    """An HTTP proxy in a thread, in front of one service.

    :ivar url: where clients reach it
    :ivar calls: (method, path and query) of every request so far
    :ivar microversions: what they asked for
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.calls: list[tuple[str, str]] = []
        self.microversions: list[tuple[int, int]] = []
        self.closing = threading.Event()
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.url = f'http://{HOST}:{self._server.server_port}'
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={'poll_interval': 0.05}
        )

    def add(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str = '',
        times: float = float('inf'),
        end: str = '',
        skip: int = 0,
    ) -> None:
        """Let a fault take the next ``times`` requests that match.

        :param path: how the path begins
        :param end: how it ends, without the query
        :param skip: how many that match are passed on before
        """
        with self._lock:
            self._rules.append(_Rule(fault, method, path, times, end, skip))

    def clear(self) -> None:
        """Pass everything on again, and forget the calls."""
        with self._lock:
            self._rules.clear()
            self.calls.clear()
            self.microversions.clear()

    def fault_for(self, exchange: Exchange) -> Fault:
        with self._lock:
            self.calls.append((exchange.command, exchange.path))
            self.microversions.append(exchange.microversion)
            for rule in self._rules:
                if not rule.takes(exchange):
                    continue
                if rule.skip:
                    rule.skip -= 1
                else:
                    rule.left -= 1
                    return rule.fault
        return no_fault

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._server.error is not None:
            raise self._server.error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__((HOST, 0), Exchange)
        self.proxy = proxy
        self.error: BaseException | None = None

    def shutdown_request(self, request: Any) -> None:
        """Do not say goodbye on a connection that is to break."""
        linger = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        if linger == _RESET:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, *args: object) -> None:
        """Keep what a fault raised; a client that has left is none."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.error = error


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """Give the URL of a port that refuses connections, and keep it so."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield f'http://{HOST}:{taken.getsockname()[1]}'


@contextlib.contextmanager
def wrong_clock(*errors: float) -> Iterator[None]:
    """Let the wall clock be wrong, by the next of some seconds at each look.

    The monotonic clock goes on as it does, as the kernel promises.
    """
    error = itertools.cycle(errors).__next__
    seconds, nanoseconds = time.time, time.time_ns

    def wrong_seconds() -> float:
        return seconds() + error()

    def wrong_nanoseconds() -> int:
        return nanoseconds() + int(error() * 1e9)

    with (
        mock.patch('time.time', wrong_seconds),
        mock.patch('time.time_ns', wrong_nanoseconds),
    ):
        yield
