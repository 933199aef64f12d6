"""Request groups: what a flavor and an image ask of Placement.

Encryption apart, this follows nova's ``ResourceRequest.from_request_spec``
(nova 34), which the contract tests hold it against.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import os_resource_classes as orc
import os_traits

from sev_scheduling.problems import Case, Field, Source
from sev_scheduling.records import maker
from sev_scheduling.request.sources import (
    TRAIT_PREFIX,
    FlavorView,
    ImageView,
)
from sev_scheduling.text import (
    CUSTOM_NAME,
    MAX_AMOUNT,
    printable,
    whole_number,
)

_KEY = re.compile(r'(resources|trait)([a-zA-Z0-9_-]{1,64})?:(.*)', re.DOTALL)
_EXPLICIT = ('resources', 'trait')
_CPUS = frozenset({orc.VCPU, orc.PCPU})
_SIZES = _CPUS | {orc.MEMORY_MB, orc.DISK_GB}

#: What says whether two request groups may have one provider.
POLICY = 'group_policy'
POLICIES = ('none', 'isolate')


@dataclass(frozen=True, slots=True)
class RequestGroup:
    """One group of ``GET /allocation_candidates``.

    :ivar suffix: '' for the unsuffixed group, which a whole tree answers;
        any other group is answered by one resource provider
    :ivar resources: resource class -> amount, none of them 0
    :ivar required: AND of ORs: ``({T1, T2}, {T3})`` is (T1 or T2) and T3
    :ivar forbidden: traits that the provider must not have
    :ivar asker: the port or the extra spec that asks for it, where it is no
        group that the flavor spells out; the owner of a port is its uuid
    """

    suffix: str = ''
    resources: Mapping[str, int] = field(default_factory=dict, hash=False)
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    asker: Field | None = None


make_group = maker(RequestGroup)


@dataclass(frozen=True, slots=True)
class ExtraSpecTrait:
    """A trait that a flavor or an image requires or forbids.

    :ivar field: such as ``flavor:trait1:CUSTOM_GOLD``
    :ivar suffix: of the request group
    """

    field: Field
    suffix: str
    trait: str
    required: bool

    @property
    def value(self) -> str:
        return 'required' if self.required else 'forbidden'


@dataclass(frozen=True, slots=True)
class ExtraSpecResource:
    """An amount that a flavor asks for by an extra spec."""

    field: Field
    suffix: str
    resource_class: str
    amount: int

    @property
    def value(self) -> str:
        return str(self.amount)


@dataclass(frozen=True, slots=True)
class InvalidExtraSpec:
    """An extra spec or property that asks for nothing Placement knows.

    :ivar value: what is wrong: the name, or what stands in the field
    :ivar ignored: nova passes over it with a warning in its log; else
        Placement refuses the whole request
    """

    field: Field
    case: Case
    value: str
    ignored: bool
    #: What stands in the field, where it is the name that is wrong.
    written: str = ''


Entry = ExtraSpecTrait | ExtraSpecResource | InvalidExtraSpec


@functools.cache
def _standard_traits() -> frozenset[str]:
    return frozenset(os_traits.get_traits())


def is_trait(name: str) -> bool:
    """Whether Placement may know a trait of this name."""
    return name in _standard_traits() or bool(CUSTOM_NAME.fullmatch(name))


def is_resource_class(name: str) -> bool:
    """Whether Placement may know a resource class of this name."""
    return name in orc.STANDARDS or bool(CUSTOM_NAME.fullmatch(name))


def in_capitals(name: str) -> str:
    """Return a name as Placement spells names.

    >>> in_capitals('CUSTOM_gold-1')
    'CUSTOM_GOLD_1'
    """
    return name.upper().replace('-', '_')


def may_be_entry(key: str) -> bool:
    """Whether :func:`read_entries` looks at the value of a key."""
    return key == POLICY or key.startswith(_EXPLICIT)


def read_entries(flavor: FlavorView, image: ImageView) -> tuple[Entry, ...]:
    """Read every ``resources…:`` and ``trait…:``, and an unusable policy.

    Sorted by where they stand, so that the same facts give the same answer
    whatever their order was.
    """
    entries = [*_flavor_entries(flavor), *_image_entries(image)]
    if len(entries) > 1:
        entries.sort(key=lambda entry: entry.field)
    return tuple(entries)


def _flavor_entries(flavor: FlavorView) -> Iterator[Entry]:
    for key, value in flavor.extra_specs.items():
        if key == POLICY and value not in POLICIES:
            field = Field(Source.FLAVOR, key, flavor.name)
            yield InvalidExtraSpec(
                field, Case.NOT_A_POLICY, value, ignored=True
            )
        if not key.startswith(_EXPLICIT):
            continue
        match = _KEY.fullmatch(key)
        if match is None:
            continue
        kind, suffix, name = match.groups(default='')
        field = Field(Source.FLAVOR, printable(key), flavor.name)
        if kind == 'trait':
            yield _trait(field, suffix, name, value)
        else:
            yield _resource(field, suffix, name, value)


def _image_entries(image: ImageView) -> Iterator[Entry]:
    for key, value in image.properties.items():
        if key.startswith(TRAIT_PREFIX):
            trait = key.removeprefix(TRAIT_PREFIX)
            field = Field(Source.IMAGE, printable(key), image.name)
            yield _trait(field, '', trait, value)


def _trait(field: Field, suffix: str, trait: str, value: str) -> Entry:
    if value not in ('required', 'forbidden'):
        return InvalidExtraSpec(field, Case.NOT_A_STATE, value, ignored=True)
    if not is_trait(trait):
        case = Case.UNKNOWN_TRAIT
        if is_trait(in_capitals(trait)):
            case = Case.NOT_IN_CAPITALS
        return InvalidExtraSpec(field, case, trait, False, value)
    return ExtraSpecTrait(field, suffix, trait, value == 'required')


def _resource(field: Field, suffix: str, name: str, value: str) -> Entry:
    if not is_resource_class(name):
        case = Case.UNKNOWN_CLASS
        if is_resource_class(in_capitals(name)):
            case = Case.NOT_IN_CAPITALS
        # Nova takes any CUSTOM_ name, and Placement then refuses it.
        return InvalidExtraSpec(
            field,
            case,
            name,
            ignored=not name.startswith(orc.CUSTOM_NAMESPACE),
            written=value,
        )
    amount = whole_number(value)
    if amount is None or amount > MAX_AMOUNT:
        return InvalidExtraSpec(
            field, Case.NOT_AN_AMOUNT, value, ignored=amount is None
        )
    return ExtraSpecResource(field, suffix, name, amount)


def build_groups(
    flavor: FlavorView,
    entries: Collection[Entry],
    traits: Mapping[str, bool],
    implied: Mapping[str, int],
    *,
    boot_from_volume: bool,
) -> tuple[RequestGroup, ...]:
    """Put amounts and traits together, the unsuffixed group first.

    :param traits: trait -> required, for traits that other extra specs
        and properties ask for
    :param implied: amounts that other extra specs and properties ask for;
        VCPU and PCPU count where no extra spec asks for them by class
    :param boot_from_volume: the root disk takes no local space
    """
    own = {
        **implied,
        orc.MEMORY_MB: flavor.memory_mb,
        orc.DISK_GB: disk_gb(flavor, boot_from_volume),
    }
    if not entries and not traits:
        amounts = _above_zero(own)
        return (make_group('', amounts),) if amounts else ()
    resources: dict[str, dict[str, int]] = {'': {}}
    required: dict[str, set[str]] = {}
    forbidden: dict[str, set[str]] = {}
    for entry in entries:
        if isinstance(entry, ExtraSpecResource):
            amounts = resources.setdefault(entry.suffix, {})
            amounts[entry.resource_class] = entry.amount
        elif isinstance(entry, ExtraSpecTrait):
            wanted = required if entry.required else forbidden
            wanted.setdefault(entry.suffix, set()).add(entry.trait)
    # An extra spec counts in place of the flavor's size, in any group.
    named: set[str] = set().union(*resources.values())
    replaced = named & _SIZES
    if replaced & _CPUS:
        replaced |= _CPUS
    resources[''].update((k, own[k]) for k in own.keys() - replaced)
    for trait, needed in traits.items():
        (required if needed else forbidden).setdefault('', set()).add(trait)
    groups = [
        make_group(
            suffix,
            _above_zero(resources.get(suffix, {})),
            tuple([frozenset((t,)) for t in sorted(required.get(suffix, ()))]),
            frozenset(forbidden.get(suffix, ())),
        )
        for suffix in sorted({*resources, *required, *forbidden})
    ]
    return tuple(
        [g for g in groups if g.resources or g.required or g.forbidden]
    )


def _above_zero(amounts: Mapping[str, int]) -> dict[str, int]:
    return {name: amounts[name] for name in sorted(amounts) if amounts[name]}


def disk_gb(flavor: FlavorView, boot_from_volume: bool = False) -> int:
    """Return DISK_GB as nova rounds it: swap up to the next GiB.

    >>> disk_gb(FlavorView('m1', 1, 512, root_gb=20, swap_mb=1025))
    22
    """
    swap_gb = -(-flavor.swap_mb // 1024)
    root_gb = 0 if boot_from_volume else flavor.root_gb
    return root_gb + flavor.ephemeral_gb + swap_gb
