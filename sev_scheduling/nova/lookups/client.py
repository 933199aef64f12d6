"""Placement as the plug-in asks it: through nova's own client, in time."""

from __future__ import annotations

from typing import Any

import nova.conf
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading as ks_loading
from keystoneauth1.session import Session
from nova import utils
from nova.scheduler.client import report
from urllib3.util import Timeout

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups.deadline import Budget
from sev_scheduling.placement.client import PlacementClient

CONF = nova.conf.CONF


class _TimedSession(Session):
    """A session whose every call keeps to a budget: keystone's as well."""

    def __init__(self, budget: Budget, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._budget = budget

    def request(  # type: ignore[override]
        self, url: str, method: str, **kwargs: Any
    ) -> Any:
        kwargs |= {
            # For connecting and reading together; a number is for each.
            'timeout': Timeout(total=self._budget.left()),
            # Retries would not keep to the time-out.
            'connect_retries': 0,
            'status_code_retries': 0,
        }
        return super().request(url, method, **kwargs)


class _Loader(ks_loading.session.Session):
    """Reads a session's options, as nova does."""

    @property
    def plugin_class(self) -> Any:
        return _TimedSession


def _report_client(budget: Budget) -> Any:
    """Return nova's client of its own service user and endpoint."""
    session = _Loader().load_from_conf_options(
        CONF,
        'placement',
        auth=ks_loading.load_auth_from_conf_options(CONF, 'placement'),
        budget=budget,
    )
    return report.SchedulerReportClient(
        utils.get_ksa_adapter('placement', ksa_session=session)
    )


class _ReportAdapter:
    """What PlacementClient needs of an adapter, over nova's report client."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._report: Any = None

    def request(
        self, url: str, method: str, *, microversion: str | None, **_: Any
    ) -> Any:
        self._budget.left()
        try:
            if self._report is None:
                self._report = _report_client(self._budget)
            return self._report.get(url, version=microversion)
        except ks_exceptions.EndpointNotFound:
            # The catalog, which is kept, may know the endpoint later.
            self._report = None
            raise
        except (ks_exceptions.ClientException, PlacementUnavailable):
            raise
        except Exception as error:
            # Nova's ways to say that keystone or the endpoint cannot be
            # reached, or are not configured, are many.
            raise PlacementUnavailable(
                f'Placement cannot be reached: {type(error).__name__}: {error}'
            ) from error


def placement_client(budget: Budget) -> PlacementClient:
    """Return a client over nova's, for GET calls within a budget."""
    return PlacementClient(_ReportAdapter(budget))  # type: ignore[arg-type]
