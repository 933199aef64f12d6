"""Calls to Nova, Glance and Cinder through openstacksdk.

All with the rights of whoever the connection is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sev_scheduling.exceptions import CloudDenied, CloudError
from sev_scheduling.text import one_line, quoted

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter
    from openstack.connection import Connection

#: The JSON of a flavor, image, volume or server.
Facts = dict[str, Any]

#: Embedded flavors came with 2.47, extra specs in lists with 2.61, image
#: properties of servers with 2.98, scheduler hints with 2.100.
_NOVA_MICROVERSION = '2.100'

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the cloud.

    :ivar proxy: its attribute of a connection
    :ivar name: for messages
    :ivar without: what to do where the cloud has none
    """

    proxy: str
    name: str
    without: str


NOVA = Service('compute', 'Nova', 'give files with --flavor and --image')
GLANCE = Service('image', 'Glance', 'give a file with --image')
CINDER = Service(
    'block_storage',
    'Cinder',
    "give the volume as a file that 'openstack volume show -f json' printed",
)


class Services:
    """The services of a cloud, as a user may call them.

    Every method raises :exc:`.CloudDenied` where the user's role does not
    suffice, and another :exc:`.CloudError` where a service is missing, does
    not answer or refuses.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._adapters: dict[Service, Adapter] = {}
        self._microversion: str | None = None

    def show(
        self, service: Service, noun: str, key: str, ident: str
    ) -> Facts | None:
        """Return what a service has by an id; None where it has nothing.

        :param key: of the answer that has it; '' where it is all
        """
        path = f'/{noun}s/{quote(ident, safe="")}'
        what = f'read {noun} {quoted(ident)}'
        answer = self.call(service, 'GET', path, what, missing=True)
        if not answer:
            return None
        return _thing(answer.get(key) if key else answer, service)

    def list_all(
        self,
        service: Service,
        nouns: str,
        path: str,
        params: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[Facts]:
        """Yield what a service lists, page by page."""
        projects = ' of all projects' if 'all_tenants' in params else ''
        what = f'list the {nouns}{projects}'
        pages = {**params, 'limit': str(_PAGE)}
        markers = set()
        while True:
            answer = self.call(service, 'GET', path, what, params=pages)
            found = answer.get(nouns)
            if not isinstance(found, list):
                raise unusable(service)
            for one in found:
                yield _thing(one, service)
            if not found or not answer.keys() & {'next', f'{nouns}_links'}:
                return
            marker = text(found[-1], 'id')
            if marker in markers:
                raise unusable(service)
            markers.add(marker)
            pages['marker'] = marker

    def call(
        self,
        service: Service,
        method: str,
        path: str,
        what: str,
        *,
        missing: bool = False,
        **options: Any,
    ) -> Facts:
        """Call a service; return the object that it answers with.

        :param what: what the call does, for messages
        :param missing: answer {} where there is no such thing
        """
        from keystoneauth1.exceptions import ClientException, ConnectionError
        from openstack.exceptions import HttpException, SDKException
        from openstack.exceptions import raise_from_response as check

        try:
            adapter = self._adapter(service)
            if service is NOVA:
                options['microversion'] = self._microversion
            if method != 'GET':
                # openstacksdk before 4.11 sends a write again whose answer
                # was lost.
                options |= {'connect_retries': 0, 'status_code_retries': 0}
            answer = adapter.request(path, method, raise_exc=False, **options)
            if missing and answer.status_code == 404:
                return {}
            check(answer)
            body = answer.json() if answer.content else {}
        except HttpException as error:
            raise _refusal(service, what, error) from None
        except (ClientException, SDKException) as error:
            failure = CloudError(
                f'{service.name} cannot be asked: '
                f'{one_line(error).rstrip(".")}; -v shows more.'
            )
            failure.unclear = isinstance(error, ConnectionError)
            raise failure from error
        except ValueError:
            raise unusable(service) from None
        if not isinstance(body, dict):
            raise unusable(service)
        return body

    def _adapter(self, service: Service) -> Adapter:
        if service not in self._adapters:
            from keystoneauth1.exceptions import EndpointNotFound
            from openstack import utils
            from openstack.exceptions import ServiceDisabledException

            try:
                adapter: Adapter = getattr(self._connection, service.proxy)
                endpoint = adapter.get_endpoint()
            except (EndpointNotFound, ServiceDisabledException):
                # What openstacksdk makes of a catalog without the service:
                # the first before 4.6, the second since.
                endpoint = None
            if not endpoint:
                raise CloudError(
                    f'The cloud has no {service.name} in its catalog; '
                    f'{service.without}.'
                )
            if service is NOVA:
                self._microversion = utils.maximum_supported_microversion(
                    adapter, _NOVA_MICROVERSION
                )
            self._adapters[service] = adapter
        return self._adapters[service]


def text(one: Facts, key: str) -> str:
    """Return a text; '' where there is none."""
    value = one.get(key)
    return value if isinstance(value, str) else ''


def _thing(answer: object, service: Service) -> Facts:
    """Check that an answer is an object with an id."""
    if isinstance(answer, dict) and isinstance(answer.get('id'), str):
        return answer
    raise unusable(service)


def unusable(service: Service) -> CloudError:
    """Return what to raise of an answer of another shape."""
    error = CloudError(
        f'{service.name} answered with something else than its API says; '
        'is its endpoint in the catalog right?'
    )
    error.unclear = True
    return error


def _refusal(service: Service, what: str, error: Any) -> CloudError:
    """Return what to raise of an error that a service answered with."""
    status = error.status_code
    why = one_line(error.details or '').rstrip('.')
    said = f'{status}: {why}' if why else str(status)
    if status in (401, 403):
        return CloudDenied(
            f'{service.name} does not let this user {what} ({said}); use '
            'credentials with a role that may.'
        )
    refusal = CloudError(f'{service.name} did not {what} ({said}).')
    refusal.unclear = status >= 500
    return refusal
