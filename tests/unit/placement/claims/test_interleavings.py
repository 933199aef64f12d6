"""Claims, moves and releases in every order of their calls.

Actors run on a Placement in memory, each in a thread, and one at a time: at
each call an actor waits for its turn. The orders with up to :data:`BOUND`
switches away from an actor that could go on are all run, others are sampled
by seed. Placement's own race is built in: a claim is judged by the usages of
when its call began.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections import deque
from dataclasses import dataclass, field

import pytest

from sev_scheduling.exceptions import (
    PlacementConflict,
    PlacementUnavailable,
    SevSchedulingError,
)
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.testing.fake import FakePlacement
from tests.unit.placement.fake_transport import SEV, SLOT, sev_request, uuid_of

pytestmark = pytest.mark.long

BOUND = 2
SAMPLES = 60
#: Calls after which something has no end; the longest run has about 150.
MOST_CALLS = 2000

GUEST = uuid_of(7)
REQUEST = sev_request()


class Crash(BaseException):
    """The process of an actor was killed."""


class Seat(FakePlacement):
    """What one actor has of the Placement that all share.

    :param twice: whether the way to Placement sends each write twice
    :param lost: numbers of the writes whose answers are lost
    :param dies_at: number of the call before which the actor is killed
    """

    def __init__(self, store, turn, *, twice=False, lost=(), dies_at=None):
        vars(self).update(vars(store))
        self.names_ = self._names = {}
        self._patience = 5.0
        self._selections = deque(maxlen=1)
        self.turn = turn
        self.twice = twice
        self.lost = lost
        self.dies_at = dies_at
        self.made = self.writes = 0

    def wait(self):
        if self.dies_at is not None and self.made >= self.dies_at:
            raise Crash
        self.made += 1
        self.turn()

    @contextlib.contextmanager
    def _called(self, *args):
        self.wait()
        with super()._called(*args):
            yield

    def post_allocations(self, claims):
        self.writes += 1
        number = self.writes
        for _ in range(1 + self.twice):
            self.wait()
            self.began = {u: dict(p.used) for u, p in self.providers.items()}
            error = None
            try:
                super().post_allocations(claims)
            except PlacementConflict as conflict:
                error = conflict
        if number in self.lost:
            raise PlacementUnavailable('lost')
        if error:
            raise error

    def _used_after(self, held, wanted):
        wanted = list(wanted)
        try:
            return super()._used_after(held, wanted)
        except PlacementConflict:
            now = {u: p.used for u, p in self.providers.items()}
            try:
                for uuid, provider in self.providers.items():
                    provider.used = self.began[uuid]
                super()._used_after(held, wanted)
            finally:
                for uuid, provider in self.providers.items():
                    provider.used = now[uuid]
            used = {u: dict(p.used) for u, p in self.providers.items()}
            for sign, amounts in itertools.chain(
                ((-1, before.by_provider) for before in held.values()),
                ((1, by_provider) for by_provider in wanted),
            ):
                for uuid, resources in amounts.items():
                    for name, amount in resources.items():
                        used[uuid][name] = (
                            used[uuid].get(name, 0) + sign * amount
                        )
            return used


def store_of(*slots, guest=True):
    """Return a Placement with a host for each number, and a guest on one."""
    store = FakePlacement()
    for number, total in enumerate(slots, 1):
        root = store.add_provider(
            f'host-{number}',
            uuid=uuid_of(number),
            inventories={
                'VCPU': Inventory(16),
                'MEMORY_MB': Inventory(65536),
            },
            traits=['CUSTOM_HW_MACHINE_TYPE_Q35'],
        )
        store.add_provider(
            f'host-{number}_amd_sev',
            uuid=uuid_of(1000 + number),
            parent=root,
            inventories={SLOT: Inventory(total)},
            traits=[SEV],
        )
    if guest:
        store.schedule(REQUEST, instances=[GUEST], owner='guest')
    return store


@dataclass
class Actor:
    """Who does one thing, and what became of it.

    :ivar guests: those that it claims for
    """

    act: object
    guests: list[str] = field(default_factory=list)
    options: dict = field(default_factory=dict)
    result: object = None
    error: object = None
    over: bool = False


def schedules(number, count=1, **options):
    guests = [uuid_of(100 * number + n) for n in range(count)]
    return Actor(
        lambda seat: seat.schedule(
            REQUEST, count, instances=guests, owner=f'actor-{number}'
        ),
        guests,
        options,
    )


def moves(**options):
    return Actor(lambda seat: seat.move(GUEST, REQUEST), [], options)


def releases(**options):
    return Actor(lambda seat: seat.release(GUEST), [], options)


SCENES = {
    'two claims of the last slot': (
        (1,), False, lambda: [schedules(1), schedules(2)],
    ),
    'a group and a guest': (
        (2, 1), False, lambda: [schedules(1, 3), schedules(2)],
    ),
    'two claims and a move': (
        (1, 1), True, lambda: [schedules(1), moves(), schedules(2)],
    ),
    'a move and a release': ((1, 1, 1), True, lambda: [moves(), releases()]),
    'two moves': ((1, 1, 1), True, lambda: [moves(), moves()]),
    'a claim, a move and a release': (
        (1, 1), True, lambda: [schedules(1), moves(), releases()],
    ),
    'a claim that is sent twice': (
        (1,), False, lambda: [schedules(1, twice=True), schedules(2)],
    ),
    'a move that is sent twice': (
        (1, 1), True, lambda: [moves(twice=True), schedules(1)],
    ),
    'a release that is sent twice': (
        (1, 1), True, lambda: [releases(twice=True), moves(), schedules(1)],
    ),
    'a claim with a lost answer': (
        (1,), False, lambda: [schedules(1, lost=(1,)), schedules(2)],
    ),
    'a claim with two lost answers': (
        (1,), False, lambda: [schedules(1, lost=(1, 2)), schedules(2)],
    ),
    'a move with a lost answer': (
        (1, 1), True, lambda: [moves(lost=(1,)), releases(lost=(1,))],
    ),
    'a move with another lost answer': (
        (1, 1), True, lambda: [moves(lost=(2,)), schedules(1)],
    ),
    'a move with lost answers': (
        (1, 1), True, lambda: [moves(lost=(2, 3, 4)), moves()],
    ),
}  # fmt: skip


class Run:
    """One run of some actors.

    :param choose: gets the step, who goes on, and who could; returns who
    :ivar trace: who could go on at each step, and who did
    """

    def __init__(self, store, actors, choose):
        self.store = store
        self.actors = actors
        held = store._consumers.get(GUEST)
        self.origin = set(held.by_provider) if held else set()
        self.trace = []
        self.ready = threading.Semaphore(0)
        self.turns = [threading.Semaphore(0) for _ in actors]
        threads = [
            threading.Thread(target=self._act, args=(n,), daemon=True)
            for n in range(len(actors))
        ]
        for thread in threads:
            thread.start()
            self._wait()
        current = 0
        while True:
            could = [n for n, a in enumerate(actors) if not a.over]
            if not could:
                break
            assert len(self.trace) < MOST_CALLS, 'no end'
            current = choose(len(self.trace), current, could)
            self.trace.append((could, current))
            self.turns[current].release()
            self._wait()
        for thread in threads:
            thread.join(10)
        self.check()

    def _wait(self):
        assert self.ready.acquire(timeout=30), 'an actor hangs'

    def _act(self, number):
        actor = self.actors[number]

        def turn():
            self.ready.release()
            self.turns[number].acquire()

        try:
            actor.result = actor.act(Seat(self.store, turn, **actor.options))
        except (SevSchedulingError, Crash) as error:
            actor.error = error
        except BaseException as error:
            actor.error = error
            self.failed = error
        finally:
            actor.over = True
            self.ready.release()

    def check(self):
        if hasattr(self, 'failed'):
            raise self.failed
        store = self.store
        for number, actor in enumerate(self.actors):
            if isinstance(actor.error, Crash) and actor.guests:
                held = [bool(store._consumers.get(g)) for g in actor.guests]
                assert len(set(held)) == 1, 'half of a group'
                for guest in actor.guests:
                    store.release(guest)
            assert actor.over, number
        used = {}
        for held in store._consumers.values():
            for uuid, amounts in held.by_provider.items():
                for name, amount in amounts.items():
                    used[uuid, name] = used.get((uuid, name), 0) + amount
        for uuid, provider in store.providers.items():
            for name, inventory in provider.inventories.items():
                amount = used.get((uuid, name), 0)
                assert amount == provider.used.get(name, 0)
                assert amount <= inventory.capacity, 'more than there is'
        self._check_places()
        for actor in self.actors:
            self._check_reports(actor)

    def _check_places(self):
        """The guest of a move is whole in one place, and nothing is left."""
        store = self.store
        moves = [a for a in self.actors if a.act.__code__ is MOVE]
        for actor in moves:
            if isinstance(actor.error, Crash):
                for claim in store.reconcile('guest', dry_run=False):
                    assert claim.instance not in self.guests - {GUEST}
        held = store._consumers.get(GUEST)
        if held:
            roots = {store.providers[u].root for u in held.by_provider}
            assert len(roots) == 1, 'in two places'
            assert len(held.by_provider) == 2, 'half of a place'
        elif self.origin:
            assert any(a.act.__code__ is RELEASE for a in self.actors), 'lost'
        reported = {
            i for a in moves for i in getattr(a.error, 'instances', ())
        }
        assert GUEST not in reported
        held = {c for c, a in store._consumers.items() if a}
        assert held <= self.guests | reported, 'left over'

    @property
    def guests(self):
        return {GUEST}.union(*(actor.guests for actor in self.actors))

    def _check_reports(self, actor):
        held = {g for g in actor.guests if self.store._consumers.get(g)}
        assert len(held) in (0, len(actor.guests)), 'half of a group'
        if isinstance(actor.error, Crash):
            assert not held
        elif actor.error is not None:
            reported = set(getattr(actor.error, 'instances', ()))
            assert held <= reported, 'not reported'
        else:
            assert held == set(actor.guests)
            if actor.act.__code__ is MOVE and all(
                other.act.__code__ is not MOVE or other is actor
                for other in self.actors
            ):
                assert actor.result.host_uuid not in self.origin
            if actor.act.__code__ is RELEASE:
                assert actor.result is True
                assert not self.store._consumers.get(GUEST)


MOVE = moves().act.__code__
RELEASE = releases().act.__code__


def by_switches(switches):
    """Go on with one actor, but switch at these steps."""

    def choose(step, current, could):
        wanted = switches.get(step, current)
        return wanted if wanted in could else could[0]

    return choose


def explore(slots, guest, actors):
    """Run every order up to the bound, then samples; return how many."""
    orders = [{}]
    runs = 0
    while orders:
        switches = orders.pop()
        random.seed(1)
        run = Run(store_of(*slots, guest=guest), actors(),
                  by_switches(switches))  # fmt: skip
        runs += 1
        if len(switches) < BOUND:
            last = max(switches, default=-1)
            orders += [
                {**switches, step: other}
                for step, (could, went) in enumerate(run.trace)
                if step > last
                for other in could
                if other != went
            ]
    for seed in range(SAMPLES):
        dice = random.Random(seed)
        random.seed(seed)
        Run(
            store_of(*slots, guest=guest),
            actors(),
            lambda step, current, could: dice.choice(could),  # noqa: B023
        )
    return runs + SAMPLES


@pytest.mark.parametrize('scene', SCENES)
def test_in_every_order_of_their_calls(scene):
    """Never more than there is, never half, never unreported, always an
    end."""
    assert explore(*SCENES[scene]) > SAMPLES + 10


@pytest.mark.parametrize('act', [schedules, moves, releases])
def test_a_crash_at_any_call(act):
    for dies_at in range(14):
        for seed in range(6):
            dice = random.Random(seed)
            random.seed(seed)
            first = (
                schedules(1, 2, dies_at=dies_at)
                if act is schedules
                else act(dies_at=dies_at)
            )
            Run(
                store_of(1, 2, 1),
                [first, schedules(2), schedules(3)],
                lambda step, current, could: dice.choice(could),  # noqa: B023
            )


def test_the_race_is_built_in(monkeypatch):
    """The tests above would pass on a Placement without it."""
    monkeypatch.setattr(
        'sev_scheduling.placement.claims.transaction.find_fault',
        lambda *args: None,
    )
    with pytest.raises(AssertionError, match='more than there is'):
        explore(*SCENES['two claims of the last slot'])
