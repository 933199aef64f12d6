"""What a fault says where the whole does not fit into it."""

import pytest

pytest.importorskip('nova', reason='nova is not installed')

from sev_scheduling import check_action, explain, parse
from sev_scheduling.nova.faults import host_fault


def flavor(name, **extra_specs):
    return {
        'name': name,
        'ram': 512,
        'vcpus': 1,
        'disk': 1,
        'extra_specs': {'hw:mem_encryption': 'true', **extra_specs},
    }


@pytest.mark.parametrize(
    'name',
    [
        pytest.param('m1.sev', id='the whole fits'),
        pytest.param('m' * 60, id='names are long'),
        pytest.param('m' * 255, id='names are as long as nova allows'),
    ],
)
def test_a_refused_rebuild_has_its_reason_however_long_names_are(name):
    image = {
        'name': 'ubuntu-24.04-with-a-long-name',
        'properties': {
            'hw_firmware_type': 'uefi',
            'hw_machine_type': 'q35',
            'hw_mem_encryption': 'true',
            'hw_mem_encryption_model': 'amd-sev-es',
        },
    }
    problem = check_action(
        parse(flavor(name)), 'rebuild', new=parse(flavor(name), image)
    )

    fault = host_fault(explain([problem]))

    assert len(f'No valid host was found. {fault}'.encode()) <= 255
    assert 'he server holds a slot of amd-sev, not of amd-sev-es.' in fault
    assert fault.endswith('Create a new server from the image.')
    assert fault.startswith(('Memory encryption is', 'The server holds'))
