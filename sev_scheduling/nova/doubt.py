"""Which hosts need a closer look, of thousands."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sev_scheduling.models import EncryptionModel
from sev_scheduling.nova.host_state import HostFacts
from sev_scheduling.nova.lookups.providers import Providers
from sev_scheduling.request.request import EncryptionRequest


def doubtful_hosts(
    states: Collection[Any],
    request: EncryptionRequest,
    model: EncryptionModel,
    facts: HostFacts,
    providers: Providers,
    strict: bool,
) -> set[str]:
    """Return the uuids of hosts that something may speak against.

    Their candidates apart. Hosts are many and the values of a column few: to
    collect the values takes a third of the time of looking at host by host,
    and mostly not one of them is doubtful.

    :param strict: a host must tell its machine type, unless the image does
    """
    found = set(providers.hosts_with_pools(model.excluded_by))
    if model.locks_memory and not request.mem_page_size:
        ratios = {state.ram_allocation_ratio for state in states}
        high = {ratio for ratio in ratios if ratio and ratio > 1.0}
        if high:
            found.update(
                state.uuid
                for state in states
                if state.ram_allocation_ratio in high
            )
    other = {
        name
        for name in {state.hypervisor_type for state in states}
        if name and name.lower() not in model.hypervisor_types
    }
    if other:
        found.update(
            state.uuid for state in states if state.hypervisor_type in other
        )
    # Nova's states share one object for each aggregate.
    aggregates = {
        aggregate for state in states for aggregate in state.aggregates
    }
    telling = {aggregate for aggregate in aggregates if facts.tells(aggregate)}
    if telling:
        found.update(
            state.uuid
            for state in states
            if not telling.isdisjoint(state.aggregates)
        )
    return found | _by_machine_type(
        states, request, model, facts, providers, strict
    )


def _by_machine_type(
    states: Collection[Any],
    request: EncryptionRequest,
    model: EncryptionModel,
    facts: HostFacts,
    providers: Providers,
    strict: bool,
) -> set[str]:
    """Return hosts whose default machine type will not do, or is not known.

    What their aggregates say of it is not regarded.
    """
    wanted = model.machine_type
    if request.machine_type and wanted in request.machine_type:
        # The image decides for every host.
        return set()
    if request.machine_type:
        return {state.uuid for state in states}
    architecture = request.architecture or model.architectures[0]
    fine: set[str] = set()
    other: set[str] = set()
    for root, types in providers.machine_types.items():
        machine_type = types.get(architecture)
        if machine_type is not None:
            (fine if wanted in machine_type else other).add(root)
    default = facts.default_machine_types.get(architecture)
    if wanted in default if default else not strict:
        return other
    return {state.uuid for state in states} - fine
