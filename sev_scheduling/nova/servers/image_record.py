"""What nova's databases say of a server's encryption, and since when.

For a rebuild with a new image nova's API writes that image's properties into
the server's system metadata and its RequestSpec before it asks anybody. Where
the rebuild is refused, nova gives the server its ``image_ref`` back and
leaves the properties (``compute/api.py`` and ``conductor/manager.py`` of nova
31 to 34). A hard reboot makes the guest anew from these.

The values from before are nowhere to be had. But each row of system metadata
has times of its own, and the record of the action has the time at which the
user's request came. So it is certain which keys the rebuild added, and which
it left alone; what it changed or removed is lost.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nova import context as nova_context
from nova import objects, utils
from nova.db.main import api as main_db
from oslo_utils import timeutils

from sev_scheduling.models import DEFAULT_MODEL, find_model
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import (
    IMAGE_MODEL,
    IMAGE_SWITCH,
    EncryptionRequest,
    as_boolean,
)

#: The properties of an image that encryption depends on.
KEYS = (IMAGE_SWITCH, IMAGE_MODEL)


class Change(enum.Enum):
    """What a rebuild did to a key that is there now."""

    NONE = 'none'
    ADDED = 'added'
    #: from a value that is lost
    CHANGED = 'changed'


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What a server's image says of encryption, as nova keeps it.

    :ivar values: key -> value as written, of those of :data:`KEYS` that are
        there
    :ivar changes: key -> what the rebuild did to it; {} where it is not known
        when the rebuild was asked for
    """

    values: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def added(self) -> frozenset[str]:
        """The keys that were not there before the rebuild."""
        return frozenset(
            key for key in self.values if self.change(key) is Change.ADDED
        )

    def change(self, key: str) -> Change | None:
        """Return what became of a key; None where that is not known."""
        return self.changes.get(key)

    def without(self, keys: Collection[str]) -> ImageRecord:
        """Return the record once keys are removed."""
        return ImageRecord(
            {k: v for k, v in self.values.items() if k not in keys},
            self.changes,
        )

    def request(self, flavor: Any) -> EncryptionRequest:
        """Return what the server is made from, as nova reads it.

        :param flavor: the server's
        """
        values = dict(self.values)
        if IMAGE_SWITCH in values:
            # What is no boolean is "off" to nova.
            on = as_boolean(values[IMAGE_SWITCH]) is True
            values[IMAGE_SWITCH] = str(on).lower()
        return parse(flavor, {'properties': values})

    def was_encrypted(self, new: EncryptionRequest) -> bool | None:
        """Say whether the server was encrypted; None where that is lost.

        :param new: what its flavor and the new image ask for
        """
        if as_boolean(new.flavor_encryption or 'no'):
            # Its image was not allowed to say the opposite.
            return True
        change = self.change(IMAGE_SWITCH)
        if change is Change.NONE:
            return as_boolean(self.values[IMAGE_SWITCH]) is True
        return False if change is Change.ADDED else None

    def had_model(self, new: EncryptionRequest) -> bool | None:
        """Say whether an encrypted server was of the model asked for now.

        :returns: None where that is lost
        """
        if new.flavor_model:
            return True
        change = self.change(IMAGE_MODEL)
        if change is Change.ADDED:
            default = find_model(DEFAULT_MODEL)
            return new.models == (default,)
        if change is None:
            return None
        return change is Change.NONE

    def is_as_before(self, flavor: Any) -> bool:
        """Say whether it is certain that nothing is lost.

        Of a record without the keys that were added.

        :param flavor: the server's
        """
        request = self.request(flavor)
        certain = {Change.NONE, Change.ADDED}
        return (
            bool(as_boolean(request.flavor_encryption or 'no'))
            or self.change(IMAGE_SWITCH) in certain
        ) and (
            not request.encrypted
            or bool(request.flavor_model)
            or self.change(IMAGE_MODEL) in certain
        )


@contextlib.contextmanager
def cell_of(context: Any, server: str) -> Iterator[Any]:
    """Give a context for the cell of a server.

    :param server: its uuid
    :raises nova.exception.InstanceMappingNotFound: where nova has no such
        server
    """
    mapping = objects.InstanceMapping.get_by_instance_uuid(context, server)
    with nova_context.target_cell(context, mapping.cell_mapping) as cell:
        yield cell


def read_record(cell: Any, server: str, since: datetime | None) -> ImageRecord:
    """Read what a server's image says of encryption.

    :param cell: a context for the server's cell
    :param since: when the user asked for the rebuild; None where unknown
    :raises nova.exception.InstanceNotFound: where the server is gone
    """
    # Objects have no times of single rows.
    found = main_db.instance_get_by_uuid(
        cell, server, columns_to_join=['system_metadata']
    )
    rows = {row['key']: row for row in found['system_metadata']}
    ours = {
        key: rows[prefixed]
        for key in KEYS
        if (prefixed := utils.SM_IMAGE_PROP_PREFIX + key) in rows
    }
    return ImageRecord(
        {key: row['value'] for key, row in ours.items()},
        {}
        if since is None
        else {k: _change(r, since) for k, r in ours.items()},
    )


def _change(row: Any, since: datetime) -> Change:
    since = timeutils.normalize_time(since)
    # MySQL keeps whole seconds.
    if not row['created_at'].microsecond:
        since = since.replace(microsecond=0)
    if row['created_at'] >= since:
        return Change.ADDED
    updated = row['updated_at']
    if updated is not None and updated >= since:
        return Change.CHANGED
    return Change.NONE


def remove(context: Any, server: str, keys: Collection[str]) -> None:
    """Remove image properties of a server, from both of nova's databases.

    Nothing else is changed there.

    :param server: its uuid
    :param keys: such as ``hw_mem_encryption``
    :raises nova.exception.NotFound: where the server is gone
    :raises oslo_db.exception.DBError: where a database fails; what was
        removed by then stays removed
    """
    with cell_of(context, server) as cell:
        instance = objects.Instance.get_by_uuid(
            cell, server, expected_attrs=['system_metadata']
        )
        for key in keys:
            instance.system_metadata.pop(
                utils.SM_IMAGE_PROP_PREFIX + key, None
            )
        instance.save()
    spec = objects.RequestSpec.get_by_instance_uuid(context, server)
    properties = spec.image.properties
    for key in keys:
        # Releases before 2025.2 know no model.
        if key in properties.fields and key in properties:
            delattr(properties, key)
    spec.save()
