"""The look-ups that filter, request filter and weigher share."""

from __future__ import annotations

import nova.conf

from sev_scheduling.nova.lookups.lookups import Lookups

CONF = nova.conf.CONF

_lookups: Lookups | None = None


def renewed_lookups() -> Lookups:
    """Return look-ups that remember nothing; from now on the shared ones."""
    global _lookups
    _lookups = Lookups(
        lambda: float(CONF.sev_scheduling.cache_seconds),
        lambda: float(CONF.sev_scheduling.placement_timeout),
        lambda: float(CONF.sev_scheduling.slots_cache_seconds),
    )
    return _lookups


def shared_lookups() -> Lookups:
    """Return the look-ups of this process."""
    return _lookups or renewed_lookups()
