"""What a nova deployment's other services do, for tests of the scheduler.

Run as ``python -m tests.servers.nova_agent CONFIG COMMAND ...``, since
nova's configuration is global to a process:

* ``create URL``: make the tables and the cells, cell1 in the database URL
* ``add-hosts -``: write rows for the compute hosts of a JSON list on
  standard input
* ``conduct THREADS``: read requests, one JSON document a line, ask the
  scheduler over RPC, write answers, one JSON document a line
"""

# nova.objects has its classes only after register_all().
from __future__ import annotations

# Before anything of nova, as its own programs have it.
from nova import monkey_patch

monkey_patch.patch(backend='threading')

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from threading import Lock  # noqa: E402
from typing import Any  # noqa: E402

import nova.conf  # noqa: E402
from nova import config, context, objects, rpc  # noqa: E402
from nova.compute.utils import exception_to_dict  # noqa: E402
from nova.db import migration  # noqa: E402
from nova.objects import fields  # noqa: E402
from nova.scheduler.client.query import SchedulerQueryClient  # noqa: E402

CONF = nova.conf.CONF


def create(cell1: str) -> None:
    """Make the tables of the API and two cells, and map the cells."""
    admin = context.get_admin_context()
    migration.db_sync(database='api')
    cell0 = objects.CellMapping.CELL0_UUID
    cells = (
        (cell0, 'cell0', CONF.database.connection, 'none:///'),
        (str(uuid.uuid4()), 'cell1', cell1, CONF.transport_url),
    )
    for cell_uuid, name, url, transport in cells:
        cell = objects.CellMapping(
            admin,
            uuid=cell_uuid,
            name=name,
            database_connection=url,
            transport_url=transport,
        )
        cell.create()
        with context.target_cell(admin, cell) as in_cell:
            migration.db_sync(context=in_cell)


def add_hosts(hosts: list[dict[str, Any]]) -> None:
    """Write what nova-compute writes when it starts, and its mapping."""
    admin = context.get_admin_context()
    (cell,) = (
        cell
        for cell in objects.CellMappingList.get_all(admin)
        if cell.name == 'cell1'
    )
    with context.target_cell(admin, cell) as in_cell:
        for host in hosts:
            name = host['name']
            objects.Service(
                in_cell, host=name, binary='nova-compute', topic='compute'
            ).create()
            objects.ComputeNode(
                in_cell,
                uuid=host['uuid'],
                host=name,
                hypervisor_hostname=name,
                vcpus=host['vcpus'],
                memory_mb=host['memory_mb'],
                local_gb=host['disk_gb'],
                vcpus_used=0,
                memory_mb_used=0,
                local_gb_used=0,
                free_ram_mb=host['memory_mb'],
                free_disk_gb=host['disk_gb'],
                disk_available_least=host['disk_gb'],
                running_vms=0,
                current_workload=0,
                hypervisor_type='QEMU',
                hypervisor_version=8002000,
                cpu_info='{}',
                stats={},
                metrics='[]',
                host_ip='127.0.0.1',
                cpu_allocation_ratio=1.0,
                ram_allocation_ratio=host['ram_allocation_ratio'],
                disk_allocation_ratio=1.0,
                supported_hv_specs=[
                    objects.HVSpec.from_list(
                        [
                            fields.Architecture.X86_64,
                            fields.HVType.KVM,
                            fields.VMMode.HVM,
                        ]
                    )
                ],
            ).create()
            objects.HostMapping(admin, host=name, cell_mapping=cell).create()


def request_spec(
    admin: context.RequestContext, asked: dict[str, Any]
) -> objects.RequestSpec:
    """Build what nova-api builds from a flavor and an image."""
    flavor = objects.Flavor(
        id=1,
        flavorid='flavor',
        name='flavor',
        swap=0,
        ephemeral_gb=0,
        rxtx_factor=1.0,
        vcpu_weight=0,
        disabled=False,
        is_public=True,
        **asked['flavor'],
    )
    image = objects.ImageMeta.from_dict(
        {
            'id': str(uuid.UUID(int=1)),
            'name': 'image',
            'disk_format': 'qcow2',
            'container_format': 'bare',
            'properties': asked['image'],
        }
    )
    instances = asked['instances']
    spec = objects.RequestSpec.from_components(
        admin,
        instances[0],
        image,
        flavor,
        numa_topology=None,
        pci_requests=objects.InstancePCIRequests(requests=[]),
        filter_properties={},
        instance_group=None,
        availability_zone=None,
        project_id=uuid.uuid4().hex,
        user_id=uuid.uuid4().hex,
    )
    spec.num_instances = len(instances)
    return spec


def conduct(threads: int) -> None:
    """Answer requests from standard input until it ends."""
    rpc.init(CONF)
    client = SchedulerQueryClient()
    lock = Lock()

    def select(asked: dict[str, Any]) -> None:
        admin = context.get_admin_context()
        answer: dict[str, Any] = {'instances': asked['instances']}
        started = time.monotonic()
        try:
            selections = client.select_destinations(
                admin,
                request_spec(admin, asked),
                asked['instances'],
                return_objects=True,
                return_alternates=True,
            )
            answer['hosts'] = [one[0].service_host for one in selections]
        # Whatever comes over RPC is what the test looks at.
        except Exception as error:
            answer['error'] = type(error).__name__.removesuffix('_Remote')
            # As a conductor writes it into the server's fault.
            answer['message'] = exception_to_dict(error)['message']
        answer['seconds'] = time.monotonic() - started
        with lock:
            print(json.dumps(answer), flush=True)

    with ThreadPoolExecutor(threads) as pool:
        for line in sys.stdin:
            pool.submit(select, json.loads(line))


def main() -> None:
    path, command, argument = sys.argv[1:]
    config.parse_args(['nova', '--config-file', path])
    objects.register_all()
    if command == 'create':
        create(argument)
    elif command == 'add-hosts':
        add_hosts(json.load(sys.stdin))
    else:
        conduct(int(argument))


if __name__ == '__main__':
    main()
