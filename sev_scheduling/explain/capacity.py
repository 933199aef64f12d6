"""How many more guests fit, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import os_resource_classes as orc

from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.cases import verdict_case
from sev_scheduling.explain.values.naming import Count, guest_name
from sev_scheduling.explain.values.problems import verdict_values
from sev_scheduling.hosts.capacity import Capacity, HostCapacity

_SPREAD = 'what is left is spread over several providers'
_GUESTS = '{about}{guests} more {guest}{n:|s} {n:fits|fit}'
_ON_HOSTS = ' on {hosts} {h:host|hosts}'
_BINDING = '; {classes} {c:binds|bind} first'
_SHARED = '. Hosts share resources: their numbers do not add up'
_WITHOUT = '. {hosts} {h:host offers|hosts offer} no slots for it'
_UNKNOWN = '. Whether hosts overcommit memory was not asked'


def resource(name: str) -> str:
    """Return a resource class as people call it."""
    return 'slots' if name == orc.MEM_ENCRYPTION_CONTEXT else name


def resources(names: Iterable[str]) -> str:
    """Return such as ``slots, MEMORY_MB``."""
    return ', '.join(map(resource, names))


def amounts(limits: Mapping[str, int]) -> str:
    """Return such as ``slots 3, MEMORY_MB 7``, the least first."""
    ordered = sorted(limits.items(), key=lambda item: item[1])
    return ', '.join(f'{resource(name)} {most}' for name, most in ordered)


def why_no_more(host: HostCapacity) -> str:
    """Return what keeps one more guest off a host, in a few words."""
    if host.binding:
        return resources(host.binding)
    if host.code is None:
        return _SPREAD
    if host.verdict.code is not None and host.code == host.verdict.code:
        row = catalogue.hosts.VERDICTS[host.code, verdict_case([host.verdict])]
    else:
        row = catalogue.hosts.VERDICTS[host.code, '']
    return row.hosts.format_map(verdict_values((host.verdict,)))


def in_all(capacity: Capacity) -> str:
    """Return how many fit in all, in a line."""
    hosts = sum(host.guests > 0 for host in capacity.hosts)
    text = _GUESTS.format(
        about='' if capacity.exact else 'at least ',
        guests=capacity.guests,
        guest=guest_name(capacity.request),
        n=Count(capacity.guests),
    )
    if hosts:
        text += _ON_HOSTS.format(hosts=hosts, h=Count(hosts))
    if capacity.binding:
        text += _BINDING.format(
            classes=resources(capacity.binding),
            c=Count(
                # Slots are many by themselves.
                2
                if capacity.binding[0] == orc.MEM_ENCRYPTION_CONTEXT
                else len(capacity.binding)
            ),
        )
    if capacity.exact and capacity.guests < sum(
        host.guests for host in capacity.hosts
    ):
        text += _SHARED
    if capacity.without_pool:
        count = capacity.without_pool
        text += _WITHOUT.format(hosts=count, h=Count(count))
    if not capacity.overcommit_known:
        text += _UNKNOWN
    return f'{text}.'
