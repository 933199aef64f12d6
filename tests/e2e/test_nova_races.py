"""Many conductors call real schedulers at once, some of which are killed.

No slot is sold twice, and none is lost.
"""

from __future__ import annotations

import collections
import contextlib
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.servers.nova import Conductor
from tests.servers.nova_cloud import FREE, NovaCloud, guests, selected, settled

#: More than there are slots of it, and some guests without.
WANTED = {'amd-sev': 30, 'amd-sev-es': 10, 'amd-sev-snp': 5, None: 9}
CONDUCTORS = 3
KILLS = 2


@pytest.fixture(scope='module')
def conductors(deployed: NovaCloud) -> Iterator[list[Conductor]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(Conductor(deployed.nova))
            for _ in range(CONDUCTORS)
        ]


def shuffled(wanted: Mapping[str | None, int]) -> list[dict[str, Any]]:
    requests = [
        guests(1, model) for model, n in wanted.items() for _ in range(n)
    ]
    random.shuffle(requests)
    return requests


def send(
    conductors: Sequence[Conductor], requests: Sequence[Mapping[str, Any]]
) -> None:
    for number, request in enumerate(requests):
        conductors[number % len(conductors)].send(request)


def receive(
    conductors: Sequence[Conductor], requests: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    return [
        conductors[number % len(conductors)].receive()
        for number in range(len(requests))
    ]


def models_of(requests: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return instance -> model asked for, '' for none."""
    return {
        instance: request['flavor']['extra_specs'].get(
            'hw:mem_encryption_model', ''
        )
        for request in requests
        for instance in request['instances']
    }


def check_slots(
    held: Mapping[str, Mapping[str, str]], asked: Mapping[str, str]
) -> None:
    """Check that each guest is on one host and has its model's slot."""
    assert {i: list(hosts.values()) for i, hosts in held.items()} == {
        instance: [asked[instance]] for instance in held
    }


def fill(cloud: NovaCloud, conductor: Conductor) -> None:
    """Check that every slot that is free can still be had."""
    used = collections.Counter(
        model for hosts in cloud.held().values() for model in hosts.values()
    )
    for model, free in FREE.items():
        for _ in range(free - used[model]):
            assert 'hosts' in conductor.select(guests(1, model))
        answer = conductor.select(guests(1, model))
        assert answer.get('error') == 'NoValidHost', (answer, used)


NO_REASON = 'No valid host was found. '


def test_callers_at_once_get_each_slot_once_and_the_rest_a_reason(
    cloud, conductors
):
    with cloud.scheduler(), cloud.nova.scheduler('nova-scheduler-2'):
        requests = shuffled(WANTED)
        send(conductors, requests)
        answers = receive(conductors, requests)
        held = cloud.held()
        assert {i: list(hosts) for i, hosts in held.items()} == {
            instance: [host] for instance, host in selected(answers).items()
        }
        check_slots(held, models_of(requests))
        refused = [answer for answer in answers if 'hosts' not in answer]
        assert {answer['error'] for answer in refused} == {'NoValidHost'}
        # Where the last slot goes between our question and nova's own, nova
        # gives its empty reason.
        reasons = [answer['message'] > NO_REASON for answer in refused]
        assert any(reasons)
        fill(cloud, conductors[0])


def test_groups_at_once_get_all_their_slots_or_none(cloud, conductors):
    """Each asks for more than one host has."""
    with cloud.scheduler(), cloud.nova.scheduler('nova-scheduler-2'):
        requests = [guests(4, 'amd-sev') for _ in range(12)]
        send(conductors, requests)
        answers = receive(conductors, requests)
        assert {i: list(hosts) for i, hosts in cloud.held().items()} == {
            instance: [host] for instance, host in selected(answers).items()
        }
        fill(cloud, conductors[0])


def test_killed_schedulers_leave_nothing_that_cannot_be_listed_and_freed(
    cloud, conductors
):
    with cloud.scheduler() as scheduler:
        assert 'hosts' in conductors[0].select(guests())
        for _ in range(KILLS):
            cloud.clear()
            requests = shuffled(WANTED)
            send(conductors, requests)
            time.sleep(random.uniform(0.1, 0.6))
            scheduler.kill()
            scheduler.start()
            answers = receive(conductors, requests)
            held = settled(cloud)
            check_slots(held, models_of(requests))
            known = selected(answers)
            assert known.items() <= {
                (instance, host)
                for instance, hosts in held.items()
                for host in hosts
            }
            lost = {
                instance
                for answer in answers
                if answer.get('error') == 'MessagingTimeout'
                for instance in answer['instances']
            }
            strays = held.keys() - known.keys()
            assert strays <= lost
            slots = {claim.instance for claim in cloud.reader.claims()}
            assert {i for i in strays if '' not in held[i].values()} <= slots
            cloud.release(strays)
            # A claim that was under way when its scheduler was killed may
            # still be made by a busy Placement.
            late = cloud.held().keys() - known.keys()
            assert late <= lost
            cloud.release(late)
            assert cloud.held().keys() == known.keys()
            fill(cloud, conductors[0])
