"""Publish a host's default machine type through nova-compute.

Nova reports slots and models to Placement, but not the machine type that a
guest gets whose image names none. A provider configuration file (nova's
``provider.yaml``, schema 1.0) adds it as a trait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar
from uuid import UUID

import yaml
from oslo_utils import uuidutils

from sev_scheduling.compute.sources.files import MAX_NAMES, HostFilesystem
from sev_scheduling.documents import parse_document
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Note, NoteCode
from sev_scheduling.hosts.host import (
    MACHINE_TYPE_TRAIT_PREFIX,
    machine_type_trait,
)
from sev_scheduling.text import quoted

#: Nova puts every compute node of the service in this one's place.
COMPUTE_NODE = '$COMPUTE_NODE'

_MACHINE_TYPE = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{0,99}')
_MAX_FILE = 64 << 10

_Shape = TypeVar('_Shape', list[Any], dict[str, Any])


def provider_config(
    machine_type: str,
    *,
    name: str | None = None,
    uuid: str | None = None,
) -> dict[str, Any]:
    """Return a provider configuration that publishes a machine type.

    :param machine_type: such as ``q35``
    :param name: of the resource provider; by default the file holds for
        whatever compute node reads it
    :param uuid: of the resource provider, instead of its name

    >>> provider_config('q35')['providers'][0]['traits']
    {'additional': ['CUSTOM_HW_MACHINE_TYPE_Q35']}

    :raises InputError: where nova would refuse the file
    """
    if not _MACHINE_TYPE.fullmatch(machine_type):
        raise InputError(
            f'Machine type {quoted(machine_type)} is not one; give a name '
            'such as q35.'
        )
    if name is not None and uuid is not None:
        raise InputError('Give the name or the uuid of a provider, not both.')
    identification = {'uuid': COMPUTE_NODE}
    if name is not None:
        if not 1 <= len(name) <= 200:
            raise InputError(
                f'The provider name has {len(name)} characters; nova takes '
                '1 to 200.'
            )
        identification = {'name': name}
    elif uuid is not None:
        if not uuidutils.is_uuid_like(uuid):
            raise InputError(f'Provider uuid {quoted(uuid)} is no UUID.')
        identification = {'uuid': str(UUID(uuid))}
    return {
        'meta': {'schema_version': '1.0'},
        'providers': [
            {
                'identification': identification,
                'traits': {'additional': [machine_type_trait(machine_type)]},
            }
        ],
    }


def render(config: dict[str, Any]) -> str:
    """Return a provider configuration as the text of its file."""
    text: str = yaml.safe_dump(config, sort_keys=False)
    return f'# {Note(NoteCode.PROVIDER_FILE)}\n{text}'


def published_traits(text: str, origin: str) -> list[str]:
    """Return the machine type traits in a provider configuration.

    :raises InputError: if it is no plain YAML, or not of the schema's shape
    """
    data = parse_document(text, origin)
    providers = _part(data, 'providers', list, origin)
    if len(providers) > MAX_NAMES:
        raise InputError(
            f'{origin} has {len(providers)} providers; more than '
            f'{MAX_NAMES} are not read.'
        )
    found: set[str] = set()
    for number, provider in enumerate(providers, 1):
        where = f'{origin}, provider {number}'
        traits = _part(provider, 'traits', dict, where)
        for trait in _part(traits, 'additional', list, where):
            if not isinstance(trait, str):
                raise InputError(
                    f'{where}: {quoted(trait)} is no trait; give the name of '
                    'one.'
                )
            if trait.startswith(MACHINE_TYPE_TRAIT_PREFIX):
                found.add(trait)
    return sorted(found)


def _part(whole: Any, key: str, shape: type[_Shape], where: str) -> _Shape:
    """Return a part of the file; an empty one where it is left out."""
    if not isinstance(whole, dict):
        raise InputError(f'{where} is {quoted(whole)}; give a mapping.')
    value = whole.get(key, shape())
    if not isinstance(value, shape):
        raise InputError(
            f'{where}: {key} is {quoted(value)}; give a {shape.__name__}, '
            'without which nova-compute does not start.'
        )
    return value


def published(root: HostFilesystem, directory: str) -> Iterator[str]:
    """Yield the machine type traits that a host publishes.

    :param directory: ``[compute] provider_config_location``
    :raises InputError: where a file cannot be read
    """
    for name in root.names(directory):
        # Nova takes these, and those of no directory below.
        if not name.endswith('.yaml') or name.startswith('.'):
            continue
        text = root.read(f'{directory}/{name}', limit=_MAX_FILE)
        if text is not None:
            yield from published_traits(text, f'{directory}/{name}')
