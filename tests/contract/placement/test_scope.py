"""Which hosts are asked: those in service, and those of a scope."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import pytest

from sev_scheduling import NoCapacity, Scope, translate
from sev_scheduling.diagnosis import Cause
from tests.contract.placement.requests import host, request

pytestmark = pytest.mark.long

ZONE, OTHER, NOBODYS = (
    f'3fd1e6a2-0000-4000-8000-00000000000{n}' for n in 'abc'
)
DISABLED = 'COMPUTE_STATUS_DISABLED'
NAMES = ('fast', 'plain', 'slow')

#: A scope -> the hosts in it; "off" is disabled, and in none.
SCOPES = {
    'any': (lambda world: Scope(), {*NAMES}),
    'an aggregate': (lambda world: Scope(member_of=[[ZONE]]), {'fast'}),
    'any of two': (
        lambda world: Scope(member_of=[[ZONE, OTHER]]),
        {'fast', 'slow'},
    ),
    'one of each': (lambda world: Scope(member_of=[[ZONE], [OTHER]]), set()),
    'nobodys': (lambda world: Scope(member_of=[[NOBODYS]]), set()),
    'not in one': (
        lambda world: Scope(forbidden_aggregates=[ZONE]),
        {'plain', 'slow'},
    ),
    'not in two': (
        lambda world: Scope(forbidden_aggregates=[ZONE, OTHER]),
        {'plain'},
    ),
    'one host': (lambda world: Scope(in_tree=world.uuid('slow')), {'slow'}),
    'no host': (lambda world: Scope(in_tree=NOBODYS), set()),
    'a trait': (lambda world: Scope(root_required=['CUSTOM_A']), {'fast'}),
    'a trait that none has': (
        lambda world: Scope(root_required=['CUSTOM_NEW']),
        set(),
    ),
    'without a trait': (
        lambda world: Scope(root_forbidden=['CUSTOM_A']),
        {'plain', 'slow'},
    ),
    'all of it': (
        lambda world: Scope(
            member_of=[[ZONE, OTHER]],
            forbidden_aggregates=[NOBODYS],
            in_tree=world.uuid('fast'),
            root_required=['CUSTOM_A'],
            root_forbidden=['CUSTOM_B'],
        ),
        {'fast'},
    ),
}


VERSIONS = ('1.33', '1.35', '1.39')


@pytest.fixture
def asking(world):
    """Load the hosts; return a client of a Placement of this version."""
    return functools.partial(load, world)


@pytest.fixture(params=VERSIONS)
def client(asking, request):
    return asking(request.param)


def load(world, version):
    client = world.load(
        host('fast', traits=['CUSTOM_A']),
        host('plain', layout='flat'),
        host('slow', traits=['CUSTOM_B']),
        host('off', traits=[DISABLED]),
        max_microversion=version,
    )
    world.change('fast', 'aggregates', [ZONE])
    world.change('slow', 'aggregates', [OTHER])
    return client


@pytest.mark.parametrize('name', SCOPES)
@pytest.mark.parametrize(
    ('encrypted', 'version'),
    # Versions differ in how they are asked about hosts, whatever the guest.
    [*((True, version) for version in VERSIONS), (False, VERSIONS[-1])],
)
def test_every_call_asks_the_hosts_of_a_scope(
    world, asking, name, encrypted, version
):
    client = asking(version)
    scope, expected = SCOPES[name]
    scope = scope(world)
    asked = request(encrypted=encrypted)
    answer = client.candidates(translate(asked, scope=scope))
    names = {h.uuid: h.name for h in client.hosts(details=False)}
    assert {names[h.uuid] for h in answer.hosts()} == expected
    found = client.feasibility(asked, scope=scope)
    assert {v.host.name for v in found.fit} == expected
    assert found.result.verdicts or not expected
    diagnosis = client.diagnose(asked, scope=scope)
    assert (diagnosis.cause is Cause.NONE) == bool(expected)
    if not expected:
        # Of trees that were listed already.
        assert found.diagnosis.calls < diagnosis.calls
        assert found.diagnosis == replace(
            diagnosis, calls=found.diagnosis.calls
        )
        with pytest.raises(NoCapacity) as caught:
            client.schedule(asked, scope=scope)
        assert caught.value.diagnosis is not None
        return
    # One after the other, everywhere.
    count = 4 * len(expected)
    placed = client.schedule(asked, count, scope=scope)
    assert {p.host for p in placed} <= expected
    if encrypted:
        assert {p.host for p in placed} == expected


def test_a_guest_moves_within_a_scope(client):
    (placed,) = client.schedule(request(), scope=Scope(member_of=[[ZONE]]))
    assert placed.host == 'fast'
    with pytest.raises(NoCapacity):
        client.move(
            placed.instance, request(), scope=Scope(member_of=[[ZONE]])
        )
    moved = client.move(
        placed.instance, request(), scope=Scope(member_of=[[OTHER]])
    )
    assert moved.host == 'slow'


def test_hosts_lists_a_scope_with_the_disabled_ones(world, client):
    def listed(**scope):
        scope = Scope(**scope)
        found = client.hosts(scope=scope)
        assert [h.name for h in client.hosts(details=False, scope=scope)] == [
            h.name for h in found
        ]
        return {h.name: h.disabled for h in found}

    assert listed() == {**dict.fromkeys(NAMES, False), 'off': True}
    assert listed(member_of=[[ZONE, OTHER]]).keys() == {'fast', 'slow'}
    assert listed(forbidden_aggregates=[ZONE]).keys() == {
        *('plain', 'slow', 'off'),
    }
    assert listed(in_tree=world.uuid('off')).keys() == {'off'}
    assert listed(root_required=[DISABLED]).keys() == {'off'}
    assert listed(root_forbidden=[DISABLED]).keys() == {*NAMES}
    assert listed(member_of=[[NOBODYS]]) == {}


def test_where_every_host_is_disabled_none_is_in_service(world, client):
    client = world.load(host('off', traits=[DISABLED]), host('no', pools={}))
    found = client.feasibility(request())
    assert [(v.host.name, v.code) for v in found.result.verdicts] == [
        ('no', 'no-pool'),
        ('off', 'host-disabled'),
    ]
    diagnosis = client.diagnose(request())
    assert [(c.cause, c.name) for c in diagnosis.constraints] == [
        (Cause.HOST_TRAIT, f'!{DISABLED}')
    ]
    with pytest.raises(NoCapacity):
        client.schedule(request())
    # Enabled again, it is used at once.
    world.change('off', 'traits', [])
    (placed,) = client.schedule(request())
    assert placed.host == 'off'


@pytest.mark.parametrize('ratio', [0.5, 1.0, 2.0])
@pytest.mark.parametrize('layout', ['nested', 'flat'])
def test_hosts_count_slots_as_placement_does(world, ratio, layout):
    client = world.load(host(layout=layout, pools={'amd-sev': {'total': 6}}))
    pool = client.hosts()[0].pools['amd-sev']
    name = 'epyc_amd_sev' if layout == 'nested' else 'epyc'
    world.inventory(
        name, 'MEM_ENCRYPTION_CONTEXT', allocation_ratio=ratio, reserved=2
    )
    free = int(4 * ratio)
    for n in itertools.count():
        for details in (True, False):
            (found,) = client.hosts(details=details)
            assert found.pools['amd-sev'].free == free - n
        fit = client.feasibility(request()).fit
        assert [v.free for v in fit] == [free - n] * (free > n)
        if n == free:
            break
        client.schedule(request())
    with pytest.raises(NoCapacity):
        client.schedule(request())
    assert pool.provider_uuid == found.pools['amd-sev'].provider_uuid
    (host_,) = client.hosts(details=True)
    pool = host_.pools['amd-sev']
    assert (pool.total, pool.reserved, pool.used) == (6, 2, free)
    assert (pool.capacity, pool.allocation_ratio) == (free, ratio)
