"""How many equal guests fit at once, and what keeps one more off."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.hosts import capacity
from sev_scheduling.hosts.capacity import Option, binding, limits_of, pack

SLOT, CPU, DISK = 'MEM_ENCRYPTION_CONTEXT', 'VCPU', 'DISK_GB'


def option(root, *amounts):
    """Return one: (provider, resource class, amount) each."""
    return Option(root, {(p, name): amount for p, name, amount in amounts})


def on(root, disk, cpu=1):
    """Return one of a host with slots and CPUs of its own."""
    return option(root, (root, SLOT, 1), (root, CPU, cpu), (disk, DISK, 1))


def left_of(**providers):
    return {
        (provider, name): amount
        for provider, amounts in providers.items()
        for name, amount in amounts.items()
    }


HOST = {SLOT: 4, CPU: 9}

CASES = [
    pytest.param(left_of(), [], 0, {}, (), id='no candidate'),
    pytest.param(
        left_of(a={SLOT: 3, CPU: 9, DISK: 4}),
        [on('a', 'a')],
        3,
        {SLOT: 3, CPU: 9, DISK: 4},
        (SLOT,),
        id='the slots of one host',
    ),
    pytest.param(
        left_of(a={SLOT: 3, CPU: 7, DISK: 4}),
        [on('a', 'a', cpu=2)],
        3,
        {SLOT: 3, CPU: 3, DISK: 4},
        (SLOT, CPU),
        id='two limits that bind at once',
    ),
    pytest.param(
        left_of(a={SLOT: -1, CPU: 7, DISK: 4}),
        [on('a', 'a')],
        0,
        {SLOT: 0, CPU: 7, DISK: 4},
        (SLOT,),
        id='more in use than there is',
    ),
    pytest.param(
        left_of(a={SLOT: 3}),
        [on('a', 'a')],
        0,
        {SLOT: 3, CPU: 0, DISK: 0},
        (CPU, DISK),
        id='a provider of which nothing is known',
    ),
    pytest.param(
        left_of(a=HOST, b=HOST, s={DISK: 5}),
        [on('a', 's'), on('b', 's')],
        5,
        {SLOT: 8, CPU: 18, DISK: 5},
        (DISK,),
        id='hosts that share storage get no more than it has',
    ),
    pytest.param(
        left_of(a={**HOST, DISK: 2}, b=HOST, s={DISK: 4}),
        [on('a', 's'), on('a', 'a'), on('b', 's')],
        6,
        {SLOT: 8, CPU: 18, DISK: 6},
        (DISK,),
        id='own storage before what others need',
    ),
    pytest.param(
        left_of(a=HOST, b=HOST, s={DISK: 4}, t={DISK: 4}),
        [on('a', 's'), on('a', 't'), on('b', 's')],
        8,
        {SLOT: 8, CPU: 18, DISK: 8},
        (SLOT, DISK),
        id='the one with a choice leaves it to the one without',
    ),
    pytest.param(
        left_of(
            a={SLOT: 2, DISK: 8}, x={CPU: 9, 'M': 1}, y={CPU: 1, 'M': 9}
        ),
        [
            option(
                'a', ('a', SLOT, 1), ('a', DISK, 1), (n, CPU, 1), (n, 'M', 1)
            )
            for n in 'xy'
        ],
        2,
        {SLOT: 2, CPU: 10, 'M': 10, DISK: 8},
        (SLOT,),
        id='NUMA nodes below one host',
    ),
    pytest.param(
        left_of(x={CPU: 9, 'M': 1}, y={CPU: 1, 'M': 9}),
        [option('a', (n, CPU, 1), (n, 'M', 1)) for n in 'xy'],
        2,
        {CPU: 10, 'M': 10},
        (CPU, 'M'),
        id='amounts that are spread: each would help',
    ),
    pytest.param(
        left_of(x={CPU: 3}, y={CPU: 3}),
        [option('a', (n, CPU, 2)) for n in 'xy'],
        2,
        {CPU: 2},
        (CPU,),
        id='what is left over on each is of no use',
    ),
]  # fmt: skip


@pytest.mark.parametrize(('left', 'options', 'guests', 'limits', 'by'), CASES)
def test_as_many_guests_as_the_limits_allow(left, options, guests, limits, by):
    found = pack(left, options)

    assert (found.guests, found.exact) == (guests, True)
    assert limits_of(left, options) == limits
    assert set(binding(left, options, guests, limits)) == set(by)


def test_what_would_help_most_comes_first():
    left = left_of(
        a={SLOT: 1, CPU: 9, DISK: 99}, b={SLOT: 9, CPU: 5, DISK: 99}
    )
    options = [on('a', 'a'), on('b', 'b')]

    assert binding(left, options, 6, limits_of(left, options)) == (SLOT, CPU)


def most(left, options):
    """Return the same as pack does, by trying everything."""
    keys = sorted({key for o in options for key in o.amounts})
    needs = [[o.amounts.get(key, 0) for key in keys] for o in options]

    @functools.cache
    def best(index, amounts):
        if index == len(needs):
            return 0
        found, count = 0, 0
        while min(amounts) >= 0:
            found = max(found, count + best(index + 1, amounts))
            count += 1
            amounts = tuple(
                a - n for a, n in zip(amounts, needs[index], strict=True)
            )
        return found

    return best(0, tuple(max(0, left.get(key, 0)) for key in keys))


KEYS = st.tuples(st.sampled_from('abst'), st.sampled_from([SLOT, CPU, DISK]))
OPTIONS = st.lists(
    st.builds(
        Option,
        st.sampled_from('ab'),
        st.dictionaries(KEYS, st.integers(1, 3), min_size=1, max_size=4),
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(left=st.dictionaries(KEYS, st.integers(-1, 6)), options=OPTIONS)
def test_no_packing_has_more_guests(left, options):
    found = pack(left, options)

    assert found.exact
    assert found.guests == most(left, options)
    for key in left:
        taken = sum(
            count * option.amounts.get(key, 0)
            for count, option in zip(found.counts, options, strict=True)
        )
        assert taken <= max(0, left[key])


GUESTS = st.lists(
    st.builds(
        lambda root, *p: Option(
            root,
            {
                key: n
                for key, n in zip(
                    zip(p, (SLOT, CPU, DISK), strict=True),
                    (1, 2, 1),
                    strict=True,
                )
            },
        ),
        st.sampled_from('ab'),
        *[st.sampled_from('abs')] * 3,
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(left=st.dictionaries(KEYS, st.integers(-1, 6)), options=GUESTS)
def test_a_class_that_binds_is_used_up_or_more_of_it_would_help(left, options):
    guests = pack(left, options).guests
    limits = limits_of(left, options)
    binds = binding(left, options, guests, limits)

    assert all(most >= guests for most in limits.values())
    used = {key for o in options for key in o.amounts}
    for name in binds:
        more = left | {key: 99 for key in used if key[1] == name}
        assert limits[name] == guests or pack(more, options).guests > guests


@pytest.mark.parametrize(('name', 'bound'), [('MAX_STEPS', 0),
                                             ('MAX_OPTIONS', 1)])  # fmt: skip
def test_what_is_not_proven_is_said(monkeypatch, name, bound):
    # Greedily the first takes both, and the others get nothing.
    left = left_of(s={CPU: 2, DISK: 2})
    options = [
        option('a', ('s', CPU, 2), ('s', DISK, 2)),
        option('b', ('s', CPU, 1)),
        option('c', ('s', DISK, 1)),
    ]
    assert pack(left, options).guests == 4
    monkeypatch.setattr(capacity, name, bound)

    found = pack(left, options)
    assert not found.exact
    assert found.guests < 4


def test_a_large_cloud_with_shared_storage_is_packed_at_once():
    roots = [f'h{n}' for n in range(3000)]
    left = left_of(
        **{root: {SLOT: 15, CPU: 500} for root in roots}, s={DISK: 40_000}
    )
    found = pack(left, [on(root, 's') for root in roots])

    assert (found.guests, found.exact) == (40_000, True)
