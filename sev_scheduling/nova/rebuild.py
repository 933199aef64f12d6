"""Whether a rebuild leaves a server with the slot that it needs.

A rebuild keeps the server on its host and claims nothing, so nova lets a new
image make a server encrypted that holds no slot. Only Placement knows what
the server holds.
"""

from __future__ import annotations

from dataclasses import replace

from sev_scheduling.actions import check_action
from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.nova.lookups import Lookups
from sev_scheduling.problems import Problem
from sev_scheduling.request import EncryptionRequest


def check_slot(
    lookups: Lookups, server: str, request: EncryptionRequest
) -> tuple[Problem, ...]:
    """Return what is wrong with the slot that a server holds.

    :param server: its uuid
    :param request: what its flavor and the new image ask for; encrypted
    :raises PlacementError: where Placement does not tell what it holds
    """
    provider = lookups.slot_provider(server)
    models: tuple[EncryptionModel, ...] = ()
    if provider is not None:
        offering = lookups.providers_with(provider).offering
        if any(provider in offering[model.name] for model in request.models):
            return ()
        models = tuple(
            model
            for model in registered_models().values()
            if provider in offering[model.name]
        )
    # A slot of no known model is as good as none.
    held = replace(request, encrypted=bool(models), models=models[:1])
    problem = check_action(held, 'rebuild', new=request)
    return (problem,) if problem else ()
