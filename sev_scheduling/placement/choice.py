"""Which of Placement's candidates each guest gets."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import os_resource_classes as orc

from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.hostfilter import filter_hosts
from sev_scheduling.hosts import Host
from sev_scheduling.models import EncryptionModel
from sev_scheduling.placement import providers
from sev_scheduling.placement.candidates import Candidate, Candidates
from sev_scheduling.placement.outlook import Outlook
from sev_scheduling.request import EncryptionRequest

if TYPE_CHECKING:
    from sev_scheduling.placement.client import PlacementClient


def choose(
    client: PlacementClient,
    request: EncryptionRequest,
    answer: Candidates,
    count: int,
    *,
    names: Mapping[str, str],
    avoid: str | None = None,
    shuffle: bool = False,
) -> list[Candidate]:
    """Choose a candidate for each of several equal guests.

    The best model first; then the host with most free slots, so that one
    host's failure takes few guests along; then by name. A guest without a
    slot goes to a host without pools while there is one.

    :param names: provider uuid -> name
    :param avoid: root uuid of a host that will not do
    :param shuffle: take the hosts of one model in any order
    :raises NoCapacity: where they do not all fit
    """
    hosts = {host.uuid or '': host for host in answer.hosts()}
    result = filter_hosts(request, hosts.values())
    fit = {host.uuid for host in result.accepted}
    room = answer.room()
    by_host: dict[tuple[int, str], list[Candidate]] = {}
    models = request.models
    for candidate in answer.candidates(models):
        if candidate.root in fit and candidate.root != avoid:
            rank = models.index(candidate.model) if candidate.model else 0
            by_host.setdefault((rank, candidate.root), []).append(candidate)
    order = sorted(
        by_host,
        key=lambda key: (
            key[0],
            random.random() if shuffle else 0.0,
            -_free_slots(hosts[key[1]], models, key[0]),
            names.get(key[1], key[1]),
        ),
    )
    chosen: list[Candidate] = []
    for rank, root in order:
        if len(chosen) == count:
            break
        if not _memory_is_not_overcommitted(client, request, hosts[root]):
            continue
        for candidate in by_host[rank, root]:
            while len(chosen) < count and _take(room, candidate):
                chosen.append(candidate)
    if len(chosen) < count:
        raise _no_capacity(client, request, count, len(chosen))
    return chosen


def _free_slots(
    host: Host, models: Sequence[EncryptionModel], rank: int
) -> int:
    if not models:
        # Slots are scarce: leave them to guests that need one.
        return -sum(pool.total for pool in host.pools.values())
    pool = host.pools.get(models[rank].name)
    return pool.free if pool else 0


def _take(room: dict[str, dict[str, int]], candidate: Candidate) -> bool:
    """Take a candidate's amounts off what is left, if they are left."""
    wanted = [
        (room.get(provider, {}), name, amount)
        for provider, amounts in candidate.allocations.items()
        for name, amount in amounts.items()
    ]
    if any(left.get(name, 0) < amount for left, name, amount in wanted):
        return False
    for left, name, amount in wanted:
        left[name] -= amount
    return True


def _memory_is_not_overcommitted(
    client: PlacementClient, request: EncryptionRequest, host: Host
) -> bool:
    """Ask for what no candidate tells: one call a host that is chosen."""
    if request.mem_page_size or not any(
        model.locks_memory for model in request.models
    ):
        return True
    memory = providers.inventories_of(client, host.uuid or '').get(
        orc.MEMORY_MB
    )
    return not memory or float(memory['allocation_ratio']) <= 1.0


def _no_capacity(
    client: PlacementClient,
    request: EncryptionRequest,
    count: int,
    fit: int,
) -> NoCapacity:
    outlook = Outlook(client, request, client.hosts())
    if fit:
        what = (
            f'Only {fit} of {count} guests fit, so none was placed; ask for '
            f'{fit}, or free slots.'
        )
    elif count == 1:
        what = 'No host can take the guest.'
    else:
        what = f'No host can take any of the {count} guests.'
    return NoCapacity(what, outlook.explanation)
