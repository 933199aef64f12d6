"""What nova and Glance say of the servers on hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sev_scheduling.exceptions import SpecError
from sev_scheduling.hosts.aggregates import Aggregate
from sev_scheduling.hosts.drain import Unknown
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.request.server import (
    ServerRequests,
    ServerView,
    server_view,
)
from sev_scheduling.request.server import Unknown as NotShown
from sev_scheduling.request.server import read_server as server_requests

#: Parts of extra specs by which other filters of nova decide.
_TOPOLOGY = ('numa', 'cpu_policy', 'cpu_dedicated', 'pci')


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server on a host.

    :ivar requests: what it asks for; None where that is not known
    :ivar image: its image as Glance has it today; None where it is unknown
    :ivar host: name of its compute service
    :ivar node: name of its hypervisor
    :ivar task: what nova is doing with it, '' for nothing
    :ivar zone: the availability zone that it is bound to, None for any
    """

    view: ServerView
    requests: ServerRequests | None = None
    image: Mapping[str, Any] | None = field(default=None, hash=False)
    host: str = ''
    node: str = ''
    task: str = ''
    zone: str | None = None

    @property
    def request(self) -> EncryptionRequest | None:
        """What a cold migration goes by: the copies, as they were at boot.

        Where the image named no machine type then, the host's default
        decides, not the one that nova has recorded since (nova 31 to 34);
        Glance's image of today stands for what it named.
        """
        if self.requests is None:
            return None
        request = replace(self.requests.copied, server=self.view.id)
        if (
            self.image is None
            or not parse(_NO_FLAVOR, self.image).machine_type
        ):
            return replace(request, machine_type=None)
        return request

    @property
    def unknown(self) -> Iterator[Unknown]:
        """What is not known of it."""
        if self.requests is None:
            yield Unknown.FLAVOR
            yield Unknown.IMAGE
            return
        if NotShown.EXTRA_SPECS in self.requests.unknown:
            yield Unknown.FLAVOR_COPY
        if {*self.requests.unknown} - {NotShown.EXTRA_SPECS}:
            yield Unknown.IMAGE_COPY
        copied = self.requests.copied
        specs = (self.view.flavor or {}).get('extra_specs') or {}
        if (
            copied.mem_page_size
            or copied.host_devices
            or any(part in key for key in specs for part in _TOPOLOGY)
        ):
            yield Unknown.TOPOLOGY


_NO_FLAVOR = {'vcpus': 0, 'ram': 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A compute service.

    :ivar node: name of its hypervisor, as Placement has it
    :ivar up: whether it runs and is enabled
    """

    name: str
    node: str
    zone: str = ''
    up: bool = True


@dataclass(frozen=True, slots=True)
class ServerGroup:
    """A server group.

    :ivar policy: ``anti-affinity`` and ``affinity`` bind, ``soft-…`` do not
    """

    uuid: str
    policy: str
    members: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaFacts:
    """What nova and Glance say; nothing of what could not be asked.

    :ivar servers: those that are known, by uuid
    :ivar complete: whether a guest without a server is none of nova's
    :ivar made_up: a guest without a server has a uuid that nova does not
        know: a cloud file made it up
    :ivar services: by the name of their hypervisors
    """

    servers: Mapping[str, Server] = field(default_factory=dict, hash=False)
    complete: bool = False
    made_up: bool = False
    services: Mapping[str, Service] = field(default_factory=dict, hash=False)
    groups: tuple[ServerGroup, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()


NOTHING_SAID = NovaFacts()


def read_server(
    facts: Mapping[str, Any],
    flavor: Mapping[str, Any] | None = None,
    image: Mapping[str, Any] | None = None,
) -> Server:
    """Read a server.

    :param facts: nova's JSON, the fields of ``openstack server show`` or a
        row of ``openstack server list --long``, both with ``-f json``
    :param flavor: its flavor as it is today, None where that is not known
    :param image: its image or volume, likewise
    :raises SpecError: where it is no server
    """
    found = {
        # ID, Task State -> id, task_state
        str(key).lower().replace(' ', '_'): value
        for key, value in facts.items()
    }
    view = server_view({'flavor': None, 'image': _of_row(found), **found})
    try:
        requests = server_requests(view, flavor, image)
    except SpecError:
        requests = None

    def text(*names: str) -> str:
        values = (found.get(name) for name in names)
        return next((v for v in values if isinstance(v, str) and v), '')

    return Server(
        view=view,
        requests=requests,
        image=image,
        host=text('os-ext-srv-attr:host', 'host'),
        node=text(
            'os-ext-srv-attr:hypervisor_hostname', 'hypervisor_hostname'
        ),
        task=text('os-ext-sts:task_state', 'task_state'),
        zone=text('pinned_availability_zone') or None,
    )


def _of_row(row: Mapping[str, Any]) -> Any:
    """Return the image of a row of a list."""
    return {'id': row['image_id']} if row.get('image_id') else None
