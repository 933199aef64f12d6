"""What the plug-in asks Placement, shared by threads.

Which providers offer which model, what machine types hosts publish, and the
free slots that hosts are weighed by are cached for a short time. What
decides, which slots are free and what a server holds, is asked for afresh.
No look-up takes a number of calls that grows with the number of hosts.
"""

from __future__ import annotations

import functools
from typing import Any

import os_resource_classes as orc
from oslo_utils import timeutils

from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.nova.lookups.cache import Cache
from sev_scheduling.nova.lookups.client import Connection
from sev_scheduling.nova.lookups.deadline import CircuitBreaker, Deadline
from sev_scheduling.nova.lookups.providers import Providers, ask_providers
from sev_scheduling.nova.lookups.refresher import Refresher
from sev_scheduling.nova.lookups.slots import Slots, ask_slots
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.warning_log import Warnings
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.prefilter import PlacementRequest

#: Queries of which it is noted which host served them.
MAX_SERVED = 256

#: Models whose slot a server holds: none where it holds no slot of a known
#: model, several where its provider offers several.
Held = tuple[EncryptionModel, ...]


class Lookups:
    """Look-ups in one Placement.

    Each takes the deadline of the request that it is for, and raises a child
    of PlacementError where Placement does not answer.

    :ivar warnings: what filter, request filter and weigher log once
    :ivar weighs: whether encrypted guests are weighed by free slots
    """

    def __init__(
        self, options: Options, connection: Connection | None = None
    ) -> None:
        self._seconds = options.cache_seconds
        self._timeout = options.placement_timeout
        self.warnings = Warnings()
        self.weighs = False
        self._breaker = CircuitBreaker()
        self._connection = connection or Connection(
            options.placement_answer_limit * 2**20
        )
        self._providers = Cache(
            lambda deadline: ask_providers(self.client(deadline)),
            options.cache_seconds,
        )
        self._slots = Cache(
            lambda deadline: ask_slots(self.client(deadline)),
            options.slots_cache_seconds,
        )
        self._refresher = Refresher(self.deadline, self.warnings)
        #: Query -> root uuid of a host that had a candidate for it.
        self._served: dict[str, str] = {}
        #: Providers that Placement offered, and that had no model's trait
        #: when it was asked -> when that was.
        self._strangers: dict[str, float] = {}

    def deadline(self) -> Deadline:
        """Return the time that a new request may wait in vain."""
        return Deadline(self._timeout, self._breaker)

    def client(self, deadline: Deadline) -> PlacementClient:
        """Return what asks anything else."""
        return self._connection.client(deadline)

    def ask_ahead(self) -> None:
        """Have a thread ask what filter and weigher need of Placement.

        For an encrypted guest, before nova asks for its candidates: that
        takes longer, so that the guest does not wait for these as well.
        """
        if self._providers.due:
            self._refresher.renew(self._providers)
        if self.weighs and self._slots.due:
            self._refresher.renew(self._slots)

    def providers(self, deadline: Deadline) -> Providers:
        """Return which providers have what, at most ``cache_seconds`` old.

        It is older while another thread asks, or where nothing newer is to
        be had.
        """
        return self._providers.get(deadline)

    def last_known(self) -> Providers | None:
        """Return which providers had what, by the last answer to that."""
        return self._providers.last

    def providers_with(
        self, deadline: Deadline, provider: str, since: float
    ) -> Providers:
        """Return which providers have what, this one among them if it is.

        It may be a pool of a host that has just been added, of which a
        cached answer does not know. One without a model's trait is asked
        for once in ``cache_seconds``.

        :param since: an answer to what was asked after this moment will do,
            as :func:`oslo_utils.timeutils.now` counts
        """
        known = self.providers(deadline)
        if known.has(provider) or self._is_stranger(provider):
            return known
        known = self._providers.ask_since(since, deadline)
        if not known.has(provider):
            self._strangers = {
                stranger: asked_at
                for stranger, asked_at in self._strangers.items()
                if self._is_stranger(stranger)
            } | {provider: timeutils.now()}
        return known

    def _is_stranger(self, provider: str) -> bool:
        asked_at = self._strangers.get(provider)
        return (
            asked_at is not None and timeutils.now() - asked_at < self._seconds
        )

    def slots(self, deadline: Deadline) -> Slots:
        """Return the free slots of now."""
        return self._slots.ask(deadline)

    def recent_slots(self, deadline: Deadline) -> Slots:
        """Return the free slots of about ``slots_cache_seconds`` ago.

        No request waits for newer ones; see :meth:`.Cache.get_at_once`.
        """
        return self._slots.get_at_once(deadline, self._refresher.renew)

    def recent_providers(self, deadline: Deadline) -> Providers:
        """Return which providers have what, as of ``cache_seconds`` ago.

        No request waits for newer ones; see :meth:`.Cache.get_at_once`.
        Where no encrypted guest ever came, no thread of this package runs:
        a request asks anew once they are too old to be used.
        """
        encrypted_came = self._slots.last is not None
        renew = self._refresher.renew if encrypted_came else _leave_as_it_is
        return self._providers.get_at_once(deadline, renew)

    def likely_hosts(self, query: PlacementRequest) -> list[str]:
        """Return root uuids of hosts that are likely to serve a query.

        The one that did last time, and the one with the most free slots, by
        the last answer. None where the query names its host.
        """
        if query.in_tree is not None:
            return []
        last = self._served.get(query.querystring())
        slots = self._slots.last
        roomiest = [
            slots.roomiest(model.name) for model in query.models if slots
        ]
        return [*dict.fromkeys(filter(None, (last, *roomiest)))]

    def note_served(self, query: PlacementRequest, root: str) -> None:
        """Note a host that has a candidate for a query."""
        if len(self._served) >= MAX_SERVED:
            self._served.clear()
        self._served[query.querystring()] = root

    def held_models(self, deadline: Deadline, server: str) -> Held:
        """Return the models that the slot of a server may be of.

        :param server: its uuid
        """
        held = self.client(deadline).allocations(server)
        for provider, amounts in held.by_provider.items():
            if orc.MEM_ENCRYPTION_CONTEXT in amounts:
                return self._models_of(deadline, provider)
        return ()

    def misleading_models(self, deadline: Deadline, server: str) -> Held:
        """Return the models that nova may take a server's slot for.

        Their traits are on providers that gave the server something other
        than a slot; nova's query takes such a trait for the pool's.

        :param server: its uuid
        """
        held = self.client(deadline).allocations(server)
        found: list[EncryptionModel] = []
        for provider, amounts in held.by_provider.items():
            if orc.MEM_ENCRYPTION_CONTEXT not in amounts:
                found += self._models_of(deadline, provider)
        return tuple(found)

    def _models_of(self, deadline: Deadline, provider: str) -> Held:
        offering = self.providers_with(
            deadline, provider, timeutils.now()
        ).offering
        return tuple(
            model
            for model in registered_models().values()
            if provider in offering[model.name]
        )


def _leave_as_it_is(cache: Cache[Any]) -> None:
    """Renew nothing."""


@functools.lru_cache(maxsize=1)
def shared_lookups(options: Options) -> Lookups:
    """Return the look-ups that filter, request filter and weigher share.

    Nova makes all of these in one thread, before it takes requests.
    """
    return Lookups(options)
