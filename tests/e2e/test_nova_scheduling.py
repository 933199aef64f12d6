"""A real nova-scheduler with the plug-in places guests, or says why not."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.servers.nova import Conductor, Scheduler
from tests.servers.nova_cloud import FREE, NovaCloud, guests, selected

UUID = re.compile('-'.join(f'[0-9a-f]{{{n}}}' for n in (8, 4, 4, 4, 12)))
A_NUMBER = re.compile(r'(?<![\w.:-])\d+(?![\w.-])')


@pytest.fixture(scope='module')
def scheduler(deployed: NovaCloud) -> Iterator[Scheduler]:
    with deployed.scheduler() as running:
        yield running


@pytest.fixture
def select(cloud: NovaCloud, scheduler: Scheduler, conductor: Conductor):
    """Ask the scheduler, of a cloud with nothing placed in it."""
    return conductor.select


def fault(answer: Mapping[str, Any], hosts: Sequence[str]) -> str:
    """Return what the user reads, once seen that it has no secrets."""
    assert answer['error'] == 'NoValidHost'
    nova, _, text = answer['message'].partition('No valid host was found. ')
    assert not nova
    assert text, 'the reason is empty'
    assert not [host for host in hosts if host in text]
    assert not UUID.search(text)
    assert not A_NUMBER.search(text)
    return text


@pytest.mark.parametrize('model', FREE)
def test_a_guest_gets_a_slot_of_its_model(cloud, select, model):
    request = guests(1, model)
    answer = select(request)
    (instance,), (host,) = request['instances'], answer['hosts']
    assert cloud.held() == {instance: {host: model}}


def test_guests_fill_the_pools_of_their_models_and_no_other(cloud, select):
    models = {}
    for model, free in FREE.items():
        for _ in range(free):
            request = guests(1, model)
            assert 'hosts' in select(request)
            models[request['instances'][0]] = model
        text = fault(select(guests(1, model)), cloud.hosts)
        assert f'All {model} slots are taken now.' in text
    held = {
        instance: model
        for instance, hosts in cloud.held().items()
        for model in hosts.values()
    }
    assert held == models


def test_a_guest_gets_no_slot_of_another_model(cloud, select):
    """The trait on the root of milan-stale offers slots of amd-sev-es."""
    request = guests(FREE['amd-sev'], 'amd-sev')
    assert 'milan-stale' not in select(request)['hosts']
    fault(select(guests(1, 'amd-sev')), cloud.hosts)
    assert len(cloud.held()) == FREE['amd-sev']


def test_an_image_without_machine_type_goes_to_hosts_with_q35(cloud, select):
    request = guests(8, 'amd-sev', image={'hw_machine_type': None})
    hosts = collections.Counter(select(request)['hosts'])
    assert hosts == {'naples-1': 3, 'naples-2': 3, 'rome-flat': 2}
    one_more = guests(1, 'amd-sev', image={'hw_machine_type': None})
    assert 'hw_machine_type=q35' in fault(select(one_more), cloud.hosts)


def test_all_problems_of_a_request_are_named_at_once(cloud, select):
    image = {'hw_disk_bus': 'ide', 'hw_cdrom_bus': 'ide'}
    text = fault(select(guests(1, 'amd-sev', image=image)), cloud.hosts)
    assert text.startswith('Scheduling failed: ')
    assert 'hw_disk_bus' in text
    assert 'hw_cdrom_bus' in text
    assert cloud.held() == {}


def test_a_model_that_no_host_offers_is_named(cloud, select):
    text = fault(select(guests(1, 'intel-tdx')), cloud.hosts)
    assert 'intel-tdx' in text


def test_a_guest_too_large_for_the_hosts_with_slots_is_named(cloud, select):
    text = fault(select(guests(1, 'amd-sev', vcpus=4000)), cloud.hosts)
    assert 'VCPU' in text


def test_of_more_guests_than_slots_in_one_request_none_stays(cloud, select):
    answer = select(guests(FREE['amd-sev'] + 1, 'amd-sev'))
    assert answer['error'] == 'NoValidHost'
    assert cloud.held() == {}


def test_guests_without_encryption_keep_off_slots_and_their_hosts(
    cloud, select
):
    request = guests(4)
    answer = select(request)
    assert set(answer['hosts']) <= {'plain-1', 'plain-2'}
    assert cloud.held() == {
        instance: {host: ''} for instance, host in selected([answer]).items()
    }


def test_the_operator_reads_the_numbers_in_the_log(cloud, select, scheduler):
    select(guests(FREE['amd-sev-es'], 'amd-sev-es'))
    before = len(scheduler.text())
    select(guests(1, 'amd-sev-es'))
    logged = [
        line
        for line in scheduler.text()[before:].splitlines()
        if ' INFO sev_scheduling' in line
    ]
    assert any('amd-sev-es' in line for line in logged)
