"""Plans to empty hosts: exact where they say so, and never a false promise."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.hosts.capacity import Option
from sev_scheduling.hosts.drain import (
    DrainCode,
    Guest,
    Outcome,
    Step,
    Unknown,
    plan,
)

SLOT, MEMORY = 'MEM_ENCRYPTION_CONTEXT', 'MEMORY_MB'


def option(host, memory=1, **more):
    """Return what a guest takes of a host: memory, and a slot."""
    return Option(host, {(host, MEMORY): memory, (host, SLOT): 1, **more})


def left(**hosts):
    """Return what is left: host -> slots and memory."""
    return {
        (host, name): amount
        for host, pair in hosts.items()
        for name, amount in zip((SLOT, MEMORY), pair, strict=True)
    }


def guest(name, *options, host='old', **fields):
    return Guest(instance=name, host=host, options=options, **fields)


def targets(found):
    return {step.guest.instance: step.target for step in found.moves}


def codes(found):
    return {step.guest.instance: step.code for step in found.steps}


def test_a_host_without_guests_is_empty():
    found = plan(['old'], [], {})

    assert (found.outcome, found.steps) == (Outcome.ALL, ())


def test_the_first_option_is_taken_where_nothing_speaks_against_it():
    found = plan(
        ['old'],
        [guest('a', option('x'), option('y'))],
        left(x=(1, 1), y=(9, 9)),
    )

    assert found.outcome is Outcome.ALL
    assert targets(found) == {'a': 'x'}


def test_a_guest_gives_way_to_one_that_fits_nowhere_else():
    guests = [
        guest('small', option('x'), option('y')),
        guest('large', option('x', 8)),
    ]

    found = plan(['old'], guests, left(x=(1, 8), y=(1, 1)))

    assert found.outcome is Outcome.ALL
    assert targets(found) == {'small': 'y', 'large': 'x'}


def test_slots_and_memory_bind_together():
    # By slots alone two fit on x, by memory alone, too.
    guests = [guest(n, option('x', 5), option('y', 5)) for n in 'ab']

    found = plan(['old'], guests, left(x=(2, 5), y=(0, 5)))

    assert found.outcome is Outcome.NONE
    assert codes(found) == {'a': DrainCode.MOVE, 'b': DrainCode.TAKEN}
    assert found.stays[0].short == {MEMORY: 1, SLOT: 1}


def test_a_guest_that_fits_nowhere_leaves_no_order_for_all():
    found = plan(
        ['old'], [guest('a'), guest('b', option('x'))], left(x=(1, 1))
    )

    assert found.outcome is Outcome.NONE
    assert codes(found) == {'a': DrainCode.NO_HOST, 'b': DrainCode.MOVE}


@pytest.mark.parametrize(
    'code', [DrainCode.STATE, DrainCode.NOT_A_SERVER, DrainCode.UNKNOWN]
)
def test_a_guest_that_cannot_move_stays_whatever_room_there_is(code):
    found = plan(['old'], [guest('a', option('x'), code=code)], left(x=(1, 1)))

    assert (found.outcome, codes(found)) == (Outcome.NONE, {'a': code})


def test_members_of_a_group_go_to_different_hosts():
    guests = [
        guest(n, option('x'), option('y'), apart=frozenset({'g'}))
        for n in 'ab'
    ]
    room = left(x=(9, 9), y=(9, 9))

    assert {*targets(plan(['old'], guests, room)).values()} == {'x', 'y'}
    found = plan(['old'], guests, room, occupied=[('g', 'x')])
    assert codes(found) == {'a': DrainCode.MOVE, 'b': DrainCode.GROUP}
    assert found.outcome is Outcome.NONE


def test_hosts_are_emptied_one_after_the_other():
    guests = [
        guest('a', option('x'), host='second'),
        guest('b', option('x'), option('y'), host='first'),
    ]

    found = plan(['first', 'second'], guests, left(x=(1, 1), y=(1, 1)))

    assert [s.guest.instance for s in found.steps] == ['b', 'a']
    assert targets(found) == {'a': 'x', 'b': 'y'}


def test_common_storage_is_given_back_by_the_guest_before():
    """Both places are held during a move: one disk must be free for it."""
    disk = {('shared', 'DISK_GB'): 10}
    guests = [
        guest(n, Option('x', {('x', SLOT): 1, **disk}), held=disk)
        for n in 'abc'
    ]
    room = {('x', SLOT): 3, ('shared', 'DISK_GB'): 10}

    assert plan(['old'], guests, room).outcome is Outcome.ALL
    room['shared', 'DISK_GB'] = 9
    assert plan(['old'], guests, room).outcome is Outcome.NONE


def test_the_order_matters_where_one_frees_what_another_needs():
    guests = [
        guest(
            'first-by-name',
            Option('x', {('x', SLOT): 1, ('shared', 'DISK_GB'): 10}),
        ),
        guest(
            'frees',
            Option('y', {('y', SLOT): 1, ('y', 'DISK_GB'): 10}),
            Option('x', {('x', SLOT): 1, ('shared', 'DISK_GB'): 10}),
            held={('shared', 'DISK_GB'): 10},
        ),
    ]
    room = {
        ('x', SLOT): 1,
        ('y', SLOT): 1,
        ('y', 'DISK_GB'): 10,
        ('shared', 'DISK_GB'): 0,
    }

    found = plan(['old'], guests, room)

    assert found.outcome is Outcome.ALL
    assert [s.guest.instance for s in found.steps] == [
        'frees',
        'first-by-name',
    ]


def test_a_bound_on_the_search_is_no_proof():
    # No two guests fit on one host, and there are too few hosts; by sums
    # they would fit.
    guests = [
        guest(f'g{n}', *(option(f'h{h}', 6 + n % 3) for h in range(6)))
        for n in range(7)
    ]
    room = left(**{f'h{h}': (2, 11) for h in range(6)})

    assert plan(['old'], guests, room, steps=3).outcome is (Outcome.NOT_FOUND)
    assert plan(['old'], guests, room).outcome is Outcome.NONE


def test_equal_hosts_are_tried_once():
    guests = [
        guest(f'g{n}', *(option(f'h{h}', 6) for h in range(12)))
        for n in range(13)
    ]
    # By sums they fit.
    room = left(**{f'h{h}': (2, 11) for h in range(12)})

    found = plan(['old'], guests, room)

    assert found.outcome is Outcome.NONE
    assert found.tried < 100


def test_many_guests_find_their_places_at_once():
    hosts = [f'h{n}' for n in range(100)]
    guests = [
        guest(f'g{n}', *(option(h, 1 + n % 7) for h in hosts))
        for n in range(200)
    ]

    found = plan(['old'], guests, left(**{h: (2, 14) for h in hosts}))

    assert found.outcome is Outcome.ALL
    assert found.tried < 2000


def test_what_is_unknown_of_a_step_is_of_guest_and_target():
    guests = [
        guest(
            'a',
            option('x'),
            unknown=(Unknown.IMAGE,),
            doubtful=frozenset({'x'}),
        )
    ]

    (step,) = plan(['old'], guests, left(x=(1, 1))).moves

    assert step.unknown == (Unknown.IMAGE, Unknown.MACHINE_TYPE)


ROOMS = st.tuples(st.integers(0, 2), st.integers(0, 6))
AMOUNTS = st.dictionaries(st.sampled_from('xyz'), st.integers(1, 5))


@st.composite
def clouds(draw):
    """Guests of one or two hosts, some with a share of common storage."""
    guests = []
    for name in 'abcd'[: draw(st.integers(1, 4))]:
        shared = draw(st.integers(0, 2))
        options = [
            Option(
                host,
                {
                    (host, SLOT): 1,
                    (host, MEMORY): memory,
                    **({('shared', 'DISK_GB'): shared} if shared else {}),
                },
            )
            for host, memory in draw(AMOUNTS).items()
        ]
        guests.append(
            guest(
                name,
                *options,
                host=draw(st.sampled_from(['old', 'older'])),
                held={('shared', 'DISK_GB'): draw(st.integers(0, 2))},
                apart=draw(st.sampled_from([frozenset(), frozenset('g')])),
            )
        )
    room = left(**{host: draw(ROOMS) for host in 'xyz'})
    room['shared', 'DISK_GB'] = draw(st.integers(0, 3))
    return guests, room


def replay(guests_and_options, room):
    """Move guests one by one; return whether all that they take is free."""
    room, groups = dict(room), set()
    for one, chosen in guests_and_options:
        for key, amount in chosen.amounts.items():
            room[key] = room.get(key, 0) - amount
            if room[key] < 0:
                return False
        taken = {(group, chosen.root) for group in one.apart}
        if taken & groups:
            return False
        groups |= taken
        for key, amount in one.held.items():
            room[key] = room.get(key, 0) + amount
    return True


@settings(max_examples=200, deadline=None)
@given(clouds())
def test_a_plan_holds_and_none_is_missed(cloud):
    guests, room = cloud
    hosts = ['old', 'older']

    found = plan(hosts, guests, room)

    chosen = [
        (
            step.guest,
            next(o for o in step.guest.options if o.root == step.target),
        )
        for step in found.moves
    ]
    assert replay(chosen, room)
    exists = any(
        replay(zip(order, options, strict=True), room)
        for order in itertools.permutations(guests)
        if [g.host for g in order] == sorted(g.host for g in guests)
        for options in itertools.product(*(g.options for g in order))
    )
    assert found.outcome is (Outcome.ALL if exists else Outcome.NONE)
    assert (not found.stays) is exists


@pytest.mark.parametrize(
    ('code', 'state', 'stops'),
    [
        (DrainCode.TAKEN, 'ACTIVE', True),
        (DrainCode.NO_HOST, '', True),
        (DrainCode.GROUP, 'SHUTOFF', False),
        (DrainCode.MOVE, 'ACTIVE', False),
        (DrainCode.STATE, 'ERROR', False),
    ],
)
def test_a_guest_is_stopped_that_has_nowhere_to_go_and_runs(
    code, state, stops
):
    assert Step(guest('a', state=state), code).stops is stops
