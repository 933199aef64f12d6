"""What nova asks Placement for a request, as queries of this package."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import nova.conf
import os_resource_classes as orc
from nova import exception
from nova.scheduler.utils import ResourceRequest
from oslo_utils import uuidutils

from sev_scheduling.models import model_traits
from sev_scheduling.nova.request_spec import value_of
from sev_scheduling.prefilter import PlacementRequest, translate
from sev_scheduling.problems import Field, Source
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.rules.validation import Validation

CONF = nova.conf.CONF

_PARAMETER = re.compile(r'(resources|required)(.*)')


#: Nova's names for the groups of a device profile, of a flavor or a port.
_DEVICE_PROFILE = re.compile(r'device_profile_\d+?(?P<port>[0-9a-f-]{36})?')


def constraints(spec: Any) -> Iterator[tuple[str, Any]]:
    """Yield what nova's other request filters ask of hosts."""
    destination = value_of(spec, 'requested_destination')
    if destination is not None:
        aggregates = value_of(destination, 'aggregates') or ()
        yield 'member_of', tuple(frozenset(a.split(',')) for a in aggregates)
        forbidden = value_of(destination, 'forbidden_aggregates') or ()
        yield 'forbidden_aggregates', frozenset(forbidden)
    yield 'root_required', frozenset(spec.root_required)
    yield 'root_forbidden', frozenset(spec.root_forbidden)


def nova_queries(
    spec: Any, validation: Validation
) -> Iterator[PlacementRequest]:
    """Yield what nova asks Placement, the slot in a group of its own.

    Nova asks a second time, for shared CPUs, where pinned ones are wanted.
    """
    slot = translate(validation)
    for groups in nova_groups(spec):
        yield _with_slot(groups, slot)


def nova_groups(spec: Any) -> Iterator[tuple[RequestGroup, ...]]:
    """Yield the request groups of what nova asks Placement."""
    pinned = _resource_request(spec, True)
    if pinned is None:
        return
    askers = group_askers(spec)
    yield _groups(pinned, askers)
    if (
        pinned.cpu_pinning_requested
        and not CONF.workarounds.disable_fallback_pcpu_query
    ):
        yield _groups(_resource_request(spec, False), askers)


def _resource_request(spec: Any, pinned: bool) -> Any:
    """Return nova's translation of a RequestSpec, which changes nothing.

    None where nova cannot: it tries the same next, and says so.
    """
    try:
        return ResourceRequest.from_request_spec(spec, pinned)
    except (ValueError, exception.NovaException):
        return None


def group_askers(spec: Any) -> dict[str, Field]:
    """Return the suffix of each group -> the port or extra spec it is for.

    ``RequestGroup.requester_id`` of nova 31 to 34 is the port's uuid, or with
    neutron's extended resource requests a uuid of version 5 that is made of
    it; for a PCI alias the request's uuid and a number; for a device profile
    a number, and the port's uuid where the port has it.
    """
    pci = value_of(spec, 'pci_requests')
    aliases = {
        f'{one.request_id}-{number}'
        for one in (pci.requests if pci else ())
        if one.alias_name
        for number in range(one.count)
    }
    networks = value_of(spec, 'requested_networks') or ()
    ports = sorted({one.port_id for one in networks if one.port_id})
    found = {}
    for group in value_of(spec, 'requested_resources') or ():
        name = group.requester_id or ''
        profile = _DEVICE_PROFILE.fullmatch(name)
        port = profile['port'] if profile else name
        if name in aliases:
            found[name] = Field(Source.FLAVOR, 'pci_passthrough:alias')
        elif profile and not port:
            found[name] = Field(Source.FLAVOR, 'accel:device_profile')
        elif uuidutils.is_uuid_like(port):
            if port not in ports and uuid.UUID(port).version == 5:
                port = ' or '.join(ports)
            found[name] = Field(Source.REQUEST, 'port', port)
    return found


def _groups(
    asked: Any, askers: Mapping[str, Field]
) -> tuple[RequestGroup, ...]:
    """Return the groups of a ``ResourceRequest``.

    It names them in its query alone.
    """
    resources: defaultdict[str, dict[str, int]] = defaultdict(dict)
    traits: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(asked.to_querystring()):
        match = _PARAMETER.fullmatch(name)
        if match is None:
            continue
        kind, suffix = match.groups()
        if kind == 'required':
            traits[suffix] += value.split(',')
            continue
        for entry in value.split(','):
            resource_class, _, amount = entry.partition(':')
            resources[suffix][resource_class] = int(amount)
    return tuple(
        RequestGroup(
            suffix,
            amounts,
            tuple(
                frozenset({trait})
                for trait in traits[suffix]
                if not trait.startswith('!')
            ),
            frozenset(
                trait.removeprefix('!')
                for trait in traits[suffix]
                if trait.startswith('!')
            ),
            askers.get(suffix),
        )
        for suffix, amounts in resources.items()
    )


def _with_slot(
    groups: tuple[RequestGroup, ...], slot: PlacementRequest
) -> PlacementRequest:
    """Put the slot's own group in place of nova's."""
    models = model_traits()
    groups = tuple(
        group
        if group.suffix
        else replace(
            group,
            resources={
                name: amount
                for name, amount in group.resources.items()
                if name != orc.MEM_ENCRYPTION_CONTEXT
            },
            required=tuple(
                ors for ors in group.required if not ors & models.keys()
            ),
        )
        for group in groups
    )
    own = [group for group in slot.groups if group.suffix == slot.slot_suffix]
    policy = slot.group_policy
    if any(group.suffix for group in groups):
        policy = policy or 'none'
    return replace(slot, groups=(*groups, *own), group_policy=policy)
