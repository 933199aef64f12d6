"""What a real nova-scheduler does without the plug-in.

It shows that the servers work, and that what the other modules see is due
to the plug-in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.nova import Conductor, Scheduler
from tests.servers.nova_cloud import FREE, NovaCloud, guests, selected


@pytest.fixture(scope='module', autouse=True)
def scheduler(deployed: NovaCloud) -> Iterator[Scheduler]:
    with deployed.scheduler(plugin=False) as running:
        yield running


@pytest.fixture
def select(cloud: NovaCloud, conductor: Conductor):
    """Ask the scheduler, of a cloud with nothing placed in it."""
    return conductor.select


@pytest.mark.parametrize('model', [None, *FREE])
def test_a_guest_is_placed_with_the_slot_that_it_needs(cloud, select, model):
    answer = select(guests(1, model))
    held = cloud.held()
    assert {i: list(hosts) for i, hosts in held.items()} == {
        instance: [host] for instance, host in selected([answer]).items()
    }
    if model is None:
        assert list(held[answer['instances'][0]].values()) == ['']


def test_the_reason_of_a_refusal_is_empty(cloud, select):
    answer = select(guests(1, 'intel-tdx'))
    assert answer['error'] == 'NoValidHost'
    assert answer['message'] == 'No valid host was found. '
    assert cloud.held() == {}


def test_a_guest_can_get_a_slot_of_another_model(cloud, select):
    """The trait on the root of milan-stale offers slots of amd-sev-es."""
    answers = [
        select(guests(1, 'amd-sev')) for _ in range(FREE['amd-sev'] + 1)
    ]
    assert all('hosts' in answer for answer in answers)
    slots = [slot for held in cloud.held().values() for slot in held.items()]
    assert ('milan-stale', 'amd-sev-es') in slots


def test_a_bus_that_cannot_be_encrypted_is_accepted(cloud, select):
    assert 'hosts' in select(
        guests(1, 'amd-sev', image={'hw_disk_bus': 'ide'})
    )
