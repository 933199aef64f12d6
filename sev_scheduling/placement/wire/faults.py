"""Answers of Placement that are no success, as exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementConflict,
    PlacementDenied,
    PlacementError,
    PlacementRefused,
    PlacementTooOld,
    PlacementUnavailable,
)
from sev_scheduling.text import one_line, printable

#: Placement's own answers have one of these; those of what stands between
#: have none.
_OWN_HEADERS = ('x-openstack-request-id', 'openstack-api-version')


class UnknownName(PlacementRefused):
    """Placement does not know a trait or a resource class."""


class NotFound(PlacementRefused):
    """Placement has no such resource provider."""


#: Status -> the exception, and what its message says beside the detail.
_FAULTS: Mapping[int, tuple[type[PlacementError], str]] = {
    401: (PlacementDenied, '; check the credentials and their role.'),
    403: (PlacementDenied, '; check the credentials and their role.'),
    404: (NotFound, '; check the endpoint.'),
    406: (PlacementTooOld, '; upgrade it.'),
    408: (PlacementUnavailable, '; see its log.'),
    409: (PlacementConflict, ''),
    429: (PlacementUnavailable, '; see its log.'),
}


def fault(
    what: str, status: int, microversion: str | None, response: Any
) -> PlacementError:
    """Return the exception for an answer whose status is no success.

    :param what: the call, for the message
    """
    if status < 400:
        return PlacementAnswerError(
            f'{what}: the answer of {asked(response)} has status {status}; '
            'check the endpoint.'
        )
    detail = _detail(response)
    own = bool(detail) and is_own(response)
    if status == 404 and not own:
        return PlacementAnswerError(
            f'{what}: the answer of {asked(response)} is 404 and not from '
            'Placement; check the endpoint.'
        )
    if status == 404:
        detail += f' ({asked(response)})'
    if status == 406:
        detail += f' (microversion {microversion})'
    default: tuple[type[PlacementError], str]
    default = PlacementUnavailable, '; see its log.'
    if status < 500:
        default = PlacementRefused, ''
        if status == 400 and 'No such ' in detail:
            # It has no code of its own; the contract tests watch the words.
            default = UnknownName, ''
    kind, remedy = _FAULTS.get(status, default)
    who = 'Placement answered' if own else 'the answer was'
    error = kind(f'{what}: {who} {status}{detail}{remedy}')
    return error if own else unclear(error)


def unclear(error: PlacementError) -> PlacementError:
    """Mark an error after which a write may have been done, or not."""
    error.unclear = True
    return error


def asked(response: Any) -> str:
    """Return the URL that has answered, without credentials."""
    parts = urlsplit(str(getattr(response, 'url', None) or ''))
    host = parts.netloc.rpartition('@')[2]
    return printable(urlunsplit(parts._replace(netloc=host)))


def is_own(response: Any) -> bool:
    """Return whether Placement itself has answered."""
    return any(name in response.headers for name in _OWN_HEADERS)


def _detail(response: Any) -> str:
    """Return Placement's own words for a fault, with a colon before."""
    try:
        detail = str(response.json()['errors'][0]['detail'])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ''
    # WebOb's sentence about the status comes first.
    _, _, words = detail.partition('\n\n')
    return f': {one_line(words or detail)}'
