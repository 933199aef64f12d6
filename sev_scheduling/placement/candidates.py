"""Placement's answer to a query, and the choice among its candidates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import os_resource_classes as orc

from sev_scheduling.exceptions import PlacementAnswerError
from sev_scheduling.hosts.host import Host
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
            candidate = self.candidate(request, models)
            if candidate.model or not models:
                yield candidate

    def candidate(
        self, request: Mapping[str, Any], models: Collection[EncryptionModel]
    ) -> Candidate:
        """Return an allocation request as a candidate.

        Its model is None where it takes no slot of these models.
        """
        root, model, slot_provider = self.told(request, models)
        allocations = {
            provider: dict(allocation['resources'])
            for provider, allocation in request['allocations'].items()
        }
        return Candidate(root, model, slot_provider, allocations)

    def told(
        self, request: Mapping[str, Any], models: Collection[EncryptionModel]
    ) -> tuple[str, EncryptionModel | None, str | None]:
        """Return root, model and slot provider of an allocation request."""
        allocations = request['allocations']
        slot_provider = _holder(allocations, orc.MEM_ENCRYPTION_CONTEXT)
        found = None
        summary = self.provider_summaries.get(slot_provider or '')
        if summary:
            for model in models:
                if model.trait in summary['traits']:
                    found = model
                    break
        provider = slot_provider or _telling(allocations)
        summary = self.provider_summaries.get(provider)
        root = summary['root_provider_uuid'] if summary else provider
        return root, found, slot_provider


def telling_provider(held: Mapping[str, Any]) -> str:
    """Return the provider that tells on which host a guest is.

    A sharing provider (storage) has a root of its own; the host is the one
    that gives the slot or the CPUs.

    :param held: ``allocations``, as Placement has them
    """
    return _holder(held, orc.MEM_ENCRYPTION_CONTEXT) or _telling(held)


def _telling(allocations: Mapping[str, Any]) -> str:
    found = (_holder(allocations, name) for name in (orc.VCPU, orc.PCPU))
    return next(filter(None, found), next(iter(allocations)))


def _holder(allocations: Mapping[str, Any], name: str) -> str | None:
    for provider, allocation in allocations.items():
        if name in allocation['resources']:
            return provider
    return None


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
