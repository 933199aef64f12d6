"""PlacementClient: what schedulers ask of a Placement."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from sev_scheduling import arguments
from sev_scheduling.arguments import Items, Maybe, Of, checked
from sev_scheduling.diagnosis import Diagnosis, Feasibility
from sev_scheduling.hosts.capacity import Capacity
from sev_scheduling.hosts.host import Host
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.claims import claims
from sev_scheduling.placement.claims.capacity import capacity
from sev_scheduling.placement.claims.claims import PlacedInstance
from sev_scheduling.placement.claims.consumers import (
    Claim,
    list_claims,
)
from sev_scheduling.placement.diagnosis import diagnose
from sev_scheduling.placement.feasibility import feasibility
from sev_scheduling.placement.hosts import list_hosts
from sev_scheduling.placement.wire.transport import MAX_ANSWER
from sev_scheduling.placement.wire.wire import TIMEOUT
from sev_scheduling.prefilter import ANYWHERE, Scope, translate
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validated

_REQUEST = Of(
    (EncryptionRequest, Validation), 'what parse() or validate() returned'
)
_SCOPE = Of(Scope, 'a Scope')
#: What Placement takes for a user.
_OWNER = arguments.Text(1, 255)


class PlacementClient(Api):
    """Hosts, claims and diagnoses, from any Placement; see :class:`.Api`.

    :param patience: seconds that a claim goes on after conflicts with other
        claimers
    """

    @checked(**arguments.kinds_of(Api.__init__), patience=arguments.PATIENCE)
    def __init__(
        self,
        adapter: Adapter | Session,
        *,
        timeout: float = TIMEOUT,
        max_answer: int = MAX_ANSWER,
        patience: float = 60.0,
        max_microversion: str | None = None,
    ) -> None:
        super().__init__(
            adapter,
            timeout=timeout,
            max_answer=max_answer,
            max_microversion=max_microversion,
        )
        self._patience = patience
        self._selections: claims.Selections = deque(maxlen=1)

    @checked(details=arguments.FLAG, scope=_SCOPE)
    def hosts(
        self, *, details: bool = False, scope: Scope = ANYWHERE
    ) -> list[Host]:
        """Return every host, full and disabled ones included, by name.

        That is at most six calls, whatever the number of hosts, and three
        for each provider of a host that has nothing left of any resource.

        :param details: ask for the reserved slots and for
            ``ram_allocation_ratio`` too, which Placement reports in one call
            for each host with a pool, and one more for each nested pool,
            eight at one time; without, reserved slots are taken off
            ``total``, ``reserved`` is 0 and the ratio is None
        :param scope: leave out hosts that are not in these aggregates, …
        :raises PlacementError: one of its children
        """
        return list_hosts(self, details=details, scope=scope)

    @checked(
        request=_REQUEST,
        count=arguments.COUNT,
        scope=_SCOPE,
        owner=_OWNER,
        instances=Maybe(Items(arguments.UUID)),
        on_placed=Maybe(arguments.FUNCTION),
    )
    def schedule(
        self,
        request: EncryptionRequest | Validation,
        count: int = 1,
        *,
        scope: Scope = ANYWHERE,
        owner: str = claims.OWNER,
        instances: Iterable[str] | None = None,
        on_placed: Callable[[PlacedInstance], None] | None = None,
    ) -> tuple[PlacedInstance, ...]:
        """Claim room for guests, for all of them or for none.

        :param count: how many guests
        :param scope: the hosts that may take them; disabled ones may not
        :param owner: who holds the claims; :meth:`reconcile` finds by it
        :param instances: uuids of the guests; made up where not given
        :param on_placed: called for each guest once all are claimed; where
            it raises, all are released again. Should that fail, the
            exception gets a note with their uuids, which is logged too.
        :raises InputError: where the instances are not one a guest, or one
            of them holds something already
        :raises InvalidRequest: where a problem is an error
        :raises NoCapacity: where they do not all fit
        :raises PlacementConflict: where others kept claiming the same
        :raises PlacementError: one of its children; its ``instances`` has
            the guests that may hold something all the same
        """
        placed = claims.schedule(
            self,
            self._selections,
            request,
            count,
            scope=scope,
            owner=owner,
            instances=None if instances is None else tuple(instances),
            patience=self._patience,
        )
        if on_placed is not None:
            try:
                for placement in placed:
                    on_placed(placement)
            except BaseException as error:
                # The caller does not get their uuids.
                claims.release_all(self, placed, error)
                raise
        return placed

    @checked(request=_REQUEST, scope=_SCOPE, details=arguments.FLAG)
    def capacity(
        self,
        request: EncryptionRequest | Validation,
        *,
        scope: Scope = ANYWHERE,
        details: bool = False,
    ) -> Capacity:
        """Return how many more such guests fit, and what keeps one more off.

        Exactly as many as :meth:`schedule` would place; on each host, as if
        it were the only one. A call more than :meth:`hosts`: mostly three,
        whatever the number of hosts.

        :param details: for a model that pins memory, and a flavor without a
            page size, ask for the ``ram_allocation_ratio`` of each host with
            a pool of the model, in a call each, eight at one time: a host
            that overcommits memory takes none. Without, such hosts count as
            others do, and ``overcommit_known`` is false
        :raises InvalidRequest: where a problem is an error
        :raises PlacementError: one of its children
        """
        return capacity(self, validated(request), scope, details=details)

    @checked(owner=Maybe(_OWNER))
    def claims(self, *, owner: str | None = None) -> list[Claim]:
        """Return the claims of guests that hold slots.

        :param owner: of this owner alone, and made by this library
        :raises PlacementError: one of its children
        """
        return list_claims(self, owner=owner)

    @checked(instance=arguments.UUID, force=arguments.FLAG)
    def release(self, instance: str, *, force: bool = False) -> bool:
        """Free what a guest holds; return whether it held anything.

        :param instance: the guest's uuid
        :param force: also where this library has not claimed it, as nova's
            servers
        :raises NotOwned: where it was not claimed by this library
        :raises PlacementError: one of its children; its ``instances`` has
            the guest where it may be freed or not
        """
        return claims.release(
            self, instance, patience=self._patience, force=force
        )

    @checked(instance=arguments.UUID, request=_REQUEST, scope=_SCOPE)
    def move(
        self,
        instance: str,
        request: EncryptionRequest | Validation,
        *,
        scope: Scope = ANYWHERE,
    ) -> PlacedInstance:
        """Give a guest room on another host in place of all that it holds.

        It holds its old place or its new one at any moment. Until it has the
        new one, a claim of the same owner, of this library's for a guest of
        others, has that: where this process dies, :meth:`reconcile` finds
        it.

        :param scope: the hosts that may take it; disabled ones may not
        :raises InputError: where it holds nothing
        :raises NoCapacity: where no other host can take it; it then keeps
            what it has
        :raises PlacementError: one of its children; its ``instances`` has
            the claim of the new place, where that may be left
        """
        return claims.move(
            self, instance, request, scope=scope, patience=self._patience
        )

    @checked(owner=_OWNER, older_than=arguments.AGE, dry_run=arguments.FLAG)
    def reconcile(
        self, owner: str, *, older_than: float = 0.0, dry_run: bool = True
    ) -> list[Claim]:
        """Free slots that a dead owner left; return those claims.

        Look at them first: ``dry_run`` is the default. Claims that this
        library has not made, nova's servers among them, are no part of it.

        :param owner: as in :meth:`schedule`
        :param older_than: seconds since the claim was made
        :param dry_run: free nothing, only return the claims
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

    @checked(request=_REQUEST, scope=_SCOPE)
    def diagnose(
        self,
        request: EncryptionRequest | Validation,
        *,
        scope: Scope = ANYWHERE,
    ) -> Diagnosis:
        """Return what empties Placement's answer to a request.

        :param scope: the hosts that may answer; what it asks for may be the
            cause, too
        :raises InvalidRequest: where a problem is an error
        :raises PlacementError: one of its children
        """
        validation = validated(request)
        query = translate(validation, scope=scope)
        return diagnose(self, validation.request, query)

    @checked(
        request=_REQUEST,
        hosts=Maybe(Items(Of(Host, 'a Host'))),
        scope=_SCOPE,
        count=arguments.COUNT,
    )
    def feasibility(
        self,
        request: EncryptionRequest | Validation,
        hosts: Iterable[Host] | None = None,
        *,
        scope: Scope = ANYWHERE,
        count: int = 1,
    ) -> Feasibility:
        """Return what every host says, and whether Placement offers it.

        :param hosts: all of the scope where they are not given
        :param scope: the hosts that may answer
        :param count: how many guests: how many of them fit is counted where
            there are several
        :raises InvalidRequest: where a problem is an error
        :raises PlacementError: one of its children
        """
        if count == 1:
            return feasibility(self, request, hosts, scope)
        fit, limits = claims.room(self, request, count, scope=scope)
        return feasibility(
            self, request, hosts, scope, count=count, fit=fit, limits=limits
        )
