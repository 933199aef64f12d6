"""Hosts from a Placement elsewhere: by URL, and as OpenStack has them."""

import contextlib
import json
import threading
from wsgiref import simple_server

import pytest

from sev_scheduling.placement import (
    embedded_placement,
    load_cloud,
    read_cloud_file,
)
from tests.contract.cli_placement.conftest import CLOUD

_PASSED_ON = ('X-Auth-Token', 'OpenStack-API-Version', 'Content-Type')


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(application):
    """Serve over HTTP on loopback; yield the URL."""
    server = simple_server.make_server(
        '127.0.0.1', 0, application, handler_class=Quiet
    )
    with server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={'poll_interval': 0.01}
        )
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()


def over_http(adapter):
    """Return a WSGI application that is the Placement behind an adapter."""

    def application(environ, start_response):
        length = int(environ.get('CONTENT_LENGTH') or 0)
        environ |= {'HTTP_CONTENT_TYPE': environ['CONTENT_TYPE']}
        sent = {
            name: value
            for name in _PASSED_ON
            if (value := environ.get(f'HTTP_{name}'.upper().replace('-', '_')))
        }
        path = environ['PATH_INFO'].removeprefix('/placement')
        response = adapter.request(
            f'{path}?{environ["QUERY_STRING"]}',
            environ['REQUEST_METHOD'],
            headers=sent,
            data=environ['wsgi.input'].read(length),
            authenticated=False,
            raise_exc=False,
        )
        start_response(
            f'{response.status_code} {response.reason or "-"}',
            [
                ('Content-Type', response.headers.get('Content-Type', '')),
                ('Content-Length', str(len(response.content))),
            ],
        )
        return [response.content]

    return application


@pytest.fixture(scope='module')
def cloud_elsewhere(tmp_path_factory):
    """The URL of a Placement that is used through HTTP alone."""
    path = tmp_path_factory.mktemp('cloud') / 'cloud.json'
    path.write_text(json.dumps(CLOUD))
    with embedded_placement() as adapter:
        load_cloud(adapter, read_cloud_file(path))
        with serving(over_http(adapter)) as url:
            yield f'{url}/placement'


@pytest.fixture
def endpoint(cloud_elsewhere, run):
    """The same, and what its guests hold is given back."""
    yield cloud_elsewhere
    run(
        *('reconcile', '--placement-url', cloud_elsewhere, '--owner', 'test'),
        *('--older-than', '0s', '--yes'),
    )


def test_guests_are_placed_by_the_placement_at_a_url(run, endpoint, sev):
    options = ('--placement-url', endpoint, '-f', 'json')

    assert len(run('capacity', *options).json()) == 5
    ran = run('schedule', *options, *sev, '--owner', 'test', '--count', 2)
    assert ran.status == 0
    rows = run('capacity', *options, '--model', 'amd-sev').json()
    assert sum(row['Used'] for row in rows) == 12 + 12 + 5 + 4 + 2
    first, second = (row['Instance'] for row in ran.json())
    assert run('release', *options, first).json() == [
        {'Instance': first, 'Released': True}
    ]
    claims = run(
        *('reconcile', *options, '--owner', 'test', '--older-than', '0s')
    ).json()
    assert [claim['Instance'] for claim in claims] == [second]


def test_the_hosts_at_a_url_are_asked(run, endpoint, sev):
    ran = run('explain', *sev, '--placement-url', endpoint)

    assert ran.status == 0
    assert ran.out.startswith('2 of 6 hosts can run this amd-sev guest:\n')
    assert ran.out.endswith('It fits on epyc-1 (2 free), epyc-2 (2 free).\n')


def test_a_token_that_is_no_good_is_reported_in_one_line(run, endpoint):
    ran = run('capacity', '--placement-url', endpoint, '--os-token', 'fish')

    # Of the noauth middleware, any token but admin is a plain user.
    assert (ran.status, ran.out) == (2, '')
    assert '403' in ran.err
    assert ran.err.count('\n') == 1


@pytest.mark.parametrize(
    ('status', 'content_type', 'body', 'told'),
    [
        pytest.param(
            '200 OK', 'text/html', b'<h1>Horizon</h1>', 'no JSON object',
            id='a web page',
        ),
        pytest.param(
            '200 OK', 'application/json', b'{"versions": [', 'no JSON object',
            id='half an answer',
        ),
        pytest.param(
            '300 Multiple Choices', 'application/json',
            b'{"versions": {"values": []}}', '300',
            id='Keystone',
        ),
        pytest.param(
            '404 Not Found', 'text/html', b'nothing', '404',
            id='nothing at the path',
        ),
        pytest.param(
            '401 Unauthorized', 'application/json', b'{}', '401',
            id='a token that has expired',
        ),
        pytest.param(
            '503 Service Unavailable', 'text/plain', b'', '503',
            id='a service that is down',
        ),
        pytest.param(
            '200 OK', 'application/json',
            b'{"versions": [{"min_version": "1.0", "max_version": "1.30"}]}',
            'up to 1.30',
            id='a Placement that is too old',
        ),
    ],
)  # fmt: skip
def test_a_service_that_will_not_do_is_reported_in_one_line(
    run, status, content_type, body, told
):
    def application(environ, start_response):
        start_response(status, [('Content-Type', content_type)])
        return [body]

    with serving(application) as url:
        ran = run('capacity', '-f', 'json', '--placement-url', url)

    assert (ran.status, ran.out) == (2, '')
    assert told in ran.err
    assert ran.err.count('\n') == 1


@pytest.mark.parametrize('path', ['/no/such/path', '/placement/v2'])
def test_a_wrong_path_is_named_as_the_endpoint(run, cloud_elsewhere, path):
    url = cloud_elsewhere.removesuffix('/placement') + path
    ran = run('capacity', '--placement-url', url)

    assert (ran.status, ran.out) == (2, '')
    assert f'{url}/' in ran.err
    assert 'endpoint' in ran.err
    assert ran.err.count('\n') == 1


def test_verbose_shows_what_was_asked_of_whom(run, endpoint):
    ran = run('-v', 'capacity', '--placement-url', endpoint, '-f', 'json')

    assert ran.status == 0
    asked = [line for line in ran.err.splitlines() if endpoint in line]
    assert asked[0].startswith(f'DEBUG: GET {endpoint}/: 200 after ')
    assert any('/resource_providers' in line for line in asked)
    assert 'admin' not in ran.err
    quiet = run('capacity', '--placement-url', endpoint, '-f', 'json')
    assert quiet.err == ''


@pytest.mark.parametrize(
    ('options', 'variables'),
    [
        pytest.param(['--os-cloud', 'here'], {}, id='an option'),
        pytest.param([], {'OS_CLOUD': 'here'}, id='a variable'),
    ],
)
def test_hosts_come_from_a_configured_cloud(
    run, endpoint, monkeypatch, tmp_path, options, variables
):
    pytest.importorskip('openstack')
    clouds = tmp_path / 'clouds.yaml'
    clouds.write_text(
        json.dumps(
            {
                'clouds': {
                    'here': {
                        'auth_type': 'admin_token',
                        'auth': {'endpoint': endpoint, 'token': 'admin'},
                        'placement_endpoint_override': endpoint,
                    }
                }
            }
        )
    )
    monkeypatch.setenv('OS_CLIENT_CONFIG_FILE', str(clouds))
    monkeypatch.delenv('OS_CLOUD', raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    ran = run('capacity', '-f', 'json', *options)
    assert (ran.status, ran.err) == (0, '')
    assert len(ran.json()) == 5
