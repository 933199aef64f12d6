"""One call to Placement: every fault becomes one of our exceptions."""

from __future__ import annotations

import contextlib
import gc
import json as jsonlib
from typing import Any

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.adapter import Adapter

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementConflict,
    PlacementDenied,
    PlacementError,
    PlacementRefused,
    PlacementTooOld,
    PlacementUnavailable,
)
from sev_scheduling.text import printable

#: Seconds that one call may take: to connect, and then between two parts of
#: the answer.
TIMEOUT = 30.0


class UnknownName(PlacementRefused):
    """Placement has never heard of a trait or a resource class."""


def call(
    adapter: Adapter,
    method: str,
    url: str,
    microversion: str | None,
    *,
    json: Any = None,
    timeout: float = TIMEOUT,
) -> Any:
    """Ask Placement; return its answer, {} where it has no body.

    :param url: path and query below the endpoint
    :param microversion: None for the version document alone
    :param timeout: seconds; see :data:`TIMEOUT`
    :raises PlacementUnavailable: no answer in time, a 5xx status, or one that
        says to come again (408, 429)
    :raises PlacementDenied: 401 or 403
    :raises PlacementTooOld: 406, the microversion is missing
    :raises PlacementConflict: 409
    :raises UnknownName: 400 about a trait or a resource class
    :raises PlacementRefused: any other 4xx status
    :raises PlacementAnswerError: no JSON object, or a status unheard of
    """
    what = f'{method} {url.partition("?")[0]}'
    try:
        response = adapter.request(
            url,
            method,
            microversion=microversion,
            # Adapters onto an endpoint often name no service.
            microversion_service_type='placement',
            json=json,
            raise_exc=False,
            timeout=timeout,
            headers={'Accept': 'application/json'},
            **_no_limit(adapter),
        )
    except (
        ks_exceptions.AuthorizationFailure,
        ks_exceptions.Unauthorized,
        ks_exceptions.MissingAuthPlugin,
        ks_exceptions.AuthPluginException,
        ks_exceptions.Forbidden,
    ) as error:
        raise PlacementDenied(
            f'{what}: the credentials were refused: {_one_line(error)}'
        ) from error
    except (
        ks_exceptions.ConnectionError,
        ks_exceptions.EndpointNotFound,
        ks_exceptions.RetriableConnectionFailure,
        ks_exceptions.DiscoveryFailure,
        ks_exceptions.HttpError,
    ) as error:
        raise PlacementUnavailable(
            f'{what}: Placement did not answer: {_one_line(error)}; check '
            'that it runs and that the endpoint is right.'
        ) from error
    except ks_exceptions.ClientException as error:
        raise PlacementError(f'{what}: {_one_line(error)}') from error
    status = response.status_code
    if not 200 <= status < 300:
        raise _fault(what, status, microversion, response)
    if status == 204 or not response.content:
        return {}
    try:
        answer = _decoded(response.content)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise PlacementAnswerError(
            f'{what}: the answer is no JSON object '
            f'({printable(response.headers.get("content-type", "no type"))}'
            f', {len(response.content)} bytes); check the endpoint.'
        )
    return answer


def _no_limit(adapter: Adapter) -> dict[str, Any]:
    """Leave out keystoneauth's limit of rate, where nobody asked for one.

    It goes by the wall clock even then: once that is set back to before the
    adapter was made, each call sleeps until it is as late again, whatever
    its timeout (seen in keystoneauth1 5.18).
    """
    limit = getattr(adapter, '_rate_semaphore', None)
    unlimited = (
        getattr(limit, '_rate_delay', None) == 0
        and getattr(limit, '_concurrency', 0) is None
    )
    return {'rate_semaphore': contextlib.nullcontext()} if unlimited else {}


def _decoded(content: bytes) -> Any:
    """Decode JSON, with no collection of garbage meanwhile.

    JSON has no cycles for the collector to find. It would go through the
    whole process after each few hundred objects of an answer, which took
    three times as long as to decode it.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return jsonlib.loads(content)
    finally:
        if collects:
            gc.enable()


def _fault(
    what: str, status: int, microversion: str | None, response: Any
) -> PlacementError:
    detail = _detail(response)
    if status in (401, 403):
        return PlacementDenied(
            f'{what}: Placement answered {status}{detail}; check the '
            'credentials and their role.'
        )
    if status == 406:
        return PlacementTooOld(
            f'{what}: Placement lacks microversion {microversion}{detail}; '
            'upgrade it.'
        )
    if status == 409:
        return PlacementConflict(f'{what}: Placement answered 409{detail}')
    if status == 404 and not detail:
        return PlacementAnswerError(
            f'{what}: the answer is 404 and not from Placement; check the '
            'endpoint.'
        )
    if status == 400 and 'No such ' in detail:
        # It has no code of its own; the contract tests watch the words.
        return UnknownName(f'{what}: Placement answered {status}{detail}')
    if 400 <= status < 500 and status not in (408, 429):
        return PlacementRefused(f'{what}: Placement answered {status}{detail}')
    if status >= 400:
        return PlacementUnavailable(
            f'{what}: Placement answered {status}{detail}; see its log.'
        )
    return PlacementAnswerError(
        f'{what}: the answer has status {status}; check the endpoint.'
    )


def _detail(response: Any) -> str:
    """Return Placement's own words for a fault, with a colon before."""
    try:
        detail = str(response.json()['errors'][0]['detail'])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ''
    # WebOb's sentence about the status comes first.
    _, _, words = detail.partition('\n\n')
    return f': {_one_line(words or detail)}'


def _one_line(text: object) -> str:
    return printable(' '.join(str(text).split()))[:300]
