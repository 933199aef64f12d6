"""Api: what this library asks of a Placement.

All else in the library goes through the methods below ``call()`` and
``supports()``; a Placement in memory overrides these.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from sev_scheduling import arguments
from sev_scheduling.arguments import Items, Maybe, Of, checked
from sev_scheduling.exceptions import (
    PlacementAnswerError,
    PlacementConflict,
    PlacementDenied,
    PlacementError,
    PlacementRefused,
    PlacementTooOld,
    PlacementUnavailable,
)
from sev_scheduling.placement import answers
from sev_scheduling.placement.answers import (
    Allocations,
    Candidates,
    Inventory,
    ResourceProvider,
)
from sev_scheduling.placement.transport import (
    ENCODING,
    MAX_ANSWER,
    Call,
    OutOfTime,
    TooLarge,
    in_parallel,
)
from sev_scheduling.prefilter import (
    MICROVERSION,
    MICROVERSION_ANY_TRAIT,
    MICROVERSION_CONSUMER_TYPE,
    MICROVERSION_ROOT_TRAIT,
    PlacementRequest,
)
from sev_scheduling.text import one_line, printable

LOG = logging.getLogger(__name__)

#: Seconds that one call may take in all.
TIMEOUT = 30.0

#: Candidates that one answer may have: more than any cloud has hosts. It
#: bounds time and memory where sharing providers multiply them.
MAX_CANDIDATES = 50_000

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

#: Placement's own answers have one of these; those of what stands between
#: have none.
_OWN_HEADERS = ('x-openstack-request-id', 'openstack-api-version')

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
_QUERY = Of(PlacementRequest, 'what translate() returned')
_PREFIX = arguments.That(
    lambda value: value == '' or arguments.NAME.test(value),
    'what names begin with, in upper-case letters, digits and underscores',
)
#: A uuid or a name that Placement itself may have given, whatever it is: of
#: one that is none, Placement says so.
_GIVEN = Of(str, 'a text')
_SEVERAL = arguments.That(
    lambda value: hasattr(value, '__iter__') and not isinstance(value, str),
    'a list',
)
_ADAPTER = arguments.That(
    lambda value: callable(getattr(value, 'request', None)),
    'an adapter or a session of keystoneauth1',
)


class UnknownName(PlacementRefused):
    """Placement does not know a trait or a resource class."""


class NotFound(PlacementRefused):
    """Placement has no such resource provider."""


class Api:
    """Calls to one Placement, and its answers as data.

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

    # -- the wire --

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
            raise _fault(what, status, microversion, response)
        if method != 'GET' and not _is_own(response):
            raise PlacementAnswerError(
                f'{what}: the answer {status} of {_asked(response)} is not '
                'from Placement; check the endpoint.'
            )
        content = b'{}' if status == 204 else response.content or b'{}'
        try:
            return msgspec.json.decode(content, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            kind = response.headers.get('content-type', 'no type')
            raise PlacementAnswerError(
                f'{what}: the answer of {_asked(response)} is no JSON object '
                f'as Placement gives it ({one_line(e)}; {printable(kind)}, '
                f'{len(content)} bytes); check the endpoint.'
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
        began = time.monotonic()
        try:
            response = call.run(
                lambda: self._adapter.request(
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
            )
            LOG.debug(
                '%s %s: %s after %.0f ms, %d bytes',
                method,
                _asked(response),
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
            raise _unclear(
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
            raise _unclear(
                PlacementError(f'{what}: {one_line(error)}')
            ) from error

    @checked(ask=arguments.FUNCTION, about=_SEVERAL)
    def each(self, ask: Callable[[_A], _T], about: Iterable[_A]) -> list[_T]:
        """Ask about each of several, over a few connections at one time.

        :param ask: makes calls; threads call it
        :returns: what it returns for each, in their order
        :raises PlacementError: the first error; the rest is not asked then
        """
        return in_parallel(ask, about, CONNECTIONS)

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

    # -- the seam --

    @checked(query=_QUERY, limit=Maybe(arguments.COUNT))
    def allocation_candidates(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        """Ask for allocation candidates, in one call.

        :param limit: how many to answer with at most;
            :data:`MAX_CANDIDATES` where it is None
        :raises UnknownName: where Placement does not know a name
        :raises PlacementError: another of its children
        """
        limit = MAX_CANDIDATES if limit is None else limit
        return self._ask(
            Candidates,
            'GET',
            f'/allocation_candidates?{query.querystring(limit)}',
            microversion=query.microversion,
        )

    @checked(query=_QUERY, limit=Maybe(arguments.COUNT))
    def candidates_of(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        """Ask for allocation candidates, in one call.

        Where Placement is older than 1.35, which brought root traits, the
        candidates are asked for without, and looked through here.

        :param limit: as in :meth:`allocation_candidates`
        """
        traits = query.root_required | query.root_forbidden
        if not traits or self.supports(MICROVERSION_ROOT_TRAIT):
            return self.allocation_candidates(query, limit)
        none: frozenset[str] = frozenset()
        wider = replace(query, root_required=none, root_forbidden=none)
        found = self.allocation_candidates(wider)
        return found.of_roots(query).limited_to(limit)

    @checked(query=_QUERY, limit=Maybe(arguments.COUNT))
    def candidates(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        """Ask for allocation candidates.

        Where any of several models will do and Placement is older than
        1.39, or does not know one of them, that is one call a model; the
        answer is the same. A trait or a resource class that Placement does
        not know is one that no host has.

        :param limit: how many candidates to answer with at most,
            :data:`MAX_CANDIDATES` where it is None; of several models,
            Placement may leave out any
        :raises PlacementError: one of its children
        """
        try:
            if self.supports(query.microversion) or len(query.models) < 2:
                return self.candidates_of(query, limit)
        except UnknownName:
            # Of one model, which says nothing of the others.
            if len(query.models) < 2:
                return Candidates((), {})
        found = Candidates((), {})
        for one in per_model(query):
            if limit is None or len(found.allocation_requests) < limit:
                found += self.candidates(one, limit)
        return found.limited_to(limit)

    @checked(
        name=Maybe(_GIVEN),
        uuid=Maybe(_GIVEN),
        required=Items(Items(_GIVEN, 1, frozenset)),
        member_of=Items(Items(_GIVEN, 1, frozenset)),
        in_tree=Maybe(_GIVEN),
    )
    def resource_providers(
        self,
        *,
        name: str | None = None,
        uuid: str | None = None,
        required: Iterable[frozenset[str]] = (),
        member_of: Iterable[frozenset[str]] = (),
        in_tree: str | None = None,
    ) -> list[ResourceProvider]:
        """Ask for providers; all of them where nothing is said.

        Placement has no limit for this answer.

        :param required: AND of ORs of traits; an OR of several needs 1.39
        :param member_of: AND of ORs of aggregate uuids
        :raises UnknownName: where Placement does not know a trait
        :raises PlacementError: another of its children
        """
        params: list[tuple[str, str]] = [
            (key, value)
            for key, value in (
                ('name', name),
                ('uuid', uuid),
                ('in_tree', in_tree),
            )
            if value is not None
        ]
        microversion = MICROVERSION
        for traits in required:
            if len(traits) > 1:
                microversion = MICROVERSION_ANY_TRAIT
                params.append(('required', f'in:{",".join(sorted(traits))}'))
            else:
                params.append(('required', min(traits)))
        params.extend(
            ('member_of', f'in:{",".join(sorted(aggregates))}')
            for aggregates in member_of
        )
        query = f'?{urlencode(params, safe=":,!")}' if params else ''
        return self._ask(
            answers.ProviderList,
            'GET',
            f'/resource_providers{query}',
            microversion=microversion,
        ).resource_providers

    @checked(uuids=Items(_GIVEN))
    def names(self, uuids: Iterable[str]) -> Mapping[str, str]:
        """Return provider uuid -> name, with these if they exist.

        All names are asked for once, and anew where one is missing. A
        provider that is renamed keeps its old name here; a compute host's
        never changes.

        :raises PlacementError: one of its children
        """
        if not self._names.keys() >= set(uuids):
            self._names = {p.uuid: p.name for p in self.resource_providers()}
        return self._names

    @checked(provider=_GIVEN)
    def inventories(self, provider: str) -> Mapping[str, Inventory] | None:
        """Return resource class -> inventory; None without the provider."""
        found = self._of(answers.Inventories, provider, 'inventories')
        return found.inventories if found else None

    @checked(provider=_GIVEN)
    def usages(self, provider: str) -> Mapping[str, int] | None:
        """Return resource class -> amount; None without the provider."""
        found = self._of(answers.Usages, provider, 'usages')
        return found.usages if found else None

    @checked(provider=_GIVEN)
    def traits(self, provider: str) -> frozenset[str] | None:
        """Return a provider's traits; None without the provider."""
        found = self._of(answers.Traits, provider, 'traits')
        return frozenset(found.traits) if found else None

    @checked(provider=_GIVEN)
    def aggregates(self, provider: str) -> frozenset[str] | None:
        """Return uuids of a provider's aggregates; None without it."""
        found = self._of(answers.Aggregates, provider, 'aggregates')
        return frozenset(found.aggregates) if found else None

    @checked(provider=_GIVEN)
    def consumers(self, provider: str) -> Mapping[str, Mapping[str, int]]:
        """Return consumer uuid -> resource class -> amount, of a provider."""
        found = self._of(answers.ProviderAllocations, provider, 'allocations')
        held = found.allocations if found else {}
        return {uuid: amounts.resources for uuid, amounts in held.items()}

    def _of(self, shape: type[_T], provider: str, what: str) -> _T | None:
        try:
            return self._ask(
                shape, 'GET', f'/resource_providers/{provider}/{what}'
            )
        except NotFound:
            return None

    @checked(consumer=_GIVEN)
    def allocations(self, consumer: str) -> Allocations:
        """Return what a consumer holds; false where it holds nothing.

        :param consumer: its uuid
        :raises PlacementError: one of its children
        """
        typed = self.supports(MICROVERSION_CONSUMER_TYPE)
        found = self._ask(
            answers.ConsumerAllocations,
            'GET',
            f'/allocations/{consumer}',
            microversion=(
                MICROVERSION_CONSUMER_TYPE if typed else MICROVERSION
            ),
        )
        kind = found.consumer_type
        return Allocations(
            {p: held.resources for p, held in found.allocations.items()},
            found.project_id,
            found.user_id,
            found.consumer_generation,
            None if kind == answers.UNKNOWN_TYPE else kind,
        )

    @checked(prefix=_PREFIX)
    def associated_traits(self, prefix: str) -> list[str]:
        """Return the traits of any provider that begin so, in their order.

        :raises PlacementError: one of its children
        """
        found = self._ask(
            answers.Traits,
            'GET',
            f'/traits?associated=true&name=startswith:{prefix}',
        )
        return sorted(found.traits)

    @checked(claims=arguments.Pairs(_GIVEN, Of(Allocations, 'Allocations')))
    def post_allocations(self, claims: Mapping[str, Allocations]) -> None:
        """Set what consumers hold, of all of them or of none.

        :param claims: consumer uuid -> what it is to hold; nothing frees it
        :raises PlacementConflict: where a generation is not the one that
            Placement has, or there is not that much left
        :raises PlacementError: another of its children
        """
        body = {
            consumer: {
                'allocations': {
                    provider: {'resources': dict(amounts)}
                    for provider, amounts in claim.by_provider.items()
                },
                'project_id': claim.project_id,
                'user_id': claim.user_id,
                'consumer_generation': claim.consumer_generation,
            }
            for consumer, claim in claims.items()
        }
        self._ask(dict[str, Any], 'POST', '/allocations', json=body)


def per_model(query: PlacementRequest) -> Iterator[PlacementRequest]:
    """Yield a query for each model, the best first."""
    any_of = frozenset(model.trait for model in query.models)
    for model in query.models:
        one = frozenset((model.trait,))
        yield replace(
            query,
            groups=tuple(
                replace(
                    group,
                    required=tuple(
                        one if ors == any_of else ors for ors in group.required
                    ),
                )
                if group.suffix == query.slot_suffix
                else group
                for group in query.groups
            ),
            models=(model,),
        )


def _minor(microversion: str) -> int:
    """:raises ValueError: where it is none"""
    match = _VERSION.fullmatch(microversion)
    if match is None:
        raise ValueError(microversion)
    return int(match[1])


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


def _fault(
    what: str, status: int, microversion: str | None, response: Any
) -> PlacementError:
    if status < 400:
        return PlacementAnswerError(
            f'{what}: the answer of {_asked(response)} has status {status}; '
            'check the endpoint.'
        )
    detail = _detail(response)
    own = bool(detail) and _is_own(response)
    if status == 404 and not own:
        return PlacementAnswerError(
            f'{what}: the answer of {_asked(response)} is 404 and not from '
            'Placement; check the endpoint.'
        )
    if status == 404:
        detail += f' ({_asked(response)})'
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
    fault = kind(f'{what}: {who} {status}{detail}{remedy}')
    return fault if own else _unclear(fault)


def _unclear(error: PlacementError) -> PlacementError:
    error.unclear = True
    return error


def _asked(response: Any) -> str:
    """Return the URL that has answered, without credentials."""
    parts = urlsplit(str(getattr(response, 'url', None) or ''))
    host = parts.netloc.rpartition('@')[2]
    return printable(urlunsplit(parts._replace(netloc=host)))


def _is_own(response: Any) -> bool:
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
