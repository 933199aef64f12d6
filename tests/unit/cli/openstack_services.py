"""Nova, Glance, Cinder and Keystone in memory, behind openstacksdk.

What a connection sends is answered as the services do, as far as
:class:`.OpenStackCloud` asks; ``tests/e2e/test_openstack.py`` holds it
to a real cloud.
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import pytest
import requests

openstack = pytest.importorskip('openstack')
requests_mock = pytest.importorskip('requests_mock')

from keystoneauth1 import fixture, session  # noqa: E402
from keystoneauth1.identity import v3  # noqa: E402

KEYSTONE = 'http://keystone/v3'
SERVICES = {
    'compute': 'http://nova/v2.1',
    'image': 'http://glance',
    'block-storage': 'http://cinder/v3',
    'placement': 'http://placement',
}


class _Conflict(Exception):
    """What Glance answers with 409, and changes nothing of the image."""


_THEIRS = re.compile('http://(keystone|nova|glance|cinder)(/|$)')


class Services:
    """What the services have, and what they were asked.

    :ivar denied: pattern of requests (``GET http://nova/v2.1/flavors``) that
        are answered with 403
    :ivar failing: likewise, with what: a status or an exception
    :ivar lost: likewise, what is done, and the answer is lost
    :ivar page: how many things a list has at most
    :ivar asked: method and URL of each request
    """

    def __init__(self, mocker: Any) -> None:
        self.flavors: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.volumes: list[dict[str, Any]] = []
        self.servers: list[dict[str, Any]] = []
        self.aggregates: list[dict[str, Any]] = []
        self.hypervisors: list[dict[str, Any]] = []
        self.compute_services: list[dict[str, Any]] = []
        self.server_groups: list[dict[str, Any]] = []
        self.actions: dict[str, list[dict[str, Any]]] = {}
        self.catalog = dict(SERVICES)
        self.microversion = '2.104'
        self.administrator = True
        self.denied = '(?!)'
        self.failing: dict[str, Any] = {}
        self.lost = '(?!)'
        self.page = 1000
        self.asked: list[str] = []
        self._ids = itertools.count(1)
        mocker.register_uri(requests_mock.ANY, _THEIRS, json=self._answer)
        self.mocker = mocker

    def connection(self) -> Any:
        auth = v3.Password(
            auth_url=KEYSTONE,
            username='me',
            password='x',
            user_domain_id='default',
            project_name='mine',
            project_domain_id='default',
        )
        return openstack.connection.Connection(
            session=session.Session(auth=auth), region_name='RegionOne'
        )

    def flavor(self, name: str, **extra_specs: str) -> dict[str, Any]:
        flavor = {
            'id': f'flavor-{next(self._ids)}',
            **{'name': name, 'ram': 2048, 'vcpus': 2, 'disk': 10, 'swap': ''},
            'extra_specs': {
                key.replace('__', ':'): value
                for key, value in extra_specs.items()
            },
        }
        self.flavors.append(flavor)
        return flavor

    def image(self, name: str | None, **properties: Any) -> dict[str, Any]:
        image = {
            **{'id': new_id(), 'name': name, 'disk_format': 'qcow2'},
            **{'status': 'active', 'os_hidden': False},
            **properties,
        }
        self.images.append(image)
        return image

    def volume(self, name: str, **facts: Any) -> dict[str, Any]:
        volume = {
            **{'id': new_id(), 'name': name, 'bootable': 'true'},
            'volume_image_metadata': facts,
        }
        self.volumes.append(volume)
        return volume

    def server(self, name: str, **facts: Any) -> dict[str, Any]:
        server = {
            **{'id': new_id(), 'name': name, 'status': 'ACTIVE'},
            **facts,
        }
        self.servers.append(server)
        return server

    # How they answer.

    def _answer(self, request: Any, context: Any) -> Any:
        context.headers['Content-Type'] = 'application/json'
        asked = f'{request.method} {unquote(request.url)}'
        if request.headers.get('OpenStack-API-Version'):
            asked += f' ({request.headers["OpenStack-API-Version"]})'
        rest = request.url.partition('?')[0].partition('://')[2]
        host, _, path = rest.partition('/')
        if host == 'keystone':
            return self._keystone(request, context)
        self.asked.append(asked)
        if re.search(self.denied, asked):
            context.status_code = 403
            return {'forbidden': {'message': 'Policy does not allow it.'}}
        for pattern, failure in self.failing.items():
            if re.search(pattern, asked):
                if isinstance(failure, int):
                    context.status_code = failure
                    return {'fault': {'message': 'no\nluck.'}}
                if isinstance(failure, BaseException):
                    raise failure
                return failure
        if not path.strip('/') or path.strip('/') in ('v2.1', 'v3'):
            return self._versions(host)
        try:
            found = getattr(self, f'_{host}')(request, path)
        except _Conflict:
            context.status_code = 409
            return {'conflict': {'message': 'It is there, or it is not.'}}
        if re.search(self.lost, asked):
            raise requests.exceptions.ConnectionError('cut')
        if found is None:
            context.status_code = 404
            return {'itemNotFound': {'message': 'There is none.'}}
        return found

    def _keystone(self, request: Any, context: Any) -> Any:
        if request.method == 'GET':
            found = fixture.DiscoveryList(href=KEYSTONE, v2=False)
            return {'version': found.versions[0]}
        token = fixture.V3Token(project_id='p')
        for kind, url in self.catalog.items():
            token.add_service(kind).add_standard_endpoints(
                public=url, region='RegionOne'
            )
        context.headers['X-Subject-Token'] = 'token'
        context.status_code = 201
        return token

    def _versions(self, host: str) -> Any:
        found = fixture.DiscoveryList(v2=False, v3=False)
        if host == 'nova':
            found.add_nova_microversion(
                *(f'{SERVICES["compute"]}/', 'v2.1'),
                status='CURRENT',
                min_version='2.1',
                version=self.microversion,
            )
        elif host == 'glance':
            found.add_microversion(
                f'{SERVICES["image"]}/v2/', 'v2.17', status='CURRENT'
            )
        else:
            found.add_microversion(
                *(f'{SERVICES["block-storage"]}/', 'v3.0'),
                status='CURRENT',
                min_version='3.0',
                max_version='3.71',
            )
        return found

    def _paged(self, request: Any, noun: str, things: list[Any]) -> Any:
        start = 0
        if 'marker' in request.qs:
            (marker,) = request.qs['marker']
            ids = [thing['id'].lower() for thing in things]
            start = ids.index(marker) + 1
        page = things[start : start + self.page]
        found = {noun: page}
        if things[start + self.page :]:
            links = 'next' if noun == 'images' else f'{noun}_links'
            found[links] = [{'rel': 'next', 'href': 'http://elsewhere'}]
        return found

    def _nova(self, request: Any, path: str) -> Any:
        _, noun, *rest = path.split('/')
        if noun == 'os-aggregates':
            return {'aggregates': self.aggregates}
        if noun == 'os-services':
            return {'services': self.compute_services}
        if noun == 'os-hypervisors':
            return self._paged(request, 'hypervisors', self.hypervisors)
        if noun == 'os-server-groups':
            return self._paged(request, 'server_groups', self.server_groups)
        rest = [unquote(part) for part in rest]
        if rest == ['detail']:
            things = getattr(self, noun)
            name = request.qs.get('name')
            if name:
                things = [
                    one
                    for one in things
                    if re.search(name[0], one['name'], re.IGNORECASE)
                ]
            if noun == 'flavors' and (
                float(self.microversion[2:]) < 61 or not self.administrator
            ):
                things = [
                    {k: v for k, v in one.items() if k != 'extra_specs'}
                    for one in things
                ]
            if noun == 'servers' and self.administrator:
                for key, attribute in (
                    ('host', 'OS-EXT-SRV-ATTR:host'),
                    ('node', 'OS-EXT-SRV-ATTR:hypervisor_hostname'),
                ):
                    if key in request.qs:
                        (value,) = request.qs[key]
                        things = [o for o in things if o[attribute] == value]
            return self._paged(request, noun, things)
        return self._one_of_nova(request, noun, *rest)

    def _one_of_nova(self, request: Any, noun: str, *rest: str) -> Any:
        thing = _of(getattr(self, noun), rest[0])
        if thing is None:
            return None
        if [*rest[1:]] == ['os-extra_specs']:
            if request.method == 'POST':
                thing['extra_specs'].update(request.json()['extra_specs'])
            return {'extra_specs': thing['extra_specs']}
        if [*rest[1:2]] == ['os-extra_specs']:
            if rest[2] not in thing['extra_specs']:
                return None
            return {
                'extra_specs': {rest[2]: thing['extra_specs'].pop(rest[2])}
            }
        if [*rest[1:]] == ['os-instance-actions']:
            return {'instanceActions': self.actions.get(rest[0], [])}
        return {noun[:-1]: thing}

    def _glance(self, request: Any, path: str) -> Any:
        _, _, *rest = path.split('/')
        if not rest:
            hidden = request.qs.get('os_hidden') == ['true']
            things = [o for o in self.images if o['os_hidden'] is hidden]
            if 'name' in request.qs:
                (name,) = request.qs['name']
                assert ':' not in name
                things = [
                    o for o in things if (o['name'] or '').lower() == name
                ]
            return self._paged(request, 'images', things)
        image = _of(self.images, rest[0])
        if image is not None and request.method == 'PATCH':
            assert request.headers['Content-Type'].endswith('v2.0-json-patch')
            for change in request.json():
                ((op, path),) = {*change.items()} - {
                    ('value', change.get('value'))
                }
                key = path[1:].replace('~1', '/').replace('~0', '~')
                if (op == 'add') is (key in image):
                    raise _Conflict
                if 'value' in change:
                    image[key] = change['value']
                else:
                    del image[key]
        return image

    def _cinder(self, request: Any, path: str) -> Any:
        _, _, *rest = path.split('/')
        if rest == ['detail']:
            things = self.volumes
            if 'name' in request.qs:
                (name,) = request.qs['name']
                things = [o for o in things if o['name'].lower() == name]
            return self._paged(request, 'volumes', things)
        volume = _of(self.volumes, rest[0])
        if volume is None:
            return None
        if rest[1:] == ['action']:
            ((action, body),) = request.json().items()
            if action == 'os-set_image_metadata':
                volume['volume_image_metadata'].update(body['metadata'])
            else:
                del volume['volume_image_metadata'][body['key']]
            return {'metadata': volume['volume_image_metadata']}
        return {'volume': volume}


class Connection:
    """One with another Placement than the connection has."""

    def __init__(self, connection: Any, placement: Any) -> None:
        self._connection = connection
        self.placement = placement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _of(things: list[dict[str, Any]], ident: str) -> dict[str, Any] | None:
    return next((one for one in things if one['id'] == ident), None)


def new_id() -> str:
    return str(uuid.uuid4())


@contextmanager
def services() -> Iterator[Services]:
    # A Placement in this process has a URL too.
    with requests_mock.Mocker(real_http=True) as mocker:
        yield Services(mocker)
