"""translate(): a request becomes a query for allocation candidates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

import os_resource_classes as orc
import os_traits

from sev_scheduling import arguments
from sev_scheduling.arguments import Items, Maybe
from sev_scheduling.exceptions import InputError, InvalidRequest
from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import Field, Source
from sev_scheduling.records import maker
from sev_scheduling.request.groups import RequestGroup, is_trait, make_group
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validated

SLOT_SUFFIX = '_MEM_ENCRYPTION'

#: Group suffixes in words came with 1.33, ``root_required`` with 1.35,
#: ``same_subtree`` (so groups without resources) with 1.36, the type of a
#: consumer with 1.38, ``required=in:`` with 1.39.
MICROVERSION = '1.33'
MICROVERSION_ROOT_TRAIT = '1.35'
MICROVERSION_SUBTREE = '1.36'
MICROVERSION_CONSUMER_TYPE = '1.38'
MICROVERSION_ANY_TRAIT = '1.39'


_TRAIT = arguments.That(
    lambda value: isinstance(value, str) and is_trait(value),
    'a standard trait, or CUSTOM_ and upper-case letters, digits and '
    'underscores',
)
_AGGREGATES = Items(arguments.any_uuid, 1, frozenset)
_SCOPE: Mapping[str, arguments.Kind] = {
    'member_of': Items(_AGGREGATES),
    'forbidden_aggregates': Items(arguments.any_uuid, 0, frozenset),
    'in_tree': Maybe(arguments.any_uuid),
    'root_required': Items(_TRAIT, 0, frozenset),
    'root_forbidden': Items(_TRAIT, 0, frozenset),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The hosts that a query is about, as nova's own prefilters narrow them.

    Disabled hosts are left out of every query, whatever is said here, unless
    their trait is required.

    :ivar member_of: aggregate uuids, an AND of ORs: ``[[A, B], [C]]`` is (A
        or B) and C. An availability zone is an aggregate
    :ivar forbidden_aggregates: uuids of aggregates that must not hold the
        host
    :ivar in_tree: uuid of the one host, its root resource provider; None for
        any. A host that is named gets nothing from sharing providers, as
        Placement has it
    :ivar root_required: traits that the host's root provider must have
    :ivar root_forbidden: traits that it must not have
    :ivar of_options: whether options of the command line say so, which words
        then name
    :raises InputError: where one of them is no uuid or no trait, or a trait
        is both required and forbidden
    """

    member_of: Collection[Collection[str]] = ()
    forbidden_aggregates: Collection[str] = ()
    in_tree: str | None = None
    root_required: Collection[str] = ()
    root_forbidden: Collection[str] = ()
    of_options: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, kind in _SCOPE.items():
            value = kind(f'scope {name}', getattr(self, name))
            object.__setattr__(self, name, value)
        both = {*self.root_required} & {*self.root_forbidden}
        if both:
            raise InputError(
                f'scope: trait {min(both)} is both required and forbidden.'
            )

    def __bool__(self) -> bool:
        """Whether it leaves out any hosts but those that are disabled."""
        return self != Scope()

    def asker(self, trait: str) -> Field | None:
        """Return what of it asks for a trait of the root; None for nothing.

        :param trait: it begins with ! where it is forbidden
        """
        name = trait.removeprefix('!')
        forbidden = name != trait
        if name not in (
            self.root_forbidden if forbidden else self.root_required
        ):
            return None
        if self.of_options:
            option = '--forbidden' if forbidden else '--required'
            return Field(Source.OPTION, option, name)
        key = 'root_forbidden' if forbidden else 'root_required'
        return Field(Source.REQUEST, key, name)

    def narrow(self, query: PlacementRequest) -> PlacementRequest:
        """Return a query that asks for these hosts too."""
        required = query.root_required.union(self.root_required)
        forbidden = query.root_forbidden.union(self.root_forbidden)
        return replace(
            query,
            member_of=(*query.member_of, *map(frozenset, self.member_of)),
            forbidden_aggregates=query.forbidden_aggregates.union(
                self.forbidden_aggregates
            ),
            in_tree=self.in_tree or query.in_tree,
            root_required=required,
            root_forbidden=forbidden | (_DISABLED - required),
            scope=self,
        )


_NONE: frozenset[str] = frozenset()
_DISABLED = frozenset({os_traits.COMPUTE_STATUS_DISABLED})

#: Every host in service.
ANYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """A query for ``GET /allocation_candidates``.

    :ivar groups: the request groups, the unsuffixed one first, the slot's
        last
    :ivar group_policy: ``none`` or ``isolate``; None where Placement does
        not ask for one
    :ivar models: the models whose slots will do, the best first; empty for
        an unencrypted guest
    :ivar slot_suffix: suffix of the group that takes the slot, or ''
    :ivar member_of: AND of ORs of aggregate uuids that the host must be in
    :ivar in_tree: uuid of a provider whose tree must answer, or None
    :ivar root_required: traits that the host's root provider must have
    :ivar root_forbidden: traits that it must not have
    :ivar forbidden_aggregates: uuids of aggregates that must not hold the
        host
    :ivar slot_relaxed: a provider with the model's trait will do, with or
        without a free slot; the slot's group then has no resources
    :ivar scope: what its hosts were narrowed to by the caller
    """

    groups: tuple[RequestGroup, ...]
    group_policy: str | None = None
    models: tuple[EncryptionModel, ...] = ()
    slot_suffix: str = ''
    member_of: tuple[frozenset[str], ...] = ()
    in_tree: str | None = None
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    forbidden_aggregates: frozenset[str] = frozenset()
    slot_relaxed: bool = False
    scope: Scope = field(default=ANYWHERE, compare=False, repr=False)

    @property
    def microversion(self) -> str:
        """The oldest microversion of Placement that understands it."""
        if any(len(ors) > 1 for g in self.groups for ors in g.required):
            return MICROVERSION_ANY_TRAIT
        if self.slot_relaxed:
            return MICROVERSION_SUBTREE
        if self.root_required or self.root_forbidden:
            return MICROVERSION_ROOT_TRAIT
        return MICROVERSION

    @property
    def unsuffixed(self) -> RequestGroup | None:
        return next((g for g in self.groups if not g.suffix), None)

    def is_slot(self, group: RequestGroup) -> bool:
        """Return whether a group is the one that takes the slot."""
        return bool(self.slot_suffix) and group.suffix == self.slot_suffix

    def querystring(self, limit: int | None = None) -> str:
        """Return the query, encoded, without a leading question mark.

        :param limit: how many candidates Placement may answer with
        """
        params: list[tuple[str, str]] = []
        for group in self.groups:
            params.extend(self._group_params(group))
        if self.group_policy:
            params.append(('group_policy', self.group_policy))
        root_traits = sorted(self.root_required) + _negated(
            self.root_forbidden
        )
        if root_traits:
            params.append(('root_required', ','.join(root_traits)))
        if self.slot_relaxed:
            params.append(('same_subtree', self.slot_suffix))
        if limit is not None:
            params.append(('limit', str(limit)))
        # Placement reads these as they are; encoded they are hard to read.
        return urlencode(params, safe=':,!')

    def _group_params(self, group: RequestGroup) -> list[tuple[str, str]]:
        suffix = group.suffix
        params = []
        if group.resources:
            amounts = (f'{name}:{n}' for name, n in group.resources.items())
            params.append((f'resources{suffix}', ','.join(amounts)))
        traits = [min(ors) for ors in group.required if len(ors) == 1]
        traits += _negated(group.forbidden)
        if traits:
            params.append((f'required{suffix}', ','.join(traits)))
        params.extend(
            (f'required{suffix}', f'in:{",".join(sorted(ors))}')
            for ors in group.required
            if len(ors) > 1
        )
        if self.in_tree:
            params.append((f'in_tree{suffix}', self.in_tree))
        # Aggregates hold hosts: a nested provider is in none of its own.
        if not suffix:
            params.extend(
                ('member_of', f'in:{",".join(sorted(aggregates))}')
                for aggregates in self.member_of
            )
            if self.forbidden_aggregates:
                uuids = ','.join(sorted(self.forbidden_aggregates))
                params.append(('member_of', f'!in:{uuids}'))
        return params


_query = maker(PlacementRequest)


def takes_root(asked: Scope | PlacementRequest, traits: Iterable[str]) -> bool:
    """Whether a root provider with these traits may answer."""
    present = frozenset(traits)
    return present.issuperset(asked.root_required) and present.isdisjoint(
        asked.root_forbidden
    )


def _negated(names: Iterable[str]) -> list[str]:
    return [f'!{name}' for name in sorted(names)]


def translate(
    request: EncryptionRequest | Validation,
    *,
    scope: Scope = ANYWHERE,
    as_warnings: Collection[str] = (),
) -> PlacementRequest:
    """Return the query that finds hosts for a request.

    The slot and the model's trait go into a group of their own, so that one
    provider has both: a stale trait on a root then matches no other model's
    slots. Where several models will do, one query asks for any of them;
    Placement knows no preference, so the caller orders the answers.

    :param scope: the hosts that may answer; disabled ones may not
    :param as_warnings: codes that do not refuse the request
    :raises InvalidRequest: where a problem is an error
    """
    validation = validated(request, as_warnings=as_warnings)
    request = validation.request
    if validation and validation.errors:
        raise InvalidRequest(validation)
    # What a scope does to any query.
    forbidden = _DISABLED if scope is ANYWHERE else _NONE
    if request.encrypted:
        models = validation.models
        others, slot = _split_slot(request.groups, models)
        # A policy is about the flavor's groups among themselves; with only
        # one of them it must not keep the slot off a flat provider.
        policy = _policy(others, request, few=1)
        groups = (*others, slot)
        query = _query(
            groups, policy, models, slot.suffix, root_forbidden=forbidden
        )
    else:
        groups = request.groups
        policy = _policy(groups, request)
        query = _query(groups, policy, root_forbidden=forbidden)
    return query if scope is ANYWHERE else scope.narrow(query)


def _policy(
    groups: tuple[RequestGroup, ...],
    request: EncryptionRequest,
    few: int = 0,
) -> str | None:
    """Return the group policy, which Placement demands beside two groups.

    :param few: up to so many groups of the flavor, its policy has no effect
    """
    suffixed = sum([bool(group.suffix) for group in groups])
    if suffixed > few and request.group_policy:
        return request.group_policy
    return 'none' if suffixed + few > 1 else None


def _split_slot(
    groups: tuple[RequestGroup, ...], models: tuple[EncryptionModel, ...]
) -> tuple[tuple[RequestGroup, ...], RequestGroup]:
    """Return the flavor's groups without slots, and the slot's own group.

    A group of the flavor that asks for nothing but slots becomes one with
    the slot's group, so that its traits still count.
    """
    traits = frozenset([model.trait for model in models])
    others: list[RequestGroup] = []
    required = [traits]
    forbidden: set[str] = set()
    for group in groups:
        resources = group.resources
        if orc.MEM_ENCRYPTION_CONTEXT in resources:
            resources = {
                name: amount
                for name, amount in resources.items()
                if name != orc.MEM_ENCRYPTION_CONTEXT
            }
        beside = group.required
        if beside:
            beside = tuple([ors for ors in beside if not ors <= traits])
        if not resources:
            required.extend(beside)
            forbidden |= group.forbidden
            continue
        # The providers of VCPU and MEMORY_MB need not have the model's
        # trait, and with nested pools they do not.
        wanted = group.required if group.suffix else beside
        if resources is not group.resources or wanted != group.required:
            group = replace(group, resources=resources, required=wanted)
        others.append(group)
    taken = {group.suffix for group in others}
    suffix = SLOT_SUFFIX
    while suffix in taken:
        suffix += '_'
    return tuple(others), make_group(
        suffix,
        {orc.MEM_ENCRYPTION_CONTEXT: 1},
        tuple(dict.fromkeys(required)),
        frozenset(forbidden),
    )
