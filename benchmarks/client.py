"""What the client's operations take beside Placement itself.

The share that is ours is measured in the same run as Placement's: all the
time that is not spent in keystoneauth's adapter, beside the time that is.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pyperf
from keystoneauth1.adapter import Adapter

from benchmarks.rows import Round, Row, once
from sev_scheduling import EncryptionRequest, parse, translate
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.hosts.host import machine_type_trait
from sev_scheduling.placement import (
    PlacementClient,
    embedded_placement,
    load_cloud,
)
from sev_scheduling.placement.embedded import parse_cloud
from sev_scheduling.prefilter import ANYWHERE, Scope
from tests.servers import databases
from tests.servers.placement import placement_server

#: Far more than any operation of the largest cloud takes.
TIMEOUT = 600.0

#: Guests whose calls are counted.
ONE_BY_ONE = 100

#: More memory than any host has.
TOO_MUCH = 10**7


#: What keeps a diagnosis from the time of an empty query.
LISTS = (
    'It counts hosts: Placement reads and lists their trees, once or twice; '
    'for an empty answer it reads none.'
)
#: What keeps our own part from a twentieth.
DECODES = (
    'Ours decodes the answers, makes a thread for each call, and works out of '
    'each host what it offers and lacks; no single step leads. The garbage '
    'collector runs in it, embedded over the objects of Placement, too.'
)


def request(ram: int = 4096, **extra_specs: str) -> EncryptionRequest:
    flavor = {
        'name': 'm1.sev',
        'vcpus': 2,
        'ram': ram,
        'disk': 20,
        'extra_specs': {'hw:mem_encryption': 'true', **extra_specs},
    }
    return parse(
        flavor, {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}
    )


def cloud(
    hosts: int, used: int = 5, machine_type: str = 'q35'
) -> dict[str, Any]:
    """Return a cloud file: of ten hosts six nested, two flat, two plain.

    :param used: slots in use, of the 15 of each pool
    :param machine_type: what hosts publish
    """
    pools = {'amd-sev': {'total': 15, 'used': used}}
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
                'machine_types': {'x86_64': machine_type},
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
                self._since = pyperf.perf_counter()
        try:
            return self._request(*args, **kwargs)
        finally:
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    self.seconds += pyperf.perf_counter() - self._since

    def share(self, run: Callable[[], object]) -> Round:
        """Return the seconds outside of the adapter, and those in it."""
        inside = self.seconds
        whole = once(run)
        return whole - (self.seconds - inside), self.seconds - inside

    def counted(
        self, run: Callable[[], object], bound: int, times: int = 1
    ) -> Round:
        """Return the calls that it takes, and how many it may take."""
        calls = self.calls
        for _ in range(times):
            run()
        return (self.calls - calls) / times, bound


def no_capacity(client: PlacementClient) -> None:
    with contextlib.suppress(NoCapacity):
        client.schedule(request(ram=TOO_MUCH))


def novas_query(
    adapter: Adapter, asked: EncryptionRequest, scope: Scope = ANYWHERE
) -> object:
    """Ask as nova does: slot, trait and all in the unsuffixed group."""
    query = translate(asked, scope=scope)
    (model,) = query.models
    amounts = {
        name: amount
        for group in query.groups
        for name, amount in group.resources.items()
    }
    parameters = {
        'limit': '1000',
        'root_required': ','.join(f'!{t}' for t in query.root_forbidden),
        'resources': ','.join(f'{n}:{a}' for n, a in amounts.items()),
        'required': model.trait,
    }
    return adapter.get(
        f'/allocation_candidates?{urlencode(parameters, safe=":,!")}',
        microversion='1.36',
    ).content


@dataclass(frozen=True, slots=True)
class Situation:
    """Why there is no candidate.

    :ivar cloud: hosts -> a cloud file
    """

    cloud: Callable[[int], dict[str, Any]]
    request: EncryptionRequest
    scope: Scope = ANYWHERE

    def diagnose(self, client: PlacementClient) -> object:
        return client.diagnose(self.request, scope=self.scope)


SITUATIONS = {
    'memory is short': Situation(cloud, request(ram=TOO_MUCH)),
    'no host has the model': Situation(
        cloud, request(**{'hw:mem_encryption_model': 'amd-sev-es'})
    ),
    'all slots are used': Situation(
        functools.partial(cloud, used=15), request()
    ),
    'hosts default to pc': Situation(
        functools.partial(cloud, machine_type='pc'),
        request(),
        Scope(root_forbidden=[machine_type_trait('pc')]),
    ),
}


@contextlib.contextmanager
def placement(place: str, hosts: int) -> Iterator[Adapter]:
    """Run a Placement that holds a cloud; give an adapter onto it.

    :param place: ``embedded``, or the database of a Placement over HTTP
    """
    with contextlib.ExitStack() as stack:
        if place == 'embedded':
            adapter = stack.enter_context(embedded_placement())
            load_cloud(adapter, parse_cloud(cloud(hosts), 'Benchmark'))
            yield adapter
            return
        url = None
        if place != 'sqlite':
            database = stack.enter_context(getattr(databases, place)())
            url = database.create('placement')
        server = stack.enter_context(placement_server(url, workers=2))
        server.load(cloud(hosts)['hosts'])
        yield server.adapter()


def rows(quick: bool) -> Iterator[Row]:
    if quick:
        with placement('embedded', 10) as adapter:
            yield from _rows(adapter, 'embedded', 10, counted=True)
            yield from _diagnoses(adapter, 'memory is short', 10)
        return
    for hosts in (100, 1000):
        with placement('embedded', hosts) as adapter:
            yield from _rows(adapter, 'embedded', hosts)
    with databases.mariadb() as database:
        url = database.create('placement')
        with placement_server(url, workers=2) as server:
            for hosts in (100, 1000, 5000):
                server.load(cloud(hosts)['hosts'])
                yield from _rows(
                    server.adapter(), 'mariadb', hosts, counted=True
                )
                for name, situation in SITUATIONS.items():
                    server.load(situation.cloud(hosts)['hosts'])
                    yield from _diagnoses(server.adapter(), name, hosts)


def _diagnoses(adapter: Adapter, name: str, hosts: int) -> Iterator[Row]:
    """Yield one why there is no candidate, beside nova's own questions."""
    client = PlacementClient(adapter, timeout=TIMEOUT)
    client.supports('1.39')  # The version document is not part of any.
    situation = SITUATIONS[name]

    def asks(about: EncryptionRequest, scope: Scope = ANYWHERE) -> float:
        return once(lambda: novas_query(adapter, about, scope))

    def diagnoses() -> float:
        return once(lambda: situation.diagnose(client))

    what = f'diagnosis: {name}, {hosts} hosts'
    rounds = 5 if hosts <= 100 else 3
    asks(situation.request, situation.scope)  # A connection is made.
    yield Row(
        name=what,
        beside="nova's own empty query",
        measure=lambda: (
            diagnoses(),
            asks(situation.request, situation.scope),
        ),
        goal=1.5,
        rounds=rounds,
        limit=LISTS,
    )
    if name == 'memory is short':
        yield Row(
            name=f'{what}, beside an answer with hosts',
            beside="nova's own query with candidates",
            measure=lambda: (diagnoses(), asks(request())),
            rounds=rounds,
        )


def _rows(
    adapter: Adapter, place: str, hosts: int, counted: bool = False
) -> Iterator[Row]:
    """Yield our share of each operation, and how many calls some make.

    :param counted: False to leave out the calls, which do not depend on where
        Placement is
    """
    watch = Stopwatch(adapter)
    client = PlacementClient(adapter, timeout=TIMEOUT)
    client.supports('1.39')  # The version document is not part of any.
    where, rounds = f'{place}, {hosts} hosts', 5 if hosts <= 100 else 3
    shares: dict[str, Callable[[], object]] = {
        'candidates': lambda: client.candidates(translate(request())),
        'diagnosis': lambda: client.diagnose(request(ram=TOO_MUCH)),
        'no capacity': lambda: no_capacity(client),
        'hosts()': lambda: client.hosts(),
    }
    if hosts <= 1000:
        shares |= {
            'schedule() of one guest': lambda: client.schedule(request()),
            'schedule() of 20 guests': lambda: client.schedule(request(), 20),
        }
    for name, run in shares.items():
        yield Row(
            name=f'own share of {name}, {where}',
            beside='Placement in the same calls',
            measure=lambda run=run: watch.share(run),  # type: ignore[misc]
            goal=0.05,
            rounds=rounds,
            limit=DECODES,
        )
    operations = _counted(client, shares, hosts) if counted else ()
    for name, run, bound, many in operations:
        yield Row(
            name=f'{name}, {where}: calls',
            beside='the bound',
            measure=lambda run=run, bound=bound, many=many: (  # type: ignore[misc]
                watch.counted(run, bound, many)
            ),
            goal=1.0,
            unit='integer',
            rounds=1,
        )


def _counted(
    client: PlacementClient,
    shares: Mapping[str, Callable[[], object]],
    hosts: int,
) -> Iterator[tuple[str, Callable[[], object], int, int]]:
    """Yield an operation, how many calls it may take, and how often."""
    yield 'hosts()', shares['hosts()'], 6, 1
    yield 'capacity()', lambda: client.capacity(request()), 6, 1
    yield 'diagnosis', shares['diagnosis'], 12, 1
    guests = ONE_BY_ONE if hosts >= 100 else 5
    alone, owner = f'of {guests} guests claimed one by one', 'benchmark'

    def schedule() -> object:
        return client.schedule(request(), owner=owner)

    if hosts <= 1000:
        yield alone, schedule, 4, guests
    if hosts <= 100:
        # The pools in use, and the guests that may be of this owner.
        ours = sum(claim.age is not None for claim in client.claims())
        pools = sum(
            bool(pool.used)
            for host in client.hosts()
            for pool in host.pools.values()
        )
        yield (
            'claims() of one owner',
            lambda: client.claims(owner=owner),
            6 + pools + ours,
            1,
        )
