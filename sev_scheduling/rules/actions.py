"""Which server actions an encrypted guest allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sev_scheduling.problems import (
    Advice,
    Case,
    Code,
    Field,
    Fix,
    Problem,
    Severity,
    Source,
)
from sev_scheduling.request.request import IMAGE_SWITCH, EncryptionRequest
from sev_scheduling.rules.rule import error
from sev_scheduling.rules.validation import validate

#: Action -> what to do instead; refused for every encrypted guest (nova).
_REFUSED = {
    'live-migration': Advice.COLD_MIGRATE,
    'suspend': Advice.STOP_OR_SHELVE,
    'resume': Advice.STOP_OR_SHELVE,
}

#: Actions that an encrypted guest allows whatever their arguments.
ALLOWED = frozenset(
    {
        'backup',
        'cold-migrate',
        'confirm-resize',
        'console',
        'delete',
        'detach-interface',
        'detach-volume',
        'evacuate',
        'lock',
        'migrate',
        'pause',
        'rdp-console',
        'reboot',
        'restore',
        'revert-resize',
        'serial-console',
        'shelve',
        'shelve-offload',
        'snapshot',
        'spice-console',
        'start',
        'stop',
        'unlock',
        'unpause',
        'unrescue',
        'unshelve',
        'vnc-console',
    }
)

#: ``binding:vnic_type`` of ports that hand a device of the host to a guest
#: (neutron); vhost-user is not among them.
_PASSTHROUGH_VNIC_TYPES = frozenset(
    {
        'accelerator-direct',
        'accelerator-direct-physical',
        'direct',
        'direct-physical',
        'macvtap',
        'remote-managed',
        'vdpa',
        'virtio-forwarder',
    }
)

#: After a refused rebuild, where a hard reboot may make another guest of the
#: server than it was.
REBUILD_NOT_UNDONE = Problem(
    code=Code.REBUILD_NOT_UNDONE,
    severity=Severity.WARNING,
    field=Field(Source.IMAGE, IMAGE_SWITCH),
    fix=Fix(advice=Advice.BEFORE_HARD_REBOOT),
)


def check_action(
    request: EncryptionRequest,
    action: str,
    *,
    new: EncryptionRequest | None = None,
    disk_bus: str | None = None,
    vnic_type: str | None = None,
) -> Problem | None:
    """Return why an action on a server is refused; None where it is not.

    :param request: what the server was built from
    :param action: such as ``live-migration``; underscores do as well
    :param new: for ``rebuild``, ``rescue`` and ``resize``: what the server
        and the new image or flavor ask for together
    :param disk_bus: for ``attach-volume``
    :param vnic_type: for ``attach-interface``, the port's
    :raises ValueError: where the action is unknown
    """
    name = action.strip().lower().replace('_', '-')
    name = {'live-migrate': 'live-migration'}.get(name, name)
    if name in _REFUSED:
        code = Code.ACTION_UNSUPPORTED
        return _refused(request, code, name, _REFUSED[name])
    if name in ALLOWED:
        return None
    if name in ('attach-volume', 'attach-disk'):
        bus = disk_bus or request.disk_bus or ''
        if bus.strip().lower() != 'ide':
            return None
        return _refused(
            request,
            Code.DISK_BUS_UNSUPPORTED,
            name,
            Advice.ANOTHER_BUS,
            case=Case.ATTACHED,
            value=bus,
            needs=('virtio', 'sata', 'scsi'),
            other_value=request.model.machine_type if request.model else None,
        )
    if name == 'attach-interface':
        kind = (vnic_type or '').strip().lower()
        if kind not in _PASSTHROUGH_VNIC_TYPES:
            return None
        return _refused(
            request,
            Code.HOST_DEVICE,
            name,
            Advice.NORMAL_PORT,
            case=Case.PORT,
            value=vnic_type,
        )
    if name == 'attach-device':
        return _refused(
            request,
            Code.HOST_DEVICE,
            name,
            Advice.NORMAL_PORT,
            case=Case.ATTACHED,
        )
    if name in _WITH_NEW:
        return None if new is None else _WITH_NEW[name](request, new)
    raise ValueError(
        f'Action {action!r} is not known; use one of {", ".join(actions())}.'
    )


def actions() -> tuple[str, ...]:
    """Return the actions that :func:`check_action` knows."""
    return tuple(
        sorted(
            {
                *_REFUSED,
                *ALLOWED,
                *_WITH_NEW,
                'attach-device',
                'attach-disk',
                'attach-interface',
                'attach-volume',
            }
        )
    )


def _refused(
    request: EncryptionRequest,
    code: Code,
    action: str,
    advice: Advice,
    **facts: Any,
) -> Problem | None:
    """Return why an encrypted guest cannot have it; None for any other."""
    if not request.encrypted:
        return None
    return error(
        request,
        code,
        Field(Source.ACTION, action),
        Fix(advice=advice),
        model=request.model_name or '',
        **facts,
    )


def _rebuild(
    request: EncryptionRequest, new: EncryptionRequest
) -> Problem | None:
    if not new.encrypted:
        # What nova takes as "off" would boot unencrypted; a rebuild asks
        # Placement for nothing, so other problems do not matter.
        return _first_error(new, Code.INVALID_BOOLEAN)
    if not request.encrypted:
        return _refused(
            new, Code.REBUILD_NEEDS_SLOT, 'rebuild', Advice.NEW_SERVER
        )
    if request.model != new.model:
        return _refused(
            new,
            Code.REBUILD_CHANGES_MODEL,
            'rebuild',
            Advice.NEW_SERVER,
            other_value=request.model_name,
        )
    return _first_error(new)


def _rescue(
    request: EncryptionRequest, new: EncryptionRequest
) -> Problem | None:
    if not request.encrypted:
        return None
    if not new.encrypted:
        return _refused(
            request,
            Code.RESCUE_DROPS_ENCRYPTION,
            'rescue',
            Advice.ENCRYPTED_RESCUE_IMAGE,
        )
    return _first_error(new)


def _resize(
    request: EncryptionRequest, new: EncryptionRequest
) -> Problem | None:
    return _first_error(new)


def _first_error(
    request: EncryptionRequest, code: Code | None = None
) -> Problem | None:
    errors = (p for p in validate(request).errors if code in (None, p.code))
    return next(errors, None)


_WITH_NEW: dict[
    str, Callable[[EncryptionRequest, EncryptionRequest], Problem | None]
] = {'rebuild': _rebuild, 'rescue': _rescue, 'resize': _resize}
