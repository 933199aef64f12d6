"""Placement stops under a real nova-scheduler, and goes on.

The plug-in waits no longer than it says, warns once, and all is well again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.servers.nova import Conductor
from tests.servers.nova_cloud import (
    FREE,
    NOVA_TIMEOUT,
    PLUGIN_TIMEOUT,
    NovaCloud,
    guests,
    selected,
    settled,
)

#: Seconds that a busy machine may add to what is promised.
SLACK = 5.0

MODEL = 'amd-sev'


@contextlib.contextmanager
def frozen(cloud: NovaCloud) -> Iterator[None]:
    """Let Placement accept connections, but answer nothing."""
    cloud.placement.server.pause()
    try:
        yield
    finally:
        cloud.placement.server.resume()


@contextlib.contextmanager
def gone(cloud: NovaCloud) -> Iterator[None]:
    """Leave Placement's port without a listener."""
    cloud.placement.server.kill()
    try:
        yield
    finally:
        cloud.placement.start()


def longest(answers: Sequence[Mapping[str, Any]]) -> float:
    return max(answer['seconds'] for answer in answers)


def check_warnings(log: str) -> None:
    """Check that the plug-in warned of each thing once.

    There were many guests and hosts, but all within a minute.
    """
    said = [
        line.split('] ', 1)[1].split(':')[0]
        for line in log.splitlines()
        if ' WARNING sev_scheduling' in line
    ]
    assert said
    assert len(said) == len(set(said))


def check_recovered(cloud: NovaCloud, conductor: Conductor) -> None:
    """Free what no answer named, then take every slot there is."""
    held = settled(cloud)
    cloud.release(held)
    answers = [
        conductor.select(guests(1, MODEL)) for _ in range(FREE[MODEL] + 1)
    ]
    assert len(selected(answers)) == FREE[MODEL]
    assert answers[-1]['error'] == 'NoValidHost'
    slots = [
        slot for hosts in cloud.held().values() for slot in hosts.values()
    ]
    assert slots == [MODEL] * FREE[MODEL]


def test_a_frozen_placement_costs_no_more_than_the_time_outs(cloud, conductor):
    with cloud.scheduler(impatient=True) as scheduler:
        assert 'hosts' in conductor.select(guests(1, MODEL))
        before = len(scheduler.text())
        with frozen(cloud):
            plain = conductor.select_all([guests() for _ in range(4)])
            encrypted = conductor.select_all(
                [guests(1, MODEL) for _ in range(8)]
            )
        answers = [*plain, *encrypted]
        # Nova itself does not catch the time-out of its own question.
        assert not selected(answers)
        assert longest(plain) < NOVA_TIMEOUT + SLACK
        assert longest(encrypted) < NOVA_TIMEOUT + PLUGIN_TIMEOUT + SLACK
        check_warnings(scheduler.text()[before:])
        check_recovered(cloud, conductor)


def test_a_placement_that_stops_amid_claims_oversells_nothing(
    cloud, conductor
):
    with cloud.scheduler(impatient=True):
        assert 'hosts' in conductor.select(guests(1, MODEL))
        cloud.clear()
        requests = [guests(1, MODEL) for _ in range(30)]
        for request in requests:
            conductor.send(request)
        # The first answer shows that claims are under way.
        answers = [conductor.receive()]
        with frozen(cloud):
            answers += [conductor.receive() for _ in range(4)]
        answers += [conductor.receive() for _ in range(25)]
        held = settled(cloud)
        assert selected(answers).items() <= {
            (instance, host) for instance in held for host in held[instance]
        }
        assert len(held) <= FREE[MODEL]
        claims = {claim.instance for claim in cloud.reader.claims()}
        assert held.keys() <= claims
        check_recovered(cloud, conductor)


def test_a_scheduler_that_starts_without_placement_recovers(cloud, conductor):
    with contextlib.ExitStack() as stack:
        with gone(cloud):
            scheduler = stack.enter_context(cloud.scheduler(impatient=True))
            answers = conductor.select_all(
                [guests(), *(guests(1, MODEL) for _ in range(4))]
            )
            assert longest(answers) < PLUGIN_TIMEOUT + SLACK
            assert not selected(answers)
            check_warnings(scheduler.text())
        check_recovered(cloud, conductor)
