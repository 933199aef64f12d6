"""The commands of ``openstack memory encryption``.

They are those of ``sev-scheduling``, about the cloud that ``openstack`` has
signed in to.
"""

from __future__ import annotations

from sev_scheduling.cli.commands import (
    audit,
    capacity,
    check,
    explain,
    host,
    host_drain,
)


class Audit(audit.Audit):
    in_openstack = True


class Check(check.Check):
    in_openstack = True


class Explain(explain.Explain):
    in_openstack = True


class ListCapacity(capacity.Capacity):
    in_openstack = True


class ListHosts(host.ListHosts):
    in_openstack = True


class ShowHost(host.ShowHost):
    in_openstack = True


class PlanDrain(host_drain.DrainPlan):
    in_openstack = True
