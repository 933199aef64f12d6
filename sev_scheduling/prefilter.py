"""translate(): a request becomes a query for allocation candidates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import os_resource_classes as orc

from sev_scheduling.exceptions import InvalidRequest
from sev_scheduling.groups import RequestGroup
from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import Severity
from sev_scheduling.request import EncryptionRequest
from sev_scheduling.validation import usable_models, validate

SLOT_SUFFIX = '_MEM_ENCRYPTION'

#: Group suffixes in words came with 1.33, ``required=in:`` with 1.39.
MICROVERSION = '1.33'
MICROVERSION_ANY_TRAIT = '1.39'


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
    """

    groups: tuple[RequestGroup, ...]
    group_policy: str | None = None
    models: tuple[EncryptionModel, ...] = ()
    slot_suffix: str = ''
    member_of: tuple[frozenset[str], ...] = ()
    in_tree: str | None = None

    @property
    def microversion(self) -> str:
        """The oldest microversion of Placement that understands it."""
        any_of = any(
            len(traits) > 1
            for group in self.groups
            for traits in group.required
        )
        return MICROVERSION_ANY_TRAIT if any_of else MICROVERSION

    def querystring(self, limit: int | None = None) -> str:
        """Return the query, encoded, without a leading question mark.

        :param limit: how many candidates Placement may answer with
        """
        params: list[tuple[str, str]] = []
        for group in self.groups:
            params.extend(self._group_params(group))
        if self.group_policy:
            params.append(('group_policy', self.group_policy))
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
        traits += [f'!{trait}' for trait in sorted(group.forbidden)]
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
        return params


def translate(
    request: EncryptionRequest, *, as_warnings: Collection[str] = ()
) -> PlacementRequest:
    """Return the query that finds hosts for a request.

    The slot and the model's trait go into a group of their own, so that one
    provider has both: a stale trait on a root then matches no other model's
    slots. Where several models will do, one query asks for any of them;
    Placement knows no preference, so the caller orders the answers.

    :param as_warnings: codes that do not refuse the request
    :raises InvalidRequest: where a problem is an error
    """
    problems = validate(request, as_warnings=as_warnings)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise InvalidRequest(problems)
    suffixed = [group.suffix for group in request.groups if group.suffix]
    if not request.encrypted:
        policy = request.group_policy if suffixed else None
        if len(suffixed) > 1:
            policy = policy or 'none'
        return PlacementRequest(request.groups, policy)

    models = usable_models(request, as_warnings=as_warnings)
    traits = frozenset(model.trait for model in models)
    suffix = SLOT_SUFFIX
    while suffix in suffixed:
        suffix += '_'
    slot = RequestGroup(suffix, {orc.MEM_ENCRYPTION_CONTEXT: 1}, (traits,))
    policy = 'none' if suffixed else None
    if len(suffixed) > 1 and request.group_policy:
        # A policy is about the flavor's groups among themselves; with only
        # one of them it must not keep the slot off a flat provider.
        policy = request.group_policy
    return PlacementRequest(
        (*_without_own_traits(request.groups, traits), slot),
        policy,
        models,
        suffix,
    )


def _without_own_traits(
    groups: tuple[RequestGroup, ...], traits: frozenset[str]
) -> tuple[RequestGroup, ...]:
    """Take the model's trait out of the unsuffixed group.

    The slot's group has it; the providers of VCPU and MEMORY_MB need not,
    and with nested pools they do not.
    """
    return tuple(
        group
        if group.suffix
        else replace(
            group,
            required=tuple(ors for ors in group.required if not ors <= traits),
        )
        for group in groups
    )
