"""Faults between a client and the real Placement.

:class:`FaultProxy` passes requests on, except those that a fault takes. A
fault is a function that gets the :class:`Exchange` and does with it what a
broken network, load balancer or server would do.
"""

from __future__ import annotations

import contextlib
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

# With no time to linger the kernel sends RST instead of FIN.
_RESET = struct.pack('ii', 1, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client."""

    status: int
    body: bytes = b''
    headers: dict[str, str] = field(default_factory=dict)


class Exchange:
    """One request and the ways to end it."""

    def __init__(self, handler: _Handler, proxy: FaultProxy) -> None:
        self._handler = handler
        self._proxy = proxy
        self.method: str = handler.command
        self.path: str = handler.path
        self.headers = dict(handler.headers.items())
        length = int(self.headers.get('Content-Length', 0))
        self.body = handler.rfile.read(length)

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
            self._proxy.upstream, timeout=_UPSTREAM_TIMEOUT
        )
        with contextlib.closing(upstream):
            headers = {**self.headers, 'Connection': 'close'}
            upstream.request(self.method, self.path, self.body, headers)
            response = upstream.getresponse()
            return Answer(
                response.status,
                response.read(),
                {
                    name: value
                    for name, value in response.getheaders()
                    if name.lower()
                    not in ('connection', 'content-length', 'date', 'server')
                },
            )

    def reply(self, answer: Answer) -> None:
        handler = self._handler
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header('Content-Length', str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def reset(self, answer: Answer | None = None) -> None:
        """Break the connection, in the middle of an answer where given."""
        handler = self._handler
        if answer is not None:
            half = answer.body[: len(answer.body) // 2]
            handler.send_response(answer.status)
            if half:
                handler.send_header('Content-Length', str(len(answer.body)))
                handler.end_headers()
                handler.wfile.write(half)
            else:
                # Nothing but the beginning of the head.
                handler.flush_headers()
        handler.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET
        )
        handler.close_connection = True

    def stall(self, seconds: float) -> None:
        """Wait, but no longer than the proxy runs."""
        self._proxy.closing.wait(seconds)


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

    def fault(exchange: Exchange) -> None:
        exchange.reply(_error(code, f'made up {code}'))

    return fault


def status_after(code: int) -> Fault:
    """The service has done it, but the load balancer says otherwise."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.reply(_error(code, f'made up {code}'))

    return fault


def conflict(code: str = 'placement.concurrent_update') -> Fault:
    """Another client is always faster."""

    def fault(exchange: Exchange) -> None:
        exchange.reply(_error(409, 'made up conflict', code=code))

    return fault


def wrong_type(exchange: Exchange) -> None:
    """A captive portal or a wrong endpoint: a page, not an answer."""
    answer = exchange.forward()
    page = b'<!DOCTYPE html><title>Welcome</title>\n'
    code = 200 if answer.status == 204 else answer.status
    exchange.reply(Answer(code, page, {'Content-Type': 'text/html'}))


def wrong_shape(exchange: Exchange) -> None:
    """JSON, but not what was asked for."""
    _with_json(exchange, b'{"sorry": ["nothing", 1]}')


def json_list(exchange: Exchange) -> None:
    _with_json(exchange, b'[[], null]')


def truncated_json(exchange: Exchange) -> None:
    """Cut short, with a length that agrees."""
    answer = exchange.forward()
    exchange.reply(replace(answer, body=answer.body[:-7] or b'{"half'))


def _with_json(exchange: Exchange, body: bytes) -> None:
    answer = exchange.forward()
    headers = {**answer.headers, 'Content-Type': 'application/json'}
    exchange.reply(Answer(200, body, headers))


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

    def fault(exchange: Exchange) -> None:
        if exchange.microversion == (1, 999):
            exchange.headers[MICROVERSION] = f'placement {major}.{minor}'
        if exchange.microversion > (major, minor):
            exchange.reply(
                _error(
                    406,
                    'Unacceptable version header: '
                    f'{exchange.headers[MICROVERSION]}',
                    max_version=f'{major}.{minor}',
                    min_version='1.0',
                )
            )
            return
        answer = exchange.forward()
        if exchange.path.rstrip('/') == '':
            document = json.loads(answer.body)
            for version in document['versions']:
                version['max_version'] = f'{major}.{minor}'
            answer = replace(answer, body=json.dumps(document).encode())
        exchange.reply(answer)

    return fault


def _error(number: int, detail: str, **more: str) -> Answer:
    error = {
        'status': number,
        'title': http.client.responses[number],
        'detail': detail,
        **more,
    }
    body = json.dumps({'errors': [error]}).encode()
    return Answer(number, body, {'Content-Type': 'application/json'})


@dataclass(slots=True)
class _Rule:
    fault: Fault
    method: str | None
    path: str
    left: float

    def takes(self, exchange: Exchange) -> bool:
        return (
            self.left > 0
            and self.method in (None, exchange.method)
            and exchange.path.startswith(self.path)
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
    ) -> None:
        """Let a fault take the next ``times`` requests that match.

        :param path: how the path begins
        """
        with self._lock:
            self._rules.append(_Rule(fault, method, path, times))

    def clear(self) -> None:
        """Pass everything on again, and forget the calls."""
        with self._lock:
            self._rules.clear()
            self.calls.clear()
            self.microversions.clear()

    def fault_for(self, exchange: Exchange) -> Fault:
        with self._lock:
            self.calls.append((exchange.method, exchange.path))
            self.microversions.append(exchange.microversion)
            for rule in self._rules:
                if rule.takes(exchange):
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
        super().__init__((HOST, 0), _Handler)
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server: _Server

    def _handle(self) -> None:
        proxy: FaultProxy = self.server.proxy
        exchange = Exchange(self, proxy)
        proxy.fault_for(exchange)(exchange)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _handle  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """Give the URL of a port that refuses connections, and keep it so."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield f'http://{HOST}:{taken.getsockname()[1]}'


@contextlib.contextmanager
def jumping_clock(seconds: float = 86400) -> Iterator[None]:
    """Let the wall clock jump forth and back at each look at it.

    The monotonic clock goes on as it does, as the kernel promises.
    """
    jumps = itertools.cycle((seconds, 0.0, -seconds))
    with _wall_clock(lambda: next(jumps)):
        yield


@contextlib.contextmanager
def shifted_clock(seconds: float) -> Iterator[None]:
    """Let the wall clock be wrong by so much."""
    with _wall_clock(lambda: seconds):
        yield


@contextlib.contextmanager
def _wall_clock(error: Callable[[], float]) -> Iterator[None]:
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
