"""FakePlacement: a Placement in memory, for tests of schedulers."""

from __future__ import annotations

import io
import json
import re
import threading
from typing import Any

import requests
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from requests.structures import CaseInsensitiveDict

from sev_scheduling.exceptions import InputError
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.testing.calls import Call
from sev_scheduling.testing.queries import parse_params
from sev_scheduling.testing.refusal import Refusal
from sev_scheduling.testing.routes import ROUTES
from sev_scheduling.testing.store import Store

_VERSION = re.compile(r'(\d{1,3})\.(\d{1,3})')
OLDEST = 33
NEWEST = 39


class FakePlacement(Adapter):
    """A keystoneauth1 adapter onto a Placement in memory.

    It answers what :class:`.PlacementClient` and :func:`.add_host` ask, as
    the real one does: the contract tests of this project hold both together.
    Anything else is answered with 404 or 405, and microversions other than
    1.33 to 1.39 with 406. It raises no exceptions for these, unless a call
    has ``raise_exc=True``. Threads may share it.

    :param max_microversion: pretend to be an older Placement
    :raises InputError: where it is not of the form 1.39
    :ivar calls: method and URL of every call so far
    """

    def __init__(self, max_microversion: str = f'1.{NEWEST}') -> None:
        super().__init__(Session(), service_type='placement', raise_exc=False)
        match = _VERSION.fullmatch(max_microversion)
        if match is None or match[1] != '1':
            raise InputError(
                f'Microversion {max_microversion!r} is not of the form 1.39.'
            )
        self._newest = int(match[2])
        self._store = Store()
        self._lock = threading.Lock()
        self.calls: list[tuple[str, str]] = []

    def client(self) -> PlacementClient:
        """Return a client of it."""
        return PlacementClient(self)

    def request(
        self, url: str, method: str, **kwargs: Any
    ) -> requests.Response:
        """Answer one call.

        :param kwargs: ``microversion``, ``json`` and ``raise_exc`` as
            keystoneauth1 has them, and the header OpenStack-API-Version;
            others change nothing
        """
        method = method.upper()
        headers = CaseInsensitiveDict(kwargs.get('headers') or {})
        microversion = (
            kwargs.get('microversion')
            or headers.get('openstack-api-version')
            or self.default_microversion
        )
        try:
            with self._lock:
                self.calls.append((method, url))
                status, body = self._answer(
                    url, method, microversion, kwargs.get('json')
                )
        except Refusal as refusal:
            status = refusal.status
            error = {'status': status, 'detail': refusal.detail}
            body = {'errors': [error]}
        response = _response(status, body)
        if kwargs.get('raise_exc', self.raise_exc) and status >= 400:
            raise ks_exceptions.from_response(response, method, url)
        return response

    def _answer(
        self, url: str, method: str, microversion: str | None, body: Any
    ) -> tuple[int, Any]:
        path, _, query = url.partition('?')
        path = path.rstrip('/')
        if not path and method == 'GET':
            newest = f'1.{self._newest}'
            version = {'min_version': '1.0', 'max_version': newest}
            return 200, {'versions': [version]}
        minor = self._minor_of(microversion)
        call = Call(self._store, minor, parse_params(query), body)
        allowed = False
        for pattern, methods in ROUTES:
            match = pattern.fullmatch(path)
            if match and method in methods:
                return methods[method](call, *match.groups())
            allowed = allowed or bool(match)
        if allowed:
            raise Refusal(405, f'{method} is not allowed for {path}.')
        raise Refusal(404, f'{path} could not be found.')

    def _minor_of(self, microversion: str | None) -> int:
        microversion = (microversion or '1.0').removeprefix('placement ')
        if microversion == 'latest':
            return self._newest
        match = _VERSION.fullmatch(microversion)
        if match is None:
            raise Refusal(400, f'invalid version string: {microversion}')
        major, minor = int(match[1]), int(match[2])
        if major != 1 or not OLDEST <= minor <= self._newest:
            raise Refusal(
                406,
                f'Microversion {microversion} is not acceptable; this '
                f'Placement has 1.{OLDEST} to 1.{self._newest}.',
            )
        return minor


def _response(status: int, body: Any) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    content = b''
    if body is not None:
        content = json.dumps(body).encode()
        response.headers['content-type'] = 'application/json'
    response.raw = io.BytesIO(content)
    return response
