"""What nova says of a server, in every shape users hold it.

A server keeps copies of its flavor and of its image's properties from its
creation; what is set on them later does not reach it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sev_scheduling.exceptions import SpecError
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.request.sources import TRAIT_PREFIX, facts_of
from sev_scheduling.text import printable

#: ``openstack server show`` prints such as ``ubuntu-24.04 (3f…)``.
_NAME_AND_ID = re.compile(r'(.*) \(([0-9a-f-]{36})\)', re.DOTALL)

#: Names of nova's API, and those of ``openstack server show``.
_VOLUMES = ('os-extended-volumes:volumes_attached', 'volumes_attached')


class Unknown(enum.StrEnum):
    """What is not known of a server, and what stands in for it."""

    #: nova shows no copied extra specs to this user; the flavor's of today
    EXTRA_SPECS = 'extra-specs'
    #: nova before 2025.1 (2.98) shows no copied image properties, nor does
    #: ``openstack server show``; the image's of today
    IMAGE_PROPERTIES = 'image-properties'
    #: nova shows none of a server that boots from a volume; the volume's
    VOLUME_PROPERTIES = 'volume-properties'
    #: nova never shows traits that an image required; the image's of today
    IMAGE_TRAITS = 'image-traits'


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """A server.

    :ivar flavor: as copied, in a shape that :func:`.parse` reads; None where
        nova does not show it, or not its extra specs
    :ivar flavor_name: the flavor's name when it was copied
    :ivar image: image properties as copied; None where nova shows none
    :ivar image_id: None where it boots from a volume
    :ivar volumes: uuids of its volumes
    :ivar machine_type: as recorded when it last started; None where unknown
    :ivar placed: it is, or was, on a host
    :ivar fault: nova's message, or None
    :ivar fault_time: as nova writes it, or None
    """

    id: str
    name: str
    status: str
    flavor: Mapping[str, Any] | None = None
    flavor_name: str | None = None
    image: Mapping[str, str] | None = None
    image_id: str | None = None
    volumes: tuple[str, ...] = ()
    placed: bool = False
    fault: str | None = None
    fault_time: str | None = None

    @property
    def machine_type(self) -> str | None:
        return (self.image or {}).get('hw_machine_type')


def server_view(server: Any) -> ServerView:
    """Read a server.

    :param server: Nova API JSON, the output of
        ``openstack server show -f json``, or an openstacksdk ``Server``
    :raises SpecError: where it has no server's shape
    """
    facts = facts_of(server)
    if facts is None or not {'id', 'status', 'flavor'} <= facts.keys():
        raise SpecError(
            'The server is no JSON object of one; give what '
            "'openstack server show -f json' prints."
        )
    fault = facts.get('fault')
    fault = fault if isinstance(fault, Mapping) else {}
    flavor, flavor_name = _flavor(facts['flavor'])
    image, image_id = _image(facts.get('image'))
    return ServerView(
        id=_text(facts['id']) or '',
        name=_text(facts.get('name')) or '',
        status=printable(_text(facts['status']) or ''),
        flavor=flavor,
        flavor_name=flavor_name,
        image=image,
        image_id=image_id,
        volumes=_volumes(facts),
        # hostId is there for everybody.
        placed=bool(_text(facts.get('hostId'))),
        fault=_text(fault.get('message')),
        fault_time=_text(fault.get('created')),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _flavor(flavor: Any) -> tuple[Mapping[str, Any] | None, str | None]:
    if not isinstance(flavor, Mapping):
        # As nova before 2.47 has it, and openstack shows it.
        match = _NAME_AND_ID.fullmatch(_text(flavor) or '')
        return None, match[1] if match else _text(flavor)
    name = _text(flavor.get('original_name'))
    if 'extra_specs' not in flavor or flavor.get('vcpus') is None:
        return None, name or _text(flavor.get('id'))
    # openstacksdk has more names, none of which has a value here.
    return {**flavor, 'name': name, 'id': name}, name


def _image(image: Any) -> tuple[Mapping[str, str] | None, str | None]:
    if isinstance(image, Mapping):
        properties = image.get('properties')
        copied = (
            {k: v for k, v in properties.items() if isinstance(v, str)}
            if isinstance(properties, Mapping)
            else None
        )
        return copied, _text(image.get('id'))
    text = _text(image) or ''
    match = _NAME_AND_ID.fullmatch(text)
    if match:
        return None, match[2]
    # Else it is the id alone, or says that there is none.
    return None, text if re.fullmatch('[0-9a-f-]{36}', text) else None


def _volumes(facts: Mapping[str, Any]) -> tuple[str, ...]:
    found = next((facts[key] for key in _VOLUMES if key in facts), None)
    if not isinstance(found, Sequence) or isinstance(found, str):
        return ()
    return tuple(
        volume['id']
        for volume in found
        if isinstance(volume, Mapping) and _text(volume.get('id'))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRequests:
    """What a server asks for.

    :ivar copied: by the copies that it keeps, as far as they are known
    :ivar today: by its flavor and image as they are today, which is what a
        server created now would ask for; None where they are not there
    :ivar unknown: where a copy is not known, and today's stands in for it
    """

    server: ServerView
    copied: EncryptionRequest
    today: EncryptionRequest | None
    unknown: tuple[Unknown, ...]


def read_server(
    server: ServerView,
    flavor: Mapping[str, Any] | None = None,
    image: Mapping[str, Any] | None = None,
) -> ServerRequests:
    """Read what a server asks for.

    :param flavor: its flavor as it is today, None where it is not there
    :param image: its image, or the volume that it boots from, likewise
    :raises SpecError: where neither a copy nor today's is known
    """
    unknown = []
    copy: Mapping[str, Any] | None = None
    if server.flavor is None:
        unknown.append(Unknown.EXTRA_SPECS)
    if server.image_id is None:
        unknown.append(Unknown.VOLUME_PROPERTIES)
    elif server.image is None:
        unknown.append(Unknown.IMAGE_PROPERTIES)
    else:
        traits = _traits(image or {})
        if traits:
            unknown.append(Unknown.IMAGE_TRAITS)
        name = (image or {}).get('name') or server.image_id
        copy = {**traits, **server.image, 'name': name}
        copy['visibility'] = (image or {}).get('visibility')
    copied_flavor = server.flavor or flavor
    if server.flavor and flavor:
        # By which commands find it.
        copied_flavor = {**server.flavor, 'name': flavor.get('name')}
    copied_image = copy or image
    for noun, known in (('flavor', copied_flavor), ('image', copied_image)):
        if known is None:
            raise SpecError(
                f'The {noun} of server '
                f'{printable(server.name or server.id)} is not '
                f'known; give it with --{noun}.'
            )
    volume = server.image_id is None
    both = flavor is not None and image is not None
    return ServerRequests(
        server=server,
        copied=parse(copied_flavor, copied_image, boot_from_volume=volume),
        today=parse(flavor, image, boot_from_volume=volume) if both else None,
        unknown=tuple(unknown),
    )


def _traits(image: Mapping[str, Any]) -> dict[str, Any]:
    nested = image.get('properties')
    facts = {**image, **nested} if isinstance(nested, Mapping) else image
    return {k: v for k, v in facts.items() if k.startswith(TRAIT_PREFIX)}
