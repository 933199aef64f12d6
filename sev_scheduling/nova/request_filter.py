"""What is known to fail before any host is tried.

Nova has no hook for request filters: :func:`install` appends to its list,
when the host filter is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import nova.conf
import os_resource_classes as orc
import os_traits
from nova import exception
from nova.objects.fields import CPUAllocationPolicy
from nova.scheduler import request_filter
from oslo_log import log as logging

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.exceptions import PlacementError
from sev_scheduling.explain.explanation import explain
from sev_scheduling.hosts.host import machine_type_trait
from sev_scheduling.nova.faults import request_fault
from sev_scheduling.nova.lookups.lookups import Lookups
from sev_scheduling.nova.request_spec import (
    as_warnings,
    image_property,
    mentions_encryption,
    raw_image_encryption,
    read_spec,
)
from sev_scheduling.nova.target_provider import requested_tree
from sev_scheduling.nova.warning_log import Warnings
from sev_scheduling.placement.diagnosis import diagnose
from sev_scheduling.prefilter import PlacementRequest, translate
from sev_scheduling.problems import Problem
from sev_scheduling.request.groups import ExtraSpecTrait, RequestGroup
from sev_scheduling.request.request import EncryptionRequest

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class RequestFilter:
    """Refuses requests that no host can take, with the reason."""

    # trace_request_filter tells it in nova's debug log.
    __name__ = 'memory_encryption_request_filter'

    def __init__(self, lookups: Lookups, warnings: Warnings) -> None:
        self._lookups = lookups
        self._warnings = warnings

    def __call__(self, context: Any, spec: Any) -> bool:
        """Check a ``nova.objects.RequestSpec``; add what it needs of hosts.

        :returns: whether the request concerned this filter
        :raises nova.exception.RequestFilterFailed: where it cannot be placed
        """
        if not mentions_encryption(spec):
            return False
        conf = CONF.sev_scheduling
        raw = raw_image_encryption(context, spec)
        reading = read_spec(spec, conf, raw)
        if reading.errors:
            raise self._refusal(reading.errors)
        if not reading.request.encrypted:
            return False
        try:
            with self._lookups.step(spec):
                self._require_machine_type(spec, reading.request)
                if conf.explain_no_candidates:
                    self._look_for_candidates(context, spec, reading.request)
        except PlacementError as error:
            # Nova asks Placement next, and the filter decides what a lasting
            # failure means.
            self._warnings.say(
                'request filter',
                f'Encrypted guests are scheduled without a look-up: {error}',
            )
        return True

    def _refusal(
        self, finding: tuple[Problem, ...] | Diagnosis
    ) -> exception.RequestFilterFailed:
        explanation = explain(finding)
        LOG.info('%s', explanation.operator())
        return exception.RequestFilterFailed(reason=request_fault(explanation))

    def _require_machine_type(
        self, spec: Any, request: EncryptionRequest
    ) -> None:
        """Send an image without a machine type to hosts that publish q35.

        Only where any host does: else nova's own choice stands.
        """
        if request.machine_type or request.model is None:
            return
        trait = machine_type_trait(request.model.machine_type)
        if trait in self._lookups.providers().published:
            spec.root_required.add(trait)

    def _look_for_candidates(
        self, context: Any, spec: Any, request: EncryptionRequest
    ) -> None:
        """:raises nova.exception.RequestFilterFailed: where there are none"""
        query = _with_ports(
            translate(request, as_warnings=as_warnings(CONF.sev_scheduling)),
            spec,
        )
        constraints = dict(_constraints(spec))
        client = self._lookups.client()
        constraints['in_tree'] = requested_tree(context, spec, client)
        diagnosis = diagnose(client, request, query=query, **constraints)
        if diagnosis.cause is Cause.NONE:
            return
        if _falls_back(spec):
            # Nova asks once more, for shared CPUs.
            shared = _with_shared_cpus(query, spec, request)
            other = diagnose(client, request, query=shared, **constraints)
            if other.cause is Cause.NONE:
                return
        raise self._refusal(diagnosis)


def _constraints(spec: Any) -> Iterator[tuple[str, Any]]:
    """Yield what nova's other request filters ask of hosts."""
    destination = (
        spec.requested_destination if 'requested_destination' in spec else None
    )
    if destination is not None:
        if 'aggregates' in destination and destination.aggregates:
            yield (
                'member_of',
                [ored.split(',') for ored in destination.aggregates],
            )
        if (
            'forbidden_aggregates' in destination
            and destination.forbidden_aggregates
        ):
            yield 'forbidden_aggregates', destination.forbidden_aggregates
    yield 'root_required', spec.root_required
    yield 'root_forbidden', spec.root_forbidden


def _with_ports(query: PlacementRequest, spec: Any) -> PlacementRequest:
    """Add the groups of ports, such as guaranteed bandwidth."""
    requested = (
        spec.requested_resources if 'requested_resources' in spec else None
    )
    groups = tuple(
        RequestGroup(
            suffix=group.requester_id,
            resources=dict(group.resources),
            required=tuple(
                frozenset((trait,)) for trait in sorted(group.required_traits)
            ),
            forbidden=frozenset(group.forbidden_traits),
        )
        for group in requested or ()
        if group.requester_id and group.resources
    )
    if not groups:
        return query
    return replace(
        query,
        groups=query.groups + groups,
        group_policy=query.group_policy or 'none',
    )


def _falls_back(spec: Any) -> bool:
    """Say whether nova would ask for shared CPUs instead of pinned ones."""
    extra_specs = spec.flavor.get('extra_specs', {})
    policy = extra_specs.get('hw:cpu_policy') or image_property(
        spec, 'hw_cpu_policy'
    )
    return (
        policy == CPUAllocationPolicy.DEDICATED
        and not CONF.workarounds.disable_fallback_pcpu_query
    )


def _with_shared_cpus(
    query: PlacementRequest, spec: Any, request: EncryptionRequest
) -> PlacementRequest:
    """Leave out all that nova makes of the policies of pinned CPUs."""
    hyperthreading = frozenset((os_traits.HW_CPU_HYPERTHREADING,))
    explicit = any(
        isinstance(entry, ExtraSpecTrait)
        and entry.trait in hyperthreading
        and not entry.suffix
        for entry in request.entries
    )

    def shared(group: RequestGroup) -> RequestGroup:
        if group.suffix:
            return group
        resources = dict(group.resources)
        resources.pop(orc.PCPU, None)
        resources[orc.VCPU] = spec.flavor.vcpus
        group = replace(group, resources=resources)
        if explicit:
            return group
        return replace(
            group,
            required=tuple(
                ors for ors in group.required if ors != hyperthreading
            ),
            forbidden=group.forbidden - hyperthreading,
        )

    return replace(query, groups=tuple(map(shared, query.groups)))


def install(lookups: Lookups, warnings: Warnings) -> None:
    """Make nova run the request filter, once, after its own."""
    remove()
    traced = request_filter.trace_request_filter(
        RequestFilter(lookups, warnings)
    )
    traced.of_sev_scheduling = True
    request_filter.ALL_REQUEST_FILTERS.append(traced)


def remove() -> None:
    """Make nova run it no more."""
    request_filter.ALL_REQUEST_FILTERS[:] = [
        known
        for known in request_filter.ALL_REQUEST_FILTERS
        if not hasattr(known, 'of_sev_scheduling')
    ]
