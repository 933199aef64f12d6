"""What is known to fail before any host is tried.

Nova has no hook for request filters: :func:`install` appends to its list,
when the host filter is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import nova.conf
from nova import exception
from nova.scheduler import request_filter
from oslo_log import log as logging
from oslo_utils import timeutils

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.exceptions import PlacementError
from sev_scheduling.explain.explanation import FAULT_BYTES, explain
from sev_scheduling.hosts.host import MACHINE_TYPE_TRAIT_PREFIX
from sev_scheduling.hosts.verdict import FilterResult
from sev_scheduling.nova.evaluation import HostEvaluator
from sev_scheduling.nova.host_state import AggregateFacts
from sev_scheduling.nova.lookups import Answers, Deadline, Lookups
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.queries import (
    constraints,
    forced_host,
    is_forced,
    keep_to_own_pools,
    nova_groups,
    nova_queries,
    target_provider,
)
from sev_scheduling.nova.request_spec import (
    Operation,
    SpecReading,
    building_image_encryption,
    is_move,
    operation,
    value_of,
)
from sev_scheduling.nova.warning_log import Guard, Warnings
from sev_scheduling.placement.answers import Candidates
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.placement.diagnosis import (
    diagnose,
    host_with_candidate,
)
from sev_scheduling.placement.diagnosis.probe import MAX_CANDIDATES
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.problems import Problem
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
        # As the guard runs things, without what a call costs each guest.
        try:
            concerned, reason = self._decide(context, spec)
        except Exception as error:
            self._warnings.fault(error)
            concerned, reason = self._undecided(spec)
        if concerned and LOG.isEnabledFor(logging.DEBUG):
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

    def _undecided(self, spec: Any) -> tuple[bool, str | None]:
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
        if reading.image_encryption is False and not is_move(spec):
            raw = building_image_encryption(context, spec)
        decision = reading.decision(spec, self._options, raw)
        if decision and decision.errors:
            named = reading.validation(spec, self._options, raw)
            return True, self._refusal(named.errors)
        if reading.tolerated:
            LOG.info(
                'Server %s is moved, though a new one like it is refused: %s',
                spec.instance_uuid,
                explain(reading.tolerated).operator(),
            )
        request = decision.request
        if not request.encrypted or (request.model is None and is_move(spec)):
            return False, None
        self._lookups.ask_ahead()
        if not (
            self._options.explain_no_candidates
            or _leaves_machine_type(request)
            or is_forced(spec)
        ):
            # There is nothing to ask Placement.
            return True, None
        validation = reading.validation(spec, self._options, raw)
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
        if _leaves_machine_type(request):
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
        """Return what is in the way; None where there are candidates.

        Hosts that are likely to have one are asked for first: nova asks for
        all of them next, which on a large cloud takes far longer.
        """
        client = self._lookups.client(deadline)
        more = dict(constraints(spec))
        in_tree = target_provider(context, spec, client)
        # The time of nova's database is not Placement's.
        deadline.start_step()
        first: Diagnosis | None = None
        guests, room = _guests(spec), 0
        for query in nova_queries(spec, validation):
            query = replace(query, in_tree=in_tree, **more)
            likely = self._lookups.likely_hosts(query)
            if any(_takes(client, query, host, guests) for host in likely):
                return None
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
            else:
                host = host_with_candidate(client, query, hopeful=not likely)
                if host is not None:
                    self._lookups.note_served(query, host)
                    return None
            if first is None:
                first = diagnose(
                    client, validation.request, query, is_empty=True
                )
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
        # The time of nova's database is not Placement's.
        deadline.start_step()
        more = dict(constraints(spec))
        answer = Candidates((), {})
        for groups in nova_groups(spec):
            query = PlacementRequest(groups, 'none', in_tree=root, **more)
            answer += client.candidates(query)
        if not answer:
            # Nova says so.
            return None
        state = forced_host(context, spec, root)
        deadline.start_step()
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
        keep_to_own_pools(spec, validation, answer, state)
        return None


def _takes(
    client: PlacementClient, query: PlacementRequest, host: str, guests: int
) -> bool:
    """Say whether one host has room for all guests, as a query has it."""
    one = replace(query, in_tree=host)
    if guests == 1:
        return bool(client.candidates(one, 1))
    return client.candidates(one, MAX_CANDIDATES).most_guests() >= guests


def _leaves_machine_type(request: EncryptionRequest) -> bool:
    """Say whether each host's default decides; of a move the filter says."""
    return not request.machine_type and not request.server


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
