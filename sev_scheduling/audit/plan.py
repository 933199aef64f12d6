"""plan(): the changes that fix what can be fixed, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from sev_scheduling.audit.audit import (
    Entry,
    Sides,
    judge_with,
    read_flavors,
    read_images,
)
from sev_scheduling.audit.classes import View
from sev_scheduling.audit.results import AuditFix, Item, Plan
from sev_scheduling.audit.side import changed, properties_of
from sev_scheduling.problems import Fix, Target, merge


def plan(
    flavors: Iterable[Any],
    images: Iterable[Any],
    *,
    machine_type: str | None = None,
    boot_from_volume: bool = False,
    models: Sequence[str] = (),
    accept: Callable[[Item], bool] = lambda _: False,
) -> Plan:
    """Plan what to change so that nothing is left to fix.

    What a fix leads to is judged again, and may need another one. So changes
    are tried on one side, flavors or images, then on what that leads to, and
    so on; each makes fewer pairs wrong.

    :param flavors: each in any shape that :func:`.parse` takes
    :param images: images and bootable volumes, in the same way
    :param machine_type: the hosts' default, where the caller knows it
    :param boot_from_volume: as of :func:`.parse`, as ``models``
    :param accept: whether the caveats of something's fixes are known to be
        true; if not, and it has such fixes, it is left as it is
    :raises SpecError: where one has no flavor's or image's shape, or
        ``models`` names one that is not registered
    """
    judge = judge_with(
        machine_type, boot_from_volume=boot_from_volume, models=models
    )
    of_flavors = _Trial(read_flavors(flavors))
    of_images = _Trial(read_images(images))
    sides = Sides(of_flavors.entries, of_images.entries, judge)
    severity = sides.severity
    accepted = {
        id(item)
        for item, _ in (*of_flavors.entries, *of_images.entries)
        if accept(item)
    }
    while True:
        left_out: list[AuditFix] = []
        fixes: list[AuditFix] = []
        for fix in sides.fixes():
            sure = id(fix.item) in accepted or not fix.caveats
            (fixes if sure else left_out).append(fix)
        if not fixes:
            break
        # What mends the most decides whose turn it is: a change of a flavor
        # may do instead of one of an image.
        if fixes[0].item.target is Target.FLAVOR:
            of_flavors.make(fixes)
        else:
            of_images.make(fixes)
        sides = Sides(of_flavors.entries, of_images.entries, judge)
    made = [*of_images.fixes(), *of_flavors.fixes()]
    return Plan(
        fixes=tuple(sorted(made, key=_is_public)),
        left_out=tuple(left_out),
        severity=severity,
        severity_after=sides.severity,
    )


def _is_public(fix: AuditFix) -> bool:
    return any(change.public for change in fix.changes)


@dataclass
class _Tried:
    """The fixes of one flavor, image or volume so far."""

    fixes: list[Fix] = field(default_factory=list)
    pairs: int = 0
    mends: int = 0


class _Trial(Generic[View]):
    """Flavors, or images and volumes, as they become.

    :ivar entries: as they are now
    """

    def __init__(self, entries: list[Entry[View]]) -> None:
        self._first: list[Entry[View]] = entries
        self.entries: list[Entry[View]] = entries
        self._tried: dict[int, _Tried] = {}

    def make(self, fixes: Iterable[AuditFix]) -> None:
        """Make those of the fixes that are of this side."""
        # Not by value: without ids, two may look alike.
        by_item = {id(fix.item): fix for fix in fixes}
        self.entries = [
            (item, self._made(view, by_item[id(item)]))
            if id(item) in by_item
            else (item, view)
            for item, view in self.entries
        ]

    def _made(self, view: View, fix: AuditFix) -> View:
        tried = self._tried.setdefault(id(fix.item), _Tried())
        tried.fixes += fix.changes
        tried.pairs = max(tried.pairs, fix.pairs)
        tried.mends += fix.mends
        return changed(view, fix.changes)

    def fixes(self) -> list[AuditFix]:
        """Return one for each that has changed, most mended first."""
        found = []
        for (item, first), (_, last) in zip(
            self._first, self.entries, strict=True
        ):
            tried = self._tried.get(id(item))
            if tried is None:
                continue
            before, after = properties_of(first), properties_of(last)
            keys = [
                key
                for key in {**before, **after}
                if before.get(key) != after.get(key)
            ]
            if not keys:
                continue
            changes = [
                replace(
                    fix,
                    set={k: after[k] for k in fix.set if k in keys},
                    unset=tuple(k for k in fix.unset if k in keys),
                )
                for fix in merge(tried.fixes)
            ]
            found.append(
                AuditFix(
                    item,
                    tuple(fix for fix in changes if fix.set or fix.unset),
                    tried.pairs,
                    tried.mends,
                    {key: before.get(key) for key in keys},
                )
            )
        return sorted(found, key=lambda fix: (-fix.mends, -fix.pairs))
