"""Whether Placement gave out more than there is, and how to give it back.

Placement keeps claims from overtaking each other by the generation of the
provider: a claim that meets another one is written anew, up to
``[placement] allocation_conflict_retry_count`` times. It does so within the
transaction of the first try (``replace_all`` in
``placement/objects/allocation.py``, seen in Placement 16 on PostgreSQL and
MariaDB). There the usages may be as old as that transaction, and the rows of
the first try count as usage that was there before, which excuses the excess:
claims of the last slot at one moment may all be accepted.

So a claim looks at the usages once it is made. Of claims that together are
too many, at least the last one made sees that, and is given back.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import tenacity

from sev_scheduling.exceptions import PlacementConflict
from sev_scheduling.placement.answers import Allocations, Candidate
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.hosts import Summaries

_TRIES = 10


def find_excess(
    api: Api, chosen: Iterable[Candidate], summaries: Summaries
) -> str | None:
    """Return which resource of a claim that was made is in excess, if any.

    :param summaries: what Placement showed of the providers before
    """
    claimed: dict[str, set[str]] = {}
    for candidate in chosen:
        for provider, amounts in candidate.allocations.items():
            claimed.setdefault(provider, set()).update(amounts)
    for provider, names in claimed.items():
        used = api.usages(provider) or {}
        for name in sorted(names):
            capacity = summaries[provider].resources[name].capacity
            if used.get(name, 0) > capacity:
                return (
                    f'{used[name]} of {capacity} {name} of provider '
                    f'{provider} in use'
                )
    return None


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(PlacementConflict),
    stop=tenacity.stop_after_attempt(_TRIES),
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=1.0),
    reraise=True,
)
def give_back(api: Api, instances: Iterable[str], before: Allocations) -> None:
    """Undo a claim, of all its guests or of none.

    :param before: what the one guest held that was moved; nothing where the
        guests are new
    :raises PlacementConflict: where that has gone to others by now
    """
    claims = {}
    for instance in instances:
        held = api.allocations(instance)
        if held:
            claims[instance] = msgspec.structs.replace(
                held, by_provider=before.by_provider
            )
    if claims:
        api.post_allocations(claims)
