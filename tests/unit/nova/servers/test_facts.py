"""Aggregates and encrypted servers; nova's databases are real here."""

from __future__ import annotations

import pytest
from nova import objects

from sev_scheduling.hosts.aggregates import Aggregate
from sev_scheduling.nova.servers.facts import read_aggregates, read_encrypted
from sev_scheduling.problems import Code
from tests.unit.nova.factories import ON, Q35, SERVER

IDE = {**Q35, 'hw_disk_bus': 'ide'}


def codes(databases, **options):
    return [
        (one.request.server, [p.code for p in one.errors])
        for one in read_encrypted(databases.context(), **options)
    ]


@pytest.mark.parametrize(
    ('specs', 'image', 'found'),
    [
        ({}, Q35, None),
        (ON, Q35, []),
        ({}, {**Q35, 'hw_mem_encryption': 'true'}, []),
        (ON, IDE, [Code.DISK_BUS_UNSUPPORTED]),
        (ON, {**Q35, 'hw_machine_type': 'pc'}, [Code.MACHINE_TYPE_NOT_Q35]),
        ({**ON, 'pci_passthrough:alias': 'a:1'}, Q35, [Code.HOST_DEVICE]),
    ],
)
def test_encrypted_servers_are_validated_by_what_nova_keeps(
    databases, specs, image, found
):
    databases.boot(specs, image)

    assert codes(databases) == ([] if found is None else [(SERVER, found)])


def test_an_option_lets_servers_have_devices(databases):
    databases.boot({**ON, 'pci_passthrough:alias': 'a:1'}, Q35)

    found = codes(databases, as_warnings=[Code.HOST_DEVICE])

    assert found == [(SERVER, [])]


@pytest.mark.parametrize(
    ('fields', 'counts'),
    [
        ({'vm_state': 'stopped'}, True),
        ({'vm_state': 'shelved_offloaded', 'host': None, 'node': None}, True),
        ({'vm_state': 'error', 'host': None, 'node': None}, False),
        ({'vm_state': 'soft-delete'}, False),
    ],
)
def test_servers_count_that_have_a_host_or_may_get_one(
    databases, fields, counts
):
    databases.boot(ON, Q35, **fields)

    assert len(codes(databases)) == counts


def test_a_server_whose_image_facts_are_unreadable_is_left_out(databases):
    databases.boot(ON, Q35, flavor=objects.Flavor(name='x'))

    assert codes(databases) == []


def test_aggregates_have_their_hosts_and_metadata(databases, monkeypatch):
    for name in ('update', 'action'):
        monkeypatch.setattr(
            f'nova.compute.utils.notify_about_aggregate_{name}',
            lambda *_, **__: None,
        )
    context = databases.context()
    made = objects.Aggregate(context, name='gold', metadata={'a': 'b'})
    made.create()

    assert read_aggregates(context) == (
        Aggregate('gold', frozenset(), {'a': 'b'}),
    )
