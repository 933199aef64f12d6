"""The only HTTP: Placement's client, and Placement itself in process.

Names are loaded when they are first asked for: the client needs
keystoneauth1 (extra ``placement``), the embedded service and cloud files
need more (extra ``embedded``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sev_scheduling.diagnosis import Diagnosis as Diagnosis
    from sev_scheduling.placement.answers import Candidates as Candidates
    from sev_scheduling.placement.claims.claims import (
        PlacedInstance as PlacedInstance,
    )
    from sev_scheduling.placement.claims.claims import Placement as Placement
    from sev_scheduling.placement.claims.consumers import Claim as Claim
    from sev_scheduling.placement.client import (
        PlacementClient as PlacementClient,
    )
    from sev_scheduling.placement.embedded import Cloud as Cloud
    from sev_scheduling.placement.embedded import (
        embedded_placement as embedded_placement,
    )
    from sev_scheduling.placement.embedded import load_cloud as load_cloud
    from sev_scheduling.placement.embedded import (
        read_cloud_file as read_cloud_file,
    )

_HOME = {
    'Candidates': 'placement.answers',
    'Claim': 'placement.claims.consumers',
    'Cloud': 'placement.embedded',
    'Diagnosis': 'diagnosis',
    'PlacedInstance': 'placement.claims.claims',
    'Placement': 'placement.claims.claims',
    'PlacementClient': 'placement.client',
    'embedded_placement': 'placement.embedded',
    'load_cloud': 'placement.embedded',
    'read_cloud_file': 'placement.embedded',
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no {name!r}')
    module = importlib.import_module(f'sev_scheduling.{_HOME[name]}')
    return getattr(module, name)
