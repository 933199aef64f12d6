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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from sev_scheduling.audit.classes import (
    Accept,
    Groups,
    Key,
    Other,
    Side,
    View,
    flavor_class,
    flavor_context,
    image_class,
    image_facets,
)
from sev_scheduling.audit.results import (
    WORST,
    Audit,
    AuditFix,
    AuditProblem,
    Item,
    PairGroup,
)
from sev_scheduling.problems import Code, Problem, Source, Target, merge
from sev_scheduling.request.request import combine
from sev_scheduling.request.sources import (
    FlavorView,
    ImageView,
    facts_of,
    flavor_view,
    image_view,
)
from sev_scheduling.rules.validation import Validation, validate

_ORDER = {code: position for position, code in enumerate(Code)}


def audit(
    flavors: Iterable[Any],
    images: Iterable[Any],
    *,
    machine_type: str | None = None,
    accept: Accept = lambda _: True,
) -> Audit:
    """Validate every flavor with every image.

    :param flavors: each in any shape that :func:`.parse` takes
    :param images: images and bootable volumes, in the same way
    :param machine_type: the hosts' default, where the caller knows it
    :param accept: which fixes of problems may become changes
    :raises SpecError: where one has no flavor's or image's shape
    """

    def judge(flavor: FlavorView, image: ImageView) -> Validation:
        request = combine(flavor, image, boot_from_volume=image.of_volume)
        return validate(request, machine_type)

    flavor_side = Side(
        Source.FLAVOR,
        (Target.FLAVOR,),
        flavor_context,
        lambda flavor: [(flavor, None)],
        judge,
    )
    for item, flavor in _items(flavors, flavor_view, lambda _: Target.FLAVOR):
        flavor_side.add(flavor_class(flavor), item)
    groups = Groups(flavor_side.views)
    image_side = Side(
        Source.IMAGE,
        (Target.IMAGE, Target.VOLUME),
        groups.image_context,
        image_facets,
        lambda image, flavor: judge(flavor, image),
    )
    flavor_side.other, image_side.other = image_side, flavor_side
    for item, image in _items(images, image_view, _image_target):
        image_side.add(image_class(image), item)
    return Audit(
        flavors=flavor_side.count,
        images=image_side.count,
        groups=tuple(_groups(flavor_side, image_side)),
        problems=tuple(_problems(flavor_side, image_side)),
        fixes=tuple(_fixes(flavor_side, image_side, accept)),
    )


def _image_target(image: ImageView) -> Target:
    return Target.VOLUME if image.of_volume else Target.IMAGE


def _items(
    sources: Iterable[Any],
    read: Callable[[Any], View],
    target: Callable[[View], Target],
) -> list[tuple[Item, View]]:
    """Read each once; tell which have a name of their own."""
    found = []
    taken: Counter[str] = Counter()
    for source in sources:
        view = read(source)
        name = getattr(view, 'volume_name', None) or view.name
        facts = facts_of(source) or {}
        held = facts.get('flavorid') or facts.get('id')
        number = str(held) if held else None
        taken.update({name or '', number or ''})
        found.append((Item(target(view), name, number), view))
    return [
        (replace(item, unique=taken[item.name or ''] == 1), view)
        for item, view in found
    ]


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
            request = flavors.request(context, c)
            model = request.model_name if request.encrypted else None
            asked[c] = request.encrypted, model, own
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
        self.classes: dict[int, None] = {}
        self.contexts: set[int] = set()


def _problems_of(
    side: Side[View, Other],
    in_order: Callable[..., tuple[tuple[Item, ...], tuple[Item, ...]]],
) -> Iterator[AuditProblem]:
    other = side.other
    tallies: defaultdict[Key, _Tally] = defaultdict(_Tally)
    for n in side.used_classes:
        for c in other.used_contexts:
            for problem in side.problems(n, c):
                tally = tallies[_same(problem)]
                pairs = len(side.members[n]) * other.sizes[c]
                tally.pairs[problem] += pairs
                tally.classes[n] = None
                tally.contexts.add(c)
    for tally in tallies.values():
        own = side.items(tally.classes)
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


def _fixes(
    flavors: Side[FlavorView, ImageView],
    images: Side[ImageView, FlavorView],
    accept: Accept,
) -> list[AuditFix]:
    found = [*_fixes_of(flavors, accept), *_fixes_of(images, accept)]
    return sorted(found, key=lambda fix: (-fix.mends, -fix.pairs))


def _fixes_of(side: Side[View, Other], accept: Accept) -> Iterator[AuditFix]:
    for n in side.used_classes:
        fixes, after = side.solve(n, accept)
        if not fixes:
            continue
        before, then = side.score(n), side.score(after)
        # What ends well for some pairs may end badly for more.
        if then >= before:
            continue
        pairs = side.solvable(n, accept)
        changes = merge(fixes)
        for item in side.members[n]:
            named = (replace(fix, name=item.reference) for fix in changes)
            yield AuditFix(item, tuple(named), pairs, before[0] - then[0])
