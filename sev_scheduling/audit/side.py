"""One side of an audit: its classes, judged in contexts of the other's."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import (
    Callable,
    Container,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass, field, replace
from typing import Generic

from sev_scheduling.audit.classes import (
    Facet,
    Key,
    Other,
    View,
    key_of,
)
from sev_scheduling.audit.results import Item
from sev_scheduling.problems import Code, Fix, Problem, Source, Target
from sev_scheduling.request.sources import FlavorView, ImageView
from sev_scheduling.rules.validation import Validation

#: Errors that hide others: those of the model that is meant.
_HIDING = frozenset(
    {
        Code.INVALID_BOOLEAN,
        Code.ENCRYPTION_CONFLICT,
        Code.UNKNOWN_MODEL,
        Code.MODEL_CONFLICT,
    }
)
#: So many errors such a one counts for, which is more than it can hide.
_HIDDEN = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """One way out of a problem.

    :ivar fix: without alternatives
    :ivar choice: what must be wanted where it is one of several ways; ''
    """

    is_error: bool
    fix: Fix
    choice: str


#: Whether encryption is asked for, and the model.
Asked = tuple[bool, str | None]


@dataclass(slots=True)
class _Judged:
    """What a facet, or a class, has with all used contexts of the other side.

    A set of contexts is a number with a bit for each of them.

    :ivar errors: contexts with which it has an error
    :ivar wrong: contexts with which it has a problem
    :ivar weight: of its errors, over all pairs of one member
    :ivar count: of its problems, likewise
    :ivar offers: in how many pairs of one member
    """

    errors: int = 0
    wrong: int = 0
    weight: int = 0
    count: int = 0
    offers: Counter[Offer] = field(default_factory=Counter)


class Side(Generic[View, Other]):
    """Flavors, or images and volumes: classes, and contexts of classes.

    Classes and contexts are numbers. Those of no member come from changes
    that are tried. All members are added before anything is asked.

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
        self._facets_of: list[tuple[int, ...]] = []
        # What follows is found once for each.
        self._problems: dict[tuple[int, int], tuple[Problem, ...]] = {}
        self._interned: dict[Problem, Problem] = {}
        self._judged_facets: dict[int, _Judged] = {}
        self._judged_classes: dict[int, _Judged] = {}
        self._erring: dict[int, Counter[int]] = {}
        self._totals: dict[int, tuple[int, int]] = {}
        self._offers: dict[int, Counter[Offer]] = {}
        self._class_offers: dict[int, Counter[Offer]] = {}
        self._partial: dict[tuple[int, int], int] = {}
        self._asked: dict[tuple[int, int], Asked] = {}
        self._turned: dict[tuple[int, int], int] = {}

    def add(self, view: View, item: Item | None = None) -> int:
        """Return the class of a view, a new one where it is the first."""
        key = key_of(view)
        number = self._classes.setdefault(key, len(self.views))
        if number == len(self.views):
            context = self._context(view)
            known = self._known_contexts.setdefault(
                key_of(context), len(self.contexts)
            )
            if known == len(self.contexts):
                self.contexts.append(context)
                self.sizes.append(0)
            self.views.append(view)
            self.members.append([])
            self.context_of.append(known)
            facets = tuple(map(self._facet, self._split(view)))
            self._facets_of.append(facets)
        if item is not None:
            self.members[number].append(item)
            self.sizes[self.context_of[number]] += 1
        return number

    def _facet(self, facet: Facet[View]) -> int:
        number = self._known_facets.setdefault(facet.key, len(self._facets))
        if number == len(self._facets):
            self._facets.append(facet)
        return number

    @property
    def count(self) -> int:
        return sum(self.sizes)

    @functools.cached_property
    def used_classes(self) -> list[int]:
        return [n for n, members in enumerate(self.members) if members]

    @functools.cached_property
    def used_contexts(self) -> list[int]:
        return [c for c, size in enumerate(self.sizes) if size]

    @functools.cached_property
    def used_facets(self) -> dict[int, list[int]]:
        """The classes with members that have each facet."""
        found: dict[int, list[int]] = {}
        for n in self.used_classes:
            for facet in self._facets_of[n]:
                found.setdefault(facet, []).append(n)
        return found

    @functools.cached_property
    def _facet_sizes(self) -> dict[int, int]:
        """How many members have each facet."""
        return {
            facet: sum(len(self.members[n]) for n in classes)
            for facet, classes in self.used_facets.items()
        }

    def of_contexts(self, contexts: Container[int]) -> list[int]:
        """Return the classes with members of some contexts."""
        return [n for n in self.used_classes if self.context_of[n] in contexts]

    def items(self, classes: Iterable[int]) -> tuple[Item, ...]:
        return tuple(item for n in classes for item in self.members[n])

    def asked(self, own: int, other: int) -> Asked:
        """Return what two contexts ask for together: whether encryption, and
        of what model.
        """
        known = self._asked.get((own, other))
        if known is None:
            contexts = self.contexts[own], self.other.contexts[other]
            request = self._judge(*contexts).request
            model = request.model_name if request.encrypted else None
            known = self._asked[own, other] = request.encrypted, model
        return known

    def encrypted_pairs(self, number: int) -> int:
        """Count the pairs of one member that ask for encryption."""
        context, other = self.context_of[number], self.other
        return sum(
            other.sizes[c]
            for c in other.used_contexts
            if self.asked(context, c)[0]
        )

    def problems(self, facet: int, context: int) -> tuple[Problem, ...]:
        """Return a facet's problems with a context of the other side."""
        known = self._problems.get((facet, context))
        if known is None:
            view = self._facets[facet].view()
            keys = self._facets[facet].keys
            known = self._problems[facet, context] = tuple(
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

    def _of_facet(self, facet: int) -> _Judged:
        judged = self._judged_facets.get(facet)
        if judged is not None:
            return judged
        judged = self._judged_facets[facet] = _Judged()
        for c in self.other.used_contexts:
            size = self.other.sizes[c]
            for problem in self.problems(facet, c):
                judged.wrong |= 1 << c
                judged.count += size
                if problem.is_error:
                    judged.errors |= 1 << c
                    judged.weight += size * _weight(problem)
                for offer in self._ways(problem):
                    judged.offers[offer] += size
        return judged

    def _of_class(self, number: int) -> _Judged:
        judged = self._judged_classes.get(number)
        if judged is not None:
            return judged
        judged = self._judged_classes[number] = _Judged()
        for facet in self._facets_of[number]:
            of_facet = self._of_facet(facet)
            if of_facet.wrong:
                judged.wrong |= of_facet.wrong
                judged.errors |= of_facet.errors
                judged.weight += of_facet.weight
                judged.count += of_facet.count
                judged.offers.update(of_facet.offers)
        return judged

    def worst(self, number: int, context: int) -> int:
        """Return the position in ``WORST`` of a class's own problems.

        :param context: one of the other side that has members
        """
        judged = self._of_class(number)
        return (judged.wrong >> context & 1) + (judged.errors >> context & 1)

    def score(self, number: int) -> tuple[int, int, int]:
        """Count the pairs of one member that have an error, the errors, with
        those that they may hide, and the problems.
        """
        other, context = self.other, self.context_of[number]
        judged = self._of_class(number)
        pairs = self._erring_pairs(context, judged.errors)
        errors, problems = other._sum(context)
        return pairs, errors + judged.weight, problems + judged.count

    def _sum(self, context: int) -> tuple[int, int]:
        """Count the errors and the problems of all members in a context."""
        if context not in self._totals:
            errors = problems = 0
            for facet, size in self._facet_sizes.items():
                own = self.problems(facet, context)
                errors += size * sum(map(_weight, own))
                problems += size * len(own)
            self._totals[context] = errors, problems
        return self._totals[context]

    def _erring_pairs(self, context: int, own: int) -> int:
        """Count the pairs of one member in a context that have an error.

        :param own: contexts of the other side with which it has one by itself
        """
        known = self._partial.get((context, own))
        if known is None:
            other, theirs = self.other, self._erring_others(context)
            known = self._partial[context, own] = sum(
                other.sizes[c] if own >> c & 1 else theirs[c]
                for c in other.used_contexts
            )
        return known

    def _ways(self, problem: Problem) -> Iterator[Offer]:
        """Yield the ways out of a problem that change this side."""
        ways = problem.fix.ways
        for way in ways:
            if way.target in self._targets:
                choice = way.wish if len(ways) > 1 else ''
                yield Offer(problem.is_error, way, choice)

    def offers(self, number: int) -> Counter[Offer]:
        """Return the ways of a class, and for how many pairs of a member."""
        known = self._class_offers.get(number)
        if known is None:
            of_others = self._offers_of_others(self.context_of[number])
            known = self._of_class(number).offers
            if of_others:
                known = of_others + known
            self._class_offers[number] = known
        return known

    def ranked(self, number: int) -> list[tuple[Offer, int]]:
        """Return the same: errors first, then those of the most pairs."""
        return sorted(
            self.offers(number).items(),
            key=lambda entry: (entry[0].is_error, entry[1]),
            reverse=True,
        )

    def _offers_of_others(self, context: int) -> Counter[Offer]:
        other = self.other
        known = other._offers.get(context)
        if known is None:
            known = other._offers[context] = Counter()
            for facet, size in other._facet_sizes.items():
                for problem in other.problems(facet, context):
                    for offer in self._ways(problem):
                        known[offer] += size
        return known

    def harms(self, before: int, after: int) -> bool:
        """Whether a change of class brings an error to a pair without."""
        other = self.other
        old, new = self.context_of[before], self.context_of[after]
        errors = self._of_class(before).errors
        added = self._of_class(after).errors & ~errors
        if added:
            erring = self._erring_others(old)
            for c in other.used_contexts:
                if added >> c & 1 and erring[c] < other.sizes[c]:
                    return True
        return old != new and bool(other._newly_erring(old, new) & ~errors)

    def turns(self, before: int, after: int) -> bool:
        """Whether a change of class changes what a pair without an error asks
        for.
        """
        old, new = self.context_of[before], self.context_of[after]
        if old == new:
            return False
        errors = self._of_class(before).errors
        erring = self._erring_others(old)
        return any(
            self.asked(old, c) != self.asked(new, c)
            for c in self.other.used_contexts
            if not errors >> c & 1 and erring[c] < self.other.sizes[c]
        )

    def _newly_erring(self, old: int, new: int) -> int:
        """Return own contexts with a member that errs in one context of the
        other side and not in another.
        """
        known = self._turned.get((old, new))
        if known is None:
            erring = [
                {
                    n
                    for facet, classes in self.used_facets.items()
                    if any(p.is_error for p in self.problems(facet, context))
                    for n in classes
                }
                for context in (old, new)
            ]
            known = 0
            for n in erring[1] - erring[0]:
                known |= 1 << self.context_of[n]
            self._turned[old, new] = known
        return known

    def _erring_others(self, context: int) -> Counter[int]:
        """Count members of the other side, by context, with an error."""
        other = self.other
        known = other._erring.get(context)
        if known is None:
            known = other._erring[context] = Counter()
            found = set()
            for facet, classes in other.used_facets.items():
                if any(p.is_error for p in other.problems(facet, context)):
                    found.update(classes)
            for n in found:
                known[other.context_of[n]] += len(other.members[n])
        return known


def _weight(problem: Problem) -> int:
    """Return how many errors a problem counts for."""
    if not problem.is_error:
        return 0
    return _HIDDEN if problem.code in _HIDING else 1


def properties_of(view: FlavorView | ImageView) -> Mapping[str, str]:
    """Return extra specs, or image properties, by their keys."""
    if isinstance(view, FlavorView):
        return view.extra_specs
    return {**view.unread, **view.properties}
