"""MemoryEncryptionFilter, for ``[filter_scheduler] enabled_filters``."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import nova.conf
from nova import exception
from nova.scheduler import filters
from oslo_log import log as logging

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.exceptions import ModelError
from sev_scheduling.explain.explanation import FAULT_BYTES, explain
from sev_scheduling.hosts.verdict import FilterResult
from sev_scheduling.models import registered_models
from sev_scheduling.nova import request_filter
from sev_scheduling.nova.evaluation import HostEvaluator
from sev_scheduling.nova.host_state import AggregateFacts
from sev_scheduling.nova.lookups import Answers, Held, shared_lookups
from sev_scheduling.nova.options import Options, log_start
from sev_scheduling.nova.rebuild import Rebuild, image_errors
from sev_scheduling.nova.request_spec import (
    Operation,
    SpecReading,
    is_rebuild,
    operation,
    unreadable,
    value_of,
)
from sev_scheduling.nova.warning_log import Guard
from sev_scheduling.problems import Problem
from sev_scheduling.rules.actions import REBUILD_NOT_UNDONE
from sev_scheduling.rules.validation import Validation

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

#: The bytes that nova leaves for a reason.
_FAULT_BYTES = FAULT_BYTES - len('No valid host was found. ')

#: Why no host is left.
Finding = FilterResult | Diagnosis | tuple[Problem, ...]

#: The hosts that are left, or why none is, and what else is to be said.
Outcome = tuple[list[Any], Finding | None, Problem | None]


class MemoryEncryptionFilter(filters.BaseHostFilter):  # type: ignore[misc]
    """Rejects hosts that cannot run a memory-encrypted guest.

    Guests without encryption pass at once. Where the last host goes, the
    reason is logged for operators, and put into the server's fault where
    nova can take it there without leaking allocations. One object serves
    all threads.
    """

    #: A rebuild brings another image, which may ask for encryption.
    RUN_ON_REBUILD = True

    def __init__(self) -> None:
        super().__init__()
        self._options = Options.read(CONF)
        self._lookups = shared_lookups(self._options)
        self._warnings = self._lookups.warnings
        self._guard = Guard(self._options, self._warnings)
        if self._options.request_filter:
            request_filter.install(
                self._options, self._lookups, self._warnings
            )
        else:
            request_filter.remove()
        # To look for plug-ins takes as long as a small look-up: not while a
        # guest waits. One that cannot be loaded is told of with that guest.
        with contextlib.suppress(ModelError):
            registered_models()
        name = type(self).__name__
        log_start(LOG, name, self._options)
        before: list[str] = self._guard.run(
            lambda: _rebuild_filters_before(name), list
        )
        if before:
            LOG.warning(
                'In [filter_scheduler] enabled_filters %(ours)s stands after '
                '%(others)s, which may refuse a rebuild before it. Put it '
                'before these: a rebuild that it refuses itself leaves '
                'nothing behind.',
                {'ours': name, 'others': ', '.join(before)},
            )

    def filter_all(
        self, filter_obj_list: Iterable[Any], spec_obj: Any
    ) -> Iterable[Any]:
        """Return the host states that can run the guest.

        :raises nova.exception.NoValidHost: where none is left, while the
            first guest of a request is placed
        """
        concerned, raw = self._guard.run(
            lambda: self._concern(spec_obj),
            lambda: (self._guard.refuses(spec_obj), None),
        )
        if not concerned:
            return filter_obj_list
        # Filters before this one do their work now, and raise what is theirs.
        states = list(filter_obj_list)
        if not states:
            return states
        first = self._guard.run(
            lambda: self._is_first(spec_obj), lambda: False
        )
        left, reason = self._guard.run(
            lambda: self._decide(states, spec_obj, raw),
            lambda: self._undecided(states, spec_obj),
        )
        if reason is not None and first:
            raise exception.NoValidHost(reason=reason)
        return left

    def host_passes(self, host_state: Any, filter_properties: Any) -> bool:
        """Judge one host state, for callers that ask for them singly."""
        try:
            return bool(list(self.filter_all([host_state], filter_properties)))
        except exception.NoValidHost:
            return False

    def _concern(self, spec: Any) -> tuple[bool, str | None]:
        """Return whether a request is of concern, and what nova left unread.

        That is what a new image says of encryption; see
        :meth:`_unread_encryption`.
        """
        reading = SpecReading.of(spec)
        if reading.asks_for_encryption:
            return True, None
        raw = self._unread_encryption(reading, spec)
        return raw is not None, raw

    def _undecided(
        self, states: list[Any], spec: Any
    ) -> tuple[list[Any], str | None]:
        """Return what is left, and why no more, after a fault of ours."""
        if self._guard.refuses(spec):
            return [], self._guard.reason(_FAULT_BYTES)
        return states, None

    def _decide(
        self, states: list[Any], spec: Any, raw: str | None
    ) -> tuple[list[Any], str | None]:
        """Return the host states that are left; where none is, the reason."""
        reading = SpecReading.of(spec)
        named = functools.partial(reading.validation, spec, self._options, raw)
        answers = Answers(
            self._lookups,
            reading.start_step(self._lookups),
            self._options,
            self._warnings,
        )
        left: list[Any]
        finding: Finding | None
        also = None
        if is_rebuild(spec):
            left, finding, also = self._rebuilt(states, spec, named(), answers)
        else:
            decision = reading.decision(spec, self._options, raw)
            left, finding = self._placed(
                states, spec, decision, named, answers
            )
        if finding is None:
            return left, None
        explanation = explain(finding)
        if also is not None:
            explanation = explanation.adding(also)
        LOG.info('%s', explanation.operator())
        return [], explanation.fault(_FAULT_BYTES)

    @staticmethod
    def _is_first(spec: Any) -> bool:
        """Say whether no guest of the request has been placed before.

        ``NoValidHost`` for a later one skips nova's clean-up and leaks the
        allocations of those before. Nova gives the guest's number to
        ``run_filter_for_index()``, without the request; the guest itself is
        in the RequestSpec (``_schedule()`` in nova 31 to 34). Where a
        request does not name its guests, nova claims nothing for them.
        """
        reading = SpecReading.of(spec)
        server: str = value_of(spec, 'instance_uuid')
        if reading.first_guest is None:
            reading.first_guest = server
        return reading.first_guest == server

    def _unread_encryption(
        self, reading: SpecReading, spec: Any
    ) -> str | None:
        """Return what a new image says of encryption, where nova read "off".

        An image's ``hw_mem_encryption=maybe`` reaches the scheduler as
        false. Of a server that is being built the request filter sees to
        that.

        :returns: the text where it is no boolean, else None
        """
        if (
            reading.image_encryption is not False
            or not self._options.request_filter
            or not is_rebuild(spec)
        ):
            return None
        return unreadable(Rebuild(spec).record.values.get('hw_mem_encryption'))

    def _evaluator(
        self,
        validation: Validation,
        answers: Answers,
        named: Callable[[], Validation] | None = None,
    ) -> HostEvaluator:
        facts = AggregateFacts(self._options, self._warnings)
        return HostEvaluator(validation, self._options, facts, answers, named)

    def _placed(
        self,
        states: list[Any],
        spec: Any,
        decision: Validation,
        named: Callable[[], Validation],
        answers: Answers,
    ) -> tuple[list[Any], Finding | None]:
        """Return the hosts on which a guest can be placed, or why not.

        :param named: returns the decision with the names of flavor and image
        """
        moved = operation(spec) is Operation.MOVE
        if moved and decision.request.model is None:
            # Nova has built it; whatever slot it holds is not known here.
            return states, None
        evaluator = self._evaluator(decision, answers, named)
        if self._options.refuses and not evaluator.knows_providers:
            return [], _unknown(named())
        fitting = evaluator.fitting(states)
        if evaluator.blind and self._options.refuses:
            return [], _unknown(named())
        if not fitting and moved:
            fitting = evaluator.tolerable(states)
        if fitting:
            evaluator.drop_other_candidates()
            return fitting, None
        if evaluator.undecided:
            return [], _unknown(named())
        return [], evaluator.rejected()

    def _rebuilt(
        self,
        states: list[Any],
        spec: Any,
        validation: Validation,
        answers: Answers,
    ) -> Outcome:
        """Return the server's host if the new image can run, or why not."""
        server = spec.instance_uuid
        reading = SpecReading.of(spec)

        def misleading() -> Held | None:
            # The time of nova's database is not Placement's.
            reading.start_step(self._lookups)
            return answers.misleading_models(server)

        rebuild = Rebuild(spec)
        held = answers.held_models(server)
        problems: tuple[Problem, ...] = ()
        if self._options.request_filter:
            problems = image_errors(validation)
        if held is not None:
            problems = problems or rebuild.check_slot(
                held, validation.request, misleading
            )
            reading.start_step(self._lookups)
        fitting: list[Any] = []
        finding: Finding = problems
        if not problems and held is None and not self._options.passes:
            finding = _unknown(validation)
        elif not problems:
            evaluator = self._evaluator(validation, answers)
            fitting = [s for s in states if evaluator.can_rebuild(s)]
            finding = evaluator.rejected()
        if fitting:
            return fitting, None, None
        # The refusal stands, whatever goes wrong now.
        left = self._guard.run(
            lambda: rebuild.undo(
                held, allowed=self._options.undo_refused_rebuild
            ),
            lambda: REBUILD_NOT_UNDONE,
        )
        return [], finding, left


def _unknown(validation: Validation) -> Diagnosis:
    return Diagnosis(request=validation.request, cause=Cause.UNKNOWN)


def _rebuild_filters_before(name: str) -> list[str]:
    """Return the enabled filters that look at a rebuild before one does.

    :param name: of the one
    """
    scheduling = CONF.filter_scheduler
    if name not in scheduling.enabled_filters:
        return []
    classes = {
        found.__name__: found
        for found in filters.HostFilterHandler().get_matching_classes(
            scheduling.available_filters
        )
    }
    return [
        other
        for other in itertools.takewhile(
            lambda other: other != name, scheduling.enabled_filters
        )
        if other in classes and classes[other].RUN_ON_REBUILD
    ]
