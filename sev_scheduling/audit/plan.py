"""plan(): the changes that fix what can be fixed, as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sev_scheduling.audit.audit import (
    Sides,
    judge_with,
    read_flavors,
    read_images,
)
from sev_scheduling.audit.results import AuditFix, Plan
from sev_scheduling.audit.trial import (
    Accept,
    Trial,
    check_choices,
    in_order,
    is_sure,
    nothing,
)
from sev_scheduling.problems import Target


def plan(
    flavors: Iterable[Any],
    images: Iterable[Any],
    *,
    machine_type: str | None = None,
    boot_from_volume: bool = False,
    models: Sequence[str] = (),
    accept: Accept = nothing,
) -> Plan:
    """Plan what to change so that nothing is left to fix.

    What a fix leads to is judged again, and may need another one. So what is
    proposed, by the rules of :mod:`.proposals`, is tried on one side, flavors
    or images, then on what that leads to, and so on. Nothing is undone.

    :param flavors: each in any shape that :func:`.parse` takes
    :param images: images and bootable volumes, in the same way
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
    of_flavors = Trial(read_flavors(flavors))
    of_images = Trial(read_images(images))
    trials: tuple[Trial[Any], ...] = of_images, of_flavors
    sides = Sides(of_flavors.entries, of_images.entries, judge)
    severity = sides.severity
    accepted = {
        id(item): accept(item)
        for item, _ in (*of_flavors.entries, *of_images.entries)
    }
    made: list[AuditFix] = []
    while True:
        left_out: list[AuditFix] = []
        fixes: list[AuditFix] = []
        for fix in sides.fixes():
            sure = is_sure(accepted[id(fix.item)], fix.caveats, fix.choice)
            if sure:
                check_choices((*made, *fixes), fix)
            if any(t.repeats(fix.item, fix.changes) for t in trials):
                continue
            (fixes if sure else left_out).append(fix)
        if not fixes:
            break
        # What mends the most decides whose turn it is: a change of a flavor
        # may do instead of one of an image.
        of_flavor = fixes[0].item.target is Target.FLAVOR
        turn = [
            f for f in fixes if (f.item.target is Target.FLAVOR) == of_flavor
        ]
        (of_flavors if of_flavor else of_images).make(turn)
        made += turn
        sides = Sides(of_flavors.entries, of_images.entries, judge)
    return Plan(
        fixes=in_order(*trials),
        left_out=tuple(left_out),
        severity=severity,
        severity_after=sides.severity,
    )
