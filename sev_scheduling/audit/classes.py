"""Flavors and images in classes, which are judged in contexts."""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    Callable,
    Container,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from typing import Generic, TypeVar

import os_resource_classes as orc
import os_traits

from sev_scheduling.audit.results import Item
from sev_scheduling.problems import Fix, Problem, Source, Target
from sev_scheduling.request.request import (
    FLAVOR_MODEL,
    FLAVOR_SWITCH,
    IMAGE_MODEL,
    IMAGE_SWITCH,
    EncryptionRequest,
)
from sev_scheduling.request.sources import (
    TRAIT_PREFIX,
    FlavorView,
    ImageView,
)
from sev_scheduling.request.spelling import EXTRA_SPECS, meant_key
from sev_scheduling.rules.validation import Validation
from sev_scheduling.text import printable

View = TypeVar('View', FlavorView, ImageView)
Other = TypeVar('Other', FlavorView, ImageView)
Key = tuple[object, ...]
#: A part of a view, and the keys that it is judged for; None for all.
Facet = tuple[View, frozenset[str] | None]
Accept = Callable[[Fix], bool]
#: Whether it solves an error, and the fix.
Offer = tuple[bool, Fix]

#: What of a flavor bears on the rules about its images.
_FLAVOR_CONTEXT = frozenset({FLAVOR_SWITCH, FLAVOR_MODEL, 'os:secure_boot'})

#: What of an image bears on the rules about its flavors, groups apart.
_IMAGE_CONTEXT = frozenset({IMAGE_SWITCH, IMAGE_MODEL, 'os_secure_boot'})

#: Properties of an image that rules judge without a look at its others but
#: those of the context; what depends on each other stands together. A trait
#: is one more, and the rest another.
_FACETS = (
    ('hw_architecture', 'hw_emulation_architecture'),
    ('hw_cdrom_bus',),
    ('hw_disk_bus', 'hw_scsi_model'),
    ('hw_firmware_stateless',),
    ('hw_firmware_type',),
    ('hw_machine_type',),
    ('hw_video_model',),
)
#: What rules do not read.
_UNJUDGED = frozenset(
    {
        'disk_format',
        'hw_ephemeral_encryption',
        'hw_ephemeral_encryption_format',
        'hw_sound_model',
        'hw_vif_model',
        'hw_virtio_packed_ring',
    }
)
#: No part of the request groups.
_NOT_OF_GROUPS = _UNJUDGED | {key for facet in _FACETS for key in facet} - {
    'hw_firmware_stateless',
    'hw_firmware_type',
}

_EXPLICIT = ('resources', 'trait')


def flavor_class(flavor: FlavorView) -> FlavorView:
    """Return what rules can tell apart of a flavor."""
    specs = {
        key: value
        for key, value in flavor.extra_specs.items()
        if key in EXTRA_SPECS
        or key.startswith(_EXPLICIT)
        or meant_key(Source.FLAVOR, key)
    }
    flavor = replace(flavor, name=None, extra_specs=specs)
    if _may_be_empty(flavor):
        return flavor
    # It asks Placement for something, whatever else its size is.
    return FlavorView(None, 1, 1, extra_specs=specs, public=flavor.public)


def _may_be_empty(flavor: FlavorView) -> bool:
    """Whether its unsuffixed request group may have no resources."""
    return not flavor.memory_mb or any(
        orc.MEMORY_MB in key for key in flavor.extra_specs
    )


def image_class(image: ImageView) -> ImageView:
    """Return what rules can tell apart of an image."""
    unread = {
        key: value
        for key, value in image.unread.items()
        if meant_key(Source.IMAGE, key) not in (None, *image.properties)
    }
    properties = {
        key: value
        for key, value in image.properties.items()
        if key not in _UNJUDGED
    }
    return ImageView(
        properties=properties,
        unread=unread,
        of_volume=image.of_volume,
        public=image.public,
    )


def flavor_context(flavor: FlavorView) -> FlavorView:
    specs = flavor.extra_specs
    return FlavorView(
        None,
        1,
        1,
        extra_specs={k: specs[k] for k in _FLAVOR_CONTEXT if k in specs},
        public=flavor.public,
    )


def image_facets(
    image: ImageView,
) -> Iterator[tuple[ImageView, frozenset[str] | None]]:
    """Yield parts of an image, and the keys that each is judged for."""
    properties = image.properties
    context = {k: v for k, v in properties.items() if k in _IMAGE_CONTEXT}
    rest = dict(properties)
    traits = [(k,) for k in properties if k.startswith(TRAIT_PREFIX)]
    for keys in (*_FACETS, *traits):
        held = {key: rest.pop(key) for key in keys if key in rest}
        part = replace(image, properties={**context, **held}, unread={})
        yield part, frozenset(map(printable, keys))
    yield (
        replace(image, properties=rest),
        frozenset(map(printable, {*rest, *image.unread, *_IMAGE_CONTEXT})),
    )


class Groups:
    """What of images can make a request group that Placement refuses.

    Such are a group without resources, which takes a flavor that may have
    none, and one with a trait both required and forbidden.
    """

    def __init__(self, flavors: Sequence[FlavorView]) -> None:
        specs = [flavor.extra_specs for flavor in flavors]
        self._all = any(map(_may_be_empty, flavors))
        self._forbidden = {
            TRAIT_PREFIX + key.partition(':')[2]
            for held in specs
            for key, value in held.items()
            if value == 'forbidden' and key.startswith('trait')
        }
        if any(_isolates(held, 'hw:') for held in specs):
            self._forbidden.add(TRAIT_PREFIX + os_traits.HW_CPU_HYPERTHREADING)

    def image_context(self, image: ImageView) -> ImageView:
        """Return what of an image bears on the rules about its flavors."""
        properties = image.properties
        keys = set(_IMAGE_CONTEXT)
        forbids = _isolates(properties, 'hw_') or any(
            value == 'forbidden' and key.startswith(TRAIT_PREFIX)
            for key, value in properties.items()
        )
        if self._all or forbids:
            keys |= properties.keys() - _NOT_OF_GROUPS
        elif self._forbidden:
            keys |= {
                key
                for key in properties.keys() - _NOT_OF_GROUPS
                if not key.startswith(TRAIT_PREFIX) or key in self._forbidden
            }
        return replace(
            image,
            properties={k: v for k, v in properties.items() if k in keys},
            unread={},
        )


def _isolates(pairs: Mapping[str, str], prefix: str) -> bool:
    return pairs.get(f'{prefix}cpu_thread_policy') == 'isolate'


class Side(Generic[View, Other]):
    """Flavors, or images and volumes: classes, and contexts of classes.

    Classes and contexts are numbers. Those of no member come from changes
    that are tried.

    :ivar views: of each class
    :ivar members: of each class
    :ivar context_of: the context of each class
    :ivar contexts: the views of the contexts
    :ivar sizes: members of each context
    """

    other: Side[Other, View]

    def __init__(
        self,
        source: Source,
        targets: tuple[Target, ...],
        context: Callable[[View], View],
        facets: Callable[[View], Iterable[Facet[View]]],
        judge: Callable[[View, Other], Validation],
    ) -> None:
        self._source = source
        self._targets = targets
        self._context: Callable[[View], View] = context
        self._split: Callable[[View], Iterable[Facet[View]]] = facets
        self._judge: Callable[[View, Other], Validation] = judge
        self.views: list[View] = []
        self.members: list[list[Item]] = []
        self.context_of: list[int] = []
        self.contexts: list[View] = []
        self.sizes: list[int] = []
        self._classes: dict[Key, int] = {}
        self._known_contexts: dict[Key, int] = {}
        self._facets: list[Facet[View]] = []
        self._known_facets: dict[Key, int] = {}
        self._facets_of: list[list[int]] = []
        self._facet_problems: dict[tuple[int, int], tuple[Problem, ...]] = {}
        self._problems: dict[tuple[int, int], tuple[Problem, ...]] = {}
        self._interned: dict[Problem, Problem] = {}
        self._erring: dict[int, Counter[int]] = {}
        self._counts: dict[int, tuple[int, int]] = {}
        self._offering: dict[int, Counter[int]] = {}
        self._offers: dict[int, Counter[Offer]] = {}

    def add(self, view: View, item: Item | None = None) -> int:
        """Return the class of a view, a new one where it is the first."""
        key = _key(view)
        number = self._classes.setdefault(key, len(self.views))
        if number == len(self.views):
            context = self._context(view)
            known = self._known_contexts.setdefault(
                _key(context), len(self.contexts)
            )
            if known == len(self.contexts):
                self.contexts.append(context)
                self.sizes.append(0)
            self.views.append(view)
            self.members.append([])
            self.context_of.append(known)
            self._facets_of.append([*map(self._facet, self._split(view))])
        if item is not None:
            self.members[number].append(item)
            self.sizes[self.context_of[number]] += 1
        return number

    @property
    def count(self) -> int:
        return sum(self.sizes)

    @property
    def used_classes(self) -> list[int]:
        return [n for n, members in enumerate(self.members) if members]

    @property
    def used_contexts(self) -> list[int]:
        return [c for c, size in enumerate(self.sizes) if size]

    def of_contexts(self, contexts: Container[int]) -> list[int]:
        """Return the classes with members of some contexts."""
        return [n for n in self.used_classes if self.context_of[n] in contexts]

    def items(self, classes: Iterable[int]) -> tuple[Item, ...]:
        return tuple(item for n in classes for item in self.members[n])

    def request(self, own: int, other: int) -> EncryptionRequest:
        """Return what two contexts ask for together."""
        contexts = self.contexts[own], self.other.contexts[other]
        return self._judge(*contexts).request

    def problems(self, number: int, context: int) -> tuple[Problem, ...]:
        """Return a class's own problems with a context of the other side."""
        known = self._problems.get((number, context))
        if known is None:
            known = self._problems[number, context] = tuple(
                problem
                for facet in self._facets_of[number]
                for problem in self._of_facet(facet, context)
            )
        return known

    def _facet(self, facet: Facet[View]) -> int:
        number = self._known_facets.setdefault(
            (_key(facet[0]), facet[1]), len(self._facets)
        )
        if number == len(self._facets):
            self._facets.append(facet)
        return number

    def _of_facet(self, number: int, context: int) -> tuple[Problem, ...]:
        known = self._facet_problems.get((number, context))
        if known is None:
            view: View = self._facets[number][0]
            keys = self._facets[number][1]
            known = self._facet_problems[number, context] = tuple(
                self._intern(problem)
                for problem in self._judge(view, self.other.contexts[context])
                if problem.field.source is self._source
                and (keys is None or problem.field.key in keys)
            )
        return known

    def _intern(self, problem: Problem) -> Problem:
        if problem.requesters:
            problem = replace(problem, requesters=())
        return self._interned.setdefault(problem, problem)

    def worst(self, number: int, context: int) -> int:
        """Return the position in ``WORST`` of a class's own problems."""
        return max(
            (1 + p.is_error for p in self.problems(number, context)),
            default=0,
        )

    def score(self, number: int) -> tuple[int, int, int]:
        """Count the pairs of one member that have an error, the errors and
        the problems.
        """
        other, context = self.other, self.context_of[number]
        erring = self._erring_others(context)
        pairs = 0
        errors, problems = other._totals(context)
        for c in other.used_contexts:
            own = self.problems(number, c)
            own_errors = sum(problem.is_error for problem in own)
            pairs += other.sizes[c] if own_errors else erring[c]
            errors += own_errors * other.sizes[c]
            problems += len(own) * other.sizes[c]
        return pairs, errors, problems

    def _totals(self, context: int) -> tuple[int, int]:
        """Count the errors and the problems of all members in a context."""
        if context not in self._counts:
            errors = problems = 0
            for n in self.used_classes:
                own, count = self.problems(n, context), len(self.members[n])
                errors += count * sum(problem.is_error for problem in own)
                problems += count * len(own)
            self._counts[context] = errors, problems
        return self._counts[context]

    def solvable(self, number: int, accept: Accept) -> int:
        """Count the pairs of one member with a problem it can solve."""
        other = self.other
        offering = other._with(
            other._offering,
            self.context_of[number],
            lambda problem: self._solves(problem, accept),
        )
        return sum(
            other.sizes[c]
            if any(self._solves(p, accept) for p in self.problems(number, c))
            else offering[c]
            for c in other.used_contexts
        )

    def _with(
        self,
        known: dict[int, Counter[int]],
        context: int,
        wanted: Callable[[Problem], bool],
    ) -> Counter[int]:
        """Count members, by context, with such a problem in a context."""
        if context not in known:
            counts = known[context] = Counter()
            for n in self.used_classes:
                if any(map(wanted, self.problems(n, context))):
                    counts[self.context_of[n]] += len(self.members[n])
        return known[context]

    def _solves(self, problem: Problem, accept: Accept) -> bool:
        fix = problem.fix
        return (
            fix.target in self._targets
            and bool(fix.set or fix.unset)
            and accept(fix)
        )

    def offers(self, number: int, accept: Accept) -> list[Fix]:
        """Return the fixes of a class's pairs, those of the most first."""
        other, context = self.other, self.context_of[number]
        if context not in other._offers:
            other._offers[context] = Counter()
            for n in other.used_classes:
                for problem in other.problems(n, context):
                    if self._solves(problem, accept):
                        offer = problem.is_error, problem.fix
                        other._offers[context][offer] += len(other.members[n])
        offers = Counter(other._offers[context])
        for c in other.used_contexts:
            for problem in self.problems(number, c):
                if self._solves(problem, accept):
                    offers[problem.is_error, problem.fix] += other.sizes[c]
        ranked = sorted(offers, key=lambda o: (o[0], offers[o]), reverse=True)
        return [fix for _, fix in ranked]

    def solve(self, number: int, accept: Accept) -> tuple[list[Fix], int]:
        """Return the fixes of a class that can go together, and the class
        that they lead to.
        """
        chosen: list[Fix] = []
        touched: dict[str, str | None] = {}
        while True:
            found = []
            for fix in self.offers(number, accept):
                change = {**dict.fromkeys(fix.unset), **fix.set}
                new = change.keys() - touched.keys()
                if new and all(
                    touched.get(key, value) == value
                    for key, value in change.items()
                ):
                    after = self.add(_changed(self.views[number], [fix]))
                    if not self._harms(number, after):
                        touched |= change
                        found.append(fix)
                        number = after
            if not found:
                return chosen, number
            chosen += found

    def _harms(self, before: int, after: int) -> bool:
        """Whether a change of class brings an error to a pair without."""
        other = self.other
        old, new = self.context_of[before], self.context_of[after]
        for c in other.used_contexts:
            if self.worst(before, c) < 2 <= self.worst(after, c):
                erring = self._erring_others(old)
                if erring[c] < other.sizes[c]:
                    return True
        return old != new and any(
            other.worst(m, old) < 2 <= other.worst(m, new)
            and self.worst(before, other.context_of[m]) < 2
            for m in other.used_classes
        )

    def _erring_others(self, context: int) -> Counter[int]:
        return self.other._with(
            self.other._erring, context, lambda problem: problem.is_error
        )


def _key(view: FlavorView | ImageView) -> Key:
    values = (getattr(view, name) for name in view.__slots__)
    return tuple(
        frozenset(value.items()) if type(value) is dict else value
        for value in values
    )


def _changed(view: View, fixes: Iterable[Fix]) -> View:
    if isinstance(view, FlavorView):
        return replace(view, extra_specs=_held(view.extra_specs, fixes))
    return replace(view, properties=_held(view.properties, fixes))


def _held(
    before: Mapping[str, str], fixes: Iterable[Fix]
) -> Mapping[str, str]:
    held = dict(before)
    for fix in fixes:
        held.update(fix.set)
        for key in fix.unset:
            held.pop(key, None)
    return held
