import pytest

from sev_scheduling import check_action
from sev_scheduling.rules.actions import ALLOWED, actions
from tests.unit.factories import encrypted, plain

SERVER, PLAIN = encrypted(), plain()


@pytest.mark.parametrize(
    ('action', 'name', 'advice'),
    [
        ('live-migration', 'live-migration', 'cold-migrate'),
        ('live_migrate', 'live-migration', 'cold-migrate'),
        (' Suspend ', 'suspend', 'stop-or-shelve'),
        ('resume', 'resume', 'stop-or-shelve'),
    ],
)
def test_actions_that_encrypted_memory_does_not_survive(action, name, advice):
    problem = check_action(SERVER, action)

    assert problem.is_error
    assert problem.code == 'action-unsupported'
    assert problem.where == f'action:{name}'
    assert problem.fix.advice == advice
    assert check_action(PLAIN, action) is None


@pytest.mark.parametrize(
    'action',
    [
        'cold-migrate',
        'cold_migrate',
        'migrate',
        'resize',
        'shelve',
        'unshelve',
        'snapshot',
        'backup',
        'evacuate',
        'attach-volume',
        'attach-interface',
        'detach-volume',
        'spice-console',
        'vnc-console',
        'serial-console',
        'rdp-console',
        'console',
        'rebuild',
        'rescue',
        'reboot',
        'stop',
        'start',
        'delete',
    ],
)
def test_actions_that_an_encrypted_guest_allows(action):
    assert check_action(SERVER, action) is None


def test_an_action_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ValueError, match="'explode' is not known") as raised:
        check_action(SERVER, 'explode')

    assert ', '.join(actions()) in str(raised.value)


def test_actions_are_listed_once_in_order():
    assert [*actions()] == sorted(set(actions()))
    assert set(actions()) >= ALLOWED
    for action in actions():
        assert check_action(PLAIN, action) is None


IDE = encrypted({}, {'hw_disk_bus': 'ide'})


@pytest.mark.parametrize('action', ['attach-volume', 'attach-disk'])
@pytest.mark.parametrize(
    ('server', 'bus', 'refused'),
    [
        pytest.param(SERVER, None, False, id='the default bus'),
        pytest.param(SERVER, 'virtio', False, id='virtio'),
        pytest.param(SERVER, 'sata', False, id='sata'),
        pytest.param(SERVER, 'scsi', False, id='scsi'),
        pytest.param(SERVER, 'ide', True, id='ide'),
        pytest.param(SERVER, ' IDE', True, id='odd, but ide'),
        pytest.param(IDE, None, True, id="the image's bus is ide"),
        pytest.param(IDE, 'sata', False, id='another bus than the image'),
        pytest.param(PLAIN, 'ide', False, id='not encrypted'),
    ],
)
def test_attaching_a_volume(action, server, bus, refused):
    problem = check_action(server, action, disk_bus=bus)

    assert (problem is not None) is refused
    if problem:
        assert problem.is_error
        assert problem.code == 'disk-bus-unsupported'
        assert problem.where == f'action:{action}'
        assert (problem.case, problem.other_value) == ('attached', 'q35')
        assert problem.fix.advice == 'another-bus'


@pytest.mark.parametrize(
    ('vnic_type', 'refused'),
    [
        (None, False),
        ('normal', False),
        ('vhost-user', False),
        ('smart-nic', False),
        ('direct', True),
        ('Direct', True),
        ('direct-physical', True),
        ('macvtap', True),
        ('vdpa', True),
        ('accelerator-direct', True),
        ('accelerator-direct-physical', True),
        ('remote-managed', True),
        ('virtio-forwarder', True),
    ],
)
def test_attaching_an_interface(vnic_type, refused):
    problem = check_action(SERVER, 'attach-interface', vnic_type=vnic_type)

    assert (problem is not None) is refused
    if problem:
        assert problem.code == 'host-device'
        assert (problem.case, problem.value) == ('port', vnic_type)
    assert check_action(PLAIN, 'attach-interface', vnic_type=vnic_type) is None


def test_attaching_a_device():
    problem = check_action(SERVER, 'attach-device')

    assert problem.where == 'action:attach-device'
    assert problem.fix.advice == 'normal-port'
    assert check_action(PLAIN, 'attach-device') is None


BIOS = encrypted({}, {'hw_firmware_type': 'bios'})
MAYBE = plain({}, {'hw_mem_encryption': 'maybe'})
BROKEN = plain({'trait1:CUSTOM_A': 'required'})
SEV_ES = encrypted(model='amd-sev-es')


@pytest.mark.parametrize(
    ('action', 'server', 'new', 'code'),
    [
        pytest.param('rebuild', SERVER, SERVER, None, id='the same again'),
        pytest.param('rebuild', PLAIN, PLAIN, None, id='never encrypted'),
        pytest.param('rebuild', SERVER, PLAIN, None, id='no more encrypted'),
        pytest.param(
            'rebuild', PLAIN, SERVER, 'rebuild-needs-slot', id='no slot held'
        ),
        pytest.param(
            'rebuild', SERVER, SEV_ES, 'rebuild-changes-model', id='model'
        ),
        pytest.param(
            'rebuild', SERVER, BIOS, 'firmware-not-uefi', id='BIOS image'
        ),
        pytest.param(
            'rebuild', SERVER, MAYBE, 'invalid-boolean', id='what nova drops'
        ),
        pytest.param(
            'rebuild', PLAIN, BROKEN, None, id='asks Placement for nothing'
        ),
        pytest.param('rescue', SERVER, SERVER, None, id='encrypted rescue'),
        pytest.param('rescue', PLAIN, PLAIN, None, id='plain rescue'),
        pytest.param('rescue', PLAIN, BIOS, None, id='a plain server'),
        pytest.param(
            'rescue', SERVER, PLAIN, 'rescue-drops-encryption', id='dropped'
        ),
        pytest.param(
            'rescue', SERVER, MAYBE, 'rescue-drops-encryption', id='maybe'
        ),
        pytest.param(
            'rescue', SERVER, BIOS, 'firmware-not-uefi', id='BIOS rescue'
        ),
        pytest.param('resize', SERVER, SERVER, None, id='a valid flavor'),
        pytest.param('resize', SERVER, SEV_ES, None, id='another model'),
        pytest.param('resize', PLAIN, SERVER, None, id='into encryption'),
        pytest.param(
            'resize', PLAIN, BIOS, 'firmware-not-uefi', id='not for BIOS'
        ),
        pytest.param(
            'resize', PLAIN, BROKEN, 'invalid-resource-request', id='broken'
        ),
    ],
)
def test_actions_with_another_image_or_flavor(action, server, new, code):
    problem = check_action(server, action, new=new)

    assert (problem and str(problem.code)) == code
    assert problem is None or problem.is_error


def test_what_is_said_of_a_rebuild_and_a_rescue():
    needs = check_action(PLAIN, 'rebuild', new=SERVER)
    changes = check_action(SERVER, 'rebuild', new=SEV_ES)
    drops = check_action(SERVER, 'rescue', new=PLAIN)

    assert (needs.where, needs.fix.advice) == ('action:rebuild', 'new-server')
    assert (changes.other_value, changes.model) == ('amd-sev', 'amd-sev-es')
    assert (drops.where, drops.fix.advice) == (
        'action:rescue',
        'encrypted-rescue-image',
    )


def test_a_warning_refuses_no_action():
    new = encrypted({}, {'hw_machine_type': None})

    assert check_action(SERVER, 'rebuild', new=new) is None
