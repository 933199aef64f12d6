"""Sixty kinds of fault, at each stage of a claim, once and always.

Whatever stands between the client and the real Placement: no exception but
the documented ones, no claim that is not reported, none beyond its deadline.
Some of the product runs by default; ``--all-faults`` runs all of it.
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
#: three checks, and three writes and look-ups to give the claim back.
MOST_TIMEOUTS = 24
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

STAGES = {
    'versions': ('GET', '/', '/'),
    'candidates': ('GET', '/allocation_candidates', ''),
    'providers': ('GET', '/resource_providers', 'providers'),
    'claim': ('POST', '/allocations', ''),
    'look-up': ('GET', '/allocations/', ''),
    'check of usages': ('GET', '/resource_providers/', 'usages'),
    'check of traits': ('GET', '/resource_providers/', 'traits'),
}

CASES = list(itertools.product(KINDS, STAGES, ('once', 'always')))


def pytest_generate_tests(metafunc):
    if 'case' in metafunc.fixturenames:
        cases = CASES
        if not metafunc.config.getoption('--all-faults', default=False):
            # Each kind at the claim itself, and some of the others.
            claims = [c for c in CASES if c[1:] == ('claim', 'once')]
            others = [c for c in CASES if c not in claims]
            cases = claims + random.Random(11).sample(others, 60)
        metafunc.parametrize('case', cases, ids='-'.join)


@pytest.fixture(scope='module')
def outcomes():
    """Kind, stage and times -> outcome; printed at the end."""
    found = collections.defaultdict(collections.Counter)
    yield found
    for stage in STAGES:
        print(f'\n{stage}:', dict(found[stage]))


@pytest.fixture
def proxy(placement_on_sqlite):
    placement_on_sqlite.load(hosts(2, 2))
    with FaultProxy(placement_on_sqlite.url) as running:
        yield running


def test_no_fault_has_a_claim_unreported(
    placement_on_sqlite, proxy, outcomes, case
):
    kind, stage, times = case
    method, path, end = STAGES[stage]
    proxy.add(
        KINDS[kind],
        method=method,
        path=path,
        end=end,
        times=1 if times == 'once' else float('inf'),
    )
    if stage == 'look-up':
        # It is made only where the answer to a claim is lost.
        proxy.add(
            faults.status_after(503), method='POST', path='/allocations',
            times=1,
        )  # fmt: skip
    client = PlacementClient(
        adapter_for(proxy.url).session,
        timeout=TIMEOUT,
        patience=PATIENCE,
        max_answer=MAX_ANSWER,
    )
    started = time.monotonic()
    try:
        placed = {p.instance for p in client.schedule(sev_request(), 3)}
        reported, outcome, lines = placed, 'made', 1
    except (exceptions.PlacementError, exceptions.NoCapacity) as error:
        placed, reported = None, set(error.instances)
        outcome = type(error).__name__ + (' + instances' if reported else '')
        lines = len(str(error).splitlines())
    took = time.monotonic() - started
    assert took < MOST_TIMEOUTS * TIMEOUT + PATIENCE + SLACK
    assert lines == 1
    reader = PlacementClient(placement_on_sqlite.adapter())
    held = {claim.instance for claim in reader.claims()}
    assert len(held) in (0, 3), 'half of a claim'
    assert held <= reported, 'not reported'
    if placed is not None:
        assert held == placed, 'reported, but not made'
    outcomes[stage][f'{times}: {outcome}'] += 1


def test_there_are_sixty_kinds():
    assert len(KINDS) == 60
