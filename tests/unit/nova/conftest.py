import importlib.util

import pytest

if importlib.util.find_spec('nova') is None:
    collect_ignore_glob = ['*.py']


@pytest.fixture(autouse=True)
def configured(monkeypatch):
    """Set options of nova.conf for one test: ``configured(max_guests=1)``."""
    from nova.scheduler import request_filter

    from tests.unit.nova.factories import CONF

    monkeypatch.setattr('sev_scheduling.nova.lookups.shared._lookups', None)
    monkeypatch.setattr(
        request_filter,
        'ALL_REQUEST_FILTERS',
        list(request_filter.ALL_REQUEST_FILTERS),
    )
    changed = set()

    def configure(group='sev_scheduling', **options):
        for name, value in options.items():
            CONF.set_override(name, value, group)
            changed.add((name, group))

    yield configure
    for name, group in changed:
        CONF.clear_override(name, group)


@pytest.fixture
def world(monkeypatch):
    """A cloud without hosts, whose Placement is in memory.

    Nor is any server in nova's databases.
    """
    from nova import exception, objects

    from tests.unit.nova.factories import World

    def missing(context, server):
        raise exception.InstanceMappingNotFound(uuid=server)

    monkeypatch.setattr(
        objects.InstanceMapping, 'get_by_instance_uuid', missing
    )
    world = World()
    monkeypatch.setattr(
        'sev_scheduling.nova.lookups.lookups.placement_client',
        lambda budget: world.placement.client(),
    )
    return world


@pytest.fixture
def broken(monkeypatch):
    """Have every look-up raise this from now on."""

    def raising(error):
        class Client:
            def call(self, *args, **kwargs):
                raise error

            supports = call

        monkeypatch.setattr(
            'sev_scheduling.nova.lookups.lookups.placement_client',
            lambda budget: Client(),
        )

    return raising
