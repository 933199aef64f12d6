"""What nova's host states say to one request, in bulk.

Placement has offered these hosts for the request a moment ago, so most of
them fit, and there may be thousands. The values of a column are few: hosts
of which no value speaks against are let through by a few look-ups in sets,
and the others are judged one by one, by :func:`sev_scheduling.judge`; of
those that are alike in all that counts, one is judged for all that fit.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import os_resource_classes as orc

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
from sev_scheduling.models import EncryptionModel
from sev_scheduling.nova.host_state import AggregateFacts, host_of
from sev_scheduling.nova.lookups import Answers, Providers
from sev_scheduling.nova.options import Options
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation

_ONE_FREE = SlotPool(total=1)
_FULL = SlotPool(total=1, used=1)
_UNCOUNTED = SlotPool(total=0)

#: A column of thousands of hosts is read twice as fast without a line
#: of Python for each.
_RATIO = operator.attrgetter('ram_allocation_ratio')
_HYPERVISOR = operator.attrgetter('hypervisor_type')
_AGGREGATES = operator.attrgetter('aggregates')

Candidate = Mapping[str, Any]
Kind = tuple[object, ...]


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
        self._named = functools.cache(named or (lambda: validation))
        self._request: EncryptionRequest = validation.request
        self._model = self._request.model
        self._options = options
        self._facts = facts
        self._answers = answers
        self._providers = answers.providers()
        # Asked at most once, whatever the answer is.
        self._slots = functools.cache(answers.slots)
        self._renewed = False
        self.undecided = False
        self.blind = False
        self._tolerant = False
        self._rejected: list[Verdict] = []
        #: What hosts that fit have been like, their slots apart.
        self._fitting: set[Kind] = set()
        #: Host states that have candidates of other models, and their own.
        self._own: list[tuple[Any, list[Candidate]]] = []

    @property
    def knows_providers(self) -> bool:
        """Whether it is known which providers have what."""
        return self._providers is not None

    def fitting(self, states: Sequence[Any]) -> list[Any]:
        """Return the host states that fit, in their order."""
        model, providers = self._model, self._providers
        if (
            model is None
            or providers is None
            # Numbers are needed of each host.
            or self._options.limit(model.name) is not None
        ):
            return [state for state in states if self._fits(state)]
        to_evaluate = self._to_evaluate(states, model, providers)
        no_pool = providers.pools[model.name].isdisjoint
        flat = providers.flat(model)

        def from_root(candidate: Candidate) -> bool:
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
        self._fitting.clear()
        return [state for state in states if self._fits(state)]

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
        beside = self._beside(state, own)
        if pool is None or pool.free <= 0:
            return self._keep(self._judge_slot(state, pool, beside))
        kind = self._kind(state, beside)
        if kind in self._fitting:
            return True
        verdict = self._judge_slot(state, pool, beside)
        if verdict.fits:
            self._fitting.add(kind)
        return self._keep(verdict)

    def _kind(self, state: Any, beside: tuple[str, ...]) -> Kind:
        """Return all that the verdict on a host with a free slot is made of.

        As :func:`host_of` and :meth:`_judge_slot` make a host of it.
        """
        published: Mapping[str, str] = {}
        if self._providers is not None:
            published = self._providers.machine_types.get(state.uuid, {})
        return (
            self._facts.content(state),
            tuple(published.items()),
            state.ram_allocation_ratio,
            state.hypervisor_type,
            beside,
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
        limit = self._facts.max_guests(state, name)
        if own and limit is None:
            return _ONE_FREE
        slots = self._slots()
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
        # Placement has taken reserved slots off the total.
        return replace(pool, total=min(pool.total, limit))

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

    def _to_evaluate(
        self,
        states: Collection[Any],
        model: EncryptionModel,
        providers: Providers,
    ) -> set[str]:
        """Return the uuids of hosts that need a full evaluation.

        For their ratio, hypervisor, machine type, aggregate facts, or another
        model; not for their candidates.
        """
        found = self._by_machine_type(states, model, providers)
        for name in providers.excluding(model):
            found |= providers.pool_hosts[name]
        if model.pins_memory and not self._request.mem_page_size:
            ratios = set(map(_RATIO, states))
            high = {ratio for ratio in ratios if ratio and ratio > 1.0}
            if high:
                found.update(
                    state.uuid
                    for state in states
                    if state.ram_allocation_ratio in high
                )
        other = {
            name
            for name in set(map(_HYPERVISOR, states))
            if name and name.lower() not in model.hypervisor_types
        }
        if other:
            found.update(
                state.uuid
                for state in states
                if state.hypervisor_type in other
            )
        # Nova's states share one object for each aggregate.
        aggregates = set(
            itertools.chain.from_iterable(map(_AGGREGATES, states))
        )
        concerned = {one for one in aggregates if self._facts.concerns(one)}
        if concerned:
            found.update(
                state.uuid
                for state in states
                if not concerned.isdisjoint(state.aggregates)
            )
        return found

    def _by_machine_type(
        self,
        states: Collection[Any],
        model: EncryptionModel,
        providers: Providers,
    ) -> set[str]:
        """Return hosts whose default machine type will not do, or is unknown.

        What their aggregates say of it is not regarded.
        """
        request, wanted = self._request, model.machine_type
        if request.machine_type and wanted in request.machine_type:
            # The image decides for every host.
            return set()
        if request.machine_type:
            return {state.uuid for state in states}
        architecture = request.architecture or model.architectures[0]
        fine: set[str] = set()
        other: set[str] = set()
        for root, types in providers.machine_types.items():
            machine_type = types.get(architecture)
            if machine_type is not None:
                (fine if wanted in machine_type else other).add(root)
        default = self._facts.default_machine_types.get(architecture)
        strict = self._options.require_known_machine_type
        if wanted in default if default else not strict:
            return other
        return {state.uuid for state in states} - fine


def _slot_provider(candidate: Candidate) -> str | None:
    for provider, allocation in candidate['allocations'].items():
        if orc.MEM_ENCRYPTION_CONTEXT in allocation['resources']:
            return str(provider)
    return None
