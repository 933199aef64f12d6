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

So a claim looks at its hosts once it is made. Of claims that
together are too many, at least the last one made sees that, and is given
back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import tenacity

from sev_scheduling.exceptions import PlacementConflict, PlacementError
from sev_scheduling.placement.answers import (
    Candidate,
    ProviderSummary,
    Usage,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims.writes import write
from sev_scheduling.placement.hosts import (
    Summaries,
    one_of,
    provider_summary,
)
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
def observe(
    api: Api, chosen: Iterable[Candidate], summaries: Summaries
) -> Summaries:
    """Return what the providers of a claim that was made are like now.

    One call a host: a query for some resource that its tree has left shows
    all of the tree. What no such query shows is asked for by itself. A
    provider that is gone is missing.

    :param summaries: what Placement showed of the providers before
    :raises PlacementError: one of its children
    """
    roots: dict[str, set[str]] = {}
    for candidate in chosen:
        providers = roots.setdefault(candidate.root, {candidate.root})
        providers.update(candidate.allocations)

    def of_host(root: str) -> dict[str, ProviderSummary]:
        found: dict[str, ProviderSummary] = {}
        name = _most_left(summaries, root)
        if name:
            query = replace(one_of(name), in_tree=root)
            found.update(api.candidates(query, 1).provider_summaries)
        for provider in sorted(roots[root] - found.keys()):
            known = summaries.get(provider)
            summary = provider_summary(
                api, provider, known.root_provider_uuid if known else root
            )
            if summary is not None:
                found[provider] = summary
        return found

    return {
        provider: summary
        for tree in api.each(of_host, roots)
        for provider, summary in tree.items()
    }


def _most_left(summaries: Summaries, root: str) -> str | None:
    """Return the resource class that a tree likely has left."""
    left = {
        name: usage.left
        for summary in summaries.values()
        if summary.root_provider_uuid == root
        for name, usage in summary.resources.items()
    }
    name = max(left, key=lambda name: left[name], default=None)
    return name if name and left[name] > 0 else None


def find_fault(
    chosen: Iterable[Candidate],
    before: Summaries,
    now: Summaries,
    query: PlacementRequest,
) -> str | None:
    """Return why a claim that was made must not stand, if so.

    :param before: what Placement showed of the providers when it was chosen
    :param now: what :func:`observe` returned
    :param query: what was asked of the hosts
    """
    claimed: dict[str, set[str]] = {}
    roots = set()
    for candidate in chosen:
        roots.add(candidate.root)
        for provider, amounts in candidate.allocations.items():
            claimed.setdefault(provider, set()).update(amounts)
    required, forbidden = _traits(query)
    for provider in sorted({*claimed, *roots}):
        summary = now.get(provider)
        if summary is None:
            if provider in claimed or provider in before:
                return f'provider {provider} is gone'
            continue
        for name in sorted(claimed.get(provider, ())):
            usage = summary.resources.get(name) or Usage(0, 1)
            if usage.left < 0:
                return (
                    f'{usage.used} of {usage.capacity} {name} of provider '
                    f'{provider} in use; set [placement] '
                    'allocation_conflict_retry_count = 1 in placement.conf'
                )
        if provider not in before:
            continue
        had, has = set(before[provider].traits), set(summary.traits)
        for trait in sorted((had - has) & required):
            return f'provider {provider} has lost the trait {trait}'
        if provider in roots:
            for trait in sorted((has - had) & forbidden):
                return f'provider {provider} has got the trait {trait}'
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
