"""Read an OpenStack cloud through openstacksdk, and apply fixes to it.

All with the rights of whoever the connection is for. What comes back has the
shape of the services' own JSON, which :func:`.parse` reads as it reads what
``openstack … show -f json`` prints.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from oslo_utils import uuidutils

from sev_scheduling.exceptions import CloudDenied, CloudError, InputError
from sev_scheduling.problems import Fix, Target
from sev_scheduling.text import one_line, printable, quoted

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter
    from openstack.connection import Connection

#: The JSON of a flavor, image, volume or server.
Facts = dict[str, Any]

#: Embedded flavors came with 2.47, extra specs in lists with 2.61, image
#: properties of servers with 2.98, scheduler hints with 2.100.
_NOVA_MICROVERSION = '2.100'

_PAGE = 1000
_MAX_NAME = 255
_JSON_PATCH = 'application/openstack-images-v2.1-json-patch'


@dataclass(frozen=True, slots=True)
class _Service:
    """A service of the cloud.

    :ivar proxy: its attribute of a connection
    :ivar name: for messages
    :ivar without: what to do where the cloud has none
    """

    proxy: str
    name: str
    without: str


_NOVA = _Service('compute', 'Nova', 'give files with --flavor and --image')
_GLANCE = _Service('image', 'Glance', 'give a file with --image')
_CINDER = _Service(
    'block_storage',
    'Cinder',
    "give the volume as a file that 'openstack volume show -f json' printed",
)


class OpenStackCloud:
    """What a user sees of a cloud, and may change.

    A ``name`` in what it returns identifies one thing: it is the id where
    the name is empty, not unique, or could not be typed in a command.

    Every method raises :exc:`.CloudDenied` where the user's role does not
    suffice, another :exc:`.CloudError` where a service is missing, does not
    answer or refuses, and :exc:`.InputError` where a name is not that of one
    thing.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._adapters: dict[_Service, Adapter] = {}
        self._microversion: str | None = None

    def flavor(self, name_or_id: str) -> Facts:
        """Return a flavor with its extra specs."""
        flavors = self._flavors()
        flavor = _only(_one('flavor', name_or_id, flavors), flavors)
        return self._with_extra_specs(flavor)

    def flavors(self) -> list[Facts]:
        """Return all flavors that the user sees, with their extra specs."""
        flavors = self._flavors()
        return [
            self._with_extra_specs(flavor)
            for flavor in _identified(flavors, flavors)
        ]

    def image(self, name_or_id: str) -> Facts:
        """Return an image; its properties stand beside its other fields."""
        if uuidutils.is_uuid_like(name_or_id):
            image = self._show(_GLANCE, 'image', '', name_or_id)
            if image is not None:
                return _only(image, self._images_named(_text(image, 'name')))
        # Lists leave hidden ones out, unless they are asked for.
        for hidden in ({}, {'os_hidden': 'true'}):
            found = self._images_named(name_or_id, **hidden)
            if found:
                break
        return _only(_one('image', name_or_id, found), found)

    def images(self) -> list[Facts]:
        """Return all images that Glance lists for the user."""
        images = list(self._list(_GLANCE, 'images', '/images'))
        return _identified(images, images)

    def volume(self, name_or_id: str) -> Facts:
        """Return a volume of the project.

        Its image properties are ``volume_image_metadata``.
        """
        if uuidutils.is_uuid_like(name_or_id):
            volume = self._show(_CINDER, 'volume', 'volume', name_or_id)
            if volume is not None:
                same = self._volumes_named(_text(volume, 'name'))
                return _only(volume, same)
        found = self._volumes_named(name_or_id)
        return _only(_one('volume', name_or_id, found), found)

    def has_volumes(self) -> bool:
        """Whether the cloud has Cinder in its catalog."""
        try:
            self._adapter(_CINDER)
        except CloudError:
            return False
        return True

    def bootable_volumes(self) -> list[Facts]:
        """Return bootable volumes, for administrators of all projects."""
        path = _CINDER, 'volumes', '/volumes/detail'
        volumes = list(self._list(*path, {'all_tenants': 'true'}))
        return _identified(
            (one for one in volumes if one.get('bootable') == 'true'), volumes
        )

    def server(self, name_or_id: str) -> Facts:
        """Return a server: by its id, or by its name in the project."""
        if uuidutils.is_uuid_like(name_or_id):
            server = self._show(_NOVA, 'server', 'server', name_or_id)
            if server is not None:
                return server
        # Nova takes the name for a regular expression of its database's kind.
        words = re.findall('[A-Za-z0-9]+', name_or_id)
        servers = self._list(
            *(_NOVA, 'servers', '/servers/detail'),
            {'name': max(words, key=len)} if words else {},
        )
        return _one('server', name_or_id, servers)

    def servers(
        self, host: str | None = None, all_projects: bool = True
    ) -> list[Facts]:
        """Return servers.

        :param host: those on this compute host alone: by the name of its
            service or of its hypervisor
        :param all_projects: not of the user's project alone, which takes an
            administrator
        """
        scope = {'all_tenants': 'true'} if all_projects else {}
        path = _NOVA, 'servers', '/servers/detail'
        if host is None:
            return list(self._list(*path, scope))
        keys = 'OS-EXT-SRV-ATTR:host', 'OS-EXT-SRV-ATTR:hypervisor_hostname'
        found = {}
        for parameter in ('host', 'node'):
            for server in self._list(*path, {**scope, parameter: host}):
                # From users who may not filter by it, nova takes no filter.
                if not server.keys() & {*keys}:
                    raise CloudDenied(
                        'Nova does not show this user the hosts of servers; '
                        "use an administrator's credentials."
                    )
                if host in (server.get(key) for key in keys):
                    found[server['id']] = server
        return list(found.values())

    def server_actions(self, server: str) -> list[Facts]:
        """Return the actions on a server, by its id.

        Each has ``action``, ``start_time``, and ``message``, which is None
        unless it failed.
        """
        what = f'list the actions on server {quoted(server)}'
        path = f'/servers/{quote(server, safe="")}/os-instance-actions'
        found = self._json(_NOVA, 'GET', path, what).get('instanceActions')
        if not isinstance(found, list) or not all(
            isinstance(one, dict) for one in found
        ):
            raise _unusable(_NOVA)
        return found

    def aggregates(self) -> list[Facts]:
        """Return the host aggregates, with ``uuid`` and ``metadata``."""
        what = 'list the aggregates'
        answer = self._json(_NOVA, 'GET', '/os-aggregates', what)
        found = answer.get('aggregates')
        keys = {'id', 'uuid', 'name', 'metadata'}
        if not isinstance(found, list) or not all(
            isinstance(one, dict) and one.keys() >= keys for one in found
        ):
            raise _unusable(_NOVA)
        return found

    def hypervisors(self) -> list[Facts]:
        """Return the hypervisors, with ``service`` and its ``host``."""
        path = _NOVA, 'hypervisors', '/os-hypervisors/detail'
        found = list(self._list(*path))
        for one in found:
            service = one.get('service')
            if not isinstance(service, dict) or not (
                _text(service, 'host') and _text(one, 'hypervisor_hostname')
            ):
                raise _unusable(_NOVA)
        return found

    def compute_services(self) -> list[Facts]:
        """Return the compute services: host, zone, state, status."""
        params = {'binary': 'nova-compute'}
        found = self._json(
            *(_NOVA, 'GET', '/os-services', 'list the compute services'),
            params=params,
        ).get('services')
        if not isinstance(found, list) or not all(
            isinstance(one, dict) and _text(one, 'host') for one in found
        ):
            raise _unusable(_NOVA)
        return found

    def server_groups(self) -> list[Facts]:
        """Return the server groups of all projects."""
        path = _NOVA, 'server_groups', '/os-server-groups'
        return list(self._list(*path, {'all_projects': 'true'}))

    def apply(self, fix: Fix) -> tuple[str, ...]:
        """Make a change that a fix asks for, where it is not made yet.

        :returns: the keys that were changed; empty where nothing had to be
        :raises InputError: where OpenStack's API cannot make it: a fix of a
            host or a server, and advice
        :raises CloudError: as every method; its ``changed`` are the keys
            that were changed before
        """
        if fix.target not in _CHANGES or fix.name is None:
            raise InputError(
                f'{fix.target or "Advice"}: no call of OpenStack makes this '
                'change; make it as its text says.'
            )
        find, held, change = _CHANGES[fix.target]
        found = find(self, fix.name)
        properties = (found.get(held) or {}) if held else found
        put = {k: v for k, v in fix.set.items() if properties.get(k) != v}
        drop = [key for key in fix.unset if key in properties]
        if put or drop:
            change(self, found['id'], put, drop, properties)
        return (*put, *drop)

    # What the methods above are made of.

    def _flavors(self) -> list[Facts]:
        # None: public and private ones; nova heeds it from administrators.
        public = {'is_public': 'None'}
        return list(self._list(_NOVA, 'flavors', '/flavors/detail', public))

    def _with_extra_specs(self, flavor: Facts) -> Facts:
        """Ask for the extra specs where the list has none.

        Nova lists them from 2.61 on, where the policy lets the user see them.
        """
        if 'extra_specs' in flavor:
            return flavor
        path = _extra_specs(flavor['id'])
        what = f'read the extra specs of flavor {quoted(flavor["name"])}'
        answer = self._json(_NOVA, 'GET', path, what)
        return {**flavor, 'extra_specs': answer.get('extra_specs') or {}}

    def _images_named(self, name: str, **params: str) -> list[Facts]:
        # Before a colon Glance expects an operator.
        if name and ':' not in name:
            params['name'] = name
        images = self._list(_GLANCE, 'images', '/images', params)
        return [image for image in images if image.get('name') == name]

    def _volumes_named(self, name: str) -> list[Facts]:
        volumes = self._list(
            *(_CINDER, 'volumes', '/volumes/detail'),
            {'name': name} if name else {},
        )
        return [volume for volume in volumes if volume.get('name') == name]

    def _set_extra_specs(
        self,
        flavor: str,
        put: Mapping[str, str],
        drop: Sequence[str],
        _: Mapping[str, Any],
    ) -> None:
        path = _extra_specs(flavor)
        what = f'change the extra specs of flavor {quoted(flavor)}'
        if put:
            self._json(_NOVA, 'POST', path, what, json={'extra_specs': put})
        changed = list(put)
        for key in drop:
            try:
                target = f'{path}/{quote(key, safe="")}'
                self._json(_NOVA, 'DELETE', target, what)
            except CloudError as error:
                error.changed = tuple(changed)
                raise
            changed.append(key)

    def _patch_image(
        self,
        image: str,
        put: Mapping[str, str],
        drop: Sequence[str],
        held: Mapping[str, Any],
    ) -> None:
        changes: list[dict[str, str]] = [
            {
                'op': 'replace' if key in held else 'add',
                'path': _pointer(key),
                'value': value,
            }
            for key, value in put.items()
        ]
        changes += [{'op': 'remove', 'path': _pointer(key)} for key in drop]
        self._json(
            *(_GLANCE, 'PATCH', f'/images/{image}'),
            f'change image {quoted(image)}',
            json=changes,
            headers={'Content-Type': _JSON_PATCH},
        )

    def _set_volume_metadata(
        self,
        volume: str,
        put: Mapping[str, str],
        drop: Sequence[str],
        _: Mapping[str, Any],
    ) -> None:
        path = f'/volumes/{volume}/action'
        what = f'change the image properties of volume {quoted(volume)}'
        if put:
            body: Any = {'os-set_image_metadata': {'metadata': dict(put)}}
            self._json(_CINDER, 'POST', path, what, json=body)
        changed = list(put)
        for key in drop:
            body = {'os-unset_image_metadata': {'key': key}}
            try:
                self._json(_CINDER, 'POST', path, what, json=body)
            except CloudError as error:
                error.changed = tuple(changed)
                raise
            changed.append(key)

    def _show(
        self, service: _Service, noun: str, key: str, ident: str
    ) -> Facts | None:
        """Return what a service has by an id; None where it has nothing.

        :param key: of the answer that has it; '' where it is all
        """
        path = f'/{noun}s/{quote(ident, safe="")}'
        what = f'read {noun} {quoted(ident)}'
        answer = self._json(service, 'GET', path, what, missing=True)
        if not answer:
            return None
        return _thing(answer.get(key) if key else answer, service)

    def _list(
        self,
        service: _Service,
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
            answer = self._json(service, 'GET', path, what, params=pages)
            found = answer.get(nouns)
            if not isinstance(found, list):
                raise _unusable(service)
            for one in found:
                yield _thing(one, service)
            if not found or not answer.keys() & {'next', f'{nouns}_links'}:
                return
            marker = _text(found[-1], 'id')
            if marker in markers:
                raise _unusable(service)
            markers.add(marker)
            pages['marker'] = marker

    def _json(
        self,
        service: _Service,
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
        from keystoneauth1.exceptions import ClientException
        from openstack.exceptions import HttpException, SDKException
        from openstack.exceptions import raise_from_response as check

        try:
            adapter = self._adapter(service)
            if service is _NOVA:
                options['microversion'] = self._microversion
            answer = adapter.request(path, method, raise_exc=False, **options)
            if missing and answer.status_code == 404:
                return {}
            check(answer)
            body = answer.json() if answer.content else {}
        except HttpException as error:
            raise _refusal(service, what, error) from None
        except (ClientException, SDKException) as error:
            raise CloudError(
                f'{service.name} cannot be asked: '
                f'{one_line(error).rstrip(".")}; -v shows more.'
            ) from error
        except ValueError:
            raise _unusable(service) from None
        if not isinstance(body, dict):
            raise _unusable(service)
        return body

    def _adapter(self, service: _Service) -> Adapter:
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
            if service is _NOVA:
                self._microversion = utils.maximum_supported_microversion(
                    adapter, _NOVA_MICROVERSION
                )
            self._adapters[service] = adapter
        return self._adapters[service]


#: Target -> how it is found, the key of its properties, how they change.
_CHANGES: Mapping[Target | None, tuple[Any, str, Any]] = {
    Target.FLAVOR: (
        OpenStackCloud.flavor,
        'extra_specs',
        OpenStackCloud._set_extra_specs,
    ),
    Target.IMAGE: (OpenStackCloud.image, '', OpenStackCloud._patch_image),
    Target.VOLUME: (
        OpenStackCloud.volume,
        'volume_image_metadata',
        OpenStackCloud._set_volume_metadata,
    ),
}


def _one(noun: str, name_or_id: str, found: Iterable[Facts]) -> Facts:
    """Return the one of an id, else of a name.

    :raises InputError: where there is none, or several have the name
    """
    found = list(found)
    matches = [one for one in found if one['id'] == name_or_id] or [
        one for one in found if one.get('name') == name_or_id
    ]
    if len(matches) == 1:
        return matches[0]
    shown = quoted(name_or_id)
    if not matches:
        raise InputError(
            f'There is no {noun} {shown} that this user sees, by name or by '
            f"id; see 'openstack {noun} list'."
        )
    ids = ', '.join(printable(one['id']) for one in matches)
    raise InputError(
        f'{len(matches)} {noun}s have the name {shown}; give one of their '
        f'ids: {ids}.'
    )


def _only(one: Facts, among: Sequence[Facts]) -> Facts:
    return _identified([one], [one, *among])[0]


def _identified(
    things: Iterable[Facts], among: Iterable[Facts]
) -> list[Facts]:
    """Put the id in place of names that do not identify one thing.

    :param among: all that a command looks through, by name and by id
    """
    distinct = {one['id']: one for one in among}.values()
    known = Counter(
        word for one in distinct for word in {one['id'], _text(one, 'name')}
    )
    return [
        one
        if known[_text(one, 'name')] == 1 and _can_be_typed(one['name'])
        else {**one, 'name': one['id']}
        for one in things
    ]


def _can_be_typed(name: str) -> bool:
    """Report whether a name survives in a line of text, and is no uuid."""
    return (
        0 < len(name) <= _MAX_NAME
        and name == name.strip()
        and name.isprintable()
        and not uuidutils.is_uuid_like(name)
    )


def _text(one: Facts, key: str) -> str:
    value = one.get(key)
    return value if isinstance(value, str) else ''


def _extra_specs(flavor: str) -> str:
    return f'/flavors/{quote(flavor, safe="")}/os-extra_specs'


def _pointer(key: str) -> str:
    """Return a JSON pointer to an image property."""
    return '/' + key.replace('~', '~0').replace('/', '~1')


def _thing(answer: object, service: _Service) -> Facts:
    """Check that an answer is an object with an id."""
    if isinstance(answer, dict) and isinstance(answer.get('id'), str):
        return answer
    raise _unusable(service)


def _unusable(service: _Service) -> CloudError:
    return CloudError(
        f'{service.name} answered with something else than its API says; '
        'is its endpoint in the catalog right?'
    )


def _refusal(service: _Service, what: str, error: Any) -> CloudError:
    """Return what to raise of an error that a service answered with."""
    status = error.status_code
    why = one_line(error.details or '').rstrip('.')
    said = f'{status}: {why}' if why else str(status)
    if status in (401, 403):
        return CloudDenied(
            f'{service.name} does not let this user {what} ({said}); use '
            'credentials with a role that may.'
        )
    return CloudError(f'{service.name} did not {what} ({said}).')
