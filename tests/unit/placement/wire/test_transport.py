"""A call ends in time, and reads no more than it may."""

from __future__ import annotations

import contextlib
import contextvars
import gzip
import socket
import threading
import time

import pytest
import requests
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementUnavailable,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.wire.transport import (
    Call,
    OutOfTime,
    TooLarge,
    in_parallel,
)

BODY = b'{"versions": [{"max_version": "1.39"}]}'
SHORT = 0.3
#: Longer than any test; what does not end by itself fails by it.
LONG = 20.0


class Server:
    """Answers each connection with parts, and waits between them.

    :ivar served: how many requests came
    """

    def __init__(self, *parts, pause=0.0, repeat=False):
        self.parts = parts
        self.pause = pause
        self.repeat = repeat
        self.served = 0
        self.closing = threading.Event()
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self.socket.getsockname()[1]}'
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            if self.closing.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            self.served += 1
            while True:
                for part in self.parts:
                    connection.sendall(part)
                    if self.closing.wait(self.pause):
                        return
                if not self.repeat:
                    return

    def close(self):
        self.closing.set()
        with socket.create_connection(self.socket.getsockname()):
            pass
        self.socket.close()
        for thread in self.threads:
            thread.join(LONG)


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def start(*parts, **kwargs):
            server = Server(*parts, **kwargs)
            stack.callback(server.close)
            return server

        yield start


def head(*headers, status='200 OK'):
    lines = [f'HTTP/1.1 {status}', *headers, 'Connection: close', '', '']
    return '\r\n'.join(lines).encode()


def ask(server, *, timeout=LONG, max_answer=10**6, **kwargs):
    """Ask for the versions, and return for how long that took."""
    session = Session(auth=Token(server.url, 't'))
    adapter = Adapter(session, service_type='placement', **kwargs)
    api = Api(adapter, timeout=timeout, max_answer=max_answer)
    started = time.monotonic()
    try:
        assert api.supports('1.39')
    finally:
        ask.took = time.monotonic() - started


TRICKLES = {
    'the body': (head('Content-Length: 100000'), b'x'),
    'the body in chunks': (
        head('Transfer-Encoding: chunked'),
        b'1\r\nx\r\n',
    ),
    'the body, compressed': (
        head('Content-Encoding: gzip', 'Content-Length: 100000'),
        gzip.compress(b'x' * 10**5)[:1],
    ),
    'the body of an error': (
        head('Content-Length: 100000', status='503 Sorry'),
        b'x',
    ),
    'the head': (b'HTTP/1.1 200 OK\r\nX-Slow: ', b'x'),
    'the status': (b'', b'H'),
}


@pytest.mark.parametrize(('first', 'again'), TRICKLES.values(), ids=TRICKLES)
def test_an_answer_that_trickles_ends_in_time(serve, first, again):
    """The time-out of requests is for each part: it took 59 seconds."""
    server = serve(first, *[again] * 1000, pause=SHORT / 20)
    with pytest.raises(PlacementUnavailable, match=r'within 0\.3 seconds'):
        ask(server, timeout=SHORT)
    assert SHORT / 2 < ask.took < SHORT + 5


def test_redirections_do_not_add_up(serve):
    server = serve(
        head('Location: /', 'Content-Length: 0', status='302 Found'), pause=0.1
    )
    with pytest.raises(PlacementUnavailable):
        ask(server, timeout=SHORT)
    assert ask.took < SHORT + 5


def test_retries_of_the_adapter_do_not_add_up(serve):
    server = serve(head('Content-Length: 0', status='503 Sorry'))
    with pytest.raises(PlacementUnavailable):
        ask(server, timeout=SHORT, status_code_retries=9)
    assert ask.took < SHORT + 5


def test_a_thread_that_reads_the_body_ends_with_its_caller(serve):
    server = serve(head('Content-Length: 1000'), b'x', pause=LONG)
    with pytest.raises(PlacementUnavailable):
        ask(server, timeout=SHORT)
    for thread in threading.enumerate():
        if thread.name == 'sev-scheduling-call':
            thread.join(LONG)
            assert not thread.is_alive()


class TestSize:
    @pytest.mark.parametrize('length', [True, False])
    def test_a_body_without_end_is_left_off(self, serve, length):
        start = head('Content-Length: 1000000000') if length else head()
        server = serve(start, *[b'x' * 65536] * 100)
        with pytest.raises(PlacementAnswerError, match='more than 1000000'):
            ask(server)

    def test_what_counts_is_what_it_is_decompressed(self, serve):
        """4 MB of gzip took 2.8 GB of memory."""
        bomb = gzip.compress(b'x' * 10**8)
        assert len(bomb) < 10**6
        start = head('Content-Encoding: gzip', f'Content-Length: {len(bomb)}')
        with pytest.raises(PlacementAnswerError, match='more than 1000000'):
            ask(serve(start, bomb))

    @pytest.mark.parametrize('encoding', ['br', 'zstd', 'gzip, gzip'])
    def test_what_was_not_offered_is_not_decompressed(self, serve, encoding):
        start = head(f'Content-Encoding: {encoding}', 'Content-Length: 2')
        with pytest.raises(PlacementAnswerError, match='was not asked for'):
            ask(serve(start, b'{}'))

    @pytest.mark.parametrize(('limit', 'fits'), [(39, True), (38, False)])
    @pytest.mark.parametrize('compressed', [False, True])
    def test_the_limit_is_exact(self, serve, limit, fits, compressed):
        assert len(BODY) == 39
        body = gzip.compress(BODY) if compressed else BODY
        encoding = 'gzip' if compressed else 'identity'
        server = serve(head(f'Content-Encoding: {encoding}'), body)
        expected = (
            contextlib.nullcontext()
            if fits
            else pytest.raises(PlacementAnswerError)
        )
        with expected:
            ask(server, max_answer=limit)

    def test_what_is_no_gzip_is_no_answer(self, serve):
        with pytest.raises(PlacementUnavailable):
            ask(serve(head('Content-Encoding: gzip'), b'not gzip'))

    def test_an_answer_that_is_cut_is_no_answer(self, serve):
        with pytest.raises(PlacementUnavailable):
            ask(serve(head('Content-Length: 40'), BODY))

    def test_keystoneauth_logs_the_body_that_was_read(self, serve, caplog):
        """It reads all of a body before it logs it."""
        caplog.set_level('DEBUG')
        start = head('Content-Type: application/json')
        ask(serve(start, BODY))
        assert 'max_version' in caplog.text
        with pytest.raises(PlacementAnswerError):
            ask(serve(start, *[b'x' * 65536] * 100))


class TestCall:
    def test_it_returns_what_the_request_does(self):
        assert Call(LONG, 1).run(lambda: 7) == 7

    @pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
    def test_it_raises_what_the_request_does(self, error):
        def request():
            raise error

        with pytest.raises(error):
            Call(LONG, 1).run(request)

    def test_the_request_has_the_context_of_its_caller(self):
        variable = contextvars.ContextVar('variable')
        variable.set('here')
        assert Call(LONG, 1).run(variable.get) == 'here'

    def test_what_goes_on_reads_nothing_more(self):
        """Its connection may be one that cannot be shut down."""
        call = Call(0.01, 10**6)
        go_on = threading.Event()
        ended = []

        class Raw:
            def read(self, amount):
                go_on.wait(LONG)
                return b'x'

            def close(self):
                ended.append('closed')

        def request():
            response = requests.Response()
            response.raw = Raw()
            try:
                call.options['hooks']['response'](response)
            finally:
                ended.append('over')
                over.set()

        over = threading.Event()
        with pytest.raises(OutOfTime):
            call.run(request)
        go_on.set()
        assert over.wait(LONG)
        assert ended == ['closed', 'over']

    def test_each_part_counts(self):
        call = Call(LONG, 3)
        response = requests.Response()
        response.raw = type(
            'Raw',
            (),
            {'read': lambda self, _: b'xx', 'close': lambda self: None},
        )()
        with pytest.raises(TooLarge):
            call.options['hooks']['response'](response)


#: The name of the threads of calls that are made at one time.
CALLS = 'sev-scheduling-calls'


def _calling():
    return [one for one in threading.enumerate() if one.name == CALLS]


class TestInParallel:
    def test_what_comes_back_is_in_order_and_few_run_at_one_time(self):
        together = threading.Barrier(3)

        def ask(number):
            # Passes only where three are here at once.
            together.wait(LONG)
            return number * 2, threading.current_thread()

        found = in_parallel(ask, iter(range(9)), 3)
        assert [number for number, _ in found] == [*range(0, 18, 2)]
        assert len({thread for _, thread in found}) <= 3

    @pytest.mark.parametrize(
        ('items', 'most'), [([], 8), ([1], 8), ([1, 2], 1)]
    )
    def test_without_need_the_caller_s_thread_does_it(self, items, most):
        found = in_parallel(lambda _: threading.current_thread(), items, most)
        assert found == [threading.current_thread()] * len(items)

    @pytest.mark.parametrize('error', [PlacementUnavailable('x'), SystemExit])
    @pytest.mark.parametrize('by_caller', [True, False])
    def test_the_first_error_ends_it(self, error, by_caller):
        caller, asked = threading.current_thread(), []
        together = threading.Barrier(2)
        # Far more than one thread does before the other has its turn.
        many = 1_000_000

        def ask(number):
            asked.append(number)
            if number < 2:
                # Each has one of these.
                together.wait(LONG)
            if (threading.current_thread() is caller) is by_caller:
                raise error
            return number

        with pytest.raises((PlacementUnavailable, SystemExit)):
            in_parallel(ask, range(many), 2)
        # What stops the caller does not wait for others.
        waited = error is not SystemExit or not by_caller
        assert not (waited and _calling())
        for thread in _calling():
            thread.join(LONG)
        assert len(asked) < many

    @pytest.mark.parametrize('first', [0, 1])
    def test_of_several_errors_that_of_the_first_item_is_raised(self, first):
        """Whichever of the two failed first."""
        failed = threading.Event()

        def ask(number):
            if number != first:
                assert failed.wait(LONG)
            try:
                raise PlacementUnavailable(str(number))
            finally:
                failed.set()

        for _ in range(20):
            failed.clear()
            with pytest.raises(PlacementUnavailable, match=r'^0$'):
                in_parallel(ask, range(2), 2)

    def test_the_caller_s_thread_is_one_of_them(self):
        together = threading.Barrier(2)

        def ask(_):
            together.wait(LONG)
            return threading.current_thread()

        assert threading.current_thread() in in_parallel(ask, range(2), 2)

    def test_what_stops_the_caller_stops_the_rest(self):
        """As a signal does, whose handler raises in the main thread."""
        caller, asked = threading.current_thread(), []
        started, go_on = threading.Event(), threading.Event()

        def ask(number):
            asked.append(number)
            if threading.current_thread() is caller:
                assert started.wait(LONG)
                raise KeyboardInterrupt
            started.set()
            assert go_on.wait(LONG)

        with pytest.raises(KeyboardInterrupt):
            in_parallel(ask, range(100), 2)
        threads = _calling()
        assert len(threads) == 1
        go_on.set()
        for thread in threads:
            thread.join(LONG)
        assert len(asked) == 2

    def test_nor_does_it_wait_for_the_rest(self, monkeypatch):
        started, go_on = threading.Event(), threading.Event()
        asked = []

        def ask(number):
            asked.append(number)
            if threading.current_thread().name == CALLS:
                started.set()
                assert go_on.wait(LONG)
            else:
                assert started.wait(LONG)

        def interrupted(thread, timeout=None):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, 'join', interrupted)
            with pytest.raises(KeyboardInterrupt):
                in_parallel(ask, range(5), 2)
        threads = _calling()
        go_on.set()
        for thread in threads:
            thread.join(LONG)
        assert len(asked) == 5

    def test_each_thread_has_the_context_of_the_caller(self):
        variable = contextvars.ContextVar('variable', default='none')
        variable.set('mine')
        assert (
            in_parallel(lambda _: variable.get(), range(4), 2) == ['mine'] * 4
        )
