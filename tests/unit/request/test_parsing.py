import pytest

from sev_scheduling import Field, SpecError, parse
from sev_scheduling.models import BUILTIN_MODELS
from tests.unit.factories import ON, encrypted, flavor, plain

SEV, SEV_ES, SEV_SNP, TDX = BUILTIN_MODELS


@pytest.mark.parametrize(
    ('named', 'kwargs', 'models', 'name'),
    [
        pytest.param(None, {}, (SEV,), 'amd-sev', id="nova's default"),
        pytest.param(
            'intel-tdx', {}, (TDX,), 'intel-tdx', id='named by the flavor'
        ),
        pytest.param('', {}, (SEV,), 'amd-sev', id='an empty name is none'),
        pytest.param('arm-cca', {}, (), 'arm-cca', id='no such model'),
        pytest.param(
            'a\nb' + 'c' * 99, {}, (), r'a\nb' + 'c' * 57, id='on one line'
        ),
        pytest.param('AMD-SEV', {}, (), 'AMD-SEV', id='names have one case'),
        pytest.param(
            None,
            {'models': ['amd-sev-snp', 'amd-sev']},
            (SEV_SNP, SEV),
            'amd-sev-snp or amd-sev',
            id='the caller names several',
        ),
        pytest.param(
            None,
            {'models': ['amd-sev', 'amd-sev']},
            (SEV,),
            'amd-sev',
            id='the caller repeats one',
        ),
        pytest.param(
            None, {'models': 'amd-sev-es'}, (SEV_ES,), 'amd-sev-es', id='text'
        ),
        pytest.param(
            None, {'models': iter(())}, (SEV,), 'amd-sev', id='names none'
        ),
        pytest.param(
            'amd-sev-es',
            {'models': ['amd-sev-snp', 'amd-sev']},
            (SEV_ES,),
            'amd-sev-es',
            id="the flavor's goes before the caller's",
        ),
    ],
)
def test_models_in_order_of_preference(named, kwargs, models, name):
    specs = {} if named is None else {'hw:mem_encryption_model': named}
    request = encrypted(specs, **kwargs)

    assert request.models == models
    assert request.model_name == name
    assert request.model == (models[0] if models else None)


def test_a_model_may_be_named_by_the_image():
    request = encrypted({}, {'hw_mem_encryption_model': 'amd-sev-es'})

    assert request.model is SEV_ES
    assert request.image_model == 'amd-sev-es'


@pytest.mark.parametrize('extra_specs', [{}, ON], ids=['plain', 'encrypted'])
def test_a_model_that_the_caller_makes_up_is_refused(extra_specs):
    with pytest.raises(SpecError) as raised:
        plain(extra_specs, models=['amd-sve'])

    assert str(raised.value).startswith(
        "Encryption model 'amd-sve' is not known; known are amd-sev, "
        'amd-sev-es, amd-sev-snp, intel-tdx'
    )


#: Attribute of a request -> the key that it is read from, and a value.
READ = {
    'flavor_encryption': ('hw:mem_encryption', 'Yes'),
    'flavor_model': ('hw:mem_encryption_model', 'amd-sev'),
    'mem_page_size': ('hw:mem_page_size', 'large'),
    'image_encryption': ('hw_mem_encryption', 'ON'),
    'image_model': ('hw_mem_encryption_model', 'amd-sev'),
    'machine_type': ('hw_machine_type', 'pc-q35-8.2'),
    'firmware_type': ('hw_firmware_type', 'uefi'),
    'architecture': ('hw_architecture', 'x86_64'),
    'disk_bus': ('hw_disk_bus', 'scsi'),
    'scsi_model': ('hw_scsi_model', 'virtio-scsi'),
    'cdrom_bus': ('hw_cdrom_bus', 'sata'),
    'video_model': ('hw_video_model', 'none'),
}


def test_what_was_read_is_kept_as_it_was_written():
    written = dict(READ.values())
    request = plain(
        {key: value for key, value in written.items() if ':' in key},
        {key: value for key, value in written.items() if ':' not in key}
        | {'hw_firmware_stateless': 'Yes'},
    )

    assert {
        name: (key, getattr(request, name)) for name, (key, _) in READ.items()
    } == READ
    assert (request.flavor_name, request.image_name) == ('m1', 'ubuntu')
    assert request.firmware_stateless is True
    assert request.resources == {'DISK_GB': 40, 'MEMORY_MB': 8192, 'VCPU': 4}


@pytest.mark.parametrize(
    ('written', 'read'),
    [
        ('x86_64', 'x86_64'),
        (' X86_64 ', 'x86_64'),
        ('amd64', 'x86_64'),
        ('i386', 'i686'),
        ('aarch64', 'aarch64'),
        ('nonsense', 'nonsense'),
    ],
)
def test_an_architecture_has_the_name_that_nova_gives_it(written, read):
    request = plain({}, {'hw_architecture': written})

    assert request.architecture == read


def test_a_page_size_of_the_image_counts_where_the_flavor_names_none():
    assert plain({}, {'hw_mem_page_size': '2048'}).mem_page_size == '2048'
    assert (
        plain(
            {'hw:mem_page_size': 'large'}, {'hw_mem_page_size': '2048'}
        ).mem_page_size
        == 'large'
    )


@pytest.mark.parametrize(
    ('extra_specs', 'devices'),
    [
        pytest.param({}, (), id='none'),
        pytest.param(
            {'pci_passthrough:alias': 'gpu:1'},
            (('flavor:pci_passthrough:alias', 'pci_passthrough:alias=gpu:1'),),
            id='PCI alias',
        ),
        pytest.param(
            {'accel:device_profile': 'fpga'},
            (('flavor:accel:device_profile', 'accel:device_profile=fpga'),),
            id='accelerator profile',
        ),
        pytest.param({'pci_passthrough:alias': ''}, (), id='an empty alias'),
        pytest.param(
            {'resources1:VGPU': '1'},
            (('flavor:resources1:VGPU', 'resources1:VGPU=1'),),
            id='vGPU',
        ),
        pytest.param(
            {'resources2:CUSTOM_PCI_10DE_2236': ' 2'},
            (
                (
                    'flavor:resources2:CUSTOM_PCI_10DE_2236',
                    'resources2:CUSTOM_PCI_10DE_2236=2',
                ),
            ),
            id='a PCI device in Placement',
        ),
        pytest.param({'resources:VGPU': '00'}, (), id='no vGPU at all'),
        pytest.param({'resources:VGPU': 'some'}, (), id='no amount of vGPUs'),
        pytest.param({'resources:CUSTOM_NIC': '1'}, (), id='another class'),
    ],
)
def test_devices_of_the_host_are_found(extra_specs, devices):
    found = plain(extra_specs).host_devices

    assert tuple((str(field), what) for field, what in found) == devices


def test_devices_that_the_caller_knows_of_are_kept():
    request = plain(host_devices=['port 5e1f (vnic_type direct)'])

    assert request.host_devices == (
        (Field('request'), 'port 5e1f (vnic_type direct)'),
    )


@pytest.mark.parametrize(
    ('written', 'read'),
    [('none', 'none'), ('isolate', 'isolate'), ('None', None), ('', None)],
)
def test_a_group_policy_is_one_that_placement_knows(written, read):
    assert plain({'group_policy': written}).group_policy == read


def test_boot_from_volume_takes_no_local_disk():
    request = parse(flavor(), None, boot_from_volume=True)

    assert request.resources == {'MEMORY_MB': 8192, 'VCPU': 4}
    assert request.boot_from_volume
