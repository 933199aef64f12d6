"""Placement as nova-scheduler reaches it, each call within a deadline."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import nova.conf
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading as ks_loading
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from nova import utils
from nova.scheduler.client import report
from urllib3.util import Timeout

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups.deadline import Deadline
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.placement.wire.transport import (
    MAX_ANSWER,
    OutOfTime,
    TooLarge,
)

CONF = nova.conf.CONF


class _TimedSession(Session):
    """A session whose calls keep to a deadline: those to keystone as well.

    :ivar deadline: of the request that uses this copy of the session; None
        for the original
    :ivar options: of each call with it
    """

    deadline: Deadline | None = None
    options: Mapping[str, Any] = {}

    def __del__(self) -> None:
        # A copy leaves the connections that it shares open.
        if self.deadline is None:
            super().__del__()

    def request(  # type: ignore[override]
        self, url: str, method: str, **kwargs: Any
    ) -> Any:
        assert self.deadline is not None, 'only copies make calls'
        kwargs |= {
            **self.options,
            # For connecting and reading together; a number is for each.
            'timeout': Timeout(total=self.deadline.left()),
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


def nova_adapter() -> Any:
    """Return an adapter with nova's own service user and endpoint."""
    session = _Loader().load_from_conf_options(
        CONF,
        'placement',
        auth=ks_loading.load_auth_from_conf_options(CONF, 'placement'),
    )
    return utils.get_ksa_adapter('placement', ksa_session=session)


class Connection:
    """What all requests share: the session, its token, the microversions.

    :param max_answer: bytes that one answer may have
    """

    def __init__(self, max_answer: int = MAX_ANSWER) -> None:
        self._max_answer = max_answer
        # Threads that come at once make two; one of them is kept.
        self._adapter: Adapter | None = None
        self._versions: Any = None

    def client(self, deadline: Deadline) -> PlacementClient:
        """Return a client for GET calls within a deadline."""
        return _Client(self, deadline, self._max_answer)

    def get(
        self,
        url: str,
        microversion: str | None,
        deadline: Deadline,
        options: Mapping[str, Any],
    ) -> Any:
        """Return a response; that of ``GET /`` is asked for once.

        :param options: for the session
        """
        if url == '/' and self._versions is not None:
            return self._versions
        # Another thread may forget it at any time.
        shared = self._adapter
        if shared is None:
            shared = self._adapter = nova_adapter()
        # Copies share connections and token; the deadline is their own.
        session: Any = copy.copy(shared.session)
        session.deadline, session.options = deadline, options
        adapter = copy.copy(shared)
        adapter.session = session
        client = report.SchedulerReportClient(adapter)
        try:
            response = client.get(url, version=microversion)
        except ks_exceptions.EndpointNotFound:
            # The catalog, which is kept, may have the endpoint later.
            if self._adapter is shared:
                self._adapter = None
            raise
        if url == '/' and response.status_code == 200:
            self._versions = response
        return response


class _Client(PlacementClient):
    """Keeps to a deadline, and to its circuit breaker."""

    def __init__(
        self, connection: Connection, deadline: Deadline, max_answer: int
    ) -> None:
        super().__init__(
            _Adapter(connection, deadline),  # type: ignore[arg-type]
            max_answer=max_answer,
        )
        self._deadline = deadline

    def _seconds(self) -> float:
        return self._deadline.left()

    def _send(self, *args: Any) -> Any:
        with self._deadline.call():
            return super()._send(*args)


class _Adapter:
    """What :class:`.PlacementClient` needs of an adapter."""

    def __init__(self, connection: Connection, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def request(
        self,
        url: str,
        method: str,
        *,
        microversion: str | None,
        stream: bool,
        hooks: Mapping[str, Any],
        **_: Any,
    ) -> Any:
        options = {'stream': stream, 'hooks': hooks}
        try:
            return self._connection.get(
                url, microversion, self._deadline, options
            )
        except (
            ks_exceptions.ClientException,
            PlacementUnavailable,
            OutOfTime,
            TooLarge,
        ):
            raise
        except Exception as error:
            # Nova's ways to say that keystone or the endpoint cannot be
            # reached, or are not configured, are many.
            raise PlacementUnavailable(
                f'Placement cannot be reached: {type(error).__name__}: {error}'
            ) from error
