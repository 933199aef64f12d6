"""What goes wrong: warnings that do not flood the log, and our own faults."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from nova import exception
from nova.virt import hardware
from oslo_log import log as logging
from oslo_utils import timeutils

from sev_scheduling.diagnosis import Cause, Diagnosis
from sev_scheduling.explain.explanation import explain
from sev_scheduling.nova.options import Options
from sev_scheduling.request.request import EncryptionRequest

LOG = logging.getLogger(__name__)

#: Seconds in which a warning is not logged again.
INTERVAL = 60.0

P = ParamSpec('P')
T = TypeVar('T')


class Warnings:
    """Logs each warning once in a while, whatever thread has it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}

    def say(self, about: str, message: str) -> None:
        """Log a warning.

        :param about: what it is about; few different ones, as they are kept
        """
        if self._is_due(about):
            LOG.warning(message)

    def fault(self, error: Exception) -> None:
        """Log an unexpected exception with its traceback.

        It is about the line that raised it.
        """
        frame = traceback.extract_tb(error.__traceback__)[-1]
        name = type(error).__name__
        if self._is_due(f'{name} {frame.filename}:{frame.lineno}'):
            LOG.error(
                'A fault of sev_scheduling. Requests go on as without it, '
                'unless on_placement_failure is refuse.',
                exc_info=error,
            )

    def _is_due(self, about: str) -> bool:
        now = timeutils.now()
        with self._lock:
            logged = self._logged.get(about)
            if logged is not None and now - logged < INTERVAL:
                return False
            self._logged[about] = now
        return True


class Guard:
    """Keeps faults of this package away from requests.

    Nova catches nothing that a filter, a request filter or a weigher raises:
    the server goes into ERROR, and its user reads the name of an exception.
    So each of these decides within a guard, and refuses outside of it.
    """

    def __init__(self, options: Options, warnings: Warnings) -> None:
        # Read now: what a fault runs through is as little as can be.
        self._refuses = options.refuses
        self._warnings = warnings

    def run(
        self,
        decide: Callable[P, T],
        otherwise: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return a decision, or what nova does without one."""
        try:
            return decide(*args, **kwargs)
        except Exception as error:
            self._warnings.fault(error)
            return otherwise(*args, **kwargs)

    def refuses(self, spec: Any) -> bool:
        """Say whether a guest that cannot be judged is to be refused.

        By nova's own reading of it: this package's may be what failed.
        """
        if not self._refuses:
            return False
        try:
            return bool(
                hardware.get_mem_encryption_constraint(spec.flavor, spec.image)
            )
        except exception.NovaException:
            # It asks for encryption in a way that nova refuses too.
            return True

    def reason(self, limit: int) -> str:
        """Return why such a guest is refused, in at most so many bytes."""

        def say() -> str:
            request = EncryptionRequest(encrypted=True)
            unknown = Diagnosis(request=request, cause=Cause.UNKNOWN)
            return explain(unknown).fault(limit)

        return self.run(say, str)
