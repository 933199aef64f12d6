"""Whether a rebuild leaves a server with the slot that it needs.

A rebuild keeps the server on its host and claims nothing, so nova lets a new
image make a server encrypted that holds no slot. Only Placement knows what
the server holds.
"""

from __future__ import annotations

from dataclasses import replace

from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.nova.lookups.lookups import Lookups
from sev_scheduling.problems import Problem
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.actions import check_action

#: Models whose slot a server holds: none where it holds no slot of a known
#: model, several where its provider offers several.
Held = tuple[EncryptionModel, ...]


def held_models(lookups: Lookups, server: str) -> Held:
    """Return of which models the slot is that a server holds.

    :param server: its uuid
    :raises PlacementError: where Placement does not tell what it holds
    """
    provider = lookups.slot_provider(server)
    if provider is None:
        return ()
    offering = lookups.providers_with(provider).offering
    return tuple(
        model
        for model in registered_models().values()
        if provider in offering[model.name]
    )


def check_slot(held: Held, request: EncryptionRequest) -> tuple[Problem, ...]:
    """Return what is wrong with the slot that a server holds.

    :param request: what its flavor and the new image ask for; encrypted
    """
    if any(model in held for model in request.models):
        return ()
    before = replace(request, encrypted=bool(held), models=held[:1])
    problem = check_action(before, 'rebuild', new=request)
    return (problem,) if problem else ()
