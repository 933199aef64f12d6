"""The commands of ``openstack memory encryption``.

They are those of ``sev-scheduling``, about the cloud that ``openstack`` has
signed in to.
"""

from __future__ import annotations

from sev_scheduling.cli.commands import capacity, check, explain, host


class _InOpenStack:
    in_openstack = True

    # osc-lib signs in before it runs such a command.
    auth_required = True
    required_scope = True


class Check(_InOpenStack, check.Check):
    __doc__ = check.Check.__doc__


class Explain(_InOpenStack, explain.Explain):
    __doc__ = explain.Explain.__doc__


class ListCapacity(_InOpenStack, capacity.Capacity):
    __doc__ = capacity.Capacity.__doc__


class ListHosts(_InOpenStack, host.ListHosts):
    __doc__ = host.ListHosts.__doc__


class ShowHost(_InOpenStack, host.ShowHost):
    __doc__ = host.ShowHost.__doc__
