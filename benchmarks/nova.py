"""What the plug-in costs in nova, beside what nova's own parts cost.

Run it from the top of the repository::

    python -m benchmarks.nova filter --hosts 100 1000 10000
    python -m benchmarks.nova request-filter
    python -m benchmarks.nova select --hosts 100 1000

Figures are the best of several rounds, ours and nova's taking turns, so that
what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

# Before anything of nova, as its own programs have it.
from nova import monkey_patch

monkey_patch.patch(backend='threading')

import nova.conf  # noqa: E402
from nova import context, objects  # noqa: E402
from nova.scheduler import filters, host_manager, request_filter  # noqa: E402
from nova.virt import hardware  # noqa: E402

from sev_scheduling import opts  # noqa: E402
from sev_scheduling.nova import MemoryEncryptionFilter  # noqa: E402
from sev_scheduling.nova.lookups import Lookups  # noqa: E402
from sev_scheduling.nova.options import Options  # noqa: E402
from sev_scheduling.nova.request_spec import (  # noqa: E402
    _ATTRIBUTE,
    _validate,
)
from sev_scheduling.placement import (  # noqa: E402
    PlacementClient,
    embedded_placement,
    load_cloud,
)
from sev_scheduling.placement.embedded import Cloud, parse_cloud  # noqa: E402
from tests.servers import databases, rabbitmq  # noqa: E402
from tests.servers.nova import nova as nova_databases  # noqa: E402
from tests.servers.nova_agent import request_spec  # noqa: E402
from tests.servers.nova_cloud import filter_settings, guests  # noqa: E402
from tests.servers.placement import placement_server  # noqa: E402
from tests.servers.process import ServerMissing  # noqa: E402

CONF = nova.conf.CONF
MODEL = 'amd-sev'


class DoesNothing(filters.BaseHostFilter):  # type: ignore[misc]
    """The cheapest filter that nova's base class makes possible."""

    def host_passes(self, host_state: Any, filter_properties: Any) -> bool:
        return True


class Fixed:
    """A connection with one client for all requests."""

    def __init__(self, client: PlacementClient) -> None:
        self._client = client

    def client(self, deadline: object) -> PlacementClient:
        return self._client


def entry(hosts: int) -> dict[str, Any]:
    """Return hosts with nested pools, far from full."""
    return {
        'name': 'epyc',
        'count': hosts,
        'vcpus': 128,
        'memory_mb': 512 * 1024,
        'disk_gb': 4000,
        'machine_types': {'x86_64': 'q35'},
        'traits': ['OWNER_NOVA'],
        'pools': {MODEL: {'total': 500}},
    }


def cloud_of(hosts: int) -> Cloud:
    return parse_cloud({'hosts': [entry(hosts)]}, 'Cloud of the benchmark')


def spec(model: str | None = MODEL) -> objects.RequestSpec:
    """Return nova objects as new as those that come over RPC."""
    asked = guests(1, model)
    return request_spec(context.get_admin_context(), asked)


def aggregates_of(hosts: int) -> list[objects.Aggregate]:
    """Return an aggregate for forty hosts each, as of a rack or a zone."""
    return [
        objects.Aggregate(
            name=f'rack-{number}',
            uuid=str(uuid.uuid4()),
            metadata={'availability_zone': f'zone-{number % 3}'},
        )
        for number in range(-(-hosts // 40))
    ]


def state_of(
    host: Any, aggregate: objects.Aggregate
) -> host_manager.HostState:
    """Return a host as nova holds it, with the candidate of a guest."""
    state = host_manager.HostState(host.name, host.name, str(uuid.uuid4()))
    state.uuid = host.uuid
    state.ram_allocation_ratio = host.ram_allocation_ratio
    # Nova reads a text of its own for each host.
    state.hypervisor_type = b'QEMU'.decode()
    state.aggregates = [aggregate]
    pool = host.provider_uuid('amd_sev')
    amounts = {'VCPU': 1, 'MEMORY_MB': 1024, 'DISK_GB': 1}
    state.allocation_candidates = [
        {
            'allocations': {
                host.uuid: {'resources': amounts},
                pool: {'resources': {'MEM_ENCRYPTION_CONTEXT': 1}},
            },
            'mappings': {'': [host.uuid, pool]},
        }
    ]
    return state


def best(
    calls: Sequence[Callable[[], object]],
    rounds: int,
    number: int = 1,
    before: Callable[[], object] = lambda: None,
) -> list[float]:
    """Return the least seconds of each call, all taking turns.

    :param before: what is done before each turn, and not measured
    """
    least = [float('inf')] * len(calls)
    for _ in range(rounds):
        for position, call in enumerate(calls):
            before()
            started = time.perf_counter()
            for _ in range(number):
                call()
            took = (time.perf_counter() - started) / number
            least[position] = min(least[position], took)
    return least


def say(*cells: object) -> None:
    print('  '.join(f'{cell!s:>14}' for cell in cells), flush=True)


def measure_filter(hosts: int, rounds: int) -> tuple[float, float, float]:
    """Return the seconds of a nova filter that does nothing, of ours for an
    encrypted guest, and for one that is not.
    """
    cloud = cloud_of(hosts)
    racks = aggregates_of(hosts)
    states = [
        state_of(host, racks[number % len(racks)])
        for number, host in enumerate(cloud.hosts)
    ]
    nothing, ours = DoesNothing(), MemoryEncryptionFilter()
    encrypted, plain = spec(), spec(None)
    with embedded_placement() as adapter:
        load_cloud(adapter, cloud)
        ours._lookups = Lookups(
            Options(cache_seconds=3600.0, placement_timeout=600.0),
            Fixed(PlacementClient(adapter)),
        )
        # From here on the look-ups are cached, as for every request of
        # a minute but the first.
        passed = list(ours.filter_all(states, encrypted))
        assert passed == states
        seconds = best(
            [
                lambda: list(nothing.filter_all(states, encrypted)),
                lambda: list(ours.filter_all(states, encrypted)),
                # Not made a list: nova makes one after the last filter.
                lambda: ours.filter_all(states, plain),
            ],
            rounds,
        )
    return seconds[0], seconds[1], seconds[2]


def run_filter(args: argparse.Namespace) -> None:
    say('hosts', 'nothing (us)', 'encrypted (us)', 'ratio', 'plain (us)')
    for hosts in args.hosts:
        nothing, encrypted, plain = measure_filter(hosts, args.rounds)
        say(
            hosts,
            f'{nothing * 1e6:.1f}',
            f'{encrypted * 1e6:.1f}',
            f'{encrypted / nothing:.2f}',
            f'{plain * 1e6:.2f}',
        )


def measure_request_filter(
    rounds: int, number: int
) -> tuple[float, float, float, float]:
    """Return the seconds of nova's own check, and of our request filter:
    for a flavor and image seen before, for new ones, and for a guest that
    is not encrypted.
    """
    opts.register_opts(CONF)
    CONF.set_override('explain_no_candidates', False, 'sev_scheduling')
    MemoryEncryptionFilter()
    ours = request_filter.ALL_REQUEST_FILTERS[-1]
    assert hasattr(ours, 'of_sev_scheduling')
    specs = {
        model: [spec(model) for _ in range(number)] for model in (MODEL, None)
    }
    encrypted = itertools.cycle(specs[MODEL])
    plain = itertools.cycle(specs[None])
    admin = context.get_admin_context()

    def theirs() -> None:
        asked = next(encrypted)
        hardware.get_mem_encryption_constraint(asked.flavor, asked.image)

    def forget() -> None:
        # No request comes twice as the same object.
        for asked in specs[MODEL] + specs[None]:
            vars(asked).pop(_ATTRIBUTE, None)

    def never_seen() -> None:
        _validate.cache_clear()
        ours(admin, next(encrypted))

    seconds = best(
        [
            theirs,
            lambda: ours(admin, next(encrypted)),
            never_seen,
            lambda: ours(admin, next(plain)),
        ],
        rounds,
        number,
        forget,
    )
    return seconds[0], seconds[1], seconds[2], seconds[3]


def run_request_filter(args: argparse.Namespace) -> None:
    theirs, seen, new, plain = measure_request_filter(args.rounds, args.number)
    say('', 'us', 'ratio')
    for name, seconds in (
        ('nova', theirs),
        ('seen before', seen),
        ('new', new),
        ('plain', plain),
    ):
        say(name, f'{seconds * 1e6:.1f}', f'{seconds / theirs:.2f}')


def run_select(args: argparse.Namespace) -> None:
    """Set up the servers; the process of a nova does the rest."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(databases.mariadb())
        broker = stack.enter_context(rabbitmq.rabbitmq())
        for hosts in args.hosts:
            cloud = cloud_of(hosts)
            with (
                placement_server(database.create('placement')) as placement,
                nova_databases(database, broker, placement) as made,
            ):
                placement.load([entry(hosts)])
                made.add_hosts(
                    {
                        'name': host.name,
                        'uuid': host.uuid,
                        'vcpus': host.vcpus,
                        'memory_mb': host.memory_mb,
                        'disk_gb': host.disk_gb,
                        'ram_allocation_ratio': host.ram_allocation_ratio,
                    }
                    for host in cloud.hosts
                )
                made.configure(
                    {
                        'filter_scheduler': filter_settings(plugin=True),
                        'sev_scheduling': {'explain_no_candidates': 'false'},
                    }
                )
                subprocess.run(
                    [
                        *(sys.executable, '-m', 'benchmarks.nova_process'),
                        *(str(made.config), str(hosts), str(args.rounds)),
                    ],
                    check=True,
                )


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not 1 or more')
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for name, run, rounds in (
        ('filter', run_filter, 20),
        ('request-filter', run_request_filter, 20),
        ('select', run_select, 30),
    ):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument('--rounds', type=_positive, default=rounds)
        if name == 'request-filter':
            command.add_argument('--number', type=_positive, default=500)
        else:
            command.add_argument(
                '--hosts', type=_positive, nargs='+', default=[100, 1000]
            )
    args = parser.parse_args(arguments)
    objects.register_all()
    try:
        args.run(args)
    except ServerMissing as missing:
        print(missing, file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
