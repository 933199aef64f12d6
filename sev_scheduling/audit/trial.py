"""Changes that are tried, and what becomes of flavors and images by them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from sev_scheduling.audit.audit import Entry
from sev_scheduling.audit.classes import View
from sev_scheduling.audit.results import AuditFix, Item
from sev_scheduling.audit.side import properties_of
from sev_scheduling.exceptions import InputError
from sev_scheduling.problems import Caveat, Fix, merge
from sev_scheduling.rules.changes import changed
from sev_scheduling.text import quoted

#: Answers what is known of a flavor, image or volume: the choices that are
#: made, and '' where the caveats of its other fixes are true.
Accept = Callable[[Item], Collection[str]]


def nothing(_: Item) -> Collection[str]:
    """Return that nothing is known."""
    return ()


def is_sure(
    accepted: Collection[str], caveats: Collection[Caveat], choice: str
) -> bool:
    """Whether a fix is to be made."""
    if choice:
        return choice in accepted
    return not caveats or '' in accepted


def check_choices(made: Iterable[AuditFix], fix: AuditFix) -> None:
    """Check that a fix that is accepted contradicts none that was made.

    :raises InputError: naming what accepts the two
    """
    for one in made:
        if one.item is not fix.item or not (one.condition and fix.condition):
            continue
        opposite = any(
            one.after.get(key, value) != value
            for key, value in fix.after.items()
        )
        if opposite or _are_opposed(one.choice, fix.choice):
            named = dict.fromkeys((one.condition, fix.condition))
            raise InputError(
                f'{" and ".join(map(quoted, named))} are for two fixes that '
                'contradict each other; accept one, or make one by hand.'
            )


def _are_opposed(first: str, second: str) -> bool:
    """Whether nobody wants two things: two models, or one and none."""
    wishes = {first, second} - {'', Caveat.NOT_NEEDED}
    if len(wishes) < 2:
        return False
    return Caveat.UNENCRYPTED in wishes or Caveat.ENCRYPTED not in wishes


@dataclass
class _Tried:
    """The fixes of one flavor, image or volume so far."""

    fixes: list[Fix] = field(default_factory=list)
    pairs: int = 0
    mends: int = 0


class Trial(Generic[View]):
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
        by_item: dict[int, list[AuditFix]] = {}
        for fix in fixes:
            by_item.setdefault(id(fix.item), []).append(fix)
        self.entries = [
            (item, self._made(view, by_item.get(id(item), ())))
            for item, view in self.entries
        ]

    def _made(self, view: View, fixes: Iterable[AuditFix]) -> View:
        for fix in fixes:
            tried = self._tried.setdefault(id(fix.item), _Tried())
            tried.fixes += fix.changes
            tried.pairs = max(tried.pairs, fix.pairs)
            tried.mends += fix.mends
            view = changed(view, fix.changes)
        return view

    def repeats(self, item: Item, changes: Iterable[Fix]) -> bool:
        """Whether changes touch a key that was changed before.

        What was made is neither undone nor made again.
        """
        tried = self._tried.get(id(item))
        touched = _keys(tried.fixes) if tried else frozenset[str]()
        return bool(touched & _keys(changes))

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


def _keys(fixes: Iterable[Fix]) -> frozenset[str]:
    return frozenset(key for fix in fixes for key in (*fix.set, *fix.unset))


def in_order(*trials: Trial[Any]) -> tuple[AuditFix, ...]:
    """Return what was made, that of one owner alone before what is public."""
    made = (fix for trial in trials for fix in trial.fixes())
    return tuple(
        sorted(made, key=lambda fix: any(c.public for c in fix.changes))
    )
