"""What is said of each problem, and of its fix."""

import pytest

from sev_scheduling import check_action, parse, validate
from tests.unit.factories import ON, READY, encrypted, flavor, image, plain

ASKED = (
    'Memory encryption is requested by extra spec hw:mem_encryption of '
    'flavor m1, but '
)
SET = 'openstack image set --property '
SET_FLAVOR = 'openstack flavor set --property '
UNSET = 'openstack flavor unset --property '
SEV = 'HW_CPU_X86_AMD_SEV'
MODEL = 'hw:mem_encryption_model'
SLOT = 'resources:MEM_ENCRYPTION_CONTEXT'


def problem(extra_specs, properties):
    specs = {k: v for k, v in extra_specs.items() if v is not None}
    request = parse(flavor(specs), image({**READY, **properties}))
    return validate(request)[0]


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'says', 'fix'),
    [
        ({'hw:mem_encrypton': 'true'}, {},
         'Extra spec hw:mem_encrypton of flavor m1 is read by nobody; '
         'hw:mem_encryption seems to be meant.',
         SET_FLAVOR + 'hw:mem_encryption=true m1'),
        ({'hw:mem_encryption': 'maybe'}, {},
         "Extra spec hw:mem_encryption of flavor m1 is 'maybe', which is "
         'neither true nor false.', SET_FLAVOR + 'hw:mem_encryption=true m1'),
        (ON, {'hw_mem_encryption': 'false'},
         ASKED + 'property hw_mem_encryption of image ubuntu forbids it.',
         SET + 'hw_mem_encryption=true ubuntu (or if the guest may run '
         'unencrypted: ' + SET_FLAVOR + 'hw:mem_encryption=false m1)'),
        (ON | {MODEL: 'sev'}, {},
         ASKED + "flavor m1 names the model 'sev', which is not known.",
         SET_FLAVOR + f'{MODEL}=amd-sev m1'),
        (ON | {MODEL: 'amd-sev'}, {'hw_mem_encryption_model': 'intel-tdx'},
         ASKED + "flavor m1 names the model 'amd-sev' and image ubuntu names "
         "'intel-tdx'.", SET_FLAVOR + f'{MODEL}=intel-tdx m1 (or if amd-sev '
         'is wanted: ' + SET + 'hw_mem_encryption_model=amd-sev ubuntu)'),
        ({MODEL: 'amd-sev'}, {},
         "The model 'amd-sev' is named by flavor m1, and memory encryption "
         'is not asked for, so the guest is not encrypted.',
         SET_FLAVOR + 'hw:mem_encryption=true m1'),
        ({f'trait:{SEV}': 'required'}, {},
         f'Flavor m1 requires trait {SEV}, and memory encryption is not asked '
         'for, so the guest runs on such a host unencrypted.',
         SET_FLAVOR + 'hw:mem_encryption=true m1'),
        (ON | {f'trait:{SEV}': 'forbidden'}, {},
         ASKED + f'flavor m1 forbids trait {SEV}, which contradicts amd-sev.',
         UNSET + f'trait:{SEV} m1'),
        (ON | {f'trait:{SEV}_ES': 'required'}, {},
         ASKED + f'flavor m1 requires trait {SEV}_ES, which contradicts '
         'amd-sev.', SET_FLAVOR + f'{MODEL}=amd-sev-es m1 (or if amd-sev is '
         'wanted: ' + UNSET + f'trait:{SEV}_ES m1)'),
        (ON | {SLOT: '1'}, {},
         ASKED + f'flavor m1 asks for a slot by {SLOT} as well, which counts '
         'it twice.', UNSET + f'{SLOT} m1'),
        ({SLOT: '1'}, {},
         f'Flavor m1 holds a slot by {SLOT}, and memory encryption is not '
         'asked for, so the guest is not encrypted.', UNSET + f'{SLOT} m1 '
         '(or if the guest is to be encrypted: openstack flavor set '
         f'--property hw:mem_encryption=true --property {SLOT}=0 m1)'),
        ({'resources:VCPU': 'many'}, {},
         "Extra spec resources:VCPU of flavor m1 is 'many', which is no "
         'amount, so nova ignores it.', UNSET + 'resources:VCPU m1 (or '
         'give a whole number from 0 to 2147483647)'),
        ({'resources:CPUS': '1'}, {},
         'Extra spec resources:CPUS of flavor m1 names a resource class that '
         'does not exist, so nova ignores it.',
         UNSET + 'resources:CPUS m1 (or correct the name)'),
        ({}, {'trait:GOLD': 'required'},
         'Property trait:GOLD of image ubuntu names a trait that os-traits '
         'does not know.', 'openstack image unset --property trait:GOLD '
         'ubuntu (or correct the name, use a CUSTOM_ trait, or '
         'update os-traits)'),
        ({'trait:a b': 'yes'}, {},
         "Extra spec 'trait:a b' of flavor m1 is 'yes', so it is ignored.",
         UNSET + "'trait:a b' m1 (or use required or forbidden)"),
        ({'trait1:CUSTOM_A': 'required'}, {},
         "Flavor m1 has traits, and no resources, in request group '1'.",
         'Add a resources1: extra spec, or remove the trait1: ones.'),
        ({'trait:CUSTOM_A': 'required'}, {'trait:CUSTOM_A': 'forbidden'},
         'Trait CUSTOM_A is required by extra spec trait:CUSTOM_A of flavor '
         'm1 and forbidden by property trait:CUSTOM_A of image ubuntu.',
         'openstack image unset --property trait:CUSTOM_A ubuntu (or if the '
         'guest is to run on hosts without CUSTOM_A: '
         + UNSET + 'trait:CUSTOM_A m1)'),
        ({'trait:CUSTOM_A': 'forbidden'}, {'trait:CUSTOM_A': 'required'},
         'Trait CUSTOM_A is forbidden by extra spec trait:CUSTOM_A of flavor '
         'm1 and required by property trait:CUSTOM_A of image ubuntu.',
         UNSET + 'trait:CUSTOM_A m1 (or if the guest is to run on hosts '
         'without CUSTOM_A: openstack image unset --property trait:CUSTOM_A '
         'ubuntu)'),
        (ON, {'hw_firmware_type': None},
         ASKED + 'image ubuntu has no hw_firmware_type.',
         SET + 'hw_firmware_type=uefi ubuntu'),
        (ON, {'hw_firmware_type': ''},
         ASKED + "image ubuntu has hw_firmware_type=''.",
         SET + 'hw_firmware_type=uefi ubuntu'),
        (ON | {MODEL: 'intel-tdx'}, {'hw_firmware_stateless': None},
         ASKED + 'intel-tdx needs stateless firmware, which image ubuntu '
         'does not ask for.', SET + 'hw_firmware_stateless=true ubuntu'),
        (ON, {'hw_machine_type': 'pc'},
         ASKED + "image ubuntu has hw_machine_type='pc'; amd-sev needs q35.",
         SET + 'hw_machine_type=q35 ubuntu'),
        (ON, {'hw_machine_type': None},
         ASKED + 'image ubuntu has no hw_machine_type, so each host decides, '
         'and only q35 will do.', SET + 'hw_machine_type=q35 ubuntu (or set '
         '[libvirt] hw_machine_type = x86_64=q35 in nova.conf of every such '
         'host)'),
        (ON, {'hw_architecture': 'i386'},
         ASKED + "image ubuntu has hw_architecture='i686'; amd-sev runs on "
         'x86_64.', 'Boot from an image for x86_64, or without encryption.'),
        (ON, {'hw_disk_bus': 'ide'},
         ASKED + "image ubuntu has hw_disk_bus='ide'.",
         SET + 'hw_disk_bus=virtio ubuntu'),
        (ON, {'hw_disk_bus': 'scsi'},
         ASKED + 'image ubuntu has hw_disk_bus=scsi and has no '
         'hw_scsi_model.', SET + 'hw_scsi_model=virtio-scsi ubuntu'),
        (ON, {'hw_cdrom_bus': 'ide'},
         ASKED + "image ubuntu has hw_cdrom_bus='ide', and q35 has no IDE "
         'controller.', SET + 'hw_cdrom_bus=sata ubuntu'),
        (ON | {MODEL: 'intel-tdx'}, {'hw_video_model': None},
         ASKED + 'image ubuntu has no hw_video_model; intel-tdx allows no '
         'video device.', SET + 'hw_video_model=none ubuntu'),
        (ON | {'pci_passthrough:alias': 'gpu:1'}, {},
         ASKED + "'pci_passthrough:alias=gpu:1' is a device of the host, "
         'which cannot reach encrypted memory.',
         UNSET + 'pci_passthrough:alias m1'),
    ],
)  # fmt: skip
def test_words_about_a_request(extra_specs, properties, says, fix):
    found = problem(extra_specs, properties)

    assert (found.message, str(found.fix)) == (says, fix)
    assert str(found) == f'{found.severity}: {says} {fix}'


def test_words_about_a_host_s_default():
    (found,) = validate(encrypted({}, {'hw_machine_type': None}), 'pc')

    assert found.message == (
        ASKED + 'image ubuntu has no hw_machine_type and the host defaults '
        "to 'pc'; amd-sev needs q35."
    )


@pytest.mark.parametrize(
    ('action', 'kwargs', 'says', 'fix'),
    [
        ('suspend', {}, 'suspend does not work with encrypted memory.',
         'Stop or shelve the server instead (openstack server shelve '
         'SERVER).'),
        ('live-migration', {},
         'live-migration does not work with encrypted memory.',
         'Use a cold migration (openstack server migrate SERVER).'),
        ('attach-volume', {'disk_bus': 'ide'},
         'q35 has no IDE controller for the volume.',
         'Attach it on bus virtio, sata or scsi.'),
        ('attach-interface', {'vnic_type': 'direct'},
         "a port of type 'direct' is a device of the host, which cannot "
         'reach encrypted memory.',
         'Attach a port of vnic_type normal, or use an unencrypted server.'),
        ('attach-device', {},
         'it is a device of the host, which cannot reach encrypted memory.',
         'Attach a port of vnic_type normal, or use an unencrypted server.'),
        ('rebuild', {'new': encrypted(model='amd-sev-es')},
         'the server holds a slot of amd-sev, not of amd-sev-es.',
         'Create a new server from the image.'),
        ('rescue', {'new': plain()},
         'the rescue image would boot the server unencrypted.',
         'Use a rescue image with hw_mem_encryption=true.'),
    ],
)  # fmt: skip
def test_words_about_an_action(action, kwargs, says, fix):
    found = check_action(encrypted(), action, **kwargs)

    assert (found.message, str(found.fix)) == (ASKED + says, fix)


def test_words_about_a_rebuild_without_a_slot():
    found = check_action(plain(), 'rebuild', new=encrypted())

    assert found.message == (
        ASKED + 'the server holds no slot, and a rebuild takes none.'
    )


def test_flavor_and_image_may_have_no_names():
    request = parse(
        {'vcpus': 1, 'ram': 1, 'extra_specs': ON}, {'hw_mem_encryption': '1'}
    )
    found = validate(request)[0]

    assert found.message == (
        'Memory encryption is requested by extra spec hw:mem_encryption of '
        'the flavor and property hw_mem_encryption of the image, but the '
        'image has no hw_firmware_type.'
    )
    assert str(found.fix) == SET + 'hw_firmware_type=uefi IMAGE'


def test_a_volume_is_changed_instead_of_its_image():
    request = parse(flavor(ON), {'image_id': '1', 'image_name': 'ubuntu'})
    found = validate(request)[0]

    assert str(found.fix) == (
        'openstack volume set --image-property hw_firmware_type=uefi VOLUME'
    )


def test_a_request_for_nothing_has_a_remedy():
    (found,) = validate(parse(flavor(vcpus=0, ram=0, disk=0)))

    assert found.message == 'Flavor m1 asks for no resources at all.'
    assert str(found.fix) == (
        'Give it vcpus, ram or disk, or a resources: extra spec.'
    )
