"""Every fault between client and Placement has its exception."""

from __future__ import annotations

import time
import types

import pytest
import requests
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from sev_scheduling import exceptions
from sev_scheduling.placement.api import Api, UnknownName
from tests.unit.placement.fake_transport import (
    URL,
    Answer,
    FakeTransport,
    fault,
)


def ask(step, method='GET', **kwargs):
    transport = FakeTransport({f'{method} /things': step})
    return Api(transport.adapter()).call(method, '/things?a=1', **kwargs)


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
    'JSON null': (Answer(content=b'null'), 'PlacementAnswerError', 'JSON'),
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
        'one two?[31m',
    ),
}


@pytest.mark.parametrize(
    ('step', 'name', 'words'), FAULTS.values(), ids=FAULTS
)
def test_each_fault_has_its_exception_of_one_line(step, name, words):
    with pytest.raises(exceptions.PlacementError) as caught:
        ask(step)
    assert type(caught.value).__name__ == name
    message = str(caught.value)
    assert message.startswith('GET /things: ')
    assert words in message
    assert message.isprintable()
    assert 'WebOb' not in message


def test_an_unknown_name_is_a_refusal():
    assert issubclass(UnknownName, exceptions.PlacementRefused)


def test_a_fault_that_is_not_of_the_network_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        ask(ZeroDivisionError())


@pytest.mark.parametrize(
    'step', [Answer(204), Answer(204, {'a': 1}), Answer(200, None)]
)
def test_an_answer_without_a_body_is_empty(step):
    assert ask(step, 'PUT', json={}) == {}


def test_the_answer_is_what_the_object_says():
    assert ask({'a': [1]}) == {'a': [1]}


def test_what_is_sent():
    transport = FakeTransport({'POST /things': {}})
    api = Api(transport.adapter(), timeout=7)
    api.call('POST', '/things', json={'a': 1}, microversion='1.36')
    request = transport.requests[-1]
    assert transport.timeouts == [7, 7]
    headers = request.headers
    assert headers['OpenStack-API-Version'] == 'placement 1.36'
    assert headers['Accept'] == 'application/json'
    assert transport.bodies('POST /things') == [{'a': 1}]


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
    request = transport.requests[-1]
    assert request.headers['OpenStack-API-Version'] == 'placement 1.33'


def test_credentials_that_keystone_refuses():
    transport = FakeTransport({'POST /v3/auth/tokens': fault(401)})
    keystone = f'{URL}/v3'
    auth = Password(keystone, username='u', password='p')
    adapter = Adapter(transport.session(auth), service_type='placement')
    with pytest.raises(exceptions.PlacementDenied, match='credentials'):
        Api(adapter).call('GET', '/things')
    assert transport.calls == ['POST /v3/auth/tokens']


def test_no_credentials_at_all():
    with pytest.raises(exceptions.PlacementDenied):
        Api(Session()).supports('1.33')


@pytest.fixture
def naps(monkeypatch):
    """The seconds slept by keystoneauth, once the clock is a day back."""
    naps = []
    clock = types.SimpleNamespace(
        time=lambda: time.time() - 86400, sleep=naps.append
    )
    monkeypatch.setattr('keystoneauth1._fair_semaphore.time', clock)
    return naps


def test_over_a_session_no_call_waits_for_a_clock_that_was_set_back(naps):
    Api(FakeTransport({}).session()).supports('1.33')
    assert naps == []


def test_the_limits_of_an_adapter_stand(naps):
    transport = FakeTransport({})
    limited = Adapter(transport.session(), endpoint_override=URL, rate_limit=1)
    Api(limited).supports('1.33')
    assert naps
