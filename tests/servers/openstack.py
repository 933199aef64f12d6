"""A small real cloud: Keystone, Glance, Placement and nova, all but guests.

nova-api, conductor, scheduler and several nova-compute with nova's own
FakeDriver, on MariaDB and RabbitMQ, on loopback. There is no Cinder, and a
Neutron that has nothing: servers are created with ``--nic none``. The driver
knows no memory encryption, so :meth:`SmallCloud.publish` puts slots, traits
and machine types on the compute nodes' providers as nova's libvirt driver
does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import sysconfig
import threading
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import os_traits
import requests
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tests.servers.databases import Database, mariadb
from tests.servers.process import (
    HOST,
    Server,
    ServerMissing,
    free_port,
    run_once,
    server_directory,
    wait_until,
)
from tests.servers.rabbitmq import RabbitMQ, rabbitmq

_ROOT = pathlib.Path(__file__).parents[2]

#: Python package -> what it is called where it is installed from.
_PACKAGES = {
    'keystone': 'keystone',
    'glance': 'glance',
    'nova': 'nova',
    'placement': 'openstack-placement',
    'openstackclient': 'python-openstackclient',
    'gunicorn': 'gunicorn',
}

#: nova's own filters, less those that ask services which do not run here.
_FILTERS = (
    'ComputeFilter',
    'ComputeCapabilitiesFilter',
    'ImagePropertiesFilter',
    'ServerGroupAntiAffinityFilter',
    'ServerGroupAffinityFilter',
)
_REGION = 'RegionOne'

_AUTH = """\
[{group}]
auth_type = password
auth_url = {url}
username = admin
password = {password}
project_name = admin
user_domain_id = default
project_domain_id = default
region_name = RegionOne
"""

_KEYSTONE = """\
[DEFAULT]
use_stderr = true
[database]
connection = {database}
[fernet_tokens]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
"""

_PLACEMENT = """\
[api]
auth_strategy = keystone
[placement]
# Else two claims of a last slot at one moment are both accepted.
allocation_conflict_retry_count = 1
[placement_database]
connection = {database}
{authtoken}
"""

_GLANCE = """\
[DEFAULT]
enabled_backends = files:file
use_stderr = true
[database]
connection = {database}
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {directory}/images
[os_glance_staging_store]
filesystem_store_datadir = {directory}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {directory}/tasks
[oslo_concurrency]
lock_path = {directory}
[paste_deploy]
flavor = keystone
config_file = {paste}
{authtoken}
"""

_NOVA = """\
[DEFAULT]
host = {host}
transport_url = {broker}
state_path = {directory}/{host}
compute_driver = fake.FakeDriver
use_stderr = true
default_log_levels = amqp=WARNING,oslo.messaging=INFO,nova.service=DEBUG
osapi_compute_workers = 1
report_interval = 5
rpc_response_timeout = 30
[api]
auth_strategy = keystone
[wsgi]
api_paste_config = {paste}
{databases}
[oslo_concurrency]
lock_path = {directory}
[oslo_messaging_notifications]
driver = noop
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = -1
[filter_scheduler]
available_filters = nova.scheduler.filters.all_filters
available_filters = sev_scheduling.nova.MemoryEncryptionFilter
enabled_filters = {filters}
weight_classes = nova.scheduler.weights.all_weighers,\
sev_scheduling.nova.MemoryEncryptionWeigher
[sev_scheduling]
cache_seconds = 1
{placement}
{glance}
{neutron}
{authtoken}
"""


#: Not for nova-compute, which must not reach them.
_NOVA_DATABASES = """\
[api_database]
connection = {nova_api}
[database]
connection = {nova_cell1}
"""


class SmallCloud:
    """A running cloud.

    :ivar env: the ``OS_`` variables of its administrator
    :ivar hosts: names of its compute hosts
    """

    def __init__(
        self,
        directory: pathlib.Path,
        env: Mapping[str, str],
        hosts: Sequence[str],
    ) -> None:
        self.directory = directory
        self.env = dict(env)
        self.hosts = tuple(hosts)
        self.session = _session(env)
        self.placement = Adapter(
            self.session,
            service_type='placement',
            default_microversion='1.36',
        )

    def openstack(
        self, *arguments: str, check: bool = True, **env: str
    ) -> str:
        """Run ``openstack``; return what it prints on standard output.

        :param env: over the administrator's ``OS_`` variables
        """
        done = self.run('openstack', *arguments, **env)
        if check:
            assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what an ``openstack … list`` prints, by columns."""
        found: list[dict[str, Any]] = json.loads(
            self.openstack(*arguments, '-f', 'json')
        )
        return found

    def shown(self, *arguments: str) -> dict[str, Any]:
        """Return the fields that an ``openstack … show`` prints."""
        found: dict[str, Any] = json.loads(
            self.openstack(*arguments, '-f', 'json')
        )
        return found

    def run(
        self, program: str, *arguments: str, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment with the ``OS_`` variables."""
        return subprocess.run(
            [str(_scripts() / program), *arguments],
            cwd=self.directory,
            env={**_plain_environment(), **self.env, **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def publish(
        self,
        host: str,
        pools: Mapping[str, tuple[str, int]],
        traits: Sequence[str] = (),
    ) -> None:
        """Give a host's provider what nova's libvirt driver would.

        :param pools: name of the child provider, less the host's, such as
            ``amd_sev`` -> trait and slots
        :param traits: of the root, such as ``CUSTOM_HW_MACHINE_TYPE_Q35``
        """
        (root,) = self._call('GET', f'/resource_providers?name={host}')[
            'resource_providers'
        ]
        self._add_traits(root['uuid'], traits)
        for suffix, (trait, total) in pools.items():
            child = self._call(
                'POST',
                '/resource_providers',
                {
                    'name': f'{host}_{suffix}',
                    'parent_provider_uuid': root['uuid'],
                },
            )
            self._call(
                'PUT',
                f'/resource_providers/{child["uuid"]}/inventories',
                {
                    'resource_provider_generation': child['generation'],
                    'inventories': {
                        'MEM_ENCRYPTION_CONTEXT': {
                            'total': total,
                            'max_unit': 1,
                        }
                    },
                },
            )
            self._add_traits(child['uuid'], (trait,))

    def resize_pool(self, name: str, total: int) -> None:
        """Give a provider of slots another number of them."""
        (pool,) = self._call('GET', f'/resource_providers?name={name}')[
            'resource_providers'
        ]
        path = f'/resource_providers/{pool["uuid"]}/inventories'
        held = self._call('GET', path)
        held['inventories']['MEM_ENCRYPTION_CONTEXT']['total'] = total
        self._call('PUT', path, held)

    def _add_traits(self, provider: str, traits: Sequence[str]) -> None:
        for trait in traits:
            if trait.startswith('CUSTOM_'):
                self._call('PUT', f'/traits/{trait}')
        path = f'/resource_providers/{provider}/traits'
        held = self._call('GET', path)
        self._call(
            'PUT',
            path,
            {
                'resource_provider_generation': held[
                    'resource_provider_generation'
                ],
                'traits': sorted({*held['traits'], *traits}),
            },
        )

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        answer = self.placement.request(
            path, method, json=body, raise_exc=False
        )
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None


def _session(env: Mapping[str, str]) -> Session:
    return Session(
        auth=v3.Password(
            auth_url=env['OS_AUTH_URL'],
            username=env['OS_USERNAME'],
            password=env['OS_PASSWORD'],
            project_name=env['OS_PROJECT_NAME'],
            user_domain_id='default',
            project_domain_id='default',
        )
    )


def _scripts() -> pathlib.Path:
    return pathlib.Path(sysconfig.get_path('scripts'))


def _plain_environment() -> dict[str, str]:
    """Return the environment of the tests without an OpenStack cloud."""
    return {k: v for k, v in os.environ.items() if not k.startswith('OS_')}


class _NoNetworks(BaseHTTPRequestHandler):
    """A Neutron that has nothing: nova asks it about servers without ports."""

    def do_GET(self) -> None:
        name = urllib.parse.urlsplit(self.path).path.rsplit('/', 1)[-1]
        body = json.dumps({name.replace('-', '_'): []}).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def _no_networks() -> Iterator[int]:
    """Run it in a thread; give its port."""
    with ThreadingHTTPServer((HOST, 0), _NoNetworks) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={'poll_interval': 0.05}
        )
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Maker:
    """Starts the services, one after the other."""

    def __init__(
        self,
        directory: pathlib.Path,
        database: Database,
        broker: RabbitMQ,
        stack: contextlib.ExitStack,
    ) -> None:
        self.directory = directory
        self.database = database
        self.broker = broker
        self.stack = stack
        self.password = secrets.token_hex(16)
        self.ports = {
            name: free_port()
            for name in ('keystone', 'glance', 'placement', 'nova')
        }
        self.auth_url = f'{self.url("keystone")}/v3'
        self.authtoken = self._auth('keystone_authtoken')

    def url(self, name: str) -> str:
        return f'http://{HOST}:{self.ports[name]}'

    def _auth(self, group: str) -> str:
        return _AUTH.format(
            group=group, url=self.auth_url, password=self.password
        )

    def _write(
        self, service: str, template: str, name: str = '', **values: object
    ) -> str:
        place = self.directory / service
        place.mkdir(exist_ok=True)
        path = place / (name or f'{service}.conf')
        path.write_text(
            template.format(
                directory=place, authtoken=self.authtoken, **values
            )
        )
        return str(path)

    def _tool(self, name: str, *arguments: str, **env: str) -> None:
        run_once(
            [str(_scripts() / name), *arguments],
            directory=self.directory,
            env={**_plain_environment(), **env},
            what=name,
            timeout=300,
        )

    def _serve(self, name: str, application: str, **env: str) -> None:
        port = self.ports[name]
        command = [
            *(sys.executable, '-m', 'gunicorn', '--name', name),
            *('--bind', f'{HOST}:{port}', '--workers', '1'),
            *('--worker-class', 'gthread', '--threads', '8'),
            *('--timeout', '120', '--graceful-timeout', '2'),
            # Longer than clients wait between two questions.
            *('--keep-alive', '75'),
            *('--pythonpath', str(_ROOT), application),
        ]
        self._start(
            name,
            command,
            lambda: requests.get(f'{self.url(name)}/', timeout=10),
            env,
        )

    def _start(
        self,
        name: str,
        command: Sequence[str],
        ready: Any,
        env: Mapping[str, str] | None = None,
    ) -> Server:
        server = self.stack.enter_context(
            Server(
                name,
                command,
                directory=self.directory,
                env=env,
                keep_user=True,
                stop_signal=signal.SIGKILL,
            )
        )
        server.start(ready, timeout=120)
        return server

    def keystone(self) -> None:
        config = self._write(
            'keystone', _KEYSTONE, database=self.database.create('keystone')
        )
        for step in (
            ('db_sync',),
            ('fernet_setup', *_as_user()),
            ('credential_setup', *_as_user()),
            (
                'bootstrap',
                *('--bootstrap-password', self.password),
                *('--bootstrap-region-id', _REGION),
                *('--bootstrap-public-url', self.auth_url),
                # The other services' middleware asks for this one.
                *('--bootstrap-internal-url', self.auth_url),
            ),
        ):
            self._tool('keystone-manage', '--config-file', config, *step)
        self._serve(
            'keystone',
            'tests.servers.wsgi:keystone()',
            OS_KEYSTONE_CONFIG_DIR=str(pathlib.Path(config).parent),
        )

    def register(self, name: str, kind: str, path: str = '') -> None:
        """Add a service and its endpoint to Keystone's catalogue."""
        identity = Adapter(self.session(), service_type='identity')
        service = identity.post(
            '/services', json={'service': {'name': name, 'type': kind}}
        ).json()['service']
        identity.post(
            '/endpoints',
            json={
                'endpoint': {
                    'service_id': service['id'],
                    'interface': 'public',
                    'region_id': _REGION,
                    'url': f'{self.url(name)}{path}',
                }
            },
        )

    def env(self) -> dict[str, str]:
        return {
            'OS_AUTH_URL': self.auth_url,
            'OS_USERNAME': 'admin',
            'OS_PASSWORD': self.password,
            'OS_PROJECT_NAME': 'admin',
            'OS_USER_DOMAIN_ID': 'default',
            'OS_PROJECT_DOMAIN_ID': 'default',
            'OS_REGION_NAME': _REGION,
            'OS_IDENTITY_API_VERSION': '3',
        }

    def session(self) -> Session:
        return _session(self.env())

    def placement(self) -> None:
        self.register('placement', 'placement')
        config = self._write(
            'placement',
            _PLACEMENT,
            database=self.database.create('placement'),
        )
        self._tool('placement-manage', '--config-file', config, 'db', 'sync')
        self._serve(
            'placement',
            'placement.wsgi.api:application',
            OS_PLACEMENT_CONFIG_DIR=str(pathlib.Path(config).parent),
        )

    def glance(self) -> None:
        self.register('glance', 'image')
        config = self._write(
            'glance',
            _GLANCE,
            'glance-api.conf',
            database=self.database.create('glance'),
            paste=_installed('glance/glance-api-paste.ini'),
        )
        self._tool('glance-manage', '--config-file', config, 'db_sync')
        self._serve(
            'glance',
            'tests.servers.wsgi:glance()',
            OS_GLANCE_CONFIG_DIR=str(pathlib.Path(config).parent),
        )

    def nova(self, hosts: Sequence[str]) -> None:
        self.ports['neutron'] = self.stack.enter_context(_no_networks())
        self.register('neutron', 'network')
        self.register('nova', 'compute', '/v2.1')
        paste = _installed('nova/api-paste.ini')
        names = ('nova_api', 'nova_cell0', 'nova_cell1')
        urls = {name: self.database.create(name) for name in names}
        configs = {}
        for host in ('controller', *hosts):
            (self.directory / 'nova' / host).mkdir(parents=True)
            configs[host] = self._write(
                'nova',
                _NOVA,
                f'{host}.conf',
                host=host,
                broker=self.broker.url,
                paste=paste,
                databases=(
                    _NOVA_DATABASES.format(**urls)
                    if host == 'controller'
                    else ''
                ),
                filters=','.join((*_FILTERS, 'MemoryEncryptionFilter')),
                placement=self._auth('placement'),
                glance=self._auth('glance'),
                neutron=self._auth('neutron'),
            )
        controller = configs['controller']
        manage = ('nova-manage', '--config-file', controller)
        self._tool(*manage, 'api_db', 'sync')
        self._tool(
            *manage,
            *('cell_v2', 'map_cell0'),
            *('--database_connection', urls['nova_cell0']),
        )
        self._tool(*manage, 'cell_v2', 'create_cell', '--name', 'cell1')
        self._tool(*manage, 'db', 'sync')
        for program in ('nova-conductor', 'nova-scheduler'):
            self._nova_service(
                program, [str(_scripts() / program)], controller
            )
        for host in hosts:
            self._nova_service(
                host,
                [sys.executable, '-m', 'tests.servers.nova_compute'],
                configs[host],
            )
        self._serve(
            'nova',
            'tests.servers.wsgi:nova()',
            OS_NOVA_CONFIG_DIR=str(pathlib.Path(controller).parent),
            OS_NOVA_CONFIG_FILES=f'{paste};controller.conf',
        )
        wait_until(
            lambda: self._computes() >= set(hosts),
            timeout=60,
            what='compute hosts in Placement',
        )
        self._tool(*manage, 'cell_v2', 'discover_hosts')

    def _nova_service(
        self, name: str, program: Sequence[str], config: str
    ) -> None:
        log = self.directory / f'{name}.log'
        self._start(
            name,
            [*program, '--config-file', config],
            lambda: (
                'Join ServiceGroup membership'
                in log.read_text(errors='replace')
            ),
            {'PYTHONPATH': str(_ROOT)},
        )

    def _computes(self) -> set[str]:
        found = Adapter(self.session(), service_type='placement').get(
            '/resource_providers'
        )
        return {p['name'] for p in found.json()['resource_providers']}


def _as_user() -> tuple[str, ...]:
    """Return what keystone-manage needs to be told where root runs it."""
    if os.geteuid():
        return ()
    return ('--keystone-user', 'root', '--keystone-group', 'root')


def _installed(path: str) -> str:
    """Return a file that a package installs below ``etc``."""
    return str(pathlib.Path(sysconfig.get_path('data')) / 'etc' / path)


@contextlib.contextmanager
def small_cloud(
    database: Database,
    broker: RabbitMQ,
    hosts: Sequence[str] = ('epyc-1', 'epyc-2', 'epyc-3'),
) -> Iterator[SmallCloud]:
    """Start a cloud; end it with the block.

    :raises ServerMissing: where a Python package is not installed
    """
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise ServerMissing(
                f'{module} is not installed; pip install {package}'
            )
    with (
        server_directory('cloud') as directory,
        contextlib.ExitStack() as stack,
    ):
        maker = _Maker(directory, database, broker, stack)
        maker.keystone()
        maker.placement()
        maker.glance()
        maker.nova(hosts)
        yield SmallCloud(directory, maker.env(), hosts)


def main() -> None:
    """Run a cloud until Ctrl-C, for looking at it."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        mariadb() as database,
        rabbitmq() as broker,
        small_cloud(database, broker) as cloud,
    ):
        for host in cloud.hosts:
            cloud.publish(
                host,
                {'amd_sev': (os_traits.HW_CPU_X86_AMD_SEV, 4)},
                ['CUSTOM_HW_MACHINE_TYPE_Q35'],
            )
        for name, value in cloud.env.items():
            print(f'export {name}={value}')
        print(f'# Logs are in {cloud.directory}; Ctrl-C ends all of it.')
        sys.stdout.flush()
        signal.pause()


if __name__ == '__main__':
    main()
