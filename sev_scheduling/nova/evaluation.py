"""What nova's host states say to one request, in bulk.

Placement has offered these hosts for the request a moment ago, so most of
them fit, and there may be thousands. Those that fit for certain are let
through in blocks or by a few look-ups, and the others are judged one by one,
by :func:`sev_scheduling.judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import os_resource_classes as orc

from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import judge
from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
from sev_scheduling.models import EncryptionModel
from sev_scheduling.nova.host_state import AggregateFacts, host_of
from sev_scheduling.nova.lookups import Answers, Slots
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.screening import Screening
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation

_ONE_FREE = SlotPool(total=1)
_FULL = SlotPool(total=1, used=1)
_UNCOUNTED = SlotPool(total=0)

#: Host states that are looked at together: what is read of them fits into the
#: cache that a core of a processor has for itself.
_BLOCK = 512

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
        screening = Screening(
            states,
            self._request,
            model,
            self._options,
            self._facts,
            self._providers,
            self._ask_slots,
            tolerant=self._tolerant,
        )
        left: list[Any] = []
        for start in range(0, len(states), _BLOCK):
            block = states[start : start + _BLOCK]
            known = self._all_take_pools(block, model)
            if screening.clears_all(block, known) and (
                known or self._all_have_own(block, model)
            ):
                left += block
                continue
            left += [
                state
                for state in block
                if (
                    screening.clears(state)
                    and self._are_surely_own(
                        state.allocation_candidates, model
                    )
                )
                or self._fits(state)
            ]
        return left

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
        if not self.blind and not self._providers.has(provider):
            renewed = self._answers.providers_with(provider)
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
        if own and limit == 0:
            # As if it had none: none is to be had, whatever is free.
            return None
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
            # Among the slots, a host without a pool has none to be full.
            return _FULL if host is None and self._offers(state) else None
        if limit is None or pool is None:
            return _ONE_FREE
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

    def _all_take_pools(
        self, states: Sequence[Any], model: EncryptionModel
    ) -> bool:
        """Say whether each host has one candidate, with a pool of the model.

        The pool is known, and so is the host. Each candidate is looked at:
        with the model's trait on its root, a host is offered the slots of
        any pool, and what is known of the root may be older.
        """
        if self._providers is None:
            return False
        no_pool = self._providers.pools[model.name].isdisjoint
        found = [state.allocation_candidates for state in states]
        try:
            return not any([no_pool(one['allocations']) for (one,) in found])
        except ValueError:
            return False

    def _all_have_own(
        self, states: Sequence[Any], model: EncryptionModel
    ) -> bool:
        """Say whether all candidates of all hosts have a slot of the model."""
        return all(
            [
                self._are_surely_own(state.allocation_candidates, model)
                for state in states
            ]
        )

    def _are_surely_own(
        self, candidates: Sequence[Candidate], model: EncryptionModel
    ) -> bool:
        """Say whether there are candidates, all with a slot of the model.

        By what is known of providers already.
        """
        if self._providers is None:
            return bool(candidates)
        offering = self._providers.offering[model.name]
        no_pool = self._providers.pools[model.name].isdisjoint
        return bool(candidates) and all(
            [
                not no_pool(one['allocations'])
                or _slot_provider(one) in offering
                for one in candidates
            ]
        )


def _slot_provider(candidate: Candidate) -> str | None:
    for provider, allocation in candidate['allocations'].items():
        if orc.MEM_ENCRYPTION_CONTEXT in allocation['resources']:
            return str(provider)
    return None
