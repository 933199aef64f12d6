"""What an audit finds, as data."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sev_scheduling.problems import (
    Caveat,
    Fix,
    Problem,
    Severity,
    Target,
    conditions,
)

#: A name that is one word of a command, reads from left to right, and that
#: Glance takes for a name (``in:a,b`` is a list to it).
_PLAIN_NAME = re.compile(r'(?!in:)[A-Za-z0-9_][A-Za-z0-9_.:+@-]*')

#: No problem, and the severities, the worst last.
WORST = (None, Severity.WARNING, Severity.ERROR)


@dataclass(frozen=True, slots=True)
class Item:
    """A flavor, an image or a bootable volume.

    :ivar name: its name, else its id, else None; no other of its kind in
        the audit has it where ``unique``
    :ivar id: None where it is not known
    """

    target: Target
    name: str | None
    id: str | None
    unique: bool = True

    @property
    def reference(self) -> str | None:
        """What names it in a command: its name where that is safe."""
        name = self.name
        if self.id and not (
            name and self.unique and _PLAIN_NAME.fullmatch(name)
        ):
            return self.id
        return name

    @property
    def label(self) -> str:
        """What names it in a list."""
        if self.name and self.id and not self.unique:
            return f'{self.name} ({self.id})'
        return self.name or self.id or str(self.target)


@dataclass(frozen=True, slots=True)
class PairGroup:
    """Each of some flavors with each of some images: the same outcome.

    :ivar model: the model that is asked for, None where none is known
    :ivar severity: of the worst problem, None where there is none
    """

    encrypted: bool
    model: str | None
    severity: Severity | None
    flavors: tuple[Item, ...]
    images: tuple[Item, ...]

    @property
    def pairs(self) -> int:
        return len(self.flavors) * len(self.images)


@dataclass(frozen=True, slots=True)
class AuditProblem:
    """One problem, of all the pairs that have it.

    :ivar problem: as it is for the most pairs, without names
    :ivar values: the values at fault, those of the most pairs first
    """

    problem: Problem
    values: tuple[str | None, ...]
    pairs: int
    flavors: tuple[Item, ...]
    images: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class AuditFix:
    """The changes to one flavor, image or volume.

    :ivar changes: a fix that sets, one that removes, or both
    :ivar pairs: how many have a problem that the changes solve
    :ivar mends: how many more have no error, by these changes alone
    :ivar before: of a :class:`Plan`, key -> value of what is changed; None
        where it has none
    :ivar choice: what must be wanted, as :attr:`.Fix.wish`, where it is one
        way of several; ''
    """

    item: Item
    changes: tuple[Fix, ...]
    pairs: int
    mends: int
    before: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    choice: str = ''

    @property
    def condition(self) -> str:
        """What accepts it: the name or the id, with the choice; '' where it
        has neither a caveat nor a choice.
        """
        if not (self.caveats or self.choice):
            return ''
        item = self.item
        named = item.reference or str(item.target)
        return f'{named}={self.choice}' if self.choice else named

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """What must be true for all changes to be the right ones."""
        return conditions(c for fix in self.changes for c in fix.caveats)

    @property
    def after(self) -> dict[str, str | None]:
        """Key -> value of what is changed; None where it has none then."""
        after: dict[str, str | None] = {}
        for change in self.changes:
            after |= change.set
            after |= dict.fromkeys(change.unset)
        return after


@dataclass(frozen=True, slots=True)
class Audit:
    """What :func:`audit` found.

    :ivar groups: all pairs, each in one of them, the largest first
    :ivar problems: errors first, those of the most pairs first
    :ivar fixes: those that mend the most pairs first
    """

    flavors: int
    images: int
    groups: tuple[PairGroup, ...]
    problems: tuple[AuditProblem, ...]
    fixes: tuple[AuditFix, ...]

    @property
    def pairs(self) -> int:
        return self.flavors * self.images

    @property
    def severity(self) -> Severity | None:
        """The worst of all pairs, None where no pair has a problem."""
        found = {group.severity for group in self.groups}
        return next((s for s in reversed(WORST) if s in found), None)

    def count(self, **facts: Any) -> int:
        """Return how many pairs have these facts of a :class:`PairGroup`."""
        return sum(
            group.pairs
            for group in self.groups
            if all(getattr(group, name) == facts[name] for name in facts)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What :func:`plan` would change.

    :ivar fixes: one for each flavor, image or volume, which together leave
        nothing to fix but what is left out; those of their owner alone first,
        as others may be refused
    :ivar left_out: fixes with a caveat that nobody says is true
    :ivar severity: of the worst problem of all pairs, None where none has one
    :ivar severity_after: likewise, once the fixes are made
    """

    fixes: tuple[AuditFix, ...]
    left_out: tuple[AuditFix, ...]
    severity: Severity | None
    severity_after: Severity | None


class Outcome(enum.StrEnum):
    """What became of a change that was to be made."""

    DONE = 'done'
    #: it was as wanted
    NOT_NEEDED = 'not-needed'
    #: a service refused it, or cannot be asked
    REFUSED = 'refused'
    #: somebody else has changed the same since it was read
    CHANGED_MEANWHILE = 'changed-meanwhile'
    #: the answer was lost
    UNKNOWN = 'unknown'
    NOT_TRIED = 'not-tried'
    #: it has a condition that nobody says is met
    LEFT_OUT = 'left-out'

    @property
    def is_well(self) -> bool:
        return self in (Outcome.DONE, Outcome.NOT_NEEDED)


@dataclass(slots=True)
class Change:
    """A fix that is made, and what has become of it so far.

    :ivar keys: that were changed, as far as that is known
    :ivar error: what went wrong, in one sentence
    """

    fix: AuditFix
    outcome: Outcome = Outcome.NOT_TRIED
    keys: tuple[str, ...] = ()
    error: str = ''
