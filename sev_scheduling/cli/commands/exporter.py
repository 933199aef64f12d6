"""The command ``exporter``."""

from __future__ import annotations

import argparse
import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from sev_scheduling.cli.commands.capacity import pools_of
from sev_scheduling.cli.metrics import Snapshot
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import positive, whole
from sev_scheduling.cli.options.scope import add_scope_options, read_scope
from sev_scheduling.cli.output import Plain
from sev_scheduling.exceptions import InputError, PlacementError, needed
from sev_scheduling.text import one_line, quoted

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient
    from sev_scheduling.prefilter import Scope

#: Prometheus asks once a minute by default.
INTERVAL = 60
PORT = 9846


class _Stop(BaseException):
    """A signal has ended the command."""


class Exporter(Plain):
    """Serve the slots of each host and model to Prometheus

    Placement is asked once every interval, however often Prometheus asks.
    Where it does not answer, sev_scheduling_placement_up is 0 and there are
    no numbers of slots: old ones are never shown as if they were fresh. Ends
    on SIGTERM and SIGINT. Alert rules and a Grafana dashboard are in etc/.

    Example::

        $ sev-scheduling exporter --os-cloud mycloud --interval 30
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            '--address',
            metavar='IP',
            default='127.0.0.1',
            help='where to listen (default: 127.0.0.1, so that only this '
            'machine can ask); whoever can ask sees the names of hosts',
        )
        parser.add_argument(
            '--port',
            metavar='PORT',
            type=whole(1, 65535),
            default=PORT,
            help=f'(default: {PORT})',
        )
        parser.add_argument(
            '--interval',
            metavar='SECONDS',
            type=positive,
            default=INTERVAL,
            help='how often Placement is asked; numbers are shown for twice '
            f'as long (default: {INTERVAL})',
        )
        add_host_options(parser)
        add_scope_options(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        snapshot = Snapshot(max_age=2.0 * parsed_args.interval)
        with (
            contextlib.suppress(_Stop),
            _signals(),
            open_client(parsed_args) as client,
            _served(snapshot, parsed_args.address, parsed_args.port) as url,
        ):
            scope = read_scope(parsed_args, client)
            begin = time.monotonic()
            self._ask(client, scope, snapshot)
            self._print(f'Serving on {url}.')
            while True:
                left = begin + parsed_args.interval - time.monotonic()
                time.sleep(max(0.0, left))
                begin = time.monotonic()
                self._ask(client, scope, snapshot)

    _up = True

    def _ask(
        self, client: PlacementClient, scope: Scope, snapshot: Snapshot
    ) -> None:
        try:
            hosts = client.hosts(details=True, scope=scope)
        except PlacementError as error:
            snapshot.failed()
            if self._up:
                self._print(one_line(error))
            self._up = False
            return
        snapshot.answered(pools_of(hosts))
        if not self._up:
            self._print('Placement answers again.')
        self._up = True

    def _print(self, line: str) -> None:
        print(line, file=self.app.stderr, flush=True)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Raise _Stop on SIGTERM and SIGINT, in the midst of a question too."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stop

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _served(snapshot: Snapshot, address: str, port: int) -> Iterator[str]:
    """Serve the metrics from a thread of prometheus_client's.

    :raises InputError: where prometheus-client is not installed, or the
        address cannot be listened on
    """
    with needed('metrics', 'The exporter'):
        from prometheus_client import CollectorRegistry, start_http_server
    registry = CollectorRegistry()
    registry.register(snapshot)
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        raise InputError(
            f'--address {quoted(address)} --port {port} cannot be listened '
            f'on: {error.strerror}; give a free port, and an address of this '
            'machine.'
        ) from None
    try:
        host = f'[{address}]' if ':' in address else address
        yield f'http://{host}:{port}/metrics'
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
