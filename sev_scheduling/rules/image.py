"""Rules about the image of an encrypted guest.

Each takes the request, one of its models, and the host's default machine
type where the caller knows it.
"""

from __future__ import annotations

from typing import Any

from sev_scheduling.models import EncryptionModel, SecureBoot
from sev_scheduling.problems import (
    Advice,
    Case,
    Caveat,
    Code,
    Fix,
    Problem,
    Severity,
    Source,
    Target,
)
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.rule import (
    Problems,
    Rule,
    error,
    for_model,
    problem,
    runs_on,
    set_flavor,
    set_image,
    unset,
    warning,
)


def _wrong(
    request: EncryptionRequest,
    model: EncryptionModel,
    code: Code,
    key: str,
    value: str | None,
    needs: tuple[str, ...],
    **facts: Any,
) -> Problem:
    """Return an error of a property that has one right value."""
    return error(
        request,
        code,
        request.field(Source.IMAGE, key),
        for_model(request, model, set_image(request, {key: needs[0]})),
        value=value,
        needs=needs,
        model=model.name,
        **facts,
    )


def _firmware_not_uefi(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    if request.firmware_type != model.firmware_type:
        yield _wrong(
            request,
            model,
            Code.FIRMWARE_NOT_UEFI,
            'hw_firmware_type',
            request.firmware_type,
            (model.firmware_type,),
        )


def _firmware_not_stateless(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    if model.stateless_firmware and not request.firmware_stateless:
        yield _wrong(
            request,
            model,
            Code.FIRMWARE_NOT_STATELESS,
            'hw_firmware_stateless',
            None,
            ('true',),
        )


# To look it up in its class takes Python 3.11 as long as to call a function.
_UNSUPPORTED = SecureBoot.UNSUPPORTED


def _secure_boot_unsupported(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    asked = request.secure_boot_fields
    if model.secure_boot == _UNSUPPORTED:
        for field, value in asked:
            if value not in ('required', 'optional'):
                continue
            required = value == 'required'
            yield problem(
                request,
                Code.SECURE_BOOT_UNSUPPORTED,
                Severity.ERROR if required else Severity.WARNING,
                field,
                for_model(
                    *(request, model),
                    unset(request, field, caveats=(Caveat.NOT_NEEDED,)),
                ),
                value=value,
                model=model.name,
                case=Case.ONLY if required else Case.OPTIONAL,
            )
        return
    own = request.secure_boot
    if model.secure_boot_firmware and own not in ('required', 'optional'):
        where = request.field(Source.IMAGE, 'os_secure_boot')
        where = asked[0][0] if asked else where
        change = set_flavor if where.source == 'flavor' else set_image
        yield warning(
            request,
            Code.SECURE_BOOT_UNSUPPORTED,
            where,
            for_model(
                *(request, model),
                change(request, {where.key: 'required'}),
            ),
            value=own,
            needs=('required',),
            model=model.name,
            case=Case.NOT_ASKED,
        )


def _machine_type_not_q35(
    request: EncryptionRequest,
    model: EncryptionModel,
    machine_type: str | None,
) -> Problems:
    own = request.machine_type
    known = (machine_type or None) if own is None else own
    if known is not None and model.machine_type not in known:
        yield _wrong(
            request,
            model,
            Code.MACHINE_TYPE_NOT_Q35,
            'hw_machine_type',
            own,
            (model.machine_type,),
            case=Case.ONLY if own is not None else Case.HOST_DEFAULT,
            other_value=machine_type,
        )


def host_machine_type(model: EncryptionModel) -> Fix:
    """Return the fix in nova.conf of the hosts: their default."""
    types = (f'{arch}={model.machine_type}' for arch in model.architectures)
    return Fix(
        target=Target.HOST,
        set={'[libvirt] hw_machine_type': ','.join(types)},
    )


def _machine_type_unset(
    request: EncryptionRequest,
    model: EncryptionModel,
    machine_type: str | None,
) -> Problems:
    if request.machine_type is None and not machine_type:
        yield warning(
            request,
            Code.MACHINE_TYPE_UNSET,
            request.field(Source.IMAGE, 'hw_machine_type'),
            for_model(
                *(request, model),
                set_image(
                    request,
                    {'hw_machine_type': model.machine_type},
                    alternatives=(host_machine_type(model),),
                ),
            ),
            needs=(model.machine_type,),
            model=model.name,
        )


def _architecture_unsupported(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    if not runs_on(request, model):
        yield error(
            request,
            Code.ARCHITECTURE_UNSUPPORTED,
            request.field(Source.IMAGE, 'hw_architecture'),
            Fix(
                advice=Advice.ANOTHER_ARCHITECTURE, values=model.architectures
            ),
            value=request.architecture,
            needs=model.architectures,
            model=model.name,
        )


def _disk_bus_unsupported(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    bus, scsi = request.disk_bus, request.scsi_model
    if bus == 'scsi' and scsi != 'virtio-scsi':
        yield _wrong(
            request,
            model,
            Code.DISK_BUS_UNSUPPORTED,
            'hw_scsi_model',
            scsi,
            ('virtio-scsi',),
            case=Case.CONTROLLER,
        )
    elif bus not in (None, 'virtio', 'sata', 'scsi'):
        yield _wrong(
            request,
            model,
            Code.DISK_BUS_UNSUPPORTED,
            'hw_disk_bus',
            bus,
            ('virtio', 'sata', 'scsi'),
        )


def _cdrom_bus_unsupported(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    bus = request.cdrom_bus
    if bus is not None and bus.strip().lower() == 'ide':
        yield _wrong(
            request,
            model,
            Code.CDROM_BUS_UNSUPPORTED,
            'hw_cdrom_bus',
            bus,
            ('sata',),
            other_value=model.machine_type,
        )


def _video_device_present(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    wanted = model.video_model
    if wanted is not None and request.video_model != wanted:
        yield _wrong(
            request,
            model,
            Code.VIDEO_DEVICE_PRESENT,
            'hw_video_model',
            request.video_model,
            (wanted,),
        )


_ERROR = (Severity.ERROR,)

#: For a guest that is to be encrypted, for one model.
MODEL_RULES = (
    Rule(
        Code.FIRMWARE_NOT_UEFI,
        _ERROR,
        '``hw_firmware_type`` is missing or not ``uefi``',
        _firmware_not_uefi,
    ),
    Rule(
        Code.FIRMWARE_NOT_STATELESS,
        _ERROR,
        'the model needs stateless firmware (``amd-sev-snp``, '
        '``intel-tdx``) and ``hw_firmware_stateless`` is not true',
        _firmware_not_stateless,
    ),
    Rule(
        Code.SECURE_BOOT_UNSUPPORTED,
        (Severity.ERROR, Severity.WARNING),
        'Secure Boot is required, and nova can have it for no guest of the '
        'model (``amd-sev-es``, ``amd-sev-snp``); a warning where it is '
        'optional, and where ``intel-tdx`` does not ask for it, which the '
        'firmware of Debian, Ubuntu and Fedora needs',
        _secure_boot_unsupported,
    ),
    Rule(
        Code.MACHINE_TYPE_NOT_Q35,
        _ERROR,
        "the machine type (the image's, else the host's default where it is "
        'known) does not contain ``q35``',
        _machine_type_not_q35,
    ),
    Rule(
        Code.MACHINE_TYPE_UNSET,
        (Severity.WARNING,),
        "no machine type is known yet, so each host's default decides",
        _machine_type_unset,
    ),
    Rule(
        Code.ARCHITECTURE_UNSUPPORTED,
        _ERROR,
        "``hw_architecture`` is not one of the model's (``x86_64``)",
        _architecture_unsupported,
        reads='architecture',
    ),
    Rule(
        Code.DISK_BUS_UNSUPPORTED,
        _ERROR,
        '``hw_disk_bus`` is other than ``virtio``, ``sata``, or ``scsi`` '
        'with ``hw_scsi_model=virtio-scsi``',
        _disk_bus_unsupported,
    ),
    Rule(
        Code.CDROM_BUS_UNSUPPORTED,
        _ERROR,
        '``hw_cdrom_bus`` is ``ide`` (q35 has no IDE controller)',
        _cdrom_bus_unsupported,
        reads='cdrom_bus',
    ),
    Rule(
        Code.VIDEO_DEVICE_PRESENT,
        _ERROR,
        'the model allows no video device (``intel-tdx``) and '
        '``hw_video_model`` is not ``none``',
        _video_device_present,
    ),
)
