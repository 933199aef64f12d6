"""Servers whose encryption and slot disagree, and what sets them right.

Looked for in nova's databases, cell by cell, and in Placement. For servers
that were there before the plug-in too.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import os_resource_classes as orc
from nova import context as nova_context
from nova import exception, objects
from nova.compute import instance_actions, vm_states

from sev_scheduling.exceptions import PlacementConflict
from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.nova.lookups import Providers
from sev_scheduling.nova.lookups.providers import ask_providers
from sev_scheduling.nova.servers.image_record import read_record, remove
from sev_scheduling.placement.answers import Allocations
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.request.groups import ExtraSpecResource
from sev_scheduling.request.request import EncryptionRequest

#: Servers that one query to a cell's database returns.
PAGE = 500

_SLOT = orc.MEM_ENCRYPTION_CONTEXT
_BASE_IMAGE = 'image_base_image_ref'

#: States in which a server holds nothing, or what it holds is about to change.
_PASSING = frozenset(
    {
        vm_states.BUILDING,
        vm_states.DELETED,
        vm_states.RESIZED,
        vm_states.SHELVED_OFFLOADED,
        vm_states.SOFT_DELETED,
    }
)


class Disagreement(enum.StrEnum):
    """What is wrong. Do not change a value: programs compare them."""

    WITHOUT_SLOT = 'encrypted-without-slot'
    WITHOUT_ENCRYPTION = 'slot-without-encryption'
    ANOTHER_MODEL = 'slot-of-another-model'


class Remedy(enum.StrEnum):
    """What sets a server right. Do not change a value."""

    #: remove the image properties that a refused rebuild added
    UNDO = 'undo-rebuild'
    CLAIM = 'claim-slot'
    EXCHANGE = 'exchange-slot'
    RELEASE = 'release-slot'
    #: a refused rebuild overwrote what was there
    BY_HAND = 'by-hand'


@dataclass(frozen=True, slots=True)
class Finding:
    """A server whose encryption and slot disagree.

    :ivar cell: its ``nova.objects.CellMapping``, which does not count
        where findings are compared
    :ivar model: name of the model that a hard reboot encrypts it with; None
        where it does not
    :ivar held: names of the models that its slot may be of
    :ivar added: image properties that a refused rebuild added
    """

    server: str
    host: str
    node: str
    disagreement: Disagreement
    remedy: Remedy
    model: str | None
    held: tuple[str, ...]
    added: frozenset[str] = frozenset()
    cell: Any = field(default=None, compare=False, repr=False)


def check_servers(
    context: Any, api: PlacementClient, servers: Collection[str] = ()
) -> list[Finding]:
    """Return the servers whose encryption and slot disagree, by cell.

    Servers in the midst of a task are left out.

    :param context: an administrator's
    :param servers: uuids of those to look at; all where there are none
    :raises PlacementError: one of its children
    :raises oslo_db.exception.DBError: where a database fails
    """
    providers = ask_providers(api)
    holders: defaultdict[str, set[str]] = defaultdict(set)
    for provider in frozenset().union(*providers.offering.values()):
        for consumer, amounts in api.consumers(provider).items():
            if _SLOT in amounts:
                holders[consumer].add(provider)
    findings = []
    for mapping in objects.CellMappingList.get_all(context):
        if mapping.is_cell0():
            continue
        with nova_context.target_cell(context, mapping) as cell:
            for instance in each_instance(cell, servers):
                found = _check(
                    cell, mapping, instance, holders[instance.uuid], providers
                )
                if found is not None:
                    findings.append(found)
    return findings


def each_instance(cell: Any, servers: Collection[str] = ()) -> Iterator[Any]:
    """Yield the instances of a cell, with flavor and system metadata."""
    filters: dict[str, Any] = {'deleted': False}
    if servers:
        filters['uuid'] = list(servers)
    marker = None
    while True:
        page = objects.InstanceList.get_by_filters(
            cell,
            filters,
            sort_key='uuid',
            sort_dir='asc',
            limit=PAGE,
            marker=marker,
            expected_attrs=['system_metadata', 'flavor'],
        )
        yield from page
        if len(page) < PAGE:
            return
        marker = page[-1].uuid


def _check(
    cell: Any,
    mapping: Any,
    instance: Any,
    slots: Collection[str],
    providers: Providers,
) -> Finding | None:
    if (
        not instance.host
        or instance.task_state is not None
        or instance.vm_state in _PASSING
    ):
        return None
    record = read_record(cell, instance.uuid, None)
    request = record.request(instance.flavor)
    held = tuple(
        model
        for model in registered_models().values()
        if providers.offering[model.name].intersection(slots)
    )
    disagreement = disagree(request, held)
    if disagreement is None:
        return None
    added: frozenset[str] = frozenset()
    remedy = _REMEDIES[disagreement]
    if (since := _refused_since(cell, instance)) is not None:
        record = read_record(cell, instance.uuid, since)
        added, remedy = record.added, Remedy.BY_HAND
        left = record.without(added).request(instance.flavor)
        if added and disagree(left, held) is None:
            remedy = Remedy.UNDO
    return Finding(
        server=instance.uuid,
        host=instance.host,
        node=instance.node,
        cell=mapping,
        disagreement=disagreement,
        remedy=remedy,
        model=request.model_name if request.encrypted else None,
        held=tuple(model.name for model in held),
        added=added if remedy is Remedy.UNDO else frozenset(),
    )


_REMEDIES = {
    Disagreement.WITHOUT_SLOT: Remedy.CLAIM,
    Disagreement.WITHOUT_ENCRYPTION: Remedy.RELEASE,
    Disagreement.ANOTHER_MODEL: Remedy.EXCHANGE,
}


def disagree(
    request: EncryptionRequest, held: Collection[EncryptionModel]
) -> Disagreement | None:
    """Return how what a server is made from and its slot disagree.

    :param held: models that its slot may be of; none where it holds none
    """
    if request.encrypted:
        if not held:
            return Disagreement.WITHOUT_SLOT
        if not any(model in held for model in request.models):
            return Disagreement.ANOTHER_MODEL
    elif held and not any(
        isinstance(entry, ExtraSpecResource) and entry.resource_class == _SLOT
        for entry in request.entries
    ):
        return Disagreement.WITHOUT_ENCRYPTION
    return None


def _refused_since(cell: Any, instance: Any) -> Any:
    """Return when a rebuild was asked for that was refused last, or None.

    After a refusal nova sets ``image_ref`` back, and leaves the image's id
    among the properties.
    """
    base = instance.system_metadata.get(_BASE_IMAGE)
    if not base or not instance.image_ref or base == instance.image_ref:
        return None
    actions = objects.InstanceActionList.get_by_instance_uuid(
        cell, instance.uuid
    )
    return max(
        (
            action.start_time
            for action in actions
            if action.action == instance_actions.REBUILD
        ),
        default=None,
    )


def repair(context: Any, api: PlacementClient, finding: Finding) -> bool:
    """Set a server right; return whether that was done.

    It is not where nothing safe does it: no slot is free on its host, or
    somebody else has changed the server meanwhile.

    :raises PlacementError: one of its children
    :raises oslo_db.exception.DBError: where a database fails
    """
    # What was found may be old by now.
    again = check_servers(context, api, [finding.server])
    if finding not in again or finding.remedy is Remedy.BY_HAND:
        return False
    if finding.remedy is Remedy.UNDO:
        remove(context, finding.server, finding.added)
        return True
    target = None
    if finding.remedy in (Remedy.CLAIM, Remedy.EXCHANGE):
        target = _free_pool(context, api, finding)
        if target is None:
            return False
    return _write(api, finding.server, target)


def _free_pool(
    context: Any, api: PlacementClient, finding: Finding
) -> str | None:
    """Return a provider of the server's host with a free slot, or None."""
    try:
        with nova_context.target_cell(context, finding.cell) as cell:
            root = objects.ComputeNode.get_by_host_and_nodename(
                cell, finding.host, finding.node
            ).uuid
    except exception.ComputeHostNotFound:
        return None
    assert finding.model is not None
    trait = registered_models()[finding.model].trait
    found = api.resource_providers(
        in_tree=root, required=(frozenset({trait}),)
    )
    # A trait on the root may be a stale one.
    found.sort(key=lambda provider: provider.uuid == root)
    return next((one.uuid for one in found if _left(api, one.uuid) > 0), None)


def _left(api: PlacementClient, provider: str) -> int:
    """Return how many slots of a provider are left; less than 0: too many."""
    inventory = (api.inventories(provider) or {}).get(_SLOT)
    used = (api.usages(provider) or {}).get(_SLOT, 0)
    return inventory.capacity - used if inventory else 0


def _write(api: PlacementClient, server: str, target: str | None) -> bool:
    """Let a server hold this slot and no other.

    :param target: the provider of the slot; None for no slot
    """
    before = api.allocations(server)
    if not before:
        # It holds no memory either: nova-manage placement heal_allocations.
        return False
    amounts = {
        provider: {k: v for k, v in theirs.items() if k != _SLOT}
        for provider, theirs in before.by_provider.items()
    }
    if target is not None:
        amounts.setdefault(target, {})[_SLOT] = 1
    try:
        _post(api, server, before, amounts)
        if target is None or _left(api, target) >= 0:
            return True
        # Placement gives out the last slot twice at times.
        _post(api, server, api.allocations(server), before.by_provider)
    except PlacementConflict:
        pass
    return False


def _post(
    api: PlacementClient, server: str, held: Allocations, amounts: Any
) -> None:
    wanted = {
        provider: theirs for provider, theirs in amounts.items() if theirs
    }
    api.post_allocations(
        {server: msgspec.structs.replace(held, by_provider=wanted)}
    )
