"""plan_pair(): what to change of one flavor and one image, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sev_scheduling.audit.audit import (
    Judge,
    judge_with,
    read_flavors,
    read_images,
)
from sev_scheduling.audit.results import WORST, AuditFix, Item, Plan
from sev_scheduling.audit.trial import (
    Accept,
    Trial,
    check_choices,
    in_order,
    is_sure,
    nothing,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.problems import Fix, Problem, Severity, Target, merge
from sev_scheduling.request.sources import FlavorView, ImageView
from sev_scheduling.rules.changes import changed
from sev_scheduling.rules.validation import Validation
from sev_scheduling.text import quoted


def plan_pair(
    flavor: Any,
    image: Any,
    *,
    machine_type: str | None = None,
    boot_from_volume: bool = False,
    models: Sequence[str] = (),
    accept: Accept = nothing,
) -> Plan:
    """Plan what to change of one flavor, and of one image or volume.

    Every way out that :func:`.validate` names is in it, made or left out,
    unless what is made solves its problem too. What is made is not undone.

    :param flavor: in any shape that :func:`.parse` takes, as ``image``
    :param machine_type: the hosts' default, where the caller knows it
    :param boot_from_volume: as of :func:`.parse`, as ``models``
    :param accept: what else is made than fixes without a caveat
    :raises InputError: where two are accepted that contradict each other
    :raises SpecError: where one has no flavor's or image's shape, or
        ``models`` names one that is not registered
    """
    judge = judge_with(
        machine_type, boot_from_volume=boot_from_volume, models=models
    )
    return _Pair(flavor, image, judge, accept).plan()


class _Pair:
    """A flavor and an image, as they become."""

    def __init__(
        self, flavor: Any, image: Any, judge: Judge, accept: Accept
    ) -> None:
        self._judge = judge
        self._flavor: Trial[FlavorView] = Trial(read_flavors([flavor]))
        self._image: Trial[ImageView] = Trial(read_images([image]))
        self._made: list[AuditFix] = []
        self._accepted = {
            id(item): accept(item)
            for item in (self._item(Target.FLAVOR), self._item(Target.IMAGE))
        }

    def plan(self) -> Plan:
        first = found = self._judged()
        # One at a time: it may solve other problems, and bring new ones.
        while way := self._next(found):
            self._trial(way.item.target).make([way])
            self._made.append(way)
            found = self._judged()
        return Plan(
            fixes=in_order(self._image, self._flavor),
            left_out=tuple(self._left_out(found)),
            severity=_worst(first),
            severity_after=_worst(found),
        )

    def _judged(self, *fixes: Fix) -> Validation:
        """Judge the two, with more changes to one of them."""
        ((_, flavor),), ((_, image),) = (
            self._flavor.entries,
            self._image.entries,
        )
        if fixes and fixes[0].target is Target.FLAVOR:
            flavor = changed(flavor, fixes)
        elif fixes:
            image = changed(image, fixes)
        return self._judge(flavor, image)

    def _trial(self, target: Target | None) -> Trial[Any]:
        return self._flavor if target is Target.FLAVOR else self._image

    def _item(self, target: Target | None) -> Item:
        ((item, _),) = self._trial(target).entries
        return item

    def _ways(self, problem: Problem) -> Iterator[AuditFix]:
        """Yield the commands that solve a problem, as fixes of their own."""
        for way in self._all_ways(problem):
            if not self._trial(way.item.target).repeats(way.item, way.changes):
                yield way

    def _all_ways(self, problem: Problem) -> Iterator[AuditFix]:
        """Yield the same, and those that change what was changed before."""
        ways = problem.fix.ways
        for way in ways:
            choice = way.wish if len(ways) > 1 else ''
            yield self._fix(self._item(way.target), [way], choice)

    def _fix(
        self, item: Item, changes: Sequence[Fix], choice: str = ''
    ) -> AuditFix:
        wrong = [self._judged().errors, self._judged(*changes).errors]
        mends = bool(wrong[0]) and not wrong[1]
        merged = tuple(_named(change, item) for change in merge(changes))
        return AuditFix(item, merged, 1, int(mends), choice=choice)

    def _next(self, found: Validation) -> AuditFix | None:
        """Return the next that is to be made; None where all are."""
        for problem in found:
            for way in self._all_ways(problem):
                if self._is_sure(way):
                    check_choices(self._made, way)
            sure = [*filter(self._is_sure, self._ways(problem))]
            if len(sure) > 1:
                each = ' and '.join(quoted(way.condition) for way in sure)
                raise InputError(
                    f'{each} are two ways out of one problem; accept one.'
                )
            if sure:
                return sure[0]
        return None

    def _is_sure(self, way: AuditFix) -> bool:
        accepted = self._accepted[id(way.item)]
        return is_sure(accepted, way.caveats, way.choice)

    def _left_out(self, found: Validation) -> Iterator[AuditFix]:
        """Yield one for each flavor and image, then the choices."""
        choices = []
        others: dict[Target, list[Fix]] = {}
        for problem in found:
            for way in self._ways(problem):
                if way.choice:
                    choices.append(way)
                else:
                    of_item = others.setdefault(way.item.target, [])
                    of_item += way.changes
        for target, changes in others.items():
            yield self._fix(self._item(target), changes)
        # By value: the same way may be out of several problems.
        for position, way in enumerate(choices):
            if way not in choices[:position]:
                yield way


def _named(change: Fix, item: Item) -> Fix:
    """Return a change of what a command can name for sure."""
    return replace(change, name=item.reference)


def _worst(found: Validation) -> Severity | None:
    return WORST[max((1 + p.is_error for p in found), default=0)]
