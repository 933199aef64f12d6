import pytest

from sev_scheduling.compute.sources.firmware import (
    Guest,
    glob,
)
from sev_scheduling.models import find_model


@pytest.mark.parametrize(
    ('machines', 'machine', 'runs'),
    [
        pytest.param(['pc-q35-*'], 'pc-q35-9.0', True, id='of its pattern'),
        pytest.param(
            ['pc-i440fx-*'], 'pc-q35-9.0', False, id='of another pattern'
        ),
        pytest.param(['pc-q35-8.*'], 'pc-q35-9.0', False, id='too new'),
        pytest.param(
            ['pc-q35-9.0.1'], 'pc-q35-9.0', False, id='a longer name'
        ),
        pytest.param(['pc-q35-8.*'], 'q35', True, id='any q35'),
        pytest.param(['pc-q35-*'], 'q35', True, id='the alias'),
        pytest.param(['pc-*'], 'q35', True, id='any of the family'),
        pytest.param(['pc-i440fx-*'], 'q35', False, id='no q35'),
        pytest.param([], 'q35', False, id='nothing'),
    ],
)
def test_a_descriptor_runs_on_its_machine_types(machines, machine, runs):
    targets = [('x86_64', pattern) for pattern in machines]
    others = [('aarch64', machine)]

    guest = Guest(find_model('amd-sev'), machine)

    assert guest.runs([*others, *targets], glob) is runs
