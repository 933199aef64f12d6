"""What nova keeps of a server that exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nova import context as nova_context
from nova import exception, objects
from nova.compute import task_states
from oslo_db import exception as db_exception
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: Nova records it of every instance (Wallaby and later).
_MACHINE_TYPE = 'image_hw_machine_type'

#: Cold migrations and resizes, while they are scheduled.
_BY_REQUEST = (task_states.RESIZE_PREP,)


@dataclass(frozen=True, slots=True)
class StoredServer:
    """A server before a move.

    :ivar flavor: its ``nova.objects.Flavor``; a resize asks for another
    :ivar machine_type: the recorded one, where the move goes by it. Cold
        migration and resize take the image of the RequestSpec instead, which
        does not have it (``finish_resize`` of nova 31 to 34).
    """

    flavor: Any
    machine_type: str | None


def stored_server(context: Any, server: str, cell: Any) -> StoredServer | None:
    """Read a server that is being moved from its cell.

    :param server: its uuid
    :param cell: its ``nova.objects.CellMapping``; None where not known
    :returns: None where it is gone, or the database does not answer
    """
    try:
        if cell is None:
            mapping = objects.InstanceMapping.get_by_instance_uuid(
                context, server
            )
            cell = mapping.cell_mapping
        with nova_context.target_cell(context, cell) as targeted:
            instance = objects.Instance.get_by_uuid(
                targeted, server, expected_attrs=['system_metadata', 'flavor']
            )
    except (exception.NovaException, db_exception.DBError) as error:
        LOG.warning('Server %s cannot be read: %s', server, error)
        return None
    machine_type = instance.system_metadata.get(_MACHINE_TYPE)
    if instance.task_state in _BY_REQUEST:
        machine_type = None
    return StoredServer(instance.flavor, machine_type)
