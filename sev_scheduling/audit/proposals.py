"""What an audit proposes to change, by rules.

A change of a flavor, image or volume reaches all its pairs. So what helps one
pair is proposed only where it is good for them together:

*Most want it.* At least half of the pairs that it is about have a problem that
it solves: of those that ask for encryption where it is about the model or how
an image boots, else of all. An image is not made ready for a model that few of
its flavors name, nor a flavor changed for one odd image: those two are just
not meant for each other.

*It harms none.* No pair gets an error that had none.

*It helps.* Fewer pairs have an error, or those have fewer; and unless it is a
choice, no pair wants the opposite afterwards.

What keeps to these is

*plain*, and may be made unasked, where its rule gives it no caveat and no
other way, and no pair that can run changes model, or between encrypted and
not;

*a condition* where it has a caveat, all those of one flavor or image together;

*a choice* where it is one way of several. Each way that keeps to the rules is
a proposal of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sev_scheduling.audit.classes import Other, View
from sev_scheduling.audit.results import AuditFix
from sev_scheduling.audit.side import Offer, Side
from sev_scheduling.problems import Caveat, Fix, merge
from sev_scheduling.rules.changes import changed


@dataclass(frozen=True, slots=True)
class _Proposal:
    """Changes of a class of flavors or images.

    :ivar after: the class that they lead to
    :ivar pairs: how many want the change that the most want
    """

    changes: tuple[Fix, ...]
    after: int
    pairs: int
    choice: str = ''


def proposals(side: Side[View, Other]) -> Iterator[AuditFix]:
    """Yield what is proposed for each of one side."""
    for n in side.used_classes:
        for found in _of_class(side, n):
            before, then = side.score(n), side.score(found.after)
            if then >= before:
                continue
            changes = merge(found.changes)
            for item in side.members[n]:
                yield AuditFix(
                    item,
                    tuple(replace(c, name=item.reference) for c in changes),
                    found.pairs,
                    before[0] - then[0],
                    choice=found.choice,
                )


def _of_class(side: Side[View, Other], n: int) -> Iterator[_Proposal]:
    offers = side.offers(n)
    if not offers:
        return
    for kind in (_is_plain, _is_conditional):
        if any(map(kind, offers)) and (found := _together(side, n, kind)):
            yield found
    for offer in offers:
        if offer.choice and _is_wanted(side, n, offer):
            after = side.add(changed(side.views[n], [offer.fix]))
            if not side.harms(n, after):
                pairs = _wanting(side, n, offer)
                yield _Proposal((offer.fix,), after, pairs, offer.choice)


def _is_plain(offer: Offer) -> bool:
    return not (offer.choice or offer.fix.caveats)


def _is_conditional(offer: Offer) -> bool:
    return not offer.choice and bool(offer.fix.caveats)


def _together(
    side: Side[View, Other], first: int, kind: Callable[[Offer], bool]
) -> _Proposal | None:
    """Return all changes of a kind that can go together, and what they lead
    to; None where there are none.

    Those of errors, and of the most pairs, come first.
    """
    chosen: list[Fix] = []
    touched: dict[str, str | None] = {}
    most, number = 0, first
    while True:
        found = []
        for offer, pairs in side.ranked(number):
            change = changes_of(offer.fix)
            if (
                kind(offer)
                and change.keys() - touched.keys()
                and _agree(touched, change)
                and _is_wanted(side, number, offer)
            ):
                after = side.add(changed(side.views[number], [offer.fix]))
                if (
                    side.harms(number, after)
                    or _is_undone(side, after, change)
                    or (kind is _is_plain and side.turns(number, after))
                ):
                    continue
                touched |= change
                found.append(offer.fix)
                most, number = max(most, pairs), after
        if not found:
            break
        chosen += found
    return _Proposal(tuple(chosen), number, most) if chosen else None


def changes_of(fix: Fix) -> dict[str, str | None]:
    """Return key -> value of what a fix changes; None where it is removed."""
    return {**dict.fromkeys(fix.unset), **fix.set}


def _agree(
    touched: dict[str, str | None], change: dict[str, str | None]
) -> bool:
    return all(
        touched.get(key, value) == value for key, value in change.items()
    )


def _is_wanted(side: Side[View, Other], n: int, offer: Offer) -> bool:
    """Whether at least half of the pairs that it is about want it."""
    about = side.other.count
    caveats = offer.fix.caveats
    if any(c.of_image or c is Caveat.MODEL_WANTED for c in caveats):
        about = side.encrypted_pairs(n)
    return 2 * _wanting(side, n, offer) >= about


def _wanting(side: Side[View, Other], n: int, offer: Offer) -> int:
    """Count the pairs that want a change, be it their one way or not."""
    change = changes_of(offer.fix)
    return sum(
        pairs
        for other, pairs in side.offers(n).items()
        if other == offer or changes_of(other.fix) == change
    )


def _is_undone(
    side: Side[View, Other], after: int, change: dict[str, str | None]
) -> bool:
    """Whether a pair would then want the opposite."""
    return any(
        not _agree(change, changes_of(offer.fix))
        for offer in side.offers(after)
    )
