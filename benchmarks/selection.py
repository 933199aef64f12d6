"""The plug-in's part of whole selections, in a process of nova's."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.nova_objects import cloud_of, entry
from benchmarks.rows import Row
from tests.servers import databases, rabbitmq
from tests.servers.nova import nova as nova_databases
from tests.servers.nova_cloud import filter_settings
from tests.servers.placement import placement_server


def rows(quick: bool) -> Iterator[Row]:
    """Set up the servers; a process of a nova does the rest."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(databases.mariadb())
        broker = stack.enter_context(rabbitmq.rabbitmq())
        for hosts, rounds in ((2, 2),) if quick else ((100, 40), (1000, 10)):
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
                done = subprocess.run(
                    [
                        *(
                            sys.executable,
                            '-m',
                            'benchmarks.selection_process',
                        ),
                        *(str(made.config), str(rounds)),
                    ],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            for line in done.stdout.splitlines():
                found = json.loads(line)
                taken = iter(found['rounds'])
                yield Row(
                    name=f'{found["guest"]}, {hosts} hosts',
                    beside='the rest of select_destinations',
                    measure=lambda taken=taken: next(taken),  # type: ignore[misc]
                    goal=0.02,
                    rounds=len(found['rounds']),
                )
