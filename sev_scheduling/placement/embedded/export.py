"""Write a Placement as a cloud file, with its own names or with others."""

from __future__ import annotations

import functools
import itertools
import json
import uuid as uuidlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import os_traits

from sev_scheduling.arguments import TEXT, Items, Of, checked
from sev_scheduling.exceptions import PlacementConflict
from sev_scheduling.hosts.host import MACHINE_TYPE_TRAIT_PREFIX
from sev_scheduling.models import model_traits, registered_models
from sev_scheduling.placement.answers import Inventory, ResourceProvider
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.embedded.cloud import CLOUD, Cloud, CloudProvider
from sev_scheduling.placement.hosts import HOST_CLASSES

#: How often what changed meanwhile is read again.
_ROUNDS = 5

_CUSTOM = 'CUSTOM_'


@checked(api=Of(Api, 'a PlacementClient'))
def export_cloud(api: Api) -> Cloud:
    """Read every resource provider of a Placement.

    In four calls for each provider. What guests hold is kept as amounts;
    who they are, and whose, is not read.

    :raises PlacementConflict: where providers keep changing, so that what
        was read never was so at one time
    :raises PlacementError: another of its children
    """
    read: dict[tuple[str, int], CloudProvider | None] = {}
    for _ in range(_ROUNDS):
        listed = api.resource_providers()
        missing = [p for p in listed if (p.uuid, p.generation) not in read]
        if not missing and read:
            kept = (read[p.uuid, p.generation] for p in _in_order(listed))
            return Cloud('Export', providers=tuple(filter(None, kept)))
        names = {p.uuid: p.name for p in listed}
        found = api.each(functools.partial(_read, api, names), missing)
        for provider, seen in zip(missing, found, strict=True):
            read[provider.uuid, provider.generation] = seen
        if not listed:
            return Cloud('Export')
    raise PlacementConflict(
        'GET /resource_providers: inventories or allocations kept changing '
        'while they were read; try again in a quieter moment.'
    )


def _in_order(listed: Iterable[ResourceProvider]) -> list[ResourceProvider]:
    """Return providers by name, each after the one above it."""
    below: dict[str | None, list[ResourceProvider]] = {}
    for provider in sorted(listed, key=lambda p: p.name):
        below.setdefault(provider.parent_provider_uuid, []).append(provider)

    def tree(parent: str | None) -> Iterator[ResourceProvider]:
        for provider in below.get(parent, ()):
            yield provider
            yield from tree(provider.uuid)

    return [*tree(None)]


def _read(
    api: Api, names: Mapping[str, str], provider: ResourceProvider
) -> CloudProvider | None:
    """Read a provider; None where it is gone by now."""
    uuid = provider.uuid
    inventories = api.inventories(uuid)
    used = api.usages(uuid)
    traits = api.traits(uuid)
    aggregates = api.aggregates(uuid)
    if None in (inventories, used, traits, aggregates):
        return None
    assert inventories is not None
    parent = provider.parent_provider_uuid
    return CloudProvider(
        name=provider.name,
        uuid=uuid,
        parent=None if parent is None else names[parent],
        inventories=dict(inventories),
        used={name: n for name, n in (used or {}).items() if n},
        traits=tuple(sorted(traits or ())),
        aggregates=tuple(sorted(aggregates or ())),
    )


@checked(cloud=CLOUD)
def document(cloud: Cloud) -> str:
    """Return a cloud file of its providers: JSON, a provider a line.

    What Placement takes by itself is left out.
    """
    defaults = msgspec.structs.asdict(Inventory(0))
    lines = []
    for provider in cloud.providers:
        entry: dict[str, Any] = {'name': provider.name, 'uuid': provider.uuid}
        if provider.parent is not None:
            entry['parent'] = provider.parent
        entry['inventories'] = {
            name: {
                key: value
                for key, value in msgspec.structs.asdict(inventory).items()
                if key == 'total' or value != defaults[key]
            }
            for name, inventory in sorted(provider.inventories.items())
        }
        for key in ('used', 'traits', 'aggregates'):
            if getattr(provider, key):
                entry[key] = getattr(provider, key)
        lines.append(json.dumps(entry))
    rows = ',\n'.join(lines)
    return f'{{"providers": [\n{rows}\n]}}\n'


@checked(cloud=CLOUD, keep=Items(TEXT))
def anonymous(
    cloud: Cloud, keep: Collection[str] = ()
) -> tuple[Cloud, dict[str, str]]:
    """Replace what may name places and customers, everywhere alike.

    Names and uuids of providers, uuids of aggregates, and custom traits and
    resource classes. What models and machine types are known by stays, and
    so do amounts. The order of names stays, which decides between equal
    hosts. New uuids differ from one call to the next.

    :param keep: custom traits and resource classes that stay
    :returns: the cloud, and old name -> new name
    """
    salt = uuidlib.uuid4()
    kept = {*keep, *model_traits()}

    def new_uuid(old: str) -> str:
        return str(uuidlib.uuid5(salt, old))

    def custom(names: Iterable[str], prefix: str) -> dict[str, str]:
        old = sorted(
            name
            for name in {*names}
            if name.startswith(_CUSTOM)
            and not name.startswith(MACHINE_TYPE_TRAIT_PREFIX)
            and name not in kept
        )
        return dict(zip(old, _numbered(prefix, len(old)), strict=True))

    providers = cloud.providers
    names = _new_names(providers)
    traits = custom((t for p in providers for t in p.traits), 'CUSTOM_TRAIT_')
    classes = custom(
        (c for p in providers for c in p.inventories), 'CUSTOM_CLASS_'
    )
    uuids = {
        old: new_uuid(old)
        for p in providers
        for old in (p.uuid, *p.aggregates)
    }
    replaced = tuple(
        replace(
            p,
            name=names[p.name],
            uuid=uuids[p.uuid],
            parent=None if p.parent is None else names[p.parent],
            inventories=_renamed(p.inventories, classes),
            used=_renamed(p.used, classes),
            traits=tuple(sorted(traits.get(t, t) for t in p.traits)),
            aggregates=tuple(sorted(uuids[a] for a in p.aggregates)),
        )
        for p in providers
    )
    return (
        replace(cloud, providers=replaced),
        {**names, **traits, **classes, **uuids},
    )


def _renamed(
    amounts: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in amounts.items()}


def _numbered(prefix: str, count: int) -> Iterator[str]:
    """Yield names that sort as they are counted."""
    digits = len(str(count))
    for number in range(1, count + 1):
        yield f'{prefix}{number:0{digits}}'


def _new_names(providers: Iterable[CloudProvider]) -> dict[str, str]:
    """Return old name -> new name, in the order of names.

    A nested provider is called after the one above it; the suffix that says
    which model it is of stays.
    """
    suffixes = {f'_{m.provider_suffix}' for m in registered_models().values()}
    below: dict[str | None, list[CloudProvider]] = {}
    for provider in providers:
        below.setdefault(provider.parent, []).append(provider)
    names: dict[str, str] = {}

    def is_host(provider: CloudProvider) -> bool:
        return not HOST_CLASSES.isdisjoint(provider.inventories) or any(
            is_host(child) for child in below.get(provider.name, ())
        )

    roots: defaultdict[str, list[CloudProvider]] = defaultdict(list)
    for root in below.get(None, ()):
        shares = os_traits.MISC_SHARES_VIA_AGGREGATE in root.traits
        other = 'storage-' if shares else 'provider-'
        roots['host-' if is_host(root) else other].append(root)

    def name_below(parent: str) -> None:
        numbers = itertools.count(1)
        for child in below.get(parent, ()):
            suffix = child.name.removeprefix(parent)
            if suffix not in suffixes or suffix == child.name:
                suffix = f'-{next(numbers)}'
            names[child.name] = f'{names[parent]}{suffix}'
            name_below(child.name)

    for kind, found in roots.items():
        found.sort(key=lambda provider: provider.name)
        new = _numbered(kind, len(found))
        for root, name in zip(found, new, strict=True):
            names[root.name] = name
            name_below(root.name)
    return names
