"""A query for candidates, taken apart into what it asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import os_resource_classes as orc

from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup

Names = frozenset[str]

#: Aggregates are told apart by a call each; more than this count as one.
MAX_MEMBER_OF = 2


@dataclass(frozen=True, slots=True)
class WideRequest(PlacementRequest):
    """A query with what schedulers add that know more of hosts.

    :ivar root_required: traits that the host's root must have
    :ivar root_forbidden: traits that it must not have
    :ivar forbidden_aggregates: aggregates that the host must not be in
    :ivar slot_given_up: the model's trait will do, with or without a slot
    """

    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    forbidden_aggregates: frozenset[str] = frozenset()
    slot_given_up: bool = False

    @property
    def microversion(self) -> str:
        own = '1.33'
        if self.slot_given_up:
            own = '1.36'  # same_subtree, groups without resources
        elif self.root_required or self.root_forbidden:
            own = '1.35'
        return max(own, PlacementRequest(self.groups).microversion)

    def querystring(self, limit: int | None = None) -> str:
        # super() does not work in a dataclass with slots (Python 3.11).
        parts = [PlacementRequest.querystring(self, limit)]
        roots = [
            *sorted(self.root_required),
            *(f'!{trait}' for trait in sorted(self.root_forbidden)),
        ]
        if roots:
            parts.append(f'root_required={",".join(roots)}')
        if self.forbidden_aggregates and self.unsuffixed:
            uuids = ','.join(sorted(self.forbidden_aggregates))
            parts.append(f'member_of=!in:{uuids}')
        if self.slot_given_up:
            parts.append(f'same_subtree={self.slot_suffix}')
        return '&'.join(filter(None, parts))

    @property
    def unsuffixed(self) -> RequestGroup | None:
        return next((g for g in self.groups if not g.suffix), None)

    def is_slot(self, group: RequestGroup) -> bool:
        return bool(self.slot_suffix) and group.suffix == self.slot_suffix


def alternatives_name(names: Collection[str]) -> str:
    return ' or '.join(sorted(names))


def amount_constraint(name: str, amount: int) -> Constraint:
    return Constraint(Cause.RESOURCES_SHORT, name, amount)


def trait_constraint(ors: Collection[str]) -> Constraint:
    return Constraint(Cause.TRAIT, alternatives_name(ors))


def member_of_constraints(
    query: WideRequest,
) -> Mapping[Constraint, tuple[Names, ...]]:
    """Return what must be told apart -> the aggregates that it asks for."""
    found: dict[Constraint, tuple[Names, ...]] = {
        Constraint(Cause.AGGREGATE, alternatives_name(ors)): (ors,)
        for ors in query.member_of
    }
    if len(found) <= MAX_MEMBER_OF:
        return found
    name = ' and '.join(sorted(constraint.name for constraint in found))
    return {Constraint(Cause.AGGREGATE, name): query.member_of}


def forbidden_aggregates_constraint(query: WideRequest) -> Constraint:
    names = alternatives_name(query.forbidden_aggregates)
    return Constraint(Cause.AGGREGATE, f'!{names}')


def slot_constraint(query: PlacementRequest) -> Constraint:
    names = [model.name for model in query.models]
    return Constraint(Cause.SLOTS_USED, ' or '.join(names))


def constraints(query: WideRequest) -> Iterator[Constraint]:
    """Yield what a query asks for, amounts first."""
    for group in query.groups:
        if query.is_slot(group):
            yield slot_constraint(query)
        elif group.suffix:
            yield Constraint(Cause.GROUP, group.suffix)
        else:
            for name, amount in group.resources.items():
                yield amount_constraint(name, amount)
            for ors in group.required:
                yield trait_constraint(ors)
            for trait in sorted(group.forbidden):
                yield Constraint(Cause.TRAIT, f'!{trait}')
    for trait in sorted(query.root_required):
        yield Constraint(Cause.HOST_TRAIT, trait)
    for trait in sorted(query.root_forbidden):
        yield Constraint(Cause.HOST_TRAIT, f'!{trait}')
    yield from member_of_constraints(query)
    if query.forbidden_aggregates:
        yield forbidden_aggregates_constraint(query)
    if query.in_tree:
        yield Constraint(Cause.HOST, query.in_tree)
    if query.group_policy == 'isolate':
        yield Constraint(Cause.GROUP_POLICY, 'isolate')


def without(
    query: WideRequest,
    given_up: Collection[Constraint],
    amounts: Mapping[str, int] = MappingProxyType({}),
) -> WideRequest:
    """Return a query that asks for less.

    :param given_up: what to ask for no more
    :param amounts: resource class -> amount to ask for where its amount is
        given up; the class is left out where it is not among these
    """

    def kept(cause: Cause, names: Iterable[str], sign: str = '') -> Names:
        return frozenset(
            name
            for name in names
            if Constraint(cause, f'{sign}{name}') not in given_up
        )

    slot_given_up = bool(query.models) and slot_constraint(query) in given_up
    groups = []
    for group in query.groups:
        if query.is_slot(group):
            less = replace(group, resources={}) if slot_given_up else group
        elif not group.suffix:
            less = replace(
                group,
                resources=_amounts(group, given_up, amounts),
                required=tuple(
                    ors
                    for ors in group.required
                    if trait_constraint(ors) not in given_up
                ),
                forbidden=kept(Cause.TRAIT, group.forbidden, '!'),
            )
            if not (less.resources or less.required or less.forbidden):
                continue
        elif kept(Cause.GROUP, [group.suffix]):
            less = group
        else:
            continue
        groups.append(less)
    isolated = kept(Cause.GROUP_POLICY, ['isolate'])
    hosts = kept(Cause.HOST, filter(None, [query.in_tree]))
    return replace(
        query,
        groups=tuple(groups),
        group_policy=query.group_policy if isolated else 'none',
        member_of=tuple(
            ors
            for constraint, entries in member_of_constraints(query).items()
            if constraint not in given_up
            for ors in entries
        ),
        in_tree=next(iter(hosts), None),
        root_required=kept(Cause.HOST_TRAIT, query.root_required),
        root_forbidden=kept(Cause.HOST_TRAIT, query.root_forbidden, '!'),
        forbidden_aggregates=query.forbidden_aggregates
        if forbidden_aggregates_constraint(query) not in given_up
        else frozenset(),
        slot_given_up=slot_given_up,
    )


def _amounts(
    group: RequestGroup,
    given_up: Collection[Constraint],
    amounts: Mapping[str, int],
) -> dict[str, int]:
    found = {}
    for name, amount in group.resources.items():
        if amount_constraint(name, amount) not in given_up:
            found[name] = amount
        elif name in amounts:
            found[name] = amounts[name]
    return found


def can_be_asked(query: WideRequest) -> bool:
    """Whether Placement has words for a query that gave something up.

    Traits and aggregates must go with resources.
    """
    group = query.unsuffixed
    if group is None:
        carried = not (query.member_of or query.forbidden_aggregates)
    else:
        carried = bool(group.resources)
    return carried and any(group.resources for group in query.groups)


def slot_alone(query: WideRequest) -> WideRequest:
    """Return the query for a slot and nothing else."""
    slot = next(g for g in query.groups if query.is_slot(g))
    return WideRequest(
        (slot,), models=query.models, slot_suffix=query.slot_suffix
    )


def amount_of_one(name: str) -> WideRequest:
    """Return a query for hosts that have one of a resource class left."""
    return WideRequest((RequestGroup(resources={name: 1}),))


def anything_left(query: WideRequest, name: str) -> WideRequest:
    """Return the same for hosts with a provider that has a model's trait."""
    slot = replace(slot_alone(query).groups[0], resources={})
    return WideRequest(
        (*amount_of_one(name).groups, slot),
        models=query.models,
        slot_suffix=query.slot_suffix,
        slot_given_up=True,
    )


def per_model(query: WideRequest) -> Iterator[WideRequest]:
    """Yield a query for each model, for Placement older than 1.39."""
    for model in query.models:
        traits = (frozenset((model.trait,)),)
        yield replace(
            query,
            groups=tuple(
                replace(g, required=traits) if query.is_slot(g) else g
                for g in query.groups
            ),
            models=(model,),
        )


def probe_classes(query: WideRequest) -> tuple[str, str]:
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
