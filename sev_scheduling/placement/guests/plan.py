"""Which encrypted guests hosts have, and where else each could go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import os_resource_classes as orc

from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.aggregates import machine_types_of
from sev_scheduling.hosts.capacity import Key, Option
from sev_scheduling.hosts.drain import (
    MAX_STEPS,
    DrainCode,
    DrainPlan,
    Guest,
    Unknown,
    plan,
)
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.hostfilter import filter_hosts
from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.placement.answers import Allocations, Candidates
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims.selection import packing_of
from sev_scheduling.placement.guests.servers import (
    NOTHING_SAID,
    NovaFacts,
    Server,
)
from sev_scheduling.placement.hosts import list_hosts
from sev_scheduling.prefilter import (
    ANYWHERE,
    SLOT_SUFFIX,
    PlacementRequest,
    translate,
)
from sev_scheduling.problems import Code
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validate
from sev_scheduling.text import quoted

#: States in which nova migrates a server cold.
_MIGRATABLE = frozenset({'ACTIVE', 'SHUTOFF'})


def drain_plan(
    api: Api,
    names: Sequence[str],
    nova: NovaFacts = NOTHING_SAID,
    *,
    steps: int = MAX_STEPS,
) -> DrainPlan:
    """Return how to empty hosts of their encrypted guests.

    :param names: of their hypervisors, or uuids of their root providers
    :param steps: placements that the search tries at most
    :raises InputError: where there is no such host
    :raises PlacementError: one of its children
    """
    reader = _Reader(api, nova)
    drained = [*{(h := reader.host(name)).uuid: h for name in names}.values()]
    guests = [guest for host in drained for guest in reader.guests(host)]
    options = reader.options(guests, drained)
    found = plan(
        [str(host.uuid) for host in drained],
        [replace(one, **options[one.instance]) for one in guests],
        reader.left,
        occupied=reader.occupied({one.instance for one in guests}),
        steps=steps,
    )
    return replace(
        found,
        names={str(host.uuid): host.name for host in reader.hosts},
        services={
            str(host.uuid): nova.services[host.name].name
            for host in reader.hosts
            if host.name in nova.services
        },
        others=reader.others,
    )


@dataclass(frozen=True, slots=True)
class _Need:
    """What a guest asks of a new host.

    :ivar validation: for the verdicts of hosts
    """

    validation: Validation
    query: PlacementRequest


class _Reader:
    """Asks Placement, beside what nova said."""

    def __init__(self, api: Api, nova: NovaFacts) -> None:
        self._api = api
        self._nova = nova
        self.hosts = [
            self._with_aggregates(h) for h in list_hosts(api, details=True)
        ]
        self.left: dict[Key, int] = {}
        #: Root uuid -> guests without a slot.
        self.others: dict[str, int] = {}
        self._needs: dict[str, _Need] = {}
        self._answers: dict[PlacementRequest, Candidates] = {}

    def _with_aggregates(self, host: Host) -> Host:
        """Return a host with the machine types of its aggregates."""
        service = self._nova.services.get(host.name)
        names = {host.name, service.name if service else host.name}
        said = machine_types_of(
            (one.name, one.metadata)
            for one in self._nova.aggregates
            if names & one.hosts
        )
        return replace(
            host, machine_types={**said.found, **host.machine_types}
        )

    def host(self, name: str) -> Host:
        for host in self.hosts:
            service = self._nova.services.get(host.name)
            if name in (host.name, host.uuid) or (
                service and name == service.name
            ):
                return host
        raise InputError(
            f'Host {quoted(name)}: Placement has no such host; see '
            "'sev-scheduling capacity'."
        )

    def guests(self, host: Host) -> Iterator[Guest]:
        """Yield the guests that hold a slot of a host."""
        holders: dict[str, list[EncryptionModel]] = {}
        for name, pool in host.pools.items():
            model = registered_models()[name]
            for consumer, amounts in self._api.consumers(
                str(pool.provider_uuid)
            ).items():
                if orc.MEM_ENCRYPTION_CONTEXT in amounts:
                    holders.setdefault(consumer, []).append(model)
        root = str(host.uuid)
        self.others[root] = len(
            self._api.consumers(root).keys() - holders.keys()
        )
        for instance, server, models in self._matched(host, holders):
            yield self._guest(root, instance, server, models)

    def _matched(
        self, host: Host, holders: Mapping[str, list[EncryptionModel]]
    ) -> Iterator[tuple[str, Server | None, list[EncryptionModel]]]:
        """Yield consumers with their servers.

        Placement may know guests by other uuids than a file of servers: each
        encrypted server of the host then stands for one of them.
        """
        servers = self._nova.servers
        left = [one for one in holders if one not in servers]
        service = self._nova.services.get(host.name)
        names = {host.name, service.name if service else host.name}
        for uuid in sorted(holders.keys() & servers.keys()):
            yield uuid, servers[uuid], holders[uuid]
        for uuid, server in sorted(servers.items()):
            if uuid in holders or not names & {server.host, server.node}:
                continue
            request = server.request
            if request is None or not request.encrypted:
                continue
            for other in left:
                if set(request.models) & set(holders[other]):
                    left.remove(other)
                    yield uuid, server, holders[other]
                    break
        for uuid in left:
            yield uuid, None, holders[uuid]

    def _guest(
        self,
        root: str,
        instance: str,
        server: Server | None,
        models: Sequence[EncryptionModel],
    ) -> Guest:
        held = self._api.allocations(instance)
        unknown: list[Unknown] = []
        code = DrainCode.MOVE
        if server is None:
            unknown = [Unknown.SERVER, Unknown.FLAVOR, Unknown.IMAGE]
            if self._nova.complete:
                code, unknown = DrainCode.NOT_A_SERVER, []
        else:
            unknown = [*server.unknown]
            if server.view.status not in _MIGRATABLE or server.task:
                code = DrainCode.STATE
        need = self._need(server.request if server else None, held, models)
        if need is None:
            code = DrainCode.UNKNOWN if code is DrainCode.MOVE else code
        else:
            self._needs[instance] = need
        return Guest(
            instance=instance,
            host=root,
            name=server.view.name if server else '',
            held={
                (provider, name): amount
                for provider, amounts in held.by_provider.items()
                for name, amount in amounts.items()
            },
            apart=frozenset(self._apart(instance)),
            code=code,
            state=' '.join(filter(None, (server.view.status, server.task)))
            if server
            else '',
            made_up=server is None and self._nova.made_up,
            unknown=tuple(unknown),
        )

    @staticmethod
    def _need(
        request: EncryptionRequest | None,
        held: Allocations,
        models: Sequence[EncryptionModel],
    ) -> _Need | None:
        """Return what nova will ask for, or what the guest holds."""
        if request is not None and request.encrypted:
            # What a rule says of a server that runs is no refusal.
            validation = validate(request, as_warnings=tuple(Code))
            if validation.models:
                query = translate(validation, as_warnings=tuple(Code))
                return _Need(validation, query)
        amounts: dict[str, int] = {}
        for theirs in held.by_provider.values():
            for name, amount in theirs.items():
                amounts[name] = amounts.get(name, 0) + amount
        if not amounts.pop(orc.MEM_ENCRYPTION_CONTEXT, 0):
            return None
        offered = tuple(models)
        slot = RequestGroup(
            SLOT_SUFFIX,
            {orc.MEM_ENCRYPTION_CONTEXT: 1},
            (frozenset(model.trait for model in offered),),
        )
        groups = (
            (RequestGroup(resources=amounts), slot) if amounts else (slot,)
        )
        return _Need(
            Validation(
                EncryptionRequest(encrypted=True, models=offered),
                models=offered,
            ),
            ANYWHERE.narrow(
                PlacementRequest(
                    groups, models=offered, slot_suffix=SLOT_SUFFIX
                )
            ),
        )

    def _apart(self, instance: str) -> Iterator[str]:
        """Yield the groups of which no host may have two."""
        for group in self._nova.groups:
            if group.policy == 'anti-affinity' and instance in group.members:
                yield group.uuid

    def occupied(self, moving: set[str]) -> Iterator[tuple[str, str]]:
        """Yield server groups and hosts that have members of them."""
        by_name = self._roots()
        for group in self._nova.groups:
            for member in group.members - moving:
                server = self._nova.servers.get(member)
                if server and (root := by_name.get(server.host)):
                    yield group.uuid, root

    def _roots(self) -> dict[str, str]:
        """Return name of a compute service -> root uuid of its host."""
        found = {}
        for host in self.hosts:
            service = self._nova.services.get(host.name)
            found[service.name if service else host.name] = str(host.uuid)
        return found

    def options(
        self, guests: Iterable[Guest], drained: Iterable[Host]
    ) -> dict[str, dict[str, Any]]:
        """Return the ways in which other hosts could take each guest."""
        emptied = {host.uuid for host in drained}
        others = [host for host in self.hosts if host.uuid not in emptied]
        return {
            guest.instance: self._options(guest, others) for guest in guests
        }

    def _options(self, guest: Guest, hosts: Sequence[Host]) -> dict[str, Any]:
        need = self._needs.get(guest.instance)
        if need is None:
            return {}
        server = self._nova.servers.get(guest.instance)
        hosts = [host for host in hosts if self._runs(host, server)]
        result = filter_hosts(need.validation, hosts)
        taking = {
            str(verdict.host.uuid): verdict.host
            for verdict in result.verdicts
            if verdict.fits
        }
        taking = self._with_group(guest, taking)
        if need.query not in self._answers:
            self._answers[need.query] = self._api.candidates(need.query)
        answer = self._answers[need.query]
        left, options = packing_of(
            answer,
            (
                request
                for request in answer.allocation_requests
                if answer.identify(request, need.query.models)[0] in taking
                and answer.identify(request, need.query.models)[1]
            ),
        )
        self.left |= left
        doubtful = frozenset(
            root
            for root, host in taking.items()
            if need.validation.request.machine_type is None
            and not host.machine_types
        )
        return {
            'options': tuple(
                sorted(
                    options,
                    key=lambda one: (
                        one.root in doubtful,
                        -_slots_left(one, left),
                        one.root,
                    ),
                )
            ),
            'doubtful': doubtful,
            'verdicts': result,
        }

    def _runs(self, host: Host, server: Server | None) -> bool:
        """Whether nova's own filters let a server onto a host."""
        service = self._nova.services.get(host.name)
        if service is None:
            return not self._nova.services
        return service.up and not (
            server and server.zone and server.zone != service.zone
        )

    def _with_group(
        self, guest: Guest, taking: dict[str, Host]
    ) -> dict[str, Host]:
        """Return the hosts that an affinity group of the guest is on."""
        by_name = self._roots()
        for group in self._nova.groups:
            if group.policy != 'affinity' or guest.instance not in (
                group.members
            ):
                continue
            servers = (
                self._nova.servers.get(member)
                for member in group.members - {guest.instance}
            )
            roots = {by_name.get(one.host) for one in servers if one}
            if roots:
                taking = {r: h for r, h in taking.items() if r in roots}
        return taking


def _slots_left(option: Option, left: Mapping[Key, int]) -> int:
    return max(
        (
            left[key]
            for key in option.amounts
            if key[1] == orc.MEM_ENCRYPTION_CONTEXT
        ),
        default=0,
    )
