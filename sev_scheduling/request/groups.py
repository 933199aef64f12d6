"""Request groups: what a flavor and an image ask of Placement.

Encryption apart, this follows nova's ``ResourceRequest.from_request_spec``
(nova 34), which the contract tests hold it against.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import os_resource_classes as orc
import os_traits

from sev_scheduling.request.sources import TRAIT_PREFIX, FlavorView
from sev_scheduling.text import MAX_AMOUNT, printable, quoted, whole_number

_KEY = re.compile(r'(resources|trait)([a-zA-Z0-9_-]{1,64})?:(.*)', re.DOTALL)
_CUSTOM = re.compile(r'CUSTOM_[A-Z0-9_]{1,248}')
_CPUS = frozenset({orc.VCPU, orc.PCPU})


@dataclass(frozen=True, slots=True)
class RequestGroup:
    """One group of ``GET /allocation_candidates``.

    :ivar suffix: '' for the unsuffixed group, which a whole tree answers;
        any other group is answered by one resource provider
    :ivar resources: resource class -> amount, none of them 0
    :ivar required: AND of ORs: ``({T1, T2}, {T3})`` is (T1 or T2) and T3
    :ivar forbidden: traits that the provider must not have
    """

    suffix: str = ''
    resources: Mapping[str, int] = field(default_factory=dict, hash=False)
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TraitAsk:
    """A trait that a flavor or an image requires or forbids.

    :ivar where: such as ``flavor:trait1:CUSTOM_GOLD``
    """

    where: str
    suffix: str
    trait: str
    required: bool


@dataclass(frozen=True, slots=True)
class ResourceAsk:
    """An amount that a flavor asks for by an extra spec."""

    where: str
    suffix: str
    resource_class: str
    amount: int


@dataclass(frozen=True, slots=True)
class Unusable:
    """An extra spec or property that asks for nothing Placement knows.

    :ivar what: what is wrong, in words that follow its name
    :ivar remedy: how to correct it, in words
    :ivar ignored: nova passes over it with a warning in its log; else
        Placement refuses the whole request
    """

    where: str
    what: str
    remedy: str
    ignored: bool


Ask = TraitAsk | ResourceAsk | Unusable


@functools.cache
def _standard_traits() -> frozenset[str]:
    return frozenset(os_traits.get_traits())


def read_asks(
    extra_specs: Mapping[str, str], properties: Mapping[str, str]
) -> tuple[Ask, ...]:
    """Read every ``resources…:`` and ``trait…:`` of flavor and image.

    Sorted by where they stand, so that the same facts give the same answer
    whatever their order was.
    """
    asks = [*_flavor_asks(extra_specs), *_image_asks(properties)]
    asks.sort(key=lambda ask: ask.where)
    return tuple(asks)


def _flavor_asks(extra_specs: Mapping[str, str]) -> Iterator[Ask]:
    for key, value in extra_specs.items():
        if not key.startswith(('resources', 'trait')):
            continue
        match = _KEY.fullmatch(key)
        if match is None:
            continue
        kind, suffix, name = match.groups(default='')
        where = f'flavor:{printable(key)}'
        if kind == 'trait':
            yield _trait_ask(where, suffix, name, value)
        else:
            yield _resource_ask(where, suffix, name, value)


def _image_asks(properties: Mapping[str, str]) -> Iterator[Ask]:
    for key, value in properties.items():
        if key.startswith(TRAIT_PREFIX):
            trait = key.removeprefix(TRAIT_PREFIX)
            yield _trait_ask(f'image:{printable(key)}', '', trait, value)


def _trait_ask(where: str, suffix: str, trait: str, value: str) -> Ask:
    if value not in ('required', 'forbidden'):
        return Unusable(
            where,
            f'is {quoted(value)}, so it is ignored',
            'Use required or forbidden',
            ignored=True,
        )
    if trait not in _standard_traits() and not _CUSTOM.fullmatch(trait):
        return Unusable(
            where,
            'names a trait that os-traits does not know',
            'Correct the name, use a CUSTOM_ trait, update os-traits',
            ignored=False,
        )
    return TraitAsk(where, suffix, trait, value == 'required')


def _resource_ask(where: str, suffix: str, name: str, value: str) -> Ask:
    if name not in orc.STANDARDS and not _CUSTOM.fullmatch(name):
        # Nova takes any CUSTOM_ name, and Placement then refuses it.
        return Unusable(
            where,
            'names a resource class that does not exist',
            'Correct the name',
            ignored=not name.startswith(orc.CUSTOM_NAMESPACE),
        )
    amount = whole_number(value)
    if amount is None or amount > MAX_AMOUNT:
        return Unusable(
            where,
            f'is {quoted(value)}, which is no amount',
            f'Give a whole number from 0 to {MAX_AMOUNT}',
            ignored=amount is None,
        )
    return ResourceAsk(where, suffix, name, amount)


def build_groups(
    flavor: FlavorView,
    asks: Iterable[Ask],
    traits: Mapping[str, bool],
    implied: Mapping[str, int],
    *,
    boot_from_volume: bool,
) -> tuple[RequestGroup, ...]:
    """Put amounts and traits together, the unsuffixed group first.

    :param traits: trait -> required, for traits that other extra specs
        and properties ask for
    :param implied: amounts that other extra specs and properties ask for;
        VCPU and PCPU count where nobody asks for them by class
    :param boot_from_volume: the root disk takes no local space
    """
    resources: dict[str, dict[str, int]] = {'': {}}
    required: dict[str, set[str]] = {}
    forbidden: dict[str, set[str]] = {}
    for ask in asks:
        if isinstance(ask, ResourceAsk):
            group = resources.setdefault(ask.suffix, {})
            group[ask.resource_class] = ask.amount
        elif isinstance(ask, TraitAsk):
            wanted = required if ask.required else forbidden
            wanted.setdefault(ask.suffix, set()).add(ask.trait)
    named = {name for group in resources.values() for name in group}
    explicit_cpus = not named.isdisjoint(_CPUS)
    for name, amount in implied.items():
        if not (explicit_cpus and name in _CPUS):
            resources[''][name] = amount
    if orc.MEMORY_MB not in named:
        resources[''][orc.MEMORY_MB] = flavor.memory_mb
    if orc.DISK_GB not in named:
        resources[''][orc.DISK_GB] = disk_gb(flavor, boot_from_volume)
    for trait, needed in traits.items():
        (required if needed else forbidden).setdefault('', set()).add(trait)
    groups = (
        RequestGroup(
            suffix,
            {
                name: amount
                for name, amount in sorted(resources.get(suffix, {}).items())
                if amount
            },
            tuple(
                frozenset((trait,))
                for trait in sorted(required.get(suffix, ()))
            ),
            frozenset(forbidden.get(suffix, ())),
        )
        for suffix in sorted({*resources, *required, *forbidden})
    )
    return tuple(g for g in groups if g.resources or g.required or g.forbidden)


def disk_gb(flavor: FlavorView, boot_from_volume: bool = False) -> int:
    """Return DISK_GB as nova rounds it: swap up to the next GiB.

    >>> disk_gb(FlavorView('m1', 1, 512, root_gb=20, swap_mb=1025))
    22
    """
    swap_gb = -(-flavor.swap_mb // 1024)
    root_gb = 0 if boot_from_volume else flavor.root_gb
    return root_gb + flavor.ephemeral_gb + swap_gb
