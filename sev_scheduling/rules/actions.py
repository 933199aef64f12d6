"""Which server actions an encrypted guest allows."""

from __future__ import annotations

from collections.abc import Callable

from sev_scheduling.problems import Code, Problem
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.findings import asked, error
from sev_scheduling.rules.validation import validate

_COLD = 'Use a cold migration: openstack server migrate SERVER'
_STOP = 'Stop or shelve the server instead: openstack server shelve SERVER'

#: Action -> what to do instead; refused for every encrypted guest (nova).
_REFUSED = {
    'live-migration': _COLD,
    'suspend': _STOP,
    'resume': _STOP,
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


def check_action(
    request: EncryptionRequest,
    action: str,
    *,
    new: EncryptionRequest | None = None,
    disk_bus: str | None = None,
    vnic_type: str | None = None,
) -> Problem | None:
    """Say why an action on a server is refused; None where it is not.

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
        if not request.encrypted:
            return None
        return error(
            Code.ACTION_UNSUPPORTED,
            f'action:{name}',
            f'{asked(request)} {name} does not work with encrypted memory.',
            _REFUSED[name],
        )
    if name in ALLOWED:
        return None
    if name in ('attach-volume', 'attach-disk'):
        return _attach_volume(request, name, disk_bus)
    if name == 'attach-interface':
        return _attach_interface(request, name, vnic_type)
    if name == 'attach-device':
        return _attach_device(request, name, 'it')
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


def _attach_volume(
    request: EncryptionRequest, action: str, disk_bus: str | None
) -> Problem | None:
    bus = disk_bus or request.disk_bus or ''
    if not request.encrypted or bus.strip().lower() != 'ide':
        return None
    return error(
        Code.DISK_BUS_UNSUPPORTED,
        f'action:{action}',
        f'{asked(request)} q35 has no IDE controller for the volume.',
        'Attach it on bus virtio, sata or scsi.',
    )


def _attach_interface(
    request: EncryptionRequest, action: str, vnic_type: str | None
) -> Problem | None:
    if (vnic_type or '').strip().lower() not in _PASSTHROUGH_VNIC_TYPES:
        return None
    return _attach_device(request, action, f'a port of type {vnic_type}')


def _attach_device(
    request: EncryptionRequest, action: str, what: str
) -> Problem | None:
    if not request.encrypted:
        return None
    return error(
        Code.HOST_DEVICE,
        f'action:{action}',
        f'{asked(request)} {what} is a device of the host, which cannot '
        'reach encrypted memory.',
        'Attach a port of vnic_type normal, or use an unencrypted server.',
    )


def _rebuild(
    request: EncryptionRequest, new: EncryptionRequest
) -> Problem | None:
    if not new.encrypted:
        # What nova takes as "off" would boot unencrypted; a rebuild asks
        # Placement for nothing, so other problems do not matter.
        return _first_error(new, Code.INVALID_BOOLEAN)
    if not request.encrypted:
        return error(
            Code.REBUILD_NEEDS_SLOT,
            'action:rebuild',
            f'{asked(new)} the server holds no slot, and a rebuild takes '
            'none.',
            'Create a new server from the image.',
        )
    if request.model != new.model:
        return error(
            Code.REBUILD_CHANGES_MODEL,
            'action:rebuild',
            f'{asked(new)} the server holds a slot of {request.model_name}, '
            f'not of {new.model_name}.',
            'Create a new server from the image.',
        )
    return _first_error(new)


def _rescue(
    request: EncryptionRequest, new: EncryptionRequest
) -> Problem | None:
    if not request.encrypted:
        return None
    if not new.encrypted:
        return error(
            Code.RESCUE_DROPS_ENCRYPTION,
            'action:rescue',
            f'{asked(request)} the rescue image would boot the server '
            'unencrypted.',
            'Use a rescue image with hw_mem_encryption=true.',
        )
    return _first_error(new)


def _resize(
    request: EncryptionRequest, new: EncryptionRequest
) -> Problem | None:
    return _first_error(new)


def _first_error(
    request: EncryptionRequest, code: Code | None = None
) -> Problem | None:
    for problem in validate(request):
        if problem.is_error and code in (None, problem.code):
            return problem
    return None


_WITH_NEW: dict[
    str, Callable[[EncryptionRequest, EncryptionRequest], Problem | None]
] = {'rebuild': _rebuild, 'rescue': _rescue, 'resize': _resize}
