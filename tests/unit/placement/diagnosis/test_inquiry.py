"""diagnose() on a Placement in memory; the contract tests ask a real one."""

from __future__ import annotations

import pytest

from sev_scheduling import InvalidRequest, Scope, parse, translate
from sev_scheduling.diagnosis import Cause, Constraint, Shortfall
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.diagnosis import MAX_CALLS, diagnose
from sev_scheduling.testing import (
    FakePlacement,
    add_host,
    make_flavor,
    make_image,
)

SLOT = Constraint(Cause.SLOTS_USED, 'amd-sev')
FULL = {'amd-sev': SlotPool(4, used=4)}
AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
OTHER = '3fd1e6a2-0000-4000-8000-00000000000b'
HUGE = make_flavor(memory_mb=300_000)
MEMORY = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 300_000)


@pytest.fixture
def placement():
    return FakePlacement()


def ask(placement, flavor=None, **more):
    placement.calls.clear()
    request = parse(flavor or make_flavor(), make_image())
    scope = Scope(**more)
    found = diagnose(placement, request, translate(request, scope=scope))
    assert found.calls - 1 == len(placement.calls) < MAX_CALLS
    return found


def with_traits(**traits):
    return make_flavor(
        extra_specs={
            'hw:mem_encryption': 'true',
            **{f'trait:{name}': value for name, value in traits.items()},
        }
    )


def test_there_are_candidates(placement):
    add_host(placement, 'epyc')
    found = ask(placement)
    assert (found.cause, found.constraints) == (Cause.NONE, ())
    assert found.calls == 5


def test_no_host_has_the_model(placement):
    add_host(placement, 'plain', pools={})
    found = ask(placement)
    assert (found.cause, found.constraints) == (Cause.NO_MODEL, (SLOT,))


@pytest.mark.parametrize('nested', [True, False])
def test_all_slots_are_used(placement, nested):
    add_host(placement, 'a', pools=FULL, nested=nested)
    add_host(placement, 'b', pools=FULL, nested=nested)
    add_host(placement, 'plain', pools={})
    found = ask(placement)
    assert (found.cause, found.constraints) == (Cause.SLOTS_USED, (SLOT,))
    assert (found.slots_used, found.slots_total) == (8, 8)
    assert (found.hosts_with_model, found.hosts_with_free_slot) == (2, 0)


def test_a_free_slot_would_not_help(placement):
    add_host(placement, 'epyc', pools=FULL)
    found = ask(placement, HUGE)
    assert found.cause is Cause.SEVERAL
    assert set(found.constraints) == {SLOT, MEMORY}
    assert found.shortfalls == (
        Shortfall('MEMORY_MB', 300_000, 262_144, 'epyc', 262_144),
    )


def test_memory_is_short(placement):
    add_host(placement, 'small', memory_mb=1024)
    add_host(placement, 'best', memory_mb=299_999)
    add_host(placement, 'full', pools=FULL, memory_mb=400_000)
    found = ask(placement, HUGE)
    assert found.constraints == (MEMORY,)
    assert found.shortfalls[0].best_host == 'best'
    assert found.shortfalls[0].missing == 1
    assert (found.hosts_but_for, found.hosts_with_free_slot) == (2, 2)


@pytest.mark.parametrize(
    ('inventory', 'best'),
    [
        # Capacity is 400000: what one guest can have is less.
        (Inventory(200_000, allocation_ratio=2.0, max_unit=200_000), 200_000),
        # None of it is given out one by one.
        (Inventory(200_000, step_size=1024), None),
        (Inventory(300_000, reserved=1000), 299_000),
        (Inventory(400_000, min_unit=300_001), None),
    ],
)
def test_figures_are_what_one_guest_can_have(placement, inventory, best):
    root = add_host(placement, 'epyc')
    placement.providers[root].inventories['MEMORY_MB'] = inventory
    found = ask(placement, HUGE)
    assert found.constraints == (MEMORY,)
    assert [s.best for s in found.shortfalls] == [best] * (best is not None)


def test_no_figure_is_told_where_others_may_give_more(placement):
    for n in range(5):
        root = add_host(placement, f'host-{n}')
        placement.providers[root].inventories['MEMORY_MB'] = Inventory(
            400_000 - n, max_unit=100_000 + n
        )
    found = ask(placement, HUGE)
    assert (found.constraints, found.shortfalls) == ((MEMORY,), ())
    assert found.hosts_but_for == 5


def test_no_figures_are_told_of_two_where_others_may_give_more(placement):
    for n in range(5):
        root = add_host(placement, f'host-{n}')
        for name, total in (('MEMORY_MB', 400_000), ('VCPU', 40)):
            placement.providers[root].inventories[name] = Inventory(
                total, max_unit=4 + n
            )
    found = ask(placement, make_flavor(memory_mb=300_000, vcpus=30))
    assert {c.name for c in found.constraints} == {'MEMORY_MB', 'VCPU'}
    assert found.shortfalls == ()


def test_nothing_is_left(placement):
    root = add_host(placement, 'epyc')
    placement.providers[root].used['MEMORY_MB'] = 262_144
    found = ask(placement)
    assert [(s.best, s.best_host) for s in found.shortfalls] == [(0, 'epyc')]


def test_a_set_of_several_kinds(placement):
    placement.known_traits.add('CUSTOM_GOLD')
    add_host(placement, 'epyc', memory_mb=1024, vcpus=1)
    flavor = make_flavor(
        memory_mb=2048,
        vcpus=2,
        extra_specs={
            'hw:mem_encryption': 'true',
            'trait:CUSTOM_GOLD': 'required',
        },
    )
    found = ask(placement, flavor)
    assert found.cause is Cause.SEVERAL
    assert len(found.constraints) == 3
    assert [s.best for s in found.shortfalls] == [1024, 1]


def test_calls_end(placement, monkeypatch):
    """Every figure that is missing by then is left out."""
    add_host(placement, 'epyc')
    for calls in range(4, MAX_CALLS):
        monkeypatch.setattr(
            'sev_scheduling.placement.diagnosis.probe.MAX_CALLS', calls
        )
        found = ask(placement, HUGE)
        assert found.calls <= calls
        assert found.cause in (Cause.UNCLEAR, Cause.RESOURCES_SHORT)


@pytest.mark.parametrize('limit', [1, 5000])
def test_hosts_are_counted_where_one_answer_has_all(
    placement, monkeypatch, limit
):
    monkeypatch.setattr(
        'sev_scheduling.placement.diagnosis.relaxed_answers.MAX_CANDIDATES',
        limit,
    )
    add_host(placement, 'epyc')
    found = ask(placement, HUGE)
    assert found.hosts_but_for == (1 if limit > 1 else None)


def test_too_many_sets_to_look_at(placement, monkeypatch):
    monkeypatch.setattr(
        'sev_scheduling.placement.diagnosis.unmet_constraints.MAX_UNITS', 0
    )
    add_host(placement, 'epyc')
    assert ask(placement, HUGE).cause is Cause.UNCLEAR


def test_hosts_that_are_ignored_are_not_counted(placement):
    roots = [add_host(placement, name) for name in ('a', 'b')]
    request = parse(HUGE, make_image())
    query = translate(request)
    found = diagnose(placement, request, query, frozenset(roots[:1]))
    assert found.roots_but_for == {roots[1]}
    found = diagnose(placement, request, query, frozenset(roots))
    assert found.cause is not Cause.RESOURCES_SHORT


@pytest.mark.parametrize('min_unit', [1, 2])
def test_hosts_with_nothing_left_at_all(placement, min_unit):
    root = add_host(placement, 'epyc', pools=FULL)
    provider = placement.providers[root]
    provider.inventories = {
        name: Inventory(4096, min_unit=min_unit)
        for name in provider.inventories
    }
    if min_unit == 1:
        provider.used = dict.fromkeys(provider.inventories, 4096)
    found = ask(placement)
    assert found.cause is Cause.SLOTS_USED
    assert (found.slots_used, found.slots_total) == (4, 4)
    # Where more than one is asked for, it is there.
    assert found.hosts_but_for == (None if min_unit == 1 else 1)


def test_a_stale_trait_beside_pools_that_are_not_all_known(placement):
    """Whether a provider with the trait has slots is not known of all."""
    for n in range(9):
        root = add_host(placement, f'full-{n}', pools=FULL)
        provider = placement.providers[root]
        provider.used = {c: provider.left(c) for c in provider.inventories}
    add_host(placement, 'shown', pools=FULL, memory_mb=1)
    add_host(placement, 'stale', pools={}, traits=['HW_CPU_X86_AMD_SEV'])
    found = ask(placement)
    assert found.cause in (Cause.SEVERAL, Cause.UNCLEAR)


def test_a_slot_that_is_not_given_out_alone(placement):
    """Two at least, says its inventory."""
    root = add_host(placement, 'epyc', nested=False)
    slots = Inventory(4, min_unit=2)
    placement.providers[root].inventories['MEM_ENCRYPTION_CONTEXT'] = slots
    found = ask(placement)
    assert (found.cause, found.constraints) == (Cause.UNCLEAR, ())


def test_a_freed_slot_would_be_that_of_a_pool_and_of_no_stale_trait(placement):
    add_host(placement, 'full', pools=FULL, disk_gb=0)
    add_host(placement, 'stale', pools={}, traits=['HW_CPU_X86_AMD_SEV'])
    found = ask(placement)
    assert found.cause is Cause.SEVERAL
    assert {c.name for c in found.constraints} == {'amd-sev', 'DISK_GB'}


def test_shared_storage_is_not_named_where_there_is_enough_of_it(placement):
    for name, gigabytes in (('storage', 1000), ('other', 1000)):
        placement.add_provider(
            name,
            inventories={'DISK_GB': Inventory(gigabytes)},
            traits=['MISC_SHARES_VIA_AGGREGATE'],
            aggregates=[AGGREGATE],
        )
        placement.calls.clear()
        if name == 'storage':
            add_host(placement, 'epyc', disk_gb=0, aggregates=[AGGREGATE])
        found = ask(placement, HUGE)
        assert (found.constraints, found.hosts_but_for) == ((MEMORY,), 1)


def test_storage_that_is_shared_is_short(placement):
    placement.add_provider(
        'storage',
        inventories={'DISK_GB': Inventory(10)},
        traits=['MISC_SHARES_VIA_AGGREGATE'],
        aggregates=[AGGREGATE],
    )
    add_host(placement, 'epyc', disk_gb=0, aggregates=[AGGREGATE])
    found = ask(placement, make_flavor(disk_gb=11, memory_mb=300_000))
    assert [c.name for c in found.constraints] == ['DISK_GB', 'MEMORY_MB']


def test_a_plain_guest(placement):
    add_host(placement, 'small', memory_mb=10, vcpus=1, disk_gb=1)
    request = parse(
        make_flavor(memory_mb=20, vcpus=2, disk_gb=2, extra_specs={}),
        make_image(),
    )
    found = diagnose(placement, request, translate(request))
    assert [s.best for s in found.shortfalls] == [1, 10, 1]
    assert found.hosts_with_free_slot == 1


def test_a_plain_guest_on_shared_storage(placement):
    """A candidate of the storage alone is no host."""
    placement.add_provider(
        'storage',
        inventories={'DISK_GB': Inventory(1000)},
        traits=['MISC_SHARES_VIA_AGGREGATE', 'CUSTOM_GOLD'],
        aggregates=[AGGREGATE],
    )
    placement.known_classes.add('CUSTOM_NIC')
    add_host(placement, 'epyc', disk_gb=0, aggregates=[AGGREGATE])
    flavor = make_flavor(
        memory_mb=300_000,
        extra_specs={'resources:CUSTOM_NIC': '1'},
    )
    request = parse(flavor, make_image())
    found = diagnose(placement, request, translate(request))
    assert {c.name for c in found.constraints} == {'CUSTOM_NIC', 'MEMORY_MB'}


def test_two_are_short_on_hosts_that_differ(placement):
    """The one that is told is the one least short of both together."""
    for name, memory, vcpus in (
        ('a', 1000, 10), ('b', 2000, 10), ('c', 1500, 10),
    ):  # fmt: skip
        add_host(placement, name, memory_mb=memory, vcpus=vcpus)
    found = ask(placement, make_flavor(memory_mb=4000, vcpus=200))
    assert {s.best_host for s in found.shortfalls} == {'b'}
    assert found.shortfalls[0].best == 2000


def test_an_amount_is_not_given_out(placement):
    """Summaries lack ``step_size``: the host's inventories are asked for."""
    root = add_host(placement, 'epyc')
    placement.providers[root].inventories['MEMORY_MB'] = Inventory(
        262_144, step_size=1000
    )
    found = ask(placement)
    assert found.constraints == (
        Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 4096),
    )
    assert found.shortfalls == ()


@pytest.mark.parametrize(
    ('flavor', 'name'),
    [
        (with_traits(CUSTOM_GOLD='required'), 'CUSTOM_GOLD'),
        (with_traits(CUSTOM_OLD='forbidden'), '!CUSTOM_OLD'),
    ],
)
def test_a_trait(placement, flavor, name):
    add_host(placement, 'old', traits=['CUSTOM_OLD'])
    add_host(placement, 'gold', pools={}, traits=['CUSTOM_GOLD'])
    found = ask(placement, flavor)
    assert found.constraints == (Constraint(Cause.TRAIT, name),)


def test_either_of_two_would_do(placement):
    add_host(placement, 'small', memory_mb=1024, traits=['CUSTOM_GOLD'])
    add_host(placement, 'plain')
    found = ask(placement, with_traits(CUSTOM_GOLD='required'))
    assert found.cause is Cause.COMBINATION
    assert set(found.constraints) == {
        Constraint(Cause.TRAIT, 'CUSTOM_GOLD'),
        Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 4096),
    }


@pytest.mark.parametrize(
    ('more', 'cause', 'name'),
    [
        ({'member_of': [[OTHER]]}, Cause.AGGREGATE, OTHER),
        (
            {'member_of': [[AGGREGATE], [OTHER]]},
            Cause.AGGREGATE,
            OTHER,
        ),
        (
            {'forbidden_aggregates': [AGGREGATE]},
            Cause.AGGREGATE,
            f'!{AGGREGATE}',
        ),
        (
            {'root_required': ['COMPUTE_NODE']},
            Cause.HOST_TRAIT,
            'COMPUTE_NODE',
        ),
        ({'root_forbidden': ['CUSTOM_A']}, Cause.HOST_TRAIT, '!CUSTOM_A'),
    ],
)
def test_what_a_scheduler_adds(placement, more, cause, name):
    add_host(placement, 'epyc', aggregates=[AGGREGATE], traits=['CUSTOM_A'])
    found = ask(placement, **more)
    assert found.constraints == (Constraint(cause, name),)


def test_every_host_is_disabled(placement):
    add_host(placement, 'epyc', traits=['COMPUTE_STATUS_DISABLED'])
    found = ask(placement)
    assert found.cause is Cause.HOST_TRAIT
    assert [c.name for c in found.constraints] == ['!COMPUTE_STATUS_DISABLED']


def test_a_request_with_errors_is_refused(placement):
    request = parse(make_flavor(), make_image(hw_machine_type='pc'))
    with pytest.raises(InvalidRequest):
        placement.diagnose(request)
    assert placement.calls == []
