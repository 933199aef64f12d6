"""Placement's search for allocation candidates, in memory.

It serves two ends: the in-memory Placement of ``sev_scheduling.testing``,
and the diagnosis, which asks it what Placement would have answered on the
trees that it saw. The contract tests hold it against the real one.

Source of the rules: the Placement API reference and placement 11 to 16.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from sev_scheduling.placement.world import (
    Amounts,
    Candidate,
    Group,
    Provider,
    Query,
    World,
)

_T = TypeVar('_T')

#: Ways to combine a tree's providers that are looked at; only trees with
#: very many equal providers have more.
MAX_COMBINATIONS = 20_000

#: Uuid of a tree's root -> ways in which the tree serves one group.
Options = dict[str, list[Candidate]]


def candidates(world: World, query: Query) -> Iterator[Candidate]:
    """Yield every candidate, none of them twice."""
    options: dict[str, Options] = {}
    for group in query.groups:
        options[group.suffix] = group_options(world, query, group)
        if not options[group.suffix]:
            return
    yield from merged(world, query, options)


def group_options(world: World, query: Query, group: Group) -> Options:
    """Return how each tree serves one group by itself."""
    if group.suffix:
        return _provider_options(world, query, group)
    return _tree_options(world, query, group)


def in_aggregates(
    provider: Provider, member_of: Iterable[frozenset[str]]
) -> bool:
    return all(ors & provider.aggregates for ors in member_of)


def _anchors(world: World, provider: Provider) -> set[str]:
    """Return the roots that a sharing provider serves."""
    return {
        other.root
        for other in world.values()
        if other.aggregates & provider.aggregates
    }


def _roots(world: World, provider: Provider) -> set[str]:
    """Return the roots of all trees that a provider can serve."""
    roots = {provider.root}
    if provider.shares:
        roots |= _anchors(world, provider)
    return roots


def _named_tree(world: World, group: Group) -> str | None:
    provider = world.get(group.in_tree or '')
    return provider.root if provider else None


def _provider_options(world: World, query: Query, group: Group) -> Options:
    """Serve a granular group: one provider meets all of it."""
    tree = _named_tree(world, group)
    options: Options = defaultdict(list)
    for provider in world.values():
        if (
            (group.in_tree and group.resources and provider.root != tree)
            or not all(
                provider.takes(name, amount)
                for name, amount in group.resources.items()
            )
            or not group.meets_traits(provider.traits)
            or group.forbidden & provider.traits
            or not in_aggregates(provider, group.member_of)
            or group.forbidden_aggregates & provider.aggregates
        ):
            continue
        amounts = {(provider.uuid, c): n for c, n in group.resources.items()}
        option = Candidate(amounts, {group.suffix: frozenset({provider.uuid})})
        for root in _roots(world, provider):
            if query.takes_root(world[root]):
                options[root].append(option)
    return options


def _tree_options(world: World, query: Query, group: Group) -> Options:
    """Serve the unsuffixed group: a tree's providers meet it together."""
    by_class = [
        _holders(world, query, group, name, amount)
        for name, amount in group.resources.items()
    ]
    options: Options = {}
    for root in set.intersection(*(set(holders) for holders in by_class)):
        found: dict[frozenset[tuple[str, str]], Candidate] = {}
        for chosen in _product(h[root] for h in by_class):
            traits = set().union(*(provider.traits for provider in chosen))
            if group.forbidden & traits or not group.meets_traits(traits):
                continue
            uuids = [provider.uuid for provider in chosen]
            keys = zip(uuids, group.resources, strict=True)
            amounts = dict(zip(keys, group.resources.values(), strict=True))
            found[frozenset(amounts)] = Candidate(
                amounts, {'': frozenset(uuids)}
            )
        if found:
            options[root] = list(found.values())
    return options


def _holders(
    world: World, query: Query, group: Group, name: str, amount: int
) -> dict[str, list[Provider]]:
    """Return root uuid -> providers that could give this amount to it."""
    tree = _named_tree(world, group)
    holders: dict[str, list[Provider]] = defaultdict(list)
    for provider in world.values():
        if not provider.takes(name, amount):
            continue
        roots = {provider.root}
        if group.in_tree:
            # A tree that is named has no help from sharing providers.
            roots &= {tree}
        elif provider.shares and in_aggregates(provider, group.member_of):
            roots |= _anchors(world, provider)
        for uuid in roots:
            root = world[uuid]
            # An aggregate of the root holds the whole tree.
            if (
                query.takes_root(root)
                and (
                    in_aggregates(provider, group.member_of)
                    or in_aggregates(root, group.member_of)
                )
                and not group.forbidden_aggregates & provider.aggregates
                and not group.forbidden_aggregates & root.aggregates
            ):
                holders[uuid].append(provider)
    return holders


def _product(parts: Iterable[list[_T]]) -> Iterator[tuple[_T, ...]]:
    return itertools.islice(itertools.product(*parts), MAX_COMBINATIONS)


def merged(
    world: World, query: Query, options: Mapping[str, Options]
) -> Iterator[Candidate]:
    """Combine the groups, tree by tree.

    :param options: suffix -> what :func:`group_options` returned
    """
    seen = set()
    roots = set.intersection(*(set(by_root) for by_root in options.values()))
    for root in sorted(roots):
        for parts in _product(o[root] for o in options.values()):
            candidate = _combined(parts)
            if not (
                _isolated(query, candidate)
                and all(
                    _same_subtree(world, candidate, suffixes)
                    for suffixes in query.same_subtree
                )
                and _fits(world, candidate)
            ):
                continue
            key = (
                frozenset(candidate.amounts.items()),
                frozenset(candidate.mappings.items()),
            )
            if key not in seen:
                seen.add(key)
                yield candidate


def _combined(parts: Iterable[Candidate]) -> Candidate:
    amounts: Amounts = defaultdict(int)
    mappings: dict[str, frozenset[str]] = {}
    for part in parts:
        mappings |= part.mappings
        for key, amount in part.amounts.items():
            amounts[key] += amount
    return Candidate(dict(amounts), mappings)


def _isolated(query: Query, candidate: Candidate) -> bool:
    if query.group_policy != 'isolate':
        return True
    granular = [uuids for s, uuids in candidate.mappings.items() if s]
    return len(frozenset[str]().union(*granular)) == len(granular)


def _same_subtree(
    world: World, candidate: Candidate, suffixes: frozenset[str]
) -> bool:
    """One of the providers is an ancestor of the others, or all are one."""
    uuids = frozenset[str]().union(*(candidate.mappings[s] for s in suffixes))
    lines = [set(_line(world, uuid)) for uuid in uuids]
    return bool(set.intersection(*lines) & uuids)


def _line(world: World, uuid: str | None) -> Iterator[str]:
    while uuid is not None:
        yield uuid
        uuid = world[uuid].parent


def _fits(world: World, candidate: Candidate) -> bool:
    """Groups that share a provider's inventory fit in together.

    ``min_unit`` and ``step_size`` have been checked group by group, and
    Placement does not check them again.
    """
    return all(
        amount <= world[uuid].left(name)
        and amount <= world[uuid].inventories[name].max_unit
        for (uuid, name), amount in candidate.amounts.items()
        if amount
    )
