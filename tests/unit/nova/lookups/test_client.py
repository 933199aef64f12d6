"""The way to Placement: nova's credentials and endpoint, over real HTTP."""

from __future__ import annotations

import contextlib
import gc
import http.server
import json
import threading
import time
import types

import pytest
import requests
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg
from requests.adapters import HTTPAdapter

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementDenied,
    PlacementError,
    PlacementUnavailable,
)
from sev_scheduling.nova.lookups.client import Connection
from sev_scheduling.nova.lookups.deadline import CircuitBreaker, Deadline
from sev_scheduling.nova.lookups.lookups import Lookups
from sev_scheduling.nova.options import Options
from tests.unit.nova.factories import CONF

#: A status, for an answer that trickles.
TRICKLES = 203

VERSIONS = {'versions': [{'id': 'v1.0', 'max_version': '1.39'}]}


class Server(http.server.ThreadingHTTPServer):
    """Answers GET by path; ``None`` means never."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answers):
        super().__init__(('127.0.0.1', 0), Handler)
        self.answers = answers
        self.requests = []
        self.released = threading.Event()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server_address[1]}'


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.server.answers.get('head') == 'trickles':
            # The socket's own file has all of the request by now.
            while not self.server.released.wait(0.02):
                self.wfile.write(b'H')
        path = self.path.partition('?')[0]
        self.server.requests.append((self.command, self.path, self.headers))
        status, body = self.server.answers.get(path, (404, {}))
        if body is None:
            self.server.released.wait(30)
            return
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if status == TRICKLES:
            for number in range(len(body)):
                self.wfile.write(body[number : number + 1])
                if self.server.released.wait(0.02):
                    return
        else:
            self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stack:

        def start(answers):
            server = Server(answers)
            thread = threading.Thread(
                target=server.serve_forever, args=(0.01,), daemon=True
            )
            thread.start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            stack.callback(server.released.set)
            return server

        yield start


@pytest.fixture
def placement_conf(configured):
    """Configure ``[placement]`` as nova.conf does."""
    registered, changed = [], []

    def configure(**options):
        # The options of a plug-in are known once it is loaded.
        configured('placement', auth_type=options.pop('auth_type'))
        plugin = loading.get_plugin_loader(CONF.placement.auth_type)
        for option in loading.get_auth_plugin_conf_options(plugin):
            if option.dest not in CONF.placement:
                CONF.register_opt(option, 'placement')
                registered.append(option)
        for name, value in options.items():
            CONF.set_override(name, value, 'placement')
            changed.append(name)

    yield configure
    for name in changed:
        CONF.clear_override(name, 'placement')
    # Some are required: whoever reads a nova.conf next would miss them.
    CONF.unregister_opts(registered, 'placement')


GUEST = '00000000-0000-0000-0000-000000000001'
OTHER = '00000000-0000-0000-0000-000000000002'


def with_token(server):
    return {'auth_type': 'admin_token', 'endpoint': server.url, 'token': 't'}


def with_password(server):
    return {
        'auth_type': 'v3password',
        'auth_url': f'{server.url}/v3',
        'username': 'nova',
        'password': 'secret',
        'user_domain_name': 'Default',
        'project_name': 'service',
        'project_domain_name': 'Default',
    }


@pytest.fixture
def ask():
    """Ask what a server holds, as one request would."""

    def ask(timeout=10.0, lookups=None):
        asked = lookups or Lookups(Options(placement_timeout=timeout))
        return asked.held_models(asked.deadline(), GUEST)

    return ask


HOLDS_NOTHING = {
    '/': (200, VERSIONS),
    f'/allocations/{GUEST}': (200, {'allocations': {}}),
}


def test_it_asks_with_nova_s_own_credentials(serve, placement_conf, ask):
    server = serve(HOLDS_NOTHING)
    placement_conf(**with_token(server))
    lookups = Lookups(Options())

    assert ask(lookups=lookups) == ()
    _, path, headers = server.requests[-1]
    assert path == f'/allocations/{GUEST}'
    assert headers['X-Auth-Token'] == 't'
    assert headers['OpenStack-API-Version'] == 'placement 1.38'
    assert headers['Accept'] == 'application/json'
    # The versions are asked for once, whatever request asks.
    ask(lookups=lookups)
    assert len(server.requests) == 3


@pytest.mark.parametrize('silent', ['/', f'/allocations/{GUEST}'])
def test_a_placement_that_does_not_answer_is_waited_for_in_time(
    serve, placement_conf, silent, ask
):
    answers = {'/': (200, VERSIONS), f'/allocations/{GUEST}': (200, {})}
    server = serve({**answers, silent: (200, None)})
    placement_conf(**with_token(server), connect_retries=9)

    start = time.monotonic()
    with pytest.raises(PlacementUnavailable):
        ask(timeout=0.2)
    assert 0.15 < time.monotonic() - start < 5
    # Not a second time.
    assert [path for _, path, _ in server.requests].count(silent) == 1


@pytest.mark.parametrize(
    'answers',
    [
        {'/': (TRICKLES, VERSIONS)},
        {
            '/': (200, VERSIONS),
            f'/allocations/{GUEST}': (TRICKLES, b' ' * 10_000),
        },
        {'head': 'trickles'},
    ],
    ids=['versions', 'an answer', 'a head'],
)
def test_an_answer_that_trickles_is_waited_for_in_time(
    serve, placement_conf, answers, ask
):
    """Each piece was in time."""
    placement_conf(**with_token(serve(answers)))
    lookups = Lookups(Options(placement_timeout=0.2))
    start = time.monotonic()
    with pytest.raises(PlacementUnavailable):
        ask(lookups=lookups)
    assert 0.15 < time.monotonic() - start < 5
    # The others do not wait for it at all.
    with pytest.raises(PlacementUnavailable, match='is not asked for'):
        ask(lookups=lookups)


def test_a_keystone_that_trickles_is_waited_for_in_time(
    serve, placement_conf, ask
):
    server = serve({'/v3/auth/tokens': (TRICKLES, b' ' * 10_000)})
    placement_conf(**with_password(server))
    start = time.monotonic()
    with pytest.raises(PlacementError):
        ask(timeout=0.2)
    assert 0.15 < time.monotonic() - start < 5


def test_an_answer_that_is_too_large_is_no_answer(serve, placement_conf, ask):
    large = b' ' * 2**20 + json.dumps({'allocations': {}}).encode()
    server = serve(
        {'/': (200, VERSIONS), f'/allocations/{GUEST}': (200, large)}
    )
    placement_conf(**with_token(server))
    with pytest.raises(PlacementAnswerError, match='1048576 bytes'):
        ask(lookups=Lookups(Options(placement_answer_limit=1)))
    assert ask(lookups=Lookups(Options(placement_answer_limit=2))) == ()


def test_a_keystone_that_does_not_answer_is_waited_for_in_time(
    serve, placement_conf, ask
):
    """Nova waits for it without end, unless ``[placement] timeout`` is set."""
    server = serve({'/v3/auth/tokens': (201, None)})
    placement_conf(**with_password(server))
    start = time.monotonic()
    with pytest.raises(PlacementError) as raised:
        ask(timeout=0.2)
    assert 0.15 < time.monotonic() - start < 5
    assert 'secret' not in str(raised.value)


def test_it_is_not_asked_again_by_itself(serve, placement_conf, ask):
    server = serve({'/': (503, {})})
    placement_conf(**with_token(server), status_code_retries=9)
    with pytest.raises(PlacementUnavailable):
        ask()
    assert len(server.requests) == 1


def test_nobody_listens(placement_conf, serve, ask):
    server = serve({})
    server.shutdown()
    server.server_close()
    placement_conf(**with_token(server), connect_retries=9)
    with pytest.raises(PlacementUnavailable):
        ask()


def test_nothing_is_configured(configured, ask):
    """As in a nova.conf without ``[placement]``."""
    with pytest.raises(PlacementError):
        ask()


@pytest.mark.parametrize(
    ('error', 'told'),
    [
        (ks_exceptions.MissingAuthPlugin('none'), PlacementDenied),
        (ks_exceptions.DiscoveryFailure('none'), PlacementUnavailable),
        (RuntimeError('no such service'), PlacementUnavailable),
        (cfg.NoSuchOptError('auth_url'), PlacementUnavailable),
    ],
)
def test_whatever_keeps_nova_from_asking_is_a_failure(
    monkeypatch, error, told, ask
):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client.nova_adapter', fail
    )
    with pytest.raises(told):
        ask()


def test_the_client_is_made_anew_where_the_catalog_had_no_endpoint(
    monkeypatch, ask
):
    made = []

    class Client:
        session = types.SimpleNamespace()

        def get(self, url, **_):
            raise ks_exceptions.EndpointNotFound('none')

    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client.nova_adapter',
        lambda: made.append(True) or Client(),
    )
    lookups = Lookups(Options())
    for _ in range(2):
        with pytest.raises(PlacementUnavailable):
            ask(lookups=lookups)
    assert len(made) == 2


def test_an_adapter_that_another_thread_forgets_is_used_to_the_end(
    monkeypatch,
):
    connection = Connection()

    class Forgotten:
        def __getattr__(self, name):
            if name != 'session':
                raise AttributeError(name)
            # The other thread found no endpoint, just now.
            connection._adapter = None
            return types.SimpleNamespace()

        def get(self, url, **_):
            raise ks_exceptions.ConnectFailure('none')

    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client.nova_adapter', Forgotten
    )
    client = connection.client(Deadline(5, CircuitBreaker()))
    with pytest.raises(PlacementUnavailable, match='none'):
        client.supports('1.39')


def test_an_adapter_that_another_thread_has_made_since_is_kept(monkeypatch):
    connection, newer = Connection(), object()

    class Older:
        session = types.SimpleNamespace()

        def get(self, url, **_):
            connection._adapter = newer
            raise ks_exceptions.EndpointNotFound('none')

    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client.nova_adapter', Older
    )
    client = connection.client(Deadline(5, CircuitBreaker()))
    with pytest.raises(PlacementUnavailable):
        client.supports('1.39')
    assert connection._adapter is newer


def test_connecting_and_reading_share_the_time(
    serve, placement_conf, monkeypatch, ask
):
    """As a number, it would be for each of them."""
    server = serve({'/': (200, VERSIONS), f'/allocations/{GUEST}': (200, {})})
    placement_conf(**with_token(server))
    seen = []
    send = HTTPAdapter.send

    def spy(self, request, **kwargs):
        # Connecting takes half of it.
        timeout = kwargs['timeout'].clone()
        timeout.start_connect()
        timeout._start_connect -= 4.0
        seen.append((timeout.connect_timeout, timeout.read_timeout))
        return send(self, request, **kwargs)

    monkeypatch.setattr(HTTPAdapter, 'send', spy)
    with contextlib.suppress(PlacementAnswerError):
        ask()
    assert len(seen) == 2
    for connect, read in seen:
        assert connect == pytest.approx(8.0, abs=2)
        assert read == pytest.approx(4.0, abs=2)


def test_requests_share_connections(serve, placement_conf, monkeypatch, ask):
    """A keystoneauth session that goes closes them."""
    closed = []
    monkeypatch.setattr(
        requests.Session, 'close', lambda self: closed.append(self)
    )
    placement_conf(**with_token(serve(HOLDS_NOTHING)))
    lookups = Lookups(Options())
    for _ in range(3):
        ask(lookups=lookups)
    gc.collect()
    assert lookups._connection._adapter.session.session not in closed


def test_no_call_is_made_where_the_time_is_over(monkeypatch, clock):
    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client.nova_adapter', pytest.fail
    )
    lookups = Lookups(Options())
    deadline = lookups.deadline()
    clock.now += 10.0
    with pytest.raises(PlacementUnavailable):
        lookups.client(deadline).call('GET', '/traits')


def test_each_request_has_its_own_deadline(serve, placement_conf):
    """Threads share the session, its connections and its token."""
    server = serve({**HOLDS_NOTHING, f'/allocations/{OTHER}': (200, None)})
    placement_conf(**with_token(server))
    lookups = Lookups(Options(placement_timeout=0.5))
    waits = lookups.deadline()

    def wait():
        with pytest.raises(PlacementUnavailable):
            lookups.held_models(waits, OTHER)

    lookups.held_models(lookups.deadline(), GUEST)
    thread = threading.Thread(target=wait)
    thread.start()
    lookups.held_models(lookups.deadline(), GUEST)
    thread.join(10)
    assert not thread.is_alive()
