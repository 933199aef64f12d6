"""A query for candidates as constraints, and with some of them relaxed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

import os_resource_classes as orc

from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.hosts.host import MACHINE_TYPE_TRAIT_PREFIX
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.problems import Source
from sev_scheduling.request.groups import RequestGroup

Names = frozenset[str]

#: Aggregates take a call each; more than this count as one constraint.
MAX_MEMBER_OF = 2


def alternatives_name(names: Collection[str]) -> str:
    return ' or '.join(sorted(names))


def amount_constraint(name: str, amount: int) -> Constraint:
    return Constraint(Cause.RESOURCES_SHORT, name, amount)


def trait_constraint(ors: Collection[str]) -> Constraint:
    return Constraint(Cause.TRAIT, alternatives_name(ors))


def member_of_constraints(
    query: PlacementRequest,
) -> Mapping[Constraint, tuple[Names, ...]]:
    """Return the constraints -> AND of ORs of the aggregates they ask for."""
    found: dict[Constraint, tuple[Names, ...]] = {
        Constraint(Cause.AGGREGATE, alternatives_name(ors)): (ors,)
        for ors in query.member_of
    }
    if len(found) <= MAX_MEMBER_OF:
        return found
    name = ' and '.join(sorted(constraint.name for constraint in found))
    return {Constraint(Cause.AGGREGATE, name): query.member_of}


def forbidden_aggregates_constraint(query: PlacementRequest) -> Constraint:
    names = alternatives_name(query.forbidden_aggregates)
    return Constraint(Cause.AGGREGATE, f'!{names}')


def aggregate_marks(
    query: PlacementRequest,
) -> Mapping[str, tuple[Names, ...]]:
    """Return the names of the constraints -> AND of ORs of aggregates."""
    marks = {
        constraint.name: member_of
        for constraint, member_of in member_of_constraints(query).items()
    }
    if query.forbidden_aggregates:
        mark = forbidden_aggregates_constraint(query).name
        marks[mark] = (query.forbidden_aggregates,)
    return marks


def with_marks(query: PlacementRequest) -> PlacementRequest:
    """Return a query for trees whose aggregates are such marks."""
    forbidden = query.forbidden_aggregates and [
        forbidden_aggregates_constraint(query).name
    ]
    return replace(
        query,
        member_of=tuple(
            frozenset({c.name}) for c in member_of_constraints(query)
        ),
        forbidden_aggregates=frozenset(forbidden),
    )


def root_constraints(
    query: PlacementRequest,
) -> Mapping[Constraint, Names]:
    """Return the constraints -> the traits of the root they are about.

    Machine types are one constraint: hosts have one of them or another. A
    name begins with ! where the trait is forbidden.
    """
    traits = sorted(query.root_required)
    traits += (f'!{trait}' for trait in sorted(query.root_forbidden))
    scope = query.scope
    types = [
        name
        for name in traits
        if name.removeprefix('!').startswith(MACHINE_TYPE_TRAIT_PREFIX)
        # What somebody asks for by hand is no matter of the image.
        and not (scope.of_options and scope.asker(name))
    ]
    found = {
        Constraint(Cause.HOST_TRAIT, name, asker=scope.asker(name)): frozenset(
            {name}
        )
        for name in traits
        if name not in types
    }
    if types:
        joint = Constraint(Cause.MACHINE_TYPE, ' and '.join(types))
        found[joint] = frozenset(types)
    return found


def group_constraint(
    query: PlacementRequest, group: RequestGroup
) -> Constraint:
    """Return the constraint of a granular group; one for all of a port."""
    asker = group.asker
    if asker is None:
        return Constraint(Cause.GROUP, group.suffix, groups=(group,))
    together = tuple(one for one in query.groups if one.asker == asker)
    if asker.source is Source.REQUEST:
        return Constraint(Cause.PORT, asker.owner or '', groups=together)
    return Constraint(Cause.DEVICE, asker.key, groups=together)


def slot_constraint(query: PlacementRequest) -> Constraint:
    names = [model.name for model in query.models]
    return Constraint(Cause.SLOTS_USED, ' or '.join(names))


def constraints(query: PlacementRequest) -> Iterator[Constraint]:
    """Yield what a query asks for, amounts first."""
    granular = dict.fromkeys(
        slot_constraint(query)
        if query.is_slot(group)
        else group_constraint(query, group)
        for group in query.groups
        if group.suffix
    )
    for group in query.groups:
        if not group.suffix:
            for name, amount in group.resources.items():
                yield amount_constraint(name, amount)
            for ors in group.required:
                both = ors <= query.root_forbidden
                yield replace(trait_constraint(ors), contradicted=both)
            for trait in sorted(group.forbidden):
                yield Constraint(Cause.TRAIT, f'!{trait}')
    yield from granular
    yield from root_constraints(query)
    yield from member_of_constraints(query)
    if query.forbidden_aggregates:
        yield forbidden_aggregates_constraint(query)
    if query.group_policy == 'isolate':
        yield Constraint(Cause.GROUP_POLICY, 'isolate')


def never_met(query: PlacementRequest) -> frozenset[Constraint]:
    """Return the constraints that no host meets, whatever becomes of it.

    Traits of the compute driver and service are those of the root (nova 31
    to 34), which must not have them.
    """
    return frozenset(
        c
        for c in constraints(query)
        if c.contradicted and c.name.startswith('COMPUTE_')
    )


def without(
    query: PlacementRequest,
    relaxed: Collection[Constraint],
    amounts: Mapping[str, int] | None = None,
) -> PlacementRequest:
    """Return a query that asks for less.

    :param relaxed: constraints to drop
    :param amounts: resource class -> amount to ask for where its amount is
        relaxed; the class is left out where it is not among these
    """

    def kept(cause: Cause, names: Iterable[str], sign: str = '') -> Names:
        return frozenset(
            name
            for name in names
            if Constraint(cause, f'{sign}{name}') not in relaxed
        )

    slot_relaxed = bool(query.models) and slot_constraint(query) in relaxed
    groups = []
    for group in query.groups:
        if query.is_slot(group):
            less = replace(group, resources={}) if slot_relaxed else group
        elif not group.suffix:
            less = replace(
                group,
                resources=_amounts(group, relaxed, amounts or {}),
                required=tuple(
                    ors
                    for ors in group.required
                    if trait_constraint(ors) not in relaxed
                ),
                forbidden=kept(Cause.TRAIT, group.forbidden, '!'),
            )
            if not (less.resources or less.required or less.forbidden):
                continue
        elif group_constraint(query, group) in relaxed:
            continue
        else:
            less = group
        groups.append(less)
    forbidden = forbidden_aggregates_constraint(query)
    free = frozenset[str]().union(
        *(
            traits
            for constraint, traits in root_constraints(query).items()
            if constraint in relaxed
        )
    )
    return replace(
        query,
        groups=tuple(groups),
        group_policy=query.group_policy
        if kept(Cause.GROUP_POLICY, ['isolate'])
        else 'none',
        member_of=tuple(
            ors
            for constraint, entries in member_of_constraints(query).items()
            if constraint not in relaxed
            for ors in entries
        ),
        root_required=query.root_required - free,
        root_forbidden=frozenset(
            trait for trait in query.root_forbidden if f'!{trait}' not in free
        ),
        forbidden_aggregates=query.forbidden_aggregates
        if forbidden not in relaxed
        else frozenset(),
        slot_relaxed=slot_relaxed,
    )


def _amounts(
    group: RequestGroup,
    relaxed: Collection[Constraint],
    amounts: Mapping[str, int],
) -> dict[str, int]:
    found = {}
    for name, amount in group.resources.items():
        if amount_constraint(name, amount) not in relaxed:
            found[name] = amount
        elif name in amounts:
            found[name] = amounts[name]
    return found


def can_be_asked(query: PlacementRequest) -> bool:
    """Whether Placement has words for a relaxed query.

    Traits and aggregates must go with resources.
    """
    group = query.unsuffixed
    if group is None:
        carried = not (query.member_of or query.forbidden_aggregates)
    else:
        carried = bool(group.resources)
    return carried and any(group.resources for group in query.groups)


def ways(
    query: PlacementRequest, relaxed: Collection[Constraint]
) -> Iterator[PlacementRequest]:
    """Yield the queries that Placement can be asked with less.

    Each amount is left out, or 1 of it is asked for: a provider that must
    have a trait may serve the guest by that amount alone.
    """
    names = [
        c.name for c in sorted(relaxed) if c.cause is Cause.RESOURCES_SHORT
    ]
    for number in range(len(names) + 1):
        for kept in itertools.combinations(names, number):
            less = without(query, relaxed, dict.fromkeys(kept, 1))
            if can_be_asked(less):
                yield less


def asks_no_more(less: PlacementRequest, more: PlacementRequest) -> bool:
    """Whether every candidate for one query is one for another, too.

    Amounts are compared as they are: 1 may be less than Placement gives out.
    """
    of_less = less.unsuffixed or RequestGroup()
    of_more = more.unsuffixed or RequestGroup()
    return (
        of_less.resources.items() <= of_more.resources.items()
        and set(of_less.required) <= set(of_more.required)
        # Whoever gives an amount may have a trait that is required.
        and (
            not of_less.required
            or of_less.resources.keys() == of_more.resources.keys()
        )
        and of_less.forbidden <= of_more.forbidden
        and all(g in more.groups for g in less.groups if g.suffix)
        and set(less.member_of) <= set(more.member_of)
        and less.forbidden_aggregates <= more.forbidden_aggregates
        and less.root_required <= more.root_required
        and less.root_forbidden <= more.root_forbidden
        and less.in_tree in (None, more.in_tree)
        and less.group_policy in ('none', None, more.group_policy)
    )


def slot_alone(query: PlacementRequest) -> PlacementRequest:
    """Return the query for a slot and nothing else, of the same host."""
    slot = next(g for g in query.groups if query.is_slot(g))
    return PlacementRequest(
        (slot,),
        models=query.models,
        slot_suffix=query.slot_suffix,
        in_tree=query.in_tree,
    )


def in_one_group(query: PlacementRequest) -> PlacementRequest | None:
    """Return a query that has candidates wherever a query has, and maybe more.

    Placement (16) takes one group after the other, and reads the trees of all
    hosts that serve one before it looks at the next. Of the amounts of one
    group it first looks whether each is left anywhere: so where one is not,
    this is answered without reading a tree.

    :returns: None where the query has one group, or any of several models
        will do
    """
    if len(query.models) != 1 or len(query.groups) < 2:
        return None
    amounts: dict[str, int] = {}
    required: list[Names] = []
    for group in query.groups:
        for name, amount in group.resources.items():
            amounts[name] = max(amount, amounts.get(name, 0))
        if query.is_slot(group) or not group.suffix:
            required += group.required
    return replace(
        query,
        # Aggregates hold the providers of the unsuffixed group alone, and
        # what is forbidden there may be on the slot's.
        groups=(RequestGroup('', amounts, tuple(dict.fromkeys(required))),),
        group_policy=None,
        slot_suffix='',
        member_of=(),
        forbidden_aggregates=frozenset(),
    )


def anything_left(query: PlacementRequest, name: str) -> PlacementRequest:
    """Return the query for hosts with one of a class left, slots full or not.

    One of their providers has the trait of a model.
    """
    alone = slot_alone(query)
    return replace(
        alone,
        groups=(
            RequestGroup(resources={name: 1}),
            replace(alone.groups[0], resources={}),
        ),
        slot_relaxed=True,
    )


def probe_classes(query: PlacementRequest) -> tuple[str, str]:
    """Return two classes of which every useful host has one left."""
    group = query.unsuffixed
    asked = list(group.resources) if group else []
    common = (orc.MEMORY_MB, orc.VCPU, orc.DISK_GB)
    ordered = [
        *(c for c in common if c in asked),
        *(c for c in asked if c not in common),
        *(c for c in common if c not in asked),
    ]
    return ordered[0], ordered[1]
