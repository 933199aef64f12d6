import importlib.util

import pytest

if importlib.util.find_spec('nova') is None:
    collect_ignore_glob = ['*.py']


@pytest.fixture(autouse=True)
def configured(monkeypatch):
    """Set options of nova.conf for one test: ``configured(max_guests=1)``.

    For filters and weighers that are loaded afterwards.
    """
    from nova.scheduler import request_filter

    from sev_scheduling.nova.lookups import Lookups, shared_lookups
    from tests.unit.nova.factories import CONF

    shared_lookups.cache_clear()
    # No thread asks while a test counts what is asked; a test of it calls
    # what is here.
    ask_ahead = Lookups.ask_ahead
    monkeypatch.setattr(Lookups, 'ask_ahead', lambda self: None)
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

    configure.ask_ahead = lambda: monkeypatch.setattr(
        Lookups, 'ask_ahead', ask_ahead
    )
    yield configure
    for name, group in changed:
        CONF.clear_override(name, group)


@pytest.fixture
def connect(monkeypatch):
    """Have all look-ups from now on ask the clients that a function makes."""
    from sev_scheduling.nova.lookups.client import Connection

    def connect(client):
        monkeypatch.setattr(
            Connection, 'client', lambda self, deadline: client(deadline)
        )

    return connect


@pytest.fixture
def no_servers(monkeypatch):
    """Have nova's databases know no server."""
    from nova import exception, objects

    def missing(context, server):
        raise exception.InstanceMappingNotFound(uuid=server)

    monkeypatch.setattr(
        objects.InstanceMapping, 'get_by_instance_uuid', missing
    )


@pytest.fixture
def world(no_servers, monkeypatch, connect):
    """A cloud without hosts, whose Placement is in memory.

    Nor is any server in nova's databases.
    """
    from tests.unit.nova.factories import World

    world = World()
    client = world.placement.client()
    connect(lambda deadline: client)
    monkeypatch.setattr(
        'sev_scheduling.nova.request_spec.stored_server', world.stored_server
    )
    return world


@pytest.fixture
def databases(world, monkeypatch, tmp_path):
    """Nova's databases, without servers; on SQLite, by nova's own code."""
    from nova import objects

    from tests.unit.nova.databases import Databases
    from tests.unit.nova.factories import FIND_MAPPING

    monkeypatch.setattr(
        objects.InstanceMapping, 'get_by_instance_uuid', FIND_MAPPING
    )
    with Databases(tmp_path) as databases:
        yield databases


@pytest.fixture
def broken(connect):
    """Have every look-up raise this from now on."""

    def raising(error):
        class Broken:
            def __getattr__(self, name):
                def fail(*args, **kwargs):
                    raise error

                return fail

        connect(lambda deadline: Broken())

    return raising


class Clock:
    """Seconds, as tests let them pass."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock of all stop watches and caches."""
    clock = Clock()
    monkeypatch.setattr('oslo_utils.timeutils.now', clock)
    return clock
