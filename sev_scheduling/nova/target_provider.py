"""The host that a request names, such as the target of a migration."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from nova import context as nova_context
from nova import exception, objects

from sev_scheduling.nova.lookups.providers import roots_of
from sev_scheduling.placement.client import PlacementClient


def requested_tree(
    context: Any, spec: Any, client: PlacementClient
) -> str | None:
    """Return the root provider of the one host that a request names.

    As ``nova.scheduler.utils.resources_from_request_spec`` finds it; of a
    host that nova does not know, or that has several nodes, nothing is said.

    :returns: its uuid; None where no host is named
    :raises PlacementError: one of its children
    """
    host, node = _named(spec)
    if host:
        found = [
            compute.uuid
            for compute in _compute_nodes(context, host)
            if node in (None, compute.hypervisor_hostname)
        ]
    elif node:
        # Nova names the root provider after the node.
        found = roots_of(
            client.call('GET', f'/resource_providers?name={quote(node)}')
        )
    else:
        return None
    return found[0] if len(found) == 1 else None


def _named(spec: Any) -> tuple[str | None, str | None]:
    """Return host and node; what is forced counts where none is requested."""
    host = node = None
    destination = (
        spec.requested_destination if 'requested_destination' in spec else None
    )
    if destination is not None:
        host = destination.host if 'host' in destination else None
        node = destination.node if 'node' in destination else None
    if not host and 'force_hosts' in spec and spec.force_hosts:
        host = spec.force_hosts[0]
    if not node and 'force_nodes' in spec and spec.force_nodes:
        node = spec.force_nodes[0]
    return host or None, node or None


def _compute_nodes(context: Any, host: str) -> Any:
    try:
        mapping = objects.HostMapping.get_by_host(context, host)
        with nova_context.target_cell(context, mapping.cell_mapping) as cell:
            return objects.ComputeNodeList.get_all_by_host(cell, host)
    except (exception.HostMappingNotFound, exception.ComputeHostNotFound):
        # Nova says so.
        return []
