"""What nova asks Placement for a request, and the host that one names."""

from sev_scheduling.nova.queries.query import (
    constraints,
    group_askers,
    nova_groups,
    nova_queries,
)
from sev_scheduling.nova.queries.target import (
    forced_host,
    is_forced,
    keep_to_own_pools,
    target_provider,
)

__all__ = [
    'constraints',
    'forced_host',
    'group_askers',
    'is_forced',
    'keep_to_own_pools',
    'nova_groups',
    'nova_queries',
    'target_provider',
]
