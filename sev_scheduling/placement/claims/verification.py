"""Whether a claim that was made holds, and how to give it back.

Placement keeps claims from overtaking each other by the generation of the
provider: a claim that meets another one is written anew, up to
``[placement] allocation_conflict_retry_count`` times. It does so within the
transaction of the first try (``replace_all`` in
``placement/objects/allocation.py``, seen in Placement 16 on PostgreSQL and
MariaDB). There the usages may be as old as that transaction, and the rows of
the first try count as usage that was there before, which excuses the excess:
claims of the last slot at one moment may all be accepted.

Nor does a claim carry the generations of providers: Placement accepts one on
a host that has been disabled since it was offered, or whose pool has lost the
model's trait.

So a claim looks at the usages and traits once it is made. Of claims that
together are too many, at least the last one made sees that, and is given
back.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import tenacity

from sev_scheduling.exceptions import PlacementConflict, PlacementError
from sev_scheduling.placement.answers import Candidate
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims.writes import write
from sev_scheduling.placement.hosts import Summaries
from sev_scheduling.prefilter import PlacementRequest

_CONFLICTS = 10
_FAILURES = 3


def _again(state: tenacity.RetryCallState) -> bool:
    """Return whether to try again after a failure; for tenacity."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, PlacementError):
        return False
    conflict = isinstance(error, PlacementConflict)
    most = _CONFLICTS if conflict else _FAILURES
    return state.attempt_number < most


#: Tries anew, a bounded number of times, where Placement fails.
_retried = tenacity.retry(
    retry=_again,
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=1.0),
    reraise=True,
)


@_retried
def find_fault(
    api: Api,
    chosen: Iterable[Candidate],
    summaries: Summaries,
    query: PlacementRequest,
) -> str | None:
    """Return why a claim that was made must not stand, if so.

    :param summaries: what Placement showed of the providers before
    :param query: what was asked of the hosts
    :raises PlacementError: one of its children, where that is not known
    """
    claimed: dict[str, set[str]] = {}
    roots = set()
    for candidate in chosen:
        roots.add(candidate.root)
        for provider, amounts in candidate.allocations.items():
            claimed.setdefault(provider, set()).update(amounts)
    for provider, names in claimed.items():
        fault = _excess(api, provider, names, summaries)
        if fault:
            return fault
    required, forbidden = _traits(query)
    for provider in sorted({*claimed, *roots} & summaries.keys()):
        before = frozenset(summaries[provider].traits)
        excluded = forbidden if provider in roots else frozenset()
        if not (before & required or excluded):
            continue
        now = api.traits(provider)
        if now is None:
            return f'provider {provider} is gone'
        for trait in sorted((before - now) & required):
            return f'provider {provider} has lost the trait {trait}'
        for trait in sorted((now - before) & excluded):
            return f'provider {provider} has got the trait {trait}'
    return None


def _excess(
    api: Api, provider: str, names: Iterable[str], summaries: Summaries
) -> str | None:
    used = api.usages(provider)
    if used is None:
        return f'provider {provider} is gone'
    for name in sorted(names):
        capacity = summaries[provider].resources[name].capacity
        if used.get(name, 0) > capacity:
            return (
                f'{used[name]} of {capacity} {name} of provider '
                f'{provider} in use; set [placement] '
                'allocation_conflict_retry_count = 1 in placement.conf'
            )
    return None


def _traits(
    query: PlacementRequest,
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the traits that a query requires, and those it forbids."""
    required = query.root_required.union(
        *(ors for group in query.groups for ors in group.required)
    )
    forbidden = query.root_forbidden.union(
        *(group.forbidden for group in query.groups)
    )
    return required, forbidden


@_retried
def give_back(api: Api, instances: Iterable[str]) -> bool:
    """Undo a claim, of all its guests or of none.

    :returns: whether any of them held something
    :raises PlacementError: one of its children
    """
    claims = {}
    for instance in instances:
        held = api.allocations(instance)
        if held:
            claims[instance] = msgspec.structs.replace(held, by_provider={})
    if claims:
        write(api, claims)
    return bool(claims)
