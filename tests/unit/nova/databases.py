"""Nova's databases with a server in them, as its API leaves it."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import uuid as uuidlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('nova', reason='nova is not installed')

import fixtures
import oslo_messaging
import sqlalchemy
from nova import context as nova_context
from nova import objects, utils
from nova.db.api import api as api_db
from nova.db.api import models as api_models
from nova.db.main import models as main_models
from oslo_db.sqlalchemy import enginefacade, test_fixtures
from oslo_utils import timeutils

from tests.unit.nova.factories import CONF, SERVER, flavor, image

PREFIX = utils.SM_IMAGE_PROP_PREFIX
FIRST, SECOND = (f'{n}9999999-2222-3333-4444-555555555555' for n in '12')


@functools.cache
def _empty(base: Any) -> bytes:
    """Return the file of a database of these models with nothing in it.

    It is made once: a test has three, with over a hundred tables.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, 'empty.sqlite')
        engine = sqlalchemy.create_engine(f'sqlite:///{path}')
        base.metadata.create_all(engine)
        engine.dispose()
        return path.read_bytes()


class Databases(fixtures.Fixture):
    """Nova's API database, and those of two cells: cell0 and cell1.

    :param directory: where they are
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self.cells: dict[str, objects.CellMapping] = {}

    @staticmethod
    def context() -> nova_context.RequestContext:
        return nova_context.get_admin_context()

    def url(self, name: str) -> str:
        return f'sqlite:///{self._directory}/{name}.sqlite'

    def setUp(self) -> None:
        super().setUp()
        # Registers the option that cells look at.
        oslo_messaging.TransportURL.parse(CONF)
        # Nova looks at its scheme before each search for servers.
        CONF.set_override('connection', self.url('cell1'), 'database')
        self.addCleanup(CONF.clear_override, 'connection', 'database')
        facade = enginefacade.transaction_context()
        self.useFixture(
            test_fixtures.ReplaceEngineFacadeFixture(
                api_db.context_manager, facade
            )
        )
        for name, base in (
            ('api', api_models.BASE),
            ('cell0', main_models.BASE),
            ('cell1', main_models.BASE),
        ):
            path = self._directory / f'{name}.sqlite'
            path.write_bytes(_empty(base))
        api_db.context_manager.configure(connection=self.url('api'))
        context = nova_context.get_admin_context()
        for name in ('cell0', 'cell1'):
            cell = objects.CellMapping(
                context,
                # Nova caches connections by it.
                uuid=str(uuidlib.uuid4())
                if name == 'cell1'
                else objects.CellMapping.CELL0_UUID,
                name=name,
                transport_url='none:///',
                database_connection=self.url(name),
            )
            cell.create()
            self.cells[name] = cell
        nova_context.CELL_CACHE.clear()

    @contextlib.contextmanager
    def cell(self, context: Any = None) -> Iterator[Any]:
        """Give a context for the cell of servers."""
        context = context or nova_context.get_admin_context()
        with nova_context.target_cell(context, self.cells['cell1']) as cell:
            yield cell

    def boot(
        self,
        extra_specs: Mapping[str, str],
        properties: Mapping[str, str],
        server: str = SERVER,
        **fields: Any,
    ) -> None:
        """Create a server from an image of these properties."""
        context = nova_context.get_admin_context()
        with self.cell(context) as cell:
            objects.Instance(
                cell,
                **{
                    'uuid': server,
                    'project_id': 'tests',
                    'user_id': 'tests',
                    'host': 'alpha',
                    'node': 'alpha.test',
                    'compute_id': 1,
                    'vm_state': 'active',
                    'image_ref': FIRST,
                    'flavor': flavor(extra_specs),
                    'system_metadata': facts(properties, FIRST),
                    **fields,
                },
            ).create()
        objects.InstanceMapping(
            context,
            instance_uuid=server,
            project_id='tests',
            cell_mapping=self.cells['cell1'],
        ).create()
        objects.RequestSpec(
            context,
            instance_uuid=server,
            flavor=flavor(extra_specs),
            image=image(properties),
        ).create()

    def rebuild(
        self,
        properties: Mapping[str, str],
        server: str = SERVER,
        *,
        image_ref: str = SECOND,
    ) -> nova_context.RequestContext:
        """Write a new image down, as nova's API does before it asks.

        :returns: the context of the user's request
        """
        context = nova_context.RequestContext(
            'tests', 'tests', is_admin=True, timestamp=timeutils.utcnow()
        )
        with self.cell(context) as cell:
            instance = objects.Instance.get_by_uuid(cell, server)
            instance.image_ref = image_ref
            instance.task_state = 'rebuilding'
            instance.save()
            for key in list(instance.system_metadata):
                if key.startswith(PREFIX):
                    del instance.system_metadata[key]
            instance.system_metadata.update(facts(properties, image_ref))
            instance.save()
            objects.InstanceAction.action_start(cell, server, 'rebuild')
        spec = objects.RequestSpec.get_by_instance_uuid(context, server)
        spec.image = image(properties)
        spec.save()
        return context

    def refuse(self, server: str = SERVER) -> None:
        """Set back what nova's conductor sets back."""
        with self.cell() as cell:
            instance = objects.Instance.get_by_uuid(cell, server)
            instance.image_ref = FIRST
            instance.task_state, instance.vm_state = None, 'error'
            instance.save()

    def image_of(self, server: str = SERVER) -> dict[str, str]:
        """Return the image properties that a server has.

        Its RequestSpec has the same of encryption.
        """
        context = nova_context.get_admin_context()
        with self.cell(context) as cell:
            metadata = objects.Instance.get_by_uuid(
                cell, server, expected_attrs=['system_metadata']
            ).system_metadata
        found = {
            key.removeprefix(PREFIX): value
            for key, value in metadata.items()
            if key.startswith(PREFIX)
        }
        assert metadata['other'] == 'kept'
        spec = objects.RequestSpec.get_by_instance_uuid(context, server)
        properties = spec.image.properties
        for key in ('hw_mem_encryption', 'hw_mem_encryption_model'):
            if key in properties.fields:
                assert (key in found) == (key in properties)
        return found


def facts(properties: Mapping[str, str], image_ref: str) -> dict[str, str]:
    return {
        'other': 'kept',
        f'{PREFIX}base_image_ref': image_ref,
        **{PREFIX + key: value for key, value in properties.items()},
    }
