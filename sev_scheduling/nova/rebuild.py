"""Rebuilds: a new image for a server that keeps its host and its slot.

A rebuild claims nothing, so nova lets a new image make a server encrypted
that holds no slot. Placement knows what the server holds, and
:mod:`.servers.image_record` what it was before, as far as anything does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nova import exception, objects
from oslo_db import exception as db_exception
from oslo_log import log as logging

from sev_scheduling.nova.lookups import Held
from sev_scheduling.nova.servers.image_record import (
    ImageRecord,
    cell_of,
    read_record,
    remove,
)
from sev_scheduling.problems import Problem, Source
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.actions import REBUILD_NOT_UNDONE, check_action
from sev_scheduling.rules.validation import Validation

LOG = logging.getLogger(__name__)


def image_errors(validation: Validation) -> tuple[Problem, ...]:
    """Return the errors of the new image.

    Flavor and ports are what they were when nova accepted the server.
    """
    return tuple(
        problem
        for problem in validation.errors
        if problem.field.source is Source.IMAGE
    )


class Rebuild:
    """A rebuild that nova-scheduler is asked about.

    :param spec: its RequestSpec
    """

    def __init__(self, spec: Any) -> None:
        self._context = spec.obj_context
        self._flavor = spec.flavor
        self._server: str = spec.instance_uuid

    @functools.cached_property
    def record(self) -> ImageRecord:
        """What nova keeps of the server; empty where it has it no more."""
        context = self._context
        try:
            with cell_of(context, self._server) as cell:
                action = objects.InstanceAction.get_by_request_id(
                    cell, self._server, context.request_id
                )
                since = action.start_time if action else None
                return read_record(cell, self._server, since)
        except exception.NotFound:
            return ImageRecord()

    def check_slot(
        self,
        held: Held,
        request: EncryptionRequest,
        misleading: Callable[[], Held | None],
    ) -> tuple[Problem, ...]:
        """Return what is wrong with the slot that the server holds.

        A rebuild that keeps the encryption that the server has needs no
        other slot, whatever it holds.

        :param request: what its flavor and the new image ask for; encrypted
        :param misleading: returns the models for which nova may have given
            a slot of another; None where that is not known
        """
        if any(model in held for model in request.models):
            return ()
        if self.record.was_encrypted(request):
            same = self.record.had_model(request)
            if same is None:
                # The slot was given for what it is of, if nova could tell.
                others = misleading() if held else None
                same = not held or any(
                    model in (others or ()) for model in request.models
                )
            if same:
                return ()
        before = replace(request, encrypted=bool(held), models=held[:1])
        problem = check_action(before, 'rebuild', new=request)
        return (problem,) if problem else ()

    def undo(self, held: Held | None, *, allowed: bool) -> Problem | None:
        """Take back what a rebuild that is refused has added.

        :param held: models of the slot that the server holds; None where
            that is not known
        :param allowed: whether nova's databases may be written
        :returns: a warning where a hard reboot may make another guest of the
            server than it was
        """
        added = self.record.added
        left = self.record
        if added and allowed and self._remove(added):
            left = left.without(added)
        as_before = not left.added and left.is_as_before(self._flavor)
        if held is None:
            # Of what is lost nothing can be said.
            wrong = bool(left.added)
        else:
            agrees = _agree(left.request(self._flavor), held)
            wrong = not agrees and not as_before
        if not wrong:
            return None
        LOG.warning(
            'Server %(server)s may keep the memory encryption of an image '
            'whose rebuild was refused, and a hard reboot applies it. Look '
            'at it with: sev-scheduling server check %(server)s',
            {'server': self._server},
        )
        return REBUILD_NOT_UNDONE

    def _remove(self, keys: frozenset[str]) -> bool:
        try:
            remove(self._context, self._server, keys)
        except exception.NotFound:
            LOG.info(
                'Server %s went away while its rebuild was refused.',
                self._server,
            )
        except (exception.NovaException, db_exception.DBError):
            LOG.exception(
                'What a refused rebuild has written for server %s cannot be '
                'taken back.',
                self._server,
            )
            return False
        return True


def _agree(request: EncryptionRequest, held: Held) -> bool:
    """Say whether a server holds the slot that it needs, or none."""
    if request.encrypted:
        return any(model in held for model in request.models)
    return not held
