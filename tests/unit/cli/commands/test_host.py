"""What needs a Placement is in tests/contract/cli_placement/test_host.py."""

import pytest

from sev_scheduling.cli.commands import host
from sev_scheduling.hosts.host import Host, SlotPool

POOLS = {
    'amd-sev': SlotPool(total=15, reserved=1, used=3),
    'amd-sev-es': SlotPool(total=2**31 - 1, used=2),
}


def test_slots_without_a_limit_are_null_to_programs_and_a_dash_to_people():
    cell = host._slots(Host(name='h', pools=POOLS))

    assert cell.machine_readable() == {
        'amd-sev': {'total': 15, 'reserved': 1, 'used': 3, 'free': 11},
        'amd-sev-es': {'total': None, 'reserved': 0, 'used': 2, 'free': None},
    }
    assert 'total -' in cell.human_readable().splitlines()[1]


@pytest.mark.parametrize(
    ('types', 'machine', 'human'),
    [
        ({}, {}, '-'),
        ({'x86_64': None}, {}, '-'),
        ({'x86_64': 'q35'}, {'x86_64': 'q35'}, 'q35'),
    ],
)
def test_an_unknown_machine_type_is_a_dash(types, machine, human):
    cell = host._machine_types(Host(name='h', machine_types=types))

    assert cell.machine_readable() == machine
    assert cell.human_readable() == human
