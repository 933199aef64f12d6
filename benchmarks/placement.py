"""How long the client's operations take, and how much of that is its own.

Run it from the top of the repository::

    python -m benchmarks.placement --hosts 100 1000 --on embedded mariadb

The share that is ours is measured in the same run as Placement's: all the
time that is not spent in keystoneauth's adapter, beside the time that is.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from keystoneauth1.adapter import Adapter

from sev_scheduling import EncryptionRequest, parse, translate
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.placement import (
    PlacementClient,
    embedded_placement,
    load_cloud,
)
from sev_scheduling.placement.embedded import parse_cloud
from tests.servers import databases
from tests.servers.placement import placement_server
from tests.servers.process import ServerMissing

IMAGE = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}

#: Far more than any operation of the largest cloud takes.
TIMEOUT = 600.0


def request(ram: int = 4096) -> EncryptionRequest:
    flavor = {
        'name': 'm1.sev',
        'vcpus': 2,
        'ram': ram,
        'disk': 20,
        'extra_specs': {'hw:mem_encryption': 'true'},
    }
    return parse(flavor, IMAGE)


def cloud(hosts: int) -> dict[str, Any]:
    """Return a cloud file: of ten hosts six nested, two flat, two plain.

    Of each pool of 15 slots five are in use.
    """
    pools = {'amd-sev': {'total': 15, 'used': 5}}
    kinds = {
        'nested': (6, {'pools': pools}),
        'flat': (2, {'pools': pools, 'layout': 'flat'}),
        'plain': (2, {}),
    }
    return {
        'hosts': [
            {
                'name': name,
                'count': max(1, hosts * tenths // 10),
                'vcpus': 128,
                'memory_mb': 512 * 1024,
                'disk_gb': 4000,
                'machine_types': {'x86_64': 'q35'},
                **more,
            }
            for name, (tenths, more) in kinds.items()
        ]
    }


class Stopwatch:
    """Counts the calls of an adapter, and the time spent in them.

    Where several are under way, their time counts once.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._request = adapter.request
        self._lock = threading.Lock()
        self._under_way = 0
        self._since = 0.0
        self.calls = 0
        self.seconds = 0.0
        adapter.request = self.request

    def request(self, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self.calls += 1
            self._under_way += 1
            if self._under_way == 1:
                self._since = time.perf_counter()
        try:
            return self._request(*args, **kwargs)
        finally:
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    self.seconds += time.perf_counter() - self._since


@dataclass(frozen=True, slots=True)
class Result:
    """What one operation took.

    :ivar seconds: the whole of it, the median of the repetitions
    :ivar calls: to Placement
    :ivar ours: our time beside Placement's, as a fraction of it
    """

    place: str
    hosts: int
    operation: str
    seconds: float
    calls: int
    ours: float


def one_by_one(client: PlacementClient, count: int) -> None:
    for _ in range(count):
        client.schedule(request())


def no_capacity(client: PlacementClient) -> None:
    with contextlib.suppress(NoCapacity):
        client.schedule(request(ram=10**7))


def operations(
    claims: int, single: int
) -> dict[str, Callable[[PlacementClient], object]]:
    return {
        'candidates': lambda c: c.candidates(translate(request())),
        'diagnosis: memory': lambda c: c.diagnose(request(ram=10**7)),
        'no capacity: memory': no_capacity,
        'hosts': lambda c: c.hosts(),
        'hosts with details': lambda c: c.hosts(details=True),
        f'{claims} claims at once': lambda c: c.schedule(request(), claims),
        f'{single} claims one by one': lambda c: one_by_one(c, single),
        'claims of all guests': lambda c: c.claims(),
    }


def measure(
    adapter: Adapter,
    place: str,
    hosts: int,
    *,
    claims: int,
    single: int,
    repeat: int,
) -> Iterator[Result]:
    """Yield a result for each operation."""
    watch = Stopwatch(adapter)
    client = PlacementClient(adapter, timeout=TIMEOUT)
    client.supports('1.39')  # The version document is not part of any.
    for operation, run in operations(claims, single).items():
        whole: list[float] = []
        own: list[float] = []
        for _ in range(repeat):
            calls, inside = watch.calls, watch.seconds
            started = time.perf_counter()
            run(client)
            whole.append(time.perf_counter() - started)
            own.append(watch.seconds - inside)
        yield Result(
            place,
            hosts,
            operation,
            statistics.median(whole),
            watch.calls - calls,
            (math.fsum(whole) - math.fsum(own)) / math.fsum(own),
        )


@contextlib.contextmanager
def placement(place: str, hosts: int) -> Iterator[Adapter]:
    """Run a Placement that holds a cloud; give an adapter onto it.

    :param place: ``embedded``, or the database of a Placement over HTTP
    """
    parsed = parse_cloud(cloud(hosts), 'Cloud of the benchmark')
    with contextlib.ExitStack() as stack:
        if place == 'embedded':
            adapter = stack.enter_context(embedded_placement())
            load_cloud(adapter, parsed)
            yield adapter
            return
        url = None
        if place != 'sqlite':
            database = stack.enter_context(getattr(databases, place)())
            url = database.create('placement')
        server = stack.enter_context(placement_server(url, workers=2))
        server.load(cloud(hosts)['hosts'])
        yield server.adapter()


PLACES = ('embedded', 'sqlite', 'postgresql', 'mariadb')
_COLUMNS = ('Placement', 'Hosts', 'Operation', 'Seconds', 'Calls', 'Ours')
_WIDTHS = (10, 6, 24, 8, 6, 7)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not 1 or more')
    return int(text)


def row(cells: Iterable[object]) -> str:
    """Return a line of a simple table, as the documentation has it."""
    parts = zip(cells, _WIDTHS, strict=True)
    return '  '.join(f'{cell:<{width}}' for cell, width in parts).rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.placement', description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        '--hosts', type=positive, nargs='+', default=[100, 1000, 5000]
    )
    parser.add_argument(
        '--on',
        nargs='+',
        choices=PLACES,
        default=['embedded', 'mariadb'],
        help='in this process, or over HTTP on one of these databases',
    )
    parser.add_argument(
        '--claims', type=positive, default=100, help='guests in one group'
    )
    parser.add_argument(
        '--single', type=positive, default=10, help='guests claimed one by one'
    )
    parser.add_argument('--repeat', type=positive, default=3)
    args = parser.parse_args(arguments)
    rule = row('=' * width for width in _WIDTHS)
    print(rule, row(_COLUMNS), rule, sep='\n')
    for place in args.on:
        for hosts in args.hosts:
            try:
                with placement(place, hosts) as adapter:
                    for result in measure(
                        adapter,
                        place,
                        hosts,
                        claims=args.claims,
                        single=args.single,
                        repeat=args.repeat,
                    ):
                        print(
                            row(
                                (
                                    result.place,
                                    result.hosts,
                                    result.operation,
                                    f'{result.seconds:.3f}',
                                    result.calls,
                                    f'{result.ours:.1%}',
                                )
                            ),
                            flush=True,
                        )
            except ServerMissing as missing:
                parser.exit(2, f'{missing}\n')
    print(rule)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
