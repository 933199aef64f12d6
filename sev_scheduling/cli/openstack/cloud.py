"""What a user sees of an OpenStack cloud.

What comes back has the shape of the services' own JSON, which :func:`.parse`
reads as it reads what ``openstack … show -f json`` prints.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from oslo_utils import uuidutils

from sev_scheduling.cli.openstack.services import (
    CINDER,
    GLANCE,
    NOVA,
    Facts,
    Services,
    text,
    unusable,
)
from sev_scheduling.exceptions import CloudDenied, CloudError, InputError
from sev_scheduling.text import printable, quoted

_MAX_NAME = 255


class OpenStackCloud(Services):
    """What a user sees of a cloud.

    A ``name`` in what it returns identifies one thing: it is the id where
    the name is empty, not unique, or could not be typed in a command.

    Every method raises :exc:`.CloudDenied` where the user's role does not
    suffice, another :exc:`.CloudError` where a service is missing, does not
    answer or refuses, and :exc:`.InputError` where a name is not that of one
    thing.
    """

    def flavor(self, name_or_id: str) -> Facts:
        """Return a flavor with its extra specs."""
        flavors = self._flavors()
        flavor = _only(_one('flavor', name_or_id, flavors), flavors)
        return self.with_extra_specs(flavor)

    def flavors(self) -> list[Facts]:
        """Return all flavors that the user sees, with their extra specs."""
        flavors = self._flavors()
        return [
            self.with_extra_specs(flavor)
            for flavor in _identified(flavors, flavors)
        ]

    def image(self, name_or_id: str) -> Facts:
        """Return an image; its properties stand beside its other fields."""
        if uuidutils.is_uuid_like(name_or_id):
            image = self.show(GLANCE, 'image', '', name_or_id)
            if image is not None:
                return _only(image, self._images_named(text(image, 'name')))
        # Lists leave hidden ones out, unless they are asked for.
        for hidden in ({}, {'os_hidden': 'true'}):
            found = self._images_named(name_or_id, **hidden)
            if found:
                break
        return _only(_one('image', name_or_id, found), found)

    def images(self) -> list[Facts]:
        """Return all images that Glance lists for the user."""
        images = list(self.list_all(GLANCE, 'images', '/images'))
        return _identified(images, images)

    def volume(self, name_or_id: str) -> Facts:
        """Return a volume of the project.

        Its image properties are ``volume_image_metadata``.
        """
        if uuidutils.is_uuid_like(name_or_id):
            volume = self.show(CINDER, 'volume', 'volume', name_or_id)
            if volume is not None:
                same = self._volumes_named(text(volume, 'name'))
                return _only(volume, same)
        found = self._volumes_named(name_or_id)
        return _only(_one('volume', name_or_id, found), found)

    def has_volumes(self) -> bool:
        """Whether the cloud has Cinder in its catalog."""
        try:
            self._adapter(CINDER)
        except CloudError:
            return False
        return True

    def bootable_volumes(self) -> list[Facts]:
        """Return bootable volumes, for administrators of all projects."""
        path = CINDER, 'volumes', '/volumes/detail'
        volumes = list(self.list_all(*path, {'all_tenants': 'true'}))
        return _identified(
            (one for one in volumes if one.get('bootable') == 'true'), volumes
        )

    def server(self, name_or_id: str) -> Facts:
        """Return a server: by its id, or by its name in the project."""
        if uuidutils.is_uuid_like(name_or_id):
            server = self.show(NOVA, 'server', 'server', name_or_id)
            if server is not None:
                return server
        # Nova takes the name for a regular expression of its database's kind.
        words = re.findall('[A-Za-z0-9]+', name_or_id)
        servers = self.list_all(
            *(NOVA, 'servers', '/servers/detail'),
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
        path = NOVA, 'servers', '/servers/detail'
        if host is None:
            return list(self.list_all(*path, scope))
        keys = 'OS-EXT-SRV-ATTR:host', 'OS-EXT-SRV-ATTR:hypervisor_hostname'
        found = {}
        for parameter in ('host', 'node'):
            for server in self.list_all(*path, {**scope, parameter: host}):
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
        found = self.call(NOVA, 'GET', path, what).get('instanceActions')
        if not isinstance(found, list) or not all(
            isinstance(one, dict) for one in found
        ):
            raise unusable(NOVA)
        return found

    def aggregates(self) -> list[Facts]:
        """Return the host aggregates, with ``uuid`` and ``metadata``."""
        what = 'list the aggregates'
        answer = self.call(NOVA, 'GET', '/os-aggregates', what)
        found = answer.get('aggregates')
        keys = {'id', 'uuid', 'name', 'metadata'}
        if not isinstance(found, list) or not all(
            isinstance(one, dict) and one.keys() >= keys for one in found
        ):
            raise unusable(NOVA)
        return found

    def hypervisors(self) -> list[Facts]:
        """Return the hypervisors, with ``service`` and its ``host``."""
        path = NOVA, 'hypervisors', '/os-hypervisors/detail'
        found = list(self.list_all(*path))
        for one in found:
            service = one.get('service')
            if not isinstance(service, dict) or not (
                text(service, 'host') and text(one, 'hypervisor_hostname')
            ):
                raise unusable(NOVA)
        return found

    def compute_services(self) -> list[Facts]:
        """Return the compute services: host, zone, state, status."""
        params = {'binary': 'nova-compute'}
        found = self.call(
            *(NOVA, 'GET', '/os-services', 'list the compute services'),
            params=params,
        ).get('services')
        if not isinstance(found, list) or not all(
            isinstance(one, dict) and text(one, 'host') for one in found
        ):
            raise unusable(NOVA)
        return found

    def server_groups(self) -> list[Facts]:
        """Return the server groups of all projects."""
        path = NOVA, 'server_groups', '/os-server-groups'
        return list(self.list_all(*path, {'all_projects': 'true'}))

    # What the methods above are made of.

    def _flavors(self) -> list[Facts]:
        # None: public and private ones; nova heeds it from administrators.
        public = {'is_public': 'None'}
        return list(self.list_all(NOVA, 'flavors', '/flavors/detail', public))

    def with_extra_specs(self, flavor: Facts) -> Facts:
        """Ask for the extra specs where the list has none.

        Nova lists them from 2.61 on, where the policy lets the user see them.
        """
        if 'extra_specs' in flavor:
            return flavor
        path = extra_specs_path(flavor['id'])
        what = f'read the extra specs of flavor {quoted(flavor["name"])}'
        answer = self.call(NOVA, 'GET', path, what)
        return {**flavor, 'extra_specs': answer.get('extra_specs') or {}}

    def _images_named(self, name: str, **params: str) -> list[Facts]:
        # Before a colon Glance expects an operator.
        if name and ':' not in name:
            params['name'] = name
        images = self.list_all(GLANCE, 'images', '/images', params)
        return [image for image in images if image.get('name') == name]

    def _volumes_named(self, name: str) -> list[Facts]:
        volumes = self.list_all(
            *(CINDER, 'volumes', '/volumes/detail'),
            {'name': name} if name else {},
        )
        return [volume for volume in volumes if volume.get('name') == name]


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
        word for one in distinct for word in {one['id'], text(one, 'name')}
    )
    return [
        one
        if known[text(one, 'name')] == 1 and _can_be_typed(one['name'])
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


def extra_specs_path(flavor: str) -> str:
    """Return the path of the extra specs of a flavor, by its id."""
    return f'/flavors/{quote(flavor, safe="")}/os-extra_specs'
