import pytest

from sev_scheduling import Field, SpecError, parse
from sev_scheduling.models import BUILTIN_MODELS
from sev_scheduling.request.request import as_boolean
from tests.unit.factories import ON, encrypted, flavor, image, plain

SEV, SEV_ES, SEV_SNP, TDX = BUILTIN_MODELS
BY_FLAVOR = Field('flavor', 'hw:mem_encryption', 'm1')
BY_IMAGE = Field('image', 'hw_mem_encryption', 'ubuntu')


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'requesters'),
    [
        pytest.param({}, {}, (), id='nobody'),
        pytest.param(ON, {}, (BY_FLAVOR,), id='flavor'),
        pytest.param(
            {},
            {'hw_mem_encryption': 'true'},
            (BY_IMAGE,),
            id='image',
        ),
        pytest.param(
            ON,
            {'hw_mem_encryption': True},
            (BY_FLAVOR, BY_IMAGE),
            id='both',
        ),
        pytest.param(
            {'hw:mem_encryption': 'false'}, {}, (), id='the flavor forbids it'
        ),
        pytest.param(
            {'hw:mem_encryption': 'maybe'},
            {},
            (),
            id='no boolean asks nothing',
        ),
    ],
)
def test_who_asks_for_encryption_is_remembered(
    extra_specs, properties, requesters
):
    request = plain(extra_specs, properties)

    assert request.requesters == requesters
    assert request.encrypted is bool(requesters)
    assert request.model == (SEV if requesters else None)


def test_a_flavor_and_an_image_may_have_no_names():
    request = parse(
        {'vcpus': 1, 'ram': 1, 'extra_specs': ON}, {'hw_mem_encryption': '1'}
    )

    assert [f.owner for f in request.requesters] == [None, None]


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        *((text, True) for text in ('1', 't', 'True', 'ON', 'y', ' yes ')),
        *((text, False) for text in ('0', 'f', 'False', 'OFF', 'n', ' no ')),
        *((text, None) for text in ('', ' ', 'maybe', '2', 'enabled', 'tru')),
    ],
)
def test_a_boolean_is_read_strictly(text, value):
    assert as_boolean(text) is value


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


def test_an_unencrypted_request_has_no_model():
    request = plain(models=['amd-sev'])

    assert (request.models, request.model, request.model_name) == (
        (),
        None,
        None,
    )


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


def test_a_request_without_an_unsuffixed_group_asks_for_no_resources():
    request = parse(flavor(vcpus=0, ram=0, disk=0))

    assert request.resources == {}


def test_the_order_of_extra_specs_makes_no_difference():
    specs = {'trait:CUSTOM_B': 'required', 'resources2:CUSTOM_PCI_A': '1'}
    reversed_ = dict(reversed([*specs.items()]))

    assert plain(specs) == plain(reversed_)
    assert hash(plain(specs)) == hash(plain(reversed_))


def test_a_volume_and_an_image_with_the_same_facts_ask_for_the_same():
    from_image = parse(flavor(), image({'hw_machine_type': 'q35'}))
    from_volume = parse(
        flavor(),
        {
            'image_name': 'ubuntu',
            'image_id': 'cafe',
            'hw_machine_type': 'q35',
        },
    )

    assert from_volume == from_image
    assert from_volume.image_of_volume


def test_amounts_of_a_suffixed_group_are_not_those_of_the_guest():
    request = parse(
        flavor({'resources1:CUSTOM_NIC': '1'}, vcpus=0, ram=0, disk=0)
    )

    assert [group.suffix for group in request.groups] == ['1']
    assert request.resources == {}
