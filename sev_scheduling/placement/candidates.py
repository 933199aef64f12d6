"""Placement's answer to a query, and the choice among its candidates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import os_resource_classes as orc

from sev_scheduling.exceptions import PlacementAnswerError
from sev_scheduling.hosts import Host
from sev_scheduling.models import EncryptionModel

Allocations = Mapping[str, Mapping[str, int]]  # provider -> class -> amount


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to place one guest.

    :ivar root: uuid of the host's root provider
    :ivar model: the model whose slot it takes; None without a slot
    :ivar slot_provider: uuid of the provider of the slot, or None
    :ivar allocations: provider uuid -> resource class -> amount
    """

    root: str
    model: EncryptionModel | None
    slot_provider: str | None
    allocations: Allocations

    def payload(self) -> dict[str, Any]:
        """Return what ``PUT /allocations`` calls ``allocations``."""
        return {
            provider: {'resources': dict(amounts)}
            for provider, amounts in self.allocations.items()
        }


@dataclass(frozen=True, slots=True)
class Candidates:
    """The answer of ``GET /allocation_candidates``.

    :ivar allocation_requests: as Placement has them
    :ivar provider_summaries: as Placement has them, whole trees
    """

    allocation_requests: tuple[Mapping[str, Any], ...]
    provider_summaries: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Candidates:
        """:raises PlacementAnswerError: where it has another shape"""
        try:
            requests = answer['allocation_requests']
            summaries = answer['provider_summaries']
            _check_requests(requests)
            _check_summaries(summaries)
            return cls(tuple(requests), summaries)
        except (AttributeError, KeyError, TypeError):
            raise PlacementAnswerError(
                'GET /allocation_candidates: the answer has no allocation '
                'requests and provider summaries, or strange ones; check the '
                'endpoint.'
            ) from None

    def __add__(self, other: Candidates) -> Candidates:
        return Candidates(
            self.allocation_requests + other.allocation_requests,
            {**self.provider_summaries, **other.provider_summaries},
        )

    def limited_to(self, limit: int | None) -> Candidates:
        """Return the first of them; the summaries stay as they are."""
        return Candidates(
            self.allocation_requests[:limit], self.provider_summaries
        )

    def __bool__(self) -> bool:
        return bool(self.allocation_requests)

    def hosts(self, names: Mapping[str, str] | None = None) -> list[Host]:
        """Return the hosts of the summaries; uuids stand in for names."""
        return Host.from_provider_summaries(
            self.provider_summaries, names=names
        )

    def candidates(
        self, models: Collection[EncryptionModel]
    ) -> Iterator[Candidate]:
        """Yield the candidates, less those with another model's slot."""
        for request in self.allocation_requests:
            allocations = {
                provider: dict(allocation['resources'])
                for provider, allocation in request['allocations'].items()
            }
            provider = _holder(allocations, orc.MEM_ENCRYPTION_CONTEXT)
            model = None
            if models:
                model = self._model(provider, models)
                if model is None:
                    continue
            yield Candidate(
                self._root(allocations),
                model,
                provider,
                allocations,
            )

    def _model(
        self, provider: str | None, models: Iterable[EncryptionModel]
    ) -> EncryptionModel | None:
        summary = self.provider_summaries.get(provider or '', {})
        traits = summary.get('traits', ())
        return next((m for m in models if m.trait in traits), None)

    def _root(self, allocations: Allocations) -> str:
        provider = telling_provider(allocations)
        summary = self.provider_summaries.get(provider, {})
        return str(summary.get('root_provider_uuid', provider))

    def room(self) -> dict[str, dict[str, int]]:
        """Return provider uuid -> resource class -> what is left."""
        return {
            provider: {
                name: amounts['capacity'] - amounts['used']
                for name, amounts in summary['resources'].items()
            }
            for provider, summary in self.provider_summaries.items()
        }


def telling_provider(allocations: Allocations) -> str:
    """Return the provider that tells on which host a guest is.

    A sharing provider (storage) has a root of its own; the host is the one
    that gives the slot or the CPUs.
    """
    found = (
        _holder(allocations, name)
        for name in (orc.MEM_ENCRYPTION_CONTEXT, orc.VCPU, orc.PCPU)
    )
    return next(filter(None, found), next(iter(allocations)))


def _holder(allocations: Allocations, name: str) -> str | None:
    return next(
        (p for p, amounts in allocations.items() if name in amounts), None
    )


# Large answers make these two a part of what the client itself takes: plain
# loops, which are three times as quick as all() over generators.


def _check_requests(requests: Any) -> None:
    """:raises AttributeError, KeyError, TypeError: where they are strange"""
    for request in requests:
        allocations = request['allocations'].values()
        if not allocations:
            raise TypeError
        for allocation in allocations:
            for amount in allocation['resources'].values():
                if not isinstance(amount, int):
                    raise TypeError


def _check_summaries(summaries: Any) -> None:
    """:raises AttributeError, KeyError, TypeError: where they are strange"""
    for summary in summaries.values():
        if not isinstance(summary['root_provider_uuid'], str):
            raise TypeError
        ''.join(summary['traits'])  # All are text, or it raises.
        for amounts in summary['resources'].values():
            if not (
                isinstance(amounts['capacity'], int)
                and isinstance(amounts['used'], int)
            ):
                raise TypeError
