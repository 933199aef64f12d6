"""Hosts that an administrator names: nova runs no filter on them."""

from __future__ import annotations

from typing import Any

import os_resource_classes as orc
from nova import context as nova_context
from nova import exception, objects

from sev_scheduling.models import model_traits
from sev_scheduling.nova.host_state import ForcedHost
from sev_scheduling.nova.request_spec import fields_of, value_of
from sev_scheduling.placement.answers import Candidates
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.rules.validation import Validation


def is_forced(spec: Any) -> bool:
    """Say whether nova runs no filter, as ``get_filtered_hosts`` has it."""
    # Nova loads neither later.
    held = fields_of(spec)
    if not (held.get('_obj_force_hosts') or held.get('_obj_force_nodes')):
        return False
    hints = value_of(spec, 'scheduler_hints') or {}
    return not hints.get('_nova_check_type')


def forced_host(context: Any, spec: Any, root: str) -> ForcedHost:
    """Return what nova's database has of a host; nothing of a node alone."""
    host, node = _target(spec)
    found = ForcedHost(uuid=root, nodename=node or '')
    if host:
        found.host = host
        found.aggregates = objects.AggregateList.get_by_host(context, host)
        for compute in _compute_nodes(context, host):
            if compute.uuid == root:
                found.nodename = compute.hypervisor_hostname
                found.ram_allocation_ratio = value_of(
                    compute, 'ram_allocation_ratio'
                )
                found.hypervisor_type = value_of(compute, 'hypervisor_type')
    return found


def keep_to_own_pools(
    spec: Any, validation: Validation, answer: Candidates, state: ForcedHost
) -> None:
    """Keep nova's own query off the pools of other models.

    A stale trait on the root lets any slot of the host answer. So the traits
    of other pools are forbidden, in a copy of the flavor that is gone with
    the request; where the root has these as well, the filters are run.
    """
    (model,) = validation.request.models
    summaries = answer.provider_summaries
    own, others = [], []
    rest: set[str] = set()
    for summary in summaries.values():
        if orc.MEM_ENCRYPTION_CONTEXT not in summary.resources:
            rest.update(summary.traits)
        elif model.trait in summary.traits:
            own.append(summary)
        else:
            others.append(summary)
    if model.trait not in rest or not others:
        return
    rest.update(*(summary.traits for summary in own))
    telling = model_traits().keys() - rest
    if all(not telling.isdisjoint(summary.traits) for summary in others):
        flavor = spec.flavor.obj_clone()
        flavor.extra_specs = {
            **flavor.extra_specs,
            **{
                f'trait:{trait}': 'forbidden'
                for summary in others
                for trait in telling.intersection(summary.traits)
            },
        }
        spec.flavor = flavor
        return
    destination = value_of(spec, 'requested_destination')
    spec.requested_destination = destination or objects.Destination()
    if state.host:
        spec.requested_destination.host = state.host
    spec.requested_destination.node = state.nodename
    spec.force_hosts = spec.force_nodes = None


def target_provider(
    context: Any, spec: Any, client: PlacementClient
) -> str | None:
    """Return the root provider of the one host that a request names.

    It may be the target of a migration. As
    ``nova.scheduler.utils.resources_from_request_spec`` finds it, which
    changes the RequestSpec; None for a host that nova does not know, or that
    has several nodes.

    :returns: its uuid; None where no host is named
    :raises PlacementError: one of its children
    """
    host, node = _target(spec)
    if host:
        found = [
            compute.uuid
            for compute in _compute_nodes(context, host)
            if node in (None, compute.hypervisor_hostname)
        ]
    elif node:
        # Nova names the root provider after the node.
        found = [
            one.uuid
            for one in client.resource_providers(name=node)
            if one.uuid == one.root_provider_uuid
        ]
    else:
        return None
    return found[0] if len(found) == 1 else None


def _target(spec: Any) -> tuple[str | None, str | None]:
    """Return host and node; what is forced counts where none is requested."""
    destination = value_of(spec, 'requested_destination')
    names = []
    for name in ('host', 'node'):
        named = destination and value_of(destination, name)
        forced = value_of(spec, f'force_{name}s')
        names.append(named or (forced[0] if forced else None))
    host, node = names
    return host, node


def _compute_nodes(context: Any, host: str) -> Any:
    try:
        mapping = objects.HostMapping.get_by_host(context, host)
        with nova_context.target_cell(context, mapping.cell_mapping) as cell:
            return objects.ComputeNodeList.get_all_by_host(cell, host)
    except (exception.HostMappingNotFound, exception.ComputeHostNotFound):
        # Nova says so.
        return []
