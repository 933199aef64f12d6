"""Many processes claim slots of one Placement on a server database.

None is sold twice and none is lost, whoever is killed when.
"""

from __future__ import annotations

import collections
import itertools
import random
import time
from collections.abc import Iterable, Mapping
from multiprocessing import connection
from multiprocessing.process import BaseProcess

import pytest
import sqlalchemy as sa

from sev_scheduling.placement import Claim, PlacementClient
from tests.e2e.requests import hosts, sev_request
from tests.servers.claimers import GROUP, HELD, MARK, race, start_claimer
from tests.servers.placement import PlacementServer
from tests.servers.process import wait_until

#: Nested and flat trees, 60 slots in all.
CLOUD = [
    *hosts(2, 20),
    *hosts(1, 20, name='naples', layout='flat'),
]
SLOTS = 60
PROCESSES = 8

#: How often some of them are killed between two looks at what is left.
KILLS = 12


@pytest.fixture
def server(placement: PlacementServer) -> PlacementServer:
    placement.load(CLOUD)
    return placement


def used(client: PlacementClient) -> dict[str, int]:
    """Return what Placement counts as used of each pool that is in use."""
    return {
        pool.provider_uuid: pool.used
        for host in client.hosts(details=False)
        for pool in host.pools.values()
        if pool.used
    }


def held(client: PlacementClient) -> Mapping[str, int]:
    """Return the claims that can be listed, counted by pool."""
    return collections.Counter(claim.provider for claim in client.claims())


#: What each consumer holds, by resource class, and each pool's total beside.
_ALLOCATIONS = """
SELECT c.uuid, rc.name, a.used, p.id
FROM allocations a
JOIN consumers c ON c.uuid = a.consumer_id
JOIN resource_classes rc ON rc.id = a.resource_class_id
JOIN resource_providers p ON p.id = a.resource_provider_id
"""
_TOTALS = """
SELECT i.resource_provider_id, i.total FROM inventories i
JOIN resource_classes rc ON rc.id = i.resource_class_id
WHERE rc.name = 'MEM_ENCRYPTION_CONTEXT'
"""
WHOLE = ['DISK_GB', 'MEMORY_MB', 'MEM_ENCRYPTION_CONTEXT', 'VCPU']


def slots_by_sql(server: PlacementServer) -> int:
    """Return the slots in use, from Placement's tables themselves.

    No pool may have more in use than its total, and no consumer less than a
    whole claim.
    """
    engine = sa.create_engine(server.database_url, poolclass=sa.pool.NullPool)
    with engine.connect() as database:
        allocations = database.execute(sa.text(_ALLOCATIONS)).all()
        totals = dict(database.execute(sa.text(_TOTALS)).tuples().all())
    classes = collections.defaultdict(list)
    in_use: collections.Counter[int] = collections.Counter()
    for consumer, name, amount, provider in allocations:
        classes[consumer].append(name)
        if name == 'MEM_ENCRYPTION_CONTEXT':
            in_use[provider] += amount
    assert all(sorted(names) == WHOLE for names in classes.values()), classes
    assert all(n <= totals[provider] for provider, n in in_use.items())
    assert in_use.total() == len(classes)
    return in_use.total()


def test_as_many_guests_get_a_slot_as_there_are_slots(server):
    outcomes = race(server.url, sev_request(), processes=PROCESSES, claims=50)
    assert outcomes == {HELD: 60, 'NoCapacity': 340}
    assert slots_by_sql(server) == SLOTS
    reader = PlacementClient(server.adapter())
    assert sum(used(reader).values()) == SLOTS
    assert held(reader) == used(reader)


class Crowd:
    """Claimers of one owner; those that are killed are replaced."""

    def __init__(self, url: str, owner: str) -> None:
        self.url = url
        self.owner = owner
        self.alive: list[BaseProcess] = []

    def fill(self) -> None:
        while len(self.alive) < PROCESSES:
            self.alive.append(
                start_claimer(self.url, sev_request(), self.owner)
            )

    def wait(self, seconds: float) -> None:
        """Let them claim for so long; none may end by itself."""
        ended = connection.wait(
            [process.sentinel for process in self.alive], seconds
        )
        assert not ended, 'a claimer ended by itself; see its traceback'

    def kill(self, number: int = PROCESSES) -> None:
        for _ in range(number):
            process = self.alive.pop(random.randrange(len(self.alive)))
            process.kill()
            process.join()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill(len(self.alive))


class Look:
    """What a reader sees of the claims, once nothing is under way.

    Placement goes on with a call whose sender is dead, and takes up one that
    waits: only its own end is the end of them.
    """

    def __init__(
        self, server: PlacementServer, reader: PlacementClient
    ) -> None:
        server.restart()
        self.reader = reader
        self.guests: list[str] = []
        wait_until(
            self._same_twice,
            timeout=20,
            what='claims that can be listed equal usages',
        )

    def _same_twice(self) -> bool:
        before, self.guests = self.guests, guests(self.reader.claims())
        return self.guests == before and held(self.reader) == used(self.reader)


def guests(claims: Iterable[Claim]) -> list[str]:
    return sorted(claim.instance for claim in claims)


def check_groups(instances: Iterable[str]) -> None:
    """Check that all guests of a group are there, or none."""
    groups: dict[str, str] = {}
    for instance in sorted(instances):
        start, end = instance[:-1], instance[-1]
        if start.endswith(MARK):
            groups[start] = groups.get(start, '') + end
    assert set(groups.values()) <= {GROUP}


# A whole minute on the database that has more to undo (its deadlocks).
@pytest.mark.parametrize(
    ('placement', 'share'),
    [('mariadb', 1.0), ('postgresql', 0.25)],
    indirect=['placement'],
)
def test_claimers_killed_at_any_moment_leave_whole_claims_that_can_be_freed(
    server, share, request
):
    reader = PlacementClient(server.adapter())
    seconds = request.config.getoption('--kill-seconds', 60.0) * share
    deadline = time.monotonic() + seconds
    # On a busy machine the first claimers are killed before they claim.
    end = deadline + 60
    freed = 0
    for turn in itertools.count(1):
        owner = f'turn-{turn}'
        with Crowd(server.url, owner) as crowd:
            for _ in range(KILLS):
                crowd.fill()
                crowd.wait(random.uniform(0.0, 0.5))
                crowd.kill(random.randint(1, 3))
        left = Look(server, reader).guests
        assert slots_by_sql(server) == len(left)
        check_groups(left)
        assert guests(reader.reconcile(owner)) == left
        assert guests(reader.claims()) == left, 'a dry run frees nothing'
        assert guests(reader.reconcile(owner, dry_run=False)) == left
        assert used(reader) == {}
        freed += len(left)
        if time.monotonic() > (deadline if freed else end):
            break
    assert freed, 'no claim was made'
