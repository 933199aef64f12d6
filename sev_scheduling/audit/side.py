"""One side of an audit: its classes, judged in contexts of the other's."""

from __future__ import annotations

from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Container,
    Iterable,
    Mapping,
)
from dataclasses import replace
from typing import Generic, TypeVar

from sev_scheduling.audit.results import Item
from sev_scheduling.problems import Code, Fix, Problem, Source, Target
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.request.sources import FlavorView, ImageView
from sev_scheduling.rules.validation import Validation

View = TypeVar('View', FlavorView, ImageView)
Other = TypeVar('Other', FlavorView, ImageView)
Key = tuple[object, ...]
#: A part of a view, and the keys that it is judged for; None for all.
Facet = tuple[View, frozenset[str] | None]
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

#: Whether it solves an error, and the fix.
Offer = tuple[bool, Fix]


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
        """Count the pairs of one member that have an error, the errors, with
        those that they may hide, and the problems.
        """
        other, context = self.other, self.context_of[number]
        erring = self._erring_others(context)
        pairs = 0
        errors, problems = other._totals(context)
        for c in other.used_contexts:
            own = self.problems(number, c)
            own_errors = sum(map(_weight, own))
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
                errors += count * sum(map(_weight, own))
                problems += count * len(own)
            self._counts[context] = errors, problems
        return self._counts[context]

    def solvable(self, number: int) -> int:
        """Count the pairs of one member with a problem it can solve."""
        other = self.other
        offering = other._with(
            other._offering, self.context_of[number], self._solves
        )
        return sum(
            other.sizes[c]
            if any(map(self._solves, self.problems(number, c)))
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

    def _solves(self, problem: Problem) -> bool:
        fix = problem.fix
        return fix.target in self._targets and bool(fix.set or fix.unset)

    def offers(self, number: int) -> list[Fix]:
        """Return the fixes of a class's pairs, those of the most first."""
        other, context = self.other, self.context_of[number]
        known = other._offers
        if context not in known:
            known[context] = Counter()
            for n in other.used_classes:
                for problem in other.problems(n, context):
                    if self._solves(problem):
                        offer = problem.is_error, problem.fix
                        known[context][offer] += len(other.members[n])
        offers = Counter(known[context])
        for c in other.used_contexts:
            for problem in self.problems(number, c):
                if self._solves(problem):
                    offers[problem.is_error, problem.fix] += other.sizes[c]
        ranked = sorted(offers, key=lambda o: (o[0], offers[o]), reverse=True)
        return [fix for _, fix in ranked]

    def solve(self, number: int) -> tuple[list[Fix], int]:
        """Return the fixes of a class that can go together, and the class
        that they lead to.
        """
        chosen: list[Fix] = []
        touched: dict[str, str | None] = {}
        while True:
            found = []
            for fix in self.offers(number):
                change = {**dict.fromkeys(fix.unset), **fix.set}
                new = change.keys() - touched.keys()
                if new and all(
                    touched.get(key, value) == value
                    for key, value in change.items()
                ):
                    after = self.add(changed(self.views[number], [fix]))
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


def _weight(problem: Problem) -> int:
    """Return how many errors a problem counts for."""
    if not problem.is_error:
        return 0
    return _HIDDEN if problem.code in _HIDING else 1


def _key(view: FlavorView | ImageView) -> Key:
    values = (getattr(view, name) for name in view.__slots__)
    return tuple(
        frozenset(value.items()) if type(value) is dict else value
        for value in values
    )


def properties_of(view: FlavorView | ImageView) -> Mapping[str, str]:
    """Return extra specs, or image properties, by their keys."""
    if isinstance(view, FlavorView):
        return view.extra_specs
    return {**view.unread, **view.properties}


def changed(view: View, fixes: Collection[Fix]) -> View:
    """Return a flavor or an image as fixes leave it."""
    if isinstance(view, FlavorView):
        return replace(view, extra_specs=_held(view.extra_specs, fixes))
    return replace(
        view,
        properties=_held(view.properties, fixes),
        unread={
            key: value
            for key, value in view.unread.items()
            if not any(key in fix.unset for fix in fixes)
        },
    )


def _held(
    before: Mapping[str, str], fixes: Iterable[Fix]
) -> Mapping[str, str]:
    held = dict(before)
    for fix in fixes:
        held.update(fix.set)
        for key in fix.unset:
            held.pop(key, None)
    return held
