"""Sixty kinds of fault, at each stage of what a client writes.

Whatever stands between the client and the real Placement, once or always: no
exception but the documented ones, no claim that is not reported, no guest
lost or in two places, none beyond its deadline. Some of the product runs by
default; ``--all-faults`` runs all of it, and prints what became of each.
"""

from __future__ import annotations

import collections
import itertools
import random
import time

import pytest

from sev_scheduling import exceptions
from sev_scheduling.placement import PlacementClient
from tests.e2e.requests import hosts, sev_request
from tests.servers import faults
from tests.servers.faults import FaultProxy
from tests.servers.placement import adapter_for

TIMEOUT = 0.5
PATIENCE = 0.5
LONG = 600.0
MAX_ANSWER = 2 * 2**20

#: So many calls may each take the time-out: three writes and look-ups each,
#: three checks, and three times three writes and look-ups to give it back.
#: A move makes a claim and hands it over.
MOST_TIMEOUTS = {'schedule': 36, 'move': 72, 'release': 12}
SLACK = 5.0

KINDS = {
    'reset at once': faults.reset_at_once,
    'reset after': faults.reset_after,
    'reset in the answer': faults.reset_in_answer,
    'silence': faults.stall(LONG),
    'silence after': faults.stall_after(LONG),
    'late but in time': faults.stall_after(TIMEOUT / 3),
    'head trickles': faults.trickle(head=True),
    'body trickles': faults.trickle(head=False),
    'large': faults.large(compressed=False),
    'large, compressed': faults.large(compressed=True),
    'a page': faults.wrong_type,
    'another shape': faults.wrong_shape,
    'a JSON list': faults.json_list,
    'JSON cut short': faults.truncated_json,
    'an empty object': faults.json_instead(b'{}'),
    'sent twice': faults.twice,
    'conflict': faults.conflict(),
    'conflict, undefined': faults.conflict('placement.undefined_code'),
    'yes, 200, not done': faults.yes(200, b'{}'),
    'yes, 204, not done': faults.yes(204),
    'redirect 302': faults.redirect(302, after=False),
    'redirect 307 after': faults.redirect(307, after=True),
    **{f'{n}': faults.status(n) for n in (
        400, 401, 403, 404, 406, 408, 409, 413, 429, 500, 502, 503, 504)},
    **{f'{n} after': faults.status_after(n) for n in (
        400, 401, 403, 404, 406, 408, 409, 413, 429, 500, 502, 503, 504)},
    **{f'page {n}': faults.page(n, after=False) for n in (
        400, 403, 404, 409, 502, 503)},
    **{f'page {n} after': faults.page(n, after=True) for n in (
        400, 403, 404, 409, 502, 503)},
}  # fmt: skip

OPERATIONS = {
    'schedule': lambda client: client.schedule(sev_request(), 3),
    'move': lambda client: client.move(GUEST, sev_request()),
    'release': lambda client: client.release(GUEST),
}

WRITE = {'method': 'POST', 'path': '/allocations'}
#: A write whose answer is lost.
LOST = (faults.status_after(503), {**WRITE, 'times': 1})
CHECK = {'path': '/allocation_candidates', 'skip': 1}
#: A host that the query which checks a claim does not show.
HIDDEN = (
    faults.json_instead(b'{"allocation_requests":[],"provider_summaries":{}}'),
    {**CHECK, 'method': 'GET'},
)

#: What is asked of the hosts by a claim, and what of them is checked after:
#: the request that the fault takes, and another fault before it, if any.
HOSTS = {
    'versions': ({'path': '/', 'end': '/'}, None),
    'candidates': ({'path': '/allocation_candidates'}, None),
    'overcommitted memory': (
        {'path': '/resource_providers/', 'end': 'inventories'}, None),
    'check': (CHECK, None),
    'check of inventories': (
        {'path': '/resource_providers/', 'end': 'inventories', 'skip': 2},
        HIDDEN),
    'check of usages': (
        {'path': '/resource_providers/', 'end': 'usages'}, HIDDEN),
    'check of traits': (
        {'path': '/resource_providers/', 'end': 'traits'}, HIDDEN),
}  # fmt: skip
NAMES = {'path': '/resource_providers', 'end': 'providers'}
CONSUMER = {'path': '/allocations/'}

#: Operation, stage -> the same.
STAGES = {
    **{('schedule', name): rules for name, rules in HOSTS.items()},
    ('schedule', 'names'): (NAMES, None),
    ('schedule', 'claim'): (WRITE, None),
    ('schedule', 'look-up'): (CONSUMER, LOST),
    ('move', 'what it holds'): (CONSUMER, None),
    ('move', 'its host'): ({'path': '/resource_providers?uuid='}, None),
    **{('move', name): rules for name, rules in HOSTS.items()},
    ('move', 'names'): ({**NAMES, 'skip': 1}, None),
    ('move', 'claim'): (WRITE, None),
    ('move', 'look-up of the claim'): ({**CONSUMER, 'skip': 1}, LOST),
    ('move', 'the claim before'): ({**CONSUMER, 'skip': 1}, None),
    ('move', 'hand-over'): ({**WRITE, 'skip': 1}, None),
    ('move', 'look-up of the hand-over'): (
        {**CONSUMER, 'skip': 2}, (LOST[0], {**LOST[1], 'skip': 1})),
    ('release', 'versions'): HOSTS['versions'],
    ('release', 'what it holds'): (CONSUMER, None),
    ('release', 'write'): (WRITE, None),
    ('release', 'look-up'): ({**CONSUMER, 'skip': 1}, LOST),
}  # fmt: skip

CASES = [
    (kind, *stage, times)
    for kind, stage, times in itertools.product(
        KINDS, STAGES, ('once', 'always')
    )
]

#: The guest that is moved and released.
GUEST = '00000000-0000-0000-0000-000000000007'


def pytest_generate_tests(metafunc):
    if 'case' in metafunc.fixturenames:
        cases = CASES
        if not metafunc.config.getoption('--all-faults', default=False):
            # Each kind at a claim itself or at a hand-over, and some others.
            dice = random.Random(11)
            writes = [
                dice.choice([c for c in CASES if c[0] == kind
                             and c[2] in ('claim', 'hand-over')])
                for kind in KINDS
            ]  # fmt: skip
            others = [c for c in CASES if c not in writes]
            cases = writes + dice.sample(others, 60)
        metafunc.parametrize('case', cases, ids='-'.join)


@pytest.fixture(scope='module')
def outcomes(request):
    """Case -> outcome; printed at the end of all cases."""
    found = {}
    yield found
    if request.config.getoption('--all-faults', default=False):
        with request.config.pluginmanager.getplugin(
            'capturemanager'
        ).global_and_fixture_disabled():
            print_table(found)


def print_table(outcomes):
    """Print, for each stage, which kinds of fault had which outcome."""
    kinds = collections.defaultdict(list)
    for (kind, operation, stage, times), outcome in outcomes.items():
        kinds[operation, stage, times, outcome].append(kind)
    print()
    for (operation, stage, times, outcome), names in sorted(kinds.items()):
        print(
            f'{operation} | {stage} | {times} | {outcome} | {len(names)}'
            + (f' | {", ".join(names)}' if len(names) < 30 else ' | the rest')
        )


@pytest.fixture
def proxy(placement_on_sqlite):
    placement_on_sqlite.load(hosts(2, 3))
    with FaultProxy(placement_on_sqlite.url) as running:
        yield running


@pytest.fixture
def reader(placement_on_sqlite):
    """Return what makes a client that no fault troubles.

    A new one each time, as a connection that waits may be closed.
    """
    return lambda: PlacementClient(placement_on_sqlite.adapter())


def places(reader, consumer):
    """Return the names of the hosts where a consumer holds something."""
    roots = {
        found.uuid: found.root_provider_uuid
        for found in reader.resource_providers()
    }
    held = reader.allocations(consumer).by_provider
    names = reader.names(list(roots))
    return sorted(names[roots[uuid]] for uuid in held)


def test_no_fault_has_a_claim_unreported(proxy, reader, outcomes, case):
    kind, operation, stage, times = case
    if operation != 'schedule':
        reader().schedule(sev_request(), instances=[GUEST])
    before = places(reader(), GUEST)
    rule, before_it = STAGES[operation, stage]
    if before_it is not None:
        proxy.add(before_it[0], **before_it[1])
    proxy.add(
        KINDS[kind],
        times=1 if times == 'once' else float('inf'),
        **{'method': 'GET', **rule},
    )
    client = PlacementClient(
        adapter_for(proxy.url).session,
        timeout=TIMEOUT,
        patience=PATIENCE,
        max_answer=MAX_ANSWER,
    )
    started = time.monotonic()
    result, reported, text = None, set(), 'one line'
    try:
        result = OPERATIONS[operation](client)
        outcome = 'done'
    except (exceptions.PlacementError, exceptions.NoCapacity) as error:
        reported = set(error.instances)
        outcome = type(error).__name__ + (' + instances' if reported else '')
        text = str(error)
    took = time.monotonic() - started
    limit = MOST_TIMEOUTS[operation] * TIMEOUT + 2 * PATIENCE + SLACK
    assert took < limit
    assert len(text.splitlines()) == 1
    outcomes[case] = outcome
    held = {claim.instance for claim in reader().claims()}
    CHECKS[operation](result, reported, held, before, places(reader(), GUEST))


def check_schedule(placed, reported, held, before, now):
    assert len(held) in (0, 3), 'half of a claim'
    if placed is None:
        assert held <= reported, 'not reported'
    else:
        assert held == {p.instance for p in placed}


def check_move(moved, reported, held, before, now):
    assert len(now) == len(before), 'half of a place, or two'
    assert len(set(now)) == 1, 'in two places'
    assert held - {GUEST} <= reported, 'not reported'
    assert GUEST not in reported
    if moved is not None:
        assert {moved.host} == set(now) != set(before)
        assert held == {GUEST}
    elif now != before:
        assert reported, 'moved, and not reported'


def check_release(freed, reported, held, before, now):
    assert reported <= {GUEST}
    if freed is None:
        assert now in (before, [])
        assert now == before or reported, 'freed, and not reported'
    else:
        assert freed
        assert now == []


CHECKS = {
    'schedule': check_schedule,
    'move': check_move,
    'release': check_release,
}


def test_there_are_sixty_kinds():
    assert len(KINDS) == 60
