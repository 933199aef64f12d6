"""FakePlacement: a Placement in memory, for tests of schedulers."""

from __future__ import annotations

import contextlib
import threading
import uuid as uuidlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import os_resource_classes as orc
import os_traits
from keystoneauth1.session import Session
from msgspec.structs import replace

from sev_scheduling import arguments
from sev_scheduling.arguments import Items, Maybe, Of, checked, kinds_of
from sev_scheduling.exceptions import (
    InputError,
    PlacementConflict,
    PlacementRefused,
)
from sev_scheduling.placement.answers import (
    AllocationRequest,
    Allocations,
    Candidates,
    Inventory,
    ProviderSummary,
    ResourceProvider,
    Resources,
    Usage,
    Version,
    Versions,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.placement.diagnosis.matching import (
    Match,
    Options,
    Provider,
    combine,
    match_group,
)
from sev_scheduling.placement.wire.faults import UnknownName
from sev_scheduling.prefilter import (
    MICROVERSION,
    MICROVERSION_ANY_TRAIT,
    PlacementRequest,
    takes_root,
)

_A = TypeVar('_A')
_T = TypeVar('_T')


class FakePlacement(PlacementClient):
    """A client of a Placement in memory; no HTTP.

    It overrides the methods of :class:`.Api` with which this library asks
    Placement, and answers as the real one does: the contract tests hold both
    together. Threads may share it.

    :param max_microversion: pretend to be an older Placement
    :raises InputError: where it is not of the form 1.39
    :ivar calls: what was asked so far: the method's name, and what it was
        given
    :ivar providers: uuid -> provider; change their traits, aggregates and
        inventories as a cloud's change
    :ivar known_traits: traits that it knows, beside those of providers
    :ivar known_classes: resource classes, beside those of inventories
    """

    @checked(max_microversion=kinds_of(Api.__init__)['max_microversion'])
    def __init__(self, max_microversion: str = MICROVERSION_ANY_TRAIT) -> None:
        super().__init__(Session(), max_microversion=max_microversion)
        self._lock = threading.RLock()
        self._consumers: dict[str, Allocations] = {}
        self.calls: list[tuple[str, Any]] = []
        self.providers: dict[str, Provider] = {}
        self.known_traits = set(os_traits.get_traits())
        self.known_classes = set(orc.STANDARDS)

    def client(self) -> PlacementClient:
        """Return a client of it: itself."""
        return self

    @checked(
        name=arguments.TEXT,
        uuid=Maybe(arguments.UUID),
        parent=Maybe(arguments.UUID),
        inventories=Maybe(
            arguments.Pairs(arguments.NAME, Of(Inventory, 'an Inventory'))
        ),
        traits=Items(arguments.NAME),
        aggregates=Items(arguments.UUID),
    )
    def add_provider(
        self,
        name: str,
        *,
        uuid: str | None = None,
        parent: str | None = None,
        inventories: Mapping[str, Inventory] | None = None,
        traits: Iterable[str] = (),
        aggregates: Iterable[str] = (),
    ) -> str:
        """Add a resource provider; return its uuid.

        :param parent: uuid of the provider above it, or None
        :raises PlacementConflict: where its name or uuid is taken
        """
        with self._lock:
            uuid = uuid or str(uuidlib.uuid4())
            if any(p.uuid == uuid or p.name == name
                   for p in self.providers.values()):  # fmt: skip
                raise PlacementConflict(f'Provider {name} or {uuid} exists.')
            provider = Provider(
                uuid=uuid,
                root=self.providers[parent].root if parent else uuid,
                parent=parent,
                name=name,
                inventories=dict(inventories or {}),
                traits=set(traits),
                aggregates=set(aggregates),
            )
            self.providers[uuid] = provider
            return uuid

    # -- what Api asks --

    @checked(**kinds_of(Api.each))
    def each(self, ask: Callable[[_A], _T], about: Iterable[_A]) -> list[_T]:
        return [ask(one) for one in about]

    def _ask(self, shape: type[Any], method: str, url: str, **_: Any) -> Any:
        if shape is Versions:
            return Versions((Version(MICROVERSION_ANY_TRAIT),))
        raise InputError(
            f'{method} {url}: FakePlacement answers no HTTP; use '
            'embedded_placement().'
        )

    @contextlib.contextmanager
    def _called(
        self, method: str, what: Any, microversion: str = MICROVERSION
    ) -> Iterator[None]:
        self.require(microversion)
        with self._lock:
            self.calls.append((method, what))
            yield

    @checked(**kinds_of(Api.allocation_candidates))
    def allocation_candidates(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        with self._called('allocation_candidates', query, query.microversion):
            found = list(self._matches(query))[:limit]
            roots = {
                self.providers[uuid].root
                for one in found
                for uuid, _ in one.amounts
            }
            # Placement has mappings from 1.34 on.
            mapped = query.microversion != MICROVERSION
            return Candidates(
                tuple([_allocation_request(one, mapped) for one in found]),
                {
                    provider.uuid: _summary(provider)
                    for provider in self.providers.values()
                    if provider.root in roots
                },
            )

    @checked(**kinds_of(Api.trees))
    def trees(self, query: PlacementRequest) -> Mapping[str, ProviderSummary]:
        try:
            return self.allocation_candidates(query).provider_summaries
        except UnknownName:
            return {}

    def _matches(self, query: PlacementRequest) -> Iterator[Match]:
        """Yield matches.

        :raises PlacementRefused: where Placement takes no such query
        :raises UnknownName: like the real one, only as far as it gets before
            something has no provider
        """
        _check_query(query)
        self._check_traits(query.root_required | query.root_forbidden)
        providers = self.providers.values()
        if not any(
            takes_root(query, p.traits) for p in providers if not p.parent
        ):
            return
        options: list[Options] = []
        for group in query.groups:
            self._check_classes(group.resources)
            member_of = () if group.suffix else query.member_of
            if not any(provider.is_in(member_of) for provider in providers):
                return
            self._check_traits(group.forbidden.union(*group.required))
            if query.in_tree and query.in_tree not in self.providers:
                return
            options.append(match_group(self.providers, query, group))
            if not options[-1]:
                return
        yield from combine(self.providers, query, options)

    def _check_traits(self, names: Iterable[str]) -> None:
        unknown = set(names) - self.known_traits
        unknown.difference_update(*(p.traits for p in self.providers.values()))
        if unknown:
            raise UnknownName(f'No such trait(s): {sorted(unknown)}.')

    def _check_classes(self, names: Iterable[str]) -> None:
        unknown = set(names) - self.known_classes
        unknown.difference_update(
            *(p.inventories for p in self.providers.values())
        )
        if unknown:
            raise UnknownName(f'No such resource class {sorted(unknown)}.')

    @checked(**kinds_of(Api.resource_providers))
    def resource_providers(
        self,
        *,
        name: str | None = None,
        uuid: str | None = None,
        required: Iterable[frozenset[str]] = (),
        member_of: Iterable[frozenset[str]] = (),
        in_tree: str | None = None,
    ) -> list[ResourceProvider]:
        filters = {
            'name': name,
            'uuid': uuid,
            'required': required,
            'member_of': member_of,
            'in_tree': in_tree,
        }
        microversion = (
            MICROVERSION_ANY_TRAIT
            if any(len(traits) > 1 for traits in required)
            else MICROVERSION
        )
        with self._called('resource_providers', filters, microversion):
            _check_uuids(
                filter(None, [uuid, in_tree]), frozenset().union(*member_of)
            )
            tree = self.providers.get(in_tree or '')
            if in_tree and tree is None:
                return []
            self._check_traits(frozenset().union(*required))
            return [
                ResourceProvider(
                    uuid=provider.uuid,
                    name=provider.name,
                    root_provider_uuid=provider.root,
                    parent_provider_uuid=provider.parent,
                    generation=provider.generation,
                )
                for provider in self.providers.values()
                if name in (None, provider.name)
                and uuid in (None, provider.uuid)
                and (tree is None or provider.root == tree.root)
                and provider.is_in(member_of)
                and all(traits & provider.traits for traits in required)
            ]

    @checked(**kinds_of(Api.inventories))
    def inventories(self, provider: str) -> Mapping[str, Inventory] | None:
        with self._called('inventories', provider):
            found = self.providers.get(provider)
            return None if found is None else dict(found.inventories)

    @checked(**kinds_of(Api.usages))
    def usages(self, provider: str) -> Mapping[str, int] | None:
        with self._called('usages', provider):
            found = self.providers.get(provider)
            if found is None:
                return None
            return {
                name: found.used.get(name, 0) for name in found.inventories
            }

    @checked(**kinds_of(Api.traits))
    def traits(self, provider: str) -> frozenset[str] | None:
        with self._called('traits', provider):
            found = self.providers.get(provider)
            return None if found is None else frozenset(found.traits)

    @checked(**kinds_of(Api.aggregates))
    def aggregates(self, provider: str) -> frozenset[str] | None:
        with self._called('aggregates', provider):
            found = self.providers.get(provider)
            return None if found is None else frozenset(found.aggregates)

    @checked(**kinds_of(Api.consumers))
    def consumers(self, provider: str) -> Mapping[str, Mapping[str, int]]:
        with self._called('consumers', provider):
            return {
                consumer: dict(held.by_provider[provider])
                for consumer, held in self._consumers.items()
                if provider in held.by_provider
            }

    @checked(**kinds_of(Api.allocations))
    def allocations(self, consumer: str) -> Allocations:
        with self._called('allocations', consumer):
            return self._consumers.get(consumer) or Allocations()

    @checked(**kinds_of(Api.associated_traits))
    def associated_traits(self, prefix: str) -> list[str]:
        with self._called('associated_traits', prefix):
            held = {t for p in self.providers.values() for t in p.traits}
            return sorted(t for t in held if t.startswith(prefix))

    @checked(**kinds_of(Api.trait_names))
    def trait_names(self) -> frozenset[str]:
        with self._called('trait_names', None):
            held = (p.traits for p in self.providers.values())
            return frozenset(self.known_traits).union(*held)

    @checked(**kinds_of(Api.class_names))
    def class_names(self) -> frozenset[str]:
        with self._called('class_names', None):
            held = (p.inventories for p in self.providers.values())
            return frozenset(self.known_classes).union(*held)

    @checked(**kinds_of(Api.post_allocations))
    def post_allocations(self, claims: Mapping[str, Allocations]) -> None:
        with self._called('post_allocations', dict(claims)):
            _check_claims(claims)
            held = {uuid: self._held(uuid, c) for uuid, c in claims.items()}
            wanted = [claim.by_provider for claim in claims.values()]
            if not self.providers.keys() >= set().union(*wanted):
                # By then Placement has a record of each consumer.
                for uuid, before in held.items():
                    self._consumers.setdefault(uuid, before)
                raise PlacementRefused('A claim is on an unknown provider.')
            for by_provider in wanted:
                for amounts in by_provider.values():
                    self._check_classes(amounts)
            used = self._used_after(held, wanted)
            written: set[str] = set()
            for uuid, claim in claims.items():
                before = held[uuid]
                written.update(claim.by_provider or before.by_provider)
                self._consumers.pop(uuid, None)
                if claim:
                    generation = (before.consumer_generation or 0) + 1
                    self._consumers[uuid] = replace(
                        claim,
                        by_provider={
                            provider: dict(amounts)
                            for provider, amounts in claim.by_provider.items()
                        },
                        consumer_generation=generation,
                        # A write leaves it as it was: nobody gave one.
                        consumer_type=None,
                    )
                elif not before:
                    # One that is to hold nothing, and held nothing, is kept.
                    self._consumers[uuid] = before
            for uuid, provider in self.providers.items():
                provider.used = used[uuid]
                provider.generation += uuid in written

    def _held(self, uuid: str, claim: Allocations) -> Allocations:
        """Return what a consumer holds by now.

        :raises PlacementConflict: where the claim has another generation
        """
        held = self._consumers.get(uuid)
        expected = held.consumer_generation if held is not None else None
        if claim.consumer_generation != expected:
            raise PlacementConflict(
                f'consumer generation conflict - expected {expected} but '
                f'got {claim.consumer_generation}'
            )
        if held is None:
            return replace(claim, by_provider={}, consumer_generation=0)
        return held

    def _used_after(
        self,
        held: Mapping[str, Allocations],
        wanted: Iterable[Mapping[str, Mapping[str, int]]],
    ) -> dict[str, dict[str, int]]:
        """Return provider uuid -> usage once these hold what they want.

        :raises PlacementConflict: where there is not that much left
        """
        used = {uuid: dict(p.used) for uuid, p in self.providers.items()}
        for before in held.values():
            for uuid, amounts in before.by_provider.items():
                for name, amount in amounts.items():
                    used[uuid][name] -= amount
        for by_provider in wanted:
            for uuid, amounts in by_provider.items():
                provider = self.providers[uuid]
                for name, amount in amounts.items():
                    inventory = provider.inventories.get(name)
                    now = used[uuid].get(name, 0) + amount
                    if (
                        inventory is None
                        or not inventory.gives(amount)
                        # One with too much in use may get less of it.
                        or inventory.capacity
                        < now
                        > provider.used.get(name, 0)
                    ):
                        raise PlacementConflict(
                            f'{provider.name} cannot give {amount} {name}.'
                        )
                    used[uuid][name] = now
        return used


def _allocation_request(found: Match, mapped: bool) -> AllocationRequest:
    allocations: dict[str, dict[str, int]] = {}
    for (uuid, name), amount in found.amounts.items():
        allocations.setdefault(uuid, {})[name] = amount
    return AllocationRequest(
        {uuid: Resources(amounts) for uuid, amounts in allocations.items()},
        {suffix: tuple(sorted(p)) for suffix, p in found.mappings.items()}
        if mapped
        else {},
    )


def _summary(provider: Provider) -> ProviderSummary:
    return ProviderSummary(
        provider.root,
        {
            name: Usage(inventory.capacity, provider.used.get(name, 0))
            for name, inventory in provider.inventories.items()
        },
        tuple(sorted(provider.traits)),
        provider.parent,
    )


def _check_uuids(*groups: Iterable[str]) -> None:
    for uuids in groups:
        for uuid in uuids:
            try:
                uuidlib.UUID(uuid)
            except ValueError:
                raise PlacementRefused(f'{uuid} is no uuid.') from None


def _check_query(query: PlacementRequest) -> None:
    """:raises PlacementRefused: where Placement takes no such query"""
    in_tree = filter(None, [query.in_tree])
    _check_uuids(in_tree, query.forbidden_aggregates, *query.member_of)
    for group in query.groups:
        relaxed = (
            query.slot_relaxed
            and query.is_slot(group)
            and bool(group.required or group.forbidden or query.in_tree)
        )
        if not group.resources and not relaxed:
            raise PlacementRefused('A group asks for no resources.')
        if any(amount < 1 for amount in group.resources.values()):
            raise PlacementRefused('An amount is not above 0.')
        if any(ors <= group.forbidden for ors in group.required):
            raise PlacementRefused('A trait is required and forbidden.')
    if not any(group.resources for group in query.groups):
        raise PlacementRefused('No group asks for resources.')
    if query.root_required & query.root_forbidden:
        raise PlacementRefused('A root trait is required and forbidden.')
    granular = [group for group in query.groups if group.suffix]
    if len(granular) > 1 and not query.group_policy:
        raise PlacementRefused('Several groups need a group_policy.')


def _check_claims(claims: Mapping[str, Allocations]) -> None:
    """:raises PlacementRefused: where Placement takes no such claim"""
    if not claims:
        raise PlacementRefused('There is no claim.')
    for uuid, claim in claims.items():
        _check_uuids([uuid], claim.by_provider)
        for owner in (claim.project_id, claim.user_id):
            if not 0 < len(owner) <= 255:
                raise PlacementRefused('A project or user is too long.')
        for amounts in claim.by_provider.values():
            if not amounts or min(amounts.values()) < 1:
                raise PlacementRefused('An amount is not above 0.')
