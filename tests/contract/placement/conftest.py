"""One real Placement for all tests here, emptied before each cloud."""

from __future__ import annotations

import uuid

import pytest
from placement.db.sqlalchemy import models
from sqlalchemy import text

from sev_scheduling.placement import (
    PlacementClient,
    embedded_placement,
    load_cloud,
)
from sev_scheduling.placement.embedded import parse_cloud


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        '--clouds',
        type=int,
        help='how many clouds the diagnosis is held against brute force on, '
        'on the real Placement',
    )


class World:
    """The real Placement, and what is asked of it.

    :ivar calls: (method, url) of each call since the cloud was loaded
    """

    def __init__(self, adapter):
        self.adapter = adapter
        self.calls = []

    def request(self, url, method, **kwargs):
        self.calls.append((method, url))
        return self.adapter.request(url, method, **kwargs)

    def load(self, *hosts, providers=(), **kwargs):
        """Hold these hosts and nothing else; return a client.

        :param hosts: entries of a cloud file
        :param providers: others of it
        """
        self.empty()
        parts = {'hosts': [*hosts], 'providers': [*providers]}
        cloud = {name: part for name, part in parts.items() if part}
        load_cloud(self.adapter, parse_cloud(cloud, 'Test'))
        return self.client(**kwargs)

    def client(self, **kwargs):
        client = PlacementClient(self, **kwargs)
        client.supports('1.33')
        self.calls.clear()
        return client

    def empty(self):
        with self.adapter.engine.begin() as connection:
            for table in models.BASE.metadata.sorted_tables:
                if table.name not in KEPT:
                    connection.execute(table.delete())

    def ask(self, method, url, json=None):
        answer = self.adapter.request(
            url, method, json=json, microversion='1.39'
        )
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else {}

    def uuid(self, name):
        """Return the uuid of the provider of a name."""
        (found,) = self.ask('GET', f'/resource_providers?name={name}')[
            'resource_providers'
        ]
        return found['uuid']

    def change(self, name, what, value):
        """Replace aggregates, traits or inventories of a provider."""
        url = f'/resource_providers/{self.uuid(name)}'
        generation = self.ask('GET', url)['generation']
        self.ask(
            'PUT',
            f'{url}/{what}',
            {what: value, 'resource_provider_generation': generation},
        )

    def inventory(self, name, resource_class, **amounts):
        """Change or add an inventory of a provider."""
        url = f'/resource_providers/{self.uuid(name)}/inventories'
        inventories = self.ask('GET', url)['inventories']
        self.change(
            name,
            'inventories',
            {
                **inventories,
                resource_class: {
                    **inventories.get(resource_class, {}),
                    **amounts,
                },
            },
        )

    def use(self, name, **resources):
        """Let a guest hold these amounts of a provider."""
        self.ask(
            'PUT',
            f'/allocations/{uuid.uuid4()}',
            {
                'allocations': {self.uuid(name): {'resources': resources}},
                'project_id': 'p',
                'user_id': 'u',
                'consumer_generation': None,
                'consumer_type': 'INSTANCE',
            },
        )

    def usages(self, resource_class='MEM_ENCRYPTION_CONTEXT'):
        """Return how much is used of a class on all providers together."""
        query = text(
            'SELECT COALESCE(SUM(used), 0) FROM allocations '
            'JOIN resource_classes ON resource_class_id = '
            'resource_classes.id WHERE name = :name'
        )
        with self.adapter.engine.connect() as connection:
            return connection.scalar(query, {'name': resource_class})


KEPT = {'traits', 'resource_classes', 'alembic_version', 'consumer_types'}


@pytest.fixture(scope='package')
def service():
    with embedded_placement() as adapter:
        yield adapter


@pytest.fixture
def world(service):
    return World(service)
