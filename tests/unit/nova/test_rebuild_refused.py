"""What a refused rebuild leaves; nova's databases are real here.

The functional tests have a hard reboot and a migration go by it.
"""

from __future__ import annotations

import pytest
from nova import exception, objects
from oslo_db import exception as db_exception

from sev_scheduling.exceptions import PlacementUnavailable
from tests.unit.nova.factories import (
    ES,
    ON,
    ON_ES,
    Q35,
    SERVER,
    SEV,
    SEV_TRAIT,
    load_filter,
    passing,
    rebuild_spec,
)

ENCRYPTED = {**Q35, 'hw_mem_encryption': 'true'}
ENCRYPTED_ES = {**ENCRYPTED, 'hw_mem_encryption_model': ES}
ENCRYPTED_SEV = {**ENCRYPTED, 'hw_mem_encryption_model': SEV}
UNREADABLE = {**Q35, 'hw_mem_encryption': 'maybe'}
WRONG_BUS = {**Q35, 'hw_disk_bus': 'ide'}
MAY_KEEP = 'before a hard reboot'


@pytest.fixture
def rebuild(world, databases):
    """Rebuild a server: ``rebuild(flavor, image before, new image)``.

    Returns the hosts that are left, and the text of a refusal.
    """

    def rebuild(extra_specs, before, new, *, boot=True):
        if boot:
            databases.boot(extra_specs, before)
        request = rebuild_spec(extra_specs, new)
        request._context = databases.rebuild(new)
        states = list(world.states.values())
        try:
            return passing(load_filter(), states, request), ''
        except exception.NoValidHost as refusal:
            return [], str(refusal)

    return rebuild


def encryption(databases):
    found = databases.image_of()
    return {k: v for k, v in found.items() if 'mem_encryption' in k}


@pytest.mark.parametrize(
    ('holds', 'flavor', 'before', 'new'),
    [
        (None, {}, Q35, ENCRYPTED),
        (None, {}, Q35, ENCRYPTED_ES),
        (None, {}, Q35, UNREADABLE),
        (SEV, {}, ENCRYPTED, ENCRYPTED_ES),
        (SEV, {}, ENCRYPTED_SEV, {**ENCRYPTED_SEV, 'hw_disk_bus': 'ide'}),
        (SEV, ON, Q35, WRONG_BUS),
        (SEV, ON, Q35, ENCRYPTED_ES),
        (SEV, ON, Q35, {**ENCRYPTED, 'hw_disk_bus': 'ide'}),
        (ES, ON_ES, Q35, WRONG_BUS),
        (ES, ON_ES, Q35, {**ENCRYPTED_ES, 'hw_disk_bus': 'ide'}),
    ],
)
def test_a_refused_rebuild_leaves_the_encryption_as_it_was(
    world, databases, rebuild, holds, flavor, before, new
):
    root = world.host(pools={SEV: 5, ES: 5})
    if holds:
        world.claim(world.pool(root, holds.replace('-', '_')))

    hosts, refusal = rebuild(flavor, before, new)

    assert hosts == []
    assert MAY_KEEP not in refusal
    # What is no encryption is left to nova.
    assert databases.image_of().items() >= Q35.items()
    assert encryption(databases) == {
        k: v for k, v in before.items() if 'mem_encryption' in k
    }


@pytest.mark.parametrize(
    ('holds', 'flavor', 'before', 'new'),
    [
        # What was there is overwritten, or gone.
        (SEV, {}, ENCRYPTED, UNREADABLE),
        (ES, {}, ENCRYPTED_ES, {**ENCRYPTED, 'hw_disk_bus': 'ide'}),
        (ES, {}, ENCRYPTED_ES, ENCRYPTED),
        (ES, ON, {**Q35, 'hw_mem_encryption_model': ES}, Q35),
        (None, {}, {**Q35, 'hw_mem_encryption': 'no'}, ENCRYPTED),
    ],
)
def test_what_is_lost_is_not_guessed_and_said_in_the_fault(
    world, databases, rebuild, caplog, holds, flavor, before, new
):
    root = world.host(pools={SEV: 5, ES: 5})
    if holds:
        world.claim(world.pool(root, holds.replace('-', '_')))

    _, refusal = rebuild(flavor, before, new)

    assert MAY_KEEP in refusal
    assert f'sev-scheduling server check {SERVER}' in caplog.text
    assert encryption(databases) == {
        k: v for k, v in new.items() if 'mem_encryption' in k
    }


def test_nothing_is_written_where_the_option_is_off(
    world, databases, rebuild, configured
):
    configured(undo_refused_rebuild=False)
    world.host()
    _, refusal = rebuild({}, Q35, ENCRYPTED)
    assert 'holds no slot' in refusal
    assert MAY_KEEP in refusal
    assert encryption(databases) == {'hw_mem_encryption': 'true'}


def test_nothing_is_written_where_the_request_left_no_action(
    world, databases, rebuild, monkeypatch
):
    monkeypatch.setattr(
        objects.InstanceAction, 'get_by_request_id', lambda *_: None
    )
    world.host()
    _, refusal = rebuild({}, Q35, ENCRYPTED)
    assert MAY_KEEP in refusal
    assert encryption(databases) == {'hw_mem_encryption': 'true'}


def test_an_outage_of_placement_is_no_reason_to_leave_anything(
    world, databases, rebuild, broken
):
    world.host()
    broken(PlacementUnavailable('It is down.'))
    _, refusal = rebuild({}, Q35, ENCRYPTED)
    assert 'cannot be found out' in refusal
    assert MAY_KEEP not in refusal
    assert encryption(databases) == {}


def test_what_an_outage_hides_and_nothing_takes_back_is_said(
    world, databases, rebuild, broken, configured
):
    configured(undo_refused_rebuild=False)
    world.host()
    broken(PlacementUnavailable('It is down.'))
    _, refusal = rebuild({}, Q35, ENCRYPTED)
    assert MAY_KEEP in refusal


def test_a_rebuild_that_passes_writes_nothing(world, databases, rebuild):
    world.claim(world.pool(world.host()))
    assert rebuild({}, ENCRYPTED, ENCRYPTED_SEV) == (['alpha'], '')
    assert encryption(databases) == {
        'hw_mem_encryption': 'true',
        'hw_mem_encryption_model': SEV,
    }


def test_a_flat_pool_of_several_models_contradicts_no_flavor(
    world, databases, rebuild
):
    root = world.host(pools={SEV: 5}, nested=False)
    world.set_traits(root, SEV_TRAIT, 'HW_CPU_X86_AMD_SEV_ES')
    world.claim(root)
    _, refusal = rebuild(ON_ES, Q35, WRONG_BUS)
    assert 'hw_disk_bus' in refusal
    assert encryption(databases) == {}


@pytest.mark.parametrize(
    'error',
    [
        db_exception.DBConnectionError('The database is gone.'),
        exception.InvalidInput(reason='The database is gone.'),
    ],
)
def test_a_refusal_stands_where_nova_s_database_fails(
    world, databases, rebuild, monkeypatch, caplog, error
):
    def save(spec):
        raise error

    world.host()
    databases.boot({}, Q35)
    context = databases.rebuild(ENCRYPTED)
    monkeypatch.setattr(objects.RequestSpec, 'save', save)
    request = rebuild_spec({}, ENCRYPTED)
    request._context = context
    with pytest.raises(exception.NoValidHost) as refused:
        passing(load_filter(), list(world.states.values()), request)
    assert 'holds no slot' in str(refused.value)
    assert MAY_KEEP in str(refused.value)
    assert 'The database is gone.' in caplog.text


def test_a_server_that_goes_away_meanwhile_is_no_failure(
    world, databases, monkeypatch, caplog
):
    def missing(*_, **__):
        raise exception.InstanceNotFound(instance_id=SERVER)

    world.host()
    databases.boot({}, Q35)
    request = rebuild_spec({}, ENCRYPTED)
    request._context = databases.rebuild(ENCRYPTED)
    monkeypatch.setattr(objects.Instance, 'get_by_uuid', missing)
    caplog.set_level('INFO')
    with pytest.raises(exception.NoValidHost, match='holds no slot') as told:
        passing(load_filter(), list(world.states.values()), request)
    assert MAY_KEEP not in str(told.value)
    assert 'went away' in caplog.text


# What keeps the encryption that the server has.


@pytest.mark.parametrize('stale', [True, False])
@pytest.mark.parametrize(
    ('flavor', 'before', 'new', 'certain'),
    [
        # The flavor says all; nothing is lost.
        ({**ON, 'hw:mem_encryption_model': SEV}, Q35, Q35, True),
        ({}, ENCRYPTED_SEV, ENCRYPTED_SEV, True),
        ({}, ENCRYPTED, ENCRYPTED_SEV, True),
        # Whether its image named a model is lost.
        (ON, Q35, Q35, False),
        ({}, ENCRYPTED, ENCRYPTED, False),
    ],
)
def test_a_rebuild_that_keeps_it_passes_with_another_model_s_slot(
    world, rebuild, stale, flavor, before, new, certain
):
    root = world.host(pools={SEV: 5, ES: 5})
    if stale:
        world.set_traits(root, SEV_TRAIT)
    world.claim(world.pool(root, 'amd_sev_es'), root=root)

    hosts, refusal = rebuild(flavor, before, new)

    if certain or stale:
        assert hosts == ['alpha'], refusal
    else:
        # Nova would not have given it that slot: its image named the model.
        assert 'holds a slot of amd-sev-es, not of amd-sev' in refusal


@pytest.mark.parametrize(
    ('flavor', 'before'),
    [(ON, Q35), (ON_ES, Q35), ({}, ENCRYPTED), ({}, ENCRYPTED_ES)],
)
def test_a_rebuild_that_keeps_it_passes_without_a_slot(
    world, rebuild, flavor, before
):
    world.host(pools={SEV: 5, ES: 5})
    assert rebuild(flavor, before, before) == (['alpha'], '')


@pytest.mark.parametrize('text', ['false', 'off', None])
def test_an_image_that_means_no_is_believed(world, databases, rebuild, text):
    world.host(pools={})
    image = {**Q35, 'hw_mem_encryption': text} if text else Q35
    assert rebuild({}, Q35, image) == (['alpha'], '')


def test_a_refusal_names_what_the_image_s_owner_wrote(world, rebuild):
    world.claim(world.pool(world.host()))
    assert "'maybe'" in rebuild({}, ENCRYPTED, UNREADABLE)[1]


def test_it_is_left_to_others_with_the_rules_of_requests(
    world, rebuild, configured
):
    configured(request_filter=False)
    world.host(pools={})
    assert rebuild({}, Q35, UNREADABLE) == (['alpha'], '')


def test_only_a_rebuild_is_looked_up(world, monkeypatch):
    world.host()
    monkeypatch.setattr(
        objects.InstanceMapping, 'get_by_instance_uuid', pytest.fail
    )
    states = list(world.states.values())
    assert passing(load_filter(), states, rebuild_spec({}, Q35)) == ['alpha']


def test_a_server_that_is_gone_changes_nothing(world):
    world.host()
    states = list(world.states.values())
    request = rebuild_spec({}, UNREADABLE)
    assert passing(load_filter(), states, request) == ['alpha']
    with pytest.raises(exception.NoValidHost, match='holds no slot'):
        passing(load_filter(), states, rebuild_spec({}, ENCRYPTED))
