"""nova-scheduler as a process, on real databases, RabbitMQ and Placement.

There is no nova-compute and no keystone: :meth:`Nova.add_hosts` writes the
rows that computes would, and :class:`Conductor` asks the scheduler over RPC
as a conductor does.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sev_scheduling.placement.embedded.cloud import CloudHost
from tests.servers.databases import Database
from tests.servers.placement import ADMIN_TOKEN, PlacementServer
from tests.servers.process import (
    Server,
    ServerFailed,
    ServerMissing,
    give_away,
    run_once,
    server_directory,
)
from tests.servers.rabbitmq import RabbitMQ

_ROOT = pathlib.Path(__file__).parents[2]
_AGENT = 'tests.servers.nova_agent'

#: Seconds without a sign of life from the scheduler after which a call to
#: it fails.
RPC_TIMEOUT = 10

# What a worker says last before it takes calls.
_TAKES_CALLS = 'Join ServiceGroup membership for this service scheduler'

_PROGRAM = (
    '-c',
    'import sys; from nova.cmd.scheduler import main; sys.exit(main())',
)

_CONFIG = """\
[DEFAULT]
debug = false
# nova.service says when it takes calls at this level alone.
default_log_levels = amqp=WARNING,oslo.messaging=INFO,nova.service=DEBUG
host = controller
transport_url = {rabbit}
state_path = {directory}
rpc_response_timeout = {rpc_timeout}
long_rpc_timeout = 120
service_down_time = 100000000
report_interval = 5
use_stderr = true
[api_database]
connection = {api}
[database]
connection = {cell0}
[oslo_concurrency]
lock_path = {directory}
[oslo_messaging_notifications]
driver = noop
[placement]
auth_type = admin_token
endpoint = {placement}
token = {token}
[scheduler]
workers = {workers}
discover_hosts_in_cells_interval = -1
"""


class Nova:
    """The databases and configuration of a nova with one cell.

    :ivar config: its ``nova.conf``
    """

    def __init__(
        self,
        directory: pathlib.Path,
        database: Database,
        broker: RabbitMQ,
        placement_url: str,
        *,
        workers: int = 1,
    ) -> None:
        self.directory = directory
        self.config = directory / 'nova.conf'
        self._databases = {
            name: database.create(f'nova_{name}')
            for name in ('api', 'cell0', 'cell1')
        }
        self._settings = _CONFIG.format(
            directory=directory,
            rabbit=broker.url,
            rpc_timeout=RPC_TIMEOUT,
            placement=placement_url,
            token=ADMIN_TOKEN,
            workers=workers,
            api=self._databases['api'],
            cell0=self._databases['cell0'],
        )
        self.configure({})

    def configure(
        self, settings: Mapping[str, Mapping[str, str | Iterable[str]]]
    ) -> None:
        """Write nova.conf with further settings.

        :param settings: group -> option -> value, or values where the option
            may be given again and again; read when a scheduler starts
        """
        lines = [self._settings]
        for group, options in settings.items():
            lines.append(f'[{group}]')
            for name, given in options.items():
                values = [given] if isinstance(given, str) else given
                lines += [f'{name} = {value}' for value in values]
        self.config.write_text('\n'.join(lines) + '\n')

    def create(self) -> None:
        """Make the tables and the cells."""
        self._agent('create', self._databases['cell1'])

    def add_hosts(self, hosts: Iterable[CloudHost]) -> None:
        """Write the rows of compute hosts, as their Placement has them."""
        rows = [
            {
                name: getattr(host, name)
                for name in (
                    'name',
                    'uuid',
                    'vcpus',
                    'memory_mb',
                    'disk_gb',
                    'ram_allocation_ratio',
                )
            }
            for host in hosts
        ]
        # They may be too many for a command line.
        self._agent('add-hosts', '-', given=json.dumps(rows))

    def _agent(self, *arguments: str, given: str = '') -> None:
        run_once(
            [*_agent_command(self.config), *arguments],
            directory=_ROOT,
            given=given,
            what=f'nova {arguments[0]}',
            timeout=300,
        )

    @contextlib.contextmanager
    def scheduler(
        self,
        name: str = 'nova-scheduler',
        program: Sequence[str] = _PROGRAM,
    ) -> Iterator[Scheduler]:
        """Start a nova-scheduler; end it with the block.

        :param program: what Python is to run, up to nova's own arguments
        """
        with Scheduler(self, name, program) as scheduler:
            scheduler.start()
            yield scheduler


class Scheduler(Server):
    """A nova-scheduler process."""

    def __init__(
        self, nova: Nova, name: str, program: Sequence[str] = _PROGRAM
    ) -> None:
        super().__init__(
            name,
            [sys.executable, *program, '--config-file', str(nova.config)],
            directory=nova.directory,
            keep_user=True,
            # It would wait for three minutes for its threads to end.
            stop_signal=signal.SIGKILL,
        )

    def start(self) -> None:  # type: ignore[override]
        """Start it and wait until it takes calls."""
        self._since = self.log.stat().st_size if self.log.exists() else 0
        super().start(lambda: _TAKES_CALLS in self.text())

    def text(self) -> str:
        """Return its log since it was started last."""
        with self.log.open(errors='replace') as log:
            log.seek(self._since)
            return log.read()


class Conductor:
    """A process that calls the scheduler, many calls at a time."""

    def __init__(self, nova: Nova, threads: int = 16) -> None:
        log = nova.directory / 'conductor.log'
        with log.open('ab') as stream:
            self._process = subprocess.Popen(
                [
                    *('setpriv', '--pdeathsig', 'KILL', '--'),
                    *_agent_command(nova.config),
                    *('conduct', str(threads)),
                ],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                bufsize=1,
            )

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask for destinations; do not wait.

        :param request: ``instances`` (uuids), ``flavor`` (``vcpus``,
            ``memory_mb``, ``root_gb``, ``extra_specs``), ``image``
            (properties)
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + '\n')
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Return the next answer, in the order in which they come.

        ``instances`` as asked, ``seconds`` that the call took, and ``hosts``
        with a name for each, or ``error`` (the exception's type) and
        ``message`` (of the server's fault).
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ServerFailed('The conductor ended; see conductor.log.')
        answer: dict[str, Any] = json.loads(line)
        return answer

    def select(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for destinations and wait for the answer."""
        (answer,) = self.select_all([request])
        return answer

    def select_all(
        self, requests: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Ask for many at a time and wait for all answers."""
        for request in requests:
            self.send(request)
        return [self.receive() for _ in requests]

    def __enter__(self) -> Conductor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.communicate()


def _agent_command(config: pathlib.Path) -> list[str]:
    return [sys.executable, '-m', _AGENT, str(config)]


@contextlib.contextmanager
def nova(
    database: Database,
    broker: RabbitMQ,
    placement: PlacementServer | str,
    **options: Any,
) -> Iterator[Nova]:
    """Make nova's databases; schedulers are started one by one.

    :param placement: the server, or the URL of something in front of it
    :param options: of :class:`Nova`
    """
    if importlib.util.find_spec('nova') is None:
        raise ServerMissing('nova is not installed; pip install nova')
    url = placement if isinstance(placement, str) else placement.url
    with server_directory('nova') as directory:
        made = Nova(directory, database, broker, url, **options)
        give_away(made.config)
        made.create()
        yield made
