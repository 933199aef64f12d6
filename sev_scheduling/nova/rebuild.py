"""Rebuilds: a new image for a server that keeps its host and its slot.

A rebuild claims nothing, so nova lets a new image make a server encrypted
that holds no slot. Only Placement knows what the server holds.

For a rebuild nova's API writes down the new image before it asks the
scheduler. Where the scheduler refuses, nova gives the server its
``image_ref`` back, but leaves the properties of the refused image, and a
hard reboot makes the guest anew from these: encrypted without a slot, or
plain with one (seen in nova 31 to 34). So they are made to say again what
the server holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nova import context as nova_context
from nova import exception, objects, utils
from oslo_log import log as logging

from sev_scheduling.nova.lookups import Held
from sev_scheduling.nova.request_spec import unreadable
from sev_scheduling.problems import Problem, Source
from sev_scheduling.request.request import EncryptionRequest, parse
from sev_scheduling.rules.actions import check_action
from sev_scheduling.rules.validation import Validation

LOG = logging.getLogger(__name__)

_ENCRYPTION = 'hw_mem_encryption'
_MODEL = 'hw_mem_encryption_model'


def image_errors(validation: Validation) -> tuple[Problem, ...]:
    """Return the errors of the new image.

    Flavor and ports are what they were when nova accepted the server.
    """
    return tuple(
        problem
        for problem in validation.errors
        if problem.field.source is Source.IMAGE
    )


def check_slot(held: Held, request: EncryptionRequest) -> tuple[Problem, ...]:
    """Return what is wrong with the slot that a server holds.

    :param request: what its flavor and the new image ask for; encrypted
    """
    if any(model in held for model in request.models):
        return ()
    before = replace(request, encrypted=bool(held), models=held[:1])
    problem = check_action(before, 'rebuild', new=request)
    return (problem,) if problem else ()


@contextlib.contextmanager
def _instance(context: Any, server: str) -> Iterator[Any]:
    """Give a server as its cell has it."""
    mapping = objects.InstanceMapping.get_by_instance_uuid(context, server)
    with nova_context.target_cell(context, mapping.cell_mapping) as cell:
        yield objects.Instance.get_by_uuid(
            cell, server, expected_attrs=['system_metadata']
        )


def rebuild_image_encryption(context: Any, server: str) -> str | None:
    """Return ``hw_mem_encryption`` as the owner of the new image wrote it.

    :param server: the uuid of a server that is being rebuilt
    :returns: the text where it is no boolean, else None; None as well where
        the server is gone
    """
    try:
        with _instance(context, server) as instance:
            return unreadable(instance.system_metadata)
    except exception.NotFound:
        return None


def keep_encryption(
    context: Any, server: str, flavor: Any, held: Held
) -> None:
    """Let a server's image say of encryption what the server holds.

    Where the flavor says it already, the image has nothing to say: another
    flavor may follow. Whatever goes wrong here is logged: the rebuild is
    refused all the same.

    :param server: the uuid of a server whose rebuild is refused
    """
    wanted: dict[str, str | None] = {_ENCRYPTION: None, _MODEL: None}
    if not any(model in held for model in parse(flavor).models) and held:
        wanted = {_ENCRYPTION: 'true', _MODEL: held[0].name}
    try:
        with _instance(context, server) as instance:
            for name, value in wanted.items():
                key = f'{utils.SM_IMAGE_PROP_PREFIX}{name}'
                if value is None:
                    instance.system_metadata.pop(key, None)
                else:
                    instance.system_metadata[key] = value
            instance.save()
        spec = objects.RequestSpec.get_by_instance_uuid(context, server)
        _write(spec.image.properties, wanted)
        spec.save()
    except exception.NotFound:
        LOG.info('Server %s went away while its rebuild was refused.', server)
    except Exception:
        LOG.exception(
            'Server %s keeps the image properties of a rebuild that was '
            'refused; a hard reboot would apply them. Set them back with '
            'nova-manage image_property set.',
            server,
        )


def _write(properties: Any, wanted: dict[str, str | None]) -> None:
    for name, value in wanted.items():
        # Releases before 2025.2 know no model.
        if name in properties.fields:
            if value is not None:
                setattr(properties, name, value)
            elif name in properties:
                delattr(properties, name)
