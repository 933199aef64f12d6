import pytest

from sev_scheduling import validate
from sev_scheduling.models import BUILTIN_MODELS
from tests.unit.factories import encrypted

ASKED = (
    'Memory encryption is requested by extra spec hw:mem_encryption of '
    'flavor m1, but '
)
SET = 'openstack image set --property '
ALL = tuple(model.name for model in BUILTIN_MODELS)
STATELESS = ('amd-sev-snp', 'intel-tdx')


def found(model, properties, machine_type=None, extra_specs=None, **kwargs):
    request = encrypted(extra_specs, properties, model=model, **kwargs)
    return [
        (str(p.code), str(p.severity), p.where, p.message, p.fix)
        for p in validate(request, machine_type)
    ]


@pytest.mark.parametrize('model', ALL)
def test_an_image_that_meets_every_demand_breaks_no_rule(model):
    assert found(model, {}) == []


@pytest.mark.parametrize('model', ALL)
@pytest.mark.parametrize(
    ('value', 'says'),
    [
        (None, 'has no hw_firmware_type'),
        ('bios', "has hw_firmware_type='bios'"),
        ('UEFI', "has hw_firmware_type='UEFI'"),
        ('', "has hw_firmware_type=''"),
    ],
)
def test_firmware_other_than_uefi_is_refused(model, value, says):
    assert found(model, {'hw_firmware_type': value}) == [
        (
            'firmware-not-uefi',
            'error',
            'image:hw_firmware_type',
            f'{ASKED}image ubuntu {says}.',
            f'{SET}hw_firmware_type=uefi ubuntu',
        )
    ]


@pytest.mark.parametrize('value', [None, 'false', 'maybe', ''])
@pytest.mark.parametrize('model', ALL)
def test_firmware_that_keeps_state_is_refused_where_the_model_says_so(
    model, value
):
    problems = found(model, {'hw_firmware_stateless': value})

    assert problems == (
        [
            (
                'firmware-not-stateless',
                'error',
                'image:hw_firmware_stateless',
                f'{ASKED}{model} needs stateless firmware, which image '
                'ubuntu does not ask for.',
                f'{SET}hw_firmware_stateless=true ubuntu',
            )
        ]
        if model in STATELESS
        else []
    )


@pytest.mark.parametrize('value', ['true', 'True', '1', 'on', ' yes '])
@pytest.mark.parametrize('model', STATELESS)
def test_stateless_firmware_is_a_boolean(model, value):
    assert found(model, {'hw_firmware_stateless': value}) == []


@pytest.mark.parametrize(
    ('of_image', 'of_host', 'says'),
    [
        pytest.param('q35', None, None, id='q35'),
        pytest.param('pc-q35-8.2', None, None, id='a version of q35'),
        pytest.param('q35', 'pc', None, id="the image's goes first"),
        pytest.param(None, 'q35', None, id='the host defaults to q35'),
        pytest.param(
            'pc', None, "has hw_machine_type='pc'", id='the image says pc'
        ),
        pytest.param(
            'pc', 'q35', "has hw_machine_type='pc'", id='whatever the host'
        ),
        pytest.param(
            'Q35', None, "has hw_machine_type='Q35'", id='in the wrong case'
        ),
        pytest.param(
            '', None, "has hw_machine_type=''", id='empty, which nova refuses'
        ),
        pytest.param(
            None,
            'pc',
            "has no hw_machine_type and the host defaults to 'pc'",
            id='the host defaults to pc',
        ),
    ],
)
def test_a_machine_type_other_than_q35_is_refused(of_image, of_host, says):
    problems = found('amd-sev', {'hw_machine_type': of_image}, of_host)

    assert problems == (
        [
            (
                'machine-type-not-q35',
                'error',
                'image:hw_machine_type',
                f'{ASKED}image ubuntu {says}; amd-sev needs q35.',
                f'{SET}hw_machine_type=q35 ubuntu',
            )
        ]
        if says
        else []
    )


@pytest.mark.parametrize('of_host', [None, ''])
def test_an_unknown_machine_type_is_a_warning_with_both_remedies(of_host):
    assert found('amd-sev', {'hw_machine_type': None}, of_host) == [
        (
            'machine-type-unset',
            'warning',
            'image:hw_machine_type',
            f'{ASKED}image ubuntu has no hw_machine_type, so each host '
            'decides, and only q35 will do.',
            f'{SET}hw_machine_type=q35 ubuntu or, on every such host, '
            '[libvirt] hw_machine_type = x86_64=q35 in nova.conf',
        )
    ]


@pytest.mark.parametrize('value', ['x86_64', 'amd64', 'X86_64', None])
def test_the_architecture_of_the_model_will_do(value):
    assert found('amd-sev', {'hw_architecture': value}) == []


@pytest.mark.parametrize(
    ('value', 'name'), [('aarch64', 'aarch64'), ('i386', 'i686'), ('x', 'x')]
)
def test_another_architecture_is_refused(value, name):
    assert found('intel-tdx', {'hw_architecture': value}) == [
        (
            'architecture-unsupported',
            'error',
            'image:hw_architecture',
            f"{ASKED}image ubuntu has hw_architecture='{name}'; intel-tdx "
            'runs on x86_64.',
            'Boot from an image for x86_64, or without encryption.',
        )
    ]


@pytest.mark.parametrize(
    ('bus', 'scsi', 'says', 'fix'),
    [
        pytest.param(None, None, None, None, id='no bus'),
        pytest.param('virtio', None, None, None, id='virtio'),
        pytest.param('sata', 'lsilogic', None, None, id='sata'),
        pytest.param('scsi', 'virtio-scsi', None, None, id='virtio-scsi'),
        pytest.param('scsi', 'VIRTIO-SCSI', None, None, id='as nova reads it'),
        pytest.param(
            'scsi',
            None,
            'has hw_disk_bus=scsi and has no hw_scsi_model',
            'hw_scsi_model=virtio-scsi',
            id='scsi without controller',
        ),
        pytest.param(
            'scsi',
            'lsilogic',
            "has hw_disk_bus=scsi and has hw_scsi_model='lsilogic'",
            'hw_scsi_model=virtio-scsi',
            id='scsi with another controller',
        ),
        *(
            pytest.param(
                bus,
                None,
                f"has hw_disk_bus='{bus}'",
                'hw_disk_bus=virtio',
                id=f'bus {bus!r}',
            )
            for bus in ('ide', 'IDE', 'usb', 'fdc', 'xen', '')
        ),
    ],
)
def test_disk_buses(bus, scsi, says, fix):
    problems = found('amd-sev', {'hw_disk_bus': bus, 'hw_scsi_model': scsi})

    assert problems == (
        [
            (
                'disk-bus-unsupported',
                'error',
                f'image:{fix.partition("=")[0]}',
                f'{ASKED}image ubuntu {says}.',
                f'{SET}{fix} ubuntu',
            )
        ]
        if says
        else []
    )


@pytest.mark.parametrize('bus', ['sata', 'scsi', 'virtio', 'usb', None])
def test_other_buses_of_a_cdrom_will_do(bus):
    assert found('amd-sev', {'hw_cdrom_bus': bus}) == []


@pytest.mark.parametrize('bus', ['ide', ' IDE'])
def test_a_cdrom_on_ide_is_refused(bus):
    assert found('amd-sev', {'hw_cdrom_bus': bus}) == [
        (
            'cdrom-bus-unsupported',
            'error',
            'image:hw_cdrom_bus',
            f'{ASKED}image ubuntu has hw_cdrom_bus=ide, and q35 has no IDE '
            'controller.',
            f'{SET}hw_cdrom_bus=sata ubuntu',
        )
    ]


@pytest.mark.parametrize('model', ALL)
@pytest.mark.parametrize(
    ('value', 'says'),
    [
        (None, 'has no hw_video_model'),
        ('virtio', "has hw_video_model='virtio'"),
        ('None', "has hw_video_model='None'"),
    ],
)
def test_a_video_device_is_refused_beside_tdx(model, value, says):
    problems = found(model, {'hw_video_model': value})

    assert problems == (
        [
            (
                'video-device-present',
                'error',
                'image:hw_video_model',
                f'{ASKED}image ubuntu {says}; intel-tdx allows no video '
                'device.',
                f'{SET}hw_video_model=none ubuntu',
            )
        ]
        if model == 'intel-tdx'
        else []
    )


@pytest.mark.parametrize(
    ('extra_specs', 'kwargs', 'where', 'device', 'fix'),
    [
        pytest.param(
            {'pci_passthrough:alias': 'gpu:1'},
            {},
            'flavor:pci_passthrough:alias',
            'pci_passthrough:alias=gpu:1',
            'openstack flavor unset --property pci_passthrough:alias m1',
            id='PCI alias',
        ),
        pytest.param(
            {'accel:device_profile': 'fpga'},
            {},
            'flavor:accel:device_profile',
            'accel:device_profile=fpga',
            'openstack flavor unset --property accel:device_profile m1',
            id='accelerator profile',
        ),
        pytest.param(
            {'resources1:VGPU': '1'},
            {},
            'flavor:resources1:VGPU',
            'resources1:VGPU=1',
            'openstack flavor unset --property resources1:VGPU m1',
            id='vGPU',
        ),
        pytest.param(
            {},
            {'host_devices': ['port 5e1f (vnic_type direct)']},
            'request',
            'port 5e1f (vnic_type direct)',
            'Leave the device out, or attach it to an unencrypted server.',
            id='a port',
        ),
    ],
)
def test_a_device_of_the_host_is_refused(
    extra_specs, kwargs, where, device, fix
):
    assert found('amd-sev', {}, None, extra_specs, **kwargs) == [
        (
            'host-device',
            'error',
            where,
            f"{ASKED}'{device}' is a device of the host, which cannot reach "
            'encrypted memory.',
            fix,
        )
    ]
