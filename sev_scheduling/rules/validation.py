"""validate(): which rules a request breaks, all of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import Code, Problem, Severity
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.encryption import (
    MODEL_RULES,
    PLAIN_RULES,
    REQUEST_RULES,
)

_ORDER = {code: position for position, code in enumerate(Code)}


def validate(
    request: EncryptionRequest,
    machine_type: str | None = None,
    *,
    as_warnings: Collection[str] = (),
) -> tuple[Problem, ...]:
    """Return every problem of a request, errors first, in a fixed order.

    Where several models would do: the problems of the best one without
    errors; where all have errors, those of the best one.

    :param machine_type: the host's default, where the caller knows it
    :param as_warnings: codes to report as warnings instead of errors
    """
    first: tuple[Problem, ...] | None = None
    for model in request.models or (None,):
        problems = _problems(request, model, machine_type, as_warnings)
        if not any(problem.is_error for problem in problems):
            return problems
        first = first or problems
    return first or ()


def usable_models(
    request: EncryptionRequest,
    machine_type: str | None = None,
    *,
    as_warnings: Collection[str] = (),
) -> tuple[EncryptionModel, ...]:
    """Return the request's models, less those whose rules it breaks."""
    return tuple(
        model
        for model in request.models
        if not any(
            problem.is_error
            for problem in _problems(request, model, machine_type, as_warnings)
        )
    )


def _problems(
    request: EncryptionRequest,
    model: EncryptionModel | None,
    machine_type: str | None,
    as_warnings: Collection[str],
) -> tuple[Problem, ...]:
    problems = list(_findings(request, model, machine_type))
    if as_warnings:
        problems = [
            replace(problem, severity=Severity.WARNING)
            if problem.code in as_warnings
            else problem
            for problem in problems
        ]
    if len(problems) > 1:
        problems.sort(key=lambda p: (not p.is_error, _ORDER[p.code]))
    return tuple(problems)


def _findings(
    request: EncryptionRequest,
    model: EncryptionModel | None,
    machine_type: str | None,
) -> Iterator[Problem]:
    for rule in REQUEST_RULES:
        yield from rule(request)
    if not request.encrypted:
        for rule in PLAIN_RULES:
            yield from rule(request)
    elif model is not None:
        for model_rule in MODEL_RULES:
            yield from model_rule(request, model, machine_type)
