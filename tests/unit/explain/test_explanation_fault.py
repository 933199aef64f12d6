"""The tenant's view within the bytes that nova keeps of a fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling import (
    Host,
    SlotPool,
    check_action,
    explain,
    filter_hosts,
    parse,
    validate,
)
from sev_scheduling.explain.explanation import FAULT_BYTES
from tests.unit.factories import ON, READY, encrypted, flavor, image

#: Nova's own words before a reason.
HOST = FAULT_BYTES - len('No valid host was found. ')
REQUEST = HOST - len('Scheduling failed: ')


def problems(flavor_name='m1', image_name='ubuntu', **properties):
    request = parse(
        flavor(ON, name=flavor_name),
        image({**READY, **properties}, name=image_name),
    )
    return explain(validate(request))


def test_all_is_said_where_it_fits_else_the_asker_goes_first():
    found = problems(hw_disk_bus='ide')

    assert found.fault() == (
        'Memory encryption is requested by extra spec hw:mem_encryption of '
        "flavor m1, but image ubuntu has hw_disk_bus='ide'. openstack image "
        'set --property hw_disk_bus=virtio ubuntu'
    )
    assert found.fault(len(found.fault())) == found.fault()
    # Who asked is left out first.
    assert found.fault(len(found.fault()) - 1) == (
        "Image ubuntu has hw_disk_bus='ide'. openstack image set --property "
        'hw_disk_bus=virtio ubuntu'
    )


def test_fixes_to_one_image_are_said_in_one_sentence():
    found = problems(hw_disk_bus='ide', hw_cdrom_bus='ide')

    assert found.fault(140) == (
        "Image ubuntu has hw_disk_bus='ide'. Set hw_disk_bus=virtio, "
        'hw_cdrom_bus=sata on image ubuntu.'
    )
    assert found.fault(90) == (
        'Set hw_disk_bus=virtio, hw_cdrom_bus=sata on image ubuntu.'
    )


def test_reasons_are_left_out_whole_the_changes_last():
    request = encrypted(
        {'pci_passthrough:alias': 'gpu:1'},
        {'hw_architecture': 'i386', 'hw_disk_bus': 'ide'},
    )
    explanation = explain(validate(request))

    assert explanation.fault(150) == (
        'Remove pci_passthrough:alias from flavor m1. Boot from an image for '
        'x86_64, or without encryption.'
    )
    assert explanation.fault(60) == (
        'Remove pci_passthrough:alias from flavor m1. …'
    )
    assert explanation.fault(20) == 'Remove pci_passt …'
    assert explanation.fault(3) == ''


def test_a_name_full_of_commas_hides_neither_image_nor_bus():
    found = problems(
        'm1.sev, but not for databases, use m1.large ' + 'y' * 20,
        'ubuntu-24.04-minimal-cloudimg',
        hw_disk_bus='ide',
    )
    fault = found.fault(REQUEST)

    assert fault == (
        "Image ubuntu-24.04-minimal-cloudimg has hw_disk_bus='ide'. "
        'openstack image set --property hw_disk_bus=virtio '
        'ubuntu-24.04-minimal-cloudimg'
    )


@pytest.mark.parametrize('name', ['m1', 'm' * 60, 'm' * 255])
def test_a_refused_rebuild_has_its_reason_however_long_names_are(name):
    new = image({**READY, 'hw_mem_encryption_model': 'amd-sev-es'})
    problem = check_action(
        parse(flavor(ON, name=name)),
        'rebuild',
        new=parse(flavor(ON, name=name), new),
    )
    fault = explain([problem]).fault(HOST)

    assert 'he server holds a slot of amd-sev, not of amd-sev-es.' in fault
    assert fault.endswith('Create a new server from the image.')


@pytest.mark.parametrize('letter', ['w', 'ü', '密', '🔒'])
def test_a_name_without_end_is_cut_short_between_letters(letter):
    fault = problems(image_name=letter * 255, hw_disk_bus='ide').fault(REQUEST)

    assert len(fault.encode()) <= REQUEST
    assert "has hw_disk_bus='ide'" in fault
    assert f'on image {letter * 9}' in fault
    assert '�' not in fault


def test_what_hosts_are_the_reason_is_said_before_any_change():
    """Of a change of the model, one must know why."""
    name = 'm' * 60
    request = parse(
        flavor({**ON, 'hw:mem_encryption_model': 'amd-sev-es'}, name=name),
        image(READY),
    )
    pools = {m: SlotPool(total=5) for m in ('amd-sev-es', 'amd-sev-snp')}
    found = explain(
        filter_hosts(validate(request), [Host(name='a', pools=pools)])
    )

    reason = (
        'Hosts with amd-sev-es also offer amd-sev-snp, and the two must not '
        'share a host (CVE-2025-48514).'
    )
    assert found.fault(HOST).startswith(f'{reason} Set hw:mem_encryption_')
    assert found.fault(len(reason) + 10) == f'{reason} …'


def test_there_is_nothing_to_say_where_all_is_well():
    assert explain(()).fault() == ''


@given(
    st.text(alphabet='ab ü密🔒\'"-=,.', max_size=300),
    st.text(alphabet='ab ü密🔒\'"-=,.', max_size=300),
    st.integers(0, 400),
    st.booleans(),
)
def test_a_fault_is_never_longer_than_its_limit(owner, name, limit, bus):
    properties = {'hw_cdrom_bus': 'ide'}
    if bus:
        properties['hw_disk_bus'] = 'ide'
    fault = problems(owner, name, **properties).fault(limit)

    assert len(fault.encode()) <= limit
    assert '\n' not in fault
