"""The way to Placement: nova's report client over real HTTP."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time

import pytest
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from nova.scheduler.client import report
from oslo_config import cfg
from requests.adapters import HTTPAdapter

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementDenied,
    PlacementError,
    PlacementUnavailable,
)
from sev_scheduling.nova.lookups.client import placement_client
from sev_scheduling.nova.lookups.deadline import Budget
from sev_scheduling.nova.lookups.lookups import Lookups
from tests.unit.nova.factories import CONF

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
        path = self.path.partition('?')[0]
        self.server.requests.append((self.command, self.path, self.headers))
        status, body = self.server.answers.get(path, (404, {}))
        if body is None:
            self.server.released.wait(30)
            return
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

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

    def configure(**options):
        # The options of a plug-in are known once it is loaded.
        configured('placement', auth_type=options.pop('auth_type'))
        plugin = loading.get_plugin_loader(CONF.placement.auth_type)
        with contextlib.suppress(cfg.DuplicateOptError):
            CONF.register_opts(
                loading.get_auth_plugin_conf_options(plugin), 'placement'
            )
        configured('placement', **options)

    return configure


def with_token(server):
    return {'auth_type': 'admin_token', 'endpoint': server.url, 'token': 't'}


def test_nova_s_own_client_asks_with_nova_s_own_credentials(
    serve, placement_conf, monkeypatch
):
    server = serve(
        {'/': (200, VERSIONS), '/allocations/x': (200, {'allocations': {}})}
    )
    placement_conf(**with_token(server))
    asked = []
    original = report.SchedulerReportClient.get

    def get(self, url, version=None, **kwargs):
        asked.append((url, version))
        return original(self, url, version=version, **kwargs)

    monkeypatch.setattr(report.SchedulerReportClient, 'get', get)
    lookups = Lookups(lambda: 60.0, lambda: 10.0)

    assert lookups.slot_provider('x') is None
    assert asked == [('/', None), ('/allocations/x', '1.33')]
    _, path, headers = server.requests[-1]
    assert path == '/allocations/x'
    assert headers['X-Auth-Token'] == 't'
    assert headers['OpenStack-API-Version'] == 'placement 1.33'
    assert headers['Accept'] == 'application/json'
    # The client is made once, and knows the versions.
    lookups.slot_provider('x')
    assert len(server.requests) == 3


@pytest.mark.parametrize('silent', ['/', '/allocations/x'])
def test_a_placement_that_does_not_answer_is_waited_for_in_time(
    serve, placement_conf, silent
):
    answers = {'/': (200, VERSIONS), '/allocations/x': (200, {})}
    server = serve({**answers, silent: (200, None)})
    placement_conf(**with_token(server), connect_retries=9)
    lookups = Lookups(lambda: 60.0, lambda: 0.2)

    start = time.monotonic()
    with pytest.raises(PlacementUnavailable):
        lookups.slot_provider('x')
    assert 0.15 < time.monotonic() - start < 5
    # Not a second time.
    assert [path for _, path, _ in server.requests].count(silent) == 1


def test_a_keystone_that_does_not_answer_is_waited_for_in_time(
    serve, placement_conf
):
    """Nova waits for it without end, unless ``[placement] timeout`` is set."""
    server = serve({'/v3/auth/tokens': (201, None)})
    placement_conf(
        auth_type='v3password',
        auth_url=f'{server.url}/v3',
        username='nova',
        password='secret',
        user_domain_name='Default',
        project_name='service',
        project_domain_name='Default',
    )
    lookups = Lookups(lambda: 60.0, lambda: 0.2)
    start = time.monotonic()
    with pytest.raises(PlacementError) as raised:
        lookups.slot_provider('x')
    assert 0.15 < time.monotonic() - start < 5
    assert 'secret' not in str(raised.value)


def test_it_is_not_asked_again_by_itself(serve, placement_conf):
    server = serve({'/': (503, {})})
    placement_conf(**with_token(server), status_code_retries=9)
    with pytest.raises(PlacementUnavailable):
        Lookups(lambda: 60.0, lambda: 10.0).slot_provider('x')
    assert len(server.requests) == 1


def test_nobody_listens(placement_conf, serve):
    server = serve({})
    server.shutdown()
    server.server_close()
    placement_conf(**with_token(server), connect_retries=9)
    with pytest.raises(PlacementUnavailable):
        Lookups(lambda: 60.0, lambda: 10.0).slot_provider('x')


def test_nothing_is_configured(configured):
    """As in a nova.conf without ``[placement]``."""
    with pytest.raises(PlacementError):
        Lookups(lambda: 60.0, lambda: 10.0).slot_provider('x')


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
    monkeypatch, error, told
):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client._report_client', fail
    )
    with pytest.raises(told):
        Lookups(lambda: 60.0, lambda: 10.0).slot_provider('x')


def test_the_client_is_made_anew_where_the_catalog_had_no_endpoint(
    monkeypatch,
):
    made = []

    class Client:
        def get(self, url, version):
            raise ks_exceptions.EndpointNotFound('none')

    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client._report_client',
        lambda budget: made.append(budget) or Client(),
    )
    lookups = Lookups(lambda: 60.0, lambda: 10.0)
    for _ in range(2):
        with pytest.raises(PlacementUnavailable):
            lookups.slot_provider('x')
    assert len(made) == 2


def test_connecting_and_reading_share_the_time(
    serve, placement_conf, monkeypatch
):
    """As a number, it would be for each of them."""
    server = serve({'/': (200, VERSIONS), '/allocations/x': (200, {})})
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
        Lookups(lambda: 60.0, lambda: 10.0).slot_provider('x')
    assert len(seen) == 2
    for connect, read in seen:
        assert connect == pytest.approx(8.0, abs=2)
        assert read == pytest.approx(4.0, abs=2)


def test_no_call_is_made_where_the_time_is_over(monkeypatch):
    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.client._report_client',
        pytest.fail,
    )
    now = [0.0]
    budget = Budget(lambda: 10.0, lambda: now[0])
    client = placement_client(budget)
    with budget.step():
        budget.left()
        now[0] = 10.0
        with pytest.raises(PlacementUnavailable):
            client.call('GET', '/traits')
