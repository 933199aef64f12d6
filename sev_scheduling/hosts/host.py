"""What a scheduler knows of a host, from nested or flat provider trees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import os_resource_classes as orc
import os_traits

from sev_scheduling.models import (
    EncryptionModel,
    model_traits,
    registered_models,
)
from sev_scheduling.records import maker

#: A host publishes its default machine type as this and the type's name in
#: the alphabet of traits: ``CUSTOM_HW_MACHINE_TYPE_Q35``.
MACHINE_TYPE_TRAIT_PREFIX = 'CUSTOM_HW_MACHINE_TYPE_'

#: Where no trait shows a host's architecture.
DEFAULT_ARCHITECTURE = 'x86_64'
_ARCHITECTURE_TRAIT_PREFIX = 'HW_ARCH_'

#: The dots of versions, which the alphabet of traits does not have.
_DOT = re.compile(r'(?<=\d)(?<!q35)-(?=\d)')


#: No processor has more keys: the address space identifiers of AMD and the
#: key identifiers of Intel have 16 bits.
_MOST_SLOTS = 2**16


def is_unlimited(total: int) -> bool:
    """Say whether a number of slots stands for none that is known.

    Nova up to 2026.1 reports 2147483647 where libvirt reports no limit.
    """
    return total > _MOST_SLOTS


@dataclass(frozen=True, slots=True)
class SlotPool:
    """The slots of one model on one host.

    :ivar total: slots in the inventory
    :ivar reserved: slots that are never given to guests
    :ivar used: slots that guests hold
    :ivar provider_uuid: the resource provider that holds the inventory
    :ivar allocation_ratio: of the inventory; nova reports 1.0
    """

    total: int
    reserved: int = 0
    used: int = 0
    provider_uuid: str | None = None
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        """Slots for guests, as Placement counts them; never negative."""
        return max(
            0, int((self.total - self.reserved) * self.allocation_ratio)
        )

    @property
    def free(self) -> int:
        """Slots that a guest can have now; never negative."""
        return self.free_within(self.total)

    def free_within(self, limit: int) -> int:
        """Return the same, where the inventory is at most so large."""
        total = min(self.total, limit)
        capacity = int((total - self.reserved) * self.allocation_ratio)
        return max(0, capacity - self.used)

    @property
    def unlimited(self) -> bool:
        """Whether it is not known how many slots there are."""
        return is_unlimited(self.total)


make_pool = maker(SlotPool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One compute host.

    :ivar pools: model name -> :class:`SlotPool`
    :ivar machine_types: architecture -> default machine type, None or
        absent where unknown
    :ivar ram_allocation_ratio: of MEMORY_MB; None where unknown
    :ivar hypervisor_type: such as ``QEMU``; None where unknown
    :ivar traits: those of the root resource provider
    """

    name: str
    uuid: str | None = None
    pools: Mapping[str, SlotPool] = field(default_factory=dict, hash=False)
    machine_types: Mapping[str, str | None] = field(
        default_factory=dict, hash=False
    )
    ram_allocation_ratio: float | None = None
    hypervisor_type: str | None = None
    traits: frozenset[str] = frozenset()

    @property
    def disabled(self) -> bool:
        """Whether its compute service is disabled, by the trait for it."""
        return os_traits.COMPUTE_STATUS_DISABLED in self.traits

    @classmethod
    def from_provider_summaries(
        cls,
        summaries: Mapping[str, Mapping[str, Any]],
        *,
        names: Mapping[str, str] | None = None,
        ram_allocation_ratios: Mapping[str, float] | None = None,
        models: Iterable[EncryptionModel] | None = None,
    ) -> list[Host]:
        """Build one host for each root provider of a Placement answer.

        A pool is a provider that has both an inventory of
        ``MEM_ENCRYPTION_CONTEXT`` and a model's trait; a model's trait on a
        provider without the inventory makes none, so that a stale trait on
        a root does no harm. A flat provider that carries several models'
        traits counts, with the same slots, for each of them.

        :param summaries: the ``provider_summaries`` of
            ``GET /allocation_candidates`` at 1.29 or later:
            provider uuid -> ``{'resources': {class: {'capacity': int,
            'used': int}}, 'traits': [...], 'root_provider_uuid': ...}``.
            ``capacity`` has the reserved slots taken off and the allocation
            ratio applied; where ``total``, ``reserved`` and
            ``allocation_ratio`` are given as well, they are kept.
        :param names: provider uuid -> name; the uuid stands in for a name
            that is missing
        :param ram_allocation_ratios: root provider uuid -> ratio
        :param models: the models to look for; all registered by default
        :returns: hosts in the order in which their trees first appear
        """
        return hosts_of(
            (
                (
                    uuid,
                    summary.get('root_provider_uuid') or uuid,
                    tuple(summary.get('traits', ())),
                    _pool(uuid, summary),
                )
                for uuid, summary in summaries.items()
            ),
            names=names,
            ram_allocation_ratios=ram_allocation_ratios,
            models=models,
        )


_host = maker(Host)

#: A resource provider: its uuid, that of its root, its traits, and its slots,
#: if it has an inventory of any.
Provider = tuple[str, str, tuple[str, ...], SlotPool | None]


def hosts_of(
    providers: Iterable[Provider],
    *,
    names: Mapping[str, str] | None = None,
    ram_allocation_ratios: Mapping[str, float] | None = None,
    models: Iterable[EncryptionModel] | None = None,
) -> list[Host]:
    """Build one host for each root provider.

    See :meth:`Host.from_provider_summaries`; in one pass, as there may be
    thousands.
    """
    by_trait = (
        model_traits()
        if models is None
        else {model.trait: model for model in models}
    )
    names, ratios = names or {}, ram_allocation_ratios or {}
    # Providers are many, and few kinds of them.
    models_of: dict[tuple[str, ...], list[str]] = {}
    roots: dict[str, tuple[str, ...]] = {}
    pools: dict[str, dict[str, SlotPool]] = {}
    for uuid, root, traits, pool in providers:
        if uuid == root:
            roots[root] = traits
        offered = pools.get(root)
        if offered is None:
            offered = pools[root] = {}
        if pool is None:
            continue
        offers = models_of.get(traits)
        if offers is None:
            offers = [by_trait[t].name for t in traits if t in by_trait]
            models_of[traits] = offers
        for name in offers:
            # Both a flat and a nested pool of one model (a host in the midst
            # of an upgrade): nova reports the nested one from now on, and
            # the one with more free slots is what a guest gets.
            known = offered.get(name)
            if known is None or _use(pool) > _use(known):
                offered[name] = pool
    kinds: dict[
        tuple[str, ...], tuple[frozenset[str], dict[str, str | None]]
    ] = {}
    hosts = []
    for root, offered in pools.items():
        traits = roots.get(root, ())
        kind = kinds.get(traits)
        if kind is None:
            kind = frozenset(traits), {**machine_types_from_traits(traits)}
            kinds[traits] = kind
        hosts.append(
            _host(
                name=names.get(root, root),
                uuid=root,
                pools=offered,
                machine_types=kind[1].copy(),
                ram_allocation_ratio=ratios.get(root),
                traits=kind[0],
            )
        )
    return hosts


def _pool(uuid: str, summary: Mapping[str, Any]) -> SlotPool | None:
    slots = summary.get('resources', {}).get(orc.MEM_ENCRYPTION_CONTEXT)
    if not slots:
        return None
    return SlotPool(
        # More may be reserved than there is.
        total=slots.get('total', max(0, slots['capacity'])),
        reserved=slots.get('reserved', 0),
        used=slots['used'],
        provider_uuid=uuid,
        allocation_ratio=slots.get('allocation_ratio', 1.0),
    )


def _use(pool: SlotPool) -> tuple[bool, bool, int]:
    return pool.free > 0, not pool.unlimited, pool.free


def machine_type_trait(machine_type: str) -> str:
    """Return the trait that publishes a default machine type.

    >>> machine_type_trait('pc-q35-8.2')
    'CUSTOM_HW_MACHINE_TYPE_PC_Q35_8_2'
    """
    name: str = orc.normalize_name(machine_type)
    return MACHINE_TYPE_TRAIT_PREFIX + name.removeprefix(orc.CUSTOM_NAMESPACE)


def machine_types_from_traits(traits: Iterable[str]) -> dict[str, str]:
    """Return architecture -> default machine type, as traits publish it.

    Nova adds the trait of a new default and never takes away that of the old
    one, so of several any may be the default: :func:`common_machine_type`.

    >>> machine_types_from_traits(['CUSTOM_HW_MACHINE_TYPE_Q35'])
    {'x86_64': 'q35'}
    """
    architecture = DEFAULT_ARCHITECTURE
    machine_types: set[str] = set()
    for trait in sorted(traits):
        if trait.startswith(MACHINE_TYPE_TRAIT_PREFIX):
            machine_types.add(trait.removeprefix(MACHINE_TYPE_TRAIT_PREFIX))
        elif trait.startswith(_ARCHITECTURE_TRAIT_PREFIX):
            architecture = trait.removeprefix(
                _ARCHITECTURE_TRAIT_PREFIX
            ).lower()
    common = common_machine_type(map(_machine_type, machine_types))
    return {architecture: common} if common else {}


def _machine_type(name: str) -> str:
    """Return the machine type that a trait's name stands for.

    >>> _machine_type('PC_Q35_RHEL9_4_0')
    'pc-q35-rhel9.4.0'
    """
    return _DOT.sub('.', name.lower().replace('_', '-'))


def common_machine_type(machine_types: Iterable[str]) -> str | None:
    """Return one of the types that a host may default to.

    None where it matters which: a model takes some of them, and not all.

    >>> common_machine_type(['pc-q35-8.2', 'q35'])
    'q35'
    >>> common_machine_type(['pc', 'q35'])
    """
    found = sorted(set(machine_types), key=lambda name: (len(name), name))
    for model in registered_models().values():
        if len({model.machine_type in name for name in found}) > 1:
            return None
    return next(iter(found), None)
