"""What the plug-in knows from Placement, shared by threads.

Which providers offer which model, and what machine types hosts publish, is
remembered for a short time. How many slots are free and what a server holds
is asked for afresh. No look-up takes a number of calls that grows with the
number of hosts.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import os_resource_classes as orc

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementUnavailable,
)
from sev_scheduling.hosts import (
    MACHINE_TYPE_TRAIT_PREFIX,
    Host,
    machine_types_from_traits,
)
from sev_scheduling.models import registered_models
from sev_scheduling.nova.placement import Budget, placement_client
from sev_scheduling.placement.candidates import Candidates
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.placement.http import UnknownName

#: Different machine types that hosts may publish; more are not looked at.
MAX_MACHINE_TYPES = 20

_NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class Providers:
    """Which providers have what, by their traits.

    :ivar offering: model name -> uuids of the providers with its trait
    :ivar pools: of these, those that are no root: they hold slots of the
        model and nothing else
    :ivar hosts: model name -> root uuids of the trees they are in
    :ivar pool_hosts: the same for ``pools``
    :ivar machine_types: root uuid -> architecture -> machine type; {} where
        a host publishes several
    :ivar published: traits that publish a machine type, of any host
    """

    offering: Mapping[str, frozenset[str]]
    pools: Mapping[str, frozenset[str]]
    hosts: Mapping[str, frozenset[str]]
    pool_hosts: Mapping[str, frozenset[str]]
    machine_types: Mapping[str, Mapping[str, str]]
    published: frozenset[str]

    def has(self, provider: str) -> bool:
        """Say whether a provider offers any model."""
        return any(provider in theirs for theirs in self.offering.values())

    def with_slots(self) -> frozenset[str]:
        """Return the root uuids of hosts that offer any model."""
        return frozenset().union(*self.hosts.values())

    def hosts_with_pools(self, models: Iterable[str]) -> frozenset[str]:
        """Return the root uuids of hosts that have a pool of any of them.

        A model's trait on the root alone may be a stale one.
        """
        return frozenset().union(
            *(self.pool_hosts.get(model, ()) for model in models)
        )


class Lookups:
    """Look-ups in one Placement.

    :param cache_seconds: tells how long to remember
    :param timeout: tells the seconds that look-ups of one step may take
    """

    def __init__(
        self,
        cache_seconds: Callable[[], float],
        timeout: Callable[[], float],
        *,
        client: PlacementClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache_seconds = cache_seconds
        self._timeout = timeout
        self._clock = clock
        self._budget = Budget()
        self._client = client
        self._lock = threading.Lock()
        self._providers: Providers | None = None
        self._asked_at = _NEVER
        #: providers that Placement offered, and that have no model's trait
        self._strangers: set[str] = set()

    def step(self) -> AbstractContextManager[None]:
        """Let the look-ups within take no longer together than one may."""
        return self._budget.of(self._timeout())

    def providers(self) -> Providers:
        """Return which providers have what; asked for at most once a while.

        :raises PlacementError: one of its children
        """
        known = self._fresh()
        if known is not None:
            return known
        with self.step():
            # One thread asks; the others wait for its answer.
            if not self._lock.acquire(timeout=self._budget.left()):
                raise PlacementUnavailable(
                    'Placement did not answer within placement_timeout.'
                )
            try:
                known = self._fresh()
                if known is None:
                    known = _ask_providers(self.client())
                    if self._asked_at > _NEVER:
                        self._strangers.clear()
                    self._providers = known
                    self._asked_at = self._clock()
                return known
            finally:
                self._lock.release()

    def last_known(self) -> Providers | None:
        """Return what :meth:`providers` told last, however long ago."""
        return self._providers

    def providers_with(self, provider: str) -> Providers:
        """Return the same, asked for again if this one is not among them.

        It may be a pool of a host that has just been added. One without a
        model's trait is asked for once a while, as all the others.

        :raises PlacementError: one of its children
        """
        known = self.providers()
        if known.has(provider) or provider in self._strangers:
            return known
        self._asked_at = _NEVER
        known = self.providers()
        if not known.has(provider):
            self._strangers.add(provider)
        return known

    def _fresh(self) -> Providers | None:
        if self._clock() - self._asked_at < self._cache_seconds():
            return self._providers
        return None

    def slots(self) -> Mapping[str, Host]:
        """Return root uuid -> host, of hosts with any free slot.

        Full pools of such a host are among its pools.

        :raises PlacementError: one of its children
        """
        name = orc.MEM_ENCRYPTION_CONTEXT
        with self.step():
            answer = self.client().call(
                'GET', f'/allocation_candidates?resources={name}:1'
            )
        hosts = Candidates.from_answer(answer).hosts()
        return {host.uuid: host for host in hosts if host.uuid}

    def slot_provider(self, server: str) -> str | None:
        """Return the provider whose slot a server holds; None for no slot.

        :raises PlacementError: one of its children
        """
        with self.step():
            answer = self.client().call('GET', f'/allocations/{server}')
        try:
            for provider, allocation in answer['allocations'].items():
                if orc.MEM_ENCRYPTION_CONTEXT in allocation['resources']:
                    return str(provider)
        except (AttributeError, KeyError, TypeError):
            raise _strange('allocations') from None
        return None

    def client(self) -> PlacementClient:
        """Return what asks anything else; within :meth:`step`."""
        if self._client is None:
            self._client = placement_client(self._budget)
        return self._client


def _ask_providers(client: PlacementClient) -> Providers:
    offering = {}
    pools = {}
    hosts = {}
    pool_hosts = {}
    for model in registered_models().values():
        found = list(_with_trait(client, model.trait))
        nested = [(uuid, root) for uuid, root in found if uuid != root]
        offering[model.name] = frozenset(uuid for uuid, _ in found)
        pools[model.name] = frozenset(uuid for uuid, _ in nested)
        hosts[model.name] = frozenset(root for _, root in found)
        pool_hosts[model.name] = frozenset(root for _, root in nested)
    traits: dict[str, set[str]] = {}
    published = _machine_type_traits(client)
    for trait in published:
        for uuid, root in _with_trait(client, trait):
            if uuid == root:
                traits.setdefault(root, set()).add(trait)
    return Providers(
        offering,
        pools,
        hosts,
        pool_hosts,
        {
            root: machine_types_from_traits(theirs)
            for root, theirs in traits.items()
        },
        frozenset().union(*traits.values()),
    )


def _with_trait(
    client: PlacementClient, trait: str
) -> Iterator[tuple[str, str]]:
    """Yield uuid and root uuid of the providers that have a trait."""
    try:
        answer = client.call('GET', f'/resource_providers?required={trait}')
    except UnknownName:
        # No host of an older nova has it.
        return
    for provider in _listed(answer, 'resource_providers'):
        try:
            found = str(provider['uuid']), str(provider['root_provider_uuid'])
        except (KeyError, TypeError):
            raise _strange('resource_providers') from None
        yield found


def _machine_type_traits(client: PlacementClient) -> list[str]:
    answer = client.call(
        'GET',
        f'/traits?associated=true&name=startswith:{MACHINE_TYPE_TRAIT_PREFIX}',
    )
    traits = _listed(answer, 'traits')
    return sorted(map(str, traits))[:MAX_MACHINE_TYPES]


def _listed(answer: Mapping[str, Any], name: str) -> list[Any]:
    listed = answer.get(name)
    if not isinstance(listed, list):
        raise _strange(name)
    return listed


def _strange(name: str) -> PlacementAnswerError:
    return PlacementAnswerError(
        f'GET /{name}: the answer lists no {name.replace("_", " ")}; check '
        'the endpoint.'
    )
