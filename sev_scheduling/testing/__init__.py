"""For tests of schedulers: a Placement in memory, hosts, flavors, images.

Names are loaded when they are first asked for: the builders of hosts,
flavors and images need nothing beyond the core, the Placement in memory
needs keystoneauth1 (extra ``placement``), :mod:`.plugin` needs pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sev_scheduling.testing.builders import make_flavor as make_flavor
    from sev_scheduling.testing.builders import make_host as make_host
    from sev_scheduling.testing.builders import make_image as make_image
    from sev_scheduling.testing.clouds import add_cloud as add_cloud
    from sev_scheduling.testing.clouds import add_host as add_host
    from sev_scheduling.testing.fake import FakePlacement as FakePlacement

_HOME = {
    'FakePlacement': 'fake',
    'add_cloud': 'clouds',
    'add_host': 'clouds',
    'make_flavor': 'builders',
    'make_host': 'builders',
    'make_image': 'builders',
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no {name!r}')
    module = importlib.import_module(f'{__name__}.{_HOME[name]}')
    return getattr(module, name)
