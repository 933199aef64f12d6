"""What nova's host states say to one request.

Placement has offered these hosts for the request a moment ago, so most of
them fit, and there may be thousands: those of which nothing speaks against
are let through by a few look-ups in sets, and only the others are judged one
by one, by :func:`sev_scheduling.judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import os_resource_classes as orc

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
from sev_scheduling.nova.doubt import doubtful_hosts
from sev_scheduling.nova.host_state import HostFacts
from sev_scheduling.nova.lookups.providers import Providers
from sev_scheduling.request.request import EncryptionRequest

_NOTHING: frozenset[str] = frozenset()
_ONE_FREE = SlotPool(total=1)
_FULL = SlotPool(total=1, used=1)
_UNTOLD = SlotPool(total=0)


class HostEvaluator:
    """Judges host states for one request, in one call of a filter.

    :param providers: what Placement tells of providers; None where it did
        not answer
    :param slots: returns root uuid -> host with free slots, or None where
        Placement does not answer; called at most once, and only where
        numbers are needed
    :param limits_hold: tells whether to reject hosts with a limit to the
        number of guests where Placement does not tell how many there are:
        nova's own claim knows no such limit
    :param with_provider: returns what Placement tells of providers, afresh
        if one that it has offered is not known yet
    :ivar undecided: whether any host was rejected as nobody can count
    :ivar blind: whether Placement did not tell of a provider that is not
        known; its slots are taken for the model's
    """

    def __init__(
        self,
        request: EncryptionRequest,
        facts: HostFacts,
        providers: Providers | None,
        slots: Callable[[], Mapping[str, Host] | None],
        *,
        require_known_machine_type: bool = False,
        limits_hold: Callable[[], bool] = lambda: True,
        with_provider: Callable[[str], Providers | None] | None = None,
    ) -> None:
        self._request = request
        self._model = request.model
        self._facts = facts
        self._providers = providers
        self._ask_slots = slots
        self._slots: Mapping[str, Host] | None = None
        self._asked = False
        self._strict = require_known_machine_type
        self._limits_hold = limits_hold
        self.undecided = False
        self.blind = False
        self._rejected: list[Verdict] = []
        self._with_provider = with_provider

    def fitting(self, states: Sequence[Any]) -> list[Any]:
        """Return the host states that fit, in their order.

        Candidates with another model's slot are taken off the host states.
        """
        model, providers = self._model, self._providers
        if model is None or providers is None:
            return [state for state in states if self._fits(state)]
        if self._facts.limits_every_host(model.name):
            # Numbers are needed of each.
            return [state for state in states if self._fits(state)]
        doubtful = doubtful_hosts(
            states, self._request, model, self._facts, providers, self._strict
        )
        no_pool = providers.pools[model.name].isdisjoint
        flat = providers.flat(model)

        def from_root(candidate: Mapping[str, Any]) -> bool:
            # A root gives the slot where no other provider gives anything.
            return (
                len(candidate['allocations']) == 1
                and _slot_provider(candidate) in flat
            )

        return [
            state
            for state in states
            if (
                len(candidates := state.allocation_candidates) == 1
                and (
                    # A nested provider with a model's trait is a pool: it
                    # holds slots of this model and nothing else.
                    not no_pool((only := candidates[0])['allocations'])
                    or from_root(only)
                )
                # To look at the uuids of thousands takes a while.
                and (not doubtful or state.uuid not in doubtful)
            )
            or self._fits(state)
        ]

    def can_rebuild(self, state: Any) -> bool:
        """Judge a host on which the server holds a slot of the model.

        Only what a new image can change: the machine type.
        """
        pools = {model.name: _ONE_FREE for model in self._request.models}
        return self._keep(
            judge(
                self._request,
                self._host(state, pools),
                require_known_machine_type=self._strict,
            )
        )

    def rejected(self) -> FilterResult:
        """Return the verdicts of the hosts rejected so far."""
        return FilterResult(self._request, tuple(self._rejected))

    def _fits(self, state: Any) -> bool:
        """Judge one host by all that is known of it."""
        candidates = state.allocation_candidates
        own = [c for c in candidates if self._is_own(c)]
        if len(own) < len(candidates):
            state.allocation_candidates = own
        provider = _slot_provider(own[0]) if own else None
        pool = self._pool(state, own)
        if pool is _UNTOLD:
            self.undecided = True
            return False
        return self._keep(self._judge(state, pool, provider))

    def _keep(self, verdict: Verdict) -> bool:
        if not verdict.fits:
            self._rejected.append(verdict)
        return verdict.fits

    def _is_own(self, candidate: Mapping[str, Any]) -> bool:
        """Say whether a candidate's slot is one of the model."""
        if self._providers is None:
            return True
        provider = _slot_provider(candidate)
        if provider is None or self._model is None:
            return False
        if self._with_provider and not self._providers.has(provider):
            renewed = self._with_provider(provider)
            if renewed is not self._providers:
                # Once a call, however many hosts have such a provider.
                self._with_provider = None
                self.blind = renewed is None
                self._providers = renewed or self._providers
        return provider in self._providers.offering[self._model.name] or (
            self.blind and not self._providers.has(provider)
        )

    def _pool(
        self, state: Any, own: list[Mapping[str, Any]]
    ) -> SlotPool | None:
        """Return the model's slots; None where the host has none.

        A candidate is a free slot, so numbers are asked for only where a
        limit or a refusal needs them.
        """
        name = self._model.name if self._model else ''
        limit = self._facts.max_guests(state, name)
        if own and limit is None:
            return _ONE_FREE
        slots = self._known_slots()
        if own and slots is None and self._limits_hold():
            return _UNTOLD
        host = (slots or {}).get(state.uuid)
        pool = host.pools.get(name) if host else None
        if not own:
            # The pool is full, whatever was told a moment later.
            if pool is not None:
                return replace(pool, used=max(pool.used, pool.total))
            return _FULL if self._offers(state) else None
        if limit is None or pool is None:
            return _ONE_FREE
        # Placement has taken reserved slots off the total.
        return replace(pool, total=min(pool.total, limit))

    def _offers(self, state: Any) -> bool:
        if self._providers is None or self._model is None:
            return True
        return state.uuid in self._providers.hosts[self._model.name]

    def _known_slots(self) -> Mapping[str, Host] | None:
        if not self._asked:
            self._asked = True
            self._slots = self._ask_slots()
        return self._slots

    def _judge(
        self, state: Any, pool: SlotPool | None, provider: str | None
    ) -> Verdict:
        pools = {}
        if self._model is not None:
            if pool is not None:
                pools[self._model.name] = pool
            for name in self._model.excluded_by:
                if self._has_pool(state, name, provider):
                    pools[name] = _ONE_FREE
        verdict = judge(
            self._request,
            replace(
                self._host(state, pools),
                ram_allocation_ratio=state.ram_allocation_ratio or None,
            ),
            require_known_machine_type=self._strict,
        )
        if pool is _FULL and verdict.code is VerdictCode.NO_FREE_SLOT:
            # How many slots there are is not known.
            return replace(verdict, total=0, used=0)
        return verdict

    def _host(self, state: Any, pools: Mapping[str, SlotPool]) -> Host:
        told: Mapping[str, str] = {}
        if self._providers is not None:
            told = self._providers.machine_types.get(state.uuid, {})
        return Host(
            name=state.nodename or state.host,
            uuid=state.uuid,
            pools=pools,
            machine_types={**self._facts.machine_types(state), **told},
            hypervisor_type=state.hypervisor_type,
        )

    def _has_pool(self, state: Any, name: str, provider: str | None) -> bool:
        """Say whether a host has slots of another model.

        A trait of it on the root alone may be a stale one, unless the root
        gives the slot that is asked for.
        """
        if self._providers is None:
            return False
        return state.uuid in self._providers.hosts_with_pools(
            [name]
        ) or provider in self._providers.offering.get(name, _NOTHING)


def _slot_provider(candidate: Mapping[str, Any]) -> str | None:
    for provider, allocation in candidate['allocations'].items():
        if orc.MEM_ENCRYPTION_CONTEXT in allocation['resources']:
            return str(provider)
    return None
