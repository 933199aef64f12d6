"""What the plug-in asks Placement, shared by threads.

Which providers offer which model, and what machine types hosts publish, is
remembered for a short time, and so are the free slots that hosts are weighed
by. What decides, which slots are free and what a server holds, is asked for
afresh. No look-up takes a number of calls that grows with the number of
hosts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import os_resource_classes as orc

from sev_scheduling.hosts.host import Host
from sev_scheduling.nova.lookups.cache import RecentSlots, Remembered
from sev_scheduling.nova.lookups.client import placement_client
from sev_scheduling.nova.lookups.deadline import Budget
from sev_scheduling.nova.lookups.providers import (
    Providers,
    ask_providers,
    strange_answer,
)
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.placement.hosts import one_of


class Lookups:
    """Look-ups in one Placement.

    :param cache_seconds: tells how long to remember providers
    :param timeout: tells the seconds that a request waits for look-ups in vain
    :param slots_cache_seconds: tells how long to weigh by the same slots
    """

    def __init__(
        self,
        cache_seconds: Callable[[], float],
        timeout: Callable[[], float],
        slots_cache_seconds: Callable[[], float] = lambda: 0.0,
        *,
        client: PlacementClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._budget = Budget(timeout, clock)
        self._client = client
        self._providers = Remembered(
            lambda: ask_providers(self.client()),
            cache_seconds,
            self._budget,
            clock,
        )
        self._recent_slots = Remembered(
            lambda: RecentSlots(self._ask_slots()),
            slots_cache_seconds,
            self._budget,
            clock,
        )
        #: providers that Placement offered, and that had no model's trait
        #: when it was asked
        self._strangers: dict[str, float] = {}

    def step(
        self, request: object | None = None
    ) -> AbstractContextManager[None]:
        """Let the look-ups within take no longer together than one may.

        :param request: whose steps are limited in all
        """
        return self._budget.step(request)

    def providers(self) -> Providers:
        """Return which providers have what; asked for at most once a while.

        :raises PlacementError: one of its children
        """
        return self._providers.get()

    def last_known(self) -> Providers | None:
        """Return what :meth:`providers` told last, however long ago."""
        return self._providers.last

    def providers_with(self, provider: str) -> Providers:
        """Return the same, asked for again if this one is not among them.

        It may be a pool of a host that has just been added. One without a
        model's trait is asked for once a while, as all the others.

        :raises PlacementError: one of its children
        """
        known = self.providers()
        if known.has(provider) or self._is_stranger(provider):
            return known
        self._providers.forget()
        known = self.providers()
        if not known.has(provider):
            self._strangers = {
                stranger: asked_at
                for stranger, asked_at in self._strangers.items()
                if self._is_stranger(stranger)
            } | {provider: self._clock()}
        return known

    def _is_stranger(self, provider: str) -> bool:
        asked_at = self._strangers.get(provider, -math.inf)
        return self._clock() - asked_at < self._cache_seconds()

    def slots(self) -> Mapping[str, Host]:
        """Return root uuid -> host, of hosts with any free slot.

        Full pools of such a host are among its pools.

        :raises PlacementError: one of its children
        """
        return self._recent_slots.renew().hosts

    def recent_slots(self) -> RecentSlots:
        """Return the same; asked for at most once a while.

        :raises PlacementError: one of its children
        """
        return self._recent_slots.get()

    def _ask_slots(self) -> Mapping[str, Host]:
        query = one_of(orc.MEM_ENCRYPTION_CONTEXT)
        hosts = self.client().allocation_candidates(query).hosts()
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
            raise strange_answer('allocations') from None
        return None

    def client(self) -> PlacementClient:
        """Return what asks anything else; within :meth:`step`."""
        if self._client is None:
            self._client = placement_client(self._budget)
        return self._client
