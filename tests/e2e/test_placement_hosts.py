"""Every host and slot of a Placement over HTTP, by every kind of login."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import openstack
import pytest
from keystoneauth1 import loading
from keystoneauth1.adapter import Adapter
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from sev_scheduling import exceptions
from sev_scheduling.hosts.host import Host
from sev_scheduling.placement import PlacementClient
from tests.e2e.requests import hosts, sev_request
from tests.servers.faults import FaultProxy
from tests.servers.keystone import PASSWORD, keystone
from tests.servers.placement import (
    ADMIN_TOKEN,
    PlacementServer,
    adapter_for,
)

#: Nested and flat, full, half full, reserved, and without slots.
CLOUD = [
    *hosts(
        1,
        0,
        name='both',
        pools={
            'amd-sev': {'total': 15, 'used': 15},
            'amd-sev-es': {'total': 5, 'used': 2, 'reserved': 1},
        },
    ),
    *hosts(
        2,
        0,
        name='flat',
        layout='flat',
        pools={'amd-sev': {'total': 4, 'used': 1, 'reserved': 1}},
    ),
    *hosts(1, 0, name='plain', pools={}),
    *hosts(1, 0, name='tdx', pools={'intel-tdx': {'total': 31}}),
]

#: Host, model, total, reserved, used, free.
SLOTS = [
    ('both-1', 'amd-sev', 15, 0, 15, 0),
    ('both-1', 'amd-sev-es', 5, 1, 2, 2),
    ('flat-1', 'amd-sev', 4, 1, 1, 2),
    ('flat-2', 'amd-sev', 4, 1, 1, 2),
    ('tdx-1', 'intel-tdx', 31, 0, 0, 31),
]

RUN = 'import sys, sev_scheduling.cli.main as s; sys.exit(s.main())'


@pytest.fixture(params=['sqlite', 'postgresql', 'mariadb'])
def placement(request: pytest.FixtureRequest) -> PlacementServer:
    server: PlacementServer = request.getfixturevalue(
        f'placement_on_{request.param}'
    )
    server.load(CLOUD)
    return server


def slots(found: list[Host]) -> list[tuple[str, str, int, int, int, int]]:
    return sorted(
        (host.name, model, p.total, p.reserved, p.used, p.free)
        for host in found
        for model, p in host.pools.items()
    )


def test_every_host_is_listed_with_all_its_slots(placement):
    found = PlacementClient(placement.adapter()).hosts(details=True)
    assert [host.name for host in found] == [
        'both-1',
        'flat-1',
        'flat-2',
        'plain-1',
        'tdx-1',
    ]
    assert slots(found) == SLOTS
    assert found[0].machine_types == {'x86_64': 'q35'}


def test_claims_show_in_the_slots_at_once(placement):
    client = PlacementClient(placement.adapter())
    client.schedule(sev_request(), 4)
    with pytest.raises(exceptions.NoCapacity):
        client.schedule(sev_request())
    free = {
        host.name: pool.free
        for host in client.hosts()
        if (pool := host.pools.get('amd-sev'))
    }
    assert free == {'both-1': 0, 'flat-1': 0, 'flat-2': 0}


def test_the_command_shows_the_same(placement):
    shown = subprocess.run(
        [
            *(sys.executable, '-c', RUN, 'capacity', '--long', '-f', 'json'),
            *('--placement-url', placement.url),
        ],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    columns = ('Host', 'Model', 'Total', 'Reserved', 'Used', 'Free')
    rows = json.loads(shown)
    assert sorted(tuple(row[c] for c in columns) for row in rows) == SLOTS
    assert {row['Status'] for row in rows} == {'enabled'}


@pytest.mark.parametrize('count', [2, 40])
def test_without_details_calls_do_not_grow_with_the_cloud(
    placement_on_sqlite, count
):
    placement_on_sqlite.load(hosts(count, 3))
    with FaultProxy(placement_on_sqlite.url) as proxy:
        found = PlacementClient(adapter_for(proxy.url)).hosts(details=False)
        assert len(found) == count
        assert [host.pools['amd-sev'].free for host in found] == [3] * count
        assert len(proxy.calls) == 3


class TestLogins:
    """The endpoint and the token come from keystoneauth's plug-ins."""

    @pytest.fixture(autouse=True)
    def _loaded(self, placement_on_sqlite: PlacementServer) -> None:
        placement_on_sqlite.load(CLOUD)
        self.url = placement_on_sqlite.url

    def check(self, adapter: Adapter | Session) -> None:
        client = PlacementClient(adapter)
        assert slots(client.hosts(details=True)) == SLOTS
        (placed,) = client.schedule(sev_request())
        assert client.release(placed.instance)

    def test_a_token_and_an_endpoint(self):
        self.check(Session(auth=Token(self.url, ADMIN_TOKEN)))

    def test_the_plug_in_admin_token_as_nova_conf_names_it(self):
        auth = loading.get_plugin_loader('admin_token').load_from_options(
            endpoint=self.url, token=ADMIN_TOKEN
        )
        self.check(Adapter(Session(auth=auth), service_type='placement'))

    def test_no_login_but_the_token_as_a_header(self):
        self.check(
            Adapter(
                Session(),
                service_type='placement',
                endpoint_override=self.url,
                additional_headers={'X-Auth-Token': ADMIN_TOKEN},
            )
        )

    def test_no_login_at_all_is_denied(self):
        client = PlacementClient(Session(auth=NoAuth(endpoint=self.url)))
        with pytest.raises(exceptions.PlacementDenied, match=r'40[13]'):
            client.hosts()

    def test_a_session_without_a_login_is_denied(self):
        with pytest.raises(exceptions.PlacementError):
            PlacementClient(Session()).hosts()

    @pytest.mark.parametrize('part', ['session', 'placement'])
    def test_openstacksdk(self, part):
        cloud = openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth_type='admin_token',
            auth={'endpoint': self.url, 'token': ADMIN_TOKEN},
        )
        self.check(getattr(cloud, part))


class TestPassword:
    """Keystone's catalog says where Placement is."""

    @pytest.fixture
    def keystone_url(
        self, placement_on_sqlite: PlacementServer
    ) -> Iterator[str]:
        placement_on_sqlite.load(CLOUD)
        with keystone(placement_on_sqlite.url, ADMIN_TOKEN) as url:
            yield url

    def session(self, url: str, password: str) -> Session:
        cloud = openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth={
                'auth_url': url,
                'username': 'tester',
                'password': password,
                'project_name': 'tests',
                'user_domain_id': 'default',
                'project_domain_id': 'default',
            },
        )
        session: Session = cloud.session
        return session

    def test_the_right_one_finds_placement(self, keystone_url):
        client = PlacementClient(self.session(keystone_url, PASSWORD))
        assert slots(client.hosts(details=True)) == SLOTS
        (placed,) = client.schedule(sev_request())
        assert client.release(placed.instance)

    def test_a_wrong_one_is_denied(self, keystone_url):
        client = PlacementClient(self.session(keystone_url, 'wrong'))
        with pytest.raises(exceptions.PlacementDenied):
            client.hosts()
