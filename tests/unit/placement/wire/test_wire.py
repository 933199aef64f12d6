"""The wire: faults, microversions, what is sent, and what is not twice."""

from __future__ import annotations

import contextlib
import time
import types

import pytest
import requests
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from sev_scheduling import exceptions, translate
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.wire.faults import NotFound, UnknownName
from tests.unit.placement.fake_transport import (
    CANDIDATES,
    EMPTY,
    URL,
    Answer,
    FakeTransport,
    api_of,
    fault,
    sev_request,
    versions,
)

NESTED = b'[' * 100_000

FAULTS = {
    '400': (fault(400), 'PlacementRefused', 'because'),
    '401': (fault(401), 'PlacementDenied', 'because'),
    '403': (fault(403), 'PlacementDenied', 'because'),
    '404 from Placement': (fault(404), 'NotFound', 'because'),
    '404 from elsewhere': (
        Answer(404, content=b'<html>', content_type='text/html'),
        'PlacementAnswerError',
        'not from Placement',
    ),
    "a gateway's 404 that looks alike": (
        fault(404, own=False),
        'PlacementAnswerError',
        'not from Placement',
    ),
    '405': (fault(405), 'PlacementRefused', '405'),
    '406': (fault(406), 'PlacementTooOld', '1.33'),
    '408': (fault(408), 'PlacementUnavailable', '408'),
    '409': (fault(409), 'PlacementConflict', 'because'),
    '429': (fault(429), 'PlacementUnavailable', '429'),
    '500': (fault(500), 'PlacementUnavailable', 'see its log'),
    '502': (Answer(502, content=b'bad gateway'), 'PlacementUnavailable', ''),
    '503': (Answer(503), 'PlacementUnavailable', '503'),
    '599': (Answer(599), 'PlacementUnavailable', '599'),
    '302 without a place': (Answer(304), 'PlacementAnswerError', '304'),
    'an unknown trait': (
        fault(400, 'No such trait(s): CUSTOM_X.'),
        'UnknownName',
        'No such trait(s): CUSTOM_X.',
    ),
    'a fault nested without end': (
        Answer(400, content=NESTED),
        'PlacementRefused',
        '400',
    ),
    'errors of another shape': (
        Answer(400, {'errors': {'0': 'x'}}),
        'PlacementRefused',
        '400',
    ),
    'no JSON': (
        Answer(content=b'<html>hello', content_type='text/html'),
        'PlacementAnswerError',
        'text/html',
    ),
    'truncated JSON': (
        Answer(content=b'{"versions": [{"max'),
        'PlacementAnswerError',
        'no JSON object',
    ),
    'a JSON list': (Answer(content=b'[]'), 'PlacementAnswerError', '2 bytes'),
    'JSON nested without end': (
        Answer(content=NESTED),
        'PlacementAnswerError',
        '100000 bytes',
    ),
    'connection refused': (
        requests.exceptions.ConnectionError('refused'),
        'PlacementUnavailable',
        'refused',
    ),
    'reset in the middle of an answer': (
        requests.exceptions.ChunkedEncodingError('broken'),
        'PlacementUnavailable',
        'broken',
    ),
    'no connection in time': (
        requests.exceptions.ConnectTimeout('slow'),
        'PlacementUnavailable',
        'check that it runs',
    ),
    'no answer in time': (
        requests.exceptions.ReadTimeout('slow'),
        'PlacementUnavailable',
        'check that it runs',
    ),
    'a certificate that is not trusted': (
        requests.exceptions.SSLError('self-signed'),
        'PlacementUnavailable',
        'self-signed',
    ),
    'refused credentials': (
        ks_exceptions.Unauthorized('who are you?'),
        'PlacementDenied',
        'who are you?',
    ),
    'a role that is missing': (
        ks_exceptions.Forbidden('no'),
        'PlacementDenied',
        'no',
    ),
    'no such service': (
        ks_exceptions.EndpointNotFound('placement is not in the catalog'),
        'PlacementUnavailable',
        'catalog',
    ),
    'a Keystone that is down': (
        ks_exceptions.ServiceUnavailable('Keystone'),
        'PlacementUnavailable',
        'Keystone',
    ),
    'anything else of keystoneauth': (
        ks_exceptions.ClientException('strange'),
        'PlacementError',
        'strange',
    ),
    'words on several lines': (
        fault(400, 'one\ntwo\x1b[31m'),
        'PlacementRefused',
        r'one two\u001b[31m',
    ),
}


@pytest.mark.parametrize(
    ('step', 'name', 'words'), FAULTS.values(), ids=FAULTS
)
def test_each_fault_has_its_exception_of_one_line(step, name, words):
    api, _ = api_of({'GET /things': step})
    with pytest.raises(exceptions.PlacementError) as caught:
        api.call('GET', '/things?a=1')
    assert type(caught.value).__name__ == name
    message = str(caught.value)
    assert message.startswith('GET /things: ')
    assert words in message
    assert message.isprintable()
    assert 'WebOb' not in message


@pytest.mark.parametrize('kind', [UnknownName, NotFound])
def test_what_placement_does_not_have_is_a_refusal(kind):
    assert issubclass(kind, exceptions.PlacementRefused)


def test_a_fault_that_is_not_of_the_network_is_not_swallowed():
    api, _ = api_of({'GET /things': ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        api.call('GET', '/things')


@pytest.mark.parametrize(
    ('step', 'answer'),
    [
        (Answer(204), {}),
        (Answer(204, {'a': 1}), {}),
        (Answer(200, None), {}),
        ({'a': [1]}, {'a': [1]}),
    ],
)
def test_the_answer_is_the_object_or_empty(step, answer):
    api, _ = api_of({'PUT /things': step})
    assert api.call('PUT', '/things', json={}) == answer


def test_what_is_sent():
    api, transport = api_of({'POST /things': {}}, timeout=7)
    api.call('POST', '/things', json={'a': 1}, microversion='1.36')
    headers = transport.requests[-1].headers
    assert headers['OpenStack-API-Version'] == 'placement 1.36'
    assert headers['Accept'] == 'application/json'
    assert transport.bodies('POST /things') == [{'a': 1}]
    assert transport.timeouts == [7, 7]


def test_compression_is_offered_as_far_as_it_can_be_bounded():
    api, transport = api_of({'GET /things': {}})
    api.call('GET', '/things')
    assert transport.requests[-1].headers['Accept-Encoding'] == 'gzip'


@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE'])
@pytest.mark.parametrize(
    'step', [{}, Answer(204)], ids=['with content', 'without']
)
def test_a_write_is_done_where_placement_itself_says_so(method, step):
    api, _ = api_of({f'{method} /things': step})
    assert api.call(method, '/things', json={}) == {}
    foreign = Answer(200, {}, own=False)
    api, _ = api_of({f'{method} /things': foreign})
    with pytest.raises(exceptions.PlacementAnswerError, match='not from'):
        api.call(method, '/things', json={})


@pytest.mark.parametrize(
    ('step', 'unclear'),
    [
        (fault(400), False),
        (fault(403), False),
        (fault(409), False),
        (fault(404), False),
        (fault(400, own=False), True),
        (Answer(400, content=b'<html>', own=False), True),
        (Answer(400, content=b'<html>'), True),
        (fault(409, own=False), True),
        (fault(503), True),
        (fault(429), True),
        (Answer(content=b'{'), True),
        (Answer(307), True),
        (requests.exceptions.ReadTimeout('slow'), True),
        (ks_exceptions.Unauthorized('who are you?'), True),
        (ks_exceptions.ClientException('strange'), True),
    ],
)
def test_an_error_has_whether_it_may_be_done_all_the_same(step, unclear):
    api, _ = api_of({'POST /things': step})
    with pytest.raises(exceptions.PlacementError) as caught:
        api.call('POST', '/things', json={})
    assert caught.value.unclear is unclear


def adapter_that_retries(transport):
    return transport.adapter(connect_retries=2, status_code_retries=2)


def session_that_retries(transport):
    session = Session(
        auth=Token(URL, 't'),
        session=transport.session().session,
        connect_retries=2,
    )
    return Adapter(session, status_code_retries=2, service_type='placement')


def proxy_that_retries(transport):
    """As openstacksdk makes one, with its default of some releases."""
    pytest.importorskip('openstack')
    from openstack.connection import Connection
    from openstack.placement.v1 import _proxy

    session = transport.session()
    proxy = _proxy.Proxy(
        session,
        service_type='placement',
        endpoint_override=URL,
        connect_retries=2,
        status_code_retries=2,
    )
    proxy._connection = Connection(session=session)
    return proxy


class TestWritesAreSentOnce:
    """Else the answer is the one to the second, a conflict."""

    @pytest.mark.parametrize(
        'adapter',
        [adapter_that_retries, session_that_retries, proxy_that_retries],
    )
    @pytest.mark.parametrize(
        'step',
        [
            requests.exceptions.ConnectionError('reset'),
            fault(503),
            Answer(307, location=f'{URL}/elsewhere'),
        ],
        ids=['a reset', 'a status', 'a redirection'],
    )
    @pytest.mark.parametrize('method', ['POST', 'GET'])
    def test_whatever_the_adapter_does_by_itself(
        self, monkeypatch, adapter, step, method
    ):
        monkeypatch.setattr('time.sleep', lambda seconds: None)
        call = f'{method} /things'
        transport = FakeTransport({call: step, f'{method} /elsewhere': {}})
        api = Api(adapter(transport))
        with contextlib.suppress(exceptions.PlacementError):
            api.call(method, '/things', json={})
        sent = [c for c in transport.calls if c != 'GET /']
        if method == 'POST':
            assert sent == [call]
        else:
            # The test would pass where nothing retries at all.
            assert len(sent) > 1


def with_cause(error, cause):
    error.__cause__ = cause
    return error


RESET = with_cause(
    requests.exceptions.ConnectionError('aborted'),
    ConnectionResetError(104, 'Connection reset by peer'),
)


@pytest.mark.parametrize(
    ('method', 'steps', 'sent', 'answered'),
    [
        pytest.param('GET', [RESET, {}], 2, True, id='a read, once more'),
        pytest.param('GET', [RESET, RESET, {}], 2, False, id='not twice'),
        pytest.param(
            'GET',
            [
                with_cause(
                    requests.exceptions.ConnectionError('refused'),
                    ConnectionRefusedError(111, 'Connection refused'),
                ),
                {},
            ],
            1,
            False,
            id='not where nobody listens',
        ),
        pytest.param(
            'GET',
            [requests.exceptions.ReadTimeout('late'), {}],
            1,
            False,
            id='not where none came in time',
        ),
        *[
            pytest.param(method, [RESET, {}], 1, False, id=f'no {method}')
            for method in ('PUT', 'POST', 'DELETE', 'PATCH')
        ],
    ],
)
def test_a_read_is_sent_once_more_after_a_reset(method, steps, sent, answered):
    transport = FakeTransport({f'{method} /things': steps})
    api = Api(transport.adapter())
    with (
        contextlib.nullcontext()
        if answered
        else pytest.raises(exceptions.PlacementUnavailable)
    ):
        api.call(method, '/things', json={})
    assert transport.calls.count(f'{method} /things') == sent


@pytest.mark.parametrize('service_type', [None, 'placement', 'other'])
def test_the_microversion_is_placements_whatever_the_adapter_is_for(
    service_type,
):
    """An adapter onto an endpoint alone was refused with a TypeError."""
    transport = FakeTransport({'GET /things': {}})
    adapter = transport.adapter(
        service_type=service_type, endpoint_override=URL
    )
    assert Api(adapter).call('GET', '/things') == {}
    headers = transport.requests[-1].headers
    assert headers['OpenStack-API-Version'] == 'placement 1.33'


def test_credentials_that_keystone_refuses():
    transport = FakeTransport({'POST /v3/auth/tokens': fault(401)})
    auth = Password(f'{URL}/v3', username='u', password='p')
    with pytest.raises(exceptions.PlacementDenied, match='credentials'):
        Api(transport.session(auth)).call('GET', '/things')
    assert transport.calls == ['POST /v3/auth/tokens']


def test_no_credentials_at_all():
    with pytest.raises(exceptions.PlacementDenied):
        Api(Session()).supports('1.33')


@pytest.mark.parametrize('limited', [False, True])
def test_only_an_adapters_limit_of_rate_goes_by_the_wall_clock(
    monkeypatch, limited
):
    """It sleeps once the clock is set back, also without a limit."""
    naps = []
    clock = types.SimpleNamespace(
        time=lambda: time.time() - 86400, sleep=naps.append
    )
    monkeypatch.setattr('keystoneauth1._fair_semaphore.time', clock)
    session = FakeTransport({}).session()
    adapter = Adapter(session, endpoint_override=URL, rate_limit=1)
    Api(adapter if limited else session).supports('1.33')
    assert bool(naps) is limited


class TestMicroversions:
    @pytest.mark.parametrize(
        ('newest', 'used'),
        [('1.33', '1.33'), ('1.34', '1.33')]
        + [(newest, '1.35') for newest in ('1.35', '1.36', '1.39', '1.100')],
    )
    def test_from_1_33_on_it_can_be_asked(self, newest, used):
        api, transport = api_of({**versions(newest), CANDIDATES: EMPTY})
        for _ in range(3):
            assert not api.candidates(translate(sev_request()))
        last = transport.requests[-1].headers
        assert last['OpenStack-API-Version'] == f'placement {used}'
        assert transport.calls == ['GET /', *[CANDIDATES] * 3]

    @pytest.mark.parametrize('newest', ['1.0', '1.32'])
    def test_an_older_one_is_refused_with_its_number(self, newest):
        api, transport = api_of(versions(newest))
        with pytest.raises(
            exceptions.PlacementTooOld, match=rf'up to {newest}; 1.33'
        ):
            api.candidates(translate(sev_request()))
        assert transport.calls == ['GET /']

    @pytest.mark.parametrize(
        ('newest', 'cap', 'supported'),
        [('1.39', '1.38', False), ('1.38', '1.39', False),
         ('1.39', '1.39', True), ('1.39', None, True)],
    )  # fmt: skip
    def test_a_later_one_can_be_passed_over(self, newest, cap, supported):
        api, _ = api_of(versions(newest), max_microversion=cap)
        assert api.supports('1.39') is supported

    @pytest.mark.parametrize('cap', ['2.0', '1.', 'latest', '1.39 '])
    def test_a_strange_one_is_refused(self, cap):
        with pytest.raises(
            exceptions.InputError, match=r'^max_microversion is '
        ):
            api_of({}, max_microversion=cap)

    @pytest.mark.parametrize(
        'answer',
        [
            {},
            {'versions': []},
            {'versions': {'id': 'v1.0'}},
            {'versions': [{'max_version': None}]},
            {'versions': [{'max_version': 'v3.14'}]},
            {'versions': 7},
        ],
    )
    def test_another_service_is_no_placement(self, answer):
        api, _ = api_of({'GET /': answer})
        with pytest.raises(exceptions.PlacementAnswerError, match='endpoint'):
            api.supports('1.33')

    def test_a_failure_to_answer_is_not_kept(self):
        api, _ = api_of({'GET /': [fault(503), *versions('1.39').values()]})
        with pytest.raises(exceptions.PlacementUnavailable):
            api.supports('1.33')
        assert api.supports('1.33')

    def test_a_call_of_ones_own_needs_its_microversion(self):
        api, _ = api_of({'GET /traits': {'traits': []}})
        answer = api.call('GET', '/traits', microversion='1.39')
        assert answer == {'traits': []}
        with pytest.raises(exceptions.PlacementTooOld):
            api.call('GET', '/traits', microversion='1.40')


ANY_OF = sev_request('amd-sev-snp', 'amd-sev')
