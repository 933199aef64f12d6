"""Other models that hosts offer, and what it takes to ask for one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.models import excluding_models, find_model, weaker_model
from sev_scheduling.problems import Fix, Source, Target, merge
from sev_scheduling.request.parsing import combine
from sev_scheduling.request.request import IMAGE_MODEL, EncryptionRequest
from sev_scheduling.rules.changes import changed
from sev_scheduling.rules.rule import set_image, set_model
from sev_scheduling.rules.validation import Validation, validate

#: What a change asks for may ask for more in turn.
_MOST_ROUNDS = 3


def offered_models(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the models of which hosts without the one wanted have slots."""
    return tuple(
        dict.fromkeys(
            name
            for verdict in verdicts
            if verdict.request.model and not verdict.host.disabled
            for name, pool in verdict.host.pools.items()
            if pool.free > 0 and not _is_excluded(name, verdict.host)
        )
    )


def _is_excluded(name: str, host: Host) -> bool:
    model = find_model(name)
    offered = (other for other, pool in host.pools.items() if pool.total > 0)
    return model is not None and bool(excluding_models(model, offered))


def models_in_its_place(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the models that hosts offer in place of the one wanted."""
    excluding = dict.fromkeys(
        verdict.excluded_by
        for verdict in verdicts
        if verdict.code is VerdictCode.EXCLUDED_BY_MODEL
    )
    offered = offered_models(
        [v for v in verdicts if v.code is VerdictCode.NO_POOL]
    )
    return tuple(dict.fromkeys((*offered, *excluding)))


def protects_less(request: EncryptionRequest, name: str) -> bool:
    """Whether a model protects less than the one that is asked for."""
    return any(
        weaker_model(model.name, name) == name for model in request.models
    )


@dataclass(frozen=True, slots=True)
class AsAnotherModel:
    """A request as another model, and all that has to be changed for it.

    :ivar fixes: one for each target, and what errors and new warnings ask
        for among it
    :ivar validation: of the request once that is done; without errors
    """

    fixes: tuple[Fix, ...]
    validation: Validation


def as_another_model(
    request: EncryptionRequest, name: str
) -> AsAnotherModel | None:
    """Return a request as a model that protects as much as its own.

    :returns: None where no command does all that this takes
    """
    if find_model(name) is None or protects_less(request, name):
        return None
    fixes = []
    if not _is_callers(request, name):
        fixes.append(set_model(request, name))
        if request.image_model and request.flavor_model:
            fixes.append(set_image(request, {IMAGE_MODEL: name}))
    known = {problem.code for problem in validate(request)}
    for _ in range(_MOST_ROUNDS):
        if not all(fix.command() for fix in fixes):
            return None
        merged = tuple(merge(fixes))
        validation = validate(_changed(request, merged, name))
        # A warning without a command keeps nobody from it.
        more = [
            problem.fix
            for problem in validation
            if problem.is_error
            or (problem.code not in known and problem.fix.command())
        ]
        if not validation.errors and all(fix in fixes for fix in more):
            return AsAnotherModel(merged, validation)
        fixes += more
    return None


def _is_callers(request: EncryptionRequest, name: str) -> bool:
    """Whether the caller takes a model without anybody naming it."""
    named = request.flavor_model or request.image_model
    return not named and name in request.caller_models


def _changed(
    request: EncryptionRequest, fixes: Collection[Fix], name: str
) -> EncryptionRequest:
    flavor, image = request.views
    return combine(
        changed(flavor, [f for f in fixes if f.target is Target.FLAVOR]),
        changed(image, [f for f in fixes if f.target is not Target.FLAVOR]),
        boot_from_volume=request.boot_from_volume,
        host_devices=[
            device
            for field, device in request.host_devices
            if field.source is Source.REQUEST
        ],
        models=[name] if _is_callers(request, name) else (),
    )
