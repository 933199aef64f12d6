"""The shapes of Placement's answers: decoded from JSON and checked at once.

msgspec takes JSON of exactly these shapes and refuses any other. The
structures are not tracked by the garbage collector (``gc=False``): they hold
no cycles, and an answer about thousands of hosts has a hundred thousand.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
import os_resource_classes as orc
import os_traits

from sev_scheduling.hosts.host import Host, SlotPool, hosts_of, make_pool
from sev_scheduling.models import EncryptionModel
from sev_scheduling.prefilter import PlacementRequest, takes_root
from sev_scheduling.text import MAX_AMOUNT

#: Provider uuid -> resource class -> amount.
Amounts = Mapping[str, Mapping[str, int]]


class Usage(msgspec.Struct, frozen=True, gc=False):
    """How much of a resource class one provider has, and how much is used.

    :ivar capacity: reserved amounts taken off, allocation ratio applied
    """

    capacity: int
    used: int

    @property
    def left(self) -> int:
        return self.capacity - self.used


class ProviderSummary(msgspec.Struct, frozen=True, gc=False):
    """A resource provider, as ``GET /allocation_candidates`` shows it."""

    root_provider_uuid: str
    resources: Mapping[str, Usage]
    traits: tuple[str, ...]
    parent_provider_uuid: str | None = None


class Resources(msgspec.Struct, frozen=True, gc=False):
    """Resource class -> amount, of one provider."""

    resources: Mapping[str, int]


class AllocationRequest(msgspec.Struct, frozen=True, gc=False):
    """Provider uuid -> what a guest takes of it; never empty.

    :ivar mappings: group suffix -> uuids of the providers that serve it;
        Placement has them from microversion 1.34
    """

    allocations: Annotated[Mapping[str, Resources], msgspec.Meta(min_length=1)]
    mappings: Mapping[str, tuple[str, ...]] = {}


class ResourceProvider(msgspec.Struct, frozen=True, gc=False):
    uuid: str
    name: str
    root_provider_uuid: str
    parent_provider_uuid: str | None = None
    generation: int = 0


class Inventory(msgspec.Struct, frozen=True, gc=False):
    """How much of one resource class a provider has, as Placement keeps it."""

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = MAX_AMOUNT
    step_size: int = 1
    allocation_ratio: float = 1.0

    def most_of(self, left: int) -> int:
        """Return how much of what is left one guest can have."""
        most = min(left, self.max_unit)
        amount = most // self.step_size * self.step_size
        return amount if amount >= self.min_unit else 0

    @property
    def capacity(self) -> int:
        return int((self.total - self.reserved) * self.allocation_ratio)

    def gives(self, amount: int) -> bool:
        """Whether one consumer can have this amount, were all of it free."""
        return (
            self.min_unit <= amount <= self.max_unit
            and amount % self.step_size == 0
        )


class Allocations(msgspec.Struct, frozen=True, gc=False):
    """What one consumer holds, or is to hold; nothing of a new consumer.

    :ivar by_provider: provider uuid -> resource class -> amount
    :ivar consumer_generation: None for a consumer that holds nothing yet
    :ivar consumer_type: such as ``INSTANCE``; None where it is not known, as
        before Placement's 1.38. It is read, and left as it is by a write.
    """

    by_provider: Amounts = {}
    project_id: str = ''
    user_id: str = ''
    consumer_generation: int | None = None
    consumer_type: str | None = None

    def __bool__(self) -> bool:
        return bool(self.by_provider)


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
    allocations: Amounts


class Candidates(msgspec.Struct, frozen=True, gc=False):
    """The answer of ``GET /allocation_candidates``.

    :ivar allocation_requests: the candidates, as Placement has them
    :ivar provider_summaries: provider uuid -> summary, whole trees
    """

    allocation_requests: tuple[AllocationRequest, ...]
    provider_summaries: Mapping[str, ProviderSummary]

    def __add__(self, other: Candidates) -> Candidates:
        return Candidates(
            self.allocation_requests + other.allocation_requests,
            {**self.provider_summaries, **other.provider_summaries},
        )

    def of_roots(self, query: PlacementRequest) -> Candidates:
        """Return the candidates, and the trees, of roots with its traits."""
        return self.without(
            {
                root
                for root, summary in self.provider_summaries.items()
                if summary.root_provider_uuid == root
                and not takes_root(query, summary.traits)
            }
        )

    def without(self, roots: Collection[str]) -> Candidates:
        """Return the candidates, and the trees, of other hosts."""
        return Candidates(
            tuple(
                request
                for request in self.allocation_requests
                if self.identify(request, ())[0] not in roots
            ),
            {
                uuid: summary
                for uuid, summary in self.provider_summaries.items()
                if summary.root_provider_uuid not in roots
                or os_traits.MISC_SHARES_VIA_AGGREGATE in summary.traits
            },
        )

    def roots(self) -> frozenset[str]:
        """Return the root uuids of the hosts that have candidates."""
        return frozenset(
            self.identify(request, ())[0]
            for request in self.allocation_requests
        )

    def limited_to(self, limit: int | None) -> Candidates:
        """Return the first of them; the summaries stay as they are."""
        return Candidates(
            self.allocation_requests[:limit], self.provider_summaries
        )

    def __bool__(self) -> bool:
        return bool(self.allocation_requests)

    def trees(self) -> dict[str, list[str]]:
        """Return root uuid -> uuids of the providers of its tree."""
        trees: dict[str, list[str]] = {}
        for uuid, summary in self.provider_summaries.items():
            trees.setdefault(summary.root_provider_uuid, []).append(uuid)
        return trees

    def most_guests(self) -> int:
        """Return how many equal guests the candidates have room for.

        An upper bound: of each resource class what all providers have left
        that give it, on each host and in all. Other limits are not counted.
        """
        if not self.allocation_requests:
            return 0
        needed: Counter[str] = Counter()
        for one in self.allocation_requests[0].allocations.values():
            needed.update(one.resources)
        #: (root, resource class) -> providers; of all hosts, root is ''.
        giving: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        roots = set()
        for request in self.allocation_requests:
            root, _, _ = self.identify(request, ())
            roots.add(root)
            for provider, amounts in request.allocations.items():
                for name in amounts.resources:
                    giving[root, name].add(provider)
                    giving['', name].add(provider)

        def room(root: str) -> int:
            return min(
                sum(self._left(uuid, name) for uuid in giving[root, name])
                // max(1, amount)
                for name, amount in needed.items()
            )

        return min(room(''), sum(map(room, roots)))

    def _left(self, provider: str, name: str) -> int:
        summary = self.provider_summaries.get(provider)
        usage = summary.resources.get(name) if summary else None
        # What is not shown has no bound.
        return MAX_AMOUNT if usage is None else max(0, usage.left)

    def hosts(self, names: Mapping[str, str] | None = None) -> list[Host]:
        """Return the hosts of the summaries; uuids stand in for names."""
        return hosts_of_summaries(self.provider_summaries, names=names)

    def candidates(
        self, models: Collection[EncryptionModel]
    ) -> Iterator[Candidate]:
        """Yield the candidates, less those with another model's slot."""
        for request in self.allocation_requests:
            candidate = self.candidate(request, models)
            if candidate.model or not models:
                yield candidate

    def candidate(
        self, request: AllocationRequest, models: Collection[EncryptionModel]
    ) -> Candidate:
        """Return an allocation request as a candidate.

        Its model is None where it takes no slot of these models.
        """
        root, model, slot_provider = self.identify(request, models)
        amounts = {p: a.resources for p, a in request.allocations.items()}
        return Candidate(root, model, slot_provider, amounts)

    def identify(
        self, request: AllocationRequest, models: Collection[EncryptionModel]
    ) -> tuple[str, EncryptionModel | None, str | None]:
        """Return root, model and slot provider of an allocation request."""
        allocations = request.allocations
        slot_provider = None
        for provider, amounts in allocations.items():
            if orc.MEM_ENCRYPTION_CONTEXT in amounts.resources:
                slot_provider = provider
                break
        found = None
        summary = self.provider_summaries.get(slot_provider or '')
        if summary:
            for model in models:
                if model.trait in summary.traits:
                    found = model
                    break
        provider = slot_provider or main_provider(
            {p: a.resources for p, a in allocations.items()}
        )
        summary = self.provider_summaries.get(provider)
        root = summary.root_provider_uuid if summary else provider
        return root, found, slot_provider


def main_provider(amounts: Amounts) -> str:
    """Return the provider whose tree is the guest's host.

    It is the one of the slot, else the one of the CPUs: a sharing provider
    (storage) has a root of its own.
    """
    for name in (orc.MEM_ENCRYPTION_CONTEXT, orc.VCPU, orc.PCPU):
        for provider, resources in amounts.items():
            if name in resources:
                return provider
    return next(iter(amounts))


def hosts_of_summaries(
    summaries: Mapping[str, ProviderSummary],
    *,
    names: Mapping[str, str] | None = None,
    ram_allocation_ratios: Mapping[str, float] | None = None,
    inventories: Mapping[str, Mapping[str, Inventory]] | None = None,
) -> list[Host]:
    """Return the hosts of whole trees, as of an answer about candidates.

    :param names: provider uuid -> name; uuids stand in for them
    :param ram_allocation_ratios: root uuid -> ratio
    :param inventories: of providers of which reserved slots are to be shown
    """
    slots, known = orc.MEM_ENCRYPTION_CONTEXT, inventories or {}

    def pool(uuid: str, usage: Usage) -> SlotPool:
        found = known[uuid].get(slots) if uuid in known else None
        if found is None:
            # More may be reserved than there is.
            return make_pool(max(0, usage.capacity), 0, usage.used, uuid)
        return make_pool(
            found.total,
            found.reserved,
            usage.used,
            uuid,
            found.allocation_ratio,
        )

    return hosts_of(
        (
            (
                uuid,
                summary.root_provider_uuid,
                summary.traits,
                None if usage is None else pool(uuid, usage),
            )
            for uuid, summary in summaries.items()
            for usage in (summary.resources.get(slots),)
        ),
        names=names,
        ram_allocation_ratios=ram_allocation_ratios,
    )


# The answers themselves, where a key stands around what is asked for.


class Versions(msgspec.Struct, frozen=True, gc=False):
    """``GET /``"""

    versions: tuple[Version, ...]


class Version(msgspec.Struct, frozen=True, gc=False):
    max_version: str


class Trees(msgspec.Struct, frozen=True, gc=False):
    """``GET /allocation_candidates``, the candidates left out."""

    provider_summaries: Mapping[str, ProviderSummary]


class ProviderList(msgspec.Struct, frozen=True, gc=False):
    """``GET /resource_providers``"""

    resource_providers: list[ResourceProvider]


class Inventories(msgspec.Struct, frozen=True, gc=False):
    """``GET /resource_providers/{uuid}/inventories``"""

    inventories: Mapping[str, Inventory]


class Usages(msgspec.Struct, frozen=True, gc=False):
    """``GET /resource_providers/{uuid}/usages``"""

    usages: Mapping[str, int]


class Traits(msgspec.Struct, frozen=True, gc=False):
    """``GET /traits`` and ``GET /resource_providers/{uuid}/traits``"""

    traits: tuple[str, ...]


class ResourceClass(msgspec.Struct, frozen=True, gc=False):
    name: str


class ResourceClasses(msgspec.Struct, frozen=True, gc=False):
    """``GET /resource_classes``"""

    resource_classes: tuple[ResourceClass, ...]


class Aggregates(msgspec.Struct, frozen=True, gc=False):
    """``GET /resource_providers/{uuid}/aggregates``"""

    aggregates: tuple[str, ...]


class ProviderAllocations(msgspec.Struct, frozen=True, gc=False):
    """``GET /resource_providers/{uuid}/allocations``, by consumer."""

    allocations: Mapping[
        Annotated[str, msgspec.Meta(pattern='^[0-9a-fA-F-]{36}$')], Resources
    ]


#: What Placement says of a consumer that nobody gave a type.
UNKNOWN_TYPE = 'unknown'


class ConsumerAllocations(msgspec.Struct, frozen=True, gc=False):
    """``GET /allocations/{consumer}``, by provider."""

    allocations: Mapping[str, Resources]
    project_id: str = ''
    user_id: str = ''
    consumer_generation: int | None = None
    consumer_type: str = UNKNOWN_TYPE

    def __post_init__(self) -> None:
        if self.allocations and not (
            self.project_id
            and self.user_id
            and self.consumer_generation is not None
        ):
            raise ValueError('Allocations without project, user, generation')


#: What whole answers are decoded into.
SHAPES = (
    Versions,
    Candidates,
    Trees,
    ProviderList,
    Inventories,
    Usages,
    Traits,
    ResourceClasses,
    Aggregates,
    ProviderAllocations,
    ConsumerAllocations,
)

# msgspec reads the types of a shape when it decodes one for the first time.
# Where two threads do so at one moment, the process crashes (0.22), and
# nova-scheduler with it. While a module is imported there is one thread.
for _shape in SHAPES:
    msgspec.json.Decoder(_shape)
