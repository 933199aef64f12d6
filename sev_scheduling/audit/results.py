"""What an audit finds, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sev_scheduling.problems import Fix, Problem, Severity, Target

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
    """

    item: Item
    changes: tuple[Fix, ...]
    pairs: int
    mends: int


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
