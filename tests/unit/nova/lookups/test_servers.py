"""Servers in their cell, as nova's own objects read them."""

from __future__ import annotations

import contextlib
import logging
from unittest import mock

import pytest
from nova import context as nova_context
from nova import exception, objects
from oslo_db import exception as db_exception

from sev_scheduling.nova.lookups import StoredServer, stored_server
from tests.unit.nova.factories import SERVER, flavor

CELL = objects.CellMapping(uuid=SERVER, name='cell1')
FLAVOR = flavor()


@pytest.fixture
def asked(monkeypatch):
    """Have a cell answer; returns what was read where."""
    calls = []

    @contextlib.contextmanager
    def target_cell(context, cell):
        calls.append(cell.name)
        yield context

    monkeypatch.setattr(nova_context, 'target_cell', target_cell)
    return calls


def instance(task_state, **metadata):
    found = objects.Instance(
        task_state=task_state, system_metadata=metadata, flavor=FLAVOR
    )
    return mock.patch.object(
        objects.Instance, 'get_by_uuid', return_value=found
    )


def failing(error):
    return mock.patch.object(
        objects.Instance, 'get_by_uuid', side_effect=error
    )


@pytest.mark.parametrize(
    ('task_state', 'machine_type'),
    [
        pytest.param('rebuilding', 'pc-q35-8.2', id='evacuate'),
        pytest.param('unshelving', 'pc-q35-8.2', id='unshelve'),
        pytest.param('migrating', 'pc-q35-8.2', id='live migrate'),
        pytest.param('resize_prep', None, id='cold migrate or resize'),
    ],
)
def test_the_machine_type_counts_that_the_move_goes_by(
    asked, task_state, machine_type
):
    with instance(task_state, image_hw_machine_type='pc-q35-8.2'):
        found = stored_server(None, SERVER, CELL)
    assert found == StoredServer(FLAVOR, machine_type)
    assert asked == ['cell1']


def test_a_server_without_a_recorded_machine_type(asked):
    with instance('rebuilding'):
        assert stored_server(None, SERVER, CELL) == StoredServer(FLAVOR, None)


def test_a_server_that_may_leave_its_cell_is_looked_up(asked):
    mapping = objects.InstanceMapping(cell_mapping=CELL)
    with (
        mock.patch.object(
            objects.InstanceMapping,
            'get_by_instance_uuid',
            return_value=mapping,
        ),
        instance('resize_prep'),
    ):
        assert stored_server(None, SERVER, None) is not None
    assert asked == ['cell1']


@pytest.mark.parametrize(
    'error',
    [
        exception.InstanceNotFound(instance_id=SERVER),
        exception.CellTimeout(),
        db_exception.DBConnectionError(),
    ],
)
def test_what_cannot_be_read_is_unknown_and_logged(asked, caplog, error):
    with failing(error), caplog.at_level(logging.WARNING):
        assert stored_server(None, SERVER, CELL) is None
    (record,) = caplog.records
    assert SERVER in record.getMessage()
