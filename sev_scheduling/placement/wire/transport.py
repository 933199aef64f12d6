"""One call over HTTP, bounded in time and in size.

The time-outs of requests are for connecting and for each part of an answer,
so that an answer which trickles has no end; name resolution, redirects and
the calls to keystone are not counted at all. So a call is made by a thread of
its own, and its caller waits for it no longer than it may take.

The body is read in parts, and no further than the limit, before keystoneauth
or requests would read all of it.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import requests
import urllib3

#: Bytes, once decompressed, that an answer may have. Placement 16 takes 5,548
#: a host with two pools and 163 traits (all of ``COMPUTE_`` and
#: ``HW_CPU_X86_``), 106 MiB for 20,000 hosts. The rest is for what else a host
#: may have (PCI devices, NUMA nodes). Such an answer is read and decoded in
#: 1.5 s, with 546 MiB more memory at its peak.
MAX_ANSWER = 256 * 2**20

#: What is offered: its parts can be decompressed within bounds.
ENCODING = 'gzip'

_PART = 64 * 2**10

_A = TypeVar('_A')
_B = TypeVar('_B')


class OutOfTime(Exception):
    """The call took too long."""


class TooLarge(Exception):
    """The answer is too large, or compressed in a way that was not offered."""


def in_parallel(
    function: Callable[[_A], _B], items: Iterable[_A], most: int
) -> list[_B]:
    """Return what a function returns for each item, in their order.

    After an error nothing more is asked. It ends with the error of the first
    item that has one, whichever call failed first, once the calls under way
    have ended; at once with what stops the caller, as a signal does.

    :param most: how many threads may call it at one time, the caller's among
        them
    """
    items = list(items)
    if len(items) < 2 or most < 2:
        return [function(item) for item in items]
    found: dict[int, _B] = {}
    errors: dict[int, BaseException] = {}
    left = iter(enumerate(items))
    lock = threading.Lock()
    caller = threading.current_thread()

    def work() -> None:
        while True:
            with lock:
                if errors:
                    return
                number, item = next(left, (None, None))
            if number is None:
                return
            try:
                found[number] = function(item)  # type: ignore[arg-type]
            except BaseException as error:
                errors[number] = error
                mine = threading.current_thread() is caller
                if mine and not isinstance(error, Exception):
                    raise

    threads = [
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(work,),
            name='sev-scheduling-calls',
            daemon=True,
        )
        for _ in range(min(most, len(items)) - 1)
    ]
    try:
        for thread in threads:
            thread.start()
        contextvars.copy_context().run(work)
        for thread in threads:
            thread.join()
    except BaseException as error:
        # Nothing more is to be asked.
        errors[len(items)] = error
        raise
    if errors:
        raise errors[min(errors)]
    return [found[number] for number in range(len(items))]


def repeated_once(request: Callable[[], _B]) -> _B:
    """Return what an idempotent request returns, made again if it was reset.

    A server closes a connection that was idle for long, maybe just as a
    request is sent over it: nothing was done, and a new connection will do.
    Once only, and never a write: what it did is not known (RFC 9110, 9.2.2).
    """
    try:
        return request()
    except Exception as error:
        if not _is_reset(error):
            raise
    return request()


def _is_reset(error: BaseException | None) -> bool:
    """Say whether a connection ended, be it deep within an error.

    No answer in time and no connection at all are other errors.
    """
    while error is not None:
        # http.client's RemoteDisconnected is one, too.
        if isinstance(error, (ConnectionResetError, BrokenPipeError)):
            return True
        error = error.__cause__ or error.__context__
    return False


class Call:
    """One call; use it once.

    :param seconds: how long it may take in all
    :param max_bytes: how long the body may be, decompressed
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._done = threading.Event()
        self._abandoned = False
        self._raw: Any = None
        self._response: Any = None
        self._error: BaseException | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What ``Session.request()`` of requests must be given."""
        return {'stream': True, 'hooks': {'response': self._read}}

    def run(self, request: Callable[[], Any]) -> Any:
        """Return what a function returns, which makes the call.

        :raises OutOfTime: where it has not returned in time; it may go on
            as long as it gets parts of an answer, and nobody waits for it
        :raises TooLarge: where the answer is larger than it may be
        """
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run,
            args=(self._run, request),
            name='sev-scheduling-call',
            # It must not keep the process from ending.
            daemon=True,
        )
        thread.start()
        try:
            if not self._done.wait(self._seconds):
                raise OutOfTime
        except BaseException:
            self._abandon()
            raise
        if self._error is not None:
            raise self._error
        return self._response

    def _run(self, request: Callable[[], Any]) -> None:
        try:
            self._response = request()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def _abandon(self) -> None:
        self._abandoned = True
        # Wakes a thread that reads. Older urllib3 has no such method; its
        # thread ends with the next part.
        shutdown = getattr(self._raw, 'shutdown', None)
        if shutdown is not None:
            with contextlib.suppress(Exception):
                shutdown()

    def _read(
        self, response: requests.Response, **_: object
    ) -> requests.Response:
        """Read the body; for requests, as a hook."""
        self._raw = response.raw
        body = io.BytesIO()
        try:
            encoding = response.headers.get('content-encoding', 'identity')
            if encoding.strip().lower() not in (ENCODING, 'identity', ''):
                raise TooLarge(f'its encoding {encoding!r} was not asked for')
            for part in _parts(response.raw):
                body.write(part)
                if body.tell() > self._max_bytes:
                    raise TooLarge(f'it has more than {self._max_bytes} bytes')
                if self._abandoned:
                    raise OutOfTime
        except urllib3.exceptions.HTTPError as error:
            response.close()
            raise requests.exceptions.ConnectionError(
                error, request=response.request
            ) from error
        except BaseException:
            response.close()
            raise
        body.seek(0)
        response.raw = body
        return response


def _parts(raw: Any) -> Iterator[bytes]:
    if hasattr(raw, 'stream'):
        yield from raw.stream(_PART, decode_content=True)
    else:
        # Not of urllib3: a transport of a test.
        yield from iter(lambda: raw.read(_PART), b'')
