"""Wire: one call to Placement, from the arguments to the decoded answer."""

from __future__ import annotations

import functools
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from sev_scheduling import arguments
from sev_scheduling.arguments import Maybe, checked
from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementDenied,
    PlacementError,
    PlacementTooOld,
    PlacementUnavailable,
)
from sev_scheduling.placement import answers
from sev_scheduling.placement.wire.faults import asked, fault, is_own, unclear
from sev_scheduling.placement.wire.transport import (
    ENCODING,
    MAX_ANSWER,
    Call,
    OutOfTime,
    TooLarge,
    in_parallel,
    repeated_once,
)
from sev_scheduling.prefilter import MICROVERSION
from sev_scheduling.text import counted, one_line, printable

LOG = logging.getLogger(__name__)

#: Seconds that one call may take in all.
TIMEOUT = 30.0

#: Calls that are made at one time, where there are many: a session of
#: keystoneauth keeps ten connections.
CONNECTIONS = 8

#: What keystoneauth raises where it has no usable credentials, and where
#: keystone, the catalog or Placement cannot be reached.
_DENIED = (
    ks_exceptions.AuthorizationFailure,
    ks_exceptions.AuthPluginException,
    ks_exceptions.Forbidden,
    ks_exceptions.Unauthorized,
)
_UNAVAILABLE = (
    ks_exceptions.ConnectionError,
    ks_exceptions.DiscoveryFailure,
    ks_exceptions.EndpointNotFound,
    ks_exceptions.HttpError,
)

#: Where a write is sent twice, the second answer hides that of the first.
#: Where it is redirected, nobody knows what was done before.
_ONCE: Mapping[str, Any] = {
    'connect_retries': 0,
    'status_code_retries': 0,
    'redirect': False,
}

_T = TypeVar('_T')
_A = TypeVar('_A')
_VERSION = re.compile(r'1\.(\d{1,4})')

_MICROVERSION = arguments.That(
    lambda value: isinstance(value, str) and bool(_VERSION.fullmatch(value)),
    'a microversion such as 1.39',
)
_METHOD = arguments.That(
    lambda value: value in ('DELETE', 'GET', 'PATCH', 'POST', 'PUT'),
    'a method of HTTP such as GET',
)
_URL = arguments.That(
    lambda value: isinstance(value, str) and value.startswith('/'),
    'a path that begins with /',
)
_SEVERAL = arguments.That(
    lambda value: hasattr(value, '__iter__') and not isinstance(value, str),
    'a list',
)
_ADAPTER = arguments.That(
    lambda value: callable(getattr(value, 'request', None)),
    'an adapter or a session of keystoneauth1',
)


class Wire:
    """Sends calls to one Placement, and decodes its answers.

    Threads may share it as far as they may share the keystoneauth session.

    :param adapter: a keystoneauth1 adapter, with the limits of rate that it
        has; or a session, in which case the service catalog has the endpoint
    :param timeout: seconds that one call may take in all, those to keystone
        and the whole answer included
    :param max_answer: bytes that one answer may have, decompressed
    :param max_microversion: pretend that Placement has no later one
    :raises InputError: here and in every method, before Placement is asked:
        where an argument cannot be used
    """

    @checked(
        adapter=_ADAPTER,
        timeout=arguments.SECONDS,
        max_answer=arguments.Whole(1, 2**40),
        max_microversion=Maybe(_MICROVERSION),
    )
    def __init__(
        self,
        adapter: Adapter | Session,
        *,
        timeout: float = TIMEOUT,
        max_answer: int = MAX_ANSWER,
        max_microversion: str | None = None,
    ) -> None:
        self._adapter = adapter
        # Not through an adapter of our own: its limit of rate goes by the
        # wall clock even where there is none, so that each call sleeps once
        # the clock is set back (keystoneauth1 5.18).
        self._options: dict[str, Any] = (
            {'endpoint_filter': {'service_type': 'placement'}}
            if isinstance(adapter, Session)
            else {}
        )
        self._timeout = timeout
        self._max_answer = max_answer
        self._cap = _minor(max_microversion) if max_microversion else None
        self._newest: int | None = None
        self._names: dict[str, str] = {}

    @checked(
        method=_METHOD,
        url=_URL,
        json=arguments.anything,
        microversion=_MICROVERSION,
    )
    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        microversion: str = MICROVERSION,
    ) -> Any:
        """Ask Placement something of your own.

        :param url: path and query below the endpoint
        :returns: the JSON object of the answer; {} where it has no body
        :raises PlacementUnavailable: no answer in time, a 5xx status, or one
            that says to come again (408, 429)
        :raises PlacementDenied: 401 or 403
        :raises PlacementTooOld: 406, or the microversion is missing
        :raises PlacementConflict: 409
        :raises PlacementRefused: any other 4xx status
        :raises PlacementAnswerError: no JSON object, an answer that is too
            large, or an unknown status; and where the answer to anything
            but a GET is not Placement's own
        """
        return self._ask(
            dict[str, Any], method, url, json=json, microversion=microversion
        )

    def _ask(
        self,
        shape: type[_T],
        method: str,
        url: str,
        *,
        json: Any = None,
        microversion: str | None = MICROVERSION,
    ) -> _T:
        if microversion is not None:
            self.require(microversion)
        what = f'{method} {url.partition("?")[0]}'
        response = self._send(what, method, url, json, microversion)
        status = response.status_code
        if not 200 <= status < 300:
            raise fault(what, status, microversion, response)
        if method != 'GET' and not is_own(response):
            raise PlacementAnswerError(
                f'{what}: the answer {status} of {asked(response)} is not '
                'from Placement; check the endpoint.'
            )
        content = b'{}' if status == 204 else response.content or b'{}'
        try:
            return msgspec.json.decode(content, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            kind = response.headers.get('content-type', 'no type')
            raise PlacementAnswerError(
                f'{what}: the answer of {asked(response)} is no JSON object '
                f'as Placement gives it ({one_line(e)}; {printable(kind)}, '
                f'{counted(len(content), "byte")}); check the endpoint.'
            ) from None

    def _send(
        self,
        what: str,
        method: str,
        url: str,
        json: Any,
        microversion: str | None,
    ) -> Any:
        seconds = self._seconds()
        call = Call(seconds, self._max_answer)
        options = {
            **self._options,
            **call.options,
            **({} if method == 'GET' else _ONCE),
        }

        def send() -> Any:
            return self._adapter.request(
                url,
                method,
                microversion=microversion,
                # Adapters onto an endpoint often name no service.
                microversion_service_type='placement',
                json=json,
                raise_exc=False,
                timeout=seconds,
                headers={
                    'Accept': 'application/json',
                    'Accept-Encoding': ENCODING,
                },
                **options,
            )

        began = time.monotonic()
        try:
            response = call.run(
                functools.partial(repeated_once, send)
                if method == 'GET'
                else send
            )
            LOG.debug(
                '%s %s: %s after %.0f ms, %d bytes',
                method,
                asked(response),
                response.status_code,
                (time.monotonic() - began) * 1000,
                len(response.content),
            )
            return response
        except OutOfTime:
            raise PlacementUnavailable(
                f'{what}: Placement did not answer in full within '
                f'{round(seconds, 1):g} seconds; check that it runs and that '
                'the endpoint is right.'
            ) from None
        except TooLarge as error:
            raise PlacementAnswerError(
                f'{what}: the answer was not read, since {error}; check the '
                'endpoint.'
            ) from None
        except _DENIED as error:
            raise unclear(
                PlacementDenied(
                    f'{what}: the credentials were refused: {one_line(error)}'
                )
            ) from error
        except _UNAVAILABLE as error:
            raise PlacementUnavailable(
                f'{what}: Placement did not answer: {one_line(error)}; check '
                'that it runs and that the endpoint is right.'
            ) from error
        except ks_exceptions.ClientException as error:
            raise unclear(
                PlacementError(f'{what}: {one_line(error)}')
            ) from error

    @checked(ask=arguments.FUNCTION, about=_SEVERAL)
    def each(self, ask: Callable[[_A], _T], about: Iterable[_A]) -> list[_T]:
        """Ask about each of several, over a few connections at one time.

        :param ask: makes calls; threads call it
        :returns: what it returns for each, in their order
        :raises PlacementError: that of the first item that has one; after an
            error nothing more is asked
        """
        return in_parallel(ask, about, CONNECTIONS)

    @checked(questions=_SEVERAL)
    def together(self, questions: Iterable[Callable[[], Any]]) -> list[Any]:
        """Return the answers to several questions, asked at one time.

        :param questions: each makes calls; threads call it
        :raises PlacementError: that of the first question that has one; after
            an error nothing more is asked
        """
        return self.each(lambda ask: ask(), questions)

    def _seconds(self) -> float:
        """Return how long the next call may take."""
        return self._timeout

    @checked(microversion=_MICROVERSION)
    def supports(self, microversion: str) -> bool:
        """Return whether Placement has a microversion; asks once."""
        if self._newest is None:
            self._newest = self._ask_newest()
        return _minor(microversion) <= self._newest

    @checked(microversion=_MICROVERSION)
    def require(self, microversion: str) -> None:
        """:raises PlacementTooOld: where Placement lacks a microversion"""
        if not self.supports(microversion):
            raise PlacementTooOld(
                f'Placement has microversions up to 1.{self._newest}; '
                f'{microversion} is needed, so upgrade it.'
            )

    def _ask_newest(self) -> int:
        answer = self._ask(answers.Versions, 'GET', '/', microversion=None)
        try:
            newest = max(_minor(v.max_version) for v in answer.versions)
        except ValueError:
            raise PlacementAnswerError(
                'GET /: the answer names no microversions; check that the '
                'endpoint is the one of Placement.'
            ) from None
        return newest if self._cap is None else min(newest, self._cap)


def _minor(microversion: str) -> int:
    """:raises ValueError: where it is none"""
    match = _VERSION.fullmatch(microversion)
    if match is None:
        raise ValueError(microversion)
    return int(match[1])
