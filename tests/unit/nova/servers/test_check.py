"""Servers and slots that disagree; nova's databases are real here."""

from __future__ import annotations

import uuid

import pytest
from nova import objects

from sev_scheduling.exceptions import PlacementConflict
from sev_scheduling.nova.servers import check
from sev_scheduling.nova.servers.check import (
    Disagreement,
    Remedy,
    check_servers,
    repair,
)
from sev_scheduling.placement.answers import Allocations
from tests.unit.nova.factories import ES, ON, ON_ES, Q35, SERVER, SEV, SLOT

ENCRYPTED = {**Q35, 'hw_mem_encryption': 'true'}
UNREADABLE = {**Q35, 'hw_mem_encryption': 'maybe'}


@pytest.fixture
def cloud(world, databases):
    """One host with two slots of each model, as nova knows it."""
    root = world.host(pools={SEV: 2, ES: 2})
    with databases.cell() as cell:
        objects.ComputeNode(
            cell,
            uuid=root,
            host='alpha',
            hypervisor_hostname='alpha.test',
            vcpus=1,
            memory_mb=1,
            local_gb=1,
            vcpus_used=0,
            memory_mb_used=0,
            local_gb_used=0,
            hypervisor_type='QEMU',
            hypervisor_version=1,
            cpu_info='',
        ).create()
    world.root = root
    return world


def hold(cloud, model=None, server=SERVER):
    """Let a server hold memory, and a slot of a model."""
    if model:
        pool = cloud.pool(cloud.root, model.replace('-', '_'))
        cloud.claim(pool, server, root=cloud.root)
    else:
        held = Allocations({cloud.root: {'MEMORY_MB': 512}}, 'tests', 'tests')
        cloud.api.post_allocations({server: held})


def found(cloud, databases, *servers):
    return [
        (one.disagreement, one.remedy, one.model, one.held)
        for one in check_servers(databases.context(), cloud.api, servers)
    ]


WITHOUT, UNUSED, OTHER = Disagreement


@pytest.mark.parametrize(
    ('flavor', 'image', 'holds', 'finding'),
    [
        ({}, Q35, None, None),
        (ON, Q35, SEV, None),
        ({}, ENCRYPTED, SEV, None),
        (ON_ES, Q35, ES, None),
        (ON, Q35, None, (WITHOUT, Remedy.CLAIM, SEV, ())),
        ({}, ENCRYPTED, None, (WITHOUT, Remedy.CLAIM, SEV, ())),
        ({}, Q35, SEV, (UNUSED, Remedy.RELEASE, None, (SEV,))),
        ({}, UNREADABLE, SEV, (UNUSED, Remedy.RELEASE, None, (SEV,))),
        (ON, Q35, ES, (OTHER, Remedy.EXCHANGE, SEV, (ES,))),
        ({f'resources:{SLOT}': '1'}, Q35, SEV, None),
    ],
)
def test_each_disagreement_is_found_and_set_right(
    cloud, databases, flavor, image, holds, finding
):
    databases.boot(flavor, image)
    hold(cloud, holds)
    assert found(cloud, databases) == ([finding] if finding else [])
    before = databases.image_of()

    for one in check_servers(databases.context(), cloud.api):
        assert repair(databases.context(), cloud.api, one)

    assert found(cloud, databases) == []
    assert databases.image_of() == before
    amounts = cloud.api.allocations(SERVER).by_provider
    assert amounts[cloud.root]['MEMORY_MB'] == 512


@pytest.mark.parametrize(
    ('flavor', 'before', 'new', 'holds', 'finding'),
    [
        ({}, Q35, ENCRYPTED, None, (WITHOUT, Remedy.UNDO, SEV, ())),
        (
            {},
            ENCRYPTED,
            {**ENCRYPTED, 'hw_mem_encryption_model': ES},
            SEV,
            (OTHER, Remedy.UNDO, ES, (SEV,)),
        ),
        # What was there is lost.
        ({}, ENCRYPTED, Q35, SEV, (UNUSED, Remedy.BY_HAND, None, (SEV,))),
        (
            {},
            ENCRYPTED,
            UNREADABLE,
            SEV,
            (UNUSED, Remedy.BY_HAND, None, (SEV,)),
        ),
        # Without a slot before, too.
        ({}, ENCRYPTED, ENCRYPTED, None, (WITHOUT, Remedy.BY_HAND, SEV, ())),
    ],
)
def test_what_a_refused_rebuild_added_is_taken_back_and_nothing_else(
    cloud, databases, flavor, before, new, holds, finding
):
    databases.boot(flavor, before)
    hold(cloud, holds)
    databases.rebuild(new)
    # It has not been refused yet.
    assert found(cloud, databases) == []
    databases.refuse()
    assert found(cloud, databases) == [finding]

    (one,) = check_servers(databases.context(), cloud.api)
    undone = finding[1] is Remedy.UNDO
    assert repair(databases.context(), cloud.api, one) is undone

    assert found(cloud, databases) == ([] if undone else [finding])
    left = databases.image_of()
    del left['base_image_ref']
    assert left == (before if undone else new)


def test_an_accepted_rebuild_is_not_taken_back(cloud, databases):
    databases.boot({}, Q35)
    hold(cloud)
    databases.rebuild(ENCRYPTED)
    with databases.cell() as cell:
        instance = objects.Instance.get_by_uuid(cell, SERVER)
        instance.task_state = None
        instance.save()
    assert found(cloud, databases) == [(WITHOUT, Remedy.CLAIM, SEV, ())]


@pytest.mark.parametrize(
    'fields',
    [
        {'vm_state': 'building'},
        {'vm_state': 'resized'},
        {'vm_state': 'shelved_offloaded', 'host': None, 'node': None},
        {'host': None, 'node': None},
        {'task_state': 'rebuilding'},
    ],
)
def test_a_server_in_the_midst_of_something_is_left_out(
    cloud, databases, fields
):
    databases.boot(ON, Q35, **fields)
    assert found(cloud, databases) == []


def test_servers_come_in_pages_and_one_by_one(cloud, databases, monkeypatch):
    monkeypatch.setattr(check, 'PAGE', 2)
    servers = [str(uuid.uuid4()) for _ in range(5)]
    for server in servers:
        databases.boot(ON, Q35, server)
    assert len(found(cloud, databases)) == 5
    assert len(found(cloud, databases, *servers[:1])) == 1


def one_finding(cloud, databases, flavor=ON, holds=None):
    databases.boot(flavor, Q35)
    if holds is not False:
        hold(cloud, holds)
    (one,) = check_servers(databases.context(), cloud.api)
    return one


def test_nothing_is_claimed_where_no_slot_is_free(cloud, databases):
    one = one_finding(cloud, databases)
    for _ in range(2):
        cloud.claim(cloud.pool(cloud.root), str(uuid.uuid4()))
    before = cloud.api.allocations(SERVER)
    assert not repair(databases.context(), cloud.api, one)
    assert cloud.api.allocations(SERVER) == before


def test_nothing_is_claimed_for_a_server_that_holds_no_memory(
    cloud, databases
):
    one = one_finding(cloud, databases, holds=False)
    assert not repair(databases.context(), cloud.api, one)
    assert not cloud.api.allocations(SERVER)


def test_nothing_is_claimed_on_a_host_that_nova_has_no_more(cloud, databases):
    one = one_finding(cloud, databases)
    with databases.cell() as cell:
        objects.ComputeNode.get_by_host_and_nodename(
            cell, 'alpha', 'alpha.test'
        ).destroy()
    assert not repair(databases.context(), cloud.api, one)


def test_what_has_changed_since_is_left_alone(cloud, databases):
    one = one_finding(cloud, databases)
    hold(cloud, SEV, str(uuid.uuid4()))
    with databases.cell() as cell:
        instance = objects.Instance.get_by_uuid(cell, SERVER)
        instance.task_state = 'deleting'
        instance.save()
    assert not repair(databases.context(), cloud.api, one)


def test_a_conflict_leaves_it_for_the_next_run(cloud, databases, monkeypatch):
    one = one_finding(cloud, databases)

    def conflict(claims):
        raise PlacementConflict('Somebody else was first.')

    monkeypatch.setattr(cloud.api, 'post_allocations', conflict)
    assert not repair(databases.context(), cloud.api, one)


def test_a_slot_that_placement_gave_out_twice_is_given_back(
    cloud, databases, monkeypatch
):
    one = one_finding(cloud, databases)
    left = iter([1, -1])
    monkeypatch.setattr(check, '_left', lambda *_: next(left))
    assert not repair(databases.context(), cloud.api, one)
    assert found(cloud, databases) == [(WITHOUT, Remedy.CLAIM, SEV, ())]
