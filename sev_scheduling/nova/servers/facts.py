"""Aggregates and encrypted servers, as nova's databases have them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from nova import context as nova_context
from nova import objects, utils
from nova.compute import vm_states

from sev_scheduling.exceptions import SpecError
from sev_scheduling.hosts.aggregates import Aggregate
from sev_scheduling.nova.servers.check import each_instance
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validate

_GONE = frozenset({vm_states.DELETED, vm_states.SOFT_DELETED})


def read_aggregates(context: Any) -> tuple[Aggregate, ...]:
    """Return all host aggregates.

    :param context: an administrator's
    :raises oslo_db.exception.DBError: where a database fails
    """
    return tuple(
        Aggregate(one.name, frozenset(one.hosts), dict(one.metadata))
        for one in objects.AggregateList.get_all(context)
    )


def read_encrypted(
    context: Any, *, as_warnings: Collection[str] = ()
) -> tuple[Validation, ...]:
    """Return the encrypted servers that have a host or may get one again.

    By the flavor and the image properties that nova keeps of each, with the
    machine type that it has recorded.

    :param context: an administrator's
    :param as_warnings: codes that do not refuse a request
    :raises oslo_db.exception.DBError: where a database fails
    """
    return tuple(
        validate(request, as_warnings=as_warnings)
        for request in _requests(context)
        if request.encrypted
    )


def _requests(context: Any) -> Iterator[EncryptionRequest]:
    for mapping in objects.CellMappingList.get_all(context):
        if mapping.is_cell0():
            continue
        with nova_context.target_cell(context, mapping) as cell:
            for instance in each_instance(cell):
                request = _request(instance)
                if request is not None:
                    yield request


def _request(instance: Any) -> EncryptionRequest | None:
    """Return what a server asks for; None where it runs nowhere."""
    shelved = instance.vm_state == vm_states.SHELVED_OFFLOADED
    if instance.vm_state in _GONE or not (instance.host or shelved):
        return None
    prefix = utils.SM_IMAGE_PROP_PREFIX
    image = {
        key.removeprefix(prefix): value
        for key, value in instance.system_metadata.items()
        if key.startswith(prefix)
    }
    try:
        request = parse(instance.flavor, image)
    except SpecError:
        # A flavor or an image that nova could not have taken.
        return None
    return replace(request, server=instance.uuid)
