"""What is known to fail before any host is tried.

Nova has no hook for request filters: :func:`install` appends to its list,
when the host filter is made.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import nova.conf
import os_resource_classes as orc
from nova import context as nova_context
from nova import exception, objects
from nova.scheduler import request_filter
from nova.scheduler.utils import ResourceRequest
from oslo_log import log as logging
from oslo_utils import timeutils, uuidutils

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.exceptions import PlacementError
from sev_scheduling.explain.explanation import FAULT_BYTES, explain
from sev_scheduling.hosts.host import MACHINE_TYPE_TRAIT_PREFIX
from sev_scheduling.hosts.verdict import FilterResult
from sev_scheduling.models import model_traits
from sev_scheduling.nova.evaluation import HostEvaluator
from sev_scheduling.nova.host_state import AggregateFacts, ForcedHost
from sev_scheduling.nova.lookups import Answers, Deadline, Lookups
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.request_spec import (
    Operation,
    SpecReading,
    building_image_encryption,
    operation,
    value_of,
)
from sev_scheduling.nova.warning_log import Guard, Warnings
from sev_scheduling.placement.answers import Candidates
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.placement.diagnosis import diagnose
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES
from sev_scheduling.prefilter import PlacementRequest, translate
from sev_scheduling.problems import Field, Problem, Source
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

#: The bytes that nova leaves for a reason.
_FAULT_BYTES = FAULT_BYTES - len(
    'No valid host was found. Scheduling failed: '
)


#: Hints by which nova's filters keep guests apart or together.
_SPREADING = frozenset({'group', 'same_host', 'different_host'})


class RequestFilter:
    """Refuses requests that no host can take, with the reason."""

    def __init__(
        self, options: Options, lookups: Lookups, warnings: Warnings
    ) -> None:
        self._options = options
        self._lookups = lookups
        self._warnings = warnings
        self._guard = Guard(options, warnings)

    def __call__(self, context: Any, spec: Any) -> bool:
        """Check a ``nova.objects.RequestSpec``; add what it needs of hosts.

        :returns: whether the request concerned this filter
        :raises nova.exception.RequestFilterFailed: where it cannot be placed
        """
        started = timeutils.now()
        concerned, reason = self._guard.run(
            self._decide, self._undecided, context, spec
        )
        if concerned:
            # What nova's trace_request_filter() writes of its own, without
            # what that costs the requests that are of no concern.
            LOG.debug(
                'Request filter %r took %.1f seconds',
                'memory_encryption_request_filter',
                timeutils.now() - started,
            )
        if reason is not None:
            raise exception.RequestFilterFailed(reason=reason)
        return concerned

    def _undecided(self, _: Any, spec: Any) -> tuple[bool, str | None]:
        """Return what :meth:`_decide` does, after a fault of ours."""
        if self._guard.refuses(spec):
            return True, self._guard.reason(_FAULT_BYTES)
        return False, None

    def _decide(self, context: Any, spec: Any) -> tuple[bool, str | None]:
        """Return whether the request is of concern, and why it is refused."""
        reading = SpecReading.of(spec)
        if not reading.mentions_encryption:
            return False, None
        raw = None
        moved = operation(spec) is Operation.MOVE
        if reading.image_encryption is False and not moved:
            raw = building_image_encryption(context, spec)
        validation = reading.validation(spec, self._options, raw)
        if validation.errors:
            return True, self._refusal(validation.errors)
        if reading.tolerated:
            LOG.info(
                'Server %s is moved, though a new one like it is refused: %s',
                spec.instance_uuid,
                explain(reading.tolerated).operator(),
            )
        request = validation.request
        if not request.encrypted or (moved and request.model is None):
            return False, None
        found: Diagnosis | FilterResult | None = None
        forbidden = set(spec.root_forbidden)
        try:
            found = self._ask_placement(context, spec, validation)
        except PlacementError as error:
            if is_forced(spec) and self._options.refuses:
                found = _unknown(validation)
            # Nova asks Placement next, and the filter decides what a lasting
            # failure means.
            self._warnings.say(
                'request filter',
                f'Encrypted guests are scheduled without a look-up: {error}',
            )
        except Exception:
            # A fault of ours leaves the request as it was.
            spec.root_forbidden.intersection_update(forbidden)
            raise
        return True, None if found is None else self._refusal(found)

    def _ask_placement(
        self, context: Any, spec: Any, validation: Validation
    ) -> Diagnosis | FilterResult | None:
        """Add what the request needs of hosts; return why none will do."""
        reading, request = SpecReading.of(spec), validation.request
        found: Diagnosis | FilterResult | None = None
        # Of a move the filter says why: Placement would offer the source host,
        # which nova leaves out, and nothing would be left to explain.
        if not request.machine_type and not request.server:
            deadline = reading.start_step(self._lookups)
            self._exclude_machine_types(spec, request, deadline)
        if self._options.explain_no_candidates:
            deadline = reading.start_step(self._lookups)
            found = self._look_for_candidates(
                context, spec, validation, deadline
            )
        if found is None and is_forced(spec):
            deadline = reading.start_step(self._lookups)
            found = self._check_forced(context, spec, validation, deadline)
        return found

    @staticmethod
    def _refusal(
        finding: tuple[Problem, ...] | Diagnosis | FilterResult,
    ) -> str:
        """Log why for operators; return what users read."""
        explanation = explain(finding)
        LOG.info('%s', explanation.operator())
        return explanation.fault(_FAULT_BYTES)

    def _exclude_machine_types(
        self, spec: Any, request: EncryptionRequest, deadline: Deadline
    ) -> None:
        """Keep an image without a machine type off hosts that will not do.

        What a host does not publish is unknown: nothing is required.
        """
        model = request.model
        if model is None:
            return
        unfit = self._lookups.providers(deadline).unfit_machine_types(
            model, request.architecture or model.architectures[0]
        )
        if unfit:
            # Placement refuses a query about a trait that has been deleted.
            client = self._lookups.client(deadline)
            spec.root_forbidden.update(
                unfit.intersection(
                    client.associated_traits(MACHINE_TYPE_TRAIT_PREFIX)
                )
            )

    def _look_for_candidates(
        self,
        context: Any,
        spec: Any,
        validation: Validation,
        deadline: Deadline,
    ) -> Diagnosis | None:
        """Return what is in the way; None where there are candidates."""
        client = self._lookups.client(deadline)
        constraints = dict(_constraints(spec))
        in_tree = target_provider(context, spec, client)
        first: Diagnosis | None = None
        guests, room = _guests(spec), 0
        for query in nova_queries(spec, validation):
            query = replace(query, in_tree=in_tree, **constraints)
            if guests > 1:
                answer = client.candidates(query, MAX_CANDIDATES)
                room += answer.most_guests()
                if (
                    room >= guests
                    or len(answer.allocation_requests) >= MAX_CANDIDATES
                ):
                    return None
                if answer:
                    continue
            found = diagnose(client, validation.request, query)
            if found.cause is Cause.NONE:
                return None
            first = first or found
        if room:
            return Diagnosis(
                request=validation.request,
                cause=Cause.GUESTS,
                guests=guests,
                guests_fit=room,
            )
        return first

    def _check_forced(
        self,
        context: Any,
        spec: Any,
        validation: Validation,
        deadline: Deadline,
    ) -> Diagnosis | FilterResult | None:
        """Check a forced host as the filter would; return why it will not do.

        Nova runs no filter on it, and would take any slot of it.
        """
        client = self._lookups.client(deadline)
        root = target_provider(context, spec, client)
        if root is None:
            return None
        more = dict(_constraints(spec))
        answer = Candidates((), {})
        for groups in _nova_groups(spec):
            query = PlacementRequest(groups, 'none', in_tree=root, **more)
            answer += client.candidates(query)
        if not answer:
            # Nova says so.
            return None
        state = _forced_host(context, spec, root)
        state.allocation_candidates = [
            msgspec.to_builtins(found) for found in answer.allocation_requests
        ]
        answers = Answers(
            self._lookups, deadline, self._options, self._warnings
        )
        facts = AggregateFacts(self._options, self._warnings)
        evaluator = HostEvaluator(validation, self._options, facts, answers)
        if self._options.refuses and not evaluator.knows_providers:
            return _unknown(validation)
        if not evaluator.fitting([state]):
            undecided = evaluator.undecided
            return _unknown(validation) if undecided else evaluator.rejected()
        _keep_to_own_pools(spec, validation, answer, state)
        return None


def _unknown(validation: Validation) -> Diagnosis:
    return Diagnosis(request=validation.request, cause=Cause.UNKNOWN)


def _guests(spec: Any) -> int:
    """Return how many guests a request is for, as far as that is known.

    Of a server that is moved, nova keeps the number of its first request.
    Hints that spread guests are none of Placement's business.
    """
    hints = value_of(spec, 'scheduler_hints') or {}
    if operation(spec) is not Operation.BUILD or not _SPREADING.isdisjoint(
        hints
    ):
        return 1
    return value_of(spec, 'num_instances') or 1


def is_forced(spec: Any) -> bool:
    """Say whether nova runs no filter, as ``get_filtered_hosts`` has it."""
    hints = value_of(spec, 'scheduler_hints') or {}
    return not hints.get('_nova_check_type') and bool(
        value_of(spec, 'force_hosts') or value_of(spec, 'force_nodes')
    )


def _forced_host(context: Any, spec: Any, root: str) -> ForcedHost:
    """Return what nova's database has of a host; nothing of a node alone."""
    host, node = _target(spec)
    found = ForcedHost(uuid=root, nodename=node or '')
    if host:
        found.host = host
        found.aggregates = objects.AggregateList.get_by_host(context, host)
        for compute in _compute_nodes(context, host):
            if compute.uuid == root:
                found.nodename = compute.hypervisor_hostname
                found.ram_allocation_ratio = value_of(
                    compute, 'ram_allocation_ratio'
                )
                found.hypervisor_type = value_of(compute, 'hypervisor_type')
    return found


def _keep_to_own_pools(
    spec: Any, validation: Validation, answer: Candidates, state: ForcedHost
) -> None:
    """Keep nova's own query off the pools of other models.

    A stale trait on the root lets any slot of the host answer. So the traits
    of other pools are forbidden, in a copy of the flavor that is gone with
    the request; where the root has these as well, the filters are run.
    """
    (model,) = validation.request.models
    summaries = answer.provider_summaries
    own, others = [], []
    rest: set[str] = set()
    for summary in summaries.values():
        if orc.MEM_ENCRYPTION_CONTEXT not in summary.resources:
            rest.update(summary.traits)
        elif model.trait in summary.traits:
            own.append(summary)
        else:
            others.append(summary)
    if model.trait not in rest or not others:
        return
    rest.update(*(summary.traits for summary in own))
    telling = model_traits().keys() - rest
    if all(not telling.isdisjoint(summary.traits) for summary in others):
        flavor = spec.flavor.obj_clone()
        flavor.extra_specs = {
            **flavor.extra_specs,
            **{
                f'trait:{trait}': 'forbidden'
                for summary in others
                for trait in telling.intersection(summary.traits)
            },
        }
        spec.flavor = flavor
        return
    destination = value_of(spec, 'requested_destination')
    spec.requested_destination = destination or objects.Destination()
    if state.host:
        spec.requested_destination.host = state.host
    spec.requested_destination.node = state.nodename
    spec.force_hosts = spec.force_nodes = None


def _constraints(spec: Any) -> Iterator[tuple[str, Any]]:
    """Yield what nova's other request filters ask of hosts."""
    destination = value_of(spec, 'requested_destination')
    if destination is not None:
        aggregates = value_of(destination, 'aggregates') or ()
        yield 'member_of', tuple(frozenset(a.split(',')) for a in aggregates)
        forbidden = value_of(destination, 'forbidden_aggregates') or ()
        yield 'forbidden_aggregates', frozenset(forbidden)
    yield 'root_required', frozenset(spec.root_required)
    yield 'root_forbidden', frozenset(spec.root_forbidden)


def nova_queries(
    spec: Any, validation: Validation
) -> Iterator[PlacementRequest]:
    """Yield what nova asks Placement, the slot in a group of its own.

    Nova asks a second time, for shared CPUs, where pinned ones are wanted.
    """
    slot = translate(validation)
    for groups in _nova_groups(spec):
        yield _with_slot(groups, slot)


def _nova_groups(spec: Any) -> Iterator[tuple[RequestGroup, ...]]:
    """Yield the request groups of what nova asks Placement."""
    pinned = _resource_request(spec, True)
    if pinned is None:
        return
    askers = group_askers(spec)
    yield _groups(pinned, askers)
    if (
        pinned.cpu_pinning_requested
        and not CONF.workarounds.disable_fallback_pcpu_query
    ):
        yield _groups(_resource_request(spec, False), askers)


def _resource_request(spec: Any, pinned: bool) -> Any:
    """Return nova's translation of a RequestSpec, which changes nothing.

    None where nova cannot: it tries the same next, and says so.
    """
    try:
        return ResourceRequest.from_request_spec(spec, pinned)
    except (ValueError, exception.NovaException):
        return None


_PARAMETER = re.compile(r'(resources|required)(.*)')


#: Nova's names for the groups of a device profile, of a flavor or a port.
_DEVICE_PROFILE = re.compile(r'device_profile_\d+?(?P<port>[0-9a-f-]{36})?')


def group_askers(spec: Any) -> dict[str, Field]:
    """Return the suffix of each group -> the port or extra spec it is for.

    ``RequestGroup.requester_id`` of nova 31 to 34 is the port's uuid, or with
    neutron's extended resource requests a uuid of version 5 that is made of
    it; for a PCI alias the request's uuid and a number; for a device profile
    a number, and the port's uuid where the port has it.
    """
    pci = value_of(spec, 'pci_requests')
    aliases = {
        f'{one.request_id}-{number}'
        for one in (pci.requests if pci else ())
        if one.alias_name
        for number in range(one.count)
    }
    networks = value_of(spec, 'requested_networks') or ()
    ports = sorted({one.port_id for one in networks if one.port_id})
    found = {}
    for group in value_of(spec, 'requested_resources') or ():
        name = group.requester_id or ''
        profile = _DEVICE_PROFILE.fullmatch(name)
        port = profile['port'] if profile else name
        if name in aliases:
            found[name] = Field(Source.FLAVOR, 'pci_passthrough:alias')
        elif profile and not port:
            found[name] = Field(Source.FLAVOR, 'accel:device_profile')
        elif uuidutils.is_uuid_like(port):
            if port not in ports and uuid.UUID(port).version == 5:
                port = ' or '.join(ports)
            found[name] = Field(Source.REQUEST, 'port', port)
    return found


def _groups(
    asked: Any, askers: Mapping[str, Field]
) -> tuple[RequestGroup, ...]:
    """Return the groups of a ``ResourceRequest``.

    It names them in its query alone.
    """
    resources: defaultdict[str, dict[str, int]] = defaultdict(dict)
    traits: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(asked.to_querystring()):
        match = _PARAMETER.fullmatch(name)
        if match is None:
            continue
        kind, suffix = match.groups()
        if kind == 'required':
            traits[suffix] += value.split(',')
            continue
        for entry in value.split(','):
            resource_class, _, amount = entry.partition(':')
            resources[suffix][resource_class] = int(amount)
    return tuple(
        RequestGroup(
            suffix,
            amounts,
            tuple(
                frozenset({trait})
                for trait in traits[suffix]
                if not trait.startswith('!')
            ),
            frozenset(
                trait.removeprefix('!')
                for trait in traits[suffix]
                if trait.startswith('!')
            ),
            askers.get(suffix),
        )
        for suffix, amounts in resources.items()
    )


def _with_slot(
    groups: tuple[RequestGroup, ...], slot: PlacementRequest
) -> PlacementRequest:
    """Put the slot's own group in place of nova's."""
    models = model_traits()
    groups = tuple(
        group
        if group.suffix
        else replace(
            group,
            resources={
                name: amount
                for name, amount in group.resources.items()
                if name != orc.MEM_ENCRYPTION_CONTEXT
            },
            required=tuple(
                ors for ors in group.required if not ors & models.keys()
            ),
        )
        for group in groups
    )
    own = [group for group in slot.groups if group.suffix == slot.slot_suffix]
    policy = slot.group_policy
    if any(group.suffix for group in groups):
        policy = policy or 'none'
    return replace(slot, groups=(*groups, *own), group_policy=policy)


def target_provider(
    context: Any, spec: Any, client: PlacementClient
) -> str | None:
    """Return the root provider of the one host that a request names.

    It may be the target of a migration. As
    ``nova.scheduler.utils.resources_from_request_spec`` finds it, which
    changes the RequestSpec; None for a host that nova does not know, or that
    has several nodes.

    :returns: its uuid; None where no host is named
    :raises PlacementError: one of its children
    """
    host, node = _target(spec)
    if host:
        found = [
            compute.uuid
            for compute in _compute_nodes(context, host)
            if node in (None, compute.hypervisor_hostname)
        ]
    elif node:
        # Nova names the root provider after the node.
        found = [
            one.uuid
            for one in client.resource_providers(name=node)
            if one.uuid == one.root_provider_uuid
        ]
    else:
        return None
    return found[0] if len(found) == 1 else None


def _target(spec: Any) -> tuple[str | None, str | None]:
    """Return host and node; what is forced counts where none is requested."""
    destination = value_of(spec, 'requested_destination')
    names = []
    for name in ('host', 'node'):
        named = destination and value_of(destination, name)
        forced = value_of(spec, f'force_{name}s')
        names.append(named or (forced[0] if forced else None))
    host, node = names
    return host, node


def _compute_nodes(context: Any, host: str) -> Any:
    try:
        mapping = objects.HostMapping.get_by_host(context, host)
        with nova_context.target_cell(context, mapping.cell_mapping) as cell:
            return objects.ComputeNodeList.get_all_by_host(cell, host)
    except (exception.HostMappingNotFound, exception.ComputeHostNotFound):
        # Nova says so.
        return []


def install(options: Options, lookups: Lookups, warnings: Warnings) -> None:
    """Make nova run the request filter, once, after its own."""
    remove()
    request_filter.ALL_REQUEST_FILTERS.append(
        RequestFilter(options, lookups, warnings)
    )


def remove() -> None:
    """Make nova run it no more."""
    request_filter.ALL_REQUEST_FILTERS[:] = [
        known
        for known in request_filter.ALL_REQUEST_FILTERS
        if not isinstance(known, RequestFilter)
    ]
