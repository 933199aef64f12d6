"""What there is to say of a server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sev_scheduling.diagnosis import Matter
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.explanation import Explanation
from sev_scheduling.problems import Target
from sev_scheduling.request.server import ServerView, Unknown
from sev_scheduling.text import one_line, printable

#: What nova copies into a server when it is created.
_COPIED = frozenset({Target.FLAVOR, Target.IMAGE, Target.VOLUME})

#: Of a server whose properties nova-manage sets.
_SETTABLE = frozenset({'SHUTOFF', 'SHELVED', 'SHELVED_OFFLOADED'})


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAction:
    """The last action on a server, which failed.

    :ivar time: as nova writes it
    """

    action: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerExplanation:
    """Why a server is as it is, and what would be said of it today.

    :ivar about: of its request, or of the hosts
    :ivar matter: what it is a matter of
    :ivar changed: its flavor and image of today have no error any more
    :ivar unknown: what stands in for what is not known
    """

    server: ServerView
    about: Explanation
    matter: Matter
    changed: bool = False
    failed: FailedAction | None = None
    unknown: tuple[Unknown, ...] = ()

    @property
    def headline(self) -> str:
        """One line for operators and for tenants."""
        fault = self.server.fault
        return catalogue.server.SERVER[fault is not None].format(
            name=printable(self.server.name or self.server.id),
            status=self.server.status,
            fault=one_line(fault or ''),
        )

    @property
    def tenant_headline(self) -> str:
        return self.headline

    @property
    def _never_placed(self) -> bool:
        return self.server.status == 'ERROR' and not self.server.placed

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands in its views."""
        return self.about.commands

    def operator(self) -> str:
        """Return the view with hosts, for operators, in several lines."""
        return '\n'.join(self._lines(self.about.operator()))

    def tenant(self) -> str:
        """Return the view without host names and counts, for tenants."""
        return '\n'.join(self._lines(self.about.tenant()))

    def _lines(self, about: str) -> Iterator[str]:
        yield self.headline
        if self.failed is not None and self.server.fault is None:
            yield catalogue.server.LAST_ACTION.format(
                action=one_line(self.failed.action),
                time=one_line(self.failed.time),
            )
        if self.server.machine_type:
            yield catalogue.server.MACHINE_TYPE.format(
                machine_type=one_line(self.server.machine_type)
            )
        if self.changed:
            yield catalogue.server.SERVER_CHANGED
        if self.matter is Matter.MOMENT and self.about.targets:
            yield catalogue.server.MOMENT_OR_CHANGE
        else:
            yield catalogue.server.MATTERS[self.matter]
        for one in self.unknown:
            yield catalogue.server.UNKNOWN[one]
        yield about
        targets = self.about.targets
        if not self.changed and (
            self.matter is Matter.REQUEST or targets & _COPIED
        ):
            yield catalogue.server.SERVER_COPIES
        elif self._never_placed and not self.changed:
            yield catalogue.server.NOT_TRIED_AGAIN
        if Target.SERVER in targets and self.server.status not in _SETTABLE:
            yield catalogue.server.SERVER_RUNS
