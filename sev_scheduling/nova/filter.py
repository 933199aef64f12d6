"""MemoryEncryptionFilter, for ``[filter_scheduler] enabled_filters``."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import nova.conf
from nova import exception
from nova.scheduler import filters, utils
from oslo_log import log as logging

from sev_scheduling import opts
from sev_scheduling.exceptions import PlacementError
from sev_scheduling.explain.explanation import explain
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.verdict import FilterResult
from sev_scheduling.nova import request_filter as requestfilter
from sev_scheduling.nova.evaluation import HostEvaluator
from sev_scheduling.nova.faults import host_fault
from sev_scheduling.nova.host_state import HostFacts
from sev_scheduling.nova.lookups.providers import Providers
from sev_scheduling.nova.lookups.shared import renewed_lookups
from sev_scheduling.nova.rebuild import Held, check_slot, held_models
from sev_scheduling.nova.request_spec import (
    Reading,
    asks_for_encryption,
    image_encryption,
    read_spec,
)
from sev_scheduling.nova.servers import (
    image_encryption_text,
    keep_encryption,
)
from sev_scheduling.nova.warning_log import Warnings
from sev_scheduling.problems import Problem, Source
from sev_scheduling.request.request import EncryptionRequest, as_boolean

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_UNKNOWN = (
    'Whether a host can run this encrypted server cannot be found out now. '
    'Try again later.'
)


class MemoryEncryptionFilter(filters.BaseHostFilter):  # type: ignore[misc]
    """Rejects hosts that cannot run a memory-encrypted guest.

    Guests without encryption pass at once. Where the last host goes, the
    reason is logged for operators, and put into the server's fault where
    nova can take it there without leaking allocations.
    """

    #: A rebuild brings another image, which may ask for encryption.
    RUN_ON_REBUILD = True

    def __init__(self) -> None:
        super().__init__()
        opts.register_opts(CONF)
        # One filter object serves all threads.
        self._index = threading.local()
        self._warnings = Warnings()
        self._lookups = renewed_lookups()
        if CONF.sev_scheduling.request_filter:
            requestfilter.install(self._lookups, self._warnings)
        else:
            requestfilter.remove()

    def run_filter_for_index(self, index: int) -> bool:
        """Note which guest of a request is placed; run for each."""
        self._index.value = index
        return True

    def filter_all(
        self, filter_obj_list: Iterable[Any], spec_obj: Any
    ) -> Iterable[Any]:
        """Return the host states that can run the guest.

        :raises nova.exception.NoValidHost: where none is left, while the
            first guest of a request is placed
        """
        raw = None
        if not asks_for_encryption(spec_obj):
            raw = _unread_encryption(spec_obj)
            if raw is None:
                return filter_obj_list
        states = list(filter_obj_list)
        if not states:
            return states
        reading = read_spec(spec_obj, CONF.sev_scheduling, raw)
        with self._lookups.step(spec_obj):
            if utils.request_is_rebuild(spec_obj):
                return self._rebuild(states, spec_obj, reading)
            return self._placed(states, reading.request)

    def host_passes(self, host_state: Any, filter_properties: Any) -> bool:
        """Judge one host state, for callers that ask for them singly."""
        try:
            return bool(list(self.filter_all([host_state], filter_properties)))
        except exception.NoValidHost:
            return False

    def _placed(
        self, states: list[Any], request: EncryptionRequest
    ) -> list[Any]:
        """Return the hosts on which a guest can be placed."""
        providers = self._providers()
        if providers is None and _refuses():
            return self._none_left(_UNKNOWN)
        judgement = self._judgement(request, providers)
        fitting = judgement.fitting(states)
        if judgement.blind and _refuses():
            return self._none_left(_UNKNOWN)
        if not fitting:
            return self._none_left(
                _UNKNOWN
                if judgement.undecided
                else self._explained(judgement.rejected())
            )
        return fitting

    def _judgement(
        self, request: EncryptionRequest, providers: Providers | None
    ) -> HostEvaluator:
        conf = CONF.sev_scheduling
        return HostEvaluator(
            request,
            HostFacts(conf, self._warnings),
            providers,
            self._slots,
            require_known_machine_type=conf.require_known_machine_type,
            limits_hold=lambda: conf.on_placement_failure != opts.PASS,
            with_provider=self._with_provider,
        )

    def _providers(self) -> Providers | None:
        try:
            return self._lookups.providers()
        except PlacementError as error:
            self._failed(error)
        if _refuses():
            return None
        # A pool keeps its model: old knowledge is better than none.
        return self._lookups.last_known()

    def _with_provider(self, provider: str) -> Providers | None:
        try:
            return self._lookups.providers_with(provider)
        except PlacementError as error:
            self._failed(error)
            return None

    def _slots(self) -> Mapping[str, Host] | None:
        try:
            return self._lookups.slots()
        except PlacementError as error:
            self._failed(error)
            return None

    def _failed(self, error: PlacementError) -> None:
        self._warnings.say(
            'placement',
            f'Look-ups for encrypted guests fail, and on_placement_failure '
            f'is {CONF.sev_scheduling.on_placement_failure}: {error}',
        )

    def _rebuild(
        self, states: list[Any], spec: Any, reading: Reading
    ) -> list[Any]:
        """Return the server's host, where the new image can run there."""
        held = self._held(spec.instance_uuid)
        fitting, why_not = self._rebuilt(states, reading, held)
        if fitting:
            return fitting
        if held is not None:
            keep_encryption(
                spec._context, spec.instance_uuid, spec.flavor, held
            )
        return self._none_left(why_not)

    def _held(self, server: str) -> Held | None:
        """Return of which models its slot is, None where nobody tells."""
        try:
            return held_models(self._lookups, server)
        except PlacementError as error:
            self._failed(error)
            return None

    def _rebuilt(
        self, states: list[Any], reading: Reading, held: Held | None
    ) -> tuple[list[Any], str]:
        """Return the hosts that are left, and why not if none is."""
        conf = CONF.sev_scheduling
        request = reading.request
        problems: tuple[Problem, ...] = ()
        if conf.request_filter:
            # The flavor and the ports are what they were.
            problems = tuple(
                problem
                for problem in reading.errors
                if problem.field.source is Source.IMAGE
            )
        if held is not None:
            problems = problems or check_slot(held, request)
        elif not problems and conf.on_placement_failure != opts.PASS:
            return [], _UNKNOWN
        if problems:
            return [], self._explained(problems)
        judgement = self._judgement(request, self._providers())
        fitting = [state for state in states if judgement.can_rebuild(state)]
        if fitting:
            return fitting, ''
        return [], self._explained(judgement.rejected())

    def _explained(self, finding: FilterResult | tuple[Problem, ...]) -> str:
        """Log why not, and return it for the server's fault."""
        explanation = explain(finding)
        LOG.info('%s', explanation.operator())
        return host_fault(explanation)

    def _none_left(self, reason: str) -> list[Any]:
        """Say why no host is left.

        Raised for a later guest of a request, it would skip nova's clean-up
        and leak the allocations of the guests before.
        """
        if getattr(self._index, 'value', None) == 0:
            raise exception.NoValidHost(reason=reason)
        return []


def _refuses() -> bool:
    """Say whether encrypted guests are refused where Placement fails."""
    policy: str = CONF.sev_scheduling.on_placement_failure
    return policy == opts.REFUSE


def _unread_encryption(spec: Any) -> str | None:
    """Return what a new image says of encryption, where nova read "off".

    An image's ``hw_mem_encryption=maybe`` reaches the scheduler as false. Of
    a server that is being built the request filter sees to that.

    :returns: the text where it is no boolean, else None
    """
    if (
        image_encryption(spec) is not False
        or not CONF.sev_scheduling.request_filter
    ):
        return None
    if not utils.request_is_rebuild(spec):
        return None
    text = image_encryption_text(spec._context, spec.instance_uuid)
    return None if text is None or as_boolean(text) is not None else text
