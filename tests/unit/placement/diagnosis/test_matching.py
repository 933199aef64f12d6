"""How a query is matched with provider trees; see also the contract tests."""

from __future__ import annotations

import pytest

from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.diagnosis import matching
from sev_scheduling.placement.diagnosis.matching import Provider, match
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup

SLOT, NIC = 'MEM_ENCRYPTION_CONTEXT', 'CUSTOM_NIC'
SHARES = 'MISC_SHARES_VIA_AGGREGATE'


def tree(**children: Provider) -> dict[str, Provider]:
    host = Provider('host', 'host', inventories={'VCPU': Inventory(4)})
    for uuid, child in children.items():
        child.uuid, child.root, child.parent = uuid, 'host', 'host'
    return {'host': host, **children}


def pool(*traits: str, total: int = 2, used: int = 0) -> Provider:
    return Provider(
        '',
        '',
        inventories={SLOT: Inventory(total)},
        used={SLOT: used},
        traits=set(traits),
    )


def group(suffix='', *required: str, forbidden=(), **amounts: int):
    return RequestGroup(
        suffix,
        amounts,
        tuple(frozenset({trait}) for trait in required),
        frozenset(forbidden),
    )


def served(providers, *groups: RequestGroup, **more):
    """Return the providers of each group, a match after the other."""
    query = PlacementRequest(groups, **more)
    return [
        {suffix: sorted(uuids) for suffix, uuids in found.mappings.items()}
        for found in match(providers, query)
    ]


def test_one_provider_serves_a_granular_group():
    """A stale trait on the root matches no other model's slots."""
    providers = tree(es=pool('ES'))
    providers['host'].traits = {'SEV'}
    slot = group('_S', 'SEV', **{SLOT: 1})
    assert served(providers, group(VCPU=1), slot) == []
    providers['es'].traits.add('SEV')
    assert served(providers, group(VCPU=1), slot) == [
        {'': ['host'], '_S': ['es']}
    ]


def test_providers_of_a_tree_serve_the_unsuffixed_group_together():
    providers = tree(sev=pool('SEV'))
    asked = group('', 'SEV', VCPU=1, **{SLOT: 1})
    assert served(providers, asked) == [{'': ['host', 'sev']}]
    asked = group('', VCPU=1, forbidden=['SEV'], **{SLOT: 1})
    assert served(providers, asked) == []


@pytest.mark.parametrize(('amount', 'fits'), [(1, True), (2, False)])
def test_a_full_provider_has_what_is_left(amount, fits):
    providers = tree(sev=pool(total=2, used=1))
    assert bool(served(providers, group('_S', **{SLOT: amount}))) is fits


def test_none_of_a_class_is_had_of_a_full_provider():
    """So the diagnosis asks for a provider whose amount is relaxed."""
    providers = tree(sev=pool(total=1, used=1))
    assert served(providers, group('_S', **{SLOT: 0}))
    assert not served(providers, group('_S', **{NIC: 0}))
    assert providers['sev'].most(SLOT) == providers['sev'].most(NIC) == 0
    assert providers['sev'].left(NIC) == 0


def test_a_group_without_resources_needs_a_trait():
    providers = tree(sev=pool('SEV'))
    assert served(providers, group(VCPU=1), group('_S', 'SEV'))
    for traitless in (group('_S'), group('_S', forbidden=['ES'])):
        assert served(providers, group(VCPU=1), traitless) == []


@pytest.mark.parametrize('policy', ['none', 'isolate'])
def test_groups_share_a_provider_unless_they_isolate(policy):
    providers = tree(sev=pool())
    groups = [group(suffix, **{SLOT: 1}) for suffix in ('_A', '_B')]
    found = served(providers, *groups, group_policy=policy)
    assert found == ([{'_A': ['sev'], '_B': ['sev']}] * (policy == 'none'))


def test_groups_that_share_an_inventory_fit_in_together():
    providers = tree(sev=pool(total=1))
    groups = [group(suffix, **{SLOT: 1}) for suffix in ('_A', '_B')]
    assert served(providers, *groups, group_policy='none') == []


@pytest.mark.parametrize(
    ('more', 'fits'),
    [
        ({'member_of': (frozenset({'a', 'x'}),)}, True),
        ({'member_of': (frozenset({'a'}), frozenset({'x'}))}, False),
        ({'forbidden_aggregates': frozenset({'a'})}, False),
        ({'forbidden_aggregates': frozenset({'x'})}, True),
        ({'in_tree': 'sev'}, True),
        ({'in_tree': 'other'}, False),
        ({'root_required': frozenset({'GOLD'})}, True),
        ({'root_required': frozenset({'SEV'})}, False),
        ({'root_forbidden': frozenset({'GOLD'})}, False),
    ],
)
def test_what_is_asked_of_the_host(more, fits):
    """An aggregate of the root holds the whole tree."""
    providers = tree(sev=pool('SEV'))
    providers['host'].aggregates = {'a'}
    providers['host'].traits = {'GOLD'}
    groups = (group(VCPU=1), group('_S', **{SLOT: 1}))
    assert bool(served(providers, *groups, **more)) is fits


@pytest.mark.parametrize('more', [{}, {'in_tree': 'host'}])
def test_storage_is_shared_with_hosts_of_its_aggregates(more):
    """A tree that is named has no help from it."""
    providers = tree()
    providers['host'].aggregates = {'a'}
    providers['disks'] = Provider(
        'disks',
        'disks',
        inventories={'DISK_GB': Inventory(9)},
        traits={SHARES},
        aggregates={'a'},
    )
    found = served(providers, group(VCPU=1, DISK_GB=1), **more)
    assert found == [] if more else [{'': ['disks', 'host']}]
    if not more:
        assert served(providers, group(VCPU=1), group('_D', DISK_GB=1))
    providers['host'].aggregates = {'b'}
    assert served(providers, group(VCPU=1, DISK_GB=1), **more) == []


def test_combinations_are_bounded(monkeypatch):
    monkeypatch.setattr(matching, 'MAX_COMBINATIONS', 3)
    providers = tree(**{f'pool{n}': pool() for n in range(9)})
    assert len(served(providers, group('_S', **{SLOT: 1}))) == 3
