"""What nova's host states say to one request, in bulk.

Placement has offered these hosts for the request a moment ago, so most of
them fit, and there may be thousands. What they say has few different values,
and each value is judged once: hosts of which none speaks against are let
through by a few look-ups, and the others are judged one by one, by
:func:`sev_scheduling.judge`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import os_resource_classes as orc

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
from sev_scheduling.models import EncryptionModel
from sev_scheduling.nova.host_state import (
    AggregateFacts,
    Aggregates,
    host_of,
)
from sev_scheduling.nova.lookups import Answers, Slots
from sev_scheduling.nova.options import Options
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation

_ONE_FREE = SlotPool(total=1)
_FULL = SlotPool(total=1, used=1)
_UNCOUNTED = SlotPool(total=0)

Candidate = Mapping[str, Any]


class HostEvaluator:
    """Judges host states for one request, in one call of a filter.

    :param validation: of the request; flavor and image may have no names
    :param answers: asked for slots only where numbers are needed
    :param named: returns the same with names, for the words about hosts that
        are judged one by one
    :ivar undecided: a host was rejected because its guests cannot be counted
    :ivar blind: Placement did not answer about a provider that is not known;
        its slots are taken for the model's
    """

    def __init__(
        self,
        validation: Validation,
        options: Options,
        facts: AggregateFacts,
        answers: Answers,
        named: Callable[[], Validation] | None = None,
    ) -> None:
        self._named = named or (lambda: validation)
        self._request: EncryptionRequest = validation.request
        self._model = self._request.model
        self._options = options
        self._facts = facts
        self._answers = answers
        self._providers = answers.providers()
        self._slots: Slots | None = None
        self._asked_slots = False
        self._renewed = False
        self.undecided = False
        self.blind = False
        self._tolerant = False
        self._rejected: list[Verdict] = []
        #: Host states that have candidates of other models, and their own.
        self._own: list[tuple[Any, list[Candidate]]] = []

    @property
    def knows_providers(self) -> bool:
        """Whether it is known which providers have what."""
        return self._providers is not None

    def fitting(self, states: Sequence[Any]) -> list[Any]:
        """Return the host states that fit, in their order."""
        model = self._model
        if model is None:
            return [state for state in states if self._fits(state)]
        to_evaluate = self._to_evaluate(states, model)
        no_pool: Callable[[Mapping[str, Any]], bool] = bool
        if self._providers is not None:
            no_pool = self._providers.pools[model.name].isdisjoint
        return [
            state
            for state in states
            if (
                (
                    (
                        len(candidates := state.allocation_candidates) == 1
                        # A nested provider with a model's trait is a pool: it
                        # holds slots of this model and nothing else.
                        and not no_pool(candidates[0]['allocations'])
                    )
                    or self._are_surely_own(candidates, model)
                )
                # To look at the uuids of thousands takes a while.
                and (not to_evaluate or state.uuid not in to_evaluate)
            )
            or self._fits(state)
        ]

    def tolerable(self, states: Sequence[Any]) -> list[Any]:
        """Return the host states on which a server that exists would run.

        Whether they overcommit memory, or offer a model that should not
        share a host with its own, refuses no move where no other fits.
        """
        self._tolerant = True
        self._rejected.clear()
        return self.fitting(states)

    def drop_other_candidates(self) -> None:
        """Take candidates with another model's slot off the host states."""
        for state, own in self._own:
            state.allocation_candidates = own

    def can_rebuild(self, state: Any) -> bool:
        """Judge a host on which the server holds a slot of the model.

        Only what a new image can change: the machine type.
        """
        pools = {model.name: _ONE_FREE for model in self._request.models}
        host = host_of(state, pools, self._facts, self._providers)
        return self._keep(
            self._judge(replace(host, ram_allocation_ratio=None))
        )

    def rejected(self) -> FilterResult:
        """Return the verdicts of the hosts rejected so far."""
        return FilterResult(self._named().request, tuple(self._rejected))

    def _fits(self, state: Any) -> bool:
        """Judge one host by all that is known of it."""
        candidates = state.allocation_candidates
        own = [c for c in candidates if self._is_own(c)]
        if len(own) < len(candidates):
            self._own.append((state, own))
        pool = self._pool(state, own)
        if pool is _UNCOUNTED:
            self.undecided = True
            return False
        return self._keep(
            self._judge_slot(state, pool, self._beside(state, own))
        )

    def _beside(self, state: Any, own: Sequence[Candidate]) -> tuple[str, ...]:
        """Return the models of a host beside which its own must not run."""
        known, model = self._providers, self._model
        if known is None or model is None or self._tolerant:
            return ()
        excluding = known.excluding(model)
        if not excluding:
            return ()
        provider = _slot_provider(own[0]) if own else None
        return tuple(
            name
            for name in excluding
            if known.has_pool(state.uuid, name, provider)
        )

    def _judge(self, host: Host) -> Verdict:
        return judge(
            self._named(),
            host,
            require_known_machine_type=self._options.require_known_machine_type,
        )

    def _keep(self, verdict: Verdict) -> bool:
        if not verdict.fits:
            self._rejected.append(verdict)
        return verdict.fits

    def _is_own(self, candidate: Candidate) -> bool:
        """Say whether a candidate's slot is one of the model."""
        if self._providers is None:
            return True
        if self._model is None:
            return False
        if not self._providers.pools[self._model.name].isdisjoint(
            candidate['allocations']
        ):
            # A nested provider with a model's trait is a pool: it holds slots
            # of this model and nothing else.
            return True
        provider = _slot_provider(candidate)
        if provider is None:
            return False
        if not self._renewed and not self._providers.has(provider):
            renewed = self._answers.providers_with(provider)
            if renewed is not self._providers:
                # Once a call, however many hosts have such a provider.
                self._renewed = True
                self.blind = renewed is None
                self._providers = renewed or self._providers
        return provider in self._providers.offering[self._model.name] or (
            self.blind and not self._providers.has(provider)
        )

    def _pool(self, state: Any, own: list[Candidate]) -> SlotPool | None:
        """Return the model's slots; None where the host has none.

        A candidate is a free slot, so numbers are asked for only where a
        limit or a refusal needs them.
        """
        name = self._model.name if self._model else ''
        limit = self._facts.max_guests(tuple(state.aggregates), name)
        if own and limit is None:
            return _ONE_FREE
        slots = self._ask_slots()
        if own and slots is None and not self._options.passes:
            # Nova's own claim, which would be left, has no such limit.
            return _UNCOUNTED
        host = slots.hosts.get(state.uuid) if slots else None
        pool = host.pools.get(name) if host else None
        if not own:
            # The pool is full, whatever was answered a moment later.
            if pool is not None:
                return replace(pool, used=max(pool.used, pool.total))
            return _FULL if self._offers(state) else None
        if limit is None or pool is None:
            return _ONE_FREE
        if limit == 0:
            # As if it had none: none is to be had, whatever is free.
            return None
        # Placement has taken reserved slots off the total.
        return replace(pool, total=min(pool.total, limit))

    def _ask_slots(self) -> Slots | None:
        """Return the slots of now, asked at most once."""
        if not self._asked_slots:
            self._asked_slots = True
            self._slots = self._answers.slots()
        return self._slots

    def _offers(self, state: Any) -> bool:
        if self._providers is None or self._model is None:
            return True
        return state.uuid in self._providers.hosts[self._model.name]

    def _judge_slot(
        self, state: Any, pool: SlotPool | None, beside: tuple[str, ...]
    ) -> Verdict:
        pools = dict.fromkeys(beside, _ONE_FREE)
        if self._model is not None and pool is not None:
            pools[self._model.name] = pool
        host = host_of(state, pools, self._facts, self._providers)
        if self._tolerant:
            host = replace(host, ram_allocation_ratio=None)
        verdict = self._judge(host)
        if pool is _FULL and verdict.code is VerdictCode.NO_FREE_SLOT:
            # How many slots there are is not known.
            return replace(verdict, total=0, used=0)
        return verdict

    def _are_surely_own(
        self, candidates: Sequence[Candidate], model: EncryptionModel
    ) -> bool:
        """Say whether there are candidates, all with a slot of the model.

        By what is known of providers already.
        """
        if self._providers is None:
            return bool(candidates)
        offering = self._providers.offering[model.name]
        return bool(candidates) and all(
            [_slot_provider(one) in offering for one in candidates]
        )

    def _to_evaluate(
        self, states: Sequence[Any], model: EncryptionModel
    ) -> Set[str]:
        """Return the uuids of hosts that need a full evaluation.

        For anything but their candidates.
        """
        found = {*self._by_aggregates(states, model)}
        if self._providers is not None and not self._tolerant:
            for name in self._providers.excluding(model):
                found |= self._providers.hosts[name]
        if (
            model.pins_memory
            and not self._request.mem_page_size
            and not self._tolerant
        ):
            ratios = {state.ram_allocation_ratio for state in states}
            high = {ratio for ratio in ratios if ratio and ratio > 1.0}
            if high:
                found |= {
                    state.uuid
                    for state in states
                    if state.ram_allocation_ratio in high
                }
        hypervisors = {state.hypervisor_type for state in states}
        other = {
            name
            for name in hypervisors
            if name and name.lower() not in model.hypervisor_types
        }
        if other:
            found |= {
                state.uuid
                for state in states
                if state.hypervisor_type in other
            }
        return found

    def _by_aggregates(
        self, states: Sequence[Any], model: EncryptionModel
    ) -> Set[str]:
        """Return those that need one for their machine type or guests.

        As their aggregates say, or else the options.
        """
        facts, request = self._facts, self._request
        architecture = request.architecture or model.architectures[0]
        aggregates = {one for state in states for one in state.aggregates}
        with_facts = {one for one in aggregates if facts.concerns(one)}
        if not with_facts:
            default = facts.default_machine_types.get(architecture)
            limit = self._options.limit(model.name)
            return self._by_facts(states, model, default, limit)

        def facts_of(aggregates: Aggregates) -> tuple[str | None, int | None]:
            types = facts.machine_types(aggregates)
            limit = facts.max_guests(aggregates, model.name)
            return types.get(architecture), limit

        # Many aggregates say the same, and many hosts are in the same ones.
        by_facts = functools.cache(
            functools.partial(self._by_facts, states, model)
        )
        by_aggregates = functools.cache(lambda some: by_facts(*facts_of(some)))
        return {
            state.uuid
            for state in states
            if state.uuid
            in by_aggregates(
                tuple([one for one in state.aggregates if one in with_facts])
            )
        }

    def _by_facts(
        self,
        states: Sequence[Any],
        model: EncryptionModel,
        machine_type: str | None,
        limit: int | None,
    ) -> Set[str]:
        """Return those of hosts in the same aggregates.

        :param machine_type: the default of hosts that publish none
        :param limit: of the guests of a host
        """
        found = self._by_machine_type(states, model, machine_type)
        if limit is None:
            return found
        slots = self._ask_slots()
        if slots is not None:
            return found | slots.full(model.name, limit)
        return found if self._options.passes else _uuids(states)

    def _by_machine_type(
        self,
        states: Sequence[Any],
        model: EncryptionModel,
        default: str | None,
    ) -> Set[str]:
        """Return hosts whose machine type will not do, or is unknown."""
        request, wanted = self._request, model.machine_type
        if request.machine_type is not None:
            # The image decides for every host.
            will_do = wanted in request.machine_type
            return frozenset() if will_do else _uuids(states)
        architecture = request.architecture or model.architectures[0]
        fine: set[str] = set()
        other: set[str] = set()
        if self._providers is not None:
            for root, types in self._providers.machine_types.items():
                published = types.get(architecture)
                if published is not None:
                    (fine if wanted in published else other).add(root)
        strict = self._options.require_known_machine_type
        if wanted in default if default else not strict:
            return other
        return _uuids(states) - fine


def _uuids(states: Sequence[Any]) -> set[str]:
    return {state.uuid for state in states}


def _slot_provider(candidate: Candidate) -> str | None:
    for provider, allocation in candidate['allocations'].items():
        if orc.MEM_ENCRYPTION_CONTEXT in allocation['resources']:
            return str(provider)
    return None
