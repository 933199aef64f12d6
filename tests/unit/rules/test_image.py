"""What an image must be for an encrypted guest, model by model."""

import pytest

from sev_scheduling import validate
from sev_scheduling.models import BUILTIN_MODELS, model_traits
from tests.unit.factories import encrypted, fix_of

SET = 'openstack image set --property '
ALL = tuple(model.name for model in BUILTIN_MODELS)
STATELESS = ('amd-sev-snp', 'intel-tdx')


def found(model, properties, machine_type=None):
    """Return code, field, value, needs and fix of all problems."""
    request = encrypted({}, properties, model=model)
    return [
        (str(p.code), p.where, p.value, p.needs, fix_of(p))
        for p in validate(request, machine_type)
    ]


def wrong(code, key, value, needs, fix=None):
    return [
        (
            code,
            f'image:{key}',
            value,
            needs,
            f'{SET}{key}={fix or needs[0]} ubuntu',
        )
    ]


@pytest.mark.parametrize('model', ALL)
def test_an_image_that_meets_every_demand_breaks_no_rule(model):
    assert found(model, {}) == []


@pytest.mark.parametrize('model', ALL)
@pytest.mark.parametrize('value', [None, 'bios', 'UEFI', ''])
def test_firmware_other_than_uefi_is_refused(model, value):
    assert found(model, {'hw_firmware_type': value}) == wrong(
        'firmware-not-uefi', 'hw_firmware_type', value, ('uefi',)
    )


@pytest.mark.parametrize('value', [None, 'false', 'maybe', ''])
@pytest.mark.parametrize('model', ALL)
def test_firmware_that_keeps_state_is_refused_where_the_model_says_so(
    model, value
):
    assert found(model, {'hw_firmware_stateless': value}) == (
        wrong(
            'firmware-not-stateless', 'hw_firmware_stateless', None, ('true',)
        )
        if model in STATELESS
        else []
    )


@pytest.mark.parametrize('value', ['true', 'True', '1', 'on', ' yes '])
@pytest.mark.parametrize('model', STATELESS)
def test_stateless_firmware_is_a_boolean(model, value):
    assert found(model, {'hw_firmware_stateless': value}) == []


@pytest.mark.parametrize(
    ('of_image', 'of_host', 'case'),
    [
        pytest.param('q35', None, None, id='q35'),
        pytest.param('pc-q35-8.2', None, None, id='a version of q35'),
        pytest.param('q35', 'pc', None, id="the image's goes first"),
        pytest.param(None, 'q35', None, id='the host defaults to q35'),
        pytest.param('pc', None, '', id='the image says pc'),
        pytest.param('pc', 'q35', '', id='whatever the host'),
        pytest.param('Q35', None, '', id='in the wrong case'),
        pytest.param('', None, '', id='empty, which nova refuses'),
        pytest.param(None, 'pc', 'host-default', id='the host defaults to pc'),
    ],
)
def test_a_machine_type_other_than_q35_is_refused(of_image, of_host, case):
    request = encrypted({}, {'hw_machine_type': of_image})
    problems = validate(request, of_host)

    assert [(p.case, p.other_value) for p in problems] == (
        [] if case is None else [(case, of_host)]
    )
    assert found('amd-sev', {'hw_machine_type': of_image}, of_host) == (
        []
        if case is None
        else wrong(
            'machine-type-not-q35', 'hw_machine_type', of_image, ('q35',)
        )
    )


@pytest.mark.parametrize('of_host', [None, ''])
def test_an_unknown_machine_type_is_a_warning_with_both_remedies(of_host):
    request = encrypted({}, {'hw_machine_type': None})
    (problem,) = validate(request, of_host)
    (other,) = problem.fix.alternatives

    assert (problem.code, problem.severity) == (
        'machine-type-unset',
        'warning',
    )
    assert problem.fix.set == {'hw_machine_type': 'q35'}
    assert (other.target, other.set) == (
        'host',
        {'[libvirt] hw_machine_type': 'x86_64=q35'},
    )


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
            'image:hw_architecture',
            name,
            ('x86_64',),
            'another-architecture',
        )
    ]


@pytest.mark.parametrize('model', ALL)
@pytest.mark.parametrize(
    'properties',
    [
        {'hw_machine_type': 'virt'},
        {'hw_machine_type': None},
        {'hw_firmware_type': 'bios'},
        {'hw_disk_bus': 'scsi', 'hw_scsi_model': None},
        {'hw_video_model': 'virtio', 'hw_firmware_stateless': 'false'},
        {'os_secure_boot': 'required'},
        {f'trait:{trait}': 'forbidden' for trait in model_traits()},
        {'os_secure_boot': 'optional'},
    ],
)
def test_an_image_of_another_architecture_is_not_made_ready(model, properties):
    of_arm = {'hw_architecture': 'aarch64', **properties}

    for problem in validate(encrypted({}, of_arm, model=model)):
        assert problem.fix.advice == 'another-architecture'


CONTROLLER = 'hw_scsi_model', ('virtio-scsi',)
BUS = 'hw_disk_bus', ('virtio', 'sata', 'scsi')


@pytest.mark.parametrize(
    ('bus', 'scsi', 'field'),
    [
        pytest.param(None, None, None, id='no bus'),
        pytest.param('virtio', None, None, id='virtio'),
        pytest.param('sata', 'lsilogic', None, id='sata'),
        pytest.param('scsi', 'virtio-scsi', None, id='virtio-scsi'),
        pytest.param('scsi', 'VIRTIO-SCSI', None, id='as nova reads it'),
        pytest.param('scsi', None, CONTROLLER, id='scsi without controller'),
        pytest.param('scsi', 'lsilogic', CONTROLLER, id='another controller'),
        *(
            pytest.param(bus, None, BUS, id=f'bus {bus!r}')
            for bus in ('ide', 'IDE', 'usb', 'fdc', 'xen', '')
        ),
    ],
)
def test_disk_buses(bus, scsi, field):
    problems = found('amd-sev', {'hw_disk_bus': bus, 'hw_scsi_model': scsi})

    if field is None:
        assert problems == []
    else:
        key, needs = field
        value = scsi if field is CONTROLLER else bus
        assert problems == wrong('disk-bus-unsupported', key, value, needs)


@pytest.mark.parametrize('bus', ['sata', 'scsi', 'virtio', 'usb', None])
def test_other_buses_of_a_cdrom_will_do(bus):
    assert found('amd-sev', {'hw_cdrom_bus': bus}) == []


@pytest.mark.parametrize('bus', ['ide', ' IDE'])
def test_a_cdrom_on_ide_is_refused(bus):
    assert found('amd-sev', {'hw_cdrom_bus': bus}) == wrong(
        'cdrom-bus-unsupported', 'hw_cdrom_bus', bus, ('sata',)
    )


@pytest.mark.parametrize('model', ALL)
@pytest.mark.parametrize('value', [None, 'virtio', 'None'])
def test_a_video_device_is_refused_beside_tdx(model, value):
    assert found(model, {'hw_video_model': value}) == (
        wrong('video-device-present', 'hw_video_model', value, ('none',))
        if model == 'intel-tdx'
        else []
    )


@pytest.mark.parametrize(
    ('model', 'of_flavor', 'of_image', 'severity', 'where', 'case', 'change'),
    [
        pytest.param('amd-sev', None, 'required', *[None] * 4, id='SEV'),
        pytest.param('amd-sev-es', None, None, *[None] * 4, id='not asked'),
        pytest.param(
            'amd-sev-es', None, 'disabled', *[None] * 4, id='refused'
        ),
        pytest.param(
            'amd-sev-es',
            None,
            'required',
            *('error', 'image:os_secure_boot', '', ('os_secure_boot',)),
            id='SEV-ES',
        ),
        pytest.param(
            'amd-sev-snp',
            'required',
            None,
            *('error', 'flavor:os:secure_boot', '', ('os:secure_boot',)),
            id='SEV-SNP by the flavor',
        ),
        pytest.param(
            'amd-sev-snp',
            None,
            'optional',
            *('warning', 'image:os_secure_boot', 'optional'),
            ('os_secure_boot',),
            id='SEV-SNP where a host has it',
        ),
        pytest.param('intel-tdx', None, 'required', *[None] * 4, id='TDX'),
        pytest.param('intel-tdx', None, 'optional', *[None] * 4, id='or so'),
        pytest.param(
            'intel-tdx',
            None,
            None,
            *('warning', 'image:os_secure_boot', 'not-asked'),
            {'os_secure_boot': 'required'},
            id='TDX that does not ask',
        ),
        pytest.param(
            'intel-tdx',
            'disabled',
            None,
            *('warning', 'flavor:os:secure_boot', 'not-asked'),
            {'os:secure_boot': 'required'},
            id='TDX whose flavor refuses',
        ),
    ],
)
def test_secure_boot(
    model, of_flavor, of_image, severity, where, case, change
):
    specs = {'os:secure_boot': of_flavor} if of_flavor else {}
    request = encrypted(specs, {'os_secure_boot': of_image}, model=model)

    found = [
        (p.code, p.severity, p.where, p.case, p.fix.unset or p.fix.set)
        for p in validate(request)
    ]

    assert found == (
        []
        if severity is None
        else [('secure-boot-unsupported', severity, where, case, change)]
    )
