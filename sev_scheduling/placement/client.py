"""PlacementClient: what schedulers ask of a Placement."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from sev_scheduling.diagnosis import Diagnosis
from sev_scheduling.exceptions import (
    InputError,
    PlacementAnswerError,
    PlacementTooOld,
)
from sev_scheduling.hosts.host import Host
from sev_scheduling.placement import claims, owners, providers
from sev_scheduling.placement.candidates import Candidates
from sev_scheduling.placement.claims import Placement
from sev_scheduling.placement.http import TIMEOUT, UnknownName, call
from sev_scheduling.prefilter import MICROVERSION, PlacementRequest
from sev_scheduling.request.request import EncryptionRequest

_VERSION = re.compile(r'1\.(\d{1,4})')


class PlacementClient:
    """Candidates, hosts, claims and diagnoses, from any Placement.

    Safe to share by threads as far as the keystoneauth session is.

    :param adapter: a keystoneauth1 adapter, or a session, in which case the
        service catalog tells the endpoint
    :param timeout: seconds for one call to answer
    :param patience: seconds that a claim goes on after conflicts with other
        claimers
    :param max_microversion: pretend that Placement has no later one
    :ivar names: providers' names, as far as they have been asked for
    """

    def __init__(
        self,
        adapter: Adapter | Session,
        *,
        timeout: float = TIMEOUT,
        patience: float = 60.0,
        max_microversion: str | None = None,
    ) -> None:
        if isinstance(adapter, Session):
            adapter = Adapter(adapter, service_type='placement')
        self._adapter = adapter
        self._timeout = timeout
        self._patience = patience
        self._cap = _minor(max_microversion) if max_microversion else None
        self._newest: int | None = None
        self.names = providers.Names(self)

    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        microversion: str = MICROVERSION,
    ) -> Any:
        """Ask Placement something of your own; see :mod:`.http`.

        :raises PlacementError: one of its children
        """
        self.require(microversion)
        return call(
            self._adapter,
            method,
            url,
            microversion,
            json=json,
            timeout=self._timeout,
        )

    def supports(self, microversion: str) -> bool:
        """Return whether Placement has a microversion; asks once."""
        if self._newest is None:
            self._newest = self._ask_newest()
        return _minor(microversion) <= self._newest

    def require(self, microversion: str) -> None:
        """:raises PlacementTooOld: where Placement lacks a microversion"""
        if not self.supports(microversion):
            raise PlacementTooOld(
                f'Placement has microversions up to 1.{self._newest}; '
                f'{microversion} is needed, so upgrade it.'
            )

    def _ask_newest(self) -> int:
        answer = call(self._adapter, 'GET', '/', None, timeout=self._timeout)
        try:
            newest = max(_minor(v['max_version']) for v in answer['versions'])
        except (KeyError, TypeError, ValueError, InputError):
            raise PlacementAnswerError(
                'GET /: the answer names no microversions; check that the '
                'endpoint is the one of Placement.'
            ) from None
        return newest if self._cap is None else min(newest, self._cap)

    def candidates(
        self, query: PlacementRequest, limit: int | None = None
    ) -> Candidates:
        """Ask for allocation candidates.

        Where any of several models will do and Placement is older than
        1.39, or has never heard of one of them, that is one question a
        model; the answer is the same. A trait or a resource class that it
        has never heard of is one that no host has.

        :param limit: how many candidates to answer with at most; of several
            models, Placement may leave out any
        :raises PlacementError: one of its children
        """
        try:
            if self.supports(query.microversion) or len(query.models) < 2:
                return self._ask(query, limit)
        except UnknownName:
            # Of one model, which says nothing of the others.
            if len(query.models) < 2:
                return Candidates((), {})
        found = Candidates((), {})
        for variant in _variants(query):
            if limit is None or len(found.allocation_requests) < limit:
                found += self.candidates(variant, limit)
        return found.limited_to(limit)

    def _ask(self, query: PlacementRequest, limit: int | None) -> Candidates:
        return Candidates.from_answer(
            self.call(
                'GET',
                f'/allocation_candidates?{query.querystring(limit)}',
                microversion=query.microversion,
            )
        )

    def hosts(self, *, details: bool = True) -> list[Host]:
        """Return every host, full ones included, by name.

        :param details: ask for the reserved slots and for
            ``ram_allocation_ratio`` too, which Placement tells in one call
            for each host with a pool, and one more for each nested pool;
            without, ``reserved`` is taken off ``total`` and the ratio is
            None, and the number of calls does not grow with the cloud
        :raises PlacementError: one of its children
        """
        return providers.hosts(self, details=details)

    def schedule(
        self,
        request: EncryptionRequest,
        count: int = 1,
        *,
        owner: str = claims.OWNER,
        instances: Iterable[str] | None = None,
        on_placed: Callable[[Placement], None] | None = None,
    ) -> tuple[Placement, ...]:
        """Claim room for guests, for all of them or for none.

        :param count: how many guests
        :param owner: who holds the claims; :meth:`reconcile` finds by it
        :param instances: uuids of the guests; made up where not given
        :param on_placed: called for each guest once all are claimed; where
            it raises, all are released again
        :raises InputError: where the instances are not uuids, one a guest,
            or one of them holds something already; where Placement takes no
            such owner
        :raises InvalidRequest: where a problem is an error
        :raises NoCapacity: where they do not all fit
        :raises PlacementConflict: where others kept claiming the same
        :raises PlacementError: one of its children
        """
        placed = claims.schedule(
            self,
            request,
            count,
            owner=owner,
            instances=None if instances is None else tuple(instances),
            patience=self._patience,
        )
        if on_placed is not None:
            self._tell(placed, on_placed)
        return placed

    def _tell(
        self,
        placed: tuple[Placement, ...],
        on_placed: Callable[[Placement], None],
    ) -> None:
        try:
            for placement in placed:
                on_placed(placement)
        except BaseException:
            # Nobody will know of them.
            for placement in placed:
                self.release(placement.instance)
            raise

    def claims(self, *, owner: str | None = None) -> list[owners.Claim]:
        """Return the claims of guests that hold slots.

        :param owner: of this owner alone, and made by this library
        :raises PlacementError: one of its children
        """
        return owners.list_claims(self, owner=owner)

    def release(self, instance: str) -> bool:
        """Free what a guest holds; return whether it held anything.

        :param instance: the guest's uuid
        :raises InputError: where it is no uuid
        :raises PlacementError: one of its children
        """
        return claims.release(self, instance, patience=self._patience)

    def move(self, instance: str, request: EncryptionRequest) -> Placement:
        """Give a guest room on another host in place of all that it holds.

        :raises InputError: where it holds nothing
        :raises NoCapacity: where no other host can take it; it then keeps
            what it has
        :raises PlacementError: one of its children
        """
        return claims.move(self, instance, request, patience=self._patience)

    def reconcile(
        self, owner: str, *, older_than: float = 0.0, dry_run: bool = True
    ) -> list[owners.Claim]:
        """Free slots that a dead owner left; return those claims.

        Look at them first: ``dry_run`` is the default.

        :param owner: as in :meth:`schedule`
        :param older_than: seconds since the claim was made
        :param dry_run: free nothing, only tell
        :raises PlacementError: one of its children; what was freed by then
            stays free
        """
        return claims.reconcile(
            self,
            owner,
            older_than=older_than,
            dry_run=dry_run,
            patience=self._patience,
        )

    def diagnose(self, request: EncryptionRequest) -> Diagnosis:
        """Say what empties Placement's answer to a request.

        :raises InvalidRequest: where a problem is an error
        :raises PlacementError: one of its children
        """
        from sev_scheduling.placement.diagnosis import diagnose

        return diagnose(self, request)


def _minor(microversion: str) -> int:
    match = _VERSION.fullmatch(microversion)
    if match is None:
        raise InputError(
            f'Microversion {microversion!r} is not of the form 1.39.'
        )
    return int(match[1])


def _variants(query: PlacementRequest) -> Iterable[PlacementRequest]:
    """Yield a query for each model, the best first."""
    for model in query.models:
        yield replace(
            query,
            groups=tuple(
                replace(group, required=(frozenset((model.trait,)),))
                if group.suffix == query.slot_suffix
                else group
                for group in query.groups
            ),
            models=(model,),
        )
