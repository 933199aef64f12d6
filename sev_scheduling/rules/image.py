"""Rules about the image, and about devices, of an encrypted guest.

Each takes the request, one of its models, and the host's default machine
type where the caller knows it.
"""

from __future__ import annotations

from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import Code
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules import fixes
from sev_scheduling.rules.findings import Problems, asked, error, has, warning
from sev_scheduling.text import quoted


def firmware_not_uefi(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    """``hw_firmware_type`` is missing or not ``uefi``"""
    if request.firmware_type != model.firmware_type:
        yield error(
            Code.FIRMWARE_NOT_UEFI,
            'image:hw_firmware_type',
            f'{asked(request)} {request.image_label} '
            f'{has("hw_firmware_type", request.firmware_type)}.',
            fixes.set_image(request, hw_firmware_type=model.firmware_type),
        )


def firmware_not_stateless(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    """the model needs stateless firmware (``amd-sev-snp``, ``intel-tdx``)
    and ``hw_firmware_stateless`` is not true"""
    if model.stateless_firmware and not request.firmware_stateless:
        yield error(
            Code.FIRMWARE_NOT_STATELESS,
            'image:hw_firmware_stateless',
            f'{asked(request)} {model} needs stateless firmware, which '
            f'{request.image_label} does not ask for.',
            fixes.set_image(request, hw_firmware_stateless='true'),
        )


def machine_type_not_q35(
    request: EncryptionRequest,
    model: EncryptionModel,
    machine_type: str | None,
) -> Problems:
    """the machine type (the image's, else the host's default where it is
    known) does not contain ``q35``"""
    image_type = request.machine_type
    known = (machine_type or None) if image_type is None else image_type
    if known is None or model.machine_type in known:
        return
    yield error(
        Code.MACHINE_TYPE_NOT_Q35,
        'image:hw_machine_type',
        f'{asked(request)} {request.image_label} has hw_machine_type='
        f'{quoted(image_type)}; {model} needs {model.machine_type}.'
        if image_type is not None
        else f'{asked(request)} {request.image_label} has no '
        f'hw_machine_type and the host defaults to {quoted(known)}; '
        f'{model} needs {model.machine_type}.',
        fixes.set_image(request, hw_machine_type=model.machine_type),
    )


def machine_type_unset(
    request: EncryptionRequest,
    model: EncryptionModel,
    machine_type: str | None,
) -> Problems:
    """no machine type is known yet, so each host's default decides"""
    if request.machine_type is None and not machine_type:
        image = fixes.set_image(request, hw_machine_type=model.machine_type)
        hosts = ','.join(
            f'{arch}={model.machine_type}' for arch in model.architectures
        )
        yield warning(
            Code.MACHINE_TYPE_UNSET,
            'image:hw_machine_type',
            f'{asked(request)} {request.image_label} has no '
            f'hw_machine_type, so each host decides, and only '
            f'{model.machine_type} will do.',
            f'{image} or, on every such host, [libvirt] hw_machine_type = '
            f'{hosts} in nova.conf',
        )


def architecture_unsupported(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    """``hw_architecture`` is not one of the model's (``x86_64``)"""
    architecture = request.architecture
    if architecture and architecture not in model.architectures:
        yield error(
            Code.ARCHITECTURE_UNSUPPORTED,
            'image:hw_architecture',
            f'{asked(request)} {request.image_label} has hw_architecture='
            f'{quoted(architecture)}; {model} runs on '
            f'{" and ".join(model.architectures)}.',
            'Boot from an image for '
            f'{" or ".join(model.architectures)}, or without encryption.',
        )


def disk_bus_unsupported(
    request: EncryptionRequest, _: EncryptionModel, __: str | None
) -> Problems:
    """``hw_disk_bus`` is other than ``virtio``, ``sata``, or ``scsi`` with
    ``hw_scsi_model=virtio-scsi``"""
    bus, scsi = request.disk_bus, request.scsi_model
    if bus == 'scsi' and scsi != 'virtio-scsi':
        yield error(
            Code.DISK_BUS_UNSUPPORTED,
            'image:hw_scsi_model',
            f'{asked(request)} {request.image_label} has hw_disk_bus=scsi '
            f'and {has("hw_scsi_model", scsi)}.',
            fixes.set_image(request, hw_scsi_model='virtio-scsi'),
        )
    elif bus not in (None, 'virtio', 'sata', 'scsi'):
        yield error(
            Code.DISK_BUS_UNSUPPORTED,
            'image:hw_disk_bus',
            f'{asked(request)} {request.image_label} '
            f'{has("hw_disk_bus", bus)}.',
            fixes.set_image(request, hw_disk_bus='virtio'),
        )


def cdrom_bus_unsupported(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    """``hw_cdrom_bus`` is ``ide`` (q35 has no IDE controller)"""
    if (request.cdrom_bus or '').strip().lower() == 'ide':
        yield error(
            Code.CDROM_BUS_UNSUPPORTED,
            'image:hw_cdrom_bus',
            f'{asked(request)} {request.image_label} has hw_cdrom_bus=ide, '
            f'and {model.machine_type} has no IDE controller.',
            fixes.set_image(request, hw_cdrom_bus='sata'),
        )


def video_device_present(
    request: EncryptionRequest, model: EncryptionModel, _: str | None
) -> Problems:
    """the model allows no video device (``intel-tdx``) and
    ``hw_video_model`` is not ``none``"""
    wanted = model.video_model
    if wanted is not None and request.video_model != wanted:
        yield error(
            Code.VIDEO_DEVICE_PRESENT,
            'image:hw_video_model',
            f'{asked(request)} {request.image_label} '
            f'{has("hw_video_model", request.video_model)}; {model} allows '
            'no video device.',
            fixes.set_image(request, hw_video_model=wanted),
        )


def host_device(
    request: EncryptionRequest, _: EncryptionModel, __: str | None
) -> Problems:
    """a PCI alias, a vGPU or mdev resource, an accelerator profile, or a
    device from elsewhere (a port's); an option makes it a warning"""
    for where, device in request.host_devices:
        yield error(
            Code.HOST_DEVICE,
            where,
            f'{asked(request)} {quoted(device)} is a device of the host, '
            'which cannot reach encrypted memory.',
            fixes.unset(request, where),
        )


MODEL_RULES = (
    firmware_not_uefi,
    firmware_not_stateless,
    machine_type_not_q35,
    machine_type_unset,
    architecture_unsupported,
    disk_bus_unsupported,
    cdrom_bus_unsupported,
    video_device_present,
    host_device,
)
