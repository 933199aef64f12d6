"""audit(): every flavor with every image, as data.

Each flavor and each image is read once. What the rules say of an image is the
same for all flavors that ask for encryption in the same way, and the other way
round: those are one *context*. Most image properties are judged without a look
at the others: each of those is a *facet*. So :func:`.validate` runs for each
facet of one side with each context of the other, some thousand times for
millions of pairs.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sev_scheduling.audit.classes import (
    Groups,
    Key,
    Other,
    View,
    flavor_class,
    flavor_context,
    flavor_facets,
    image_facets,
)
from sev_scheduling.audit.proposals import proposals
from sev_scheduling.audit.results import (
    WORST,
    Audit,
    AuditFix,
    AuditProblem,
    Item,
    PairGroup,
)
from sev_scheduling.audit.side import Side
from sev_scheduling.problems import (
    Code,
    Problem,
    Severity,
    Source,
    Target,
)
from sev_scheduling.request.parsing import combine
from sev_scheduling.request.sources import (
    FlavorView,
    ImageView,
    facts_of,
    flavor_view,
    image_view,
)
from sev_scheduling.rules.validation import Validation, validate

_ORDER = {code: position for position, code in enumerate(Code)}


#: Judges a flavor with an image.
Judge = Callable[[FlavorView, ImageView], Validation]
#: What is audited, and what was read of it.
Entry = tuple[Item, View]


def audit(
    flavors: Iterable[Any],
    images: Iterable[Any],
    *,
    machine_type: str | None = None,
) -> Audit:
    """Validate every flavor with every image.

    :param flavors: each in any shape that :func:`.parse` takes
    :param images: images and bootable volumes, in the same way
    :param machine_type: the hosts' default, where the caller knows it
    :raises SpecError: where one has no flavor's or image's shape
    """
    sides = Sides(
        read_flavors(flavors), read_images(images), judge_with(machine_type)
    )
    return Audit(
        flavors=sides.flavors.count,
        images=sides.images.count,
        groups=tuple(_groups(sides.flavors, sides.images)),
        problems=tuple(_problems(sides.flavors, sides.images)),
        fixes=tuple(sides.fixes()),
    )


def judge_with(
    machine_type: str | None,
    *,
    boot_from_volume: bool = False,
    models: Sequence[str] = (),
) -> Judge:
    """Return what judges a flavor with an image.

    :param machine_type: the hosts' default, where it is known
    :param boot_from_volume: as of :func:`.parse`, as ``models``
    """

    def judge(flavor: FlavorView, image: ImageView) -> Validation:
        request = combine(
            flavor,
            image,
            boot_from_volume=boot_from_volume or image.of_volume,
            models=models,
        )
        return validate(request, machine_type)

    return judge


def read_flavors(sources: Iterable[Any]) -> list[Entry[FlavorView]]:
    """Read each once."""
    return _entries(sources, flavor_view, lambda _: Target.FLAVOR)


def read_images(sources: Iterable[Any]) -> list[Entry[ImageView]]:
    """Read each image or volume once; None is one that is not known."""
    return _entries(
        sources,
        lambda image: ImageView() if image is None else image_view(image),
        _image_target,
    )


def _image_target(image: ImageView) -> Target:
    return Target.VOLUME if image.of_volume else Target.IMAGE


def _entries(
    sources: Iterable[Any],
    read: Callable[[Any], View],
    target: Callable[[View], Target],
) -> list[Entry[View]]:
    """Read each once; tell which have a name of their own."""
    found = []
    taken: Counter[str] = Counter()
    for source in sources:
        view = read(source)
        name = view.name
        if isinstance(view, ImageView) and view.of_volume:
            # Its facts have the name of the image it was made of.
            name = view.volume_name
        facts = facts_of(source) or {}
        held = facts.get('flavorid') or facts.get('id')
        number = str(held) if held else None
        taken.update({name or '', number or ''})
        found.append((Item(target(view), name, number), view))
    return [
        (replace(item, unique=taken[item.name or ''] == 1), view)
        for item, view in found
    ]


class Sides:
    """Flavors, and images and volumes, each judged with the others."""

    def __init__(
        self,
        flavors: Iterable[Entry[FlavorView]],
        images: Iterable[Entry[ImageView]],
        judge: Judge,
    ) -> None:
        self.flavors: Side[FlavorView, ImageView] = Side(
            Source.FLAVOR,
            (Target.FLAVOR,),
            flavor_context,
            flavor_facets,
            judge,
        )
        for item, flavor in flavors:
            self.flavors.add(flavor_class(flavor), item)
        groups = Groups(self.flavors.views)
        self.images: Side[ImageView, FlavorView] = Side(
            Source.IMAGE,
            (Target.IMAGE, Target.VOLUME),
            groups.image_context,
            image_facets,
            lambda image, flavor: judge(flavor, image),
        )
        self.flavors.other, self.images.other = self.images, self.flavors
        for item, image in images:
            self.images.add(groups.image_class(image), item)

    @property
    def severity(self) -> Severity | None:
        """Of the worst problem of all pairs, None where none has one."""
        return WORST[max(_worst(self.flavors), _worst(self.images))]

    def fixes(self) -> list[AuditFix]:
        """Return what each could do alone, those of the most pairs first."""
        found = [*proposals(self.flavors), *proposals(self.images)]
        return sorted(found, key=lambda fix: (-fix.mends, -fix.pairs))


def _worst(side: Side[View, Other]) -> int:
    return max(
        (
            side.worst(n, c)
            for n in side.used_classes
            for c in side.other.used_contexts
        ),
        default=0,
    )


def _groups(
    flavors: Side[FlavorView, ImageView],
    images: Side[ImageView, FlavorView],
) -> list[PairGroup]:
    contexts, classes = images.used_contexts, images.used_classes
    alike: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for f in flavors.used_classes:
        each = (flavors.worst(f, c) for c in contexts)
        alike[flavors.context_of[f], *each].append(f)
    outcomes: dict[tuple[bool, str | None, int], int] = {}
    rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for (context, *worst), members in alike.items():
        asked = {}
        for c, own in zip(contexts, worst, strict=True):
            asked[c] = *flavors.asked(context, c), own
        row = array('L')
        for i in classes:
            encrypted, model, own = asked[images.context_of[i]]
            both = max(own, images.worst(i, context))
            outcome = encrypted, model, both
            row.append(outcomes.setdefault(outcome, len(outcomes)))
        rows[row.tobytes()] += members
    groups = []
    for content, members in rows.items():
        by_outcome = defaultdict(list)
        for i, number in zip(classes, array('L', content), strict=True):
            by_outcome[number].append(i)
        for (encrypted, model, worst_of), number in outcomes.items():
            if number in by_outcome:
                groups.append(
                    PairGroup(
                        encrypted,
                        model,
                        WORST[worst_of],
                        flavors.items(members),
                        images.items(by_outcome[number]),
                    )
                )
    return sorted(groups, key=lambda group: -group.pairs)


def _problems(
    flavors: Side[FlavorView, ImageView],
    images: Side[ImageView, FlavorView],
) -> list[AuditProblem]:
    found = [
        *_problems_of(flavors, lambda own, other: (own, other)),
        *_problems_of(images, lambda own, other: (other, own)),
    ]
    return sorted(
        found,
        key=lambda p: (
            not p.problem.is_error,
            -p.pairs,
            _ORDER[p.problem.code],
            p.problem.field,
        ),
    )


class _Tally:
    """One problem: the pairs of each of its values, and where it is."""

    def __init__(self) -> None:
        self.pairs: Counter[Problem] = Counter()
        self.classes: set[int] = set()
        self.contexts: set[int] = set()


def _problems_of(
    side: Side[View, Other],
    in_order: Callable[..., tuple[tuple[Item, ...], tuple[Item, ...]]],
) -> Iterator[AuditProblem]:
    other = side.other
    tallies: defaultdict[Key, _Tally] = defaultdict(_Tally)
    for facet, classes in side.used_facets.items():
        members = sum(len(side.members[n]) for n in classes)
        for c in other.used_contexts:
            for problem in side.problems(facet, c):
                tally = tallies[_same(problem)]
                tally.pairs[problem] += members * other.sizes[c]
                tally.classes.update(classes)
                tally.contexts.add(c)
    for tally in tallies.values():
        own = side.items(sorted(tally.classes))
        others = other.items(other.of_contexts(tally.contexts))
        flavors, images = in_order(own, others)
        ranked = [problem for problem, _ in tally.pairs.most_common()]
        yield AuditProblem(
            ranked[0],
            tuple(dict.fromkeys(problem.value for problem in ranked)),
            tally.pairs.total(),
            flavors,
            images,
        )


def _same(problem: Problem) -> Key:
    """Return what problems share that are told as one."""
    return (
        problem.code,
        problem.case,
        problem.severity,
        problem.field,
        problem.model,
        problem.needs,
        problem.other,
    )
