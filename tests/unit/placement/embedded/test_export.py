"""What is written of a Placement, and which names it keeps."""

from __future__ import annotations

import json
import random

import pytest
from msgspec.structs import replace

from sev_scheduling.exceptions import PlacementConflict
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.embedded import (
    anonymous,
    document,
    export_cloud,
    parse_cloud,
)
from sev_scheduling.testing import FakePlacement, add_cloud

AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
SLOT = 'MEM_ENCRYPTION_CONTEXT'


def placement():
    """Return one: two hosts, one of them with NUMA nodes, and storage."""
    fake = FakePlacement()
    acme = fake.add_provider(
        'acme-7',
        inventories={'VCPU': Inventory(8, allocation_ratio=4.0)},
        traits=['CUSTOM_ACME', 'CUSTOM_HW_MACHINE_TYPE_Q35', 'HW_ARCH_X86_64'],
        aggregates=[AGGREGATE],
    )
    fake.add_provider(
        'acme-7_amd_sev',
        parent=acme,
        inventories={SLOT: Inventory(15, 1, max_unit=1)},
        traits=['HW_CPU_X86_AMD_SEV'],
    )
    fake.add_provider(
        'nic', parent=acme, inventories={'CUSTOM_ACME_NIC': Inventory(2)}
    )
    numa = fake.add_provider('acme-10')
    fake.add_provider('node0', parent=numa, inventories={'VCPU': Inventory(4)})
    fake.add_provider(
        'ceph',
        inventories={'DISK_GB': Inventory(1000)},
        traits=['MISC_SHARES_VIA_AGGREGATE'],
        aggregates=[AGGREGATE],
    )
    fake.add_provider('switch', inventories={'CUSTOM_PORT': Inventory(1)})
    for provider in fake.providers.values():
        if provider.name == 'acme-7':
            provider.used['VCPU'] = 3
    return fake


def facts(fake):
    """Return what a Placement holds, generations apart."""
    names = {p.uuid: p.name for p in fake.providers.values()}
    return {
        p.name: (
            p.uuid,
            names.get(p.parent or ''),
            names[p.root],
            p.inventories,
            {name: n for name, n in p.used.items() if n},
            p.traits,
            p.aggregates,
        )
        for p in fake.providers.values()
    }


def loaded(text):
    fake = FakePlacement()
    add_cloud(fake, json.loads(text))
    return fake


def test_a_file_holds_all_that_a_placement_held():
    fake = placement()
    text = document(export_cloud(fake))

    assert facts(loaded(text)) == facts(fake)
    # A provider a line, for people and for diff.
    assert len(text.splitlines()) == len(fake.providers) + 2


def test_an_empty_placement_is_a_file_too():
    cloud = export_cloud(FakePlacement())

    assert parse_cloud(json.loads(document(cloud)), 'x').providers == ()


def test_names_and_uuids_are_replaced_everywhere_alike():
    fake = placement()
    cloud, names = anonymous(export_cloud(fake))

    assert {old: names[old] for old in ('acme-7', 'acme-7_amd_sev', 'nic',
            'acme-10', 'node0', 'ceph', 'switch')} == {
        'acme-7': 'host-2',
        'acme-7_amd_sev': 'host-2_amd_sev',
        'nic': 'host-2-1',
        'acme-10': 'host-1',
        'node0': 'host-1-1',
        'ceph': 'storage-1',
        'switch': 'provider-1',
    }  # fmt: skip
    text = document(cloud)
    for old in names:
        assert old not in text
    assert 'ACME' not in text.upper()

    def new(name):
        return names.get(name, name)

    assert facts(loaded(text)) == {
        new(name): (
            new(uuid),
            parent and new(parent),
            new(root),
            {new(c): i for c, i in inventories.items()},
            {new(c): n for c, n in used.items()},
            {new(t) for t in traits},
            {new(a) for a in aggregates},
        )
        for name, (
            uuid, parent, root, inventories, used, traits, aggregates,
        ) in facts(fake).items()
    }  # fmt: skip


def test_what_the_library_reads_stays_and_so_does_what_is_kept():
    cloud, names = anonymous(export_cloud(placement()), ['CUSTOM_ACME_NIC'])

    kept = {'CUSTOM_HW_MACHINE_TYPE_Q35', 'HW_ARCH_X86_64', 'CUSTOM_ACME_NIC'}
    assert not kept & names.keys()
    assert names['CUSTOM_ACME'] == 'CUSTOM_TRAIT_1'
    assert names['CUSTOM_PORT'] == 'CUSTOM_CLASS_1'
    text = document(cloud)
    assert all(name in text for name in kept)


def test_new_uuids_cannot_be_found_out_from_the_old_ones():
    cloud = export_cloud(placement())

    assert anonymous(cloud)[1][AGGREGATE] != anonymous(cloud)[1][AGGREGATE]


def test_names_stay_in_their_order():
    fake = FakePlacement()
    names = [f'n{number}' for number in range(1, 13)]
    random.Random(1).shuffle(names)
    for name in names:
        fake.add_provider(name, inventories={'VCPU': Inventory(1)})
    _, new = anonymous(export_cloud(fake))

    assert [new[name] for name in sorted(names)] == [
        f'host-{number:02}' for number in range(1, 13)
    ]


class Restless(FakePlacement):
    """Changes a provider after each of so many questions for usages."""

    changes = 0

    def usages(self, provider):
        found = super().usages(provider)
        if self.changes:
            self.changes -= 1
            held = self.providers[provider]
            held.generation += 1
            held.inventories['VCPU'] = replace(
                held.inventories['VCPU'], total=100 + self.changes
            )
        return found


@pytest.mark.parametrize('changes', [1, 3])
def test_what_changed_meanwhile_is_read_again(changes):
    fake = Restless()
    fake.add_provider('a', inventories={'VCPU': Inventory(8)})
    fake.changes = changes

    (provider,) = export_cloud(fake).providers
    assert provider.inventories['VCPU'].total == 100


def test_what_keeps_changing_is_not_written():
    fake = Restless()
    fake.add_provider('a', inventories={'VCPU': Inventory(8)})
    fake.changes = 1000

    with pytest.raises(PlacementConflict):
        export_cloud(fake)


def test_a_provider_that_goes_meanwhile_is_left_out():
    class Shrinking(FakePlacement):
        def inventories(self, provider):
            self.providers.pop(provider, None)
            return super().inventories(provider)

    fake = Shrinking()
    fake.add_provider('a')

    assert export_cloud(fake).providers == ()
