"""MemoryEncryptionFilter, for ``[filter_scheduler] enabled_filters``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import nova.conf
from nova import exception
from nova.scheduler import filters
from oslo_log import log as logging

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.explain.explanation import FAULT_BYTES, explain
from sev_scheduling.hosts.verdict import FilterResult
from sev_scheduling.nova import request_filter
from sev_scheduling.nova.evaluation import HostEvaluator
from sev_scheduling.nova.host_state import AggregateFacts
from sev_scheduling.nova.lookups import Answers, shared_lookups
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.rebuild import (
    check_slot,
    image_errors,
    keep_encryption,
    rebuild_image_encryption,
)
from sev_scheduling.nova.request_spec import SpecReading, is_rebuild
from sev_scheduling.nova.warning_log import Warnings
from sev_scheduling.problems import Problem
from sev_scheduling.rules.validation import Validation

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

#: The bytes that nova leaves for a reason.
_FAULT_BYTES = FAULT_BYTES - len('No valid host was found. ')

#: Why no host is left.
Finding = FilterResult | Diagnosis | tuple[Problem, ...]


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
        self._warnings = Warnings()
        self._lookups = shared_lookups(self._options)
        if self._options.request_filter:
            request_filter.install(
                self._options, self._lookups, self._warnings
            )
        else:
            request_filter.remove()

    def filter_all(
        self, filter_obj_list: Iterable[Any], spec_obj: Any
    ) -> Iterable[Any]:
        """Return the host states that can run the guest.

        :raises nova.exception.NoValidHost: where none is left, while the
            first guest of a request is placed
        """
        reading = SpecReading.of(spec_obj)
        raw = None
        if not reading.asks_for_encryption:
            raw = self._unread_encryption(reading, spec_obj)
            if raw is None:
                return filter_obj_list
        states = list(filter_obj_list)
        if not states:
            return states
        first = self._is_first(reading, spec_obj)
        validation = reading.validation(spec_obj, self._options, raw)
        answers = Answers(
            self._lookups,
            reading.start_step(self._lookups),
            self._options,
            self._warnings,
        )
        judge = self._rebuilt if is_rebuild(spec_obj) else self._placed
        left, finding = judge(states, spec_obj, validation, answers)
        if left:
            return left
        explanation = explain(finding)
        LOG.info('%s', explanation.operator())
        if first:
            raise exception.NoValidHost(reason=explanation.fault(_FAULT_BYTES))
        return []

    def host_passes(self, host_state: Any, filter_properties: Any) -> bool:
        """Judge one host state, for callers that ask for them singly."""
        try:
            return bool(list(self.filter_all([host_state], filter_properties)))
        except exception.NoValidHost:
            return False

    @staticmethod
    def _is_first(reading: SpecReading, spec: Any) -> bool:
        """Say whether no guest of the request has been placed before.

        ``NoValidHost`` for a later one skips nova's clean-up and leaks the
        allocations of those before. Nova gives the guest's number to
        ``run_filter_for_index()``, without the request; the guest itself is
        in the RequestSpec (``_schedule()`` in nova 31 to 34). Where a
        request does not name its guests, nova claims nothing for them.
        """
        server: str = spec.instance_uuid
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
        return rebuild_image_encryption(spec._context, spec.instance_uuid)

    def _evaluator(
        self, validation: Validation, answers: Answers
    ) -> HostEvaluator:
        facts = AggregateFacts(self._options, self._warnings)
        return HostEvaluator(validation, self._options, facts, answers)

    def _placed(
        self,
        states: list[Any],
        spec: Any,
        validation: Validation,
        answers: Answers,
    ) -> tuple[list[Any], Finding]:
        """Return the hosts on which a guest can be placed, or why not."""
        unknown = _unknown(validation)
        evaluator = self._evaluator(validation, answers)
        if self._options.refuses and not evaluator.knows_providers:
            return [], unknown
        fitting = evaluator.fitting(states)
        if evaluator.blind and self._options.refuses:
            return [], unknown
        if evaluator.undecided:
            return fitting, unknown
        return fitting, evaluator.rejected()

    def _rebuilt(
        self,
        states: list[Any],
        spec: Any,
        validation: Validation,
        answers: Answers,
    ) -> tuple[list[Any], Finding]:
        """Return the server's host if the new image can run, or why not."""
        held = answers.held_models(spec.instance_uuid)
        problems: tuple[Problem, ...] = ()
        if self._options.request_filter:
            problems = image_errors(validation)
        if held is not None:
            problems = problems or check_slot(held, validation.request)
        fitting: list[Any] = []
        finding: Finding = problems
        if not problems and held is None and not self._options.passes:
            finding = _unknown(validation)
        elif not problems:
            evaluator = self._evaluator(validation, answers)
            fitting = [s for s in states if evaluator.can_rebuild(s)]
            finding = evaluator.rejected()
        if not fitting and held is not None:
            keep_encryption(
                spec._context, spec.instance_uuid, spec.flavor, held
            )
        return fitting, finding


def _unknown(validation: Validation) -> Diagnosis:
    return Diagnosis(request=validation.request, cause=Cause.UNKNOWN)
