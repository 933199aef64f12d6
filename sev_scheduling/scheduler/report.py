"""What the checks of nova-scheduler look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sev_scheduling import opts
from sev_scheduling.configuration import Configuration
from sev_scheduling.hosts.aggregates import (
    Aggregate,
)
from sev_scheduling.hosts.check import (
    NotRead,
)
from sev_scheduling.hosts.host import Host
from sev_scheduling.rules.validation import Validation

#: Hosts and servers that are named; the others are counted.
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerReport:
    """All that the checks look at; None stands for unknown.

    :ivar conf: of nova-scheduler
    :ivar placement: of Placement
    :ivar hosts: all of the cloud
    :ivar servers: the encrypted ones, validated
    :ivar conf_error: why there is none; likewise the others
    """

    conf: Configuration | None = None
    conf_error: str | None = None
    placement: Configuration | None = None
    placement_error: str | None = None
    hosts: tuple[Host, ...] | None = None
    hosts_error: str | None = None
    aggregates: tuple[Aggregate, ...] | None = None
    aggregates_error: str | None = None
    servers: tuple[Validation, ...] | None = None
    servers_error: str | None = None

    def get(self, name: str, group: str = 'filter_scheduler') -> Any:
        """Return an option of nova-scheduler.

        :raises NotRead: where its configuration could not be read
        :raises InputError: where its value cannot be used
        """
        if self.conf is None:
            raise NotRead(self.conf_error)
        return self.conf.get(group, name)

    def ours(self, name: str) -> Any:
        """Return an option of ``[sev_scheduling]``, as :meth:`get` does."""
        return self.get(name, opts.GROUP.name)


def some(names: Iterable[str]) -> tuple[str, ...]:
    """Return the first names, and that there are more."""
    found = sorted(names)
    more = ('…',) if len(found) > SHOWN else ()
    return (*found[:SHOWN], *more)
