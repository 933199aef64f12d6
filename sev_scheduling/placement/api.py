"""Api: what this library asks of a Placement.

All else in the library goes through the methods of :class:`Api` and
``supports()``; a Placement in memory overrides these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode

from sev_scheduling import arguments
from sev_scheduling.arguments import Items, Maybe, Of, checked
from sev_scheduling.placement import answers
from sev_scheduling.placement.answers import (
    Allocations,
    Candidates,
    Inventory,
    ProviderSummary,
    ResourceProvider,
)
from sev_scheduling.placement.wire.faults import NotFound, UnknownName
from sev_scheduling.placement.wire.wire import Wire
from sev_scheduling.prefilter import (
    MICROVERSION,
    MICROVERSION_ANY_TRAIT,
    MICROVERSION_CONSUMER_TYPE,
    MICROVERSION_ROOT_TRAIT,
    PlacementRequest,
)

#: Candidates that one answer may have: more than any cloud has hosts. It
#: bounds time and memory where sharing providers multiply them.
MAX_CANDIDATES = 50_000

_T = TypeVar('_T')

_QUERY = Of(PlacementRequest, 'what translate() returned')
_PREFIX = arguments.That(
    lambda value: value == '' or arguments.NAME.test(value),
    'what names begin with, in upper-case letters, digits and underscores',
)
#: A uuid or a name that Placement itself may have given, whatever it is: of
#: one that is none, Placement says so.
_GIVEN = Of(str, 'a text')


class Api(Wire):
    """What a Placement is asked, and its answers as data."""

    @checked(query=_QUERY, limit=Maybe(arguments.COUNT))
    def allocation_candidates(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        """Ask for allocation candidates, in one call.

        :param limit: how many to answer with at most;
            :data:`MAX_CANDIDATES` where it is None
        :raises UnknownName: where Placement does not know a name
        :raises PlacementError: another of its children
        """
        limit = MAX_CANDIDATES if limit is None else limit
        return self._ask(
            Candidates,
            'GET',
            f'/allocation_candidates?{query.querystring(limit)}',
            microversion=query.microversion,
        )

    @checked(query=_QUERY, limit=Maybe(arguments.COUNT))
    def candidates_of(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        """Ask for allocation candidates, in one call.

        Where Placement is older than 1.35, which brought root traits, the
        candidates are asked for without, and looked through here.

        :param limit: as in :meth:`allocation_candidates`
        """
        traits = query.root_required | query.root_forbidden
        if not traits or self.supports(MICROVERSION_ROOT_TRAIT):
            return self.allocation_candidates(query, limit)
        none: frozenset[str] = frozenset()
        wider = replace(query, root_required=none, root_forbidden=none)
        found = self.allocation_candidates(wider)
        return found.of_roots(query).limited_to(limit)

    @checked(query=_QUERY, limit=Maybe(arguments.COUNT))
    def candidates(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        """Ask for allocation candidates.

        Where any of several models will do and Placement is older than
        1.39, or does not know one of them, that is one call a model; the
        answer is the same. A trait or a resource class that Placement does
        not know is one that no host has.

        :param limit: how many candidates to answer with at most,
            :data:`MAX_CANDIDATES` where it is None; of several models,
            Placement may leave out any
        :raises PlacementError: one of its children
        """
        try:
            if self.supports(query.microversion) or len(query.models) < 2:
                return self.candidates_of(query, limit)
        except UnknownName:
            # Of one model, which says nothing of the others.
            if len(query.models) < 2:
                return Candidates((), {})
        found = Candidates((), {})
        for one in per_model(query):
            if limit is None or len(found.allocation_requests) < limit:
                found += self.candidates(one, limit)
        return found.limited_to(limit)

    @checked(query=_QUERY)
    def trees(self, query: PlacementRequest) -> Mapping[str, ProviderSummary]:
        """Ask for the trees of hosts that have candidates, in one call.

        The candidates are not decoded: of an answer about thousands of hosts
        they are half of all objects. A resource class that Placement does
        not know is one that no host has.

        :returns: provider uuid -> summary
        :raises PlacementError: one of its children
        """
        try:
            return self._ask(
                answers.Trees,
                'GET',
                f'/allocation_candidates?{query.querystring(MAX_CANDIDATES)}',
                microversion=query.microversion,
            ).provider_summaries
        except UnknownName:
            return {}

    @checked(
        name=Maybe(_GIVEN),
        uuid=Maybe(_GIVEN),
        required=Items(Items(_GIVEN, 1, frozenset)),
        member_of=Items(Items(_GIVEN, 1, frozenset)),
        in_tree=Maybe(_GIVEN),
    )
    def resource_providers(
        self,
        *,
        name: str | None = None,
        uuid: str | None = None,
        required: Iterable[frozenset[str]] = (),
        member_of: Iterable[frozenset[str]] = (),
        in_tree: str | None = None,
    ) -> list[ResourceProvider]:
        """Ask for providers; all of them where nothing is said.

        Placement has no limit for this answer.

        :param required: AND of ORs of traits; an OR of several needs 1.39
        :param member_of: AND of ORs of aggregate uuids
        :raises UnknownName: where Placement does not know a trait
        :raises PlacementError: another of its children
        """
        params: list[tuple[str, str]] = [
            (key, value)
            for key, value in (
                ('name', name),
                ('uuid', uuid),
                ('in_tree', in_tree),
            )
            if value is not None
        ]
        microversion = MICROVERSION
        for traits in required:
            if len(traits) > 1:
                microversion = MICROVERSION_ANY_TRAIT
                params.append(('required', f'in:{",".join(sorted(traits))}'))
            else:
                params.append(('required', min(traits)))
        params.extend(
            ('member_of', f'in:{",".join(sorted(aggregates))}')
            for aggregates in member_of
        )
        query = f'?{urlencode(params, safe=":,!")}' if params else ''
        return self._ask(
            answers.ProviderList,
            'GET',
            f'/resource_providers{query}',
            microversion=microversion,
        ).resource_providers

    @checked(uuids=Items(_GIVEN))
    def names(self, uuids: Iterable[str]) -> Mapping[str, str]:
        """Return provider uuid -> name, with these if they exist.

        All names are asked for once, and anew where one is missing. A
        provider that is renamed keeps its old name here; a compute host's
        never changes.

        :raises PlacementError: one of its children
        """
        if not self._names.keys() >= set(uuids):
            self._names = {p.uuid: p.name for p in self.resource_providers()}
        return self._names

    @checked(provider=_GIVEN)
    def inventories(self, provider: str) -> Mapping[str, Inventory] | None:
        """Return resource class -> inventory; None without the provider."""
        found = self._of(answers.Inventories, provider, 'inventories')
        return found.inventories if found else None

    @checked(provider=_GIVEN)
    def usages(self, provider: str) -> Mapping[str, int] | None:
        """Return resource class -> amount; None without the provider."""
        found = self._of(answers.Usages, provider, 'usages')
        return found.usages if found else None

    @checked(provider=_GIVEN)
    def traits(self, provider: str) -> frozenset[str] | None:
        """Return a provider's traits; None without the provider."""
        found = self._of(answers.Traits, provider, 'traits')
        return frozenset(found.traits) if found else None

    @checked(provider=_GIVEN)
    def aggregates(self, provider: str) -> frozenset[str] | None:
        """Return uuids of a provider's aggregates; None without it."""
        found = self._of(answers.Aggregates, provider, 'aggregates')
        return frozenset(found.aggregates) if found else None

    @checked(provider=_GIVEN)
    def consumers(self, provider: str) -> Mapping[str, Mapping[str, int]]:
        """Return consumer uuid -> resource class -> amount, of a provider."""
        found = self._of(answers.ProviderAllocations, provider, 'allocations')
        held = found.allocations if found else {}
        return {uuid: amounts.resources for uuid, amounts in held.items()}

    def _of(self, shape: type[_T], provider: str, what: str) -> _T | None:
        try:
            return self._ask(
                shape, 'GET', f'/resource_providers/{provider}/{what}'
            )
        except NotFound:
            return None

    @checked(consumer=_GIVEN)
    def allocations(self, consumer: str) -> Allocations:
        """Return what a consumer holds; false where it holds nothing.

        :param consumer: its uuid
        :raises PlacementError: one of its children
        """
        typed = self.supports(MICROVERSION_CONSUMER_TYPE)
        found = self._ask(
            answers.ConsumerAllocations,
            'GET',
            f'/allocations/{consumer}',
            microversion=(
                MICROVERSION_CONSUMER_TYPE if typed else MICROVERSION
            ),
        )
        kind = found.consumer_type
        return Allocations(
            {p: held.resources for p, held in found.allocations.items()},
            found.project_id,
            found.user_id,
            found.consumer_generation,
            None if kind == answers.UNKNOWN_TYPE else kind,
        )

    @checked(prefix=_PREFIX)
    def associated_traits(self, prefix: str) -> list[str]:
        """Return the traits of any provider that begin so, in their order.

        :raises PlacementError: one of its children
        """
        found = self._ask(
            answers.Traits,
            'GET',
            f'/traits?associated=true&name=startswith:{prefix}',
        )
        return sorted(found.traits)

    @checked()
    def trait_names(self) -> frozenset[str]:
        """Return the traits that Placement knows, of providers or not.

        :raises PlacementError: one of its children
        """
        return frozenset(self._ask(answers.Traits, 'GET', '/traits').traits)

    @checked()
    def class_names(self) -> frozenset[str]:
        """Return the resource classes that Placement knows.

        :raises PlacementError: one of its children
        """
        found = self._ask(answers.ResourceClasses, 'GET', '/resource_classes')
        return frozenset(one.name for one in found.resource_classes)

    @checked(claims=arguments.Pairs(_GIVEN, Of(Allocations, 'Allocations')))
    def post_allocations(self, claims: Mapping[str, Allocations]) -> None:
        """Set what consumers hold, of all of them or of none.

        :param claims: consumer uuid -> what it is to hold; nothing frees it
        :raises PlacementConflict: where a generation is not the one that
            Placement has, or there is not that much left
        :raises PlacementError: another of its children
        """
        body = {
            consumer: {
                'allocations': {
                    provider: {'resources': dict(amounts)}
                    for provider, amounts in claim.by_provider.items()
                },
                'project_id': claim.project_id,
                'user_id': claim.user_id,
                'consumer_generation': claim.consumer_generation,
            }
            for consumer, claim in claims.items()
        }
        self._ask(dict[str, Any], 'POST', '/allocations', json=body)


def per_model(query: PlacementRequest) -> Iterator[PlacementRequest]:
    """Yield a query for each model, the best first."""
    any_of = frozenset(model.trait for model in query.models)
    for model in query.models:
        one = frozenset((model.trait,))
        yield replace(
            query,
            groups=tuple(
                replace(
                    group,
                    required=tuple(
                        one if ors == any_of else ors for ors in group.required
                    ),
                )
                if group.suffix == query.slot_suffix
                else group
                for group in query.groups
            ),
            models=(model,),
        )
