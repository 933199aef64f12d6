"""Processes that claim slots over HTTP, to be raced and to be killed."""

from __future__ import annotations

import collections
import multiprocessing
import random
from multiprocessing.process import BaseProcess

from sev_scheduling import EncryptionRequest, exceptions
from sev_scheduling.placement import PlacementClient
from sev_scheduling.placement.claims.consumers import new_instance
from tests.servers.placement import adapter_for

# Forked from a process that has the imports done and runs no threads.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload([__name__])

#: What became of one claim where it was made.
HELD = 'held'


def race(
    url: str, request: EncryptionRequest, *, processes: int, claims: int
) -> collections.Counter[str]:
    """Let processes claim for one guest after the other, all at once.

    :param claims: how many each process makes
    :returns: :data:`HELD` or the name of an exception -> how often
    """
    with _CONTEXT.Pool(processes) as pool:
        outcomes = pool.starmap(
            _claim, [(url, request, claims)] * processes, chunksize=1
        )
        return sum(outcomes, collections.Counter())


def _claim(
    url: str, request: EncryptionRequest, claims: int
) -> collections.Counter[str]:
    client = PlacementClient(adapter_for(url))
    outcomes: collections.Counter[str] = collections.Counter()
    for _ in range(claims):
        try:
            client.schedule(request)
        except Exception as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes[HELD] += 1
    return outcomes


def start_claimer(
    url: str, request: EncryptionRequest, owner: str
) -> BaseProcess:
    """Start a process that claims, moves and releases until it is killed.

    It ends by itself, with status 1, where anything goes wrong. Guests that
    are alone are moved and released. Those of a group stay; their uuids end
    in :data:`MARK` and one of :data:`GROUP` each, and are the same before.
    """
    process = _CONTEXT.Process(
        target=_claim_until_killed, args=(url, request, owner), daemon=True
    )
    process.start()
    return process


#: A move that is killed leaves a consumer of its own, with any uuid: this
#: one has it once in 16 million.
MARK = 'facade'
GROUP = '012'


def _claim_until_killed(
    url: str, request: EncryptionRequest, owner: str
) -> None:
    client = PlacementClient(adapter_for(url))
    alone: list[str] = []
    while True:
        dice = random.random()
        try:
            if alone and dice < 0.2:
                client.move(random.choice(alone), request)
            elif alone and dice < 0.4:
                client.release(alone.pop())
            else:
                instances = [new_instance()]
                if dice >= 0.8:
                    start = instances[0][: -len(MARK) - 1] + MARK
                    instances = [start + end for end in GROUP]
                client.schedule(
                    request, len(instances), owner=owner, instances=instances
                )
                if dice < 0.8:
                    alone += instances
        except exceptions.NoCapacity:
            continue
