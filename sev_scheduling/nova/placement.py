"""Placement as the plug-in asks it: through nova's own client, in time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from keystoneauth1 import exceptions as ks_exceptions
from nova import utils
from nova.scheduler.client import report

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.placement.client import PlacementClient


class Budget:
    """The time that a thread's look-ups may still take, in seconds."""

    def __init__(self) -> None:
        self._local = threading.local()

    @contextlib.contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        """Let this thread's calls take so long in all."""
        self._local.end = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._local.end

    def left(self) -> float:
        """:raises PlacementUnavailable: where nothing is left"""
        left: float = self._local.end - time.monotonic()
        if left <= 0:
            raise PlacementUnavailable(
                'Placement did not answer within placement_timeout.'
            )
        return left


class _TimedAdapter:
    """Nova's adapter, with a time-out on each call."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._adapter: Any = None

    def get(self, url: str, **kwargs: Any) -> Any:
        if self._adapter is None:
            self._adapter = utils.get_sdk_adapter('placement', admin=True)
        return self._adapter.get(
            url,
            raise_exc=False,
            timeout=self._budget.left(),
            # Retries would not keep to the time-out.
            connect_retries=0,
            status_code_retries=0,
            headers={'Accept': 'application/json'},
            **kwargs,
        )


class _ReportAdapter:
    """What PlacementClient needs of an adapter, over nova's report client."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._report = report.SchedulerReportClient(_TimedAdapter(budget))

    def request(
        self, url: str, method: str, *, microversion: str | None, **_: Any
    ) -> Any:
        self._budget.left()
        try:
            return self._report.get(url, version=microversion)
        except ks_exceptions.ClientException:
            raise
        except Exception as error:
            # Nova's and openstacksdk's ways to say that keystone or the
            # endpoint cannot be reached are many.
            raise PlacementUnavailable(
                f'Placement cannot be reached: {type(error).__name__}: {error}'
            ) from error


def placement_client(budget: Budget) -> PlacementClient:
    """Return a client over nova's, for GET calls within a budget."""
    return PlacementClient(_ReportAdapter(budget))  # type: ignore[arg-type]
